package store

import (
	"context"
	"time"
)

// DeviceState says how much of a device is left.
type DeviceState string

// A device is active, then perhaps retired (it keeps its history and its id
// but may not connect), then perhaps deleted (its id stays reserved).
const (
	DeviceActive  DeviceState = "active"
	DeviceRetired DeviceState = "retired"
	DeviceDeleted DeviceState = "deleted"
)

// The window of accepted times, measured from the time of receipt.
const (
	DefaultAcceptPast  = 30 * 24 * time.Hour
	DefaultAcceptAhead = 5 * time.Minute
)

// Device is a thing that publishes readings. Its organization never changes.
type Device struct {
	ID           string      `json:"id"`
	UID          uint32      `json:"-"` // readings hang on it; given at creation, from 1, never reused
	OrgID        string      `json:"orgId"`
	SerialNumber string      `json:"serialNumber,omitempty"`
	Name         string      `json:"name,omitempty"`
	State        DeviceState `json:"state"`
	SecretHash   []byte      `json:"-"` // HMAC-SHA-256 of the secret; nil: no login
	// AcceptPast and AcceptAhead bound the times of readings; nil is the default.
	AcceptPast  *time.Duration `json:"-"`
	AcceptAhead *time.Duration `json:"-"`
	// AssumeZone is the IANA name of the zone of times that carry none; empty: such times are refused.
	AssumeZone string `json:"assumeZone,omitempty"`
	// Tags group devices, for rules to choose them by; ascending, each once.
	Tags      []string  `json:"tags,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
}

// MaxTags is how many tags a device may have.
const MaxTags = 32

func checkTag(noun, tag string) error {
	if ValidID(tag) {
		return nil
	}
	return Invalid(noun, "tags", "%q: a tag has 1 to 64 characters from A-Z a-z 0-9 . _ : - and begins with a letter or digit", tag)
}

// Validate reports the first thing that is wrong with d.
func (d Device) Validate() error {
	if err := checkID("device", d.ID); err != nil {
		return err
	}
	if err := checkID("organization", d.OrgID); err != nil {
		return err
	}
	if d.SerialNumber != "" && !ValidID(d.SerialNumber) {
		return &Error{
			Kind: ErrInvalid, Noun: "device", ID: d.ID, Field: "serialNumber",
			Msg: "must be 1 to 64 characters from A-Z a-z 0-9 . _ : - and begin with a letter or digit",
		}
	}
	if d.AssumeZone != "" {
		if _, err := time.LoadLocation(d.AssumeZone); err != nil {
			return Invalid("device", "assumeZone", "%q is not a zone such as Europe/Berlin or UTC", d.AssumeZone)
		}
	}
	if len(d.Tags) > MaxTags {
		return Invalid("device", "tags", "are at most %d", MaxTags)
	}
	for _, t := range d.Tags {
		if err := checkTag("device", t); err != nil {
			return err
		}
	}
	if !ascending(d.Tags) {
		return Invalid("device", "tags", "must be in order, each once")
	}
	for name, w := range map[string]*time.Duration{"acceptPast": d.AcceptPast, "acceptAhead": d.AcceptAhead} {
		if w != nil && *w < 0 {
			return Invalid("device", name, "must not be negative")
		}
	}
	return nil
}

// DeviceFilter chooses devices; the zero value is all that are not deleted.
type DeviceFilter struct {
	OrgID          string
	IncludeDeleted bool
	Page
}

// Devices keeps devices. Ids and serial numbers share one namespace: neither
// may equal an id or a serial number of another device, or the id of an API key.
type Devices interface {
	// CreateDevice stores d with its ports, gives it a UID that was never used
	// before, and answers the stored device. ErrConflict when its id or serial
	// number is taken (the id also by a deleted device), ErrNotFound when the
	// organization is absent.
	CreateDevice(ctx context.Context, d Device, ports []Port) (Device, error)
	// UpdateDevice replaces everything but id, UID, organization and
	// CreatedAt. State deleted or retired frees the serial number and clears
	// it. A deleted device stays deleted: ErrNotFound.
	UpdateDevice(ctx context.Context, d Device) error
	// Device answers a deleted one too: its State says so.
	Device(ctx context.Context, id string) (Device, error)
	// ListDevices answers in order of id.
	ListDevices(ctx context.Context, f DeviceFilter) ([]Device, error)
}

// Presence is what the broker last saw of a device.
type Presence struct {
	Online   bool      `json:"online"`
	LastSeen time.Time `json:"lastSeen"`
}
