package api

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"tidegate/api/client"
	"tidegate/ingest/live"
	"tidegate/store"
)

// TestLiveIsolation publishes events of two organizations to everybody.
func TestLiveIsolation(t *testing.T) {
	b := newBox(t)
	var events []live.Event
	type said struct{ org, device string }
	var all []said
	for _, org := range []string{ownOrg, foreignOrg, ""} {
		for _, device := range []string{"-d1", "-spare", ""} {
			id := ""
			if device != "" {
				id = org + device
			}
			all = append(all, said{org, id})
			events = append(events,
				live.Event{Kind: live.KindLifecycle, OrgID: org, DeviceID: id, Status: "online"},
				live.Event{Kind: live.KindRejection, OrgID: org, DeviceID: id, Line: "x"},
				live.Event{Kind: live.KindReading, OrgID: org, DeviceID: id, Reading: store.Reading{DeviceID: id, PortNumber: 1}})
		}
	}
	var table strings.Builder
	fmt.Fprintf(&table, "events heard of %v, three each:\n", all)
	for _, c := range callers() {
		f := must[live.Filter](t)(LiveSubscribe{}.filter(c.access))
		sub := must[*live.Sub](t)(b.hub.Subscribe(f))
		b.hub.Publish(events)
		got := map[said]int{}
		want := map[said]int{}
		for _, s := range all {
			switch {
			case !c.access.May(store.ActionRead):
			case c.access.Whole():
				want[s] = 3
			case s.device == "" && c.access.SeesOrg(s.org), s.device != "" && c.access.SeesDevice(s.org, s.device):
				want[s] = 3
			}
		}
		if len(want) > 0 {
			batch := must[live.Batch](t)(sub.Next(t.Context()))
			for _, e := range batch.Events {
				got[said{e.OrgID, e.DeviceID}]++
			}
		}
		sub.Close()
		if !maps.Equal(got, want) {
			t.Errorf("%s hears %v, want %v", c.name, got, want)
		}
		fmt.Fprintf(&table, "%-28s", c.name)
		for _, s := range all {
			fmt.Fprintf(&table, " %d", got[s])
		}
		table.WriteByte('\n')
	}
	t.Log(table.String())
}

// TestLiveIsolationOfAPerson: what a viewer hears of, whatever it asks for.
func TestLiveIsolationOfAPerson(t *testing.T) {
	w := newWorld(t)
	b := w.b
	must[client.User](t)(b.local.CreateUser(t.Context(), client.NewUser{Email: "v@example.org", Password: annPassword, Role: store.RoleViewer, OrgID: ownOrg}))
	l := must[client.Login](t)(b.remote(t, "").Login(t.Context(), "v@example.org", annPassword))
	c := b.dialLive(t)
	say(t, c, LiveAuth{Type: "auth", Token: l.AccessToken})
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 1, Ports: []LivePort{{"theirs-d1", 1}, {"ours-d1", 1}}})
	if m := hear(t, c); m.Type != "subscribed" {
		t.Fatalf("%+v", m)
	}
	b.importCSV(t, client.ImportOptions{}, "1700000000000,theirs-d1,1,3")
	b.importCSV(t, client.ImportOptions{}, "1700000000000,ours-d1,1,4")
	if m := hear(t, c); m.Type != "readings" || len(m.Items) != 1 || m.Items[0].DeviceID != "ours-d1" || m.Skipped != 0 {
		t.Errorf("%+v", m)
	}
}

// TestLiveIsolationOfAlarmsAndMessages: the kinds that are asked for by name, as
// they come and as they are sent after a break.
func TestLiveIsolationOfAlarmsAndMessages(t *testing.T) {
	b := newBox(t)
	var events []live.Event
	var devices []string
	for _, org := range []string{ownOrg, foreignOrg} {
		for _, d := range []string{org + "-d1", org + "-spare"} {
			devices = append(devices, d)
			events = append(events,
				live.Event{Kind: live.KindAlert, OrgID: org, DeviceID: d, Alert: &store.AlertEvent{OrgID: org, DeviceID: d}},
				live.Event{Kind: live.KindMessage, OrgID: org, DeviceID: d, Body: []byte(`{}`)})
		}
	}
	for _, c := range callers() {
		f := must[live.Filter](t)(LiveSubscribe{Kinds: []string{"alerts", "messages"}, Devices: devices}.filter(c.access))
		sub := must[*live.Sub](t)(b.hub.Subscribe(f))
		b.hub.Publish(events)
		again := must[*live.Sub](t)(b.hub.SubscribeSince(f, live.Since{Stream: b.hub.Stream(), After: sub.Begin}, make(chan struct{}, 1)))
		want := map[string]int{}
		for _, e := range events {
			if c.access.May(store.ActionRead) && c.access.SeesDevice(e.OrgID, e.DeviceID) {
				want[e.DeviceID]++
			}
		}
		for how, s := range map[string]*live.Sub{"as they come": sub, "after a break": again} {
			got := map[string]int{}
			for _, e := range s.Take().Events {
				got[e.DeviceID]++
			}
			if !maps.Equal(got, want) {
				t.Errorf("%s, %s: %v, want %v", c.name, how, got, want)
			}
			s.Close()
		}
		if !again.Resumed {
			t.Errorf("%s was not resumed", c.name)
		}
	}
}

// TestLiveIsolationOfSnapshots: how things stand, whatever is asked for, holds
// nothing of another organization, nor of a device beside those of a key.
func TestLiveIsolationOfSnapshots(t *testing.T) {
	w := newWorld(t)
	b := w.b
	person := must[client.Login](t)(b.remote(t, "").Login(t.Context(), ownOrg+"@example.org", annPassword)).AccessToken
	key := must[client.APIKey](t)(b.local.CreateAPIKey(t.Context(), client.NewAPIKey{
		Name: "one", OrgID: ownOrg, Scopes: []store.Scope{store.ScopeRead}, DeviceIDs: []string{"ours-spare"},
	})).Key
	kinds := []string{"readings", "lifecycle", "alerts"}
	for name, c := range map[string]struct {
		token string
		only  string // what ids begin with
		ask   LiveSubscribe
		some  bool
	}{
		"a person, all":                {person, "ours-", LiveSubscribe{}, true},
		"a person, the foreign":        {person, "ours-", LiveSubscribe{OrgID: foreignOrg}, false},
		"a person, foreign devices":    {person, "ours-", LiveSubscribe{Devices: []string{"theirs-d1", "ours-d1"}}, true},
		"a person, foreign ports":      {person, "ours-", LiveSubscribe{Ports: []LivePort{{"theirs-d1", 1}, {"ours-d1", 1}}}, true},
		"a key of one device, all":     {key, "ours-spare", LiveSubscribe{}, true},
		"a key of one device, another": {key, "ours-spare", LiveSubscribe{Devices: []string{"ours-d1"}}, false},
	} {
		conn := b.watch(t, c.token)
		c.ask.Type, c.ask.Kinds, c.ask.Snapshot = "subscribe", kinds, true
		say(t, conn, c.ask)
		hearOf(t, conn, "subscribed")
		m := hear(t, conn)
		var ids []string
		for _, r := range m.Readings {
			ids = append(ids, r.DeviceID)
		}
		for _, p := range m.Lifecycle {
			ids = append(ids, p.DeviceID)
		}
		for _, a := range m.Alerts {
			ids = append(ids, a.DeviceID)
		}
		for _, id := range ids {
			if !strings.HasPrefix(id, c.only) {
				t.Errorf("%s is shown %s", name, id)
			}
		}
		if m.Type != "snapshot" || !m.Last || (len(ids) > 0) != c.some {
			t.Errorf("%s: %v", name, ids)
		}
	}
}
