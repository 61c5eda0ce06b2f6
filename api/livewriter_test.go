package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"nhooyr.io/websocket"

	"tidegate/api/client"
	"tidegate/ingest/live"
	"tidegate/store"
)

// watch dials, and logs in with a token.
func (b *box) watch(t *testing.T, token string) *websocket.Conn {
	t.Helper()
	c := b.dialLive(t)
	say(t, c, LiveAuth{Type: "auth", Token: token})
	return c
}

// hearOf hears until a message of a type comes, and fails at an error.
func hearOf(t *testing.T, c *websocket.Conn, kind string) heard {
	t.Helper()
	for {
		m := hear(t, c)
		if m.Type == kind {
			return m
		}
		if m.Type == "error" {
			t.Fatalf("waiting for %s: %s", kind, m.Detail)
		}
	}
}

func alertEvent(org, device string, port uint16) live.Event {
	e := alarm(org, device, 1)
	e.PortNumber = port
	return live.Event{Kind: live.KindAlert, OrgID: org, DeviceID: device, Alert: &e}
}

// TestLiveSubscriptions: several live side by side, each with what it chose.
func TestLiveSubscriptions(t *testing.T) {
	b := newBox(t).withSample(t)
	c := b.watch(t, b.ann(t).AccessToken)
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 1, Ports: []LivePort{{"d1", 1}}})
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 2, Kinds: []string{"alerts"}, OrgID: "acme"})
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 3, Kinds: []string{"messages"}, Devices: []string{"d1", "nobody"}})
	stream := ""
	for id := range int64(3) {
		m := hear(t, c)
		if m.Type != "subscribed" || m.ID != id+1 || m.Stream == "" || stream != "" && m.Stream != stream {
			t.Fatalf("%+v", m)
		}
		stream = m.Stream
	}
	if !b.hub.Wants(live.KindMessage, "d1") || b.hub.Wants(live.KindMessage, "nobody") {
		t.Error("messages are made of other devices than are there and inspected")
	}
	b.hub.Publish([]live.Event{
		reading("d1", 1, 1), reading("d1", 2, 1), alertEvent("acme", "d1", 2), alertEvent("other", "d9", 2),
		{Kind: live.KindMessage, OrgID: "acme", DeviceID: "d1", At: 7, Body: []byte(`{"topic":"org/acme/device/d1/telemetry","bytes":12}`)},
		{Kind: live.KindMessage, OrgID: "acme", DeviceID: "nobody", Body: []byte(`{}`)},
	})
	got := map[int64]heard{}
	for range 3 {
		m := hear(t, c)
		if _, again := got[m.ID]; again {
			t.Errorf("a second message for %d: %+v", m.ID, m)
		}
		got[m.ID] = m
	}
	if m := got[1]; m.Type != "readings" || len(m.Items) != 1 || m.Items[0].PortNumber != 1 {
		t.Errorf("readings %+v", m)
	}
	if m := got[2]; m.Type != "alert" || m.Alert.DeviceID != "d1" || m.Seq != got[1].Seq+2 {
		t.Errorf("alert %+v", m)
	}
	if m := got[3]; m.Type != "message" || m.DeviceID != "d1" || m.Bytes != 12 || *m.At != 7 || m.Topic == "" {
		t.Errorf("message %+v", m)
	}
	say(t, c, LiveUnsubscribe{Type: "unsubscribe", ID: 1})
	say(t, c, LiveUnsubscribe{Type: "unsubscribe", ID: 99}) // of nothing
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 4, Kinds: []string{"lifecycle"}})
	hearOf(t, c, "subscribed") // all before it was done
	b.hub.Publish([]live.Event{reading("d1", 1, 2), {Kind: live.KindLifecycle, OrgID: "acme", DeviceID: "d1", Status: "offline"}})
	if m := hear(t, c); m.ID != 4 || m.Type != "lifecycle" {
		t.Errorf("after unsubscribe: %+v", m)
	}
}

// TestLiveSnapshot: how things stand, then what changes.
func TestLiveSnapshot(t *testing.T) {
	seen := time.UnixMilli(1_700_000_000_000)
	b := newBox(t, func(o *Options) {
		o.Presence = func(uint32) store.Presence { return store.Presence{Online: true, LastSeen: seen} }
	}).withSample(t)
	must[client.Device](t)(b.local.CreateDevice(t.Context(), client.NewDevice{ID: "d2", OrgID: "acme", PortCount: 1200}))
	var rows []string
	for p := range 1200 {
		rows = append(rows, fmt.Sprintf("1700000000000,d2,%d,%d", p+1, p))
	}
	b.importCSV(t, client.ImportOptions{}, append(rows, "1700000000000,d1,1,3", "1700000001000,d1,1,4", "1700000000000,d1,2,5")...)
	open, over := alarm("acme", "d1", 0), alarm("acme", "d1", 9)
	end := over.FiredAt + 1
	over.State, over.ResolvedAt = store.AlertResolved, &end
	b.keep(t, []store.AlertEvent{open, over})
	c := b.watch(t, b.ann(t).AccessToken)

	say(t, c, LiveSubscribe{Type: "subscribe", ID: 1, Kinds: []string{"readings", "lifecycle", "alerts"}, Devices: []string{"d1"}, Snapshot: true})
	hearOf(t, c, "subscribed")
	m := hear(t, c)
	if m.Type != "snapshot" || !m.Last || len(m.Readings) != 2 || m.Readings[0].RawValue != 4 || len(m.Lifecycle) != 1 || len(m.Alerts) != 1 {
		t.Fatalf("snapshot %+v", m)
	}
	if l := m.Lifecycle[0]; l.DeviceID != "d1" || l.OrgID != "acme" || l.Status != "online" || *l.At != at(seen) {
		t.Errorf("presence %+v", l)
	}
	if m.Alerts[0].ID != open.ID {
		t.Errorf("alarm %+v", m.Alerts[0])
	}
	// One port alone, and readings alone.
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 2, Kinds: []string{"readings"}, Ports: []LivePort{{"d1", 2}, {"d1", 77}, {"nobody", 1}}, Snapshot: true})
	hearOf(t, c, "subscribed")
	if m = hear(t, c); m.Type != "snapshot" || !m.Last || len(m.Readings) != 1 || m.Readings[0].PortNumber != 2 || m.Lifecycle != nil {
		t.Errorf("snapshot of a port %+v", m)
	}
	// All, in several messages.
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 3, Kinds: []string{"readings", "lifecycle"}, Snapshot: true})
	hearOf(t, c, "subscribed")
	readings, devices, messages := 0, 0, 0
	for m.Last = false; !m.Last; messages++ {
		if m = hear(t, c); m.Type != "snapshot" || m.ID != 3 {
			t.Fatalf("%+v", m)
		}
		readings, devices = readings+len(m.Readings), devices+len(m.Lifecycle)
	}
	if readings != 1202 || devices != 2 || messages < 3 {
		t.Errorf("%d readings and %d devices in %d messages", readings, devices, messages)
	}
	// Nothing there.
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 4, OrgID: "nobody", Snapshot: true})
	hearOf(t, c, "subscribed")
	if m = hear(t, c); m.Type != "snapshot" || !m.Last || len(m.Readings)+len(m.Lifecycle) != 0 {
		t.Errorf("snapshot of nothing %+v", m)
	}
}

// TestLiveSnapshotWithoutTheStore: who watches is told what is missing, and goes
// on watching.
func TestLiveSnapshotWithoutTheStore(t *testing.T) {
	o := &outage{}
	b := newBox(t, func(opts *Options) { o.Readings = opts.Readings; opts.Readings = o }).withSample(t)
	token := b.ann(t).AccessToken
	o.on.Store(true)
	c := b.watch(t, token)
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 1, Snapshot: true})
	hearOf(t, c, "subscribed")
	if m := hear(t, c); m.Type != "snapshot" || !m.Last || m.Detail == "" || len(m.Lifecycle) != 1 {
		t.Errorf("snapshot %+v", m)
	}
	b.hub.Publish([]live.Event{reading("d1", 1, 1)})
	hearOf(t, c, "readings")
}

// TestLiveSnapshotUnderLoad: while readings are stored, snapshot and changes
// together lead to the newest value, whenever one looks.
func TestLiveSnapshotUnderLoad(t *testing.T) {
	b := newBox(t).withSample(t)
	token := b.ann(t).AccessToken
	const last = 150
	var wg sync.WaitGroup
	wg.Go(func() {
		for v := 1; v <= last; v++ {
			csv := fmt.Sprintf("ts,device,port,value\n%d,d1,1,%d", 1_700_000_000_000+v, v)
			if _, err := b.local.ImportReadings(context.Background(), strings.NewReader(csv), client.ImportOptions{}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for range 4 {
		c := b.watch(t, token)
		wg.Go(func() {
			newest := 0.0
			for newest < last {
				raw, _ := json.Marshal(LiveSubscribe{Type: "subscribe", ID: 1, Kinds: []string{"readings"}, Snapshot: true}) // replaces
				if err := c.Write(t.Context(), websocket.MessageText, raw); err != nil {
					t.Error(err)
					return
				}
				for n := 0; newest < last && n < 5; n++ {
					_, raw, err := c.Read(t.Context())
					var m struct {
						Type            string
						Readings, Items []store.Reading
					}
					if err != nil || json.Unmarshal(raw, &m) != nil || m.Type == "error" {
						t.Errorf("%v %s", err, raw)
						return
					}
					for _, r := range m.Readings {
						newest = max(newest, r.RawValue)
					}
					for _, r := range m.Items {
						if r.RawValue > newest+1 {
							t.Errorf("%g came behind %g: one was lost", r.RawValue, newest)
							return
						}
						newest = max(newest, r.RawValue)
					}
				}
			}
		})
	}
	wg.Wait()
}

// TestLiveResume: a page that reconnects gets what it missed, and is told where
// it cannot.
func TestLiveResume(t *testing.T) {
	b := newBox(t).withSample(t)
	token := b.ann(t).AccessToken
	c := b.watch(t, token)
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 1, Ports: []LivePort{{"d1", 1}}})
	stream := hear(t, c).Stream
	b.hub.Publish([]live.Event{reading("d1", 1, 1), reading("d1", 1, 2)})
	var heardSeq uint64
	for n := 0; n < 2; {
		m := hear(t, c)
		n += len(m.Items)
		heardSeq = m.Seq
	}
	if err := c.CloseNow(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return b.Server.live.count() == 0 })
	b.hub.Publish([]live.Event{reading("d1", 1, 3), reading("d1", 2, 3), {Kind: live.KindLifecycle, OrgID: "acme", DeviceID: "d1", Status: "online"}, reading("d1", 1, 4)})
	c = b.watch(t, token)
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 5, Ports: []LivePort{{"d1", 1}}, Stream: stream, After: heardSeq})
	if m := hear(t, c); !m.Resumed || m.Seq != heardSeq {
		t.Fatalf("%+v", m)
	}
	// In order, so that one may go on behind any of them.
	for i, want := range []string{"readings 3", "lifecycle", "readings 4"} {
		m := hear(t, c)
		got := m.Type
		if len(m.Items) == 1 {
			got = fmt.Sprintf("%s %d", m.Type, m.Items[0].TS)
		}
		if got != want || m.Seq <= heardSeq {
			t.Errorf("message %d is %s with %d, want %s", i, got, m.Seq, want)
		}
		heardSeq = m.Seq
	}
	for name, r := range map[string]LiveSubscribe{
		"another start":   {Stream: strings.Repeat("A", 26), After: heardSeq},
		"the future":      {Stream: stream, After: heardSeq + 1_000_000},
		"the very future": {Stream: stream, After: 1<<64 - 1},
	} {
		r.Type, r.ID = "subscribe", 6
		say(t, c, r)
		if m := hear(t, c); m.Type != "subscribed" || m.Resumed {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// TestLiveReplacing: nothing is lost and nothing comes twice when a subscription
// is replaced under way.
func TestLiveReplacing(t *testing.T) {
	b := newBox(t).withSample(t)
	c := b.watch(t, b.ann(t).AccessToken)
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 1})
	hearOf(t, c, "subscribed")
	const events = 3000
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range events {
			b.hub.Publish([]live.Event{reading("d1", 1, int64(i+1))})
		}
	})
	wg.Go(func() {
		for range 50 {
			raw, _ := json.Marshal(LiveSubscribe{Type: "subscribe", ID: 1})
			if err := c.Write(t.Context(), websocket.MessageText, raw); err != nil {
				t.Error(err)
			}
		}
	})
	last, seen := store.Time(0), 0
	for seen < events {
		m := hear(t, c)
		seen += len(m.Items) + int(m.Skipped)
		for _, r := range m.Items {
			if r.TS <= last {
				t.Fatalf("%d came behind %d", r.TS, last)
			}
			last = r.TS
		}
	}
	wg.Wait()
	if last != events || seen != events {
		t.Errorf("%d events seen or skipped, the last %d", seen, last)
	}
}

// TestLiveSkipped: events other than readings that a slow client missed are
// counted in a message of their own, before what is left of them.
func TestLiveSkipped(t *testing.T) {
	b := newBox(t).withSample(t)
	c := b.watch(t, b.ann(t).AccessToken)
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 3})
	hearOf(t, c, "subscribed")
	const events = 60_000
	line := strings.Repeat("x", 1000) // fills the sockets
	for i := range events {
		b.hub.Publish([]live.Event{{Kind: live.KindRejection, OrgID: "acme", DeviceID: "d1", Port: fmt.Sprint(i), Line: line}})
	}
	var seq, skipped uint64
	for seen := uint64(0); seen+skipped < events; {
		m := hear(t, c)
		if m.ID != 3 || m.Seq < seq {
			t.Fatalf("seq %d behind %d: %+v", m.Seq, seq, m.Type)
		}
		seq = m.Seq
		switch m.Type {
		case "skipped":
			skipped += m.Skipped
		case "rejection":
			seen++
		default:
			t.Fatalf("%+v", m)
		}
	}
	if skipped == 0 {
		t.Error("nothing was skipped: the client was not slow")
	}
}

// TestLiveLimits: each names itself.
func TestLiveLimits(t *testing.T) {
	b := newBox(t, func(o *Options) { o.LiveConnections, o.LiveConnectionsUser = 4, 2 }).withSample(t)
	token := b.ann(t).AccessToken
	refused := func(name string, c *websocket.Conn, says string) {
		t.Helper()
		for {
			m := hear(t, c)
			if m.Type == "error" {
				if !strings.Contains(m.Detail, says) {
					t.Errorf("%s: %s", name, m.Detail)
				}
				break
			}
			if m.Type != "subscribed" {
				t.Fatalf("%s: %+v", name, m)
			}
		}
		if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			t.Errorf("%s: %v", name, err)
		}
		_ = c.CloseNow()
	}
	ports := func(n int) []LivePort {
		var out []LivePort
		for i := range n {
			out = append(out, LivePort{fmt.Sprint("d", i/1000), uint16(i % 1000)})
		}
		return out
	}
	for name, try := range map[string]struct {
		says string
		say  []LiveSubscribe
	}{
		"ports":                   {"at most 10000 ports", []LiveSubscribe{{Ports: ports(10_001)}}},
		"ports in all":            {"at most 20000 ports", []LiveSubscribe{{ID: 1, Ports: ports(10_000)}, {ID: 2, Ports: ports(10_000)}, {ID: 3, Ports: ports(1)}}},
		"inspected devices":       {"at most 8 devices", []LiveSubscribe{{Kinds: []string{"messages"}, Devices: strings.Fields("1 2 3 4 5 6 7 8 9")}}},
		"messages without device": {"messages needs the devices", []LiveSubscribe{{Kinds: []string{"messages"}}}},
	} {
		c := b.watch(t, token)
		for _, s := range try.say {
			s.Type = "subscribe"
			say(t, c, s)
		}
		refused(name, c, try.says)
		waitFor(t, func() bool { return b.Server.live.count() == 0 })
	}
	c := b.watch(t, token)
	for id := range int64(liveSubscriptions) {
		say(t, c, LiveSubscribe{Type: "subscribe", ID: id})
		say(t, c, LiveSubscribe{Type: "subscribe", ID: id}) // again is not one more
	}
	say(t, c, LiveSubscribe{Type: "subscribe", ID: liveSubscriptions})
	refused("subscriptions", c, "at most 16 subscriptions")
	waitFor(t, func() bool { return b.Server.live.count() == 0 })

	// Connections of a user, by either way in; another user is not in the way.
	first, second := b.watch(t, token), b.watch(t, token)
	for _, c := range []*websocket.Conn{first, second} {
		say(t, c, LiveSubscribe{Type: "subscribe"})
		hearOf(t, c, "subscribed")
	}
	refused("connections of a user", b.watch(t, token), "http.live_connections_user")
	header := &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}}
	url := "ws" + strings.TrimPrefix(b.url, "http") + livePath
	if _, resp, err := websocket.Dial(t.Context(), url, header); err == nil || resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a third connection with a header: %v", err)
	}
	if err := first.CloseNow(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return b.Server.live.count() == 1 })
	third := b.watch(t, token)
	say(t, third, LiveSubscribe{Type: "subscribe"})
	hearOf(t, third, "subscribed")

	// Connections in all: those that have not logged in count.
	b.dialLive(t)
	b.dialLive(t)
	waitFor(t, func() bool { return b.Server.live.count() == 4 })
	if _, resp, err := websocket.Dial(t.Context(), url, nil); err == nil || resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a fifth connection: %v", err)
	}
}

// TestLiveHostileMessages end the connection, with a word, and nothing else.
func TestLiveHostileMessages(t *testing.T) {
	b := newBox(t).withSample(t)
	token := b.ann(t).AccessToken
	for _, raw := range []string{
		`{`, `[]`, `null`, `"x"`, `{}`, `{"type":"subscribe","id":"x"}`, `{"type":"subscribe","id":1e99}`, `{"type":"subscribe","id":1,"id":2}`,
		`{"type":"subscribe","ports":[{"deviceId":"d1","portNumber":70000}]}`, `{"type":"subscribe","ports":{}}`, `{"type":"subscribe","after":-1}`,
		`{"type":"subscribe","kinds":["` + strings.Repeat("k", 5000) + `"]}`, `{"type":"` + strings.Repeat("t", 5000) + `"}`,
		`{"type":"subscribe","devices":[` + strings.Repeat("[", 20000) + `]}`, "{\"type\":\"\xff\"}", `{"type":"subscribe","snapshot":"yes"}`,
	} {
		c := b.watch(t, token)
		if err := c.Write(t.Context(), websocket.MessageText, []byte(raw)); err != nil {
			t.Fatal(err)
		}
		m := hear(t, c)
		if m.Type != "error" || m.Detail == "" || len(m.Detail) > 2000 {
			t.Errorf("%.60s: %+v", raw, m)
		}
		if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
			t.Errorf("%.60s: %v", raw, err)
		}
	}
	waitFor(t, func() bool { return b.Server.live.count() == 0 })
	// A flood of subscriptions is done one by one, and stays one.
	c := b.watch(t, token)
	go func() {
		for range 500 {
			if c.Write(t.Context(), websocket.MessageText, []byte(`{"type":"subscribe","id":1,"snapshot":true}`)) != nil {
				return
			}
		}
	}()
	for last := 0; last < 500; {
		m := hear(t, c)
		if m.Type == "error" {
			t.Fatal(m.Detail)
		}
		if m.Last {
			last++
		}
	}
	b.hub.Publish([]live.Event{reading("d1", 1, 1)})
	if m := hear(t, c); m.Type != "readings" || len(m.Items) != 1 {
		t.Errorf("%+v", m)
	}
}

// TestLiveOfAnother: who logs in on the connection of another sees with his own
// eyes from then on.
func TestLiveOfAnother(t *testing.T) {
	w := newWorld(t)
	b := w.b
	login := func(org string) string {
		return must[client.Login](t)(b.remote(t, "").Login(t.Context(), org+"@example.org", annPassword)).AccessToken
	}
	c := b.watch(t, login(foreignOrg))
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 1, Kinds: []string{"lifecycle", "messages"}, Devices: []string{"ours-d1", "theirs-d1"}})
	hearOf(t, c, "subscribed")
	if !b.hub.Wants(live.KindMessage, "theirs-d1") || b.hub.Wants(live.KindMessage, "ours-d1") {
		t.Error("messages are made for who does not see the device")
	}
	say(t, c, LiveAuth{Type: "auth", Token: login(ownOrg)})
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 2, Kinds: []string{"rejections"}})
	hearOf(t, c, "subscribed") // the login before it was done
	b.hub.Publish([]live.Event{
		{Kind: live.KindLifecycle, OrgID: foreignOrg, DeviceID: "theirs-d1", Status: "online"},
		{Kind: live.KindLifecycle, OrgID: ownOrg, DeviceID: "ours-d1", Status: "online"},
		{Kind: live.KindRejection, OrgID: ownOrg, Line: "x"},
	})
	for {
		m := hear(t, c)
		if m.OrgID != ownOrg {
			t.Errorf("heard %+v", m)
		}
		if m.Type == "rejection" {
			return
		}
	}
}

// TestLiveOfADeletedOrganization: what was told of it is not kept for the next of
// the name.
func TestLiveOfADeletedOrganization(t *testing.T) {
	b := newBox(t).withSample(t)
	token := b.ann(t).AccessToken
	must[client.Organization](t)(b.local.CreateOrganization(t.Context(), client.NewOrganization{ID: "gone", Name: "x"}))
	c := b.watch(t, token)
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 1, OrgID: "gone"})
	m := hear(t, c)
	b.hub.Publish([]live.Event{{Kind: live.KindRejection, OrgID: "gone", Line: "a secret"}})
	hearOf(t, c, "rejection")
	if err := b.local.DeleteOrganization(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	sub := must[*live.Sub](t)(b.hub.SubscribeSince(live.Filter{Kinds: live.AllKinds, Access: store.RoleAccess(store.RoleViewer, "gone")},
		live.Since{Stream: m.Stream, After: m.Seq}, make(chan struct{}, 1)))
	defer sub.Close()
	if got := sub.Take(); len(got.Events) != 0 {
		t.Errorf("the next organization is given %q", got.Events[0].Line)
	}
	if _, err := b.local.Organization(t.Context(), "gone"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the organization is there: %v", err)
	}
}

// TestLivePosition: a subscription that hears of nothing is told how far the
// stream has come, so that it can go on from there after a break.
func TestLivePosition(t *testing.T) {
	b := newBox(t, func(o *Options) { o.livePosition = 10 * time.Millisecond }).withSample(t)
	c := b.watch(t, b.ann(t).AccessToken)
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 1, Ports: []LivePort{{"d1", 4}}})
	begin := hearOf(t, c, "subscribed")
	for range 5 {
		b.hub.Publish([]live.Event{reading("d1", 1, 1)})
	}
	for seq := begin.Seq; seq < b.hub.Seq(); {
		m := hear(t, c)
		if m.Type != "readings" || m.ID != 1 || len(m.Items) != 0 || m.Seq <= seq {
			t.Fatalf("behind %d: %+v", seq, m)
		}
		seq = m.Seq
	}
}
