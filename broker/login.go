package broker

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"tidegate/ingest"
	"tidegate/store"
)

var errLogin = errors.New("login refused")

// CONNACK return codes of MQTT 3 that mochi does not name.
var (
	v3ServerUnavailable = packets.Code{Code: 3, Reason: "server unavailable"}
	v3BadLogin          = packets.Code{Code: 4, Reason: "bad user name or password"}
	v3NotAuthorized     = packets.Code{Code: 5, Reason: "not authorized"}
)

// OnConnect logs the client in, before mochi looks for an earlier session.
func (h *hook) OnConnect(cl *mqtt.Client, pk packets.Packet) error {
	b := h.b
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return errLogin
	}
	k := credentialsOf(c, &pk)
	p, refused := b.identify(k)
	if p == nil {
		b.metrics.loginsRefused.WithLabelValues("credentials").Inc()
		b.refuse(Refusal{Kind: "login", User: withoutSecret(k.name()), Line: refused})
		return b.refuseConnect(cl, packets.ErrBadUsernameOrPassword, k.v3Code())
	}
	s := &session{
		b: b, conn: c, client: cl, access: accessOf(p), name: p.Name, user: strings.Clone(k.name()),
		v5: cl.Properties.ProtocolVersion == 5, credentials: k,
		greeted: make(chan struct{}), done: make(chan struct{}),
	}
	if p.Device != nil {
		s.uid = p.Device.UID
	} else {
		s.service = p
	}
	if refused := b.checkWill(cl, s); refused != nil {
		return refused
	}
	s.key = accountKey(p) + "/" + cl.ID // a copy: the CONNECT packet is not kept
	if !b.admit(s, p) {
		b.metrics.loginsRefused.WithLabelValues("connections").Inc()
		b.refuse(s.refusal("limit", "opened more than "+strconv.Itoa(s.account.limit(maxSessions))+" connections at once; close some, or give each program a login of its own"))
		return b.refuseConnect(cl, packets.ErrQuotaExceeded, v3ServerUnavailable)
	}
	s.acks.write = s.writeRaw
	s.acks.wrote = b.wroteAcks
	cl.ID = s.key
	cl.Properties.Username = nil
	cl.Properties.Props.User = nil
	// mochi keeps an alias in the place of the topic of what is not acked yet: on
	// another connection nobody would know what it stands for.
	cl.Properties.Props.TopicAliasMaximum = 0
	keepalive(cl, c, s.v5)
	c.session = s
	return nil
}

// refuseConnect answers a CONNECT with a code and ends the connection.
func (b *Broker) refuseConnect(cl *mqtt.Client, v5, v3 packets.Code) error {
	code := v3
	if cl.Properties.ProtocolVersion == 5 {
		code = v5
	}
	if err := b.mochi.SendConnack(cl, code, false, nil); err != nil {
		return fmt.Errorf("refuse a login: %w", err)
	}
	return errLogin
}

// checkWill holds the will to the rules of a publish: mochi sends it without
// asking.
func (b *Broker) checkWill(cl *mqtt.Client, s *session) error {
	w := &cl.Properties.Will
	if w.Flag == 0 {
		return nil
	}
	if r, _, _ := s.access.publish(w.TopicName); r == routeDenied || strings.ContainsAny(w.TopicName, "+#") {
		b.metrics.loginsRefused.WithLabelValues("will").Inc()
		b.refuse(s.refusal("will", "has a will on "+shown(w.TopicName, maxTopicShown)+"; allowed "+s.access.allowed(true)))
		return b.refuseConnect(cl, packets.ErrNotAuthorized, v3NotAuthorized)
	}
	if w.Qos == 2 && s.v5 {
		b.metrics.loginsRefused.WithLabelValues("will").Inc()
		b.refuse(s.refusal("qos2", "has a will with QoS 2; use QoS 1"))
		return b.refuseConnect(cl, packets.ErrQosNotSupported, v3NotAuthorized)
	}
	w.Qos = min(w.Qos, 1) // nobody but subscribers can tell
	w.TopicName = strings.Clone(w.TopicName)
	w.Payload = append([]byte(nil), w.Payload...)
	return nil
}

// keepalive sets the silence that a connection may keep: one and a half times
// its keepalive.
func keepalive(cl *mqtt.Client, c *conn, v5 bool) {
	if v5 && cl.State.Keepalive > maxServerKeep {
		cl.State.Keepalive, cl.State.ServerKeepalive = maxServerKeep, true
	}
	c.idle = time.Duration(cl.State.Keepalive) * time.Second * 3 / 2
}

// OnConnectAuthenticate says what OnConnect found.
func (h *hook) OnConnectAuthenticate(cl *mqtt.Client, _ packets.Packet) bool {
	return sessionOf(cl) != nil
}

// OnSessionEstablish registers the session, right before mochi looks for an
// earlier one of the same key.
func (h *hook) OnSessionEstablish(cl *mqtt.Client, _ packets.Packet) {
	b, s := h.b, sessionOf(cl)
	if s == nil {
		return
	}
	b.register(s)
	s.conn.l.login(s.conn)
	// Whoever revoked the secret meanwhile did not find this session yet.
	if p, _ := b.identify(s.credentials); p == nil || !s.is(p) || s.lapsed() {
		s.conn.closeFor("credentials_changed")
	}
	s.credentials = nil
	b.judgeInherited(s)
}

// judgeInherited takes from a stored session what its principal may not have
// any more: mochi resends without asking.
func (b *Broker) judgeInherited(s *session) {
	earlier, ok := b.mochi.Clients.Get(s.key)
	if !ok {
		return
	}
	for filter := range earlier.State.Subscriptions.GetAll() {
		if !s.access.reads(filter) {
			b.mochi.Topics.Unsubscribe(filter, earlier.ID)
			earlier.State.Subscriptions.Delete(filter)
		}
	}
	for _, pk := range earlier.State.Inflight.GetAll(false) {
		// Commands that nobody acked come from the queue again, while they are good.
		if _, ours := s.access.command(&pk); ours || pk.FixedHeader.Type == packets.Publish && !s.access.reads(pk.TopicName) {
			earlier.State.Inflight.Delete(pk.PacketID)
		}
	}
}

// OnSessionEstablished runs after the CONNACK.
func (h *hook) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	s := sessionOf(cl)
	if s == nil {
		return
	}
	h.b.metrics.logins.Inc()
	s.account.seen.Store(h.b.opts.Now().UnixMilli())
	s.account.arrive()
	for filter := range cl.State.Subscriptions.GetAll() {
		h.b.noticeFilter(filter)
	}
	h.b.kickCommands(s)
}

// refusal makes the line of something that a principal was refused.
func (s *session) refusal(kind, what string) Refusal {
	return Refusal{
		Kind: kind, User: s.user, OrgID: s.access.orgID, DeviceID: s.access.deviceID,
		Line: "refused: user " + quoted(s.user) + " " + what,
	}
}

// blankedSecret stands for the secret of an API key.
const blankedSecret = ".…"

// withoutSecret answers what may be shown of a user name: somebody may have taken
// a whole API key for one.
func withoutSecret(user string) string {
	if id, _, ok := store.ParseKeyText(user); ok {
		return id + blankedSecret
	}
	return user
}

func loginLine(user string, password bool, from net.Addr) string {
	switch {
	case user == "":
		return "refused: login without a user name from " + from.String() +
			"; the MQTT user name is the device's id or serial number, the password its secret"
	case strings.HasSuffix(user, blankedSecret):
		return "refused: login of user " + quoted(user) + " from " + from.String() +
			"; an API key's user name is its id alone, what stands before the dot, and the password is the rest or all of it"
	case !password:
		return "refused: login of user " + quoted(user) + " from " + from.String() + " without a password; it is the device's secret"
	case store.IsKeyID(user):
		return "refused: login of user " + quoted(user) + " from " + from.String() +
			"; no API key has this id, or it has expired, or the secret is another. Fix: tidegate apikey ls shows the keys; a lost secret needs a new key"
	}
	return "refused: login of user " + quoted(user) + " from " + from.String() +
		"; no active device has this id or serial number, or the secret is another. Fix: tidegate device ls shows the devices; tidegate device set --id " +
		fixID(user) + " --secret NEW replaces the secret"
}

// fixID shows a user name within a command line, if it can be an id.
func fixID(user string) string {
	if validID(user) {
		return user
	}
	return "ID"
}

func quoted(user string) string { return strconv.Quote(shown(user, maxUserShown)) }

var _ ingest.Acker = (*session)(nil)
