package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// raw sends a request line as it is, with a token, and answers what came.
func (b *box) raw(t *testing.T, token, line string) (*http.Response, string) {
	t.Helper()
	c := b.dialRaw(t)
	fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer %s\r\nConnection: close\r\n\r\n", line, token)
	method, _, _ := strings.Cut(line, " ")
	resp := must[*http.Response](t)(http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method}))
	defer func() { _ = resp.Body.Close() }()
	return resp, string(must[[]byte](t)(io.ReadAll(resp.Body)))
}

// TestPaths: each thing has one address.
func TestPaths(t *testing.T) {
	b := newBox(t).withSample(t)
	token := b.ann(t).AccessToken
	for path, status := range map[string]int{
		"/api/v1/devices": 200, "/api/v1/devices/d1": 200, "/api/v1/devices/%64%31": 200, "/%61pi/v1/devices/d1": 200,
		"/api/v1/devices/": 404, "/api/v1/devices/d1/": 404, "/api/v1//devices": 404, "//api/v1/devices": 404, "/api/v1/devices//d1": 404,
		"/api/v1/./devices": 404, "/api/v1/x/../devices": 404, "/api/v1/devices/..": 404, "/api/v1/devices/%2e%2e/me": 404, "/api/v1/devices/.": 404,
		"/page/../api/v1/devices": 404, "/api/v1/../../etc/passwd": 404,
		"/api/v1/devices/d1%2Fports": 404, "/api/v1/devices/d1%2fports": 404, "/api/v1%2Fdevices": 404, "/api/v1/devices/%2e%2e%2fd1": 404,
		"/api/v1/devices/d1%00": 404, "/api/v1/devices/%ff": 404, "/api/v1/devices/d1;x=1": 404, "/api/v1/devices/d1%3Fports=1": 404, "/api/v1/devices/d1%252Fports": 404,
		"/api/v1/devices/d1\\ports": 404, "/api/v1/devices/D1": 404, "/API/v1/devices": 200, // the page's
		"/api/v1/devices/" + strings.Repeat("x", 10_000): 404,
		"/healthz": 200, "/healthz/": 404, "//healthz": 404, "/docs/": 404, "/openapi.json/": 404, "/asyncapi.json": 200, "/asyncapi.json/": 404, "/api": 404, "/api/": 404,
		"http://elsewhere/api/v1/devices": 200, // as it is sent to a proxy: the path counts
	} {
		resp, body := b.raw(t, token, "GET "+path)
		if resp.StatusCode != status {
			t.Errorf("GET %.80s: %d, want %d: %.200s", path, resp.StatusCode, status, body)
		}
		if status != 404 {
			continue
		}
		var p Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || p.Status != 404 || p.Code != "not_found" || len(body) > 2000 {
			t.Errorf("GET %.80s: %.200s", path, body)
		}
	}
	if _, body := b.raw(t, token, "GET /api/v1/devices/"); !strings.Contains(body, "no slash at its end, none twice, and no dots alone: /api/v1/devices\"") {
		t.Errorf("a slash at the end: %s", body)
	}
}

// TestMethods: HEAD is GET without its body, OPTIONS and 405 name what there is.
func TestMethods(t *testing.T) {
	b := newBox(t).withSample(t)
	token := b.ann(t).AccessToken
	b.importCSV(t, clientOrg("acme"), "2025-09-06T12:00:00Z,d1,1,7")
	for _, path := range []string{
		"/api/v1/devices", "/api/v1/devices/d1", "/api/v1/readings", "/api/v1/exports/readings.csv", "/api/v1/ledger",
		"/api/v1/devices/none", "/api/v1/devices?limit=-1", "/openapi.json", "/docs", "/healthz", "/",
	} {
		get, body := b.raw(t, token, "GET "+path)
		head, none := b.raw(t, token, "HEAD "+path)
		if head.StatusCode != get.StatusCode || none != "" || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") {
			t.Errorf("HEAD %s: %d %s %q, GET says %d %s", path, head.StatusCode, head.Header.Get("Content-Type"), none, get.StatusCode, get.Header.Get("Content-Type"))
		}
		if n := head.ContentLength; n >= 0 && n != int64(len(body)) && !strings.Contains(body, "requestId") {
			t.Errorf("HEAD %s says %d bytes, GET has %d", path, n, len(body))
		}
	}
	for _, c := range []struct{ line, allow string }{
		{"DELETE /api/v1/readings", "OPTIONS, GET, HEAD"},
		{"PUT /api/v1/devices", "OPTIONS, GET, HEAD, POST"},
		{"GET /api/v1/devices/import", ""}, // a device may be called so
		{"POST /api/v1/devices/d1", "OPTIONS, DELETE, GET, HEAD, PATCH"},
		{"GET /api/v1/auth/login", "OPTIONS, POST"},
		{"HEAD /api/v1/auth/login", "OPTIONS, POST"},
		{"TRACE /api/v1/devices", "OPTIONS, GET, HEAD, POST"},
		{"BREW /api/v1/devices", "OPTIONS, GET, HEAD, POST"},
		{"POST /healthz", "OPTIONS, GET, HEAD"},
		{"DELETE /openapi.json", "OPTIONS, GET, HEAD"},
	} {
		resp, body := b.raw(t, token, c.line)
		if c.allow == "" {
			continue
		}
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != c.allow {
			t.Errorf("%s: %d, Allow %q, want %q", c.line, resp.StatusCode, resp.Header.Get("Allow"), c.allow)
		}
		if !strings.HasPrefix(c.line, "HEAD") && (!strings.Contains(body, `"code":"method_not_allowed"`) || resp.Header.Get("Content-Type") != "application/problem+json") {
			t.Errorf("%s: %s", c.line, body)
		}
	}
	resp, body := b.raw(t, token, "OPTIONS /api/v1/devices")
	if resp.StatusCode != http.StatusNoContent || resp.Header.Get("Allow") != "OPTIONS, GET, HEAD, POST" || body != "" {
		t.Errorf("OPTIONS: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := b.raw(t, "", "OPTIONS /api/v1/devices"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("OPTIONS without a login: %d", resp.StatusCode)
	}
}

// TestHostIsNotBelieved: what a request says of its host comes back nowhere.
func TestHostIsNotBelieved(t *testing.T) {
	b := newBox(t).withSample(t)
	token := b.ann(t).AccessToken
	for _, path := range []string{"/", "/docs", "/openapi.json", "/api/v1/devices", "/api/v1/devices/d1", "/api/v1/devices/none", "/api/v1/devices/", "/api/v1/nothing"} {
		for _, header := range []string{"Host", "X-Forwarded-Host", "Forwarded", "X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Prefix"} {
			value := "evil.example"
			if header == "Forwarded" {
				value = "host=evil.example;proto=https"
			}
			resp, body := b.with(t, "GET", path, "Authorization", "Bearer "+token, header, value)
			if strings.Contains(body, "evil") || strings.Contains(fmt.Sprint(resp.Header), "evil") {
				t.Errorf("%s with %s: %v %.300s", path, header, resp.Header, body)
			}
			if strings.Contains(body, `"$schema"`) || resp.Header.Get("Link") != "" {
				t.Errorf("%s links to a schema: %v %.300s", path, resp.Header, body)
			}
		}
	}
}
