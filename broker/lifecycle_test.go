package broker

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestLifecycle(t *testing.T) {
	x := newBox(t, func(o *Options) { o.PresenceInterval = time.Millisecond })
	name, secret := x.registry.Grant("acme", time.Hour)
	w := x.dial(true)
	if code := w.login(connect{id: "w", user: name, password: secret}); code != 0 {
		t.Fatalf("login: %#x", code)
	}
	w.subscribe(1, 1, "org/acme/device/+/lifecycle")
	w.ping() // what is retained is looked up after the SUBACK
	status := func(want, reason string) {
		t.Helper()
		topic, payload, _, _ := w.message()
		var l struct{ Status, TS, Reason string }
		if err := json.Unmarshal([]byte(payload), &l); err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		if _, err := time.Parse(time.RFC3339, l.TS); err != nil || topic != "org/acme/device/d1/lifecycle" || l.Status != want || l.Reason != reason {
			t.Errorf("%s %s, want %s, %s", topic, payload, want, reason)
		}
	}
	p := x.device(true, "d1", "p")
	status("online", "connected")
	q := x.device(false, "d1", "q")
	_ = p.Close() // still online through q
	for x.metric("connections_open") != 2 {
		q.ping()
	}
	q.publish(telemetryD1, "x", 1, 1)
	q.ack()
	q.send([]byte{0xE0, 0})
	q.gone()
	status("offline", "disconnected")
	x.until("presence", func() bool { l := x.presence[1]; return !l.Online && !l.LastSeen.IsZero() })
	// It is retained.
	late := x.dial(false)
	late.login(connect{id: "late", user: name, password: secret})
	late.subscribe(1, 1, "org/acme/#")
	if topic, payload, _, retained := late.message(); !retained || topic != "org/acme/device/d1/lifecycle" || !strings.Contains(payload, `"offline"`) {
		t.Errorf("retained %v: %s %s", retained, topic, payload)
	}
	// Presence is refreshed by traffic.
	r := x.device(true, "d1", "r")
	x.mu.Lock()
	first := x.presence[1].LastSeen
	x.mu.Unlock()
	for seen := first; !seen.After(first); {
		r.ping()
		x.mu.Lock()
		seen = x.presence[1].LastSeen
		x.mu.Unlock()
	}
}

// A device's own will stays as the last word when it says offline; while it is
// online through another connection the will is not sent.
func TestOwnWill(t *testing.T) {
	x := newBox(t)
	const topic = "org/acme/device/d1/lifecycle"
	watch := x.dial(true)
	name, secret := x.registry.Grant("acme", time.Hour)
	watch.login(connect{id: "w", user: name, password: secret})
	watch.subscribe(1, 1, topic)
	watch.ping() // what is retained is looked up after the SUBACK
	hello := connect{id: "c", user: "d1", password: "s-d1", willTopic: topic, will: `{"status":"offline","reason":"battery"}`}
	p := x.dial(false)
	p.login(hello)
	watch.message() // online
	again := x.dial(false)
	again.login(hello) // takes over: the will of p is not sent
	p.gone()
	_ = again.Close()
	if _, payload, _, _ := watch.message(); !strings.Contains(payload, "battery") {
		t.Errorf("got %s", payload)
	}
	x.until("its will is told", func() bool { return slices.Equal(x.said, []string{"acme d1 offline battery"}) })
	x.until("offline", func() bool { return x.lifecycle[len(x.lifecycle)-1] == "d1 offline connection_lost" })
	late := x.dial(true)
	late.login(connect{id: "late", user: name, password: secret})
	late.subscribe(1, 1, topic)
	if _, payload, _, retained := late.message(); !retained || !strings.Contains(payload, "battery") {
		t.Errorf("retained %v: %s", retained, payload)
	}
	watch.ping() // nothing else was said
}

// What a device says of itself is told as it says it; what is none of it is not.
func TestSaidOfItself(t *testing.T) {
	x := newBox(t)
	p := x.device(true, "d1", "p")
	for i, payload := range []string{`{"status":"ready","reason":"booted","ts":1}`, `{"status":""}`, `{"reason":"x"}`, `up`, ``, `{"status":"low battery"}`} {
		p.publish("org/acme/device/d1/lifecycle", payload, 1, uint16(i+1))
		p.ack()
	}
	want := []string{"acme d1 ready booted", "acme d1 low battery "}
	x.until("it is told", func() bool { return slices.Equal(x.said, want) })
}

// Telemetry in a will enters by the same door as all telemetry.
func TestTelemetryWill(t *testing.T) {
	x := newBox(t)
	p := x.dial(true)
	p.login(connect{id: "c", user: "d1", password: "s-d1", willTopic: telemetryD1, will: "last words"})
	_ = p.Close()
	if m := x.wal.taken(1)[0]; string(m.Payload) != "last words" || !m.Droppable || m.UID != 1 {
		t.Errorf("submitted %+v", m)
	}
}
