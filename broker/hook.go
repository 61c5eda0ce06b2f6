package broker

import (
	"errors"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"tidegate/store"
)

// hook is what mochi calls. Its methods are grouped by what they serve:
// login.go, publish.go, subscribe.go, and the end of a connection here.
type hook struct {
	mqtt.HookBase
	b *Broker
}

// ID implements mqtt.Hook.
func (h *hook) ID() string { return "tidegate" }

// Provides implements mqtt.Hook.
func (h *hook) Provides(b byte) bool {
	switch b {
	case mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnSessionEstablish, mqtt.OnSessionEstablished,
		mqtt.OnPacketRead, mqtt.OnPacketEncode, mqtt.OnPacketSent, mqtt.OnACLCheck, mqtt.OnPublish, mqtt.OnPublishDropped,
		mqtt.OnSubscribe, mqtt.OnSubscribed, mqtt.OnUnsubscribed, mqtt.OnWill, mqtt.OnWillSent,
		mqtt.OnDisconnect, mqtt.OnClientExpired:
		return true
	}
	return false
}

// sessionOf answers our side of a mochi client; nil for the inline client and
// before the login.
func sessionOf(cl *mqtt.Client) *session {
	if c, ok := cl.Net.Conn.(*conn); ok {
		return c.session
	}
	return nil
}

// OnPacketEncode completes what mochi sends.
func (h *hook) OnPacketEncode(cl *mqtt.Client, pk packets.Packet) packets.Packet {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		// The session of an earlier connection may have subscriptions: what
		// they match waits until the CONNACK is out.
		if s := sessionOf(cl); s != nil {
			select {
			case <-s.greeted:
			case <-s.done:
			}
		}
	case packets.Connack:
		if cl.Properties.ProtocolVersion != 5 {
			pk.ReasonCode = v3ReturnCode(cl.Properties.ProtocolVersion, pk.ReasonCode)
		} else if pk.ReasonCode == 0 {
			// mochi enforces these, or has us do so, but does not say so.
			pk.Properties.MaximumPacketSize = maxPacketSize
			pk.Properties.TopicAliasMaximum = maxAliases
			pk.Properties.MaximumQos, pk.Properties.MaximumQosFlag = 1, true
		}
	case packets.Suback, packets.Unsuback:
		if s := sessionOf(cl); s != nil && pk.PacketID == 0 {
			pk.PacketID = s.subscribeID
		}
	}
	return pk
}

// OnPacketSent notices the CONNACK, commands on their way, and devices that
// listen for more.
func (h *hook) OnPacketSent(cl *mqtt.Client, pk packets.Packet, _ []byte) {
	s := sessionOf(cl)
	if s == nil {
		return
	}
	switch pk.FixedHeader.Type {
	case packets.Connack:
		s.greet()
	case packets.Suback:
		s.subscribing.Store(false)
		h.b.kickCommands(s)
	case packets.Publish:
		h.b.commands.sent(s, &pk)
	}
}

// v3ReturnCode maps a reason code of MQTT 5 to a CONNACK return code of MQTT 3.
func v3ReturnCode(version, code byte) byte {
	switch {
	case version != 3 && version != 4:
		return 1 // unacceptable protocol version
	case code < 0x80:
		return code
	case code == packets.ErrUnsupportedProtocolVersion.Code:
		return 1
	case code == packets.ErrClientIdentifierNotValid.Code, code == packets.ErrUnspecifiedError.Code:
		return 2 // mochi says unspecified to an empty client id that wants a session
	case code == packets.ErrServerUnavailable.Code, code == packets.ErrServerBusy.Code:
		return 3
	}
	return 5
}

// OnPublishDropped counts what a slow subscriber loses.
func (h *hook) OnPublishDropped(cl *mqtt.Client, pk packets.Packet) {
	h.b.metrics.dropped.Inc()
	if s := sessionOf(cl); s != nil {
		h.b.commands.dropped(s, &pk)
	}
}

// OnWill judges a will at the end of its connection, also one that asked for a
// delay.
func (h *hook) OnWill(cl *mqtt.Client, w mqtt.Will) (mqtt.Will, error) {
	s := sessionOf(cl)
	if s == nil {
		return mqtt.Will{}, nil
	}
	return h.b.judgeWill(s, w), nil
}

// judgeWill answers the will to be sent. One without a topic reaches nobody.
func (b *Broker) judgeWill(s *session, w mqtt.Will) mqtt.Will {
	var none mqtt.Will
	if b.listener.draining.Load() {
		return none
	}
	switch r, org, id := s.access.publish(w.TopicName); r {
	case routeDenied:
		return none
	case routeTelemetry:
		// It enters by the same door as all telemetry, and at once: it says
		// when the connection ended. Nobody waits for an ack.
		s.in, s.warned = inbound{route: r, orgID: org, deviceID: id}, true
		if s.submit(w.Payload) {
			b.fanOut(s, packets.Packet{
				FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: w.Qos},
				TopicName:   w.TopicName, Payload: w.Payload,
			})
		}
		return none
	case routeLifecycle:
		if b.superseded(s) || s.account.shared(s) {
			return none // it is, or was since, online through another connection
		}
		w.Retain = true
		if w.WillDelayInterval == 0 && saysOffline(w.Payload) {
			s.account.saidOffline()
		}
	}
	if w.Retain && !s.account.mayRetain(w.TopicName, len(w.Payload) == 0) {
		w.Retain = false
	}
	return w
}

// OnWillSent tells what a will said of a device, and puts it right when it was
// delayed and the device is back.
func (h *hook) OnWillSent(cl *mqtt.Client, pk packets.Packet) {
	s := sessionOf(cl)
	if s == nil {
		return
	}
	r, org, id := s.access.publish(pk.TopicName)
	if r != routeLifecycle {
		return
	}
	h.b.said(org, id, pk.Payload)
	if pk.Connect.WillProperties.WillDelayInterval > 0 {
		s.account.correct()
	}
}

// OnDisconnect runs when mochi is done with a connection, before it forgets a
// session that does not outlive it.
func (h *hook) OnDisconnect(cl *mqtt.Client, _ error, _ bool) {
	if s := sessionOf(cl); s != nil {
		h.b.handOff(s)
	}
}

// OnClientExpired drops what mochi leaves behind of a stored session.
func (h *hook) OnClientExpired(cl *mqtt.Client) {
	if s := sessionOf(cl); s != nil {
		s.account.forget(s.key)
	}
	h.b.mochi.UnsubscribeClient(cl)
	cl.ClearInflights()
}

func isProtocolError(err error) bool {
	var code packets.Code
	return errors.As(err, &code) || errors.Is(err, errLength) || errors.Is(err, errPacketBytes)
}

func validID(s string) bool { return store.ValidID(s) }
