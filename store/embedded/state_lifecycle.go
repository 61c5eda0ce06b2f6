package embedded

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// lifecycles are the comings and goings that the file does not have yet.
//
// A box with many devices that come and go must not wear its disk out: an event
// waits lifecycleAfter for others, and goes with any commit before that. So a
// kill loses what is younger. Presence goes with the same commits.
type lifecycles struct {
	mu      sync.Mutex
	seq     uint64 // of the last event
	waiting map[uint32][]store.LifecycleEvent
	last    map[uint32]store.LifecycleEvent // of this process, by device
	timer   *time.Timer                     // nil: nothing waits

	// kept counts the events in the file, of devices that had one since the file
	// was opened. It is guarded by State.mu.
	kept map[uint32]int
}

const (
	lifecycleAfter = 10 * time.Second
	// What a device says of itself is cut there.
	lifecycleStatusBytes = 64
	lifecycleReasonBytes = 256
)

// AddLifecycle implements store.Lifecycles.
func (s *State) AddLifecycle(uid uint32, e store.LifecycleEvent) {
	e.Status, e.Reason = cutText(e.Status, lifecycleStatusBytes), cutText(e.Reason, lifecycleReasonBytes)
	l := &s.life
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.last[uid]
	if known && e.Source == store.LifecycleDevice && last.Source == e.Source && last.Status == e.Status && last.Reason == e.Reason &&
		e.At.Time().Sub(last.At.Time()) < store.LifecycleAge {
		return
	}
	l.seq++
	e.Seq = l.seq
	l.last[uid] = e
	events := append(l.waiting[uid], e)
	l.waiting[uid] = events[max(0, len(events)-store.LifecycleKept):]
	if l.timer == nil {
		l.timer = time.AfterFunc(s.o.LifecycleAfter, s.flushLifecycles)
	}
}

// cutText cuts a text at a whole character.
func cutText(text string, most int) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= most {
		return strings.Clone(text)
	}
	return strings.ToValidUTF8(strings.Clone(text[:most]), "")
}

// flushLifecycles makes durable what has waited long enough.
func (s *State) flushLifecycles() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life.mu.Lock()
	s.life.timer = nil
	none := len(s.life.waiting) == 0
	s.life.mu.Unlock()
	if s.usable() != nil || none {
		return
	}
	if err := s.commit(nil); err != nil {
		s.o.Logger.Warn("comings and goings of devices are not on disk yet", "path", s.db.Path(), "error", err)
	}
}

// take answers what waits, and the number of the last event. mu of the State is
// held.
func (l *lifecycles) take() (map[uint32][]store.LifecycleEvent, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	events := l.waiting
	l.waiting = map[uint32][]store.LifecycleEvent{}
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	return events, l.seq
}

// giveBack puts what could not be written before what came since.
func (l *lifecycles) giveBack(s *State, events map[uint32][]store.LifecycleEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for uid, old := range events {
		all := append(old, l.waiting[uid]...)
		l.waiting[uid] = all[max(0, len(all)-store.LifecycleKept):]
	}
	if len(l.waiting) > 0 && l.timer == nil && s.broken == nil && !s.closed {
		l.timer = time.AfterFunc(s.o.LifecycleAfter, s.flushLifecycles)
	}
}

func (l *lifecycles) wait() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting) > 0
}

// stop ends the timer.
func (l *lifecycles) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
}

// lifecycles writes events, and drops what the limits do not keep of their
// devices. It answers how many there are of each then.
func (c *commitTx) lifecycles(events map[uint32][]store.LifecycleEvent, kept map[uint32]int, now time.Time) (map[uint32]int, error) {
	b := c.tx.Bucket(lifecycleBucket)
	oldest := store.Time(now.Add(-store.LifecycleAge).UnixMilli())
	counts := make(map[uint32]int, len(events))
	for uid, list := range events {
		prefix := binary.BigEndian.AppendUint32(nil, uid)
		n, counted := kept[uid]
		if !counted {
			cur := b.Cursor()
			for k, _ := cur.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = cur.Next() {
				n++
			}
		}
		for _, e := range list {
			if err := b.Put(lifecycleKey(uid, e.At, e.Seq), encodeLifecycle(e)); err != nil {
				return nil, err
			}
			n++
		}
		for n > 0 {
			k, _ := b.Cursor().Seek(prefix)
			if !bytes.HasPrefix(k, prefix) {
				break
			}
			if at, _, err := parseLifecycleKey(k); err != nil {
				return nil, err
			} else if n <= store.LifecycleKept && at >= oldest {
				break
			}
			if err := b.Delete(k); err != nil {
				return nil, err
			}
			n--
		}
		counts[uid] = n
	}
	return counts, nil
}

// ListLifecycle implements store.Lifecycles.
func (s *State) ListLifecycle(ctx context.Context, f store.LifecycleFilter) (out []store.LifecycleEvent, err error) {
	if f.Limit < 1 {
		return nil, store.Invalid("lifecycle", "limit", "must be at least 1")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.From = max(f.From, store.Time(s.o.Now().Add(-store.LifecycleAge).UnixMilli()))
	s.mu.Lock()
	defer s.mu.Unlock() // a device has few: what waits and the file are of one moment
	if err := s.usable(); err != nil {
		return nil, err
	}
	s.life.mu.Lock()
	waiting := slices.Clone(s.life.waiting[f.UID])
	s.life.mu.Unlock()
	slices.SortFunc(waiting, newestFirst)
	take := func(e store.LifecycleEvent) {
		if e.At >= f.From && (f.To == 0 || e.At < f.To) && (f.After == nil || newestFirst(*f.After, e) < 0) {
			out = append(out, e)
		}
	}
	err = view(s.db, func(tx *bbolt.Tx) error {
		prefix := binary.BigEndian.AppendUint32(nil, f.UID)
		cur := tx.Bucket(lifecycleBucket).Cursor()
		for k, v := lastOf(cur, f.UID); bytes.HasPrefix(k, prefix) && len(out) < f.Limit; k, v = cur.Prev() {
			e, err := decodeLifecycle(k, v)
			if err != nil {
				return err
			}
			for len(waiting) > 0 && newestFirst(waiting[0], e) < 0 && len(out) < f.Limit {
				take(waiting[0])
				waiting = waiting[1:]
			}
			if len(out) < f.Limit {
				take(e)
			}
		}
		for ; len(waiting) > 0 && len(out) < f.Limit; waiting = waiting[1:] {
			take(waiting[0])
		}
		return nil
	})
	out = out[:min(len(out), store.LifecycleKept)] // what waits may be beyond it
	return out, err
}

func newestFirst(a, b store.LifecycleEvent) int {
	return cmp.Or(cmp.Compare(b.At, a.At), cmp.Compare(b.Seq, a.Seq))
}

// lastOf moves to the newest event of a device, or to what is before it.
func lastOf(cur *bbolt.Cursor, uid uint32) (k, v []byte) {
	if uid == math.MaxUint32 {
		return cur.Last()
	}
	if k, _ = cur.Seek(binary.BigEndian.AppendUint32(nil, uid+1)); k == nil {
		return cur.Last()
	}
	return cur.Prev()
}

// EndLifecycles implements store.Lifecycles.
func (s *State) EndLifecycles(ctx context.Context, at store.Time, reason string) error {
	if err := s.Flush(ctx, 0); err != nil {
		return err
	}
	var there []uint32
	err := s.read(func(tx *bbolt.Tx, _ overlay) error {
		cur := tx.Bucket(lifecycleBucket).Cursor()
		for k, _ := cur.First(); len(k) > 4; {
			uid := binary.BigEndian.Uint32(k)
			on, err := lastSaidOnline(cur, uid)
			if err != nil {
				return err
			}
			if on {
				there = append(there, uid)
			}
			if uid == math.MaxUint32 {
				break
			}
			k, _ = cur.Seek(binary.BigEndian.AppendUint32(nil, uid+1))
		}
		return nil
	})
	if err != nil || len(there) == 0 {
		return err
	}
	for _, uid := range there {
		s.AddLifecycle(uid, store.LifecycleEvent{At: at, Status: store.StatusOffline, Reason: reason, Source: store.LifecycleServer})
	}
	return s.Flush(ctx, 0)
}

// lastSaidOnline reports whether the server's newest event of a device says that
// it is there.
func lastSaidOnline(cur *bbolt.Cursor, uid uint32) (bool, error) {
	prefix := binary.BigEndian.AppendUint32(nil, uid)
	for k, v := lastOf(cur, uid); bytes.HasPrefix(k, prefix); k, v = cur.Prev() {
		e, err := decodeLifecycle(k, v)
		if err != nil || e.Source == store.LifecycleServer {
			return e.Status == store.StatusOnline, err
		}
	}
	return false, nil
}

// DeleteLifecycle implements store.Lifecycles.
func (s *State) DeleteLifecycle(ctx context.Context, uid uint32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	err := s.commit(func(c *commitTx) error {
		b, prefix := c.tx.Bucket(lifecycleBucket), binary.BigEndian.AppendUint32(nil, uid)
		for {
			k, _ := b.Cursor().Seek(prefix)
			if !bytes.HasPrefix(k, prefix) {
				return nil
			}
			if err := b.Delete(k); err != nil {
				return err
			}
		}
	})
	if err != nil {
		return fmt.Errorf("delete the comings and goings of a device: %w", err)
	}
	delete(s.life.kept, uid)
	s.life.mu.Lock()
	delete(s.life.last, uid)
	s.life.mu.Unlock()
	return nil
}

// load begins with the events that the file has.
func (l *lifecycles) load(m stateMeta) {
	*l = lifecycles{seq: m.Lifecycle, waiting: map[uint32][]store.LifecycleEvent{}, last: map[uint32]store.LifecycleEvent{}, kept: map[uint32]int{}}
}

// written takes over how many events there are of each device. mu of the State
// is held.
func (l *lifecycles) written(counts map[uint32]int) { maps.Copy(l.kept, counts) }

// lifecycleKey is UID, time, and number, so that a device's are together and in
// order.
func lifecycleKey(uid uint32, at store.Time, seq uint64) []byte {
	k := binary.BigEndian.AppendUint32(make([]byte, 0, 20), uid)
	k = binary.BigEndian.AppendUint64(k, uint64(at)^1<<63)
	return binary.BigEndian.AppendUint64(k, seq)
}

var errLifecycle = errors.New("an event of a device's lifecycle is damaged")

func parseLifecycleKey(k []byte) (store.Time, uint64, error) {
	if len(k) != 20 {
		return 0, 0, errLifecycle
	}
	return store.Time(binary.BigEndian.Uint64(k[4:]) ^ 1<<63), binary.BigEndian.Uint64(k[12:]), nil
}

// encodeLifecycle answers who says so, the length of the status, status and
// reason.
func encodeLifecycle(e store.LifecycleEvent) []byte {
	v := []byte{0, byte(len(e.Status))}
	if e.Source == store.LifecycleDevice {
		v[0] = 1
	}
	return append(append(v, e.Status...), e.Reason...)
}

func decodeLifecycle(k, v []byte) (e store.LifecycleEvent, err error) {
	if e.At, e.Seq, err = parseLifecycleKey(k); err != nil || len(v) < 2 || v[0] > 1 || len(v) < 2+int(v[1]) {
		return e, errLifecycle
	}
	e.Source = store.LifecycleServer
	if v[0] == 1 {
		e.Source = store.LifecycleDevice
	}
	e.Status, e.Reason = string(v[2:2+v[1]]), string(v[2+v[1]:])
	return e, nil
}
