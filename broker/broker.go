package broker

import (
	"container/list"
	"context"
	"crypto/tls"
	"crypto/x509"
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
	commands *commands // nil: there are none
	begin    time.Time

	mochi    *mqtt.Server
	inline   *mqtt.Client
	listener *listener
	filters  atomic.Uint64                 // changes of filters that match telemetry
	roots    atomic.Pointer[x509.CertPool] // what clients are verified against; nil: what the start said

	mu       sync.Mutex
	accounts map[string]*account
	live     map[string]*session // by key, the newest

	plain, secure atomic.Value // net.Addr, once bound; asked for while Close waits

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
	if o.ListenTLS != "" && o.TLS == nil {
		return nil, errors.New("make the broker: ListenTLS needs TLS")
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
	var err error
	if b.commands, err = newCommands(b, o.Commands); err != nil {
		return nil, fmt.Errorf("make the broker: %w", err)
	}
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

// Start binds the addresses and serves; Addr and AddrTLS answer the real ones.
func (b *Broker) Start(ctx context.Context) error {
	b.state.Lock()
	defer b.state.Unlock()
	if b.started || b.stopped {
		return errors.New("start the broker: it was started before")
	}
	doors, err := b.bind(ctx)
	if err == nil {
		if err = b.mochi.Serve(); err != nil {
			err = fmt.Errorf("start the broker: %w", err)
		}
	}
	if err != nil {
		for _, d := range doors {
			_ = d.Close()
		}
		return err
	}
	b.started = true
	if b.commands != nil {
		go b.commands.run()
	}
	b.listener.open(doors)
	b.ticking.Go(b.refreshPresence)
	b.ticking.Go(b.reviewLogins)
	return nil
}

// bind answers the doors that are bound, also with an error.
func (b *Broker) bind(ctx context.Context) ([]door, error) {
	var doors []door
	var lc net.ListenConfig
	for _, d := range []struct {
		addr, key string
		tls       *tls.Config
		to        *atomic.Value
	}{{b.opts.Listen, "mqtt.listen", nil, &b.plain}, {b.opts.ListenTLS, "mqtt.tls_listen", b.opts.TLS, &b.secure}} {
		if d.addr == "" {
			continue
		}
		ln, err := lc.Listen(ctx, "tcp", d.addr)
		if err != nil {
			return doors, explainListen(d.addr, d.key, err)
		}
		d.to.Store(ln.Addr())
		doors = append(doors, door{ln, d.tls})
	}
	return doors, nil
}

// Addr answers where Start listens without TLS; nil: nowhere.
func (b *Broker) Addr() net.Addr { return addrOf(&b.plain) }

// AddrTLS answers where Start listens with TLS; nil: nowhere.
func (b *Broker) AddrTLS() net.Addr { return addrOf(&b.secure) }

func addrOf(v *atomic.Value) net.Addr {
	a, _ := v.Load().(net.Addr) // nil before Start
	return a
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
	err := b.listener.close(ctx)
	if b.commands != nil {
		b.commands.close()
	}
	if err != nil {
		return err
	}
	b.ticking.Wait()
	if err := b.mochi.Close(); err != nil {
		return fmt.Errorf("close the broker: %w", err)
	}
	return nil
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
