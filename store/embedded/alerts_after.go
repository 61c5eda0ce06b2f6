package embedded

import (
	"bytes"
	"context"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// AlertEventsAfter answers events in ascending order of id, at most limit
// behind an id, and the numbers of their last changes.
func (a *Alerts) AlertEventsAfter(ctx context.Context, after string, limit int) (events []store.AlertEvent, changes []uint64, err error) {
	if limit < 1 {
		return nil, nil, store.Invalid("alert event", "limit", "must be at least 1")
	}
	err = a.read(ctx, func(tx *bbolt.Tx) error {
		c := tx.Bucket(eventBucket).Cursor()
		for k, v := c.Seek(append([]byte(after), 0)); k != nil && len(events) < limit; k, v = c.Next() {
			e, err := a.event(tx, k)
			if err != nil {
				return err
			}
			h, _, err := readEventHead(v)
			if err != nil {
				return err
			}
			events, changes = append(events, e), append(changes, h.change)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return events, changes, nil
}

// AlertEventsChangedAfter answers events in order of their last changes, at most
// limit behind a change, and the numbers of those changes. Numbers begin with 1.
// None is given twice, but in an older copy of the file.
func (a *Alerts) AlertEventsChangedAfter(ctx context.Context, after uint64, limit int) (events []store.AlertEvent, changes []uint64, err error) {
	if limit < 1 {
		return nil, nil, store.Invalid("alert event", "limit", "must be at least 1")
	}
	err = a.read(ctx, func(tx *bbolt.Tx) error {
		c := tx.Bucket(changedBucket).Cursor()
		for k, id := c.Seek(beKey(after + 1)); len(k) == 8 && len(events) < limit; k, id = c.Next() {
			e, err := a.event(tx, id)
			if err != nil {
				return err
			}
			events, changes = append(events, e), append(changes, binary.BigEndian.Uint64(k))
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return events, changes, nil
}

// CountAlertEventsChangedAfter answers how many events were last changed behind
// a change, and the number of the newest change.
func (a *Alerts) CountAlertEventsChangedAfter(ctx context.Context, after uint64) (n int64, newest uint64, err error) {
	for next := beKey(after + 1); next != nil; {
		err := a.read(ctx, func(tx *bbolt.Tx) error {
			c := tx.Bucket(changedBucket).Cursor()
			k, _ := c.Seek(next)
			for steps := 0; k != nil && steps < alertsPerRead; steps++ {
				n++
				k, _ = c.Next()
			}
			next = bytes.Clone(k)
			return nil
		})
		if err != nil {
			return n, 0, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return n, a.meta.Change, nil
}
