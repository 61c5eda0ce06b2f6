package broker

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/store"
)

// commands brings to devices what they are told to do, and keeps what becomes
// of it. Each command is on disk before it is answered or sent, and each step
// of it some milliseconds after it is made; the answer of a device is acked only
// once it is on disk. What a kill takes back is sent again: a device gets a
// command at least once, unless it expires before.
//
// One goroutine writes, expires and sends; hooks and callers only take note.
// What waits for the disk is bounded by the commands that are open.
type commands struct {
	b    *Broker
	kept store.Commands
	open atomic.Int64 // commands in of

	mu      sync.Mutex
	of      map[uint32][]*command // by device, in order of id; ended ones until that is on disk
	changed map[*command]struct{} // not on disk as they are
	waiting []func(error)         // for what is changed
	kicked  map[uint32]struct{}   // devices that may be ready for more
	last    store.Time            // of the newest id
	failing bool                  // the last write went wrong

	wake chan struct{}
	stop chan struct{}
	done chan struct{}
}

// command is one that is open, or whose end is not on disk yet.
type command struct {
	store.Command
	stored bool       // it is on disk, in some state
	to     []*session // of the device, that it was last given to
	given  time.Time  // when that was
	out    bool       // one of them has sent it
	loose  bool       // without an ack to wait for: the subscription has QoS 0
	lost   bool       // one of them had no room for it
}

const (
	commandWindow   = 16               // commands on their way to a device at once
	commandPatience = 15 * time.Second // for a connection to send it, before it is tried again
	commandRetry    = time.Second      // after a write that went wrong, or a connection without room
)

// newCommands begins with what is open; nil: there are none.
func newCommands(b *Broker, kept store.Commands) (*commands, error) {
	if kept == nil {
		return nil, nil
	}
	open, err := kept.OpenCommands(context.Background())
	if err != nil {
		return nil, fmt.Errorf("load the open commands: %w", err)
	}
	q := &commands{
		b: b, kept: kept, of: map[uint32][]*command{}, changed: map[*command]struct{}{}, kicked: map[uint32]struct{}{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	for _, c := range open {
		q.of[c.UID] = append(q.of[c.UID], &command{Command: c, stored: true})
	}
	q.open.Store(int64(len(open)))
	return q, nil
}

// run works until close.
func (q *commands) run() {
	defer close(q.done)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-q.stop:
			q.write()
			return
		case <-q.wake:
		case <-timer.C:
		}
		q.expire()
		q.write()
		q.deliver()
		timer.Reset(q.pause())
	}
}

// close writes what is left and ends run.
func (q *commands) close() {
	close(q.stop)
	<-q.done
}

func (q *commands) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// pause is how long nothing is to be done unless something happens.
func (q *commands) pause() time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	wait := time.Hour
	now := q.b.opts.Now()
	for _, list := range q.of {
		for _, c := range list {
			if !c.State.Open() {
				continue
			}
			wait = min(wait, max(c.ExpiresAt.Time().Sub(now), time.Millisecond))
			if len(c.to) > 0 && (c.lost || !c.out) {
				wait = min(wait, commandRetry)
			}
		}
	}
	if q.failing {
		wait = min(wait, commandRetry)
	}
	return wait
}

// note says that c is another one now. mu is held.
func (q *commands) note(c *command) {
	q.changed[c] = struct{}{}
	q.nudge()
}

// end says how c ended. mu is held.
func (q *commands) end(c *command, state store.CommandState, detail string) {
	c.State, c.Detail, c.EndedAt = state, store.CutCommandDetail(detail), q.now()
	q.b.metrics.commands.WithLabelValues(string(state)).Inc()
	q.note(c)
}

func (q *commands) now() store.Time { return store.Time(q.b.opts.Now().UnixMilli()) }

// unanswered says what was missing.
var unanswered = map[store.CommandState]string{
	store.CommandQueued: "it expired before the device took it: the device was not connected, or did not subscribe to its command topic",
	store.CommandSent:   "it expired after it was sent: the device has neither acked nor answered it",
	store.CommandAcked:  "it expired after the device had acked it, without an answer",
}

// expire ends what has waited long enough.
func (q *commands) expire() {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := q.now()
	for _, list := range q.of {
		for _, c := range list {
			if c.State.Open() && c.ExpiresAt <= now {
				q.end(c, store.CommandExpired, unanswered[c.State])
			}
		}
	}
}

// write makes durable what has changed, and tells those who wait for it.
func (q *commands) write() {
	q.mu.Lock()
	batch := make([]*command, 0, len(q.changed))
	for c := range q.changed {
		batch = append(batch, c)
	}
	slices.SortFunc(batch, func(a, b *command) int { return cmp.Compare(a.ID, b.ID) })
	as := make([]store.Command, len(batch))
	for i, c := range batch {
		as[i] = c.Command
	}
	waiting := q.waiting
	q.waiting = nil
	clear(q.changed)
	q.mu.Unlock()
	if len(batch)+len(waiting) == 0 {
		return
	}
	var err error
	if len(batch) > 0 {
		err = q.kept.PutCommands(context.Background(), as)
	}
	q.mu.Lock()
	if err != nil && !q.failing {
		q.b.log.Error("keep commands to devices", "error", err)
	}
	q.failing = err != nil
	for i, c := range batch {
		switch {
		case err == nil:
			if c.stored = true; c.State.Open() {
				q.kicked[c.UID] = struct{}{}
			} else if _, again := q.changed[c]; !again {
				q.forget(c)
			}
		case !c.stored && as[i].State == store.CommandQueued:
			q.forget(c) // whoever asked for it is told
			delete(q.changed, c)
		default:
			q.changed[c] = struct{}{}
		}
	}
	q.mu.Unlock()
	for _, told := range waiting {
		told(err)
	}
}

// forget takes c out of memory. mu is held.
func (q *commands) forget(c *command) {
	list := q.of[c.UID]
	i := slices.Index(list, c)
	if i < 0 {
		return
	}
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(q.of, c.UID)
	} else {
		q.of[c.UID] = list
	}
	q.open.Add(-1)
}

// find answers a command of a device; nil: none that is open. mu is held.
func (q *commands) find(uid uint32, id string) *command {
	for _, c := range q.of[uid] {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// durable waits until what has changed so far is on disk. mu is held, and free
// when it returns.
func (q *commands) durable(ctx context.Context) error {
	told := make(chan error, 1)
	q.waiting = append(q.waiting, func(err error) { told <- err })
	q.mu.Unlock()
	q.nudge()
	select {
	case err := <-told:
		return err
	case <-q.done:
		select {
		case err := <-told:
			return err
		default:
			return store.Unavailable("command", "the server stops")
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commandText is what a device gets.
type commandText struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Params    json.RawMessage `json:"params"`
	ExpiresAt store.Time      `json:"expiresAt"`
}

func commandTopic(orgID, deviceID string) string {
	return "org/" + orgID + "/device/" + deviceID + "/command"
}

func resultTopic(orgID, deviceID string) string {
	return "org/" + orgID + "/device/" + deviceID + "/cmdres"
}

func (c *command) payload() ([]byte, error) {
	t := commandText{c.ID, c.Name, c.Params, c.ExpiresAt}
	if t.Params == nil {
		t.Params = json.RawMessage("{}")
	}
	return json.Marshal(t)
}
