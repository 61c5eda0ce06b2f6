package live

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
)

// Defaults of Options.
const (
	DefaultMaxSubscribers = 256
	DefaultQueueLength    = 4096
	DefaultRingLength     = 256
)

// Options of a Hub; zero fields take the defaults.
type Options struct {
	MaxSubscribers int
	QueueLength    int // readings that wait for a subscriber
	RingLength     int // other events that wait for a subscriber
	Registerer     prometheus.Registerer
}

// Hub distributes events.
type Hub struct {
	o    Options
	mu   sync.Mutex             // writers of subs
	subs atomic.Pointer[[]*Sub] // nil: nobody watches
	// inspected are the devices whose messages somebody watches; nil: none.
	inspected atomic.Pointer[map[string]struct{}]

	published prometheus.Counter
	skipped   *prometheus.CounterVec
}

// New makes a hub.
func New(o Options) (*Hub, error) {
	if o.MaxSubscribers <= 0 {
		o.MaxSubscribers = DefaultMaxSubscribers
	}
	if o.QueueLength <= 0 {
		o.QueueLength = DefaultQueueLength
	}
	if o.RingLength <= 0 {
		o.RingLength = DefaultRingLength
	}
	h := &Hub{
		o: o,
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
	}, func() float64 { return float64(len(h.list())) })
	for _, c := range []prometheus.Collector{h.published, h.skipped, subscribers} {
		if err := o.Registerer.Register(c); err != nil {
			return nil, fmt.Errorf("register live metrics: %w", err)
		}
	}
	return h, nil
}

func (h *Hub) list() []*Sub {
	if l := h.subs.Load(); l != nil {
		return *l
	}
	return nil
}

// Active reports whether anybody watches, so that a publisher can spare itself
// the making of events.
func (h *Hub) Active() bool { return h.subs.Load() != nil }

// Wants reports whether anybody watches events of a kind about a device, so
// that a publisher makes none for nobody. Messages are made for the devices that
// a subscription names, all else as long as anybody watches.
func (h *Hub) Wants(k Kind, deviceID string) bool {
	if k != KindMessage {
		return h.Active()
	}
	devices := h.inspected.Load()
	if devices == nil {
		return false
	}
	_, ok := (*devices)[deviceID]
	return ok
}

// inspect brings up to date whose messages are wanted. Under mu.
func (h *Hub) inspect() {
	var devices map[string]struct{}
	for _, s := range h.list() {
		s.mu.Lock()
		if s.match.Kinds.Has(KindMessage) {
			for d := range s.match.Devices {
				if devices == nil {
					devices = map[string]struct{}{}
				}
				devices[d] = struct{}{}
			}
		}
		s.mu.Unlock()
	}
	if devices == nil {
		h.inspected.Store(nil)
		return
	}
	h.inspected.Store(&devices)
}

// Publish hands events to all subscribers that want them. The slice is the
// caller's again on return.
func (h *Hub) Publish(events []Event) {
	subs := h.subs.Load()
	if subs == nil {
		return
	}
	h.published.Add(float64(len(events)))
	for _, s := range *subs {
		s.push(events)
	}
}

// Subscribe begins to collect events that f chooses. ErrFull when there are
// too many subscribers; Close ends it.
func (h *Hub) Subscribe(f Filter) (*Sub, error) {
	s := &Sub{
		hub: h, match: newMatch(f), wake: make(chan struct{}, 1),
		skippedReadings: h.skipped.WithLabelValues("coalesced"),
		skippedOthers:   h.skipped.WithLabelValues("overwritten"),
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.list()
	if len(old) >= h.o.MaxSubscribers {
		return nil, &store.Error{
			Kind: store.ErrFull, Noun: "live",
			Msg: fmt.Sprintf("%d subscriptions are open, which is the most there can be; end one first", len(old)),
		}
	}
	next := append(slices.Clone(old), s)
	h.subs.Store(&next)
	h.inspect()
	return s, nil
}

func (h *Hub) remove(s *Sub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.inspect()
	next := slices.DeleteFunc(slices.Clone(h.list()), func(o *Sub) bool { return o == s })
	if len(next) == 0 {
		h.subs.Store(nil)
		return
	}
	h.subs.Store(&next)
}
