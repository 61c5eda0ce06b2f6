package live

import "tidegate/store"

// Kind is what an Event tells.
type Kind uint8

// The kinds.
const (
	KindReading   Kind = iota // a reading was stored, or accepted while the store is away
	KindLifecycle             // a device came or went
	KindRejection             // a reading, a login or a topic was refused
)

// Kinds is a set of kinds.
type Kinds uint8

// AllKinds is every kind.
const AllKinds = Kinds(1<<KindReading | 1<<KindLifecycle | 1<<KindRejection)

// With answers s with k in it.
func (s Kinds) With(k Kind) Kinds { return s | 1<<k }

// Has reports whether k is in s.
func (s Kinds) Has(k Kind) bool { return s&(1<<k) != 0 }

// Event is one thing that happened. Nobody changes it any more.
type Event struct {
	Kind     Kind
	OrgID    string
	DeviceID string
	// Reading of KindReading; its DeviceID is DeviceID.
	Reading store.Reading
	At      store.Time // of lifecycle and rejection
	Status  string     // lifecycle: online or offline
	Reason  string     // of a disconnect, or of a rejection
	Port    string     // rejection: as sent; empty when it had none
	Line    string     // rejection: cause and fix, one line
}

// Port names a port.
type Port struct {
	DeviceID string
	Number   uint16
}

// Filter chooses events.
type Filter struct {
	Kinds Kinds
	// Access is whose the events are, as far as it may read and sees them.
	Access store.Access
	// Ports chooses readings of these, and lifecycle and rejections of their
	// devices; nil is all.
	Ports map[Port]struct{}
}

// match is Filter prepared for Publish.
type match struct {
	Filter
	devices map[string]struct{}
}

func newMatch(f Filter) match {
	m := match{Filter: f}
	if f.Ports != nil {
		m.devices = make(map[string]struct{}, len(f.Ports))
		for p := range f.Ports {
			m.devices[p.DeviceID] = struct{}{}
		}
	}
	return m
}

// sees: an event that is about no device belongs to the organization, and one
// about none to whoever has the box.
func (m *match) sees(e *Event) bool {
	switch {
	case !m.Access.May(store.ActionRead):
		return false
	case m.Access.Whole():
		return true
	case e.DeviceID == "":
		return m.Access.SeesOrg(e.OrgID)
	}
	return m.Access.SeesDevice(e.OrgID, e.DeviceID)
}

func (m *match) wants(e *Event) bool {
	if !m.Kinds.Has(e.Kind) || !m.sees(e) {
		return false
	}
	if m.Ports == nil {
		return true
	}
	if e.Kind == KindReading {
		_, ok := m.Ports[Port{e.DeviceID, e.Reading.PortNumber}]
		return ok
	}
	_, ok := m.devices[e.DeviceID]
	return ok
}
