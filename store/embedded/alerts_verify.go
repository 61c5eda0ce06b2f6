package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// AlertsCount is how much a file of alarms has.
type AlertsCount struct {
	Watches, Silences     int
	Events, Open          int
	Notifications, Queued int
}

// Verify reads everything, and answers an error that names the file when
// something is damaged, or an index or a count is not as what it is of. It holds
// one transaction: it is for a file that nobody else uses.
func (a *Alerts) Verify(ctx context.Context) (AlertsCount, error) {
	var v alertsVerify
	err := a.read(ctx, func(tx *bbolt.Tx) error {
		v.tx = tx
		for _, step := range [...]func() error{v.watches, v.silences, v.events, v.notifications} {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := step(); err != nil {
				return fileError(store.ErrInvalid, a.path, "is damaged: %v; %s", err, wayOut)
			}
		}
		m, err := readAlertsMeta(tx)
		if err != nil {
			return err
		}
		if c := v.n; m.Resolved != c.Events-c.Open || m.Final != c.Notifications-c.Queued || m.Silences != c.Silences {
			return fileError(store.ErrInvalid, a.path, "is damaged: it counts %d, %d and %d of what it has; %s", m.Resolved, m.Final, m.Silences, wayOut)
		}
		return nil
	})
	return v.n, err
}

type alertsVerify struct {
	tx *bbolt.Tx
	n  AlertsCount
}

func (v *alertsVerify) watches() error {
	return v.tx.Bucket(watchBucket).ForEach(func(k, b []byte) error {
		v.n.Watches++
		_, err := decodeWatch(k, b)
		return err
	})
}

func (v *alertsVerify) silences() error {
	return v.tx.Bucket(silenceBucket).ForEach(func(k, b []byte) error {
		v.n.Silences++
		_, err := decodeSilence(k, b)
		return err
	})
}

// indexed reports whether an index has what it should.
func (v *alertsVerify) indexed(bucket, key, value []byte) error {
	if got := v.tx.Bucket(bucket).Get(key); got == nil || !bytes.Equal(got, value) {
		return fmt.Errorf("%s has not what belongs to %q", bucket, key)
	}
	return nil
}

// sized reports whether an index has no more than it should.
func (v *alertsVerify) sized(bucket []byte, want int) error {
	n := 0
	err := v.tx.Bucket(bucket).ForEach(func(_, _ []byte) error { n++; return nil })
	if err == nil && n != want {
		return fmt.Errorf("%s has %d entries instead of %d", bucket, n, want)
	}
	return err
}

func (v *alertsVerify) events() error {
	err := v.tx.Bucket(eventBucket).ForEach(func(k, b []byte) error {
		v.n.Events++
		e, err := decodeEvent(string(k), b)
		if err != nil {
			return err
		}
		h, rest, err := readEventHead(b)
		if err != nil {
			return err
		}
		head := b[:len(b)-len(rest)]
		if err := v.indexed(orgEventBucket, append(orgKey(e.OrgID), k...), head); err != nil {
			return err
		}
		if err := v.indexed(changedBucket, beKey(h.change), k); err != nil {
			return err
		}
		if !e.Open() {
			return nil
		}
		v.n.Open++
		return v.indexed(openEventBucket, k, head)
	})
	if err != nil {
		return err
	}
	return errors.Join(v.sized(orgEventBucket, v.n.Events), v.sized(changedBucket, v.n.Events), v.sized(openEventBucket, v.n.Open))
}

func (v *alertsVerify) notifications() error {
	err := v.tx.Bucket(notifiedBucket).ForEach(func(k, b []byte) error {
		v.n.Notifications++
		n, err := decodeNotification(k, b)
		if err != nil {
			return err
		}
		if err := v.indexed(notifiedIDBucket, []byte(n.ID), k[:8]); err != nil {
			return err
		}
		if err := v.indexed(eventNotifyBucket, append(orgKey(n.Event.ID), k...), nil); err != nil {
			return err
		}
		if finalNotification(n.State) {
			return nil
		}
		v.n.Queued++
		return v.indexed(queuedBucket, k, nil)
	})
	if err != nil {
		return err
	}
	return errors.Join(v.sized(notifiedIDBucket, v.n.Notifications), v.sized(eventNotifyBucket, v.n.Notifications), v.sized(queuedBucket, v.n.Queued))
}
