package api

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/api/client"
	"tidegate/store"
)

func TestBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBuckets(10, time.Now)
		took := func(key string, n int) (ok int) {
			for range n {
				if b.take(key).ok {
					ok++
				}
			}
			return ok
		}
		if n := took("a", 30); n != 20 {
			t.Errorf("%d at once, want twice the rate", n)
		}
		if n := took("b", 30); n != 20 {
			t.Errorf("another key has %d", n)
		}
		g := b.peek("a")
		if g.ok || g.left != 0 || g.full != 2*time.Second || g.retry != 100*time.Millisecond {
			t.Errorf("an empty one: %+v", g)
		}
		<-time.After(g.retry)
		if n := took("a", 30); n != 1 {
			t.Errorf("after retry: %d, want 1", n)
		}
		<-time.After(time.Second)
		if n := took("a", 30); n != 10 {
			t.Errorf("after a second: %d, want 10", n)
		}
		<-time.After(time.Hour)
		if g := b.peek("a"); !g.ok || g.left != 20 || g.full != 0 || g.retry != 0 {
			t.Errorf("a full one: %+v", g)
		}
		if b.peek("a"); b.take("a").left != 19 {
			t.Error("peek takes")
		}
	})
}

// TestBucketsAreBounded: the one that was asked for the longest time ago goes.
func TestBucketsAreBounded(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	b := newBuckets(1, func() time.Time { return now })
	b.take("first")
	for i := range bucketsKept {
		b.take("often")
		b.take(fmt.Sprint(i))
	}
	if len(b.byKey) != bucketsKept || b.recent.Len() != bucketsKept {
		t.Errorf("%d and %d are kept", len(b.byKey), b.recent.Len())
	}
	if b.peek("often").ok || b.byKey["first"] != nil {
		t.Error("the wrong one was forgotten")
	}
	now = now.Add(-time.Hour)
	if g := b.peek("often"); g.ok || g.retry > time.Second {
		t.Errorf("a clock that was set back: %+v", g)
	}
	if newBuckets(0, time.Now) != nil {
		t.Error("0 limits something")
	}
}

// limitedBox has a clock that stands still, so that buckets do not fill.
func limitedBox(t *testing.T) (*box, func(time.Duration), *prometheus.Registry) {
	var mu sync.Mutex
	at := time.Now()
	reg := prometheus.NewRegistry()
	b := newBox(t, func(o *Options) {
		o.RateLimit, o.RateLimitAddress, o.Registerer = 3, 2, reg
		o.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return at
		}
	}).withSample(t)
	return b, func(d time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		at = at.Add(d)
	}, reg
}

func TestCallersAreLimited(t *testing.T) {
	b, pass, reg := limitedBox(t)
	must[client.User](t)(b.local.CreateUser(t.Context(), client.NewUser{Email: "v@example.org", Password: annPassword, Role: store.RoleViewer, OrgID: "acme"}))
	ann := b.ann(t).AccessToken
	other := must[client.Login](t)(b.remote(t, "").Login(t.Context(), "v@example.org", annPassword)).AccessToken
	for i := range 6 {
		resp, body := b.do(t, "GET", "/api/v1/devices", ann, "", "")
		if resp.StatusCode != 200 || resp.Header.Get("RateLimit-Limit") != "6" || resp.Header.Get("RateLimit-Remaining") != fmt.Sprint(5-i) {
			t.Fatalf("request %d: %d %v %s", i, resp.StatusCode, resp.Header, body)
		}
	}
	resp, body := b.do(t, "GET", "/api/v1/nothing", ann, "", "")
	h := resp.Header
	if resp.StatusCode != 429 || h.Get("Retry-After") != "1" || h.Get("RateLimit-Remaining") != "0" || h.Get("RateLimit-Reset") != "2" {
		t.Errorf("one too many: %d %v", resp.StatusCode, h)
	}
	if !strings.Contains(body, `"limit":3,"parameter":"requests"`) || !strings.Contains(body, "user:ann@example.org: more than 3 requests a second, or 6 at once; wait") {
		t.Errorf("one too many: %s", body)
	}
	if n := limited(t, reg, "caller"); n != 1 {
		t.Errorf("%v are counted, want 1", n)
	}
	if resp, _ := b.do(t, "GET", "/api/v1/me", other, "", ""); resp.StatusCode != 200 {
		t.Errorf("somebody else at the same address: %d", resp.StatusCode)
	}
	for range 50 {
		must[client.Me](t)(b.local.Me(t.Context())) // the socket
	}
	for _, path := range []string{"/", "/healthz", "/openapi.json"} {
		if resp, _ := b.do(t, "GET", path, ann, "", ""); resp.StatusCode != 200 || resp.Header.Get("RateLimit-Limit") != "" {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
	pass(time.Second)
	if resp, _ := b.do(t, "GET", "/api/v1/me", ann, "", ""); resp.StatusCode != 200 {
		t.Errorf("after a second: %d", resp.StatusCode)
	}
}

func TestStrangersAreLimited(t *testing.T) {
	b, _, reg := limitedBox(t)
	ann := b.ann(t).AccessToken // takes one of the four
	for range 100 {             // without credentials: it costs nothing, and says 401 to everybody
		if resp, _ := b.do(t, "GET", "/api/v1/devices", "", "", ""); resp.StatusCode != 401 {
			t.Fatalf("%d", resp.StatusCode)
		}
	}
	for range 3 {
		if resp, _ := b.do(t, "GET", "/api/v1/devices", "guessed", "", ""); resp.StatusCode != 401 {
			t.Fatalf("a guess: %d", resp.StatusCode)
		}
	}
	const js = "application/json"
	for path, body := range map[string]string{"/api/v1/devices": "", "/api/v1/auth/login": `{"email":"x@y.z","password":"guessed it"}`} {
		method := "GET"
		if body != "" {
			method = "POST"
		}
		resp, text := b.do(t, method, path, "guessed", js, body)
		if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "1" || !strings.Contains(text, "127.0.0.1/32") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, text)
		}
	}
	if resp, _ := b.do(t, "GET", "/api/v1/me", ann, "", ""); resp.StatusCode != 200 {
		t.Errorf("who has logged in, at the same address: %d", resp.StatusCode)
	}
	if n := limited(t, reg, "address"); n != 2 {
		t.Errorf("%v are counted, want 2", n)
	}
}

// limited answers how many requests were counted as refused.
func limited(t *testing.T, reg *prometheus.Registry, limit string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "tidegate_api_rate_limited_total" && m.GetLabel()[0].GetValue() == limit {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// TestDevicesAreNotLimited, but guesses at their secrets are.
func TestDevicesAreNotLimited(t *testing.T) {
	b, pass, _ := limitedBox(t)
	secret := "another"
	must[client.Device](t)(b.local.CreateDevice(t.Context(), client.NewDevice{ID: "d2", OrgID: "acme", Secret: &secret, PortCount: 1}))
	send := func(name, secret string) int {
		req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), "POST", b.url+telemetryPath, strings.NewReader(`{"readings":[{"port":1,"value":1}]}`)))
		req.SetBasicAuth(name, secret)
		resp := must[*http.Response](t)(http.DefaultClient.Do(req))
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for range 30 {
		if status := send("d1", "S"); status != 202 {
			t.Fatalf("a device: %d", status)
		}
	}
	for range 4 {
		if status := send("d2", "guessed"); status != 401 {
			t.Fatalf("a guess: %d", status)
		}
	}
	if status := send("d2", "another"); status != 429 {
		t.Errorf("a secret that was guessed after too many: %d", status)
	}
	if status := send("d1", "S"); status != 202 {
		t.Errorf("another device behind the same address: %d", status)
	}
	if status := send(strings.Repeat("x", 10_000), "guessed"); status != 401 {
		t.Errorf("a long name: %d", status)
	}
	for key := range b.rates.strangers.byKey {
		if len(key) > 100 {
			t.Errorf("a key of %d bytes is kept", len(key))
		}
	}
	pass(time.Second)
	if status := send("d2", "another"); status != 202 {
		t.Errorf("after a second: %d", status)
	}
}
