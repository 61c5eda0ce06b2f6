package api

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"nhooyr.io/websocket"
)

const (
	named     = "https://grafana.example.org"
	notNamed  = "https://evil.example.org"
	preflight = "Access-Control-Request-Method"
)

// corsOf answers the headers that a browser looks at.
func corsOf(h http.Header) map[string]string {
	out := map[string]string{}
	for k := range h {
		if strings.HasPrefix(k, "Access-Control-") {
			out[k] = h.Get(k)
		}
	}
	return out
}

// TestCrossOriginIsOff: by default nobody is answered any of it.
func TestCrossOriginIsOff(t *testing.T) {
	b := newBox(t).withSample(t)
	for _, method := range []string{"GET", "OPTIONS"} {
		resp, _ := b.with(t, method, "/api/v1/devices", "Origin", named, preflight, "GET")
		if resp.StatusCode != 401 || len(corsOf(resp.Header)) > 0 || resp.Header.Get("Vary") == "Origin" {
			t.Errorf("%s: %d %v", method, resp.StatusCode, resp.Header)
		}
	}
}

func TestCrossOrigin(t *testing.T) {
	b := newBox(t, func(o *Options) { o.CORSOrigins = []string{"http://localhost:3000", named} }).withSample(t)
	token := "Bearer " + b.ann(t).AccessToken
	for _, c := range []struct {
		method, path, origin string
		status               int
		shared               bool
	}{
		{"OPTIONS", "/api/v1/devices", named, 204, true},
		{"OPTIONS", "/api/v1/devices", "http://localhost:3000", 204, true},
		{"OPTIONS", "/api/v1/nothing", named, 204, true}, // a preflight tells nothing of what there is
		{"OPTIONS", "/api/v1/devices", notNamed, 401, false},
		{"OPTIONS", "/api/v1/devices", named + ".evil.org", 401, false},
		{"OPTIONS", "/api/v1/devices", "http://grafana.example.org", 401, false},
		{"OPTIONS", "/api/v1/devices", "https://GRAFANA.example.org", 401, false}, // browsers send lower case
		{"OPTIONS", "/api/v1/devices", "https://grafana.example.org:8443", 401, false},
		{"OPTIONS", "/api/v1/devices", "null", 401, false},
		{"OPTIONS", "/api/v1/devices", "", 401, false},
		{"GET", "/api/v1/devices", named, 200, true},
		{"GET", "/api/v1/devices", notNamed, 200, false}, // the browser keeps it from the page
		{"GET", "/api/v1/devices/none", named, 404, true},
		{"GET", "/api/v1/devices?x=1", named, 422, true},
		{"GET", "/api/v1/devices?x=" + strings.Repeat("x", 20_000), named, 414, true},
		{"GET", "/openapi.json", named, 200, true},
		{"GET", "/docs", named, 200, false},
		{"GET", "/healthz", named, 200, false},
		{"GET", "/", named, 200, false},
	} {
		headers := []string{"Origin", c.origin}
		if c.method == "OPTIONS" {
			headers = append(headers, preflight, "PATCH", "Access-Control-Request-Headers", "authorization,content-type")
		} else {
			headers = append(headers, "Authorization", token)
		}
		resp, body := b.with(t, c.method, c.path, headers...)
		got := corsOf(resp.Header)
		if resp.StatusCode != c.status || c.shared && got["Access-Control-Allow-Origin"] != c.origin || (len(got) > 0) != c.shared {
			t.Errorf("%s %.60s from %q: %d %v", c.method, c.path, c.origin, resp.StatusCode, got)
		}
		if got["Access-Control-Allow-Credentials"] != "" {
			t.Errorf("%s %s from %q: credentials", c.method, c.path, c.origin)
		}
		if vary := strings.Join(resp.Header.Values("Vary"), ", "); (strings.HasPrefix(c.path, "/api/") || c.path == "/openapi.json") != strings.Contains(vary, "Origin") {
			t.Errorf("%s %.60s from %q: Vary %q", c.method, c.path, c.origin, vary)
		}
		if c.method == "OPTIONS" && c.shared {
			if body != "" || got["Access-Control-Allow-Methods"] != corsMethods || !strings.Contains(got["Access-Control-Allow-Headers"], "Authorization") || got["Access-Control-Max-Age"] != "600" {
				t.Errorf("preflight from %s: %v %q", c.origin, got, body)
			}
		}
		if c.method == "GET" && c.shared && !strings.Contains(got["Access-Control-Expose-Headers"], "X-Request-Id") {
			t.Errorf("%s: %v", c.path, got)
		}
	}
	resp, _ := b.with(t, "GET", "/api/v1/devices", "Origin", named)
	if resp.StatusCode != 401 || resp.Header.Get("Access-Control-Allow-Origin") != named {
		t.Errorf("a 401 that the page can see: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := b.with(t, "OPTIONS", "/api/v1/devices", "Origin", named, "Authorization", token); resp.StatusCode != 204 || resp.Header.Get("Allow") == "" {
		t.Errorf("OPTIONS that is no preflight: %d %v", resp.StatusCode, resp.Header)
	}
}

// TestCrossOriginChanges: a page that is named may change things too, with a
// token of its own and without the browser's cookies.
func TestCrossOriginChanges(t *testing.T) {
	b := newBox(t, func(o *Options) { o.CORSOrigins = []string{named} }).withSample(t)
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), "POST", b.url+"/api/v1/organizations", strings.NewReader(`{"id":"beta","name":"Beta"}`)))
	for k, v := range map[string]string{
		"Origin": named, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Content-Type": "application/json", "Authorization": "Bearer " + b.ann(t).AccessToken,
	} {
		req.Header.Set(k, v)
	}
	resp := must[*http.Response](t)(http.DefaultTransport.RoundTrip(req))
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusCreated || resp.Header.Get("Access-Control-Allow-Origin") != named {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

// TestLiveCrossOrigin: WebSockets are not kept apart by the browser, so that the
// server does.
func TestLiveCrossOrigin(t *testing.T) {
	b := newBox(t, func(o *Options) { o.CORSOrigins = []string{named} })
	url := "ws" + strings.TrimPrefix(b.url, "http") + livePath
	for origin, want := range map[string]int{named: 101, notNamed: 403, b.url: 101, "": 101, "null": 403, "::": 403} {
		h := http.Header{}
		if origin != "" {
			h.Set("Origin", origin)
		}
		ctx, stop := context.WithCancel(t.Context())
		c, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPHeader: h})
		if resp == nil || resp.StatusCode != want {
			t.Errorf("%q: %v, %v", origin, resp, err)
		}
		if err == nil {
			_ = c.CloseNow()
		} else if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
			t.Errorf("%q is refused with %s", origin, ct)
		}
		stop()
	}
}
