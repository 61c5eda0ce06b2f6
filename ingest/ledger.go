package ingest

import (
	"context"
	"fmt"
	"slices"

	"tidegate/store"
)

// Ledger answers the five sums of one moment.
func (p *Pipeline) Ledger(ctx context.Context) (store.Ledger, error) {
	p.applied.Lock()
	defer p.applied.Unlock()
	var l store.Ledger
	var err error
	l.Rejected, err = p.stillRefused(ctx, func() (err error) {
		l.Stored, l.Duplicate, err = p.o.Series.Totals(ctx)
		return err
	})
	if err != nil {
		return l, fmt.Errorf("count stored: %w", err)
	}
	rejected, err := p.o.State.RejectedTotal(ctx)
	if err != nil {
		return l, fmt.Errorf("count rejected: %w", err)
	}
	l.Rejected += rejected
	received, pending, err := p.o.Log.Received(p.cursor.Load())
	if err != nil {
		return l, fmt.Errorf("count received: %w", err)
	}
	if err := p.told.behind(p, func(_ int64, _ uint32, n int64) { pending -= n }); err != nil {
		return l, err
	}
	l.Received, l.Pending = uint64(received), uint64(pending)
	l.Shed = p.shed.Load()
	return l, nil
}

// stillRefused calls count between two moments at which the store's server has
// refused the same number of readings, and answers that number: what it refuses
// leaves stored, beside the writer, and must not be counted twice.
func (p *Pipeline) stillRefused(ctx context.Context, count func() error) (uint64, error) {
	r, ok := p.o.Series.(store.Refuser)
	if !ok {
		return 0, count()
	}
	refused, err := r.Refused(ctx)
	for err == nil {
		if err = count(); err != nil {
			break
		}
		was := refused
		if refused, err = r.Refused(ctx); refused == was {
			break
		}
	}
	return refused, err
}

// LedgerHours answers the ledger by device and hour of receipt, for fromHour
// <= hour < toHour (Unix hours), in order of (hour, device id). Readings of no
// registered device stand under the empty id.
func (p *Pipeline) LedgerHours(ctx context.Context, fromHour, toHour int64) ([]store.LedgerHour, error) {
	received, pending := store.HourCounts{}, store.HourCounts{}
	stored, duplicate, rejected := store.HourCounts{}, store.HourCounts{}, store.HourCounts{}
	err := func() error {
		p.applied.Lock()
		defer p.applied.Unlock()
		if err := p.o.Log.ReceivedHours(p.cursor.Load(), fromHour, toHour, received.Add, pending.Add); err != nil {
			return fmt.Errorf("count received: %w", err)
		}
		err := p.told.behind(p, func(hour int64, uid uint32, n int64) {
			if hour >= fromHour && hour < toHour {
				pending.Add(hour, uid, -n)
			}
		})
		if err != nil {
			return err
		}
		refused := store.HourCounts{}
		_, err = p.stillRefused(ctx, func() error {
			stored, duplicate, refused = store.HourCounts{}, store.HourCounts{}, store.HourCounts{}
			if err := p.o.Series.Hours(ctx, fromHour, toHour, stored, duplicate); err != nil {
				return err
			}
			if r, ok := p.o.Series.(store.Refuser); ok {
				return r.RefusedHours(ctx, fromHour, toHour, refused)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("count stored: %w", err)
		}
		rejected.AddAll(refused)
		if err := p.o.State.RejectedHours(ctx, fromHour, toHour, rejected); err != nil {
			return fmt.Errorf("count rejected: %w", err)
		}
		return nil
	}()
	if err != nil {
		return nil, err
	}
	type key struct {
		hour int64
		uid  uint32
	}
	rows := map[key]*store.LedgerHour{}
	add := func(from store.HourCounts, field func(*store.LedgerHour) *uint64) {
		for hour, counts := range from {
			for uid, n := range counts {
				k := key{hour, uid}
				r := rows[k]
				if r == nil {
					r = &store.LedgerHour{Hour: store.Time(hour * msPerHour)}
					if d := p.o.Registry.ByUID(uid); d != nil {
						r.DeviceID = d.ID
					} else if uid != 0 {
						r.DeviceID = fmt.Sprintf("(deleted %d)", uid)
					}
					rows[k] = r
				}
				*field(r) += uint64(n)
			}
		}
	}
	add(received, func(r *store.LedgerHour) *uint64 { return &r.Received })
	add(stored, func(r *store.LedgerHour) *uint64 { return &r.Stored })
	add(duplicate, func(r *store.LedgerHour) *uint64 { return &r.Duplicate })
	add(rejected, func(r *store.LedgerHour) *uint64 { return &r.Rejected })
	add(pending, func(r *store.LedgerHour) *uint64 { return &r.Pending })
	out := make([]store.LedgerHour, 0, len(rows))
	for _, r := range rows {
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b store.LedgerHour) int {
		if a.Hour != b.Hour {
			return int(a.Hour/msPerHour - b.Hour/msPerHour)
		}
		if a.DeviceID < b.DeviceID {
			return -1
		}
		return 1
	})
	return out, nil
}
