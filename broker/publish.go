package broker

import (
	"strings"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"tidegate/ingest"
)

// maxPacketSize is advertised to MQTT 5 clients: a packet with its header.
const maxPacketSize = ingest.MaxPacketBytes + 5

// wanted remembers whether somebody subscribes to a topic, as long as no
// subscription that could match telemetry came or went.
type wanted struct {
	generation uint64
	topics     map[string]bool
}

// maxWanted is how many topics a session remembers so.
const maxWanted = 256

// OnPacketRead sees each packet before mochi does. ErrRejectPacket ends the
// connection.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	s := sessionOf(cl)
	if s == nil {
		return pk, nil
	}
	select {
	case <-s.conn.closed:
		return pk, packets.ErrRejectPacket
	default:
	}
	now := h.b.opts.Now()
	s.account.seen.Store(now.UnixMilli())
	switch pk.FixedHeader.Type {
	case packets.Publish:
		s.in = inbound{id: pk.PacketID, qos: pk.FixedHeader.Qos, resent: pk.FixedHeader.Dup, at: now}
		return h.b.readPublish(s, pk)
	case packets.Subscribe, packets.Unsubscribe:
		// mochi keeps inbound and outbound packet ids in one map and refuses a
		// SUBSCRIBE that has the id of a message on its way to the client.
		if pk.PacketID != 0 {
			s.subscribeID = pk.PacketID
			pk.PacketID, pk.FixedHeader.Qos = 0, 0
		}
	case packets.Puback:
		h.b.commands.acked(s, cl, &pk)
	case packets.Disconnect:
		s.said = pk.ReasonCode < packets.ErrUnspecifiedError.Code
		pk.Properties.SessionExpiryInterval = min(pk.Properties.SessionExpiryInterval, maxSessionExpiry)
	}
	return pk, nil
}

// readPublish judges a PUBLISH and hides its packet id and QoS from mochi: we
// ack, and an id in mochi's map would delete the command with the same id that
// is on its way to the device.
func (b *Broker) readPublish(s *session, pk packets.Packet) (packets.Packet, error) {
	if s.in.qos == 2 {
		b.metrics.refused.WithLabelValues("qos2").Inc()
		b.refuse(s.refusal("qos2", "published with QoS 2; use QoS 1, which is stored once as well"))
		s.expel(0x9B, "qos_not_supported")
		return pk, packets.ErrRejectPacket
	}
	if pk.Properties.TopicAliasFlag {
		if code := s.resolveAlias(&pk); code != 0 {
			s.expel(code, "protocol_error")
			return pk, packets.ErrRejectPacket
		}
	}
	if pk.PublishValidate(0) != packets.CodeSuccess {
		return pk, nil // mochi finds the same, and says so
	}
	s.in.route, s.in.orgID, s.in.deviceID = s.access.publish(pk.TopicName)
	reason := "topic"
	if s.in.route == routeDenied {
		b.refuse(s.refusal("publish", "published to "+shown(pk.TopicName, maxTopicShown)+"; allowed "+s.access.allowed(true)))
	} else if code := b.overLimit(s, &pk); code != "" {
		reason, s.in.route = code, routeDenied
	}
	pk.PacketID, pk.FixedHeader.Qos, pk.FixedHeader.Dup = 0, 0, false
	if s.in.route != routeDenied {
		return pk, nil
	}
	b.metrics.refused.WithLabelValues(reason).Inc()
	if s.in.qos == 0 {
		return pk, nil // mochi asks OnACLCheck and drops it
	}
	if !s.v5 {
		s.expel(0, "not_authorized") // MQTT 3 has no other way to say no
		return pk, packets.ErrRejectPacket
	}
	if !s.reserve() {
		return pk, packets.ErrRejectPacket
	}
	code := packets.ErrNotAuthorized.Code
	if reason != "topic" {
		code = packets.ErrQuotaExceeded.Code
	}
	s.acks.push(s.in.id, b.elapsed(s.in.at), true, code)
	return pk, nil
}

// overLimit refuses what mochi would keep in memory without bounds.
func (b *Broker) overLimit(s *session, pk *packets.Packet) (reason string) {
	if s.in.route == routeLifecycle {
		pk.FixedHeader.Retain = true
	}
	if s.in.route != routeTelemetry && pk.FixedHeader.Remaining > ingest.MaxPayloadBytes {
		b.refuse(s.refusal("limit", "published more than 1 MiB to "+shown(pk.TopicName, maxTopicShown)))
		return "size"
	}
	if !pk.FixedHeader.Retain {
		return ""
	}
	fits := pk.FixedHeader.Remaining <= maxRetainedBytes
	if fits && s.account.mayRetain(strings.Clone(pk.TopicName), len(pk.Payload) == 0) {
		return ""
	}
	if s.in.route == routeTelemetry {
		pk.FixedHeader.Retain = false // stored all the same
		return ""
	}
	b.refuse(s.refusal("limit", "retained too much: at most 64 KiB a message and so many topics; clear some with an empty retained message"))
	return "retained"
}

// resolveAlias puts the topic in the place of an alias, so that every check
// sees it. It answers the reason code of a protocol error.
func (s *session) resolveAlias(pk *packets.Packet) (code byte) {
	alias := pk.Properties.TopicAlias
	if alias == 0 || alias > maxAliases {
		return packets.ErrTopicAliasInvalid.Code
	}
	if pk.TopicName == "" {
		topic, ok := s.aliases[alias]
		if !ok {
			return packets.ErrProtocolViolation.Code
		}
		pk.TopicName = topic
	} else {
		if s.aliases == nil {
			s.aliases = make(map[uint16]string)
		}
		s.aliases[alias] = strings.Clone(pk.TopicName) // the packet is not kept
	}
	pk.Properties.TopicAlias, pk.Properties.TopicAliasFlag = 0, false
	return 0
}

// OnPublish takes every message of a client out of mochi's hands; mochi sees
// it again from the inline client, for subscribers.
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if cl.Net.Inline {
		pk.Origin, pk.Connect.ClientIdentifier = pk.Connect.ClientIdentifier, ""
		return pk, nil
	}
	b, s := h.b, sessionOf(cl)
	// Ignored: no ack, no subscribers, not retained. An error would say the
	// same, but mochi copies the packet to log it.
	taken := pk
	taken.Ignore = true
	if s == nil || s.in.route == routeDenied {
		return taken, nil
	}
	pk.FixedHeader.Qos = s.in.qos
	if s.in.route == routeTelemetry {
		if s.submit(pk.Payload) {
			b.fanOut(s, pk)
		}
		return taken, nil
	}
	if s.in.route == routeResult {
		b.takeResult(s, pk)
		return taken, nil
	}
	if s.in.qos > 0 && !s.reserve() {
		return taken, nil
	}
	if err := b.inject(s.key, pk); err != nil {
		b.log.Error("relay message", "error", err, "principal", s.name)
	}
	if s.in.route == routeLifecycle {
		b.said(s.in.orgID, s.in.deviceID, pk.Payload)
	}
	b.metrics.other[s.in.qos].Inc()
	if s.in.qos > 0 {
		s.acks.push(s.in.id, b.elapsed(s.in.at), true, 0)
	}
	return taken, nil
}

// fanOut gives telemetry to subscribers, if there are any.
func (b *Broker) fanOut(s *session, pk packets.Packet) {
	if !pk.FixedHeader.Retain {
		if len(pk.Payload) > ingest.MaxPayloadBytes || !b.isWanted(s, pk.TopicName) {
			return
		}
	}
	if err := b.inject(s.key, pk); err != nil {
		b.log.Error("deliver telemetry", "error", err, "principal", s.name)
	}
}

// isWanted reports whether somebody subscribes to a telemetry topic.
func (b *Broker) isWanted(s *session, topic string) bool {
	generation := b.filters.Load() // before looking
	w := &s.wanted
	if w.generation != generation || len(w.topics) > maxWanted {
		*w = wanted{generation: generation}
	}
	yes, known := w.topics[topic]
	if known {
		return yes
	}
	found := b.mochi.Topics.Subscribers(topic)
	yes = len(found.Subscriptions)+len(found.Shared)+len(found.InlineSubscriptions) > 0
	if w.topics == nil {
		w.topics = make(map[string]bool, 1)
	}
	w.topics[strings.Clone(topic)] = yes
	return yes
}

// inject publishes a message to subscribers, as if the client with the key had.
func (b *Broker) inject(key string, pk packets.Packet) error {
	pk.FixedHeader.Dup = false
	pk.PacketID = 0
	if pk.FixedHeader.Qos > 0 {
		pk.PacketID = 1 // never sent; mochi wants one
	}
	if pk.FixedHeader.Retain {
		pk.TopicName = strings.Clone(pk.TopicName) // the packet is not kept
	}
	pk.Connect.ClientIdentifier = key // for OnPublish
	return b.mochi.InjectPacket(b.inline, pk)
}
