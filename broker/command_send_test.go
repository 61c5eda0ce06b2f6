package broker

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/store"
)

// TestCommandOrder: commands come in their order, a few at a time, and each is
// followed by the next.
func TestCommandOrder(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		x, f := withCommands(t)
		var want []string
		for i := range 40 {
			want = append(want, x.tell(fmt.Sprint("n", i)).ID)
		}
		p := x.device(v5, "d1", "c")
		p.subscribe(1, 1, commandD1+"/#")
		var got []string
		var owed []uint16
		for len(got) < len(want) {
			for len(owed) < min(commandWindow, len(want)-len(got)+len(owed)) {
				_, id, packet := p.told()
				got, owed = append(got, id), append(owed, packet)
			}
			p.ping() // and no more
			for range 5 {
				if len(owed) > 0 {
					p.puback(owed[0])
					owed = owed[1:]
				}
			}
		}
		for i, id := range want {
			if got[i] != id {
				t.Fatalf("command %d is %s, want %s", i, got[i], id)
			}
		}
		for _, packet := range owed {
			p.puback(packet)
		}
		for _, id := range want {
			f.becomes(id, store.CommandAcked)
		}
	})
}

// TestCommandAgain: what was not acked comes again on the next connection, once,
// whether the session was stored or not, and what was acked does not.
func TestCommandAgain(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		for name, hello := range map[string]connect{
			"clean":  {id: "c", user: "d1", password: "s-d1"},
			"stored": {id: "c", user: "d1", password: "s-d1", stored: true, expiry: 60},
		} {
			x, f := withCommands(t)
			p := x.dial(v5)
			p.login(hello)
			p.subscribe(1, 1, commandD1)
			_, two := f.ackOne(x, p)
			_ = p.Close()
			x.until("offline", func() bool { return len(x.lifecycle) == 2 })
			three := x.tell("three") // while nobody is there
			p = x.dial(v5)
			p.login(hello)
			if name == "clean" {
				p.ping() // nothing comes before it is asked for
				p.subscribe(1, 1, commandD1)
			}
			for i, want := range []string{two.ID, three.ID} {
				if _, id, packet := p.told(); id != want {
					t.Errorf("%s: message %d is %s, want %s", name, i, id, want)
				} else {
					p.puback(packet)
				}
			}
			p.ping() // and nothing else
			if c := f.becomes(two.ID, store.CommandAcked); c.Sent != 2 {
				t.Errorf("%s: sent %d times", name, c.Sent)
			}
			f.becomes(three.ID, store.CommandAcked)
		}
	})
}

// TestCommandConnections: each connection of a device that listens gets it; one
// that goes leaves it to another; without acks the answer is enough.
func TestCommandConnections(t *testing.T) {
	x, f := withCommands(t)
	a := x.device(false, "d1", "a")
	a.subscribe(1, 1, commandD1)
	c := x.tell("one")
	a.told()
	f.becomes(c.ID, store.CommandSent)
	b := x.device(true, "d1", "b")
	b.subscribe(1, 0, commandD1+"/#")
	b.ping() // the first has it
	_ = a.Close()
	if _, id, packet := b.told(); id != c.ID || packet != 0 {
		t.Errorf("got %s with packet id %d", id, packet)
	}
	b.publish(resultD1, answerOf(c.ID, "ok", "null"), 0, 0)
	f.becomes(c.ID, store.CommandDone)
	a = x.device(false, "d1", "a")
	a.subscribe(1, 1, "$share/g/"+commandD1)
	one := c
	c = x.tell("two")
	if _, id, _ := a.told(); id != c.ID {
		t.Errorf("the first got %s", id)
	}
	_, id, _ := b.told()
	for id == one.ID { // it may have been handed out as the first went and the second came
		_, id, _ = b.told()
	}
	if id != c.ID {
		t.Errorf("the second got %s", id)
	}
	for range commandWindow + 4 { // those without an ack fill no window
		want := x.tell("more")
		if _, id, _ := b.told(); id != want.ID {
			t.Fatalf("got %s, want %s", id, want.ID)
		}
		_, _, packet := a.told()
		a.puback(packet)
	}
}

// TestCommandWithdrawn: nobody gets it any more.
func TestCommandWithdrawn(t *testing.T) {
	x, f := withCommands(t)
	c := x.tell("open-valve")
	got, err := x.WithdrawCommand(t.Context(), 1, c.ID, "user:ann")
	if err != nil || got.State != store.CommandExpired || got.Detail != "withdrawn by user:ann" {
		t.Fatal(got, err)
	}
	f.becomes(c.ID, store.CommandExpired)
	if _, err := x.WithdrawCommand(t.Context(), 1, c.ID, "user:ann"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("again: %v", err)
	}
	for _, uid := range []uint32{1, 2} {
		if _, err := x.WithdrawCommand(t.Context(), uid, "nothing", "user:ann"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of device %d: %v", uid, err)
		}
	}
	p := x.device(false, "d1", "c")
	p.subscribe(1, 1, commandD1)
	p.ping()
	one := x.tell("one")
	if _, id, _ := p.told(); id != one.ID {
		t.Errorf("got %s", id)
	}
	if err := x.DropCommands(t.Context(), 1, "the device was retired", false); err != nil {
		t.Fatal(err)
	}
	if c := f.becomes(one.ID, store.CommandExpired); c.Detail != "the device was retired" {
		t.Errorf("dropped: %+v", c)
	}
	if err := x.DropCommands(t.Context(), 1, "the device was deleted", true); err != nil {
		t.Fatal(err)
	}
	if left, err := f.ListCommands(t.Context(), store.CommandFilter{UID: 1, Limit: 10}); err != nil || len(left) != 0 {
		t.Errorf("%d are left, %v", len(left), err)
	}
}

// TestCommandLimits: what is too much, or wrong, is refused, and nothing of it
// is kept.
func TestCommandLimits(t *testing.T) {
	x, f := withCommands(t)
	for name, try := range map[string]struct {
		name, params string
		within       time.Duration
		says         string
	}{
		"a name":       {"re boot", "", time.Hour, "name"},
		"no JSON":      {"x", "{", time.Hour, "not JSON"},
		"not UTF-8":    {"x", "\"\xff\"", time.Hour, "not JSON in UTF-8"},
		"too deep":     {"x", strings.Repeat("[", 101) + strings.Repeat("]", 101), time.Hour, "100 deep"},
		"too long":     {"x", `"` + strings.Repeat("x", store.MaxCommandBytes) + `"`, time.Hour, "65538 bytes"},
		"over already": {"x", "", -time.Second, "must be after"},
		"too far away": {"x", "", store.MaxCommandWait + time.Hour, "30 days"},
	} {
		if _, err := x.command(try.name, try.params, try.within); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), try.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.set(false, fmt.Errorf("write it: %w", store.ErrFull))
	if _, err := x.command("x", "", time.Hour); !errors.Is(err, store.ErrFull) {
		t.Errorf("on a full disk: %v", err)
	}
	f.set(false, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	refused := 0
	for i := range store.MaxOpenCommands + 5 {
		wg.Go(func() {
			_, err := x.command(fmt.Sprint("n", i), "", time.Hour)
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, store.ErrConflict) && strings.Contains(err.Error(), "100 commands that are open already") {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	kept, err := f.OpenCommands(t.Context())
	if err != nil || refused != 5 || len(kept) != store.MaxOpenCommands {
		t.Errorf("%d refused, %d kept, %v", refused, len(kept), err)
	}
}
