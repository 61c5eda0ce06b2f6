package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"nhooyr.io/websocket"

	"tidegate/ingest/live"
)

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
