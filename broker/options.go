package broker

import (
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/ingest"
	"tidegate/store"
)

// Submitter takes telemetry. It calls m.Ack later, in the order of Submit, and
// may block to pace: that holds up one connection. store.ErrFull says that
// nothing more is taken while the log is full; the connection is closed.
type Submitter interface {
	Submit(m *ingest.Message) error
}

// Authenticator checks a user name and a secret in constant time and in
// microseconds: it runs twice for a login.
type Authenticator interface {
	Login(name string, secret []byte) (*ingest.Principal, error)
	// Current reports whether a service account that logged in before would do
	// so again, and be the same.
	Current(p *ingest.Principal) bool
	// LoginCertificate answers the device that a verified certificate names.
	LoginCertificate(name string) (*ingest.Principal, error)
}

// Devices finds the device that a service account speaks for.
type Devices interface {
	Lookup(orgID, deviceID string) (uid uint32, ok bool)
}

// Options is what a Broker needs. The sinks must neither block nor
// call the broker.
type Options struct {
	Listen         string      // host:port; empty: there is no door without TLS
	ListenTLS      string      // host:port; empty: there is no door with TLS
	TLS            *tls.Config // of the door with TLS; it asks clients for certificates, or does not
	MaxConnections int         // sockets at once, those that have not logged in included; 0: 20,000

	Submitter     Submitter
	Authenticator Authenticator
	Devices       Devices

	// Commands keeps what devices are told to do; nil: there are no commands.
	Commands store.Commands

	// Presence is told when a device comes and goes, and every
	// PresenceInterval when it was heard of since.
	Presence func(uid uint32, p store.Presence)
	// Lifecycle is told when a device's first connection opens ("online") and
	// its last one closes ("offline").
	Lifecycle func(orgID, deviceID, status, reason string, at time.Time)
	// Said is told what a device says of itself on its lifecycle topic, its will
	// included.
	Said func(orgID, deviceID, status, reason string, at time.Time)
	// Refused takes the line of a refusal; nil: it goes to Logger.
	Refused func(r Refusal)

	Logger     *slog.Logger          // nil: silent
	Registerer prometheus.Registerer // nil: no metrics
	Now        ingest.Clock          // nil: time.Now

	ConnectTimeout   time.Duration // from accept to login, the handshake of TLS included; 0: 5 s
	WriteTimeout     time.Duration // a socket that takes nothing for so long is closed; 0: 10 s
	WindowWait       time.Duration // see the package comment; 0: 15 s
	PresenceInterval time.Duration // 0: 30 s
	ReviewInterval   time.Duration // a service account may go on for so long after it lapsed; 0: 30 s
}

// What a connection or a principal may have.
const (
	ReceiveMaximum = 1024 // un-acked QoS 1 messages of an MQTT 5 connection
	Window         = 2048 // the same of an MQTT 3 connection

	maxConnectBytes   = 64 << 10 // of a CONNECT packet
	maxAliases        = 16       // inbound topic aliases of a connection
	maxServerKeep     = 3600     // seconds; the longest keepalive granted to an MQTT 5 client
	maxSessionExpiry  = 7 * 24 * 3600
	maxInflight       = 256 // messages on their way to one subscriber, acks outstanding
	maxWritesPending  = 128 // messages waiting for a subscriber's socket
	maxRetainedBytes  = 64 << 10
	maxFilterBytes    = 512
	maxFilters        = 64 // subscriptions of a session
	maxSessions       = 16 // of a principal, connected or stored
	maxRetained       = 32 // retained topics of a device
	maxServiceScale   = 32 // a service account may have this many times more sessions and retained topics
	largePacketBytes  = 64 << 10
	largeBudgetBytes  = 64 << 20
	largePacketPeriod = time.Minute // a large packet must be complete within
)

func (o Options) withDefaults() Options {
	if o.MaxConnections <= 0 {
		o.MaxConnections = 20_000
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Presence == nil {
		o.Presence = func(uint32, store.Presence) {}
	}
	if o.Lifecycle == nil {
		o.Lifecycle = func(string, string, string, string, time.Time) {}
	}
	if o.Said == nil {
		o.Said = func(string, string, string, string, time.Time) {}
	}
	setDefault(&o.ConnectTimeout, 5*time.Second)
	setDefault(&o.WriteTimeout, 10*time.Second)
	setDefault(&o.WindowWait, 15*time.Second)
	setDefault(&o.PresenceInterval, 30*time.Second)
	setDefault(&o.ReviewInterval, 30*time.Second)
	return o
}

func setDefault(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}
