package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"nhooyr.io/websocket"

	"tidegate/api/client"
	"tidegate/ingest/live"
	"tidegate/store"
)

// dialLive opens a live connection without credentials.
func (b *box) dialLive(t *testing.T) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(b.url, "http")+livePath, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	c.SetReadLimit(8 << 20)
	return c
}

func say(t *testing.T, c *websocket.Conn, m any) {
	t.Helper()
	b, err := json.Marshal(m)
	if err == nil {
		err = c.Write(t.Context(), websocket.MessageText, b)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// heard is any message of the server.
type heard struct {
	Type      string             `json:"type"`
	ID        int64              `json:"id"`
	Seq       uint64             `json:"seq"`
	Stream    string             `json:"stream"`
	Resumed   bool               `json:"resumed"`
	Items     []store.Reading    `json:"items"`
	Readings  []store.Reading    `json:"-"` // of a snapshot
	Snapshots json.RawMessage    `json:"readings"`
	Lifecycle []LivePresence     `json:"lifecycle"`
	Alerts    []store.AlertEvent `json:"alerts"`
	Last      bool               `json:"last"`
	Skipped   uint64             `json:"skipped"`
	At        *store.Time        `json:"at"`
	OrgID     string             `json:"orgId"`
	DeviceID  string             `json:"deviceId"`
	Status    string             `json:"status"`
	Line      string             `json:"line"`
	Detail    string             `json:"detail"`
	Alert     *store.AlertEvent  `json:"alert"`
	Topic     string             `json:"topic"`
	Bytes     int                `json:"bytes"`
}

func hear(t *testing.T, c *websocket.Conn) heard {
	t.Helper()
	_, b, err := c.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var m heard
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	if m.Type == "snapshot" && m.Snapshots != nil {
		if err := json.Unmarshal(m.Snapshots, &m.Readings); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
	}
	return m
}

// TestBrokenHandshakes are told as problems, like all else.
func TestBrokenHandshakes(t *testing.T) {
	b := newBox(t).withSample(t)
	token := "Bearer " + b.ann(t).AccessToken
	for _, headers := range [][]string{
		{"Upgrade", "websocket"},
		{"Upgrade", "websocket", "Connection", "Upgrade"},
		{"Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "12", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="},
		{"Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "13"},
	} {
		resp, body := b.with(t, "GET", livePath, append(headers, "Authorization", token)...)
		if resp.StatusCode != 400 || resp.Header.Get("Content-Type") != problemType || !strings.Contains(body, "handshake is not valid") {
			t.Errorf("%v: %d %s", headers, resp.StatusCode, body)
		}
	}
}

func reading(device string, port uint16, ts int64) live.Event {
	return live.Event{Kind: live.KindReading, OrgID: "acme", DeviceID: device, Reading: store.Reading{
		TS: store.Time(ts), DeviceID: device, PortNumber: port, RawValue: 1, CalibratedValue: 2, Quality: "good", Flags: []string{"server_ts"}, IngestTS: 5,
	}}
}

func TestLive(t *testing.T) {
	b := newBox(t).withSample(t)
	c := b.dialLive(t)
	say(t, c, LiveAuth{Type: "auth", Token: b.ann(t).AccessToken})
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 7, Ports: []LivePort{{"d1", 1}}})
	if m := hear(t, c); m.Type != "subscribed" || m.ID != 7 {
		t.Fatalf("answer %+v", m)
	}
	b.importCSV(t, client.ImportOptions{}, "1700000000000,d1,1,3", "1700000000000,d1,2,4")
	m := hear(t, c)
	if m.Type != "readings" || len(m.Items) != 1 || m.Items[0].RawValue != 3 || m.Items[0].TS != 1_700_000_000_000 || m.Items[0].Flags == nil {
		t.Errorf("readings %+v", m)
	}
	b.hub.Publish([]live.Event{{Kind: live.KindLifecycle, OrgID: "acme", DeviceID: "d1", Status: "online", At: 9}})
	if m = hear(t, c); m.Type != "lifecycle" || m.Status != "online" || m.DeviceID != "d1" || *m.At != 9 {
		t.Errorf("lifecycle %+v", m)
	}
	b.importCSV(t, client.ImportOptions{}, "1700000000000,d1,99,3")
	if m = hear(t, c); m.Type != "rejection" || !strings.Contains(m.Line, "unknown_port") {
		t.Errorf("rejection %+v", m)
	}
	// Another of the same id replaces the first.
	say(t, c, LiveSubscribe{Type: "subscribe", ID: 7, Kinds: []string{"lifecycle"}})
	if m = hear(t, c); m.Type != "subscribed" || m.ID != 7 {
		t.Errorf("answer %+v", m)
	}
	b.hub.Publish([]live.Event{reading("d1", 1, 1), {Kind: live.KindLifecycle, DeviceID: "d2", Status: "offline"}})
	if m = hear(t, c); m.Type != "lifecycle" || m.DeviceID != "d2" {
		t.Errorf("after the second subscription %+v", m)
	}
}

func TestLiveRefuses(t *testing.T) {
	b := newBox(t).withSample(t)
	token := b.ann(t).AccessToken
	for name, c := range map[string]struct {
		say  []any
		says string
	}{
		"a wrong token":      {[]any{LiveAuth{Type: "auth", Token: "x"}}, "log in again"},
		"no token first":     {[]any{LiveSubscribe{Type: "subscribe"}}, "first message"},
		"no JSON":            {[]any{"x"}, "first message"},
		"an unknown type":    {[]any{LiveAuth{Type: "auth", Token: token}, LiveSubscribe{Type: "sub"}}, "subscribe"},
		"an unknown kind":    {[]any{LiveAuth{Type: "auth", Token: token}, LiveSubscribe{Type: "subscribe", Kinds: []string{"x"}}}, "rejections"},
		"a later bad token":  {[]any{LiveAuth{Type: "auth", Token: token}, LiveAuth{Type: "auth", Token: "x"}}, "log in again"},
		"a message too long": {[]any{LiveAuth{Type: "auth", Token: token}, strings.Repeat("x", maxLiveRequest+1)}, ""},
	} {
		conn := b.dialLive(t)
		for _, m := range c.say {
			say(t, conn, m)
		}
		for {
			_, raw, err := conn.Read(t.Context())
			if err != nil {
				break // closed, which is what matters
			}
			var m heard
			if json.Unmarshal(raw, &m) != nil || m.Type != "error" || !strings.Contains(m.Detail, c.says) {
				t.Errorf("%s: %s", name, raw)
			}
		}
		if t.Context().Err() != nil {
			t.Errorf("%s: the connection stays", name)
		}
	}
	waitFor(t, func() bool { return b.Server.live.count() == 0 })
}

func TestLiveEndsWithItsToken(t *testing.T) {
	b := newBox(t, func(o *Options) { o.AccessTokenTTL = 2 * time.Second }).withSample(t)
	c := b.dialLive(t)
	say(t, c, LiveAuth{Type: "auth", Token: b.ann(t).AccessToken})
	if m := hear(t, c); m.Type != "error" || !strings.Contains(m.Detail, "expired") {
		t.Errorf("message %+v", m)
	}
	if _, _, err := c.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("close: %v", err)
	}
}

// TestLiveSlowClient: one that does not read stalls nobody, and is told what
// it missed.
func TestLiveSlowClient(t *testing.T) {
	b := newBox(t).withSample(t)
	c := b.dialLive(t)
	say(t, c, LiveAuth{Type: "auth", Token: b.ann(t).AccessToken})
	say(t, c, LiveSubscribe{Type: "subscribe"})
	hear(t, c)
	const events = 400_000 // far more than sockets and queues hold
	batch := make([]live.Event, 1000)
	begin := time.Now()
	for i := 0; i < events; i += len(batch) {
		for j := range batch {
			batch[j] = reading("d1", uint16(j%4), int64(i+j))
		}
		b.hub.Publish(batch)
	}
	t.Logf("published %d events in %v", events, time.Since(begin))
	var seen, skipped uint64
	last := map[uint16]store.Time{}
	for seen+skipped < events {
		m := hear(t, c)
		seen += uint64(len(m.Items))
		skipped += m.Skipped
		for _, r := range m.Items {
			if r.TS < last[r.PortNumber] {
				t.Fatalf("port %d goes back", r.PortNumber)
			}
			last[r.PortNumber] = r.TS
		}
	}
	if skipped == 0 {
		t.Error("nothing was skipped: the client was not slow")
	}
	for p := range uint16(4) {
		if want := store.Time(events - 4 + int(p)); last[p] != want {
			t.Errorf("port %d ends at %d, want %d", p, last[p], want)
		}
	}
}

// TestTail is the same protocol over the socket, without a login.
func TestTail(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got []string
	err := b.local.Tail(ctx, client.Subscription{Kinds: []string{client.KindReadings}}, func(m client.LiveMessage) error {
		got = append(got, m.Type)
		switch m.Type {
		case "subscribed":
			b.hub.Publish([]live.Event{{Kind: live.KindLifecycle}, reading("d1", 1, 42)})
		case "readings":
			if len(m.Items) != 1 || m.Items[0].TS != 42 || len(m.Raw) == 0 {
				t.Errorf("message %+v", m)
			}
			cancel()
		}
		return nil
	})
	if err != nil || fmt.Sprint(got) != "[subscribed readings]" {
		t.Errorf("heard %v, %v", got, err)
	}
	err = b.local.Tail(t.Context(), client.Subscription{Kinds: []string{"x"}}, func(client.LiveMessage) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "rejections") {
		t.Errorf("an unknown kind: %v", err)
	}
	token := b.remote(t, b.ann(t).AccessToken)
	ctx, cancel = context.WithCancel(t.Context())
	if err := token.Tail(ctx, client.Subscription{}, func(client.LiveMessage) error { cancel(); return nil }); err != nil {
		t.Errorf("with a token: %v", err)
	}
	cancel()
}
