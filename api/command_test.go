package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"tidegate/api/client"
	"tidegate/broker"
	"tidegate/ingest"
	"tidegate/store"
	"tidegate/store/embedded"
)

// dispatch is a broker with the file of its commands.
type dispatch struct {
	*broker.Broker
	kept *embedded.Commands
}

// give lets a server have it; use it as a change of newBox.
func (d *dispatch) give(t testing.TB) func(*Options) {
	return func(o *Options) {
		d.kept = must[*embedded.Commands](t)(embedded.OpenCommands(filepath.Join(t.TempDir(), "commands.db"), embedded.CommandsOptions{}))
		registry, _ := o.Admin.o.Registry.(*ingest.Registry)
		d.Broker = must[*broker.Broker](t)(broker.New(broker.Options{
			Listen: "127.0.0.1:0", Submitter: o.Pipeline, Authenticator: registry, Devices: registry, Commands: d.kept, Logger: o.Logger,
		}))
		if err := d.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if err := errors.Join(d.Close(grace), d.kept.Close()); err != nil {
				t.Errorf("close the broker: %v", err)
			}
		})
		o.Commands, o.Dispatcher, o.Admin.o.DropCommands = d.kept, d.Broker, d.DropCommands
		cut := o.Admin.o.Disconnect
		o.Admin.o.Disconnect = func(id, reason string) {
			cut(id, reason)
			d.Disconnect(id, reason)
		}
	}
}

// commanding answers a box that has commands, and a sample device.
func commanding(t *testing.T) (*box, *dispatch) {
	t.Helper()
	d := &dispatch{}
	return newBox(t, d.give(t)).withSample(t), d
}

// device connects d1, which answers each command with what answer says of it;
// empty: with nothing.
func (d *dispatch) device(t *testing.T, answer func(id, name string, params json.RawMessage) string) {
	t.Helper()
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + d.Addr().String()).SetClientID("board").SetUsername("d1").SetPassword("S").SetAutoReconnect(false))
	ended := func(what string, token mqtt.Token) {
		t.Helper()
		<-token.Done()
		if err := token.Error(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	ended("connect", c.Connect())
	t.Cleanup(func() { c.Disconnect(0) })
	ended("subscribe", c.Subscribe("org/acme/device/d1/command", 1, func(c mqtt.Client, m mqtt.Message) {
		var order struct {
			ID, Name string
			Params   json.RawMessage
		}
		if err := json.Unmarshal(m.Payload(), &order); err != nil {
			t.Errorf("the device got %s: %v", m.Payload(), err)
			return
		}
		if said := answer(order.ID, order.Name, order.Params); said != "" {
			c.Publish("org/acme/device/d1/cmdres", 1, false, said)
		}
	}))
}

// ended waits until a command of d1 has.
func (b *box) ended(t *testing.T, id string) (c client.Command) {
	t.Helper()
	waitFor(t, func() bool {
		c = must[client.Command](t)(b.local.Command(t.Context(), "d1", id))
		return !c.State.Open()
	})
	return c
}

// TestCommands: what a device is told, and what it answers, is as the one who
// asks reads it.
func TestCommands(t *testing.T) {
	b, d := commanding(t)
	ctx, ann := t.Context(), b.remote(t, b.ann(t).AccessToken)
	before := time.Now().Truncate(time.Millisecond)
	const params = `{"delay":5,"Delay":null,"big":9007199254740993,"list":[null,{"a":{}}]}`
	c := must[client.Command](t)(ann.SendCommand(ctx, "d1", client.NewCommand{Name: "reboot", Params: json.RawMessage(" " + strings.Replace(params, ",", " ,\n", 1)), ExpiresIn: "1d"}))
	if c.State != store.CommandQueued || c.OrgID != "acme" || c.DeviceID != "d1" || c.Name != "reboot" || string(c.Params) != params || c.CreatedBy != "user:ann@example.org" ||
		c.Sent != 0 || c.SentAt != nil || c.AcknowledgedAt != nil || c.EndedAt != nil || c.Result != nil || c.Detail != "" ||
		c.CreatedAt.Time().Before(before) || c.ExpiresAt.Time().Sub(c.CreatedAt.Time()).Round(time.Minute) != 24*time.Hour {
		t.Errorf("made: %+v", c)
	}
	if got := must[client.Command](t)(b.local.Command(ctx, "d1", c.ID)); fmt.Sprint(got) != fmt.Sprint(c) {
		t.Errorf("read: %+v\nmade: %+v", got, c)
	}
	plain := must[client.Command](t)(b.local.SendCommand(ctx, "d1", client.NewCommand{Name: "plain"}))
	if plain.Params != nil || plain.ExpiresAt.Time().Sub(plain.CreatedAt.Time()).Round(time.Minute) != time.Hour {
		t.Errorf("with a name alone: %+v", plain)
	}
	until := store.Time(time.Now().Add(2 * time.Hour).UnixMilli())
	wrong := must[client.Command](t)(b.local.SendCommand(ctx, "d1", client.NewCommand{Name: "wrong", ExpiresAt: &until, Params: json.RawMessage("null")}))
	if wrong.ExpiresAt != until || string(wrong.Params) != "null" {
		t.Errorf("with a time: %+v", wrong)
	}

	d.device(t, func(id, name string, params json.RawMessage) string {
		if name == "wrong" {
			return `{"id":"` + id + `","status":"error","result":"no such thing"}`
		}
		return `{"id":"` + id + `","status":"ok","result":{"echo":` + string(params) + `}}`
	})
	c = b.ended(t, c.ID)
	if c.State != store.CommandDone || string(c.Result) != `{"echo":`+params+`}` || c.Sent < 1 || c.SentAt == nil || c.EndedAt == nil || c.Detail != "" {
		t.Errorf("answered: %+v", c)
	}
	if plain = b.ended(t, plain.ID); plain.State != store.CommandDone || string(plain.Result) != `{"echo":{}}` {
		t.Errorf("without params: %+v", plain)
	}
	if wrong = b.ended(t, wrong.ID); wrong.State != store.CommandFailed || string(wrong.Result) != `"no such thing"` {
		t.Errorf("answered with an error: %+v", wrong)
	}
}

// TestCommandList: newest first, in pages, by state, of one device.
func TestCommandList(t *testing.T) {
	b, _ := commanding(t)
	ctx := t.Context()
	must[client.Device](t)(b.local.CreateDevice(ctx, client.NewDevice{ID: "d2", OrgID: "acme"}))
	must[client.Command](t)(b.local.SendCommand(ctx, "d2", client.NewCommand{Name: "other"}))
	var ids []string // newest first
	for i := range 7 {
		c := must[client.Command](t)(b.local.SendCommand(ctx, "d1", client.NewCommand{Name: fmt.Sprint("n", i)}))
		ids = slices.Insert(ids, 0, c.ID)
	}
	for _, i := range []int{1, 4} {
		c := must[client.Command](t)(b.local.WithdrawCommand(ctx, "d1", ids[i]))
		if c.State != store.CommandExpired || !strings.HasPrefix(c.Detail, "withdrawn by ") || c.EndedAt == nil {
			t.Errorf("withdrawn: %+v", c)
		}
	}
	list := func(state store.CommandState, limit int) (got []string) {
		err := client.All(ctx, func(ctx context.Context, p client.Page) (client.List[client.Command], error) {
			p.Limit = limit
			return b.local.Commands(ctx, client.CommandQuery{DeviceID: "d1", State: state, Page: p})
		}, func(c client.Command) error { got = append(got, c.ID); return nil })
		if err != nil {
			t.Error(err)
		}
		return got
	}
	for _, limit := range []int{1, 3, 7, 100} {
		if got := list("", limit); !slices.Equal(got, ids) {
			t.Errorf("in pages of %d: %v, want %v", limit, got, ids)
		}
		if got := list(store.CommandExpired, limit); !slices.Equal(got, []string{ids[1], ids[4]}) {
			t.Errorf("expired, in pages of %d: %v", limit, got)
		}
	}
	if got := list(store.CommandDone, 10); got != nil {
		t.Errorf("done: %v", got)
	}
	if l := must[client.List[client.Command]](t)(b.local.Commands(ctx, client.CommandQuery{DeviceID: "d1", Page: client.Page{Limit: 7}})); l.NextCursor != "" {
		t.Errorf("the last page goes on at %q", l.NextCursor)
	}
}

// TestCommandsRefused: nothing of it is in the trail, and the device gets none.
func TestCommandsRefused(t *testing.T) {
	b, d := commanding(t)
	ctx, token := t.Context(), b.ann(t).AccessToken
	must[client.Device](t)(b.local.CreateDevice(ctx, client.NewDevice{ID: "old", OrgID: "acme"}))
	must[client.Device](t)(b.local.RetireDevice(ctx, "old"))
	over := must[client.Command](t)(b.local.SendCommand(ctx, "d1", client.NewCommand{Name: "over"}))
	must[client.Command](t)(b.local.WithdrawCommand(ctx, "d1", over.ID))
	before := len(b.trail(t))
	soon := time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
	const all = "/api/v1/devices/d1/commands"
	for _, tt := range []struct {
		name, method, path, body string
		want                     int
		says                     string
	}{
		{"no name", "POST", all, `{}`, 422, "name"},
		{"an empty one", "POST", all, `{"name":""}`, 422, "name"},
		{"a name with blanks", "POST", all, `{"name":"re boot"}`, 422, "name"},
		{"a long one", "POST", all, `{"name":"` + strings.Repeat("x", 65) + `"}`, 422, "name"},
		{"null for a name", "POST", all, `{"name":null}`, 400, "null"},
		{"null for a time", "POST", all, `{"name":"x","params":{"a":null},"expiresAt":null}`, 400, "null at byte 48"},
		{"another key", "POST", all, `{"name":"x","timeout":5}`, 422, "timeout"},
		{"params twice", "POST", all, `{"name":"x","params":1,"Params":2}`, 400, "twice"},
		{"a key of params twice", "POST", all, `{"name":"x","params":{"a":{"b":1,"b":1}}}`, 400, `\"b\" is there twice`},
		{"a number too large", "POST", all, `{"name":"x","params":1e999}`, 400, "out of range"},
		{"params that are no JSON", "POST", all, `{"name":"x","params":{]}`, 400, "invalid character"},
		{"params too long", "POST", all, `{"name":"x","params":"` + strings.Repeat("x", store.MaxCommandBytes-1) + `"}`, 422, "have 65537 bytes; at most 65536"},
		{"params too deep", "POST", all, `{"name":"x","params":` + strings.Repeat("[", 101) + strings.Repeat("]", 101) + `}`, 422, "too deep; at most 100"},
		{"both", "POST", all, `{"name":"x","expiresIn":"1m","expiresAt":"` + soon + `"}`, 422, "not both"},
		{"no duration", "POST", all, `{"name":"x","expiresIn":"soon"}`, 422, "body.expiresIn"},
		{"too short", "POST", all, `{"name":"x","expiresIn":"999ms"}`, 422, "is not a duration from 1s to 30d"},
		{"backwards", "POST", all, `{"name":"x","expiresIn":"-1h"}`, 422, "is not a duration"},
		{"too long", "POST", all, `{"name":"x","expiresIn":"721h"}`, 422, "is not a duration from 1s to 30d"},
		{"over already", "POST", all, `{"name":"x","expiresAt":"2020-01-01T00:00:00Z"}`, 422, "is over already"},
		{"too late", "POST", all, `{"name":"x","expiresAt":"2999-01-01T00:00:00Z"}`, 422, "more than 30 days"},
		{"an empty body", "POST", all, ``, 400, "empty"},
		{"a parameter", "POST", all + "?wait=true", `{"name":"x"}`, 422, "query.wait"},
		{"an unknown device", "POST", "/api/v1/devices/d9/commands", `{"name":"x"}`, 404, "d9"},
		{"a retired one", "POST", "/api/v1/devices/old/commands", `{"name":"x"}`, 409, "is retired and gets no commands"},
		{"a state", "GET", all + "?state=open", "", 422, "query.state"},
		{"a cursor", "GET", all + "?cursor=*", "", 422, "is not a nextCursor"},
		{"a limit", "GET", all + "?limit=1001", "", 422, "query.limit"},
		{"those of an unknown device", "GET", "/api/v1/devices/d9/commands", "", 404, "d9"},
		{"an unknown command", "GET", all + "/nothing", "", 404, `command \"nothing\"`},
		{"a command of another device", "GET", "/api/v1/devices/old/commands/" + over.ID, "", 404, over.ID},
		{"withdrawn: unknown", "DELETE", all + "/nothing", "", 404, "nothing"},
		{"withdrawn: over", "DELETE", all + "/" + over.ID, "", 409, "is expired"},
		{"withdrawn: of another device", "DELETE", "/api/v1/devices/old/commands/" + over.ID, "", 404, over.ID},
	} {
		kind := ""
		if tt.body != "" {
			kind = "application/json"
		}
		if resp, body := b.do(t, tt.method, tt.path, token, kind, tt.body); resp.StatusCode != tt.want || !strings.Contains(body, tt.says) {
			t.Errorf("%s: %d %.300s, want %d with %q", tt.name, resp.StatusCode, body, tt.want, tt.says)
		}
	}
	if trail := b.trail(t); len(trail) != before {
		t.Errorf("the trail has %v", trail[before:])
	}
	if open := must[[]store.Command](t)(d.kept.OpenCommands(ctx)); len(open) != 0 {
		t.Errorf("%+v were made", open)
	}
	for _, deep := range []string{`"` + strings.Repeat("x", store.MaxCommandBytes-2) + `"`, strings.Repeat("[", 100) + strings.Repeat("]", 100)} {
		if resp, body := b.do(t, "POST", all, token, "application/json", `{"name":"x","params":  `+deep+` }`); resp.StatusCode != http.StatusCreated {
			t.Errorf("params of %d bytes: %d %.300s", len(deep), resp.StatusCode, body)
		}
	}
}

// trail answers the entries of the audit trail, in words.
func (b *box) trail(t *testing.T) (words []string) {
	t.Helper()
	entries, err := b.audit.ListAudit(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		words = append(words, fmt.Sprint(e.Action, " ", e.Actor, " ", e.OrgID, " ", e.Noun, " ", e.ID, " ", string(e.Before), string(e.After)))
	}
	return words
}

// TestCommandTrail: a name is on what a device was told.
func TestCommandTrail(t *testing.T) {
	b, _ := commanding(t)
	ctx, ann := t.Context(), b.remote(t, b.ann(t).AccessToken)
	before := len(b.trail(t))
	until := store.Time(time.Now().Add(time.Hour).UnixMilli())
	c := must[client.Command](t)(ann.SendCommand(ctx, "d1", client.NewCommand{Name: "open-valve", Params: json.RawMessage(`{"percent":40}`), ExpiresAt: &until}))
	must[client.Command](t)(ann.WithdrawCommand(ctx, "d1", c.ID))
	trail := b.trail(t)[before:]
	want := []string{
		`command.send user:ann@example.org acme device d1 {"name":"open-valve","params":{"percent":40},"expiresAt":"` + until.String() + `"}`,
		`command.withdraw user:ann@example.org acme device d1 {"id":"` + c.ID + `",`,
	}
	if len(trail) != 2 || trail[0] != want[0] || !strings.HasPrefix(trail[1], want[1]) {
		t.Errorf("the trail has\n%s\nwant\n%s", strings.Join(trail, "\n"), strings.Join(want, "\n"))
	}
}

// TestOpenCommandsAreBounded: and the trail says that one was not made.
func TestOpenCommandsAreBounded(t *testing.T) {
	b, _ := commanding(t)
	ctx := t.Context()
	var last client.Command
	for range store.MaxOpenCommands {
		last = must[client.Command](t)(b.local.SendCommand(ctx, "d1", client.NewCommand{Name: "x"}))
	}
	_, err := b.local.SendCommand(ctx, "d1", client.NewCommand{Name: "x"})
	var p *client.Problem
	if !errors.As(err, &p) || p.Status != http.StatusConflict || !strings.Contains(p.Detail, "100 commands that are open") {
		t.Errorf("one too many: %v", err)
	}
	if trail := b.trail(t); !strings.Contains(trail[len(trail)-1], "command.send_failed") {
		t.Errorf("the trail ends with %s", trail[len(trail)-1])
	}
	must[client.Command](t)(b.local.WithdrawCommand(ctx, "d1", last.ID))
	must[client.Command](t)(b.local.SendCommand(ctx, "d1", client.NewCommand{Name: "x"}))
}

// TestCommandsOfWhatIsGone: retiring a device ends its open commands, and
// deleting it deletes all of them, also those of a device that was retired.
func TestCommandsOfWhatIsGone(t *testing.T) {
	b, d := commanding(t)
	ctx := t.Context()
	uid := must[store.Device](t)(b.catalog.Device(ctx, "d1")).UID
	got := make(chan string, 10)
	d.device(t, func(id, _ string, _ json.RawMessage) string { got <- id; return "" })
	c := must[client.Command](t)(b.local.SendCommand(ctx, "d1", client.NewCommand{Name: "x"}))
	if id := <-got; id != c.ID {
		t.Errorf("the device got %s, not %s", id, c.ID)
	}
	for range 2 { // again: it changes nothing
		must[client.Device](t)(b.local.RetireDevice(ctx, "d1"))
		if n := must[client.Command](t)(b.local.Command(ctx, "d1", c.ID)); n.State != store.CommandExpired || n.Detail != "the device was retired" {
			t.Errorf("of a retired device: %+v", n)
		}
	}
	if l := must[client.List[client.Command]](t)(b.local.Commands(ctx, client.CommandQuery{DeviceID: "d1"})); len(l.Items) != 1 {
		t.Errorf("a retired device has %d commands", len(l.Items))
	}
	if err := b.local.DeleteDevice(ctx, "d1"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.local.Command(ctx, "d1", c.ID); !errors.Is(err, store.ErrNotFound) || !strings.Contains(err.Error(), "device") {
		t.Errorf("of a deleted device: %v", err)
	}
	if left := must[[]store.Command](t)(d.kept.ListCommands(ctx, store.CommandFilter{UID: uid, Limit: 10})); len(left) != 0 {
		t.Errorf("of a deleted device %d commands are left", len(left))
	}
}

// TestCommandToWhatIsRetired: whoever retires a device while commands are sent to
// it leaves none open.
func TestCommandToWhatIsRetired(t *testing.T) {
	b, d := commanding(t)
	ctx := t.Context()
	sent := make(chan int)
	for range 4 {
		go func() {
			n := 0
			for {
				_, err := b.local.SendCommand(ctx, "d1", client.NewCommand{Name: "x"})
				if err != nil && !strings.Contains(err.Error(), "is retired") && !strings.Contains(err.Error(), "open already") {
					t.Errorf("send: %v", err)
				}
				if err != nil {
					sent <- n
					return
				}
				n++
			}
		}()
	}
	waitFor(t, func() bool { return len(must[[]store.Command](t)(d.kept.OpenCommands(ctx))) > 0 })
	must[client.Device](t)(b.local.RetireDevice(ctx, "d1"))
	n := 0
	for range 4 {
		n += <-sent
	}
	if open := must[[]store.Command](t)(d.kept.OpenCommands(ctx)); len(open) != 0 || n == 0 {
		t.Errorf("of %d commands %d are open", n, len(open))
	}
}

// TestCommandsAbsent: a server without a part of it says so.
func TestCommandsAbsent(t *testing.T) {
	b := newBox(t).withSample(t)
	token := b.ann(t).AccessToken
	for _, tt := range []struct{ method, path, body string }{
		{"GET", "", ""}, {"POST", "", `{"name":"x"}`}, {"GET", "/1", ""}, {"DELETE", "/1", ""},
	} {
		kind := ""
		if tt.body != "" {
			kind = "application/json"
		}
		resp, body := b.do(t, tt.method, "/api/v1/devices/d1/commands"+tt.path, token, kind, tt.body)
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, resp.StatusCode, body)
		}
	}
}
