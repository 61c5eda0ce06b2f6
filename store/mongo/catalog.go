package mongo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"tidegate/store"
)

// syncPatience bounds a Sync.
const syncPatience = time.Minute

// CatalogOptions of a Catalog. Fields without a comment are needed.
type CatalogOptions struct {
	Logger *slog.Logger
	Now    func() time.Time // nil: the time
}

// Catalog is the record of what exists, kept in MongoDB and copied into the
// data folder.
//
// A change happens with one insert, into the collection changes, under the
// number that follows the last one: the server takes each number once. So a
// change is whole or not at all, also on a standalone server, and of two
// instances that change the same catalogue the second is told, reads what the
// first did, and judges again. Before it is sent, the rules are asked of the
// local copy, which has caught up with the number before; until the server has
// said what became of it, it is sent again.
//
// What is in changes is then followed: by the copy, which answers every read,
// and by the collections organizations, users, devices, ports, apiKeys,
// alertrules and channels, for everybody else. Both may lag after a crash, and are caught up by Sync.
//
// While the server is away reads go on, and changes fail with
// store.ErrUnavailable within 10 seconds. Where the server was lost in
// mid-change that error says that the change may have been made: Sync finds out.
type Catalog struct {
	db    *Database
	local store.CatalogCopy
	o     CatalogOptions
	turn  chan struct{} // held by the one that changes, or catches up

	patience time.Duration // of one change; tests have less

	// Held with turn.
	mark    store.CatalogMark
	follows bool
	pulled  bool  // others' changes came in since the last Sync
	viewed  int64 // the collections are known to hold the changes up to here
}

var _ store.Catalog = (*Catalog)(nil)

// OpenCatalog answers the catalogue of a database. It needs no server if local
// was filled before; an empty one is filled now, and a server that is away is
// store.ErrUnavailable. A folder's own catalogue is never overwritten:
// store.ErrConflict with the way out.
func OpenCatalog(db *Database, local store.CatalogCopy, o CatalogOptions) (*Catalog, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Catalog{db: db, local: local, o: o, turn: make(chan struct{}, 1), patience: writePatience}
	ctx := context.Background() // Sync has a bound of its own
	var err error
	if c.mark, c.follows, err = local.Mark(ctx); err != nil {
		return nil, err
	}
	if c.follows {
		return c, nil
	}
	own, err := local.Dump(ctx)
	if err != nil {
		return nil, err
	}
	if !own.Empty() {
		return nil, store.Conflict("catalogue", db.place(),
			"this folder has a catalogue of its own, with %d organizations and %d devices. Bring it and its readings into MongoDB with `tidegate migrate --to mongo`, or unset MONGO_URI",
			len(own.Organizations), len(own.Devices))
	}
	if _, err := c.Sync(ctx); err != nil {
		if errors.Is(err, store.ErrUnavailable) {
			return nil, fmt.Errorf("the first start with MONGO_URI needs the server, later ones do not: %w", err)
		}
		return nil, err
	}
	return c, nil
}

// place names the database for people, without credentials.
func (d *Database) place() string { return strings.Join(d.uri.hosts, ",") + "/" + d.uri.database }

// lock takes the turn.
func (c *Catalog) lock(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the change before: %w", ctx.Err())
	}
}

func (c *Catalog) unlock() { <-c.turn }

// Organization implements store.Organizations.
func (c *Catalog) Organization(ctx context.Context, id string) (store.Organization, error) {
	return c.local.Organization(ctx, id)
}

// ListOrganizations implements store.Organizations.
func (c *Catalog) ListOrganizations(ctx context.Context, p store.Page) ([]store.Organization, error) {
	return c.local.ListOrganizations(ctx, p)
}

// User implements store.Users.
func (c *Catalog) User(ctx context.Context, id string) (store.User, error) {
	return c.local.User(ctx, id)
}

// UserByEmail implements store.Users.
func (c *Catalog) UserByEmail(ctx context.Context, email string) (store.User, error) {
	return c.local.UserByEmail(ctx, email)
}

// UserByLink implements store.Users.
func (c *Catalog) UserByLink(ctx context.Context, hash []byte) (store.User, error) {
	return c.local.UserByLink(ctx, hash)
}

// ListUsers implements store.Users.
func (c *Catalog) ListUsers(ctx context.Context, f store.UserFilter) ([]store.User, error) {
	return c.local.ListUsers(ctx, f)
}

// Device implements store.Devices.
func (c *Catalog) Device(ctx context.Context, id string) (store.Device, error) {
	return c.local.Device(ctx, id)
}

// ListDevices implements store.Devices.
func (c *Catalog) ListDevices(ctx context.Context, f store.DeviceFilter) ([]store.Device, error) {
	return c.local.ListDevices(ctx, f)
}

// Port implements store.Ports.
func (c *Catalog) Port(ctx context.Context, deviceID string, number uint16) (store.Port, error) {
	return c.local.Port(ctx, deviceID, number)
}

// ListPorts implements store.Ports.
func (c *Catalog) ListPorts(ctx context.Context, deviceID string) ([]store.Port, error) {
	return c.local.ListPorts(ctx, deviceID)
}

// AllPorts implements store.Ports.
func (c *Catalog) AllPorts(ctx context.Context, fn func(store.Port) error) error {
	return c.local.AllPorts(ctx, fn)
}

// APIKey implements store.APIKeys.
func (c *Catalog) APIKey(ctx context.Context, id string) (store.APIKey, error) {
	return c.local.APIKey(ctx, id)
}

// ListAPIKeys implements store.APIKeys.
func (c *Catalog) ListAPIKeys(ctx context.Context, f store.APIKeyFilter) ([]store.APIKey, error) {
	return c.local.ListAPIKeys(ctx, f)
}

// AlertRule implements store.AlertRules.
func (c *Catalog) AlertRule(ctx context.Context, id string) (store.AlertRule, error) {
	return c.local.AlertRule(ctx, id)
}

// ListAlertRules implements store.AlertRules.
func (c *Catalog) ListAlertRules(ctx context.Context, f store.AlertRuleFilter) ([]store.AlertRule, error) {
	return c.local.ListAlertRules(ctx, f)
}

// Channel implements store.Channels.
func (c *Catalog) Channel(ctx context.Context, id string) (store.Channel, error) {
	return c.local.Channel(ctx, id)
}

// ListChannels implements store.Channels.
func (c *Catalog) ListChannels(ctx context.Context, f store.ChannelFilter) ([]store.Channel, error) {
	return c.local.ListChannels(ctx, f)
}
