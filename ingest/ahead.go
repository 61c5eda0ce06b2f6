package ingest

import (
	"context"

	"tidegate/ingest/buffer"
	"tidegate/ingest/live"
	"tidegate/store"
)

// ahead shows live values, and lets the rules have them, while the store takes
// nothing: it follows the log from the writer's cursor on, and shows what is
// valid. Whether a reading is a duplicate only the store can say, so that one
// may be shown twice. When the store is back the writer does not show again what
// was shown.
//
// Its methods are the writer's; only run is a goroutine of its own.
type ahead struct {
	p      *Pipeline
	cancel context.CancelFunc // nil: it does not run
	done   chan uint64        // the position up to which it has shown
	shown  uint64
}

func (a *ahead) start(ctx context.Context) {
	if a.cancel != nil || a.p.o.Live == nil && a.p.o.Rules == nil {
		return
	}
	from := max(a.p.cursor.Load(), a.shown)
	reader, err := a.p.o.Log.Reader(from)
	if err != nil { // the log is closing
		return
	}
	ctx, a.cancel = context.WithCancel(ctx)
	a.done = make(chan uint64, 1)
	go func() {
		defer reader.Close()
		a.done <- a.p.showAhead(ctx, reader, from)
	}()
}

func (a *ahead) stop() {
	if a.cancel == nil {
		return
	}
	a.cancel()
	a.shown = <-a.done
	a.cancel = nil
}

// showAhead shows what reader answers until ctx ends, and answers how far it
// came.
func (p *Pipeline) showAhead(ctx context.Context, reader *buffer.Reader, shown uint64) uint64 {
	d := getDecoded()
	defer putDecoded(d)
	var events []live.Event
	var rules rulesBatch
	for {
		b, err := reader.Next(ctx)
		if err != nil {
			return shown
		}
		watched := p.o.Live != nil && p.o.Live.Wants(live.KindReading, "")
		events = events[:0]
		for i := range b.Items {
			p.validOf(b.Items[i].Entry, b.Items[i].Record, d, func(m *Message, port *Port, s store.Sample) {
				rules.add(m, b.Items[i].Seq, store.Series{UID: m.UID, Port: port.Number}, port.CalibrationAt(s.TS), &s)
				if watched && p.o.Live.Wants(live.KindReading, m.DeviceID) {
					events = append(events, readingEvent(m, port, s))
				}
			})
		}
		if p.o.Rules != nil {
			rules.evaluate(p.o.Rules, b.Last)
		}
		if watched {
			p.o.Live.Publish(events)
		}
		shown = b.Last
		reader.Release(shown)
	}
}

// validOf calls fn for the valid readings of a record. It changes nothing of the
// message, which the writer may have in hand at the same time.
func (p *Pipeline) validOf(entry buffer.Entry, record []byte, d *decoded, fn func(m *Message, port *Port, s store.Sample)) {
	m, ok := entry.(*Message)
	if !ok {
		var err error
		if m, err = parseRecord(record); err != nil {
			return // the writer says so
		}
	}
	if m.replay != nil {
		return
	}
	decodeMessage(m, d)
	device := p.o.Registry.ByUID(m.UID)
	for i := range d.items {
		if port, s, v := validate(device, m, &d.items[i]); v.reason == "" {
			fn(m, port, s)
		}
	}
}

func readingEvent(m *Message, port *Port, s store.Sample) live.Event {
	return live.Event{
		Kind: live.KindReading, OrgID: m.OrgID, DeviceID: m.DeviceID,
		Reading: store.Reading{
			TS: store.Time(s.TS), DeviceID: m.DeviceID, PortNumber: port.Number,
			RawValue: s.Raw, CalibratedValue: port.CalibrationAt(s.TS).Apply(s.Raw),
			Quality: s.Quality.String(), Flags: s.Flags.Names(), IngestTS: store.Time(s.IngestTS),
		},
	}
}
