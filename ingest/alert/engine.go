package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
)

// DefaultMaxAge is how old a reading may be, against its receipt, to be
// evaluated: late data pages nobody.
const DefaultMaxAge = 5 * time.Minute

// Catalog is what the engine takes from the catalogue.
type Catalog interface {
	AlertRule(ctx context.Context, id string) (store.AlertRule, error)
	ListAlertRules(ctx context.Context, f store.AlertRuleFilter) ([]store.AlertRule, error)
	ListChannels(ctx context.Context, f store.ChannelFilter) ([]store.Channel, error)
}

// Devices is what the engine knows of who may send.
type Devices interface {
	// Device answers a device with its ports, ascending by number; false: it is
	// not there.
	Device(id string) (store.Device, []store.Port, bool)
	// Each calls fn for every device.
	Each(fn func(d store.Device, ports []store.Port))
}

// Options are what an Engine is made of.
type Options struct {
	Memory  store.Alerts
	Catalog Catalog
	Devices Devices
	// Head answers the newest position of the log.
	Head func() uint64
	// Notify hears of notifications once they are durable, Changed of episodes.
	// Neither may block. Both may be nil.
	Notify  func([]store.Notification)
	Changed func([]store.AlertEvent)
	MaxAge  time.Duration // 0: DefaultMaxAge

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time
}

// Engine is all watches of the box: what Evaluate is told of readings, and the
// clock, become episodes and notifications.
type Engine struct {
	o       Options
	log     *slog.Logger
	metrics *metrics

	refreshing sync.Mutex                       // one refresh at a time
	sentences  map[store.ConditionKind]*Message // under refreshing
	plans      map[planKey]*Plan                // the same, since the last Refresh
	committing sync.Mutex                       // one commit at a time
	changing   sync.Mutex                       // one change by a person at a time

	mu       sync.Mutex // all below
	rules    ruleBook
	watches  map[watchKey]*watched
	bySeries map[store.Series][]*watched
	events   map[string]*watched // by the id of an episode that goes on, or may be joined
	channels map[string]store.Channel
	silences []silence
	due      dueHeap
	now      int64  // the engine's time, Unix ms
	position uint64 // every record up to here was evaluated
	applied  uint64 // every watch is durable as of here
	pending  pending
	room     *sync.Cond // a commit ended
	trouble  error      // why the last commit failed

	wake chan struct{} // asks Run to commit
	tick chan struct{} // asks Run to look at its deadlines again
}

type watchKey struct {
	rule   string
	series store.Series
}

// New makes an engine over a memory that is bound to the log, and loads rules,
// watches, episodes and silences. Nothing passes before Run.
func New(ctx context.Context, o Options) (*Engine, error) {
	if o.MaxAge == 0 {
		o.MaxAge = DefaultMaxAge
	}
	e := &Engine{
		o: o, log: o.Logger, sentences: map[store.ConditionKind]*Message{}, plans: map[planKey]*Plan{},
		rules: newRuleBook(), watches: map[watchKey]*watched{}, bySeries: map[store.Series][]*watched{}, events: map[string]*watched{},
		wake: make(chan struct{}, 1), tick: make(chan struct{}, 1),
	}
	e.room = sync.NewCond(&e.mu)
	e.position, e.applied = o.Memory.Applied(), o.Memory.Applied()
	e.metrics = newMetrics(o.Registerer, e)
	if err := e.load(ctx); err != nil {
		return nil, fmt.Errorf("load alarms: %w", err)
	}
	return e, nil
}

// Position answers how far the log was evaluated.
func (e *Engine) Position() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.position
}

// Applied answers the position as of which every watch is durable: the log may
// be trimmed up to there.
func (e *Engine) Applied() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.applied
}

// Trouble answers why alarms cannot be kept at present; nil: they can.
func (e *Engine) Trouble() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.trouble
}

// heartbeat is how exactly a start knows how long the box was down.
const heartbeat = time.Minute

// Run lets deadlines pass and makes durable what happened, until ctx ends; then
// it keeps everything as of that moment. The caller has stopped Evaluate.
func (e *Engine) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	clock, stop := context.WithCancel(ctx)
	wg.Go(func() { e.runClock(clock) })
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for wait := firstWait; ; {
		var retry <-chan time.Time
		if e.Trouble() != nil {
			t := time.NewTimer(wait)
			defer t.Stop()
			retry, wait = t.C, min(2*wait, longestWait)
		} else {
			wait = firstWait
		}
		select {
		case <-ctx.Done():
			stop()
			wg.Wait()
			return e.flush(context.WithoutCancel(ctx))
		case <-e.wake:
		case <-retry:
		case <-beat.C:
			e.mu.Lock()
			e.pending.beat = true
			e.mu.Unlock()
		}
		if err := e.commit(ctx, false); err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			e.log.Error("alarms cannot be kept; trying again", "error", err)
		}
	}
}

// A commit that failed is tried again after firstWait, then twice as long, up to
// longestWait.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 5 * time.Second
)

// runClock lets deadlines pass by the wall clock.
func (e *Engine) runClock(ctx context.Context) {
	t := time.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-e.tick:
		}
		t.Reset(e.pass())
	}
}

// longestNap bounds how late the clock notices what has no deadline in the heap:
// silences, repeats, escalations.
const longestNap = time.Second

// pass lets pass what is due by now, and answers how long to wait for the next.
// While the log has records that were not evaluated, time is theirs.
func (e *Engine) pass() time.Duration {
	head := e.o.Head()
	now := e.o.Now().UnixMilli()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.position >= head {
		e.advance(now)
	}
	e.attend()
	next := e.due.next()
	if len(e.events) == 0 && next == math.MaxInt64 {
		return longestNap
	}
	return min(max(time.Duration(next-now)*time.Millisecond, time.Millisecond), longestNap)
}

// advance moves the engine's time, and lets pass what was due before it.
func (e *Engine) advance(to int64) {
	if to <= e.now {
		return
	}
	for {
		w := e.due.popBefore(to)
		if w == nil {
			break
		}
		e.happened(w, w.watch.Advance(w.plan, to))
		e.schedule(w)
	}
	e.now = to
}

// schedule puts the watch where the heap looks for its deadline. One that has
// moved away is found when the earlier one comes.
func (e *Engine) schedule(w *watched) {
	d := w.watch.Deadline()
	if d == math.MaxInt64 || w.gone {
		return
	}
	if w.heapIndex >= 0 && w.dueAt <= d {
		return
	}
	first := e.due.next()
	e.due.put(w, d)
	if d < first {
		poke(e.tick)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
