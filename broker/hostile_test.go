package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// A truncated MQTT 5 SUBSCRIBE panics mochi. It costs its sender the
// connection, and the device is offline afterwards.
func TestPanicClosesOneConnection(t *testing.T) {
	x := newBox(t)
	other := x.device(true, "d2", "c")
	p := x.dial(true)
	code := p.login(connect{id: "c", user: "d1", password: "s-d1", willTopic: "org/acme/device/d1/state", will: "gone"})
	if code != 0 {
		t.Fatalf("login: %#x", code)
	}
	watch := x.device(true, "d1", "watch")
	watch.subscribe(1, 1, "org/acme/device/d1/state")
	p.subscribe(1, 1, "org/acme/device/d1/command")
	p.send(frameOf(0x82, append([]byte{0, 2, 0}, str("org/acme/device/d1/x")...))) // no options
	p.gone()
	if topic, payload, _, _ := watch.message(); topic != "org/acme/device/d1/state" || payload != "gone" {
		t.Errorf("will %s %s", topic, payload)
	}
	other.ping()
	if n := x.metric("panics_recovered_total"); n != 1 {
		t.Errorf("%v panics counted", n)
	}
	_ = watch.Close()
	x.until("offline", func() bool { return strings.HasPrefix(x.lifecycle[len(x.lifecycle)-1], "d1 offline") })
	// Nothing of it is left behind.
	if _, ok := x.mochi.Clients.Get("d1/c"); ok {
		t.Error("mochi still knows the client")
	}
	if n := len(x.mochi.Topics.Subscribers("org/acme/device/d1/command").Subscriptions); n != 0 {
		t.Errorf("%d subscriptions left", n)
	}
	x.device(true, "d1", "c").ping()
}

func TestHostilePackets(t *testing.T) {
	login := connect{id: "c", user: "d1", password: "s-d1"}
	telemetry := func(p *peer) []byte { return p.publishPacket(telemetryD1, "x", 1, 1, 0) }
	for _, c := range []struct {
		name string
		v5   bool
		pre  bool // before the login
		send func(p *peer) []byte
		code byte // of the DISCONNECT, when there is one
	}{
		{name: "a CONNECT of 256 MiB", pre: true, send: func(*peer) []byte { return []byte{0x10, 0xff, 0xff, 0xff, 0x7f} }},
		{name: "a CONNECT above 64 KiB", pre: true, send: func(*peer) []byte { return append([]byte{0x10}, varint(maxConnectBytes+1)...) }},
		{name: "no CONNECT", pre: true, send: telemetry},
		{name: "HTTP", pre: true, send: func(*peer) []byte { return []byte("GET / HTTP/1.1\r\n\r\n") }},
		{name: "zeros", pre: true, send: func(*peer) []byte { return make([]byte, 100) }},
		{name: "a length of five bytes", pre: true, send: func(*peer) []byte { return []byte{0x10, 0xff, 0xff, 0xff, 0xff, 1} }},
		{name: "an empty CONNECT", pre: true, send: func(*peer) []byte { return []byte{0x10, 0} }},
		{name: "a truncated CONNECT", pre: true, send: func(*peer) []byte { return frameOf(0x10, login.packet(false)[2:20]) }},
		{name: "a second CONNECT", send: func(*peer) []byte { return login.packet(false) }},
		{name: "more than 16 MiB", v5: true, send: func(*peer) []byte { return append([]byte{0x32}, varint(16<<20+1)...) }, code: 0x95},
		{name: "a length of five bytes later", send: func(*peer) []byte { return []byte{0x32, 0xff, 0xff, 0xff, 0xff, 1} }},
		{name: "QoS 3", send: func(*peer) []byte { return []byte{0x36, 0} }},
		{name: "packet id 0", v5: true, send: func(p *peer) []byte { return p.publishPacket(telemetryD1, "x", 1, 0, 0) }, code: 0x82},
		{name: "a wildcard in a topic", v5: true, send: func(p *peer) []byte { return p.publishPacket("org/acme/device/d1/+", "x", 1, 1, 0) }, code: 0x82},
		{name: "no topic", v5: true, send: func(p *peer) []byte { return p.publishPacket("", "x", 1, 1, 0) }, code: 0x82},
		{name: "a truncated PUBLISH", send: func(*peer) []byte { return frameOf(0x32, []byte{0, 200, 'x'}) }},
		{name: "QoS 2 on v5", v5: true, send: func(p *peer) []byte { return p.publishPacket(telemetryD1, "x", 2, 1, 0) }, code: 0x9B},
		{name: "QoS 2 on v3", send: func(p *peer) []byte { return p.publishPacket(telemetryD1, "x", 2, 1, 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newBox(t)
			p := x.dial(c.v5)
			if !c.pre {
				if code := p.login(login); code != 0 {
					t.Fatalf("login: %#x", code)
				}
			}
			p.send(c.send(p))
			got := p.gone()
			if c.code != 0 && (len(got) != 1 || got[0].kind() != 14 || got[0].body[0] != c.code) {
				t.Errorf("got %v, want DISCONNECT %#x", got, c.code)
			}
			for _, pk := range got {
				if pk.kind() == 4 || pk.kind() == 5 || (c.pre && pk.kind() == 2 && pk.body[1] == 0) {
					t.Errorf("the broker answered % x % x", pk.head, pk.body)
				}
			}
			if n := x.metric("panics_recovered_total"); n != 0 {
				t.Errorf("%v panics", n)
			}
			x.device(c.v5, "d2", "c").ping()
		})
	}
}

func FuzzConnection(f *testing.F) {
	x := newBox(f, func(o *Options) { o.Refused = func(Refusal) {}; o.Lifecycle = nil })
	good := connect{id: "c", user: "d1", password: "s-d1"}
	f.Add(true, []byte{0x82, 4, 0, 2, 0, 0})
	f.Add(false, (&peer{}).publishPacket(telemetryD1, "x", 1, 1, 0))
	f.Add(true, (&peer{v5: true}).publishPacket(telemetryD1, "x", 1, 1, 8))
	f.Add(true, []byte{0x30, 7, 0, 0, 3, 35, 0, 1, 'x'})
	f.Add(true, []byte{0xE0, 7, 0, 5, 17, 255, 255, 255, 255})
	f.Add(false, []byte{0x50, 2, 0, 1, 0x62, 2, 0, 1, 0x70, 2, 0, 1, 0xC0, 0})
	f.Fuzz(func(t *testing.T, v5 bool, data []byte) {
		p := dial(t, x.addr, v5)
		_, _ = p.Write(append(good.packet(v5), data...))
		_ = p.Conn.(*net.TCPConn).CloseWrite()
		p.gone()
		_ = p.Close()
		q := dial(t, x.addr, v5)
		if code := q.login(connect{id: "after", user: "d2", password: "s-d2"}); code != 0 {
			t.Fatalf("login: %#x", code)
		}
		q.ping()
		_ = q.Close()
	})
}

func TestNoConnectIsClosed(t *testing.T) {
	x := newBox(t, func(o *Options) { o.ConnectTimeout = 50 * time.Millisecond })
	p := x.dial(true)
	p.send([]byte{0x10, 60, 0}) // and no more
	if got := p.gone(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
	// A session is not held to that deadline.
	q := x.device(true, "d1", "c")
	x.dial(true).gone()
	q.ping()
}

func TestStrangersGiveWay(t *testing.T) {
	x := newBox(t, func(o *Options) { o.MaxConnections = 4; o.ConnectTimeout = time.Minute })
	a, b := x.device(true, "d1", "a"), x.device(true, "d1", "b")
	first := x.dial(true)
	x.dial(true)
	c := x.device(true, "d2", "c") // in the place of the first
	first.gone()
	x.device(true, "d2", "d") // the second goes
	a.ping()
	b.ping()
	c.ping()
	if got := x.dial(true).gone(); len(got) != 0 { // four sessions: full
		t.Errorf("got %v", got)
	}
	_ = a.Close()
	for { // the place is free once the broker has seen the end
		p := x.dial(true)
		p.send(connect{id: "e", user: "d1", password: "s-d1"}.packet(true))
		if _, err := p.read(); err == nil {
			break
		}
	}
}

func TestKeepalive(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		t.Parallel()
		x := newBox(t)
		p := x.dial(v5)
		p.send(connect{id: "c", user: "d1", password: "s-d1", keep: 43691}.packet(v5)) // times 1.5 is more than 16 bits
		ack := p.expect(2).body
		if ack[1] != 0 {
			t.Fatalf("login: %#x", ack[1])
		}
		p.ping()
		if want := []byte{19, maxServerKeep >> 8, maxServerKeep & 0xff}; v5 && !bytes.Contains(ack, want) {
			t.Errorf("CONNACK % x holds no server keepalive of %d s", ack, maxServerKeep)
		}
		q := x.dial(v5)
		if code := q.login(connect{id: "c", user: "d2", password: "s-d2", keep: 1}); code != 0 {
			t.Fatalf("login: %#x", code)
		}
		q.gone()
		x.until("timeout", func() bool {
			return strings.Contains(fmt.Sprint(x.lifecycle), "d2 offline keepalive_timeout")
		})
	})
}

// What MQTT 5 clients must know is advertised.
func TestConnackProperties(t *testing.T) {
	x := newBox(t)
	p := x.dial(true)
	p.send(connect{id: "c", user: "d1", password: "s-d1"}.packet(true))
	ack := p.expect(2).body
	for name, want := range map[string][]byte{
		"receive maximum":     {33, ReceiveMaximum >> 8, 0},
		"maximum QoS":         {36, 1},
		"topic alias maximum": {34, 0, maxAliases},
		"maximum packet size": binary.BigEndian.AppendUint32([]byte{39}, maxPacketSize),
	} {
		if !bytes.Contains(ack, want) {
			t.Errorf("CONNACK % x: no %s", ack, name)
		}
	}
}

// Large packets are read one after the other when they would take too much.
func TestLargePackets(t *testing.T) {
	x := newBox(t)
	payload := strings.Repeat("x", 1<<20)
	x.listener.large = newBudget(3 << 20) // one at a time
	peers := make([]*peer, 4)
	for i := range peers {
		p := x.device(i%2 == 0, "d1", fmt.Sprint(i))
		peers[i] = p
		go func() { _, _ = p.Write(p.publishPacket(telemetryD1, payload, 1, 1, 0)) }()
	}
	for _, m := range x.wal.taken(len(peers)) {
		if len(m.Payload) != len(payload) {
			t.Errorf("%d bytes", len(m.Payload))
		}
	}
	for _, p := range peers {
		p.ack()
		p.ping()
	}
	stop := make(chan struct{})
	time.AfterFunc(10*time.Second, func() { close(stop) })
	for _, p := range peers {
		_ = p.Close()
	}
	if n, ok := x.listener.large.acquire(3<<20, stop); !ok || n != 3<<20 { // all of it came back
		t.Errorf("acquired %d %v", n, ok)
	}
}

func TestBudget(t *testing.T) {
	b := newBudget(10)
	never := make(chan struct{})
	n, ok := b.acquire(100, never)
	if n != 10 || !ok {
		t.Fatalf("acquired %d %v", n, ok)
	}
	stop := make(chan struct{})
	got := make(chan bool)
	go func() { _, ok := b.acquire(1, stop); got <- ok }()
	close(stop)
	if <-got {
		t.Error("acquired from nothing")
	}
	go func() { _, ok := b.acquire(4, never); got <- ok }()
	b.release(10)
	if !<-got {
		t.Error("not acquired")
	}
	if n, ok := b.acquire(6, never); n != 6 || !ok {
		t.Errorf("acquired %d %v of the rest", n, ok)
	}
}

func TestTakenPort(t *testing.T) {
	x := newBox(t)
	b, err := New(Options{Listen: x.addr, Submitter: x.wal, Authenticator: x.registry, Devices: x.registry})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Start(context.Background())
	if err == nil {
		t.Fatal("listens on a taken port")
	}
	for _, want := range []string{x.addr, "taken", fmt.Sprint("pid ", os.Getpid()), "TIDEGATE_MQTT_LISTEN", "mqtt.listen"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %q", err, want)
		}
	}
}
