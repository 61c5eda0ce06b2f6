package store

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Scope is what an API key is for.
type Scope string

// The scopes. Each has what it says and nothing beyond.
const (
	ScopeRead   Scope = "read"   // see; over MQTT: subscribe below the organization
	ScopeWrite  Scope = "write"  // see, and change devices, ports and calibrations
	ScopeIngest Scope = "ingest" // publish telemetry for the organization's devices
	ScopeAdmin  Scope = "admin"  // all of it, people and keys too
)

// Scopes are all of them.
func Scopes() []Scope { return []Scope{ScopeRead, ScopeWrite, ScopeIngest, ScopeAdmin} }

const (
	keyIDPrefix = "key-"
	keyIDDigits = 16
	maxKeyName  = 200
	maxKeyList  = 1000 // devices of a key
)

// APIKey lets a program in, over HTTP and MQTT. Its secret is shown once and
// kept as a hash.
type APIKey struct {
	ID         string     `json:"id"` // key- and 16 digits; see NewKeyID
	Name       string     `json:"name"`
	OrgID      string     `json:"orgId,omitempty"` // empty: all organizations
	Scopes     []Scope    `json:"scopes"`
	DeviceIDs  []string   `json:"deviceIds,omitempty"` // nil: all devices of the organization
	ExpiresAt  *time.Time `json:"expiresAt,omitempty"` // nil: never
	SecretHash []byte     `json:"-"`                   // HashSecret of the secret
	CreatedBy  string     `json:"createdBy"`           // the actor's name
	CreatedAt  time.Time  `json:"createdAt"`
}

// NewKeyID answers an id that nobody else gets.
func NewKeyID() string { return keyIDPrefix + NewSecret()[:keyIDDigits] }

// IsKeyID reports whether id may name an API key.
func IsKeyID(id string) bool {
	digits, ok := strings.CutPrefix(id, keyIDPrefix)
	return ok && len(digits) == keyIDDigits && strings.Trim(digits, secretDigits) == ""
}

// KeyText is an API key as it is shown and sent: its id and its secret.
func KeyText(id, secret string) string { return id + "." + secret }

// ParseKeyText is the inverse of KeyText.
func ParseKeyText(s string) (id, secret string, ok bool) {
	id, secret, ok = strings.Cut(s, ".")
	return id, secret, ok && IsKeyID(id) && secret != ""
}

// Validate reports the first thing that is wrong with k.
func (k APIKey) Validate() error {
	if !IsKeyID(k.ID) {
		return Invalid("API key", "id", "%q is not key- and %d digits", k.ID, keyIDDigits)
	}
	if strings.TrimSpace(k.Name) == "" || len(k.Name) > maxKeyName {
		return Invalid("API key", "name", "must have 1 to %d bytes: it tells keys apart", maxKeyName)
	}
	if k.OrgID != "" {
		if err := checkID("organization", k.OrgID); err != nil {
			return err
		}
	}
	if len(k.Scopes) == 0 {
		return Invalid("API key", "scopes", "are missing; choose from read, write, ingest, admin")
	}
	for i, s := range k.Scopes {
		if !slices.Contains(Scopes(), s) {
			return Invalid("API key", "scopes", "%q is unknown; use read, write, ingest or admin", s)
		}
		if slices.Contains(k.Scopes[:i], s) {
			return Invalid("API key", "scopes", "%s is given twice", s)
		}
	}
	if k.DeviceIDs == nil {
		return nil
	}
	switch {
	case k.OrgID == "":
		return Invalid("API key", "deviceIds", "need an organization: a device belongs to one")
	case len(k.DeviceIDs) == 0 || len(k.DeviceIDs) > maxKeyList:
		return Invalid("API key", "deviceIds", "must be 1 to %d; leave them out for all devices", maxKeyList)
	case slices.Contains(k.Scopes, ScopeAdmin):
		return Invalid("API key", "deviceIds", "do not go with the scope admin, which is about a whole organization")
	}
	for _, id := range k.DeviceIDs {
		if err := checkID("device", id); err != nil {
			return err
		}
	}
	if !slices.IsSorted(k.DeviceIDs) || len(slices.Compact(slices.Clone(k.DeviceIDs))) != len(k.DeviceIDs) {
		return Invalid("API key", "deviceIds", "must be in order, each once")
	}
	return nil
}

// Expired reports whether k is good no more.
func (k APIKey) Expired(now time.Time) bool { return k.ExpiresAt != nil && !now.Before(*k.ExpiresAt) }

// Access is what whoever has the key may do.
func (k APIKey) Access() Access {
	a := Access{AllOrgs: k.OrgID == "", OrgID: k.OrgID, Devices: k.DeviceIDs}
	for _, s := range k.Scopes {
		switch s {
		case ScopeRead:
			a.Actions |= ActionRead
		case ScopeWrite:
			a.Actions |= ActionRead | ActionWrite
		case ScopeIngest:
			a.Actions |= ActionIngest
		case ScopeAdmin:
			a.Actions |= actionsOfOrg
			if k.OrgID == "" {
				a.Actions |= ActionCompany
			}
		}
	}
	return a
}

// APIKeyFilter chooses keys; the zero value is all.
type APIKeyFilter struct {
	OrgID string // of this organization alone
	Page
}

// APIKeys keeps the keys. Their ids share the namespace of devices' ids and
// serial numbers: an MQTT user name means one thing.
type APIKeys interface {
	// CreateAPIKey stores k; ErrConflict when its id is taken, ErrNotFound when
	// its organization, or a device of its list, is not there (deleted ones are
	// not) or another's.
	CreateAPIKey(ctx context.Context, k APIKey) error
	// UpdateAPIKey replaces name, expiry and the list of devices. A device that
	// was on the list may stay there, whatever became of it.
	UpdateAPIKey(ctx context.Context, k APIKey) error
	APIKey(ctx context.Context, id string) (APIKey, error)
	// ListAPIKeys answers in order of id.
	ListAPIKeys(ctx context.Context, f APIKeyFilter) ([]APIKey, error)
	DeleteAPIKey(ctx context.Context, id string) error
}
