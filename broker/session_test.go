package broker

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/store"
)

func TestLogin(t *testing.T) {
	x := newBox(t)
	x.put(store.Device{ID: "old", OrgID: "acme", UID: 9, State: store.DeviceRetired, SecretHash: x.registry.HashSecret([]byte("s-old"))})
	for _, c := range []struct {
		name   string
		c      connect
		v3, v5 byte
	}{
		{"by id", connect{user: "d1", password: "s-d1"}, 0, 0},
		{"by serial number", connect{user: "SN1", password: "s-d1"}, 0, 0},
		{"a wrong secret", connect{user: "d1", password: "s-d2"}, 4, 0x86},
		{"no such device", connect{user: "d9", password: "s-d9"}, 4, 0x86},
		{"a retired device", connect{user: "old", password: "s-old"}, 4, 0x86},
		{"an empty user name", connect{user: "", password: "s-d1"}, 4, 0x86},
		{"no user name", connect{noUser: true}, 4, 0x86},
		{"a will on its own topic", connect{user: "d1", password: "s-d1", willTopic: "org/acme/device/d1/lifecycle", will: "x"}, 0, 0},
		{"a will on another's topic", connect{user: "d1", password: "s-d1", willTopic: "org/acme/device/d2/lifecycle", will: "x"}, 5, 0x87},
		{"a will on a filter", connect{user: "d1", password: "s-d1", willTopic: "org/acme/device/d1/#", will: "x"}, 5, 0x87},
		{"a will with QoS 2", connect{user: "d1", password: "s-d1", willTopic: "org/acme/device/d1/x", will: "x", willQos: 2}, 0, 0x9B},
		{"MQTT 3.1", connect{user: "d1", password: "s-d1", level: 3, id: "c"}, 0, 0},
		{"MQTT 6", connect{user: "d1", password: "s-d1", level: 6}, 1, 1},
		{"an empty client id that wants a session", connect{user: "d1", password: "s-d1", stored: true}, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code := x.dial(false).login(c.c); code != c.v3 {
				t.Errorf("v3: code %d, want %d", code, c.v3)
			}
			if c.c.level != 0 {
				return
			}
			if code := x.dial(true).login(c.c); code != c.v5 {
				t.Errorf("v5: code %#x, want %#x", code, c.v5)
			}
		})
	}
	all := strings.Join(x.lines(), "\n")
	for _, want := range []string{
		`refused: login of user "d1" from 127.0.0.1:`, `tidegate device set --id d1 --secret NEW`, `refused: login of user "d9"`,
		"refused: login without a user name",
		`refused: user "d1" has a will on org/acme/device/d2/lifecycle; allowed org/acme/device/d1/#`,
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no line holds %q:\n%s", want, all)
		}
	}
	if strings.Contains(all, "s-d2") {
		t.Errorf("a line shows a secret:\n%s", all)
	}
}

func TestDeniedPublish(t *testing.T) {
	const foreign = "org/acme/device/d2/telemetry"
	x := newBox(t)
	p := x.device(true, "d1", "c")
	p.publish(foreign, "x", 0, 0)
	p.publish(foreign, "x", 1, 1)
	if id, code := p.ack(); id != 1 || code != 0x87 {
		t.Errorf("PUBACK of %d, code %#x", id, code)
	}
	p.publish("$SYS/x", "x", 1, 2)
	if id, code := p.ack(); id != 2 || code != 0x87 {
		t.Errorf("PUBACK of %d, code %#x", id, code)
	}
	p.ping()
	q := x.device(false, "d1", "q")
	q.publish(foreign, "x", 0, 0)
	q.ping()
	q.publish(foreign, "x", 1, 1)
	if got := q.gone(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	if n := len(x.wal.taken(0)); n != 0 {
		t.Errorf("%d messages submitted", n)
	}
	if want := `refused: user "d1" published to org/acme/device/d2/telemetry; allowed org/acme/device/d1/#`; x.lines()[0] != want {
		t.Errorf("line %q, want %q", x.lines()[0], want)
	}
	if n := x.metric("refused_total"); n != 5 {
		t.Errorf("%v refusals counted, want 5", n)
	}
}

func TestSubscribe(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		x := newBox(t)
		p := x.device(v5, "d1", "c")
		denied := byte(0x80)
		if v5 {
			denied = 0x87
		}
		got := p.subscribe(1, 2, "org/acme/device/d1/#", "org/acme/device/d2/#", "#", "$share/g/org/acme/device/d1/x", "$SYS/#")
		if want := []byte{1, denied, denied, 1, denied}; string(got) != string(want) {
			t.Errorf("SUBACK % x, want % x", got, want)
		}
		q := x.device(v5, "d2", "c")
		q.publish("org/acme/device/d2/state", "secret", 1, 1)
		q.ack()
		// The first is the device's own status, retained.
		if topic, _, _, retained := p.message(); topic != "org/acme/device/d1/lifecycle" || !retained {
			t.Errorf("got %s, retained %v", topic, retained)
		}
		p.ping() // and nothing of d2
	})
}

func TestTooManySubscriptions(t *testing.T) {
	x := newBox(t)
	p := x.device(true, "d1", "c")
	var filters []string
	for i := range maxFilters + 1 {
		filters = append(filters, fmt.Sprintf("org/acme/device/d1/%d", i))
	}
	got := p.subscribe(1, 0, filters...)
	if got[maxFilters-1] != 0 || got[maxFilters] != 0x8F {
		t.Errorf("SUBACK % x", got)
	}
	if got := p.subscribe(2, 0, "org/acme/device/d1/0"); got[0] != 0 { // the same again
		t.Errorf("SUBACK % x", got)
	}
}

func TestTooManyConnections(t *testing.T) {
	x := newBox(t)
	for i := range maxSessions {
		x.device(true, "d1", fmt.Sprint(i))
	}
	if code := x.dial(true).login(connect{id: "one more", user: "d1", password: "s-d1"}); code != 0x97 {
		t.Errorf("code %#x, want 0x97", code)
	}
	x.device(true, "d2", "c").ping()
}

func TestSameClientID(t *testing.T) {
	x := newBox(t)
	p, q := x.device(true, "d1", "same"), x.device(true, "d2", "same")
	p.ping()
	q.ping()
	// Nobody takes over by writing the key of another's session.
	r := x.dial(true)
	if code := r.login(connect{id: "d1/same", user: "d2", password: "s-d2"}); code != 0 {
		t.Fatalf("login: %#x", code)
	}
	p.ping()
	q.ping()
	// The device itself does.
	s := x.device(true, "d1", "same")
	got := p.gone()
	if len(got) != 1 || got[0].kind() != 14 || got[0].body[0] != 0x8E {
		t.Errorf("got %v, want DISCONNECT 0x8E", got)
	}
	s.ping()
	x.mu.Lock()
	defer x.mu.Unlock()
	if l := fmt.Sprint(x.lifecycle); strings.Contains(l, "offline") {
		t.Errorf("a takeover is no change of the device: %s", l)
	}
}

// Takeovers of one session in quick succession leave the newest one reachable.
func TestTakeoverStorm(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		x := newBox(t)
		hello := connect{id: "c", user: "d1", password: "s-d1", stored: true, expiry: 60}
		const n = 10
		var storm sync.WaitGroup
		for range n {
			p := x.dial(v5)
			storm.Go(func() {
				_, _ = p.Write(hello.packet(v5))
				if pk, err := p.read(); err != nil || pk.kind() != 2 || pk.body[1] != 0 {
					t.Errorf("login: %v %v", pk, err)
				}
			})
		}
		storm.Wait()
		p := x.dial(v5)
		if code := p.login(hello); code != 0 {
			t.Fatalf("login: %#x", code)
		}
		p.subscribe(1, 1, "org/acme/device/d1/command")
		q := x.device(v5, "d1", "q")
		q.publish("org/acme/device/d1/command", "go", 1, 1)
		q.ack()
		if _, payload, _, _ := p.message(); payload != "go" {
			t.Errorf("got %q", payload)
		}
	})
}

// A command that is not acked yet survives telemetry, and a SUBSCRIBE, with its
// packet id.
func TestCommandRedelivery(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		x := newBox(t)
		hello := connect{id: "c", user: "d1", password: "s-d1", stored: true, expiry: 60}
		p := x.dial(v5)
		p.login(hello)
		p.subscribe(1, 1, "org/acme/device/d1/command")
		q := x.device(v5, "d1", "q")
		q.publish("org/acme/device/d1/command", "reboot", 1, 9)
		q.ack()
		_, payload, id, _ := p.message()
		if payload != "reboot" || id == 0 {
			t.Fatalf("command %q with id %d", payload, id)
		}
		p.publish(telemetryD1, "1", 1, id)
		if got, code := p.ack(); got != id || code != 0 {
			t.Fatalf("PUBACK of %d, code %#x", got, code)
		}
		p.publish("org/acme/device/d1/cmdres", "1", 1, id)
		p.ack()
		if got := p.subscribe(id, 1, "org/acme/device/d1/config"); got[0] != 1 {
			t.Errorf("SUBACK %#x", got[0])
		}
		_ = p.Close()
		r := x.dial(v5)
		r.login(hello)
		if _, payload, again, _ := r.message(); payload != "reboot" || again != id {
			t.Errorf("redelivered %q with id %d, want reboot with %d", payload, again, id)
		}
		r.send([]byte{0x40, 2, byte(id >> 8), byte(id)})
		r.ping()
	})
}

// What a stored session holds is judged again by what its owner may have now.
func TestInheritedSessionIsJudged(t *testing.T) {
	x := newBox(t)
	name, secret := x.registry.Grant("acme", time.Hour)
	hello := connect{id: "c", user: name, password: secret, stored: true, expiry: 60}
	p := x.dial(true)
	if code := p.login(hello); code != 0 {
		t.Fatalf("login: %#x", code)
	}
	p.subscribe(1, 1, "org/acme/device/d1/state")
	d := x.device(true, "d1", "d")
	d.publish("org/acme/device/d1/state", "one", 1, 1)
	d.ack()
	p.message() // not acked
	_ = p.Close()
	// As if the key had been moved to another organization.
	cl, ok := x.mochi.Clients.Get("$grant:" + name + "/c")
	if !ok {
		t.Fatal("no stored session")
	}
	s := &session{key: cl.ID, access: accountWith(store.Access{Actions: store.ActionRead, OrgID: "other"})}
	x.judgeInherited(s)
	if n, m := cl.State.Inflight.Len(), cl.State.Subscriptions.Len(); n != 0 || m != 0 {
		t.Errorf("%d messages and %d subscriptions left", n, m)
	}
	if n := len(x.mochi.Topics.Subscribers("org/acme/device/d1/state").Subscriptions); n != 0 {
		t.Errorf("%d subscribers left", n)
	}
}

func TestStoredSessionsAreBounded(t *testing.T) {
	x := newBox(t)
	for i := range maxSessions + 3 {
		p := x.dial(true)
		p.login(connect{id: fmt.Sprintf("c%02d", i), user: "d1", password: "s-d1", stored: true, expiry: 60})
		p.subscribe(1, 1, "org/acme/device/d1/command")
		p.send([]byte{0xE0, 0})
		p.gone()
		x.until("it is stored", func() bool { return len(x.lifecycle) == 2*(i+1) })
	}
	stored := 0
	for id := range x.mochi.Clients.GetAll() {
		if strings.HasPrefix(id, "d1/") {
			stored++
		}
	}
	subscribed := len(x.mochi.Topics.Subscribers("org/acme/device/d1/command").Subscriptions)
	if stored != maxSessions || subscribed != maxSessions {
		t.Errorf("%d sessions with %d subscriptions stored, want %d", stored, subscribed, maxSessions)
	}
}

func TestDisconnect(t *testing.T) {
	x := newBox(t)
	p, q, other := x.device(true, "d1", "p"), x.device(false, "d1", "q"), x.device(true, "d2", "c")
	x.Disconnect("d1", "secret_changed")
	if got := p.gone(); len(got) != 1 || got[0].kind() != 14 || got[0].body[0] != 0x98 {
		t.Errorf("got %v, want DISCONNECT 0x98", got)
	}
	if got := q.gone(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	x.until("offline", func() bool { return x.lifecycle[len(x.lifecycle)-1] == "d1 offline secret_changed" })
	other.ping()
	x.Disconnect("nobody", "deleted")
	if x.Connected("d1") || !x.Connected("d2") || x.Connected("nobody") {
		t.Error("Connected is wrong")
	}
}
