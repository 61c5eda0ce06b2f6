package embedded

import (
	"bytes"
	"container/heap"
	"context"
	"encoding/binary"
	"math"
	"slices"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// lifecycleHead is the newest event that is left of a device, of those in the
// file or of those that wait.
type lifecycleHead struct {
	store.DeviceLifecycle                        // of one in the file At and Seq alone
	waiting               []store.LifecycleEvent // with it, newest first; nil: it is in the file
}

// lifecycleMerge puts the events of many devices in one order. The newest event
// of each is found by one seek. Of these only the Limit newest can lead to
// events of the page, so it holds a few times as many, and reads no more events
// than the page has.
type lifecycleMerge struct {
	f     store.LifecyclesFilter
	bound [16]byte // keys of the page are below it, behind their UID
	heads lifecycleHeads
}

// lifecycleHeads is a heap: the newest is the first.
type lifecycleHeads []lifecycleHead

func (h lifecycleHeads) Len() int           { return len(h) }
func (h lifecycleHeads) Less(i, j int) bool { return newestHead(h[i], h[j]) < 0 }
func (h lifecycleHeads) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *lifecycleHeads) Push(x any)        { *h = append(*h, x.(lifecycleHead)) }
func (h *lifecycleHeads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func newestHead(a, b lifecycleHead) int { return newestFirst(a.LifecycleEvent, b.LifecycleEvent) }

// lifecycleLooked is how many devices are looked at between two looks at the
// context.
const lifecycleLooked = 1000

// ListLifecycles implements store.Lifecycles.
func (s *State) ListLifecycles(ctx context.Context, f store.LifecyclesFilter) (out []store.DeviceLifecycle, err error) {
	if f.Limit < 1 {
		return nil, store.Invalid("lifecycle", "limit", "must be at least 1")
	}
	f.From = max(f.From, store.Time(s.o.Now().Add(-store.LifecycleAge).UnixMilli()))
	m := newLifecycleMerge(f)
	err = readMoment(s, func() map[uint32][]store.LifecycleEvent { return s.life.of(f.UIDs) },
		func(tx *bbolt.Tx, waiting map[uint32][]store.LifecycleEvent) error {
			cur := tx.Bucket(lifecycleBucket).Cursor()
			for i, uid := range f.UIDs {
				if i%lifecycleLooked == 0 && ctx.Err() != nil {
					return ctx.Err()
				}
				if err := m.look(cur, uid, waiting[uid]); err != nil {
					return err
				}
			}
			out, err = m.merge(cur)
			return err
		})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// of answers what waits of some devices.
func (l *lifecycles) of(uids []uint32) map[uint32][]store.LifecycleEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		return nil
	}
	out := map[uint32][]store.LifecycleEvent{}
	for _, uid := range uids {
		if events := l.waiting[uid]; len(events) > 0 {
			out[uid] = slices.Clone(events)
		}
	}
	return out
}

func newLifecycleMerge(f store.LifecyclesFilter) *lifecycleMerge {
	before := store.LifecycleEvent{At: math.MaxInt64, Seq: math.MaxUint64}
	if f.To != 0 {
		before = store.LifecycleEvent{At: f.To}
	}
	if f.After != nil && newestFirst(before, *f.After) < 0 {
		before = *f.After
	}
	return &lifecycleMerge{f: f, bound: [16]byte(lifecycleKey(0, before.At, before.Seq)[4:])}
}

// look finds the newest events of a device.
func (m *lifecycleMerge) look(cur *bbolt.Cursor, uid uint32, waiting []store.LifecycleEvent) error {
	k, _ := cur.Seek(append(binary.BigEndian.AppendUint32(make([]byte, 0, 20), uid), m.bound[:]...))
	k, _ = before(cur, k)
	if err := m.take(k, uid); err != nil {
		return err
	}
	slices.SortFunc(waiting, newestFirst)
	for len(waiting) > 0 && bytes.Compare(lifecycleKey(uid, waiting[0].At, waiting[0].Seq)[4:], m.bound[:]) >= 0 {
		waiting = waiting[1:]
	}
	m.takeWaiting(uid, waiting)
	if len(m.heads) >= 4*m.f.Limit {
		m.cut()
	}
	return nil
}

// cut keeps the heads that can lead to events of the page.
func (m *lifecycleMerge) cut() {
	slices.SortFunc(m.heads, newestHead)
	m.heads = m.heads[:min(len(m.heads), m.f.Limit)]
}

// take adds what a key of the file names, if that is of the device and not too
// old.
func (m *lifecycleMerge) take(k []byte, uid uint32) error {
	if len(k) < 4 || binary.BigEndian.Uint32(k) != uid {
		return nil
	}
	at, seq, err := parseLifecycleKey(k)
	if err == nil && at >= m.f.From {
		m.heads = append(m.heads, lifecycleHead{DeviceLifecycle: store.DeviceLifecycle{UID: uid, LifecycleEvent: store.LifecycleEvent{At: at, Seq: seq}}})
	}
	return err
}

func (m *lifecycleMerge) takeWaiting(uid uint32, waiting []store.LifecycleEvent) {
	if len(waiting) > 0 && waiting[0].At >= m.f.From {
		m.heads = append(m.heads, lifecycleHead{store.DeviceLifecycle{UID: uid, LifecycleEvent: waiting[0]}, waiting})
	}
}

// merge answers the page.
func (m *lifecycleMerge) merge(cur *bbolt.Cursor) (out []store.DeviceLifecycle, err error) {
	m.cut() // in order, they are a heap
	for len(m.heads) > 0 && len(out) < m.f.Limit {
		h := heap.Pop(&m.heads).(lifecycleHead)
		n := len(m.heads)
		if h.waiting != nil {
			m.takeWaiting(h.UID, h.waiting[1:])
		} else {
			k, v := cur.Seek(lifecycleKey(h.UID, h.At, h.Seq))
			if h.LifecycleEvent, err = decodeLifecycle(k, v); err != nil {
				return nil, err
			}
			k, _ = cur.Prev()
			if err := m.take(k, h.UID); err != nil {
				return nil, err
			}
		}
		if len(m.heads) > n {
			heap.Fix(&m.heads, n)
		}
		out = append(out, h.DeviceLifecycle)
	}
	return out, nil
}
