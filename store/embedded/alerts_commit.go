package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// Commit implements store.Alerts.
func (a *Alerts) Commit(ctx context.Context, c store.AlertCommit) error {
	for i := range c.Events {
		if err := checkEvent(&c.Events[i]); err != nil {
			return err
		}
	}
	for i := range c.Notifications {
		if err := checkNotification(&c.Notifications[i]); err != nil {
			return err
		}
	}
	for i := range c.States {
		if s := &c.States[i]; s.RuleID == "" || !store.ValidID(s.RuleID) {
			return store.Invalid("watch", "ruleId", "%q is not an id", s.RuleID)
		}
	}
	return a.write(ctx, "keep alarms", func(t *alertsTx) error { return t.commit(&c) })
}

func (t *alertsTx) commit(c *store.AlertCommit) error {
	if err := t.advance(c); err != nil {
		return err
	}
	if c.Now != 0 {
		t.meta.Now = c.Now
	}
	if err := t.putWatches(c.States); err != nil {
		return err
	}
	for i := range c.Events {
		if err := t.putEvent(&c.Events[i]); err != nil {
			return err
		}
	}
	for i := range c.Notifications {
		if t.tx.Bucket(notifiedIDBucket).Get([]byte(c.Notifications[i].ID)) != nil {
			continue
		}
		if err := t.putNotification(&c.Notifications[i]); err != nil {
			return err
		}
	}
	return nil
}

// advance moves the position; the first time it makes the bound log the file's.
func (t *alertsTx) advance(c *store.AlertCommit) error {
	if c.Applied == 0 && len(c.States) == 0 {
		return nil
	}
	if t.meta.Log == (store.LogID{}) {
		t.meta.Log, t.meta.Applied = t.bound.Log, t.bound.After
	}
	switch {
	case c.Applied == 0:
		return nil
	case t.meta.Log == (store.LogID{}):
		return store.Conflict("alarms", "", "follow no log yet")
	case c.Applied < t.meta.Applied:
		return store.Conflict("alarms", "", "have applied position %d of the log already, not only %d", t.meta.Applied, c.Applied)
	}
	t.meta.Applied = c.Applied
	return nil
}

// putWatches writes in order of the keys: many at once are neighbours.
func (t *alertsTx) putWatches(states []store.WatchState) error {
	b := t.tx.Bucket(watchBucket)
	type put struct {
		key  []byte
		with *store.WatchState
	}
	puts := make([]put, len(states))
	for i := range states {
		puts[i] = put{watchKey(states[i].RuleID, states[i].Series), &states[i]}
	}
	slices.SortStableFunc(puts, func(a, b put) int { return bytes.Compare(a.key, b.key) })
	for _, p := range puts {
		if p.with.Body == nil {
			if err := b.Delete(p.key); err != nil {
				return err
			}
			continue
		}
		if err := b.Put(p.key, encodeWatch(p.with.Position, p.with.Body)); err != nil {
			return err
		}
	}
	return nil
}

func encodeWatch(pos uint64, body []byte) []byte {
	return append(binary.AppendUvarint(make([]byte, 0, len(body)+binary.MaxVarintLen64), pos), body...)
}

func decodeWatch(k, v []byte) (store.WatchState, error) {
	var w store.WatchState
	var ok bool
	w.RuleID, w.Series, ok = parseWatchKey(k)
	f := fields{b: v, bad: !ok}
	w.Position = f.number()
	if f.bad {
		return w, fmt.Errorf("the state of a rule is damaged (key %x)", k)
	}
	w.Body = append([]byte{}, f.b...)
	return w, nil
}

// rebaseWatches lets every watch go on behind a position of another log.
func rebaseWatches(tx *bbolt.Tx, after uint64) error {
	b := tx.Bucket(watchBucket)
	var keys, values [][]byte
	err := b.ForEach(func(k, v []byte) error {
		w, err := decodeWatch(k, v)
		keys, values = append(keys, bytes.Clone(k)), append(values, encodeWatch(after, w.Body))
		return err
	})
	for i := range keys {
		if err == nil {
			err = b.Put(keys[i], values[i])
		}
	}
	return err
}

// rebaseEvents does the same for the episodes that go on.
func rebaseEvents(tx *bbolt.Tx, after uint64) error {
	b := tx.Bucket(eventBucket)
	var open [][]byte
	err := tx.Bucket(openEventBucket).ForEach(func(k, _ []byte) error {
		open = append(open, bytes.Clone(k))
		return nil
	})
	for _, k := range open {
		if err != nil {
			return err
		}
		v := b.Get(k)
		var h eventHead
		if h, _, err = readEventHead(v); err != nil {
			return err
		}
		var e store.AlertEvent
		if e, err = decodeEvent(string(k), v); err != nil {
			return err
		}
		e.Position = after
		err = b.Put(k, encodeEvent(&e, h.change))
	}
	return err
}

// putEvent writes an event and where it is found.
func (t *alertsTx) putEvent(e *store.AlertEvent) error {
	t.put++
	id := []byte(e.ID)
	events, open, changed := t.tx.Bucket(eventBucket), t.tx.Bucket(openEventBucket), t.tx.Bucket(changedBucket)
	wasOpen, wasThere := false, false
	if old := events.Get(id); old != nil {
		h, _, err := readEventHead(old)
		if err != nil {
			return err
		}
		wasThere, wasOpen = true, h.open()
		if err := changed.Delete(beKey(h.change)); err != nil {
			return err
		}
		if string(h.org) != e.OrgID {
			return store.Invalid("alert event", "orgId", "of %s cannot change", e.ID)
		}
	}
	t.meta.Change++
	head := appendEventHead(nil, e, t.meta.Change)
	if err := changed.Put(beKey(t.meta.Change), id); err != nil {
		return err
	}
	if err := events.Put(id, encodeEvent(e, t.meta.Change)); err != nil {
		return err
	}
	if err := t.tx.Bucket(orgEventBucket).Put(append(orgKey(e.OrgID), id...), head); err != nil {
		return err
	}
	if wasThere && !wasOpen {
		t.meta.Resolved--
	}
	if e.Open() {
		return open.Put(id, head)
	}
	t.meta.Resolved++
	if wasOpen {
		return open.Delete(id)
	}
	return nil
}

// dropEvent removes one that is over.
func (t *alertsTx) dropEvent(id []byte, h *eventHead) error {
	t.meta.Resolved--
	org, change := append(orgKey(string(h.org)), id...), beKey(h.change)
	for _, of := range [...]struct{ bucket, key []byte }{{eventBucket, id}, {orgEventBucket, org}, {changedBucket, change}} {
		if err := t.tx.Bucket(of.bucket).Delete(of.key); err != nil {
			return err
		}
	}
	return nil
}

// putNotification writes a notification and where it is found.
func (t *alertsTx) putNotification(n *store.Notification) error {
	t.put++
	id, key := []byte(n.ID), timedKey(n.CreatedAt, n.ID)
	ids := t.tx.Bucket(notifiedIDBucket)
	if at := ids.Get(id); at != nil {
		old := append(bytes.Clone(at), id...)
		h, _, err := readNotificationHead(t.tx.Bucket(notifiedBucket).Get(old))
		if err != nil {
			return err
		}
		if h.final() {
			t.meta.Final--
		}
		// What stays as it was costs no page.
		if queued := h.final() || n.State != store.NotificationQueued || !bytes.Equal(old, key); queued {
			if err := t.tx.Bucket(queuedBucket).Delete(old); err != nil {
				return err
			}
		}
		if event := string(h.event); event != n.Event.ID || !bytes.Equal(old, key) {
			if err := t.tx.Bucket(eventNotifyBucket).Delete(append(orgKey(event), old...)); err != nil {
				return err
			}
		}
		if !bytes.Equal(old, key) {
			if err := t.tx.Bucket(notifiedBucket).Delete(old); err != nil {
				return err
			}
		}
	}
	if err := t.tx.Bucket(notifiedBucket).Put(key, encodeNotification(n)); err != nil {
		return err
	}
	if !bytes.Equal(ids.Get(id), key[:8]) {
		if err := ids.Put(id, key[:8]); err != nil {
			return err
		}
	}
	of := append(orgKey(n.Event.ID), key...)
	if b := t.tx.Bucket(eventNotifyBucket); b.Get(of) == nil {
		if err := b.Put(of, []byte{}); err != nil {
			return err
		}
	}
	if finalNotification(n.State) {
		t.meta.Final++
		return nil
	}
	return t.tx.Bucket(queuedBucket).Put(key, []byte{})
}

// dropNotification removes one that is final.
func (t *alertsTx) dropNotification(key []byte, h *notificationHead) error {
	t.meta.Final--
	for _, of := range [...]struct{ bucket, key []byte }{
		{eventNotifyBucket, append(orgKey(string(h.event)), key...)}, {notifiedIDBucket, key[8:]}, {notifiedBucket, key},
	} {
		if err := t.tx.Bucket(of.bucket).Delete(of.key); err != nil {
			return err
		}
	}
	return nil
}
