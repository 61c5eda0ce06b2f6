package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestLimitsNameThemselves: each limit that a client can meet says what it is
// of, how much is allowed and what to do.
func TestLimitsNameThemselves(t *testing.T) {
	b := newBox(t).withSample(t)
	token := b.ann(t).AccessToken
	const js, csv = "application/json", "text/csv"
	x := func(n int) string { return strings.Repeat("x", n) }
	object := func(n int) string { return `{"id":"i","name":"` + x(n-len(`{"id":"i","name":""}`)) + `"}` }
	devices := "id,org\n" + strings.Repeat("d,none\n", maxImportedDevices+1)
	for _, c := range []struct {
		method, path, contentType, body string
		status                          int
		parameter                       string
		limit                           int64
	}{
		{"GET", "/api/v1/devices?cursor=" + x(20_000), "", "", 414, "url", 16384},
		{"GET", "/api/v1/devices?cursor=" + x(3000), "", "", 422, "query.cursor", 2048},
		{"GET", "/api/v1/devices?limit=1001", "", "", 422, "query.limit", 1000},
		{"GET", "/api/v1/readings?limit=100001", "", "", 422, "query.limit", 100_000},
		{"GET", "/api/v1/readings?" + strings.Repeat("portNumber=1&", 1001)[:13_012], "", "", 422, "query.portNumber", 1000},
		{"GET", "/api/v1/ledger?by=hour&from=2020-01-01T00:00:00Z", "", "", 422, "query.from", 8784},
		{"POST", "/api/v1/organizations", js, object(1<<20 + 1), 413, "body", 1 << 20},
		{"POST", "/api/v1/organizations", js, object(1 << 20), 422, "body.name", 200}, // as large as it may be
		{"POST", "/api/v1/auth/login", js, object(16<<10 + 1), 413, "body", 16 << 10},
		{"POST", "/api/v1/devices", js, `{"orgId":"acme","id":"x","portCount":4097}`, 422, "body.portCount", 4096},
		{"POST", "/api/v1/devices", js, `{"orgId":"acme","id":"x","name":"` + x(201) + `"}`, 422, "body.name", 200},
		{"POST", "/api/v1/devices/import", csv, x(8<<20 + 1), 413, "body", 8 << 20},
		{"POST", "/api/v1/devices/import", csv, devices, 413, "body", 10_000},
		{"POST", "/api/v1/dead-letters/delete", js, `{"ids":["1-0"` + strings.Repeat(`,"1-0"`, 10_000) + `]}`, 422, "body.ids", 10_000},
	} {
		resp, body := b.do(t, c.method, c.path, token, c.contentType, c.body)
		name := fmt.Sprintf("%s %.60s %.30s", c.method, c.path, c.body)
		var p Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Errorf("%s: %d %.200s", name, resp.StatusCode, body)
			continue
		}
		if resp.StatusCode != c.status || p.Parameter != c.parameter || p.Limit != c.limit {
			t.Errorf("%s: %d, limit %d of %q: %.300s", name, resp.StatusCode, p.Limit, p.Parameter, body)
		}
		if c.limit > 0 && !strings.Contains(p.Detail, fmt.Sprint(c.limit)) {
			t.Errorf("%s: the detail does not name the limit %d: %s", name, c.limit, p.Detail)
		}
	}
	resp, body := b.with(t, "GET", "/api/v1/me", "Cookie", x(33_000))
	if resp.StatusCode != 431 || !strings.Contains(body, `"limit":32768,"parameter":"header"`) || !strings.Contains(body, "at most 32768") {
		t.Errorf("headers: %d %s", resp.StatusCode, body)
	}
	resp, _ = b.with(t, "GET", "/api/v1/me", "Cookie", x(80_000))
	if resp.StatusCode != 431 {
		t.Errorf("headers beyond what net/http reads: %d", resp.StatusCode)
	}
}

// TestImportsAtOnceNameTheLimit holds as many imports open as there may be.
func TestImportsAtOnceNameTheLimit(t *testing.T) {
	b := newBox(t).withSample(t)
	token := b.ann(t).AccessToken
	for range importsAtOnce {
		c := b.dialRaw(t)
		fmt.Fprintf(c, "POST /api/v1/imports/readings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: text/csv\r\nContent-Length: 1000\r\n\r\nts,device,port,value\n", token)
		// The header of the answer says that the import has begun.
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	resp, body := b.do(t, "POST", "/api/v1/imports/readings", token, "text/csv", "ts,device,port,value\n")
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "10" ||
		!strings.Contains(body, `"limit":4,"parameter":"imports"`) || !strings.Contains(body, "try again") {
		t.Errorf("one import more: %d %s", resp.StatusCode, body)
	}
}
