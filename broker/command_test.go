package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/store"
	"tidegate/store/embedded"
)

// commandFile is a file of commands that can be held, so that nothing gets on
// disk, and be full.
type commandFile struct {
	store.Commands
	t       testing.TB
	mu      sync.Mutex
	changed *sync.Cond
	held    bool
	err     error
}

func newCommandFile(t testing.TB, path string) *commandFile {
	t.Helper()
	c, err := embedded.OpenCommands(path, embedded.CommandsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	f := &commandFile{Commands: c, t: t}
	f.changed = sync.NewCond(&f.mu)
	return f
}

func (f *commandFile) PutCommands(ctx context.Context, c []store.Command) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.held {
		f.changed.Wait()
	}
	if f.err != nil {
		return f.err
	}
	defer f.changed.Broadcast()
	return f.Commands.PutCommands(ctx, c)
}

func (f *commandFile) set(held bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held, f.err = held, err
	f.changed.Broadcast()
}

// becomes waits until the file says so of a command of device d1.
func (f *commandFile) becomes(id string, state store.CommandState) store.Command {
	f.t.Helper()
	late := false
	timer := time.AfterFunc(20*time.Second, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		late = true
		f.changed.Broadcast()
	})
	defer timer.Stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		c, err := f.Command(context.Background(), 1, id)
		if err == nil && c.State == state {
			return c
		}
		if late {
			f.t.Fatalf("command %s is %q (%v), want %s", id, c.State, err, state)
		}
		f.changed.Wait()
	}
}

func withCommands(t testing.TB) (*box, *commandFile) {
	t.Helper()
	f := newCommandFile(t, filepath.Join(t.TempDir(), "commands.db"))
	return newBox(t, func(o *Options) { o.Commands = f }), f
}

// command tells device d1 to do something within a time.
func (x *box) command(name, params string, within time.Duration) (store.Command, error) {
	c := store.Command{UID: 1, OrgID: "acme", DeviceID: "d1", Name: name, Actor: "test", ExpiresAt: store.Time(time.Now().Add(within).UnixMilli())}
	if params != "" {
		c.Params = json.RawMessage(params)
	}
	return x.SendCommand(context.Background(), c)
}

func (x *box) tell(name string) store.Command {
	x.t.Helper()
	c, err := x.command(name, "", time.Hour)
	if err != nil {
		x.t.Fatal(err)
	}
	return c
}

const (
	commandD1 = "org/acme/device/d1/command"
	resultD1  = "org/acme/device/d1/cmdres"
)

// told reads a command, and answers what it is and its packet id.
func (p *peer) told() (name, id string, packet uint16) {
	p.t.Helper()
	topic, payload, packet, _ := p.message()
	var c struct{ ID, Name string }
	if err := json.Unmarshal([]byte(payload), &c); err != nil || topic != commandD1 {
		p.t.Fatalf("%s: %s", topic, payload)
	}
	return c.Name, c.ID, packet
}

func (p *peer) puback(id uint16) {
	p.t.Helper()
	p.send([]byte{0x40, 2, byte(id >> 8), byte(id)})
}

func answerOf(id, status, result string) string {
	return fmt.Sprintf(`{"id":%q,"status":%q,"result":%s}`, id, status, result)
}

// TestCommand: from queued to done, each step on disk, and the answer acked
// only then.
func TestCommand(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		x, f := withCommands(t)
		c, err := x.command("set-relay", `{"relay": 2, "on": true}`, time.Hour)
		if err != nil || c.State != store.CommandQueued {
			t.Fatal(c, err)
		}
		f.becomes(c.ID, store.CommandQueued)
		p := x.device(v5, "d1", "c")
		p.subscribe(1, 1, commandD1)
		topic, payload, packet, retained := p.message()
		want := fmt.Sprintf(`{"id":%q,"name":"set-relay","params":{"relay":2,"on":true},"expiresAt":%q}`, c.ID, c.ExpiresAt.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
		if topic != commandD1 || payload != want || packet == 0 || retained {
			t.Fatalf("%s\n%s\nwant\n%s", topic, payload, want)
		}
		if c := f.becomes(c.ID, store.CommandSent); c.Sent != 1 || c.SentAt == 0 || c.AckedAt != 0 {
			t.Errorf("sent: %+v", c)
		}
		p.puback(packet)
		if c := f.becomes(c.ID, store.CommandAcked); c.AckedAt == 0 || c.EndedAt != 0 {
			t.Errorf("acked: %+v", c)
		}
		f.set(true, nil)
		p.publish(resultD1, answerOf(c.ID, "ok", `{"was": [1, null]}`), 1, 7)
		p.ping() // nothing is acked before it
		f.set(false, nil)
		if id, code := p.ack(); id != 7 || code != 0 {
			t.Errorf("PUBACK %d, code %#x", id, code)
		}
		if c := f.becomes(c.ID, store.CommandDone); string(c.Result) != `{"was":[1,null]}` || c.EndedAt == 0 || c.Detail != "" {
			t.Errorf("done: %+v", c)
		}
		// Said again, and otherwise: the first counts.
		p.publish(resultD1, answerOf(c.ID, "error", `1`), 1, 8)
		p.ack()
		if c := f.becomes(c.ID, store.CommandDone); string(c.Result) != `{"was":[1,null]}` {
			t.Errorf("answered twice: %+v", c)
		}
		failed := x.tell("calibrate")
		_, id, packet := p.told()
		p.publish(resultD1, answerOf(id, "error", `"no reference"`), 0, 0)
		if c := f.becomes(failed.ID, store.CommandFailed); id != c.ID || string(c.Result) != `"no reference"` {
			t.Errorf("failed: %+v", c)
		}
		p.puback(packet) // late, and of no matter
		p.ping()
		f.becomes(failed.ID, store.CommandFailed)
		if err := x.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := x.commands.open.Load(); n != 0 {
			t.Errorf("%d are open in memory", n)
		}
	})
}

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
			one, two := x.tell("one"), x.tell("two")
			_, _, packet := p.told()
			p.told()
			p.puback(packet)
			f.becomes(one.ID, store.CommandAcked)
			f.becomes(two.ID, store.CommandSent)
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

// TestCommandAckOvertakes: an ack that is faster than the word of the write
// leaves no hole: what was acked had gone out.
func TestCommandAckOvertakes(t *testing.T) {
	x, f := withCommands(t)
	p := x.device(true, "d1", "c")
	p.subscribe(1, 1, commandD1)
	for range 20 {
		c := x.tell("now")
		_, _, packet := p.told()
		p.puback(packet)
		if c = f.becomes(c.ID, store.CommandAcked); c.Sent != 1 || c.SentAt == 0 || c.SentAt > c.AckedAt {
			t.Fatalf("sent %d times, at %d, and acked at %d", c.Sent, c.SentAt, c.AckedAt)
		}
		p.publish(resultD1, answerOf(c.ID, "ok", "1"), 1, 7)
		p.ack()
		if c = f.becomes(c.ID, store.CommandDone); c.Sent != 1 {
			t.Fatalf("sent %d times after the end", c.Sent)
		}
	}
}

// TestCommandRestart: another process goes on where the first one was.
func TestCommandRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "commands.db")
	f := newCommandFile(t, path)
	first := newBox(t, func(o *Options) { o.Commands = f })
	p := first.device(false, "d1", "c")
	p.subscribe(1, 1, commandD1)
	acked, sent := first.tell("acked"), first.tell("sent")
	_, _, packet := p.told()
	p.told()
	p.puback(packet)
	f.becomes(acked.ID, store.CommandAcked)
	f.becomes(sent.ID, store.CommandSent)
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := first.command("late", "", time.Hour); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("after the end: %v", err)
	}

	second := newBox(t, func(o *Options) {
		o.Commands, o.Now = f, func() time.Time { return time.Now().Add(-time.Hour) } // a clock that forgot
	})
	p = second.device(true, "d1", "c")
	p.subscribe(1, 1, commandD1)
	if _, id, _ := p.told(); id != sent.ID {
		t.Errorf("got %s, want what was not acked, %s", id, sent.ID)
	}
	p.publish(resultD1, answerOf(acked.ID, "ok", `1`), 1, 1)
	p.ack()
	f.becomes(acked.ID, store.CommandDone)
	if late := second.tell("new"); late.ID <= sent.ID {
		t.Errorf("id %s is not behind %s", late.ID, sent.ID)
	}
}

// TestCommandExpires: what is too old is not sent any more; a late answer is
// kept, and changes no end.
func TestCommandExpires(t *testing.T) {
	versions(t, func(t *testing.T, v5 bool) {
		x, f := withCommands(t)
		hello := connect{id: "c", user: "d1", password: "s-d1", stored: true, expiry: 60}
		p := x.dial(v5)
		p.login(hello)
		p.subscribe(1, 1, commandD1)
		sent, err := x.command("sent", "", 1500*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		p.told()
		_ = p.Close() // not acked: the session has it
		x.until("offline", func() bool { return len(x.lifecycle) == 2 })
		queued, err := x.command("queued", "", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if c := f.becomes(queued.ID, store.CommandExpired); !strings.Contains(c.Detail, "not connected") || c.EndedAt < c.ExpiresAt {
			t.Errorf("queued: %+v", c)
		}
		if c := f.becomes(sent.ID, store.CommandExpired); !strings.Contains(c.Detail, "neither acked nor answered") {
			t.Errorf("sent: %+v", c)
		}
		p = x.dial(v5)
		p.login(hello)
		fresh := x.tell("fresh")
		if _, id, _ := p.told(); id != fresh.ID {
			t.Errorf("got %s", id)
		}
		p.publish(resultD1, answerOf(sent.ID, "ok", `true`), 1, 3)
		p.ack()
		if c := f.becomes(sent.ID, store.CommandExpired); string(c.Result) != "true" || !strings.Contains(c.Detail, "the device answered ok afterwards") {
			t.Errorf("late: %+v", c)
		}
	})
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

// TestCommandAnswers: an answer that says nothing is told of, and acked, so that
// the device does not send it for ever.
func TestCommandAnswers(t *testing.T) {
	x, f := withCommands(t)
	c := x.tell("one")
	p := x.device(true, "d1", "c")
	other := x.device(true, "d2", "c")
	for i, try := range []struct{ payload, says string }{
		{`{`, "is not"},
		{`{"id":"x","status":"fine"}`, `"ok" or "error"`},
		{`{"status":"ok"}`, "is not"},
		{answerOf("nothing", "ok", "1"), "command nothing, which it was not given"},
	} {
		p.publish(resultD1, try.payload, 1, uint16(i+1))
		if id, code := p.ack(); id != uint16(i+1) || code != 0 {
			t.Errorf("%s: PUBACK %d, code %#x", try.payload, id, code)
		}
		if lines := x.lines(); len(lines) != i+1 || !strings.Contains(lines[i], try.says) || !strings.Contains(lines[i], `user "d1"`) {
			t.Errorf("%s: %q", try.payload, lines)
		}
	}
	other.publish("org/acme/device/d2/cmdres", answerOf(c.ID, "ok", "1"), 1, 1)
	other.ack()
	f.becomes(c.ID, store.CommandQueued)
	// Too much to be kept is no reason to lose what it says.
	big := `"` + strings.Repeat("x", store.MaxCommandBytes) + `"`
	p.publish(resultD1, answerOf(c.ID, "error", big), 1, 9)
	p.ack()
	if c := f.becomes(c.ID, store.CommandFailed); string(c.Result) != "null" || !strings.Contains(c.Detail, "65538 bytes is not kept") {
		t.Errorf("a large result: %+v", c)
	}
	// Of MQTT 5: no to the message itself.
	p.subscribe(10, 1, commandD1)
	no := x.tell("no")
	_, _, packet := p.told()
	p.send([]byte{0x40, 3, byte(packet >> 8), byte(packet), 0x83})
	if c := f.becomes(no.ID, store.CommandFailed); !strings.Contains(c.Detail, "reason code 0x83") {
		t.Errorf("refused: %+v", c)
	}
}

// TestCommandFullDisk: an answer that cannot be kept is not acked; the device
// comes back with it.
func TestCommandFullDisk(t *testing.T) {
	x, f := withCommands(t)
	c := x.tell("one")
	p := x.device(false, "d1", "c")
	f.set(false, fmt.Errorf("write it: %w", store.ErrFull))
	p.publish(resultD1, answerOf(c.ID, "ok", "5"), 1, 4)
	for _, pk := range p.gone() {
		if pk.kind() == 4 {
			t.Error("it was acked")
		}
	}
	f.set(false, nil)
	p = x.device(false, "d1", "c")
	p.publish(resultD1, answerOf(c.ID, "ok", "5"), 1, 4)
	p.ack()
	if c := f.becomes(c.ID, store.CommandDone); string(c.Result) != "5" {
		t.Errorf("%+v", c)
	}
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
