package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tidegate/store"
)

func TestProblems(t *testing.T) {
	fail := func() error { return nil }
	b := newBox(t, func(o *Options) {
		o.Status = func(context.Context) (Status, error) { return Status{}, fail() }
		o.Ready = func() error { return fail() }
	}).withSample(t)
	token := b.ann(t).AccessToken
	const js = "application/json"
	long := strings.Repeat("x", 2<<20)
	for _, c := range []struct {
		method, path, contentType, body string
		status                          int
		code, says                      string
	}{
		{"GET", "/api/v1/nothing", "", "", 404, "not_found", "/openapi.json"},
		{"DELETE", "/api/v1/readings", "", "", 405, "method_not_allowed", "Allow"},
		{"GET", "/api/v1/devices/none", "", "", 404, "not_found", `device "none"`},
		{"GET", "/api/v1/devices/d1/ports/9", "", "", 404, "not_found", "d1/9"},
		{"GET", "/api/v1/devices/d1/ports/70000", "", "", 422, "invalid", "path.n"},
		{"GET", "/api/v1/devices/d1/ports/x", "", "", 422, "invalid", "path.n"},
		{"GET", "/api/v1/devices?limt=3", "", "", 422, "invalid", "query.limt: is unknown; this route takes cursor, hasSecret, includeDeleted, limit, online, order, orgId, ports, q, sort, state"},
		{"GET", "/api/v1/me?x=1", "", "", 422, "invalid", "takes no parameters"},
		{"GET", "/api/v1/devices?limit=0", "", "", 422, "invalid", "query.limit"},
		{"GET", "/api/v1/devices?limit=1001", "", "", 422, "invalid", "1000"},
		{"GET", "/api/v1/devices?limit=1&limit=2", "", "", 422, "invalid", "2 times"},
		{"GET", "/api/v1/devices?orgId=", "", "", 422, "invalid", "is empty"},
		{"GET", "/api/v1/devices?orgId=none", "", "", 404, "not_found", "organization"},
		{"GET", "/api/v1/readings?from=yesterday", "", "", 422, "invalid", "2025-09-06T12:00:00Z"},
		{"GET", "/api/v1/readings?from=2025-01-01T00:00:00+02:00", "", "", 422, "invalid", "%2B"},
		{"GET", "/api/v1/readings?from=2&to=1", "", "", 422, "invalid", "later than to"},
		{"GET", "/api/v1/readings?deviceId=none", "", "", 404, "not_found", `device "none"`},
		{"GET", "/api/v1/readings?deviceId=d1&portNumber=77", "", "", 404, "not_found", "d1/77"},
		{"GET", "/api/v1/readings?portNumber=-1", "", "", 422, "invalid", "65535"},
		{"GET", "/api/v1/readings?every=soon", "", "", 422, "invalid", "1m"},
		{"GET", "/api/v1/readings?every=1us", "", "", 422, "invalid", "milliseconds"},
		{"GET", "/api/v1/readings?every=1m&order=desc", "", "", 422, "invalid", "ascending"},
		{"GET", "/api/v1/readings?cursor=x", "", "", 422, "invalid", "nextCursor"},
		{"GET", "/api/v1/readings?order=up", "", "", 422, "invalid", "asc"},
		{"GET", "/api/v1/dead-letters?reason=bad", "", "", 422, "invalid", "unknown_port"},
		{"GET", "/api/v1/dead-letters/x", "", "", 404, "not_found", ""},
		{"POST", "/api/v1/dead-letters/delete", js, `{}`, 422, "invalid", "set all"},
		{"POST", "/api/v1/dead-letters/replay", js, `{"ids":["1-0"],"all":true}`, 422, "invalid", "not both"},
		{"POST", "/api/v1/dead-letters/replay", js, `{"all":true,"zone":"Mars"}`, 422, "invalid", "Europe/Berlin"},
		{"POST", "/api/v1/organizations", js, `{"id":"a b","name":"x"}`, 422, "invalid", "A-Z"},
		{"POST", "/api/v1/organizations", js, `{"id":"acme","name":"x"}`, 409, "conflict", "acme"},
		{"POST", "/api/v1/organizations", js, `{"id":"x","name":"x","nme":1}`, 422, "invalid", "nme"},
		{"POST", "/api/v1/organizations", js, `{`, 400, "invalid", ""},
		{"POST", "/api/v1/organizations", js, `{"id":"` + long + `"}`, 413, "too_large", "1048576"},
		{"POST", "/api/v1/organizations", "text/plain", `{}`, 415, "unsupported_media_type", ""},
		{"POST", "/api/v1/devices", js, `{"orgId":"none","id":"d2"}`, 404, "not_found", "organization"},
		{"POST", "/api/v1/devices", js, `{"orgId":"acme","id":"d1"}`, 409, "conflict", "d1"},
		{"POST", "/api/v1/devices", js, `{"orgId":"acme","id":"SN1"}`, 409, "conflict", "SN1"},
		{"POST", "/api/v1/devices", js, `{"orgId":"acme"}`, 422, "invalid", "id"},
		{"POST", "/api/v1/devices", js, `{"orgId":"acme","id":"d2","acceptPast":"3 weeks"}`, 422, "invalid", "90d"},
		{"POST", "/api/v1/devices", js, `{"orgId":"acme","id":"d2","portCount":5000}`, 422, "invalid", "4096"},
		{"PUT", "/api/v1/devices/d1/ports/1", js, `{"scaling":0}`, 422, "invalid", "scaling"},
		{"PUT", "/api/v1/devices/d1/ports/1", js, `{"clear":["high","width"]}`, 422, "invalid", "validMin"},
		{"POST", "/api/v1/users", js, `{"email":"x","password":"long enough","role":"company-admin"}`, 422, "invalid", "ann@example.org"},
		{"POST", "/api/v1/users", js, `{"email":"x@y.z","password":"short","role":"company-admin"}`, 422, "invalid", "8"},
		{"POST", "/api/v1/credentials/ingest", js, `{"orgId":"acme","ttl":"48h"}`, 422, "invalid", "24h"},
		{"POST", "/api/v1/imports/readings?create=true", "text/csv", "ts,device,port,value\n", 422, "invalid", "orgId"},
		{"POST", "/api/v1/imports/readings", "text/csv", "a,b\n", 422, "invalid", "ts,device,port,value"},
		{"POST", "/api/v1/imports/readings", "application/gzip", "not gzip", 422, "invalid", "gzip"},
		{"GET", "/api/v1/backup", "", "", 503, "unavailable", ""},
		{"GET", "/api/v1/live", "", "", 426, "", "WebSocket"},
	} {
		resp, body := b.do(t, c.method, c.path, token, c.contentType, c.body)
		var p Problem
		name := fmt.Sprintf("%s %s %.60s", c.method, c.path, c.body)
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
			continue
		}
		if resp.StatusCode != c.status || p.Status != c.status || (c.code != "" && p.Code != c.code) || !strings.Contains(p.Detail, c.says) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
		if p.RequestID == "" || p.RequestID != resp.Header.Get("X-Request-Id") || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: request id %q, header %q, type %q", name, p.RequestID, resp.Header.Get("X-Request-Id"), resp.Header.Get("Content-Type"))
		}
		if len(body) > 2000 {
			t.Errorf("%s: the answer has %d bytes", name, len(body))
		}
	}

	for _, c := range []struct {
		err    error
		status int
		retry  string
		says   string
	}{
		{errors.New("open /var/lib/tidegate/x: secret path"), 500, "", "request id"},
		{fmt.Errorf("scan: %w", store.ErrUnavailable), 503, "5", "try again"},
		{&store.Error{Kind: store.ErrFull, Noun: "log", Msg: "no room"}, 503, "10", "no room"},
		{fmt.Errorf("outer secret path: %w", store.NotFound("thing", "t1")), 404, "", `thing "t1"`},
	} {
		fail = func() error { return c.err }
		resp, body := b.do(t, "GET", "/readyz", "", "", "") // which may fail in any way
		if resp.StatusCode != c.status || resp.Header.Get("Retry-After") != c.retry || !strings.Contains(body, strings.ReplaceAll(c.says, `"`, `\"`)) || strings.Contains(body, "secret path") {
			t.Errorf("%v: %d, retry %q, %s", c.err, resp.StatusCode, resp.Header.Get("Retry-After"), body)
		}
	}
	if !strings.Contains(b.logged.String(), "secret path") {
		t.Error("the cause of a 500 is not in the log")
	}
	fail = func() error { panic("boom") }
	if resp, body := b.do(t, "GET", "/api/v1/status", token, "", ""); resp.StatusCode != http.StatusInternalServerError || strings.Contains(body, "boom") {
		t.Errorf("a panic: %d %s", resp.StatusCode, body)
	}
	if !strings.Contains(b.logged.String(), "boom") {
		t.Error("the panic is not in the log")
	}
	fail = func() error { return store.ErrUnavailable }
	if resp, _ := b.do(t, "GET", "/readyz", "", "", ""); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("readyz while not ready: %d", resp.StatusCode)
	}
}

func TestWhatIsOpen(t *testing.T) {
	b := newBox(t)
	for path, says := range map[string]string{
		"/": "the page", "/devices/d1": "the page", "/healthz": "ok", "/readyz": "ready",
		"/openapi.json": `"openapi":"3.1.0"`, "/docs": "<title>tidegate API",
	} {
		resp, body := b.do(t, "GET", path, "", "", "")
		if resp.StatusCode != http.StatusOK || !strings.Contains(body, says) {
			t.Errorf("%s: %d %.100s", path, resp.StatusCode, body)
		}
		h := resp.Header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") == "" || h.Get("X-Request-Id") == "" {
			t.Errorf("%s: headers %v", path, h)
		}
	}
	_, docs := b.do(t, "GET", "/docs", "", "", "")
	for _, far := range []string{"https://", "http://", "//cdn"} {
		if strings.Contains(docs, far) {
			t.Errorf("/docs speaks of %s", far)
		}
	}
	resp, _ := b.do(t, "GET", "/docs", "", "", "")
	if csp := resp.Header.Get("Content-Security-Policy"); strings.Count(csp, "sha256-") != 2 || strings.Contains(csp, "unsafe") {
		t.Errorf("/docs: %s", csp)
	}
	if resp, _ := b.do(t, "GET", "/metrics", "", "", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("/metrics without a handler: %d", resp.StatusCode)
	}
}
