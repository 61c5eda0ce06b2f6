package live

import (
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
)

// Defaults of Options.
const (
	DefaultMaxSubscribers = 4096
	DefaultQueueLength    = 4096
	DefaultRingLength     = 256
	DefaultRingBytes      = 1 << 20
	DefaultRecentLength   = 16384
	DefaultRecentBytes    = 12 << 20
	DefaultLinger         = time.Minute
)

// Options of a Hub; zero fields take the defaults.
type Options struct {
	MaxSubscribers int
	QueueLength    int // readings that wait for a subscriber
	RingLength     int // other events that wait for a subscriber
	RingBytes      int // of them
	RecentLength   int // events that are kept for who comes back
	RecentBytes    int // of them
	// Linger is how long events are kept on once nobody watches, so that a page
	// that was away for a moment misses nothing.
	Linger     time.Duration
	Registerer prometheus.Registerer
}

// Hub distributes events.
type Hub struct {
	o      Options
	stream string
	awake  atomic.Bool // somebody watches, or did a moment ago
	seq    atomic.Uint64
	// Of which devices readings and messages are made.
	readings, messages wishes

	mu       sync.Mutex // all below; Publish takes it while awake
	subs     []*Sub
	recent   *recent // nil: asleep
	keys     keys
	told     []*Told // of Publish
	sleep    *time.Timer
	expiring bool // wishes are looked at later

	published prometheus.Counter
	skipped   *prometheus.CounterVec
}

// New makes a hub.
func New(o Options) (*Hub, error) {
	for _, n := range []struct {
		to  *int
		def int
	}{
		{&o.MaxSubscribers, DefaultMaxSubscribers},
		{&o.QueueLength, DefaultQueueLength},
		{&o.RingLength, DefaultRingLength},
		{&o.RingBytes, DefaultRingBytes},
		{&o.RecentLength, DefaultRecentLength},
		{&o.RecentBytes, DefaultRecentBytes},
	} {
		if *n.to <= 0 {
			*n.to = n.def
		}
	}
	if o.Linger <= 0 {
		o.Linger = DefaultLinger
	}
	h := &Hub{
		o: o, stream: rand.Text(),
		published: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tidegate_live_events_total", Help: "Events published while somebody watched.",
		}),
		skipped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidegate_live_skipped_events_total", Help: "Events that a slow subscriber did not see.",
		}, []string{"reason"}),
	}
	if o.Registerer == nil {
		return h, nil
	}
	subscribers := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tidegate_live_subscribers_count", Help: "Subscriptions that are open.",
	}, func() float64 {
		h.mu.Lock()
		defer h.mu.Unlock()
		return float64(len(h.subs))
	})
	for _, c := range []prometheus.Collector{h.published, h.skipped, subscribers} {
		if err := o.Registerer.Register(c); err != nil {
			return nil, fmt.Errorf("register live metrics: %w", err)
		}
	}
	return h, nil
}

// Stream names this life of the hub: numbers of another mean nothing here.
func (h *Hub) Stream() string { return h.stream }

// Seq answers the number of the newest event that was told. Whoever reads it and
// then takes from a subscription has all up to it.
func (h *Hub) Seq() uint64 { return h.seq.Load() }

// Active reports whether events are of use, so that a publisher can spare itself
// the making of them: somebody watches, or did a moment ago and may come back.
func (h *Hub) Active() bool { return h.awake.Load() }

// Publish hands events to all subscribers that want them. The slice is the
// caller's again on return.
func (h *Hub) Publish(events []Event) {
	if !h.awake.Load() || len(events) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.recent == nil {
		return // it fell asleep
	}
	seq := h.seq.Load()
	h.told = h.told[:0]
	reads := h.readings.wants("")
	for i := range events {
		if events[i].Kind == KindReading && !reads {
			continue
		}
		seq++
		t := &Told{Event: events[i], Seq: seq}
		if t.Kind == KindReading {
			t.key = h.keys.of(&t.Event)
		}
		h.recent.add(t)
		h.told = append(h.told, t)
	}
	for _, s := range h.subs {
		s.push(h.told)
	}
	clear(h.told)
	h.seq.Store(seq) // once all have it
	h.published.Add(float64(len(events)))
}

// Since says where a subscription goes on.
type Since struct {
	Stream string // empty: with what comes
	After  uint64
}

// Subscribe begins to collect events that f chooses. ErrFull when there are too
// many subscribers; Close ends it.
func (h *Hub) Subscribe(f Filter) (*Sub, error) {
	return h.SubscribeSince(f, Since{}, make(chan struct{}, 1))
}

// SubscribeSince is Subscribe from where an earlier subscription ended. wake gets
// a token when something waits: several subscriptions can share one of capacity
// 1, and Take from each.
func (h *Hub) SubscribeSince(f Filter, since Since, wake chan struct{}) (*Sub, error) {
	s := &Sub{
		hub: h, match: newMatch(f), wake: wake, gone: make(chan struct{}),
		skippedReadings: h.skipped.WithLabelValues("coalesced"),
		skippedOthers:   h.skipped.WithLabelValues("overwritten"),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.subs) >= h.o.MaxSubscribers {
		return nil, &store.Error{
			Kind: store.ErrFull, Noun: "live",
			Msg: fmt.Sprintf("%d subscriptions are open on this server, which is the most there can be; end one first", len(h.subs)),
		}
	}
	h.wakeUp()
	s.Begin = h.seq.Load()
	if since.Stream == h.stream && since.After <= s.Begin {
		var missed []*Told
		if missed, s.Resumed = h.recent.since(since.After); s.Resumed {
			s.Resumed = h.madeSince(&s.match, since.After)
		}
		if s.Resumed {
			s.Begin = since.After
			s.push(missed)
		}
	}
	h.subs = append(h.subs, s)
	h.wish(&s.match)
	return s, nil
}

// wakeUp begins to keep events. Under mu.
func (h *Hub) wakeUp() {
	if h.sleep != nil {
		h.sleep.Stop()
		h.sleep = nil
	}
	if h.recent == nil {
		// What happened while it slept has no number: a gap stands for it, so that
		// nobody goes on behind it.
		seq := h.seq.Add(1)
		h.recent, h.keys = newRecent(h.o.RecentLength, h.o.RecentBytes, seq+1), keys{}
		h.awake.Store(true)
	}
}

// fallAsleep lets everything go once nobody has watched for Linger. Under mu.
func (h *Hub) fallAsleep() {
	h.awake.Store(false)
	h.recent, h.keys, h.told, h.sleep = nil, nil, nil, nil
	h.readings.clear()
	h.messages.clear()
}

func (h *Hub) remove(s *Sub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.Index(h.subs, s)
	if i < 0 {
		return
	}
	h.subs = slices.Delete(h.subs, i, i+1)
	h.unwish(&s.match)
	if len(h.subs) == 0 {
		var timer *time.Timer
		timer = time.AfterFunc(h.o.Linger, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.sleep == timer { // nobody came back
				h.fallAsleep()
			}
		})
		h.sleep = timer
	}
}

// Forget lets go of what was told of an organization that is deleted: another
// may get its id.
func (h *Hub) Forget(orgID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.recent != nil {
		h.recent.forget(orgID)
	}
}
