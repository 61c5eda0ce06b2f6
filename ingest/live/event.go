package live

import "tidegate/store"

// Kind is what an Event tells.
type Kind uint8

// The kinds.
const (
	KindReading   Kind = iota // a reading was stored, or accepted while the store is away
	KindLifecycle             // a device came or went
	KindRejection             // a reading, a login or a topic was refused
	KindAlert                 // an alarm fired, went on, was taken on, was spoken of or ended
	KindMessage               // a message came, and what became of it; made only while Hub.Wants it
)

// Kinds is a set of kinds.
type Kinds uint8

// AllKinds is every kind, DefaultKinds what a watcher gets that names none.
const (
	DefaultKinds = Kinds(1<<KindReading | 1<<KindLifecycle | 1<<KindRejection)
	AllKinds     = DefaultKinds | 1<<KindAlert | 1<<KindMessage
)

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
	At      store.Time // of lifecycle, rejection and message
	Status  string     // lifecycle: online or offline
	Reason  string     // of a disconnect, or of a rejection
	Port    string     // rejection: as sent; empty when it had none
	Line    string     // rejection: cause and fix, one line
	// Alert of KindAlert, as it is after the change.
	Alert *store.AlertEvent
	// Body of KindMessage is the JSON of a Message.
	Body []byte
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
	// Devices chooses what is about these; nil is all, except for messages, of
	// which there are none without.
	Devices map[string]struct{}
	// Ports chooses readings and alarms of these, and all else of their devices;
	// nil is all.
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
	if m.Devices != nil || e.Kind == KindMessage {
		if _, ok := m.Devices[e.DeviceID]; !ok {
			return false
		}
	}
	switch {
	case m.Ports == nil:
		return true
	case e.Kind == KindReading:
		_, ok := m.Ports[Port{e.DeviceID, e.Reading.PortNumber}]
		return ok
	case e.Kind == KindAlert:
		_, ok := m.Ports[Port{e.DeviceID, e.Alert.PortNumber}]
		return ok
	}
	_, ok := m.devices[e.DeviceID]
	return ok
}
