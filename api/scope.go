package api

import (
	"context"
	"errors"
	"math"
	"slices"

	"tidegate/ingest"
	"tidegate/store"
)

// scope is the catalogue as an actor sees it: what is foreign answers like what
// does not exist, with the same error. Handlers read through it and through
// nothing else.
type scope struct {
	access   store.Access
	catalog  store.Catalog
	registry Registry
}

// seen answers the catalogue as the context's actor sees it; without an actor
// nothing is there.
func (a *Admin) seen(ctx context.Context) scope {
	actor, _ := actorFrom(ctx)
	return scope{actor.Access, a.o.Catalog, a.o.Registry}
}

// organization answers one whose own objects are seen.
func (s scope) organization(ctx context.Context, id string) (store.Organization, error) {
	if !s.access.SeesOrg(id) {
		return store.Organization{}, store.NotFound("organization", id)
	}
	return s.catalog.Organization(ctx, id)
}

func (s scope) listOrganizations(ctx context.Context, p store.Page) ([]store.Organization, error) {
	if s.access.Whole() {
		return s.catalog.ListOrganizations(ctx, p)
	}
	if s.access.OrgID <= p.After || !s.access.SeesOrg(s.access.OrgID) {
		return nil, nil
	}
	o, err := s.catalog.Organization(ctx, s.access.OrgID)
	return []store.Organization{o}, err
}

// device answers one that is not deleted.
func (s scope) device(ctx context.Context, id string) (store.Device, error) {
	d, err := s.catalog.Device(ctx, id)
	if err != nil {
		return d, err
	}
	if d.State == store.DeviceDeleted || !s.access.SeesDevice(d.OrgID, d.ID) {
		return store.Device{}, store.NotFound("device", id)
	}
	return d, nil
}

// listDevices answers the devices of f that are seen.
func (s scope) listDevices(ctx context.Context, f store.DeviceFilter) ([]store.Device, error) {
	if !s.access.AllOrgs {
		if f.OrgID != "" && f.OrgID != s.access.OrgID || s.access.OrgID == "" {
			return nil, nil
		}
		f.OrgID = s.access.OrgID
	}
	if s.access.Devices == nil {
		return s.catalog.ListDevices(ctx, f)
	}
	var out []store.Device
	for _, id := range s.access.Devices {
		if id <= f.After || f.Limit > 0 && len(out) == f.Limit {
			continue
		}
		d, err := s.device(ctx, id)
		if err == nil {
			out = append(out, d)
		}
	}
	return out, nil
}

// known answers a device of the registry, or nil.
func (s scope) known(id string) *ingest.Device {
	if d := s.registry.ByID(id); d != nil && s.access.SeesDevice(d.OrgID, d.ID) {
		return d
	}
	return nil
}

// allKnown answers the devices of the registry.
func (s scope) allKnown() []*ingest.Device {
	all := s.registry.Devices()
	if s.access.Whole() {
		return all
	}
	return slices.DeleteFunc(all, func(d *ingest.Device) bool { return !s.access.SeesDevice(d.OrgID, d.ID) })
}

// user answers a user by id or email address.
func (s scope) user(ctx context.Context, id string) (store.User, error) {
	return s.userIf(id)(s.catalog.User(ctx, id))
}

func (s scope) userByEmail(ctx context.Context, email string) (store.User, error) {
	return s.userIf(email)(s.catalog.UserByEmail(ctx, email))
}

func (s scope) userIf(asked string) func(store.User, error) (store.User, error) {
	return func(u store.User, err error) (store.User, error) {
		if err == nil && !s.seesUser(u) {
			return store.User{}, store.NotFound("user", asked)
		}
		return u, err
	}
}

// seesUser: whoever belongs to no organization is seen by those who see all.
func (s scope) seesUser(u store.User) bool {
	return s.access.Whole() || u.OrgID != "" && s.access.SeesOrg(u.OrgID)
}

func (s scope) listUsers(ctx context.Context, f store.UserFilter) ([]store.User, error) {
	var sees bool
	if f.OrgID, sees = s.orgOf(f.OrgID); !sees {
		return nil, nil
	}
	return s.catalog.ListUsers(ctx, f)
}

// orgOf limits a filter of organizations' own objects to those that are seen;
// false: none is.
func (s scope) orgOf(asked string) (orgID string, sees bool) {
	if s.access.Whole() {
		return asked, true
	}
	if asked != "" && asked != s.access.OrgID || !s.access.SeesOrg(s.access.OrgID) {
		return "", false
	}
	return s.access.OrgID, true
}

// apiKey answers one of an organization that is seen, or of all where all is.
func (s scope) apiKey(ctx context.Context, id string) (store.APIKey, error) {
	k, err := s.catalog.APIKey(ctx, id)
	if err == nil && !s.access.Whole() && (k.OrgID == "" || !s.access.SeesOrg(k.OrgID)) {
		return store.APIKey{}, store.NotFound("API key", id)
	}
	return k, err
}

func (s scope) listAPIKeys(ctx context.Context, f store.APIKeyFilter) ([]store.APIKey, error) {
	var sees bool
	if f.OrgID, sees = s.orgOf(f.OrgID); !sees {
		return nil, nil
	}
	return s.catalog.ListAPIKeys(ctx, f)
}

func (s scope) alertRule(ctx context.Context, id string) (store.AlertRule, error) {
	r, err := s.catalog.AlertRule(ctx, id)
	if err == nil && !s.access.SeesOrg(r.OrgID) {
		return store.AlertRule{}, store.NotFound("alert rule", id)
	}
	return r, err
}

func (s scope) listAlertRules(ctx context.Context, f store.AlertRuleFilter) ([]store.AlertRule, error) {
	var sees bool
	if f.OrgID, sees = s.orgOf(f.OrgID); !sees {
		return nil, nil
	}
	return s.catalog.ListAlertRules(ctx, f)
}

func (s scope) channel(ctx context.Context, id string) (store.Channel, error) {
	c, err := s.catalog.Channel(ctx, id)
	if err == nil && !s.access.SeesOrg(c.OrgID) {
		return store.Channel{}, store.NotFound("channel", id)
	}
	return c, err
}

func (s scope) listChannels(ctx context.Context, f store.ChannelFilter) ([]store.Channel, error) {
	var sees bool
	if f.OrgID, sees = s.orgOf(f.OrgID); !sees {
		return nil, nil
	}
	return s.catalog.ListChannels(ctx, f)
}

// since answers from when on what bears the name of the actor's organization is
// its own, in Unix ms: an organization of the same id may have been deleted
// before, and dead letters and audit trail outlive it. For who sees the whole box
// that is always.
func (s scope) since(ctx context.Context) (int64, error) {
	if s.access.Whole() || s.access.OrgID == "" {
		return math.MinInt64, nil
	}
	o, err := s.catalog.Organization(ctx, s.access.OrgID)
	return o.CreatedAt.UnixMilli(), err
}

// letters limits a filter of dead letters to those that are seen; false: none is.
func (s scope) letters(ctx context.Context, f store.LetterFilter) (store.LetterFilter, bool, error) {
	if s.access.Whole() {
		return f, true, nil
	}
	if f.OrgID != "" && f.OrgID != s.access.OrgID || s.access.OrgID == "" && !s.access.AllOrgs {
		return f, false, nil
	}
	since, err := s.since(ctx)
	f.OrgID, f.Devices, f.From = s.access.OrgID, s.access.Devices, max(f.From, since)
	return f, err == nil, err
}

// letter reports whether one dead letter is seen.
func (s scope) letter(ctx context.Context, l store.DeadLetter) (bool, error) {
	if !s.access.Whole() && !s.access.SeesDevice(l.OrgID, l.DeviceID) {
		return false, nil
	}
	since, err := s.since(ctx)
	return err == nil && int64(l.ReceivedAt) >= since, err
}

// hours answers those of a ledger that are of a device, when one is given, and
// of devices that are seen. What is of no device is the whole box's.
func (s scope) hours(ctx context.Context, all []store.LedgerHour, deviceID string) ([]store.LedgerHour, error) {
	sees := map[string]bool{"": s.access.Whole()}
	out := make([]store.LedgerHour, 0, len(all))
	for _, h := range all {
		if deviceID != "" && h.DeviceID != deviceID {
			continue
		}
		is, known := sees[h.DeviceID]
		if !known && !s.access.Whole() {
			d, err := s.catalog.Device(ctx, h.DeviceID) // also one that is deleted
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			is = err == nil && s.access.SeesDevice(d.OrgID, d.ID)
			sees[h.DeviceID] = is
		}
		if is || s.access.Whole() {
			out = append(out, h)
		}
	}
	return out, nil
}
