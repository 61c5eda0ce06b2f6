package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

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
