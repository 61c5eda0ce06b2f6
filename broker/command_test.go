package broker

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

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

// TestCommandRestart: another process goes on where the first one was.
func TestCommandRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "commands.db")
	f := newCommandFile(t, path)
	first := newBox(t, func(o *Options) { o.Commands = f })
	p := first.device(false, "d1", "c")
	p.subscribe(1, 1, commandD1)
	acked, sent := f.ackOne(first, p)
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
