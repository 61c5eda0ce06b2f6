package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

func versions(t *testing.T, f func(t *testing.T, v5 bool)) {
	for _, v5 := range []bool{false, true} {
		t.Run(map[bool]string{false: "v3", true: "v5"}[v5], func(t *testing.T) { f(t, v5) })
	}
}

func TestAckWaitsForTheDisk(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		x := newBox(t)
		x.wal.hold(true)
		p := x.device(v5, "d1", "c")
		p.publish(telemetryD1, `{"readings":[]}`, 1, 7)
		m := x.wal.taken(1)[0]
		if m.UID != 1 || m.OrgID != "acme" || m.DeviceID != "d1" || m.Principal != "device:d1" || m.Droppable || string(m.Payload) != `{"readings":[]}` {
			t.Errorf("submitted %+v", m)
		}
		p.ping() // answered, and no PUBACK came before
		x.wal.hold(false)
		if id, code := p.ack(); id != 7 || code != 0 {
			t.Errorf("ack of packet %d, code %#x", id, code)
		}
	})
}

func TestPipelining(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		x := newBox(t)
		x.wal.hold(true)
		p := x.device(v5, "d1", "c")
		const n = 1000
		var all []byte
		for i := 1; i <= n; i++ {
			all = append(all, p.publishPacket(telemetryD1, fmt.Sprint(i), 1, uint16(i), 0)...)
		}
		p.send(all)
		x.wal.taken(n)
		x.wal.hold(false)
		for i := 1; i <= n; i++ {
			if id, code := p.ack(); id != uint16(i) || code != 0 {
				t.Fatalf("ack %d: packet %d, code %#x", i, id, code)
			}
		}
		for i, m := range x.wal.taken(n) {
			if string(m.Payload) != fmt.Sprint(i+1) {
				t.Fatalf("message %d holds %s", i, m.Payload)
			}
		}
		p.ping()
	})
}

// Acks keep the order of the publishes also where one needs no disk and another
// is refused.
func TestAcksKeepTheOrderOfTopics(t *testing.T) {
	x := newBox(t)
	x.wal.hold(true)
	p := x.device(true, "d1", "c")
	p.publish(telemetryD1, "1", 1, 1)
	p.publish("org/acme/device/d1/cmdres", "2", 1, 2)
	p.publish("org/acme/device/d2/telemetry", "3", 1, 3)
	p.publish(telemetryD1, "4", 1, 4)
	p.ping()
	x.wal.taken(2)
	x.wal.hold(false)
	for i, want := range []byte{0, 0, 0x87, 0} {
		if id, code := p.ack(); id != uint16(i+1) || code != want {
			t.Errorf("ack %d: packet %d, code %#x", i+1, id, code)
		}
	}
}

func TestResentMessageIsStoredOnce(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		x := newBox(t)
		x.wal.hold(true)
		p := x.device(v5, "d1", "c")
		p.publish(telemetryD1, "a", 1, 1)
		p.send(p.publishPacket(telemetryD1, "a", 1, 1, 8))
		p.publish(telemetryD1, "b", 1, 2)
		x.wal.taken(2)
		p.ping()
		x.wal.hold(false)
		for want := uint16(1); want <= 2; want++ {
			if id, _ := p.ack(); id != want {
				t.Errorf("ack of %d, want %d", id, want)
			}
		}
		p.ping() // and no third ack
		if n := len(x.wal.taken(2)); n != 2 {
			t.Errorf("%d messages submitted, want 2", n)
		}
		// Once acked the id is free again, resent or not.
		p.send(p.publishPacket(telemetryD1, "c", 1, 1, 8))
		if id, _ := p.ack(); id != 1 {
			t.Errorf("ack of %d, want 1", id)
		}
	})
}

func TestV5ReceiveMaximum(t *testing.T) {
	x := newBox(t)
	x.wal.hold(true)
	p := x.device(true, "d1", "c")
	var all []byte
	for i := 1; i <= ReceiveMaximum; i++ {
		all = append(all, p.publishPacket(telemetryD1, "x", 1, uint16(i), 0)...)
	}
	p.send(all)
	p.ping()
	p.publish(telemetryD1, "x", 0, 0) // QoS 0 does not count
	p.ping()
	p.publish(telemetryD1, "x", 1, 5000)
	pk := p.expect(14)
	if pk.body[0] != 0x93 {
		t.Errorf("DISCONNECT % x, want 0x93", pk.body)
	}
	p.gone()
}

func TestV3WindowHoldsOneConnectionOnly(t *testing.T) {
	x := newBox(t)
	x.wal.hold(true)
	p, other := x.device(false, "d1", "c"), x.device(false, "d2", "c")
	const n = Window + 100
	sent := make(chan error, 1)
	go func() {
		var all []byte
		for i := 1; i <= n; i++ {
			all = append(all, p.publishPacket(telemetryD1, "x", 1, uint16(i), 0)...)
		}
		_, err := p.Write(all)
		sent <- err
	}()
	x.wal.taken(Window)
	other.ping()
	if got := len(x.wal.taken(Window)); got != Window {
		t.Errorf("%d messages taken, want %d", got, Window)
	}
	x.wal.hold(false)
	for i := 1; i <= n; i++ {
		if id, _ := p.ack(); id != uint16(i) {
			t.Fatalf("ack of %d, want %d", id, i)
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

func TestV3WindowClosesWhenNothingIsAcked(t *testing.T) {
	x := newBox(t, func(o *Options) { o.WindowWait = 50 * time.Millisecond })
	x.wal.hold(true)
	p := x.device(false, "d1", "c")
	var all []byte
	for i := 1; i <= Window+1; i++ {
		all = append(all, p.publishPacket(telemetryD1, "x", 1, uint16(i), 0)...)
	}
	p.send(all)
	if got := p.gone(); len(got) != 0 {
		t.Errorf("got %v before the end", got)
	}
	x.until("offline", func() bool { return len(x.lifecycle) == 2 && x.lifecycle[1] == "d1 offline window" })
}

func TestFullLogClosesTheConnection(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		x := newBox(t)
		p := x.device(v5, "d1", "c")
		x.wal.fail(fmt.Errorf("append: %w", store.ErrFull))
		p.publish(telemetryD1, "x", 0, 0) // shed
		p.ping()
		p.publish(telemetryD1, "x", 1, 1)
		got := p.gone()
		if v5 && (len(got) != 1 || got[0].kind() != 14 || got[0].body[0] != 0x97) {
			t.Errorf("got %v, want DISCONNECT 0x97", got)
		}
		if !v5 && len(got) != 0 {
			t.Errorf("got %v, want the end", got)
		}
		if l := x.lines(); len(l) != 1 || !strings.Contains(l[0], "log is full") {
			t.Errorf("lines %q", l)
		}
	})
}

// A message that cannot be put on disk after all is never acked.
func TestFailedMessageIsNotAcked(t *testing.T) {
	x := newBox(t)
	x.wal.hold(true)
	p := x.device(true, "d1", "c")
	p.publish(telemetryD1, "x", 1, 1)
	m := x.wal.taken(1)[0]
	m.Ack.Acked(m, errors.New("shutting down"))
	if got := p.gone(); len(got) != 0 {
		t.Errorf("got %v, want the end", got)
	}
}

// The client goes before its ack: nothing waits for it, and the resent message
// is submitted on the new connection.
func TestClientGoneBeforeItsAck(t *testing.T) {
	x := newBox(t)
	x.wal.hold(true)
	p := x.device(false, "d1", "c")
	p.publish(telemetryD1, "x", 1, 1)
	x.wal.taken(1)
	_ = p.Close()
	x.until("offline", func() bool { return len(x.lifecycle) == 2 })
	q := x.device(false, "d1", "c")
	q.send(q.publishPacket(telemetryD1, "x", 1, 1, 8))
	x.wal.taken(2)
	x.wal.hold(false)
	if id, _ := q.ack(); id != 1 {
		t.Errorf("ack of %d", id)
	}
	q.ping()
}

func TestCloseLetsAcksOut(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		x := newBox(t)
		x.wal.hold(true)
		p := x.device(v5, "d1", "c")
		p.publish(telemetryD1, "x", 1, 1)
		x.wal.taken(1)
		idle := x.dial(v5) // never says CONNECT
		closed := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			closed <- x.Close(ctx)
		}()
		idle.gone()
		x.wal.hold(false)
		if id, _ := p.ack(); id != 1 {
			t.Errorf("ack of %d", id)
		}
		got := p.gone()
		if v5 && (len(got) != 1 || got[0].kind() != 14 || got[0].body[0] != 0x8B) {
			t.Errorf("got %v, want DISCONNECT 0x8B", got)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if err := x.Close(context.Background()); err != nil {
			t.Errorf("second Close: %v", err)
		}
		x.until("offline", func() bool { return x.lifecycle[len(x.lifecycle)-1] == "d1 offline shutdown" })
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	x := newBox(t)
	x.wal.hold(true)
	p := x.device(true, "d1", "c")
	p.publish(telemetryD1, "x", 1, 1)
	x.wal.taken(1)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := x.Close(ctx); err != nil {
		t.Error(err)
	}
	for _, pk := range p.gone() {
		if pk.kind() == 4 {
			t.Error("acked what is not on disk")
		}
	}
}
