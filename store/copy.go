package store

import "context"

// CatalogForm is the newest form of a catalogue's changes. A copy that followed
// them in an older one lacks what that did not know, and is read anew. Form 1
// has API keys, and names and links of users; form 2 alert rules, channels, and
// tags of devices.
const CatalogForm = 2

// CatalogMark says which database a copy of a catalogue follows, and how far
// it has come.
type CatalogMark struct {
	Database string // the id that the database keeps: no two have the same
	Name     string // for people: where it was reached, without credentials
	Revision uint64 // of the last change that the copy holds; 0: of none
	Token    string // that the change of Revision carries: two histories that part differ in it
	Form     int    // in which everything up to Revision was taken over; see CatalogForm
}

// PortID names a port.
type PortID struct {
	DeviceID string
	Number   uint16
}

// CatalogChange is what a change of the catalogue leaves behind: whole objects
// as they are after it, and the names of those that are gone. A device never
// goes: deleted is one of its states.
type CatalogChange struct {
	Organizations []Organization
	Users         []User
	Devices       []Device
	Ports         []Port
	APIKeys       []APIKey
	AlertRules    []AlertRule
	Channels      []Channel

	GoneOrganizations []string
	GoneUsers         []string
	GonePorts         []PortID
	GoneAPIKeys       []string
	GoneAlertRules    []string
	GoneChannels      []string

	// LastUID is the highest device number that was ever given. It counts in a
	// whole catalogue; elsewhere the devices' own are enough.
	LastUID uint32
}

// CatalogCopy is a catalogue in the data folder that can follow one elsewhere:
// it answers every read, also while the other is away, and is changed by the
// changes of the other alone.
//
// A copy that follows nothing is an original: an embedded store's own
// catalogue. While it follows, its methods that change anything refuse with
// ErrConflict, but within Try.
type CatalogCopy interface {
	Catalog
	// Mark answers what the copy follows; false: nothing, it is an original.
	Mark(ctx context.Context) (CatalogMark, bool, error)
	// Try calls fn with the catalogue as it is, to be changed at will, and keeps
	// nothing of it. So a change is judged by the rules, and its result seen,
	// before it is made elsewhere. Nothing changes the copy meanwhile.
	Try(ctx context.Context, fn func(Catalog) error) error
	// Follow makes change, and the mark, in one durable transaction. Objects
	// are taken as they come: UIDs, times and states are the other's to give.
	// Repeating it changes nothing.
	Follow(ctx context.Context, m CatalogMark, change CatalogChange) error
	// Replace is Follow from an empty catalogue: afterwards the copy holds
	// whole and nothing else.
	Replace(ctx context.Context, m CatalogMark, whole CatalogChange) error
	// Dump answers the whole catalogue, deleted devices included, in order of
	// id. Objects and LastUID are of one moment.
	Dump(ctx context.Context) (CatalogChange, error)
	// Detach makes the copy an original with what it holds.
	Detach(ctx context.Context) error
}

// Empty reports whether c holds nothing.
func (c *CatalogChange) Empty() bool {
	return len(c.Organizations)+len(c.Users)+len(c.Devices)+len(c.Ports)+len(c.APIKeys)+len(c.AlertRules)+len(c.Channels) == 0 &&
		len(c.GoneOrganizations)+len(c.GoneUsers)+len(c.GonePorts)+len(c.GoneAPIKeys)+len(c.GoneAlertRules)+len(c.GoneChannels) == 0
}
