package broker

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestQoS0IsDroppable(t *testing.T) {
	x := newBox(t)
	p := x.device(true, "d1", "c")
	p.publish(telemetryD1, "x", 0, 0)
	p.publish(telemetryD1, "x", 0, 0)
	p.ping()
	if m := x.wal.taken(2)[0]; !m.Droppable || m.Ack != nil {
		t.Errorf("submitted %+v", m)
	}
	if l := x.lines(); len(l) != 1 || !strings.Contains(l[0], "-q 1") {
		t.Errorf("lines %q", l)
	}
}

func TestServiceAccount(t *testing.T) {
	x := newBox(t)
	name, secret := x.registry.Grant("acme", time.Hour)
	p := x.dial(true)
	if code := p.login(connect{id: "plc", user: name, password: secret}); code != 0 {
		t.Fatalf("login: %#x", code)
	}
	for i, c := range []struct {
		topic string
		uid   uint32
		code  byte
	}{
		{telemetryD1, 1, 0},
		{"org/acme/device/d2/telemetry", 2, 0},
		{"org/acme/device/nobody/telemetry", 0, 0}, // a dead letter
		{"org/acme/device/x1/telemetry", 0, 0},     // another organization's device is nobody here
		{"org/other/device/x1/telemetry", 0, 0x87},
		{"org/acme/device/d1/command", 0, 0x87},
	} {
		before := len(x.wal.taken(0))
		p.publish(c.topic, "x", 1, uint16(i+1))
		if id, code := p.ack(); id != uint16(i+1) || code != c.code {
			t.Errorf("%s: PUBACK of %d, code %#x, want %#x", c.topic, id, code, c.code)
		}
		got := x.wal.taken(0)[before:]
		if c.code != 0 {
			if len(got) != 0 {
				t.Errorf("%s: submitted", c.topic)
			}
			continue
		}
		if len(got) != 1 || got[0].UID != c.uid || got[0].OrgID != "acme" || !strings.Contains(c.topic, "/"+got[0].DeviceID+"/") || got[0].Principal != "grant:"+name {
			t.Errorf("%s: submitted %+v", c.topic, got)
		}
	}
}

func TestTelemetryReachesSubscribers(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		x := newBox(t)
		p := x.device(v5, "d1", "p")
		p.publish(telemetryD1, "before", 1, 1) // nobody listens
		p.ack()
		name, secret := x.registry.Grant("acme", time.Hour)
		w := x.dial(v5)
		w.login(connect{id: "w", user: name, password: secret})
		w.subscribe(1, 1, "org/acme/device/+/telemetry")
		for i, payload := range []string{"a", "b"} {
			p.publish(telemetryD1, payload, 1, uint16(i+2))
			p.ack()
			topic, got, id, retained := w.message()
			if topic != telemetryD1 || got != payload || id == 0 || retained {
				t.Errorf("got %s %s id %d retained %v", topic, got, id, retained)
			}
		}
		w.send(frameOf(0xA2, func() []byte {
			b := []byte{0, 9}
			if v5 {
				b = append(b, 0)
			}
			return append(b, str("org/acme/device/+/telemetry")...)
		}()))
		w.expect(11)
		p.publish(telemetryD1, "after", 1, 9)
		p.ack()
		w.ping() // nothing came
		if n := len(x.wal.taken(4)); n != 4 {
			t.Errorf("%d messages submitted, want 4", n)
		}
	})
}

// Retained telemetry is stored like any other, and greets a late subscriber.
func TestRetainedTelemetry(t *testing.T) {
	x := newBox(t)
	p := x.device(true, "d1", "p")
	p.send(p.publishPacket(telemetryD1, "last", 1, 1, 1))
	p.ack()
	p.subscribe(2, 1, telemetryD1)
	if _, payload, _, retained := p.message(); payload != "last" || !retained {
		t.Errorf("got %s, retained %v", payload, retained)
	}
	if n := len(x.wal.taken(1)); n != 1 {
		t.Errorf("%d messages submitted", n)
	}
}

func TestRetainedMessagesAreBounded(t *testing.T) {
	x := newBox(t)
	p := x.device(true, "d1", "p")
	retain := func(topic, payload string, id uint16) byte {
		p.send(p.publishPacket("org/acme/device/d1/"+topic, payload, 1, id, 1))
		got, code := p.ack()
		if got != id {
			t.Fatalf("PUBACK of %d, want %d", got, id)
		}
		return code
	}
	for i := range maxRetained {
		if code := retain(fmt.Sprint(i), "x", uint16(i+1)); code != 0 {
			t.Fatalf("retained topic %d: %#x", i, code)
		}
	}
	if code := retain("more", "x", 1000); code != 0x97 {
		t.Errorf("one more: %#x, want 0x97", code)
	}
	if code := retain("0", "y", 1001); code != 0 {
		t.Errorf("the same again: %#x", code)
	}
	if code := retain("0", "", 1002); code != 0 {
		t.Errorf("clearing: %#x", code)
	}
	if code := retain("more", "x", 1003); code != 0 {
		t.Errorf("in its place: %#x", code)
	}
	if code := retain("1", strings.Repeat("x", maxRetainedBytes+1), 1004); code != 0x97 {
		t.Errorf("a large one: %#x, want 0x97", code)
	}
}

// An alias stands for its topic in every check.
func TestTopicAlias(t *testing.T) {
	alias := func(p *peer, topic, payload string, id, alias uint16) {
		b := binary.BigEndian.AppendUint16(str(topic), id)
		b = binary.BigEndian.AppendUint16(append(b, 3, 35), alias)
		p.send(frameOf(0x32, append(b, payload...)))
	}
	x := newBox(t)
	p := x.device(true, "d1", "c")
	alias(p, telemetryD1, "a", 1, 1)
	alias(p, "", "b", 2, 1)
	alias(p, "org/acme/device/d2/telemetry", "c", 3, 2)
	alias(p, "", "d", 4, 2)
	alias(p, telemetryD1, "e", 5, 2)
	alias(p, "", "f", 6, 2)
	for i, want := range []byte{0, 0, 0x87, 0x87, 0, 0} {
		if id, code := p.ack(); id != uint16(i+1) || code != want {
			t.Errorf("PUBACK %d: %d, code %#x, want %#x", i+1, id, code, want)
		}
	}
	var got []string
	for _, m := range x.wal.taken(4) {
		got = append(got, m.DeviceID+string(m.Payload))
	}
	if fmt.Sprint(got) != "[d1a d1b d1e d1f]" {
		t.Errorf("submitted %v", got)
	}
	for want, n := range map[byte]uint16{0x82: 7, 0x94: maxAliases + 1} {
		q := x.device(true, "d1", "q")
		alias(q, "", "x", 1, n)
		if got := q.gone(); len(got) != 1 || got[0].kind() != 14 || got[0].body[0] != want {
			t.Errorf("alias %d: got %v, want DISCONNECT %#x", n, got, want)
		}
	}
	q := x.device(true, "d1", "q")
	alias(q, telemetryD1, "x", 1, 0)
	if got := q.gone(); len(got) != 1 || got[0].body[0] != 0x94 {
		t.Errorf("alias 0: got %v", got)
	}
}

// A subscriber that does not read loses messages; nobody waits for it.
func TestSlowSubscriber(t *testing.T) {
	x := newBox(t)
	slow := x.device(true, "d1", "slow")
	slow.subscribe(1, 0, "org/acme/device/d1/#")
	p := x.device(true, "d1", "p")
	payload := strings.Repeat("x", 64<<10)
	for i := 1; x.metric("deliveries_dropped_total") == 0; i++ {
		p.publish(telemetryD1, payload, 1, uint16(i))
		if id, code := p.ack(); id != uint16(i) || code != 0 {
			t.Fatalf("PUBACK of %d, code %#x", id, code)
		}
	}
}

func TestMetrics(t *testing.T) {
	x := newBox(t)
	p := x.device(true, "d1", "c")
	p.publish(telemetryD1, "x", 1, 1)
	p.ack()
	p.publish("org/acme/device/d1/cmdres", "x", 0, 0)
	p.ping()
	x.dial(true).login(connect{user: "d1", password: "wrong"})
	for name, want := range map[string]float64{
		"connections_open": 1, "logins_total": 1, "logins_refused_total": 1, "publishes_total": 2,
	} {
		if got := x.metric(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for x.metric("acks_total") != 1 || x.metric("ack_latency_seconds") != 1 { // counted right after the write
		p.ping()
	}
}

func TestRefusalsAreRateLimited(t *testing.T) {
	var r refusals
	now := time.Unix(1_700_000_000, 0)
	lines := func(user, kind string, n int) (told, silenced int) {
		for range n {
			if s, ok := r.admit(user, kind, now); ok {
				told++
				silenced += s
			}
		}
		return told, silenced
	}
	if told, _ := lines("d1", "publish", 100); told != refusalBurst {
		t.Errorf("%d lines at once, want %d", told, refusalBurst)
	}
	if told, _ := lines("d1", "login", 1); told != 1 {
		t.Error("another kind is silenced, too")
	}
	now = now.Add(refusalPeriod)
	if told, silenced := lines("d1", "publish", 10); told != 1 || silenced != 100-refusalBurst {
		t.Errorf("%d lines a minute later, with %d silenced", told, silenced)
	}
	for i := range 2 * maxRefusals { // a stranger's inventions
		lines(fmt.Sprint("u", i), "login", 1)
	}
	if n := len(r.last); n > maxRefusals {
		t.Errorf("%d users remembered", n)
	}
}
