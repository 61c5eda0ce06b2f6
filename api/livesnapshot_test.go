package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"nhooyr.io/websocket"

	"tidegate/api/client"
	"tidegate/ingest/live"
	"tidegate/store"
)

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
