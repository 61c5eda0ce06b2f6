package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
)

// Channels answers a channel with its secrets; false: there is none.
type Channels interface {
	Channel(id string) (store.Channel, bool)
}

// ChannelsFunc makes a role of a function.
type ChannelsFunc func(id string) (store.Channel, bool)

// Channel implements Channels.
func (f ChannelsFunc) Channel(id string) (store.Channel, bool) { return f(id) }

// Defaults of Options.
const (
	DefaultGroupWait  = 5 * time.Second
	DefaultMaxWaiting = 1000
	DefaultMaxSends   = 32
	DefaultGrace      = 5 * time.Second
)

// Options of a Dispatcher.
type Options struct {
	Queue    store.Notifications
	Channels Channels
	Mail     Mail           // without a host no email leaves
	Allow    []netip.Prefix // of addresses that are not public
	// GroupWait is how long no_data and stuck wait for company; negative: not at
	// all; 0: DefaultGroupWait.
	GroupWait  time.Duration
	MaxWaiting int           // notifications for each channel; 0: DefaultMaxWaiting
	MaxSends   int           // at once; 0: DefaultMaxSends
	Grace      time.Duration // for what is under way when Run ends; 0: DefaultGrace
	// BaseURL is where the box's page is, for links; empty: messages have none.
	BaseURL string
	// Curve answers what the picture of an email shows; nil: there is none. It
	// has two seconds.
	Curve      func(ctx context.Context, e store.AlertEvent) (Curve, error)
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time

	// What tests put in place of the network and of the system's certificates.
	dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	tlsConfig *tls.Config
	patience  patience
}

// Dispatcher sends notifications.
type Dispatcher struct {
	o        Options
	log      *slog.Logger
	metrics  *metrics
	http     *poster
	pace     pace
	slots    chan struct{}
	suspects chan struct{} // of channels that failed last time

	resending sync.Mutex

	mu    sync.Mutex
	begun bool
	run   *runtime         // nil: it does not run yet
	lanes map[string]*lane // by channel
}

// runtime is one Run.
type runtime struct {
	ctx  context.Context // ends: nothing new is begun
	send context.Context // ends: what is under way is cut off
	wg   sync.WaitGroup
}

// New makes a dispatcher.
func New(o Options) (*Dispatcher, error) {
	if o.GroupWait == 0 {
		o.GroupWait = DefaultGroupWait
	}
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = DefaultMaxWaiting
	}
	if o.MaxSends <= 0 {
		o.MaxSends = DefaultMaxSends
	}
	if o.Grace <= 0 {
		o.Grace = DefaultGrace
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.BaseURL != "" {
		if u, err := url.Parse(o.BaseURL); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("notify.base_url: %q is not an address such as https://box.example.org", o.BaseURL)
		}
	}
	d := &Dispatcher{
		o: o, log: o.Logger, lanes: map[string]*lane{}, pace: defaultPace(),
		slots: make(chan struct{}, o.MaxSends), suspects: make(chan struct{}, max(1, o.MaxSends/4)),
	}
	d.http = newPoster(&d.o)
	var err error
	if d.metrics, err = newMetrics(o.Registerer, d); err != nil {
		return nil, fmt.Errorf("register notify metrics: %w", err)
	}
	return d, nil
}

// Run sends until ctx ends: first what the queue still has. What is under way
// then has Options.Grace to come to its end. It is called once.
func (d *Dispatcher) Run(ctx context.Context) error {
	d.mu.Lock()
	again := d.begun
	d.begun = true
	d.mu.Unlock()
	if again {
		return errors.New("the dispatcher ran already")
	}
	queued, err := d.o.Queue.QueuedNotifications(ctx)
	if err != nil {
		return fmt.Errorf("read the notifications that wait: %w", err)
	}
	send, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	r := &runtime{ctx: ctx, send: send}
	d.adopt(queued)
	d.mu.Lock()
	d.run = r // from here on Wake starts what it wakes
	for _, l := range d.lanes {
		l.start(r)
	}
	d.mu.Unlock()

	<-ctx.Done()
	grace := time.AfterFunc(d.o.Grace, cut)
	defer grace.Stop()
	r.wg.Wait()
	d.http.client.CloseIdleConnections()
	return nil
}

// adopt takes what the queue had at the start: messages as they were given their
// ids, the rest as if it had just come.
func (d *Dispatcher) adopt(queued []store.Notification) {
	formed := map[string][]store.Notification{}
	var order []string
	for _, n := range queued {
		if n.DeliveryID == "" {
			d.lane(n.ChannelID).push(n)
			continue
		}
		key := n.ChannelID + "\x00" + n.DeliveryID
		if formed[key] == nil {
			order = append(order, key)
		}
		formed[key] = append(formed[key], n)
	}
	for _, key := range order {
		m := newMessage(formed[key])
		d.lane(m.notifications[0].ChannelID).take(m)
	}
}

// Wake tells of notifications that the queue has kept durably. It never waits;
// the queue itself says what is to be sent.
func (d *Dispatcher) Wake(n []store.Notification) {
	for i := range n {
		if n[i].State == store.NotificationQueued {
			d.lane(n[i].ChannelID).push(n[i])
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.run == nil {
		return // Run begins with what the queue has
	}
	for i := range n {
		if l := d.lanes[n[i].ChannelID]; l != nil {
			l.start(d.run)
		}
	}
}

// ChannelChanged lets what waits for the channel be tried at once, since
// somebody may have mended it.
func (d *Dispatcher) ChannelChanged(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.lanes[id]; l != nil {
		l.mended.Store(true)
		l.signal()
	}
}

func (d *Dispatcher) lane(channelID string) *lane {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lanes[channelID]
	if l == nil {
		l = newLane(d, channelID)
		d.lanes[channelID] = l
	}
	return l
}

// acquire takes one of the places for sends, among those of channels that
// failed last time when this one did.
func (d *Dispatcher) acquire(ctx context.Context, suspect bool) (release func(), ok bool) {
	places := d.slots
	if suspect {
		places = d.suspects
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, true
	case <-ctx.Done():
		return nil, false
	}
}
