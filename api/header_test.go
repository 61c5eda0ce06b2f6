package api

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tidegate/web"
)

// TestEveryAnswerIsGuarded asks for every kind of answer that there is.
func TestEveryAnswerIsGuarded(t *testing.T) {
	reg := prometheus.NewRegistry()
	fail := false
	b := newBox(t, withBoxParts, func(o *Options) {
		o.Page, o.Metrics = web.Handler(), promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
		o.CORSOrigins = []string{named}
		o.Ready = func() error {
			if fail {
				panic("boom")
			}
			return nil
		}
	}).withSample(t)
	token := "Bearer " + b.ann(t).AccessToken
	index, html := b.with(t, "GET", "/")
	asset := regexp.MustCompile(`/static/[0-9a-f]+/app\.js`).FindString(html)
	if asset == "" {
		t.Fatal("the page has no script")
	}
	const (
		none  = contentPolicy
		never = "no-store"
	)
	docsPage, docsPolicy := docs()
	for _, c := range []struct {
		method, path, body string
		headers            []string
		status             int
		kind, cache        string // empty: there is none
		policy             string // empty: the page's, which web tests
	}{
		{"GET", "/", "", nil, 200, "text/html; charset=utf-8", "no-cache", ""},
		{"GET", "/", "", []string{"If-None-Match", index.Header.Get("ETag")}, 304, "", "no-cache", ""},
		{"GET", "/devices/d1", "", nil, 200, "text/html; charset=utf-8", "no-cache", ""},
		{"GET", asset, "", nil, 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", ""},
		{"GET", "/static/none.js", "", nil, 404, "text/plain; charset=utf-8", never, ""},
		{"POST", "/", "", nil, 405, "text/plain; charset=utf-8", "", ""},
		{"GET", "/docs", "", nil, 200, "text/html; charset=UTF-8", never, docsPolicy},
		{"GET", "/docs/", "", nil, 404, problemType, never, none},
		{"GET", "/openapi.json", "", nil, 200, "application/json", never, none},
		{"GET", "/healthz", "", nil, 200, "application/json", never, none},
		{"GET", "/metrics", "", nil, 200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", never, none},
		{"HEAD", "/api/v1/devices", "", []string{"Authorization", token}, 200, "application/json", never, none},
		{"GET", "/api/v1/devices", "", []string{"Authorization", token}, 200, "application/json", never, none},
		{"GET", "/api/v1/devices", "", []string{"Authorization", token, "Accept-Encoding", "gzip"}, 200, "application/json", never, none},
		{"GET", "/api/v1/exports/readings.csv", "", []string{"Authorization", token}, 200, "text/csv; charset=utf-8", never, none},
		{"GET", "/api/v1/exports/readings.parquet", "", []string{"Authorization", token}, 200, "application/vnd.apache.parquet", never, none},
		{"HEAD", "/api/v1/exports/readings.parquet", "", []string{"Authorization", token}, 200, "application/vnd.apache.parquet", never, none},
		{"GET", "/api/v1/readings", "", []string{"Authorization", token}, 200, "application/json", never, none},
		{"GET", "/api/v1/backup", "", []string{"Authorization", token}, 200, "application/octet-stream", never, none},
		{"POST", "/api/v1/imports/readings", "ts,device,port,value\n", []string{"Authorization", token}, 200, "application/x-ndjson", never, none},
		{"POST", "/api/v1/auth/login", `{"email":"ann@example.org","password":"correct horse"}`, nil, 200, "application/json", never, none},
		{"POST", "/api/v1/devices", `{"id":"d7","orgId":"acme"}`, []string{"Authorization", token}, 201, "application/json", never, none},
		{"DELETE", "/api/v1/devices/d7", "", []string{"Authorization", token}, 204, "", never, none},
		{"OPTIONS", "/api/v1/devices", "", []string{"Origin", named, preflight, "GET"}, 204, "", never, none},
		{"OPTIONS", "/api/v1/devices", "", []string{"Authorization", token}, 204, "", never, none},
		{"POST", "/api/v1/devices", "{", []string{"Authorization", token}, 400, problemType, never, none},
		{"GET", "/api/v1/devices", "", nil, 401, problemType, never, none},
		{"GET", "/api/v1/devices", "", []string{"Authorization", "Bearer x"}, 401, problemType, never, none},
		{"POST", "/api/v1/telemetry", "", nil, 401, problemType, never, none},
		{"GET", "/api/v1/nothing", "", []string{"Authorization", token}, 404, problemType, never, none},
		{"GET", "/api/v1/devices/", "", []string{"Authorization", token}, 404, problemType, never, none},
		{"DELETE", "/api/v1/readings", "", []string{"Authorization", token}, 405, problemType, never, none},
		{"POST", "/api/v1/auth/login", strings.Repeat("x", 17_000), nil, 413, problemType, never, none},
		{"GET", "/api/v1/devices?q=" + strings.Repeat("x", 17_000), "", nil, 414, problemType, never, none},
		{"POST", "/api/v1/devices", "x", []string{"Authorization", token, "Content-Type", "text/plain"}, 415, problemType, never, none},
		{"GET", "/api/v1/devices?x=1", "", []string{"Authorization", token}, 422, problemType, never, none},
		{"GET", "/api/v1/live", "", []string{"Authorization", token}, 426, problemType, never, none},
		{"GET", "/api/v1/me", "", []string{"Cookie", strings.Repeat("x", 33_000)}, 431, problemType, never, none},
		{"GET", "/readyz", "", nil, 500, problemType, never, none},
	} {
		fail = c.path == "/readyz"
		req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), c.method, b.url+c.path, strings.NewReader(c.body)))
		for i := 0; i < len(c.headers); i += 2 {
			req.Header.Set(c.headers[i], c.headers[i+1])
		}
		resp := must[*http.Response](t)((&http.Transport{DisableCompression: true}).RoundTrip(req))
		body := must[[]byte](t)(io.ReadAll(resp.Body))
		_ = resp.Body.Close()
		h := resp.Header
		name := fmt.Sprintf("%s %.60s %.20s", c.method, c.path, c.body)
		if resp.StatusCode != c.status || h.Get("Content-Type") != c.kind || h.Get("Cache-Control") != c.cache {
			t.Errorf("%s: %d %q, Cache-Control %q: %.200s", name, resp.StatusCode, h.Get("Content-Type"), h.Get("Cache-Control"), body)
		}
		for header, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Permissions-Policy": permissions,
		} {
			if got := h.Values(header); len(got) != 1 || got[0] != want {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
		policy := h.Values("Content-Security-Policy")
		if len(policy) != 1 || c.policy != "" && policy[0] != c.policy {
			t.Errorf("%s: policy %q", name, policy)
		}
		for _, word := range []string{"default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
			if !strings.Contains(strings.Join(policy, ""), word) {
				t.Errorf("%s: the policy lacks %s", name, word)
			}
		}
		if strings.Contains(strings.Join(policy, ""), "unsafe") || strings.Contains(strings.Join(policy, ""), "*") {
			t.Errorf("%s: policy %q", name, policy)
		}
		if !harmless(h.Get(requestIDHeader)) {
			t.Errorf("%s: request id %q", name, h.Get(requestIDHeader))
		}
		for _, tells := range []string{"Server", "X-Powered-By", "Strict-Transport-Security", "Set-Cookie"} {
			if h.Get(tells) != "" {
				t.Errorf("%s: %s %q", name, tells, h.Get(tells))
			}
		}
	}
	for _, far := range []string{"http://", "https://", "//cdn", " style=", " onclick=", "innerHTML", "eval("} {
		if strings.Contains(docsPage, far) {
			t.Errorf("/docs has %s, which its policy forbids", far)
		}
	}
}

const problemType = "application/problem+json"
