package embedded

import (
	"bytes"
	"context"
	"slices"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// alertsPerRead bounds what one transaction looks at: the file cannot reuse a
// page while it is open.
const alertsPerRead = 5_000

// EngineTime implements store.Alerts.
func (a *Alerts) EngineTime(ctx context.Context) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.meta.Now, a.usable()
}

// WatchStates implements store.Alerts. fn is called outside of a transaction,
// and sees each watch as of some moment of the call.
func (a *Alerts) WatchStates(ctx context.Context, fn func(store.WatchState) error) error {
	for next := []byte{}; next != nil; {
		var some []store.WatchState
		err := a.read(ctx, func(tx *bbolt.Tx) error {
			c := tx.Bucket(watchBucket).Cursor()
			k, v := c.Seek(next)
			for ; k != nil && len(some) < alertsPerRead; k, v = c.Next() {
				w, err := decodeWatch(k, v)
				if err != nil {
					return fileError(store.ErrInvalid, a.path, "%v; %s", err, wayOut)
				}
				some = append(some, w)
			}
			next = bytes.Clone(k)
			return nil
		})
		if err != nil {
			return err
		}
		for _, w := range some {
			if err := fn(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// OpenEvents implements store.Alerts.
func (a *Alerts) OpenEvents(ctx context.Context) (out []store.AlertEvent, err error) {
	err = a.read(ctx, func(tx *bbolt.Tx) error {
		return tx.Bucket(openEventBucket).ForEach(func(k, _ []byte) error {
			e, err := a.event(tx, k)
			out = append(out, e)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// event reads the event with an id that an index has.
func (a *Alerts) event(tx *bbolt.Tx, id []byte) (store.AlertEvent, error) {
	e, err := decodeEvent(string(id), tx.Bucket(eventBucket).Get(id))
	if err != nil {
		return e, fileError(store.ErrInvalid, a.path, "%v; %s", err, wayOut)
	}
	return e, nil
}

// AlertEvent implements store.Alerts.
func (a *Alerts) AlertEvent(ctx context.Context, id string) (e store.AlertEvent, err error) {
	err = a.read(ctx, func(tx *bbolt.Tx) error {
		key := []byte(id)
		if tx.Bucket(eventBucket).Get(key) == nil {
			return store.NotFound("alert event", id)
		}
		e, err = a.event(tx, key)
		return err
	})
	return e, err
}

// CountAlertEvents implements store.Alerts.
func (a *Alerts) CountAlertEvents(ctx context.Context, orgID string) (map[store.Severity]int, error) {
	counts := map[store.Severity]int{}
	err := a.read(ctx, func(tx *bbolt.Tx) error {
		return tx.Bucket(openEventBucket).ForEach(func(_, v []byte) error {
			h, _, err := readEventHead(v)
			if err != nil {
				return fileError(store.ErrInvalid, a.path, "%v; %s", err, wayOut)
			}
			if orgID == "" || orgID == string(h.org) {
				counts[store.Severity(h.severity)]++
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return counts, nil
}

// eventScan walks events from new to old, in whichever bucket has the fewest of
// them that are not wanted.
type eventScan struct {
	f      *store.AlertEventFilter
	bucket []byte
	prefix []byte // of the keys
	low    []byte // keys from here on
	high   []byte // and before this
	out    []store.AlertEvent
	done   bool
}

// ListAlertEvents implements store.Alerts. It costs a step for each event of the
// organization and the times, of the open ones alone where no others are asked
// for, until the page is full.
func (a *Alerts) ListAlertEvents(ctx context.Context, f store.AlertEventFilter) ([]store.AlertEvent, error) {
	if f.Limit < 1 {
		return nil, store.Invalid("alert event", "limit", "must be at least 1")
	}
	scan := eventScan{f: &f, bucket: eventBucket}
	switch {
	case len(f.States) > 0 && !slices.Contains(f.States, store.AlertResolved):
		scan.bucket = openEventBucket
	case f.OrgID != "":
		scan.bucket, scan.prefix = orgEventBucket, orgKey(f.OrgID)
	}
	if f.From != 0 {
		scan.low = []byte(store.AlertEventIDPrefix(f.From))
	}
	scan.low = slices.Concat(scan.prefix, scan.low)
	scan.high = []byte{0xFF} // behind every id
	if f.To != 0 {
		scan.high = []byte(store.AlertEventIDPrefix(f.To))
	}
	if after := []byte(f.After); f.After != "" && bytes.Compare(after, scan.high) < 0 {
		scan.high = after
	}
	scan.high = slices.Concat(scan.prefix, scan.high)
	for !scan.done {
		if err := a.read(ctx, func(tx *bbolt.Tx) error { return scan.some(a, tx) }); err != nil {
			return nil, err
		}
	}
	return scan.out, nil
}

func (s *eventScan) some(a *Alerts, tx *bbolt.Tx) error {
	c := tx.Bucket(s.bucket).Cursor()
	k, v := lastBelow(c, s.high)
	for steps := 0; k != nil && bytes.Compare(k, s.low) >= 0; k, v = c.Prev() {
		if steps++; steps > alertsPerRead {
			return nil
		}
		s.high = append(s.high[:0], k...)
		h, _, err := readEventHead(v)
		if err != nil {
			return fileError(store.ErrInvalid, a.path, "%v; %s", err, wayOut)
		}
		if !s.chooses(&h) {
			continue
		}
		e, err := a.event(tx, k[len(s.prefix):])
		if err != nil {
			return err
		}
		if s.out = append(s.out, e); len(s.out) == s.f.Limit {
			break
		}
	}
	s.done = true
	return nil
}

// lastBelow answers the last key below high.
func lastBelow(c *bbolt.Cursor, high []byte) (k, v []byte) {
	if k, _ := c.Seek(high); k == nil {
		return c.Last()
	}
	return c.Prev()
}

func (s *eventScan) chooses(h *eventHead) bool {
	f := s.f
	if f.Devices != nil {
		if _, ok := slices.BinarySearch(f.Devices, string(h.device)); !ok {
			return false
		}
	}
	return (f.OrgID == "" || f.OrgID == string(h.org)) && (f.DeviceID == "" || f.DeviceID == string(h.device)) &&
		(f.RuleID == "" || f.RuleID == string(h.rule)) && (f.Severity == "" || f.Severity == store.Severity(h.severity)) &&
		(len(f.States) == 0 || slices.Contains(f.States, store.AlertState(h.state))) &&
		(f.Acknowledged == nil || *f.Acknowledged == h.acknowledged)
}
