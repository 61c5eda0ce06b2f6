package notify

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/store"
)

// lane is what waits for one channel, and its worker.
type lane struct {
	d         *Dispatcher
	channelID string
	wake      chan struct{} // holds one token when there is news
	mended    atomic.Bool   // the channel was changed: what waits may be tried at once

	mu       sync.Mutex
	running  bool
	known    map[string]struct{} // ids of all that is here
	waiting  []waiter            // in no message yet
	together int                 // notifications in messages
	overflow []string            // ids of what is to be given up
	foreign  []string            // ids of what another organization was to be told

	// The rest is the worker's.
	messages []*message
	unsaved  []ending // what came of messages, and could not be written yet
	saveFail int      // writes that failed, in a row
	saveAt   time.Time
	bucket   bucket
	starved  bool // what was due had to wait for a token
	fails    int  // tries that failed, in a row
	paused   time.Time
}

// waiter is what has to be known of a notification until it is sent; the queue
// has the rest.
type waiter struct {
	id, device, event string
	severity          store.Severity
	cause             store.NotificationCause
	created, expires  int64     // Unix ms; expires 0: by the channel
	due               time.Time // of what is not in a digest
}

// ending is notifications that are to be written with their final state.
type ending struct {
	outcome string // of the metrics
	n       []store.Notification
}

func newLane(d *Dispatcher, channelID string) *lane {
	return &lane{d: d, channelID: channelID, wake: make(chan struct{}, 1), known: map[string]struct{}{}}
}

// push takes a notification, unless it is here already.
func (l *lane) push(n store.Notification) {
	due := l.d.o.Now()
	if k := n.Event.Kind; (k == store.CondNoData || k == store.CondStuck) && !byHand(n.Cause) && l.d.o.GroupWait > 0 {
		due = due.Add(l.d.o.GroupWait)
	}
	if at := n.NotBefore.Time(); at.After(due) {
		due = at
	}
	w := waiter{
		id: n.ID, device: n.Event.DeviceID, event: n.Event.ID, severity: n.Event.Severity, cause: n.Cause,
		created: int64(n.CreatedAt), expires: int64(n.ExpiresAt), due: due,
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.known[n.ID]; ok {
		return
	}
	l.known[n.ID] = struct{}{}
	l.waiting = append(l.waiting, w)
	if len(l.waiting)+l.together > l.d.o.MaxWaiting {
		l.spill()
	}
	l.signal()
}

// byHand reports whether somebody asked for it, and so waits for it.
func byHand(c store.NotificationCause) bool { return c == store.CauseResend || c == store.CauseTest }

// spill gives up one of those that are in no message yet: of the lowest
// severity the oldest.
func (l *lane) spill() {
	victim := 0
	for i := range l.waiting {
		a, b := &l.waiting[i], &l.waiting[victim]
		if r, s := severityRank(a.severity), severityRank(b.severity); r < s || r == s && a.created < b.created {
			victim = i
		}
	}
	l.overflow = append(l.overflow, l.waiting[victim].id)
	l.waiting = append(l.waiting[:victim], l.waiting[victim+1:]...)
}

// take takes a message that was given its id before the start.
func (l *lane) take(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := map[string]bool{}
	for i := range m.notifications {
		in[m.notifications[i].ID] = true
		l.known[m.notifications[i].ID] = struct{}{}
	}
	kept := l.waiting[:0]
	for _, w := range l.waiting {
		if !in[w.id] {
			kept = append(kept, w)
		}
	}
	l.waiting = kept
	l.together += len(m.notifications)
	// A clock that was ahead when it failed last must not hold it up for long.
	if latest := l.d.o.Now().Add(longestAfter); m.notBefore.After(latest) {
		m.notBefore = latest
	}
	l.messages = append(l.messages, m)
	l.signal()
}

func (l *lane) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.known)
}

// start lets the worker run until nothing is left here. The caller holds the
// dispatcher's lock.
func (l *lane) start(r *runtime) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running || len(l.known) == 0 || r.ctx.Err() != nil {
		return
	}
	l.running = true
	r.wg.Go(func() { l.run(r) })
}

// rest ends the worker when nothing is left.
func (l *lane) rest() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) > 0 {
		return false
	}
	l.running = false
	return true
}

func (l *lane) run(r *runtime) {
	for r.ctx.Err() == nil {
		wait := l.step(r)
		if wait <= 0 {
			if l.rest() {
				return
			}
			continue
		}
		t := time.NewTimer(wait)
		select {
		case <-r.ctx.Done():
		case <-l.wake:
		case <-t.C:
		}
		t.Stop()
	}
	// A last try to write what came of it, so that it is not sent again.
	l.saveAt = time.Time{}
	l.save(context.WithoutCancel(r.ctx))
}

// drop forgets ids: they are final, or the queue does not have them.
func (l *lane) drop(ids ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		delete(l.known, id)
	}
}
