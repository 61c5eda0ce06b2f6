package embedded

import (
	"bytes"
	"context"
	"slices"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// PutNotifications implements store.Notifications.
func (a *Alerts) PutNotifications(ctx context.Context, list []store.Notification) error {
	for i := range list {
		if err := checkNotification(&list[i]); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		return ctx.Err()
	}
	return a.write(ctx, "keep notifications", func(t *alertsTx) error {
		for i := range list {
			if err := t.putNotification(&list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// notification reads the one with a key that an index has.
func (a *Alerts) notification(tx *bbolt.Tx, key []byte) (store.Notification, error) {
	n, err := decodeNotification(key, tx.Bucket(notifiedBucket).Get(key))
	if err != nil {
		return n, fileError(store.ErrInvalid, a.path, "%v; %s", err, wayOut)
	}
	return n, nil
}

// notificationKey answers the key of an id; nil: there is none.
func notificationKey(tx *bbolt.Tx, id string) []byte {
	if at := tx.Bucket(notifiedIDBucket).Get([]byte(id)); at != nil {
		return append(bytes.Clone(at), id...)
	}
	return nil
}

// Notification implements store.Notifications.
func (a *Alerts) Notification(ctx context.Context, id string) (n store.Notification, err error) {
	err = a.read(ctx, func(tx *bbolt.Tx) error {
		key := notificationKey(tx, id)
		if key == nil {
			return store.NotFound("notification", id)
		}
		n, err = a.notification(tx, key)
		return err
	})
	return n, err
}

// QueuedNotifications implements store.Notifications.
func (a *Alerts) QueuedNotifications(ctx context.Context) (out []store.Notification, err error) {
	err = a.read(ctx, func(tx *bbolt.Tx) error {
		return tx.Bucket(queuedBucket).ForEach(func(k, _ []byte) error {
			n, err := a.notification(tx, k)
			out = append(out, n)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// CountQueued answers how many notifications wait.
func (a *Alerts) CountQueued(ctx context.Context) (n int, err error) {
	err = a.read(ctx, func(tx *bbolt.Tx) error {
		return tx.Bucket(queuedBucket).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	return n, err
}

// notificationScan walks notifications from new to old, in whichever bucket has
// the fewest of them that are not wanted.
type notificationScan struct {
	f      *store.NotificationFilter
	bucket []byte
	prefix []byte // of the keys
	high   []byte // keys before this
	out    []store.Notification
	done   bool
}

// ListNotifications implements store.Notifications. It costs a step for each
// notification, or for each of the event, or for each that waits where no others
// are asked for, until the page is full. One that After names and that was
// dropped meanwhile is ErrInvalid.
func (a *Alerts) ListNotifications(ctx context.Context, f store.NotificationFilter) ([]store.Notification, error) {
	if f.Limit < 1 {
		return nil, store.Invalid("notification", "limit", "must be at least 1")
	}
	scan := notificationScan{f: &f, bucket: notifiedBucket}
	switch {
	case f.EventID != "":
		scan.bucket, scan.prefix = eventNotifyBucket, orgKey(f.EventID)
	case len(f.States) > 0 && !slices.ContainsFunc(f.States, finalNotification):
		scan.bucket = queuedBucket
	}
	high := bytes.Repeat([]byte{0xFF}, 9) // behind every time
	if f.After != "" {
		err := a.read(ctx, func(tx *bbolt.Tx) error { high = notificationKey(tx, f.After); return nil })
		if err != nil {
			return nil, err
		}
		if high == nil {
			return nil, store.Invalid("notification", "cursor", "is of one that is not there any more; begin anew without one")
		}
	}
	scan.high = slices.Concat(scan.prefix, high)
	for !scan.done {
		if err := a.read(ctx, func(tx *bbolt.Tx) error { return scan.some(a, tx) }); err != nil {
			return nil, err
		}
	}
	return scan.out, nil
}

func (s *notificationScan) some(a *Alerts, tx *bbolt.Tx) error {
	c, all := tx.Bucket(s.bucket).Cursor(), tx.Bucket(notifiedBucket)
	k, _ := lastBelow(c, s.high)
	for steps := 0; bytes.HasPrefix(k, s.prefix) && k != nil; k, _ = c.Prev() {
		if steps++; steps > alertsPerRead {
			return nil
		}
		s.high = append(s.high[:0], k...)
		key := k[len(s.prefix):]
		h, _, err := readNotificationHead(all.Get(key))
		if err != nil {
			return fileError(store.ErrInvalid, a.path, "%v; %s", err, wayOut)
		}
		if !s.chooses(&h) {
			continue
		}
		n, err := a.notification(tx, key)
		if err != nil {
			return err
		}
		if s.out = append(s.out, n); len(s.out) == s.f.Limit {
			break
		}
	}
	s.done = true
	return nil
}

func (s *notificationScan) chooses(h *notificationHead) bool {
	f := s.f
	if f.Devices != nil {
		if _, ok := slices.BinarySearch(f.Devices, string(h.device)); !ok {
			return false
		}
	}
	return (f.OrgID == "" || f.OrgID == string(h.org)) && (f.ChannelID == "" || f.ChannelID == string(h.channel)) &&
		(f.EventID == "" || f.EventID == string(h.event)) &&
		(len(f.States) == 0 || slices.Contains(f.States, store.NotificationState(h.state)))
}
