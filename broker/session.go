package broker

import (
	"errors"
	"strings"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"

	"tidegate/ingest"
	"tidegate/store"
)

// session is our side of one connection that is logged in. Pending packet ids
// belong to it, never to mochi's session, which may move on to another
// connection.
type session struct {
	b       *Broker
	conn    *conn
	client  *mqtt.Client
	account *account
	access  access
	name    string            // principal
	service *ingest.Principal // nil of a device
	user    string            // as it logged in
	uid     uint32            // of a device
	key     string            // mochi's client id
	v5      bool

	credentials *credentials // until the session is registered

	acks acks

	// subscribing is set from a SUBSCRIBE until its SUBACK is out: no command comes
	// before it, which MQTT allows and simple clients do not expect.
	subscribing atomic.Bool

	// Of the goroutine that serves the connection.
	in          inbound
	aliases     map[uint16]string
	subscribeID uint16 // packet id hidden from mochi
	warned      bool   // of QoS 0
	said        bool   // the client sent DISCONNECT
	wanted      wanted

	// Guarded by Broker.mu.
	successor *session // took the session over
	leaving   bool     // mochi is about to forget the session

	// greeted is closed when the CONNACK is out, and mochi has put this session
	// in the place of an earlier one; done when its connection has ended.
	greeted    chan struct{}
	done       chan struct{}
	registered bool
}

// inbound is the PUBLISH being processed, from OnPacketRead to OnPublish.
type inbound struct {
	route    route
	orgID    string
	deviceID string
	id       uint16
	qos      byte
	resent   bool
	at       time.Time
}

// Acked implements ingest.Acker.
func (s *session) Acked(m *ingest.Message, err error) {
	if err != nil {
		s.conn.closeFor("unavailable") // the client sends it again on its next connection
		return
	}
	s.acks.settle(m.Token)
}

// greet says that the CONNACK is out, or that there will be none. It is called
// by the goroutine that serves the connection.
func (s *session) greet() {
	if !isClosed(s.greeted) {
		close(s.greeted)
	}
}

// writeRaw writes whole packets.
func (s *session) writeRaw(p []byte) error {
	select {
	case <-s.conn.closed:
		return errClosed
	default:
	}
	s.client.Lock() // mochi writes under it
	defer s.client.Unlock()
	_, err := s.conn.Write(p)
	return err
}

// goodbye sends an MQTT 5 client the reason of the end that follows.
func (s *session) goodbye(code byte) {
	if !s.v5 {
		return
	}
	select {
	case <-s.greeted:
		_ = s.writeRaw([]byte{0xE0, 1, code}) // it ends either way
	case <-s.conn.closed:
	}
}

// expel disconnects the client for a cause.
func (s *session) expel(code byte, cause string) {
	s.conn.cause.CompareAndSwap(nil, &cause)
	if s.v5 {
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			s.goodbye(code)
		}()
		select {
		case <-sent:
		case <-time.After(time.Second): // a stuck socket is not worth more
		}
	}
	s.conn.cut()
}

// outcome names why a connection ended.
func (s *session) outcome(err error) string {
	if cause := s.conn.cause.Load(); cause != nil {
		return *cause
	}
	switch {
	case s.said:
		return "disconnected"
	case err == errPanic:
		return "protocol_error"
	case isTimeout(err):
		return "keepalive_timeout"
	}
	if isProtocolError(err) {
		return "protocol_error"
	}
	return "connection_lost"
}

// reserve waits for a place in the window of un-acked messages. False: the
// connection ends.
func (s *session) reserve() bool {
	if s.v5 {
		if s.acks.full(ReceiveMaximum) == nil {
			return true
		}
		s.b.metrics.refused.WithLabelValues("receive_maximum").Inc()
		s.expel(0x93, "receive_maximum")
		return false
	}
	room := s.acks.full(Window)
	if room == nil {
		return true
	}
	timer := time.NewTimer(s.b.opts.WindowWait)
	defer timer.Stop()
	for room != nil {
		select {
		case <-room:
		case <-s.conn.closed:
			return false
		case <-s.conn.l.hurry:
			return false
		case <-timer.C:
			s.b.metrics.refused.WithLabelValues("window").Inc()
			s.expel(0, "window")
			return false
		}
		room = s.acks.full(Window)
	}
	return true
}

// submit hands a telemetry message on. False: the connection ends.
func (s *session) submit(payload []byte) bool {
	in := &s.in
	b := s.b
	if in.qos > 0 {
		if in.resent && s.acks.owes(in.id) {
			b.metrics.resent.Inc()
			return true // its ack is on the way
		}
		if !s.reserve() {
			return false
		}
	}
	m := &ingest.Message{
		Source: ingest.SourceMQTT, Principal: s.name, UID: s.uid,
		OrgID: s.access.orgID, DeviceID: in.deviceID, Payload: payload,
	}
	if s.access.deviceID == "" {
		m.DeviceID = strings.Clone(in.deviceID) // the payload may be cut; the packet is not kept
		if m.OrgID == "" {
			m.OrgID = strings.Clone(in.orgID)
		}
		m.UID, _ = b.opts.Devices.Lookup(m.OrgID, m.DeviceID)
	}
	if in.qos > 0 {
		m.Ack, m.Token = s, s.acks.push(in.id, b.elapsed(in.at), false, 0)
	} else {
		m.Droppable = true
	}
	err := b.opts.Submitter.Submit(m)
	if err == nil {
		b.metrics.telemetry[in.qos].Inc()
		if in.qos == 0 {
			s.warnQoS0()
		}
		return true
	}
	if in.qos == 0 {
		return true // shed; the pipeline counts it
	}
	switch {
	case errors.Is(err, store.ErrFull):
		b.metrics.refused.WithLabelValues("full").Inc()
		b.refuse(Refusal{
			Kind: "full", User: s.user, OrgID: s.access.orgID, DeviceID: s.access.deviceID,
			Line: "refused: user " + quoted(s.user) + " published while the log is full; it is told to come back. Fix: free disk space or bring the store back",
		})
		s.expel(0x97, "log_full")
	case errors.Is(err, store.ErrUnavailable):
		s.expel(0x8B, "shutdown")
	default:
		b.log.Error("submit telemetry", "error", err, "principal", s.name)
		s.expel(0x80, "unavailable")
	}
	return false
}

// warnQoS0 says once a connection what QoS 0 means here: mosquitto_pub and many
// libraries have it for a default.
func (s *session) warnQoS0() {
	if s.warned {
		return
	}
	s.warned = true
	r := s.refusal("qos0", "")
	r.Line = "accepted: user " + quoted(s.user) + " published with QoS 0, which nobody acks and which is dropped first when there is too much. Fix: publish with QoS 1 (mosquitto_pub -q 1)"
	s.b.refuse(r)
}

// endsWithConnection reports whether the session does not outlive its
// connection.
func (s *session) endsWithConnection() bool {
	p := &s.client.Properties
	if s.v5 {
		return p.Props.SessionExpiryInterval == 0
	}
	return p.Clean
}
