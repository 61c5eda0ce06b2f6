package live

import (
	"sync/atomic"
	"time"
)

// wishes are of which devices events of a kind are made: those that a
// subscription asks for, and for Linger after, so that a page that was away for a
// moment misses nothing. Most pages want the readings of a few devices, and at
// full load there are a million a second.
//
// All but made is under the hub's mu. A change costs as much as the devices that
// it names, and a copy of the whole only where one comes or goes.
type wishes struct {
	made atomic.Pointer[interest] // nil: none are made
	all  *wish                    // of all devices
	of   map[string]*wish         // of one
}

// interest is what publishers look at. It does not change.
type interest struct {
	all     bool
	devices map[string]struct{}
}

// wish is one that somebody has, or had a moment ago.
type wish struct {
	subs  int
	since uint64    // all from this number on were made
	until time.Time // once nobody has it
}

// asks is what one subscription wishes of a kind.
type asks struct {
	all     bool
	devices map[string]struct{} // unless all; nobody changes it
}

// wants reports whether events about a device are made; about any, without one.
func (w *wishes) wants(deviceID string) bool {
	i := w.made.Load()
	if i == nil || i.all || deviceID == "" {
		return i != nil
	}
	_, ok := i.devices[deviceID]
	return ok
}

// add takes what a subscription wishes. next is the number of the next event.
func (w *wishes) add(a asks, next uint64) {
	changed := false
	if a.all {
		if w.all == nil {
			w.all, changed = &wish{since: next}, true
		}
		w.all.subs++
	}
	if w.of == nil {
		w.of = map[string]*wish{}
	}
	for d := range a.devices {
		i := w.of[d]
		if i == nil {
			i = &wish{since: next}
			if w.all != nil {
				i.since = w.all.since // they were made all along
			}
			w.of[d], changed = i, true
		}
		i.subs++
	}
	if changed {
		w.renew()
	}
}

// drop takes it back, and reports whether something is to be let go later.
func (w *wishes) drop(a asks, until time.Time) (later bool) {
	leave := func(i *wish) {
		if i.subs--; i.subs == 0 {
			i.until, later = until, true
		}
	}
	if a.all {
		leave(w.all)
	}
	for d := range a.devices {
		leave(w.of[d])
	}
	return later
}

// expire lets go of what nobody has wished for long enough, and reports whether
// more is to come.
func (w *wishes) expire(now time.Time) (later bool) {
	changed := false
	over := func(i *wish) bool {
		if i == nil || i.subs > 0 {
			return false
		}
		if now.Before(i.until) {
			later = true
			return false
		}
		changed = true
		return true
	}
	if over(w.all) {
		w.all = nil
	}
	for d, i := range w.of {
		if over(i) {
			delete(w.of, d)
		}
	}
	if changed {
		w.renew()
	}
	return later
}

// renew tells publishers.
func (w *wishes) renew() {
	if w.all == nil && len(w.of) == 0 {
		w.made.Store(nil)
		return
	}
	i := &interest{all: w.all != nil, devices: make(map[string]struct{}, len(w.of))}
	for d := range w.of {
		i.devices[d] = struct{}{}
	}
	w.made.Store(i)
}

// clear lets go of all.
func (w *wishes) clear() {
	w.all, w.of = nil, nil
	w.made.Store(nil)
}

// madeSince reports whether all that a asks for was made from behind a number
// on.
func (w *wishes) madeSince(a asks, after uint64) bool {
	if w.all != nil && w.all.since <= after+1 {
		return true
	}
	if a.all {
		return false
	}
	for d := range a.devices {
		if i := w.of[d]; i == nil || i.since > after+1 {
			return false
		}
	}
	return true
}

// asksFor answers what a filter wishes of readings and of messages.
func (m *match) asksFor() (readings, messages asks) {
	if m.Kinds.Has(KindMessage) {
		messages.devices = m.Devices
	}
	switch {
	case !m.Kinds.Has(KindReading):
	case m.Ports != nil:
		readings.devices = m.devices
	case m.Devices != nil:
		readings.devices = m.Devices
	default:
		readings.all = true
	}
	return readings, messages
}

// Wants reports whether anybody watches events of a kind about a device, so that
// a publisher makes none for nobody: messages and readings of a device that a
// subscription asks for, of all where one names none; all else as long as anybody
// watches. Without a device it answers for any. It costs an atomic load, and a
// look into a map where single devices are asked for.
func (h *Hub) Wants(k Kind, deviceID string) bool {
	switch k {
	case KindReading:
		return h.readings.wants(deviceID)
	case KindMessage:
		return h.messages.wants(deviceID)
	default:
		return h.Active()
	}
}

// wish takes what a subscription asks for. Under mu.
func (h *Hub) wish(m *match) {
	readings, messages := m.asksFor()
	next := h.seq.Load() + 1
	h.readings.add(readings, next)
	h.messages.add(messages, next)
}

// unwish takes it back. Under mu.
func (h *Hub) unwish(m *match) {
	readings, messages := m.asksFor()
	until := time.Now().Add(h.o.Linger)
	a, b := h.readings.drop(readings, until), h.messages.drop(messages, until)
	if a || b {
		h.expireLater()
	}
}

// expireLater lets go of wishes once their time is over. Under mu.
func (h *Hub) expireLater() {
	if h.expiring {
		return
	}
	h.expiring = true
	time.AfterFunc(h.o.Linger, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.expiring = false
		now := time.Now()
		a, b := h.readings.expire(now), h.messages.expire(now)
		if a || b {
			h.expireLater()
		}
	})
}

// madeSince reports whether what m chooses was made ever since a number. Under
// mu.
func (h *Hub) madeSince(m *match, after uint64) bool {
	readings, messages := m.asksFor()
	return h.readings.madeSince(readings, after) && h.messages.madeSince(messages, after)
}
