package broker

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
)

// Broker is the MQTT server. Its methods are safe for concurrent use.
type Broker struct {
	opts     Options
	log      *slog.Logger
	metrics  *metrics
	refusals refusals
	begin    time.Time

	mochi    *mqtt.Server
	inline   *mqtt.Client
	listener *listener
	filters  atomic.Uint64 // changes of filters that match telemetry

	mu       sync.Mutex
	accounts map[string]*account
	live     map[string]*session // by key, the newest

	state   sync.Mutex // of Start and Close
	started bool
	stopped bool
	ticking sync.WaitGroup
}

// New makes a broker that does not listen yet.
func New(o Options) (*Broker, error) {
	if o.Submitter == nil || o.Authenticator == nil || o.Devices == nil {
		return nil, errors.New("make the broker: Submitter, Authenticator and Devices are needed")
	}
	o = o.withDefaults()
	m := newMetrics()
	b := &Broker{
		opts: o, log: o.Logger, metrics: m, begin: o.Now(),
		accounts: make(map[string]*account), live: make(map[string]*session),
	}
	b.mochi = mqtt.New(&mqtt.Options{
		Capabilities: capabilities(),
		// mochi logs whole packets, passwords among them.
		Logger:                 slog.New(slog.DiscardHandler),
		SysTopicResendInterval: int64((10 * 365 * 24 * time.Hour) / time.Second), // nobody may read $SYS
	})
	if err := m.register(o.Registerer, &b.mochi.Info.InflightDropped); err != nil {
		return nil, err
	}
	if err := b.mochi.AddHook(&hook{b: b}, nil); err != nil {
		return nil, fmt.Errorf("make the broker: %w", err)
	}
	b.inline = b.mochi.NewClient(nil, mqtt.LocalListener, mqtt.InlineClientId, true)
	b.inline.Properties.ProtocolVersion = 5 // keeps the properties of a message
	b.listener = &listener{
		serve:        func(c *conn) error { return b.mochi.EstablishConnection("tcp", c) },
		ended:        b.ended,
		log:          o.Logger,
		metrics:      m,
		max:          o.MaxConnections,
		maxPending:   max(1, o.MaxConnections/2),
		connectWait:  o.ConnectTimeout,
		writeTimeout: o.WriteTimeout,
		large:        newBudget(largeBudgetBytes),
		stopped:      make(chan struct{}),
		hurry:        make(chan struct{}),
		conns:        make(map[*conn]struct{}),
		pending:      list.New(),
	}
	return b, nil
}

func capabilities() *mqtt.Capabilities {
	c := mqtt.NewDefaultServerCapabilities()
	c.MaximumClientWritesPending = maxWritesPending // allocated for each client
	c.MaximumSessionExpiryInterval = maxSessionExpiry
	c.MaximumMessageExpiryInterval = 0 // else retained messages go with it
	c.MaximumPacketSize = maxPacketSize
	c.MaximumInflight = maxInflight
	c.ReceiveMaximum = ReceiveMaximum
	c.TopicAliasMaximum = maxAliases
	c.MaximumQos = 2 // 1 would answer a QoS 2 publish with a PUBACK; ours refuses it
	c.Compatibilities.NoInheritedPropertiesOnAck = true
	return c
}

// Start binds the address and serves. It answers the real address.
func (b *Broker) Start(ctx context.Context) (net.Addr, error) {
	b.state.Lock()
	defer b.state.Unlock()
	if b.started || b.stopped {
		return nil, errors.New("start the broker: it was started before")
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", b.opts.Listen)
	if err != nil {
		return nil, explainListen(b.opts.Listen, err)
	}
	if err := b.mochi.Serve(); err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("start the broker: %w", err)
	}
	b.started = true
	b.listener.ln = ln
	b.listener.wg.Add(1)
	go b.listener.run()
	b.ticking.Go(b.refreshPresence)
	return ln.Addr(), nil
}

// Addr answers the address that Start bound; nil before.
func (b *Broker) Addr() net.Addr {
	b.state.Lock()
	defer b.state.Unlock()
	if !b.started {
		return nil
	}
	return b.listener.ln.Addr()
}

// Close stops accepting and reading, lets the pending acks out until ctx is
// done, tells MQTT 5 clients that the server goes, and closes. A second call
// does nothing.
func (b *Broker) Close(ctx context.Context) error {
	b.state.Lock()
	defer b.state.Unlock()
	if b.stopped {
		return nil
	}
	b.stopped = true
	if !b.started {
		return nil
	}
	if err := b.listener.close(ctx); err != nil {
		return err
	}
	b.ticking.Wait()
	if err := b.mochi.Close(); err != nil {
		return fmt.Errorf("close the broker: %w", err)
	}
	return nil
}

// Disconnect closes the connections of a device, after its secret changed, or
// it was retired or deleted. reason becomes the reason of its lifecycle message.
// What the catalogue says must be in force before.
func (b *Broker) Disconnect(deviceID, reason string) {
	b.mu.Lock()
	a := b.accounts[deviceID]
	b.mu.Unlock()
	if a == nil {
		return
	}
	a.mu.Lock()
	sessions := make([]*session, 0, len(a.sessions))
	for s := range a.sessions {
		sessions = append(sessions, s)
	}
	a.mu.Unlock()
	for _, s := range sessions {
		s.expel(0x98, reason)
	}
}

// Connected reports whether a device has a connection.
func (b *Broker) Connected(deviceID string) bool {
	b.mu.Lock()
	a := b.accounts[deviceID]
	b.mu.Unlock()
	if a == nil {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.online
}

// elapsed answers the nanoseconds since the broker was made.
func (b *Broker) elapsed(t time.Time) int64 { return int64(t.Sub(b.begin)) }

func (b *Broker) wroteAcks(n int, oldest int64) {
	b.metrics.acks.Add(float64(n))
	b.metrics.ackSeconds.Observe(time.Duration(b.elapsed(b.opts.Now()) - oldest).Seconds())
}
