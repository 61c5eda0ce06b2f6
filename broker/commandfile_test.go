package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
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

// ackOne tells a device two things; it acks the first alone.
func (f *commandFile) ackOne(x *box, p *peer) (acked, sent store.Command) {
	f.t.Helper()
	acked, sent = x.tell("acked"), x.tell("sent")
	_, _, packet := p.told()
	p.told()
	p.puback(packet)
	return f.becomes(acked.ID, store.CommandAcked), f.becomes(sent.ID, store.CommandSent)
}
