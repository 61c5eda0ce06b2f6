package live

import "tidegate/store"

// Filter chooses events. All that is given has to fit.
type Filter struct {
	Kinds Kinds
	// Access is whose the events are, as far as it may read and sees them.
	Access store.Access
	// OrgID chooses what belongs to an organization; empty is all.
	OrgID string
	// Devices chooses what is about these; nil is all, except for messages, of
	// which there are none without.
	Devices map[string]struct{}
	// Ports chooses readings and alarms of these, and all else of their devices;
	// nil is all.
	Ports map[Port]struct{}
}

// Port names a port.
type Port struct {
	DeviceID string
	Number   uint16
}

// Takes reports whether what there is of a device, or of one of its ports, is
// chosen: the state of things that goes with the events.
func (f *Filter) Takes(orgID, deviceID string, port *uint16) bool {
	if f.OrgID != "" && f.OrgID != orgID {
		return false
	}
	if f.Devices != nil {
		if _, ok := f.Devices[deviceID]; !ok {
			return false
		}
	}
	if f.Ports == nil || port == nil {
		return true
	}
	_, ok := f.Ports[Port{deviceID, *port}]
	return ok
}

// match is Filter prepared for Publish.
type match struct {
	Filter
	devices map[string]struct{} // of Ports
	// known is what was found out of readings, by Told.key: 0 nothing, else no or yes.
	known []uint8
}

const (
	no  = 1
	yes = 2
)

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

// wants reports whether the event is chosen. What it finds out of a reading holds
// for the next of the same organization, device and port.
func (m *match) wants(t *Told) bool {
	if t.Kind != KindReading {
		return m.chooses(&t.Event)
	}
	if !m.Kinds.Has(KindReading) {
		return false
	}
	if t.key >= maxKeys {
		return m.chooses(&t.Event)
	}
	if int(t.key) >= len(m.known) {
		if m.Whole() {
			return true
		}
		grown := make([]uint8, max(64, 2*t.key))
		copy(grown, m.known)
		m.known = grown
	}
	k := &m.known[t.key]
	if *k == 0 {
		*k = no
		if m.chooses(&t.Event) {
			*k = yes
		}
	}
	return *k == yes
}

// Whole reports whether everything of the kinds is chosen.
func (f *Filter) Whole() bool {
	return f.OrgID == "" && f.Devices == nil && f.Ports == nil && f.Access.Whole() && f.Access.May(store.ActionRead)
}

func (m *match) chooses(e *Event) bool {
	if !m.Kinds.Has(e.Kind) || m.OrgID != "" && m.OrgID != e.OrgID || !m.sees(e) {
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

// keys numbers the ports of which readings were told, so that a subscription
// remembers what it found out of each.
type keys map[key]uint32

type key struct {
	org string
	Port
}

// maxKeys bounds what is remembered; readings of further ports are looked at
// each time.
const maxKeys = 1 << 15

func (k keys) of(e *Event) uint32 {
	name := key{e.OrgID, Port{e.DeviceID, e.Reading.PortNumber}}
	n, ok := k[name]
	if !ok {
		if len(k) >= maxKeys {
			return maxKeys
		}
		n = uint32(len(k))
		k[name] = n
	}
	return n
}
