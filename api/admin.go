package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"tidegate/ingest"
	"tidegate/store"
)

// Registry is the catalogue of devices as the hot path sees it.
type Registry interface {
	Login(name string, secret []byte) (*ingest.Principal, error)
	// Current reports whether who logged in before would log in again as the same.
	Current(p *ingest.Principal) bool
	// Refresh reads a device again after a change, RefreshKey an API key.
	Refresh(ctx context.Context, deviceID string) error
	RefreshKey(ctx context.Context, id string) error
	ByID(id string) *ingest.Device
	Devices() []*ingest.Device
	HashSecret(secret []byte) []byte
	// Grant makes a login that publishes for an organization until ttl passed.
	Grant(orgID string, ttl time.Duration) (name, secret string)
}

// AlertRules is the rules at work. Each method takes over a change that is made;
// a caller does not wait for what comes of it.
type AlertRules interface {
	// Refresh takes over the whole catalogue.
	Refresh(ctx context.Context) error
	// RefreshRule takes over a rule that was made, changed or deleted,
	// RefreshDevice a device or one of its ports, after the Registry has.
	RefreshRule(ctx context.Context, id string) error
	RefreshDevice(ctx context.Context, id string) error
	RefreshChannels(ctx context.Context) error
}

// AdminOptions of an Admin. Fields without a comment are needed.
type AdminOptions struct {
	Catalog  store.Catalog
	Audit    store.Audit
	Sessions store.Sessions
	KeyUses  store.KeyUses
	Registry Registry
	// Readings says whether a port has readings; nil: none has (a new folder).
	Readings store.Readings
	// Lifecycles forgets those of a device that is deleted; nil: there are none.
	Lifecycles interface {
		DeleteLifecycle(ctx context.Context, uid uint32) error
	}
	// DropCommands ends, for a reason, the open commands of a device that gets no
	// more, and with history deletes all of its commands; nil: there are none.
	DropCommands func(ctx context.Context, uid uint32, reason string, history bool) error
	// Between makes a change that verdicts on readings depend on: no reading is
	// judged meanwhile, and every earlier verdict is durable. nil: there is no
	// traffic.
	Between func(ctx context.Context, change func() error) error
	// Writable says why nothing can be changed at present, because the record is
	// kept in a database that is away; it is asked before anything is written to
	// the trail. nil: it always can.
	Writable func(ctx context.Context) error
	// Disconnect ends the connections of a device, DisconnectKey those of an API
	// key; nil: there are none.
	Disconnect    func(deviceID, reason string)
	DisconnectKey func(id, reason string)
	// Alerts hears of what rules are made of; nil: no rule is at work.
	Alerts AlertRules
	// CheckChannel says what a channel's type needs beside, CheckMessage what is
	// wrong with a template of a rule; nil: nothing.
	CheckChannel func(store.Channel) error
	CheckMessage func(template string) error
	Logger       *slog.Logger
	Now          ingest.Clock // nil: the time
}

// Admin changes what exists, by the rules: each change is validated, written
// to the audit trail under the name of the context's Actor, made, and made
// known to the hot path. HTTP and the set-up of a new folder both use it.
//
// Changes take turns, so that what was checked still holds when it is made.
type Admin struct {
	o         AdminOptions
	mu        sync.Mutex
	passwords *passwords
	commands  sync.RWMutex // held over sending one, and alone to drop those of a device

	keysMu      sync.Mutex
	keysChanged chan struct{} // closed, and made anew, with each change of a key
}

// NewAdmin makes an Admin.
func NewAdmin(o AdminOptions) *Admin {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Between == nil {
		o.Between = func(_ context.Context, change func() error) error { return change() }
	}
	if o.Writable == nil {
		o.Writable = func(context.Context) error { return nil }
	}
	if o.Disconnect == nil {
		o.Disconnect = func(string, string) {}
	}
	if o.DisconnectKey == nil {
		o.DisconnectKey = func(string, string) {}
	}
	if o.Alerts == nil {
		o.Alerts = noAlerts{}
	}
	if o.CheckChannel == nil {
		o.CheckChannel = func(store.Channel) error { return nil }
	}
	if o.CheckMessage == nil {
		o.CheckMessage = func(string) error { return nil }
	}
	return &Admin{o: o, passwords: newPasswords(), keysChanged: make(chan struct{})}
}

// change is one entry of the audit trail and what it announces.
type change struct {
	action, noun, id string
	org              string // whose it is; empty: the box's
	before, after    any    // shown in the trail; nil: nothing
}

// alter is do for a change of what exists.
func (a *Admin) alter(ctx context.Context, c change, apply func() error) error {
	if err := a.o.Writable(ctx); err != nil {
		return err
	}
	return a.do(ctx, c, apply)
}

// between calls fn, which alters something that verdicts on readings depend on.
func (a *Admin) between(ctx context.Context, fn func() error) error {
	if err := a.o.Writable(ctx); err != nil { // sooner than the writer can say so
		return err
	}
	return a.o.Between(ctx, fn)
}

// do records c and makes it. The entry comes first, so that no change is
// without one, whenever the power goes; if apply fails a second entry says so,
// and so it does if nobody can know yet.
func (a *Admin) do(ctx context.Context, c change, apply func() error) error {
	e, err := c.entry(ctx)
	if err != nil {
		return err
	}
	e.At = at(a.o.Now())
	if _, err := a.o.Audit.Record(ctx, e); err != nil {
		return fmt.Errorf("record %s in the audit trail: %w", c.action, err)
	}
	err = apply()
	if err == nil {
		return nil
	}
	p, _ := toProblem(err)
	e.At = at(a.o.Now())
	if errors.Is(err, store.ErrUncertain) {
		e.Action += "_uncertain"
	} else {
		e.Action += "_failed"
	}
	e.Before, e.After = nil, nil
	if e.After, _ = json.Marshal(map[string]string{"problem": p.Detail}); e.After != nil {
		// The trail must say what became of the change, also when the client is gone.
		if _, auditErr := a.o.Audit.Record(context.WithoutCancel(ctx), e); auditErr != nil {
			err = errors.Join(err, fmt.Errorf("record %s in the audit trail: %w", e.Action, auditErr))
		}
	}
	return err
}

func (c change) entry(ctx context.Context) (store.AuditEntry, error) {
	actor, ok := actorFrom(ctx)
	if !ok {
		return store.AuditEntry{}, fmt.Errorf("%s without an actor", c.action)
	}
	e := store.AuditEntry{Actor: actor.Name, Role: string(actor.Role), OrgID: c.org, Remote: actor.Remote, Action: c.action, Noun: c.noun, ID: c.id}
	for _, v := range []struct {
		from any
		to   *json.RawMessage
	}{{c.before, &e.Before}, {c.after, &e.After}} {
		if v.from == nil {
			continue
		}
		b, err := json.Marshal(v.from)
		if err != nil {
			return e, fmt.Errorf("encode audit entry: %w", err)
		}
		*v.to = b
	}
	return e, nil
}

// now answers the time as it is stored: in UTC, to the millisecond.
func (a *Admin) now() time.Time { return a.o.Now().UTC().Truncate(time.Millisecond) }

// refresh makes a change of a device known. The change is made by then, so
// that a caller who is told of an error must not think otherwise.
func (a *Admin) refresh(ctx context.Context, deviceID string) error {
	if err := a.register(ctx, deviceID); err != nil {
		return err
	}
	return toldRules(a.o.Alerts.RefreshDevice(context.WithoutCancel(ctx), deviceID))
}

// register is refresh without the rules, for many devices.
func (a *Admin) register(ctx context.Context, deviceID string) error {
	if err := a.o.Registry.Refresh(context.WithoutCancel(ctx), deviceID); err != nil {
		return fmt.Errorf("the change is stored, but making it known to the devices' registry went wrong: %w", err)
	}
	return nil
}

func (a *Admin) refreshRule(ctx context.Context, id string) error {
	return toldRules(a.o.Alerts.RefreshRule(context.WithoutCancel(ctx), id))
}

func (a *Admin) refreshChannels(ctx context.Context) error {
	return toldRules(a.o.Alerts.RefreshChannels(context.WithoutCancel(ctx)))
}

func toldRules(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the change is stored, but making it known to the alert rules went wrong: %w", err)
}

// noAlerts is no rules at work.
type noAlerts struct{}

func (noAlerts) Refresh(context.Context) error               { return nil }
func (noAlerts) RefreshRule(context.Context, string) error   { return nil }
func (noAlerts) RefreshDevice(context.Context, string) error { return nil }
func (noAlerts) RefreshChannels(context.Context) error       { return nil }

func at(t time.Time) store.Time { return store.Time(t.UnixMilli()) }
