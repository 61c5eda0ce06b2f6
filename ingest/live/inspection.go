package live

import "time"

// inspection is a device whose messages are made.
type inspection struct {
	since uint64    // all messages from this number on were made
	until time.Time // once nobody inspects it; zero: somebody does
}

// Wants reports whether anybody watches events of a kind about a device, so
// that a publisher makes none for nobody. Messages are made for the devices that
// a subscription names, and for Linger after; all else as long as anybody watches.
// It costs an atomic load, and where any device is inspected a look into a map.
func (h *Hub) Wants(k Kind, deviceID string) bool {
	if k != KindMessage {
		return h.Active()
	}
	devices := h.inspected.Load()
	if devices == nil {
		return false
	}
	_, ok := (*devices)[deviceID]
	return ok
}

// inspect brings up to date whose messages are made. Under mu.
func (h *Hub) inspect() {
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
			time.AfterFunc(h.o.Linger, func() {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.inspect()
			})
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

// inspectedSince reports whether the messages that m chooses were made ever
// since a number. Under mu.
func (h *Hub) inspectedSince(m *match, after uint64) bool {
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
