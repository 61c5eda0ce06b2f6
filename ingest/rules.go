package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tidegate/ingest/alert"
	"tidegate/store"
)

// Rules look at readings once they are judged, before and whatever the store
// does with them. They follow the log with a position of their own.
type Rules interface {
	// Evaluate takes the valid readings of all records up to and including
	// through, in the order of the log; what it has had before it leaves out.
	Evaluate(samples []alert.Sample, through uint64, receivedAt int64)
	// Position is how far Evaluate has come, Applied how far that is durable.
	Position() uint64
	Applied() uint64
	// Flush makes it durable as of now.
	Flush(ctx context.Context) error
}

// Device answers what the rules need to know of a device.
func (r *Registry) Device(id string) (store.Device, []store.Port, bool) {
	d := r.ByID(id)
	if d == nil {
		return store.Device{}, nil, false
	}
	return d.forRules()
}

// Each calls fn for every device.
func (r *Registry) Each(fn func(d store.Device, ports []store.Port)) {
	for _, d := range r.Devices() {
		of, ports, _ := d.forRules()
		fn(of, ports)
	}
}

func (d *Device) forRules() (store.Device, []store.Port, bool) {
	ports := make([]store.Port, len(d.ports))
	for i := range d.ports {
		ports[i] = d.ports[i].Port
	}
	return store.Device{ID: d.ID, UID: d.UID, OrgID: d.OrgID, SerialNumber: d.Serial, Name: d.Name, State: d.State, Tags: d.Tags}, ports, true
}

// rulesBatch gathers what the rules are to see.
type rulesBatch struct {
	samples    []alert.Sample
	receivedAt int64
}

func (b *rulesBatch) add(m *Message, seq uint64, series store.Series, c *store.Calibration, s *store.Sample) {
	b.samples = append(b.samples, alert.Sample{
		Series: series, Seq: seq, TS: s.TS, ReceivedAt: m.ReceivedAt, Value: c.Apply(s.Raw),
		Quality: s.Quality, ClockUntrusted: m.ClockUntrusted, ServerTS: s.Flags&store.FlagServerTS != 0,
	})
	if !m.ClockUntrusted {
		b.receivedAt = m.ReceivedAt
	}
}

func (b *rulesBatch) evaluate(r Rules, through uint64) {
	r.Evaluate(b.samples, through, b.receivedAt)
	b.samples, b.receivedAt = b.samples[:0], 0
}

// evaluate lets the rules see the batch before the store does: what a store
// waits for delays no alarm. A replay of dead letters is of the past.
func (w *writer) evaluate() {
	r := w.p.o.Rules
	if r == nil || w.batch.Through <= r.Position() {
		return
	}
	for i := range w.batch.Items {
		it, pl := &w.batch.Items[i], &w.place[i]
		m := w.msgs[pl.msg].m
		if pl.port != nil && m.replay == nil {
			w.rules.add(m, it.Seq, it.Series, it.Calibration, &it.Sample)
		}
	}
	w.rules.evaluate(r, w.batch.Through)
}

// evaluateAgain brings the rules up to where the writer goes on: their position
// may be behind the store's.
func (p *Pipeline) evaluateAgain(ctx context.Context) error {
	r := p.o.Rules
	if r == nil {
		return nil
	}
	to := p.cursor.Load()
	d := getDecoded()
	defer putDecoded(d)
	var rules rulesBatch
	last := r.Position()
	err := p.o.Log.Scan(last, func(seq uint64, record []byte) error {
		if seq > to || ctx.Err() != nil {
			return errPassed
		}
		p.validOf(nil, record, d, func(m *Message, port *Port, s store.Sample) {
			rules.add(m, seq, store.Series{UID: m.UID, Port: port.Number}, port.CalibrationAt(s.TS), &s)
		})
		if last = seq; len(rules.samples) >= sliceItems {
			rules.evaluate(r, last)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errPassed) {
		return fmt.Errorf("evaluate the log again: %w", err)
	}
	rules.evaluate(r, last)
	return ctx.Err()
}

// The rules are made durable less often than readings, which a database gets
// every second: so much of the log may be evaluated again after a crash.
const (
	rulesEvery = time.Minute
	rulesBytes = 32 << 20 // of the log
)

// flushRules answers up to where the log may be trimmed for their sake.
func (p *Pipeline) flushRules(ctx context.Context, through uint64) (uint64, error) {
	r := p.o.Rules
	if r == nil {
		return through, nil
	}
	if now := p.o.Now(); now.Sub(p.rulesFlushed) >= rulesEvery || p.o.Log.Depth().Bytes >= min(rulesBytes, p.o.LogSize/4) {
		if err := r.Flush(ctx); err != nil {
			return 0, err
		}
		p.rulesFlushed = now
	}
	return r.Applied(), nil
}
