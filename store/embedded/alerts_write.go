package embedded

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// fillAppended is how full a page is left where keys come mostly in order, with
// room for what changes later.
const fillAppended = 0.85

// alertWrite is one caller's part of a transaction.
type alertWrite struct {
	fn   func(*alertsTx) error
	done bool // under writing
	err  error
}

// alertsTx is one transaction: the bookkeeping that goes with the data.
type alertsTx struct {
	tx      *bbolt.Tx
	bound   store.Bounds
	meta    alertsMeta
	put     int // events and notifications
	dropped [2]dropped
	old     [2][]byte // where the search for what is too old goes on
}

// write makes durable what fn does, together with what others want at the same
// time. fn may be called more than once; only what its last call has done is
// kept.
func (a *Alerts) write(ctx context.Context, what string, fn func(*alertsTx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &alertWrite{fn: fn}
	a.mu.Lock()
	if err := a.usable(); err != nil {
		a.mu.Unlock()
		return err
	}
	a.waiting = append(a.waiting, w)
	a.mu.Unlock()

	// Whoever comes first writes for all that have come by then.
	a.writing.Lock()
	defer a.writing.Unlock()
	if !w.done {
		a.mu.Lock()
		group := a.waiting
		a.waiting = nil
		a.mu.Unlock()
		a.commitGroup(group)
	}
	if w.err != nil {
		return fmt.Errorf("%s: %w", what, w.err)
	}
	return nil
}

// commitGroup writes for all of group. writing is held. When what one of them
// wants cannot be, each gets a transaction of its own.
func (a *Alerts) commitGroup(group []*alertWrite) {
	err := a.commit(group)
	if err == nil || len(group) == 1 || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrFull) {
		for _, w := range group {
			w.done, w.err = true, err
		}
		return
	}
	for _, w := range group {
		w.done, w.err = true, a.commit([]*alertWrite{w})
	}
}

// commit is one transaction. writing is held.
func (a *Alerts) commit(group []*alertWrite) error {
	begin := time.Now()
	a.mu.Lock()
	meta, bound, err := a.meta, a.bound, a.usable()
	a.mu.Unlock()
	if err != nil {
		return err
	}
	var c *alertsTx
	err = update(a.db, func(tx *bbolt.Tx) error {
		c = &alertsTx{tx: tx, bound: bound, meta: meta, old: [2][]byte{a.oldEvents, a.oldNotifications}}
		for _, name := range [...][]byte{eventBucket, orgEventBucket, changedBucket, notifiedBucket} {
			tx.Bucket(name).FillPercent = fillAppended
		}
		for _, w := range group {
			if err := w.fn(c); err != nil {
				return err
			}
		}
		if err := c.trim(a.o, a.o.Now()); err != nil {
			return err
		}
		return writeAlertsMeta(tx, c.meta)
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		if errors.Is(err, errFsync) {
			a.broken = err
		}
		a.metrics.failures.Inc()
		return err
	}
	a.meta = c.meta
	a.oldEvents, a.oldNotifications = c.old[0], c.old[1]
	if c.meta.Log != (store.LogID{}) {
		a.applied.Store(c.meta.Applied)
	}
	a.metrics.committed(c, time.Since(begin))
	return nil
}
