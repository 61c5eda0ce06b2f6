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
