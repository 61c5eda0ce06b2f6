package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tidegate/ingest"
	"tidegate/ingest/live"
	"tidegate/store"
)

// liveSnapshot writes how things stand, in messages of a bounded size.
type liveSnapshot struct {
	l     *liveConn
	s     *liveSub
	seen  scope
	buf   []byte
	part  string // which is being written; empty: none
	items int    // in this message
}

// snapshot sends how things stand for a subscription. It is read after the
// subscription began, from where things are stored before they are told of, so
// that nothing falls between the two.
func (l *liveConn) snapshot(ctx context.Context, s *liveSub) error {
	w := &liveSnapshot{l: l, s: s, seen: scope{s.filter.Access, l.s.admin.o.Catalog, l.s.admin.o.Registry}, buf: []byte(`{"type":"snapshot"`)}
	devices := w.devices()
	if s.filter.Kinds.Has(live.KindReading) {
		if err := w.readings(ctx, devices); err != nil {
			return err
		}
	}
	if s.filter.Kinds.Has(live.KindLifecycle) {
		if err := w.lifecycle(ctx, devices); err != nil {
			return err
		}
	}
	if s.filter.Kinds.Has(live.KindAlert) && l.s.o.Alarms != nil {
		if err := w.alerts(ctx); err != nil {
			return err
		}
	}
	return w.send(ctx, true)
}

// devices answers those that the subscription chooses, in order of id.
func (w *liveSnapshot) devices() []*ingest.Device {
	f := &w.s.filter
	named := map[string]struct{}{}
	for id := range f.Devices {
		named[id] = struct{}{}
	}
	for p := range f.Ports {
		named[p.DeviceID] = struct{}{}
	}
	var all []*ingest.Device
	if f.Devices == nil && f.Ports == nil {
		all = w.seen.allKnown()
	} else {
		for id := range named {
			if d := w.seen.known(id); d != nil {
				all = append(all, d)
			}
		}
	}
	ofPorts := map[string]struct{}{}
	for p := range f.Ports {
		ofPorts[p.DeviceID] = struct{}{}
	}
	all = slices.DeleteFunc(slices.Clone(all), func(d *ingest.Device) bool {
		_, has := ofPorts[d.ID]
		return !f.Takes(d.OrgID, d.ID, nil) || f.Ports != nil && !has
	})
	slices.SortFunc(all, func(a, b *ingest.Device) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// readings writes the newest of each port.
func (w *liveSnapshot) readings(ctx context.Context, devices []*ingest.Device) error {
	sel := &selection{}
	for _, d := range devices {
		ports := d.Ports()
		for i := range ports {
			if n := ports[i].Number; w.s.filter.Takes(d.OrgID, d.ID, &n) {
				sel.series = append(sel.series, store.Series{UID: d.UID, Port: n})
				sel.ports = append(sel.ports, &ports[i])
			}
		}
	}
	e := newReadingEncoder(sel, false)
	for from := 0; from < len(sel.series); from += liveItems {
		to := min(from+liveItems, len(sel.series))
		var samples []store.Sample
		var found []bool
		err := w.look(ctx, func() (err error) {
			samples, found, err = w.l.s.o.Readings.Latest(ctx, sel.series[from:to])
			return err
		})
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			// Events come all the same; the client knows what it lacks.
			detail, _ := json.Marshal(w.l.s.problem(ctx, fmt.Errorf("latest readings: %w", err)).Detail) // strings always encode
			w.end()
			w.buf = append(append(w.buf, `,"detail":`...), detail...)
			return nil
		}
		for i := range samples {
			if !found[i] {
				continue
			}
			if err := w.item(ctx, "readings"); err != nil {
				return err
			}
			w.buf = e.appendJSON(w.buf, from+i, &samples[i])
		}
	}
	return nil
}

// lifecycle writes who is connected.
func (w *liveSnapshot) lifecycle(ctx context.Context, devices []*ingest.Device) error {
	for _, d := range devices {
		p := LivePresence{DeviceID: d.ID, OrgID: d.OrgID, Status: "offline"}
		if w.l.s.o.Presence != nil {
			seen := w.l.s.o.Presence(d.UID)
			if seen.Online {
				p.Status = "online"
			}
			if !seen.LastSeen.IsZero() {
				last := at(seen.LastSeen)
				p.At = &last
			}
		}
		if err := w.value(ctx, "lifecycle", p); err != nil {
			return err
		}
	}
	return nil
}

// alerts writes the alarms that go on.
func (w *liveSnapshot) alerts(ctx context.Context) error {
	f := &w.s.filter
	q := store.AlertEventFilter{OrgID: f.OrgID, States: []store.AlertState{store.AlertFiring, store.AlertRecovering}, Limit: liveItems}
	q, sees := w.seen.alertEvents(q)
	for sees {
		var events []store.AlertEvent
		err := w.look(ctx, func() (err error) {
			events, err = w.l.s.o.Alarms.ListAlertEvents(ctx, q)
			return err
		})
		if err != nil {
			return fmt.Errorf("list alert events: %w", err)
		}
		for _, e := range events {
			q.After = e.ID
			if !e.Open() || !f.Takes(e.OrgID, e.DeviceID, &e.PortNumber) || !w.seen.alertEvent(e) {
				continue
			}
			if err := w.value(ctx, "alerts", sayable(e)); err != nil {
				return err
			}
		}
		sees = len(events) == liveItems
	}
	return nil
}

// look reads from the store when it is this snapshot's turn: a thousand pages
// that come back at once must not be in the way of devices.
func (w *liveSnapshot) look(ctx context.Context, fn func() error) error {
	select {
	case w.l.s.live.snapshots <- struct{}{}:
		defer func() { <-w.l.s.live.snapshots }()
		return fn()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *liveSnapshot) value(ctx context.Context, part string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", part, err)
	}
	if err := w.item(ctx, part); err != nil {
		return err
	}
	w.buf = append(w.buf, b...)
	return nil
}

// item makes room for one more of a part.
func (w *liveSnapshot) item(ctx context.Context, part string) error {
	if w.items >= liveItems {
		if err := w.send(ctx, false); err != nil {
			return err
		}
	}
	if w.part != part {
		w.end()
		w.part = part
		w.buf = append(append(append(w.buf, `,"`...), part...), `":[`...)
	} else {
		w.buf = append(w.buf, ',')
	}
	w.items++
	return nil
}

// end ends a part.
func (w *liveSnapshot) end() {
	if w.part != "" {
		w.buf = append(w.buf, ']')
		w.part = ""
	}
}

func (w *liveSnapshot) send(ctx context.Context, last bool) error {
	w.end()
	w.buf = strconv.AppendInt(append(w.buf, `,"id":`...), w.s.id, 10)
	w.buf = strconv.AppendUint(append(w.buf, `,"seq":`...), w.s.told, 10)
	if last {
		w.buf = append(w.buf, `,"last":true`...)
	}
	if err := w.l.sendBytes(ctx, append(w.buf, '}')); err != nil {
		return err
	}
	w.buf, w.items = append(w.buf[:0], `{"type":"snapshot"`...), 0
	return nil
}
