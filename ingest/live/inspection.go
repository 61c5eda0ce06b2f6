package live

import (
	"slices"
	"time"
)

// inspection is what is made for those alone who ask for it: the messages of a
// device, or all readings.
type inspection struct {
	since uint64    // all from this number on were made
	until time.Time // once nobody asks for it; zero: somebody does
}

// Wants reports whether anybody watches events of a kind about a device, so
// that a publisher makes none for nobody. Messages are made for the devices that
// a subscription names, readings while a subscription wants any, both for Linger
// after; all else as long as anybody watches. It costs an atomic load, and where
// any device is inspected a look into a map.
func (h *Hub) Wants(k Kind, deviceID string) bool {
	switch k {
	case KindReading:
		return h.reads.Load()
	case KindMessage:
	default:
		return h.Active()
	}
	devices := h.inspected.Load()
	if devices == nil {
		return false
	}
	_, ok := (*devices)[deviceID]
	return ok
}

// inspect brings up to date what is made. Under mu.
func (h *Hub) inspect() {
	h.inspectReadings()
	var before map[string]*inspection
	if p := h.inspected.Load(); p != nil {
		before = *p
	}
	var after map[string]*inspection
	keep := func(id string, i *inspection) {
		if after == nil {
			after = map[string]*inspection{}
		}
		after[id] = i
	}
	for _, s := range h.subs {
		for d := range s.inspects() {
			since := h.seq.Load() + 1
			if i := before[d]; i != nil {
				since = i.since
			}
			keep(d, &inspection{since: since})
		}
	}
	now := time.Now()
	for d, i := range before {
		if after[d] != nil {
			continue
		}
		until := i.until
		if until.IsZero() {
			until = now.Add(h.o.Linger)
			h.inspectLater()
		}
		if now.Before(until) {
			keep(d, &inspection{i.since, until})
		}
	}
	if after == nil {
		h.inspected.Store(nil)
		return
	}
	h.inspected.Store(&after)
}

// inspectReadings brings up to date whether readings are made: most pages want
// none, and at full load there are a million a second. Under mu.
func (h *Hub) inspectReadings() {
	now := time.Now()
	switch wanted := slices.ContainsFunc(h.subs, (*Sub).reads); {
	case wanted && h.readings == nil:
		h.readings = &inspection{since: h.seq.Load() + 1}
	case wanted:
		h.readings.until = time.Time{}
	case h.readings == nil:
	case h.readings.until.IsZero():
		h.readings.until = now.Add(h.o.Linger)
		h.inspectLater()
	case !now.Before(h.readings.until):
		h.readings = nil
	}
	h.reads.Store(h.readings != nil)
}

// inspectLater looks again when what nobody asks for any more is let go.
func (h *Hub) inspectLater() {
	time.AfterFunc(h.o.Linger, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.recent != nil {
			h.inspect()
		}
	})
}

// madeSince reports whether what m chooses was made ever since a number. Under
// mu.
func (h *Hub) madeSince(m *match, after uint64) bool {
	if m.Kinds.Has(KindReading) && (h.readings == nil || h.readings.since > after+1) {
		return false
	}
	if !m.Kinds.Has(KindMessage) {
		return true
	}
	devices := h.inspected.Load()
	for d := range m.Devices {
		if devices == nil || (*devices)[d] == nil || (*devices)[d].since > after+1 {
			return false
		}
	}
	return true
}
