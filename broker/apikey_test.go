package broker

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

const plcKey = "key-0123456789abcdef"

// key makes an API key of acme and answers its secret.
func (x *box) key(change func(*store.APIKey)) (secret string) {
	x.t.Helper()
	k := store.APIKey{ID: plcKey, OrgID: "acme", Scopes: []store.Scope{store.ScopeIngest, store.ScopeRead}}
	change(&k)
	return x.putKey(k)
}

func asItIs(*store.APIKey) {}

// as logs in with the API key, which must be accepted.
func (x *box) as(v5 bool, secret string) *peer {
	x.t.Helper()
	p := x.dial(v5)
	if code := p.login(connect{id: "plc", user: plcKey, password: secret}); code != 0 {
		x.t.Fatalf("login: %#x", code)
	}
	return p
}

func TestKeyLogin(t *testing.T) {
	x := newBox(t)
	secret := x.key(asItIs)
	for _, c := range []struct {
		name           string
		user, password string
		v3, v5         byte
	}{
		{"its secret", plcKey, secret, 0, 0},
		{"the whole text", plcKey, store.KeyText(plcKey, secret), 0, 0},
		{"another secret", plcKey, "s-d1", 4, 0x86},
		{"the whole text with another secret", plcKey, store.KeyText(plcKey, "s-d1"), 4, 0x86},
		{"the text of another key", plcKey, store.KeyText("key-1111111111111111", secret), 4, 0x86},
		{"the text twice", plcKey, store.KeyText(plcKey, store.KeyText(plcKey, secret)), 4, 0x86},
		{"the text without a secret", plcKey, plcKey + ".", 4, 0x86},
		{"a key that is not there", "key-1111111111111111", secret, 4, 0x86},
		{"the text as the user", store.KeyText(plcKey, secret), secret, 4, 0x86},
		{"a device's secret is still its own", "d1", secret, 4, 0x86},
	} {
		t.Run(c.name, func(t *testing.T) {
			for v5, want := range map[bool]byte{false: c.v3, true: c.v5} {
				if code := x.dial(v5).login(connect{user: c.user, password: c.password}); code != want {
					t.Errorf("MQTT 5 %v: code %#x, want %#x", v5, code, want)
				}
			}
		})
	}
	all := strings.Join(x.lines(), "\n")
	if !strings.Contains(all, "no API key has this id, or it has expired, or the secret is another. Fix: tidegate apikey ls") {
		t.Errorf("no line says what to do:\n%s", all)
	}
	if want := `refused: login of user "` + plcKey + `.…" from 127.0.0.1:`; !strings.Contains(all, want) || !strings.Contains(all, "user name is its id alone") {
		t.Errorf("no line holds %q:\n%s", want, all)
	}
	if strings.Contains(all, secret) {
		t.Errorf("a line shows a secret:\n%s", all)
	}
}

// TestKeyPublishes: whom a key speaks for.
func TestKeyPublishes(t *testing.T) {
	type publish struct {
		topic string
		uid   uint32
		code  byte
	}
	for _, tt := range []struct {
		name   string
		change func(*store.APIKey)
		does   []publish
	}{
		{"of an organization", asItIs, []publish{
			{telemetryD1, 1, 0},
			{"org/acme/device/d2/telemetry", 2, 0},
			{"org/acme/device/nobody/telemetry", 0, 0}, // a dead letter
			{"org/acme/device/x1/telemetry", 0, 0},     // another organization's device is nobody here
			{"org/other/device/x1/telemetry", 0, 0x87},
			{"org/acme/device/d1/command", 0, 0x87},
		}},
		{"of all organizations", func(k *store.APIKey) { k.OrgID = "" }, []publish{
			{telemetryD1, 1, 0},
			{"org/other/device/x1/telemetry", 3, 0},
			{"org/other/device/d1/telemetry", 0, 0},
			{"org/nobody/device/d1/telemetry", 0, 0},
			{"org//device/d1/telemetry", 0, 0x87},
			{"org/acme/device/d1/lifecycle", 0, 0x87},
		}},
		{"of one device", func(k *store.APIKey) { k.DeviceIDs = []string{"d1"} }, []publish{
			{telemetryD1, 1, 0},
			{"org/acme/device/d2/telemetry", 0, 0x87},
			{"org/acme/device/nobody/telemetry", 0, 0x87},
			{"org/other/device/x1/telemetry", 0, 0x87},
		}},
		{"that reads", func(k *store.APIKey) { k.Scopes = []store.Scope{store.ScopeRead, store.ScopeWrite} }, []publish{{telemetryD1, 0, 0x87}}},
		{"of an admin", func(k *store.APIKey) { k.Scopes = []store.Scope{store.ScopeAdmin} }, []publish{{telemetryD1, 1, 0}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newBox(t)
			p := x.as(true, x.key(tt.change))
			for i, c := range tt.does {
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
				if len(got) != 1 || got[0].UID != c.uid || "org/"+got[0].OrgID+"/device/"+got[0].DeviceID+"/telemetry" != c.topic || got[0].Principal != "apikey:"+plcKey {
					t.Errorf("%s: submitted %+v", c.topic, got)
				}
			}
		})
	}
}

// TestKeySubscribes: what a key may hear, and hears.
func TestKeySubscribes(t *testing.T) {
	const no = 0x87
	for _, tt := range []struct {
		name    string
		change  func(*store.APIKey)
		filters []string
		want    []byte
		hears   []string
	}{
		{
			"of an organization", asItIs,
			[]string{"org/acme/#", "$share/g/org/acme/#", "org/other/#", "org/+/device/d1/telemetry", "org/#", "#"},
			[]byte{1, 1, no, no, no, no},
			[]string{"acme/d1", "acme/d2"},
		},
		{
			"of all organizations", func(k *store.APIKey) { k.OrgID = "" },
			[]string{"org/+/device/+/telemetry", "#", "$SYS/#"},
			[]byte{1, no, no},
			[]string{"acme/d1", "acme/d2", "other/x1"},
		},
		{
			"of one device", func(k *store.APIKey) { k.DeviceIDs = []string{"d1"} },
			[]string{"org/acme/device/d1/#", "org/acme/device/+/telemetry", "org/acme/device/d2/#", "org/acme/#", "org/+/device/d1/#"},
			[]byte{1, no, no, no, no},
			[]string{"acme/d1"},
		},
		{
			"that ingests", func(k *store.APIKey) { k.Scopes = []store.Scope{store.ScopeIngest} },
			[]string{"org/acme/device/d1/telemetry", "org/acme/#"},
			[]byte{no, no},
			nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newBox(t)
			p := x.as(true, x.key(tt.change))
			if got := p.subscribe(1, 1, tt.filters...); string(got) != string(tt.want) {
				t.Errorf("SUBACK % x, want % x", got, tt.want)
			}
			for _, d := range []string{"acme/d1", "acme/d2", "other/x1"} {
				org, id, _ := strings.Cut(d, "/")
				q := x.device(true, id, "q")
				q.publish("org/"+org+"/device/"+id+"/telemetry", d, 1, 1)
				q.ack()
			}
			var heard []string // of several devices in any order
			for len(heard) < len(tt.hears) {
				topic, payload, _, _ := p.message()
				if !strings.HasSuffix(topic, "/lifecycle") {
					heard = append(heard, payload)
				}
			}
			if slices.Sort(heard); !slices.Equal(heard, tt.hears) {
				t.Errorf("heard %v, want %v", heard, tt.hears)
			}
		})
	}
}

// goneFor reads what is left, and answers the reason of the DISCONNECT at its end.
func (p *peer) goneFor() byte {
	p.t.Helper()
	all := p.gone()
	if len(all) == 0 || all[len(all)-1].kind() != 14 {
		p.t.Fatalf("no DISCONNECT at the end of %v", all)
	}
	return all[len(all)-1].body[0]
}

// TestKeyDeletedWhileConnected: the connections end at once, and there is no way
// back in.
func TestKeyDeletedWhileConnected(t *testing.T) {
	x := newBox(t)
	secret := x.key(asItIs)
	p, old := x.as(true, secret), x.dial(false)
	if code := old.login(connect{id: "old", user: plcKey, password: secret}); code != 0 {
		t.Fatalf("login: %#x", code)
	}
	other := x.device(true, "d1", "c")
	x.deleteKey(plcKey)
	x.DisconnectKey(plcKey, "deleted")
	if code := p.goneFor(); code != 0x98 {
		t.Errorf("told %#x", code)
	}
	old.gone()
	if code := x.dial(true).login(connect{user: plcKey, password: secret}); code != 0x86 {
		t.Errorf("a deleted key: %#x", code)
	}
	other.ping() // nobody else is disturbed
	x.DisconnectKey(plcKey, "deleted")
	x.DisconnectKey("key-1111111111111111", "deleted")
}

// TestKeyLapses: nobody says that a key is good no more, and its connections end
// all the same; those of others, and of the same key as it is now, do not.
func TestKeyLapses(t *testing.T) {
	hour := func(k *store.APIKey) {
		end := time.Now().Add(time.Hour)
		k.ExpiresAt = &end
	}
	for _, tt := range []struct {
		name    string
		lapse   func(x *box)
		goodFor string // after it, with the secret of before
	}{
		{"expired", func(x *box) { x.ahead.Store(int64(time.Hour)) }, ""},
		{"deleted", func(x *box) { x.deleteKey(plcKey) }, ""},
		{"for other devices", func(x *box) {
			x.key(func(k *store.APIKey) { hour(k); k.DeviceIDs = []string{"d2"} })
		}, "org/acme/device/d2/telemetry"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := newBox(t, func(o *Options) { o.ReviewInterval = time.Millisecond })
			secret := x.key(hour)
			p := x.as(true, secret)
			name, grant := x.registry.Grant("acme", time.Second) // bounds the login alone
			q := x.dial(true)
			if code := q.login(connect{id: "q", user: name, password: grant}); code != 0 {
				t.Fatalf("login: %#x", code)
			}
			d := x.device(true, "d1", "c")
			x.key(func(k *store.APIKey) { hour(k); k.Name = "renamed" }) // and a later end
			p.publish(telemetryD1, "x", 1, 1)
			if _, code := p.ack(); code != 0 {
				t.Errorf("PUBACK: %#x", code)
			}
			tt.lapse(x)
			if code := p.goneFor(); code != 0x87 {
				t.Errorf("told %#x", code)
			}
			d.ping()
			q.ping()
			again := x.dial(true)
			code := again.login(connect{user: plcKey, password: secret})
			if tt.goodFor == "" {
				if code != 0x86 {
					t.Errorf("it logs in again: %#x", code)
				}
				return
			}
			if code != 0 {
				t.Fatalf("login: %#x", code)
			}
			for topic, want := range map[string]byte{tt.goodFor: 0, telemetryD1: 0x87} {
				again.publish(topic, "x", 1, 1)
				if _, code := again.ack(); code != want {
					t.Errorf("%s: %#x, want %#x", topic, code, want)
				}
			}
		})
	}
}

// TestKeyInheritsWhatItMay: a session that is stored keeps nothing that the key
// may hear no more.
func TestKeyInheritsWhatItMay(t *testing.T) {
	x := newBox(t)
	secret := x.key(asItIs)
	hello := connect{id: "plc", user: plcKey, password: secret, expiry: 3600, stored: true}
	p := x.dial(true)
	p.login(hello)
	p.subscribe(1, 1, "org/acme/device/+/telemetry", "org/acme/device/d2/telemetry")
	p.send([]byte{0xE0, 0})
	p.gone()
	x.key(func(k *store.APIKey) { k.DeviceIDs = []string{"d2"} })
	p = x.dial(true)
	if code := p.login(hello); code != 0 {
		t.Fatalf("login: %#x", code)
	}
	for _, id := range []string{"d1", "d2"} {
		q := x.device(true, id, "q")
		q.publish("org/acme/device/"+id+"/telemetry", id, 1, 1)
		q.ack()
	}
	if topic, _, _, _ := p.message(); topic != "org/acme/device/d2/telemetry" {
		t.Errorf("heard %s", topic)
	}
}

// TestKeyIsAlwaysFound: an account that is dropped as idle while somebody logs in
// to it hides no session from those who would end it.
func TestKeyIsAlwaysFound(t *testing.T) {
	x := newBox(t)
	x.key(asItIs)
	p, err := x.registry.Login(plcKey, []byte("s-"+plcKey))
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for !isClosed(stop) {
			x.allAccounts()
		}
	}()
	for n := range 100_000 {
		s := &session{b: x.Broker, key: "k"}
		if !x.admit(s, p) {
			t.Fatal("too many sessions")
		}
		x.Broker.mu.Lock()
		found := x.accounts[serviceKey(p.Name)] == s.account
		x.Broker.mu.Unlock()
		if !found {
			t.Fatalf("session %d is in an account that nobody finds", n)
		}
		s.account.leave(s, "")
	}
	close(stop)
	<-stopped
}
