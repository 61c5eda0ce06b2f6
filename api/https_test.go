package api

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"nhooyr.io/websocket"

	"tidegate/cli/gateway/certificate/certtest"
	"tidegate/ingest/live"
)

func TestRedirectHTTP(t *testing.T) {
	b := newBox(t)
	for _, c := range []struct {
		name, method, target, host, from, credentials string
		port, status                                  int
		location, detail                              string
	}{
		{name: "the page", method: "GET", target: "/", status: 308, location: "https://box:8443/"},
		{name: "a path and its query", method: "GET", target: "/devices/a%2Fb?x=1&y=%20z", status: 308, location: "https://box:8443/devices/a%2Fb?x=1&y=%20z"},
		{name: "HEAD", method: "HEAD", target: "/api/v1/devices", status: 308, location: "https://box:8443/api/v1/devices"},
		{name: "the port of https", method: "GET", target: "/", port: 443, status: 308, location: "https://box/"},
		{name: "another port in Host", method: "GET", target: "/", host: "box.example:8080", status: 308, location: "https://box.example:8443/"},
		{name: "an address", method: "GET", target: "/", host: "192.0.2.1:8080", status: 308, location: "https://192.0.2.1:8443/"},
		{name: "an address of IPv6", method: "GET", target: "/", host: "[2001:db8::1]:8080", status: 308, location: "https://[2001:db8::1]:8443/"},
		{name: "the same and the port of https", method: "GET", target: "/", host: "[2001:db8::1]", port: 443, status: 308, location: "https://[2001:db8::1]/"},
		{name: "two slashes", method: "GET", target: "//evil.example/x", status: 308, location: "https://box:8443//evil.example/x"},
		{name: "no Host", method: "GET", target: "/", host: "-", status: 308, location: "https://192.0.2.7:8443/"},
		{name: "a Host that is none", method: "GET", target: "/", host: "box/@evil", status: 400},
		{name: "another Host that is none", method: "GET", target: "/", host: "box\"><x", status: 400},
		{name: "a login", method: "POST", target: "/api/v1/auth/login", status: 403, detail: "use https://box:8443/api/v1/auth/login: "},
		{name: "telemetry", method: "POST", target: "/api/v1/telemetry", status: 403, detail: "has crossed the network in clear"},
		{name: "PUT", method: "PUT", target: "/api/v1/organizations/acme", status: 403, detail: "takes neither changes nor credentials"},
		{name: "DELETE", method: "DELETE", target: "/api/v1/devices/d1", status: 403},
		{name: "OPTIONS", method: "OPTIONS", target: "*", status: 403, detail: "use https://box:8443/: "},
		{name: "a method of its own", method: "BREW", target: "/", status: 403},
		{name: "GET with a token", method: "GET", target: "/api/v1/devices", credentials: "Bearer x", status: 403, detail: "change that"},
		{name: "is it alive", method: "GET", target: "/healthz", status: 200},
		{name: "is it ready", method: "GET", target: "/readyz", status: 200},
		{name: "this machine's page", method: "GET", target: "/", from: "127.0.0.1:1", status: 200},
		{name: "this machine's page over IPv6", method: "GET", target: "/", from: "[::1]:1", status: 200},
		{name: "this machine's page over both", method: "GET", target: "/", from: "[::ffff:127.0.0.1]:1", status: 200},
		{name: "this machine's login", method: "POST", target: "/api/v1/auth/login", from: "127.0.0.1:1", status: 400},
		{name: "this machine's token", method: "GET", target: "/api/v1/devices", from: "127.0.0.1:1", credentials: "Bearer x", status: 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.port == 0 {
				c.port = 8443
			}
			r := httptest.NewRequest(c.method, c.target, http.NoBody)
			r.Host = "box"
			if c.host != "" {
				r.Host = strings.TrimPrefix(c.host, "-")
			}
			r.RemoteAddr = "192.0.2.9:4711"
			if c.from != "" {
				r.RemoteAddr = c.from
			}
			if c.credentials != "" {
				r.Header.Set("Authorization", c.credentials)
			}
			local := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 8080}
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
			w := httptest.NewRecorder()
			b.RedirectHTTP(c.port).Handler.ServeHTTP(w, r)
			if w.Code != c.status || w.Header().Get("Location") != c.location {
				t.Errorf("%d to %q, want %d to %q: %s", w.Code, w.Header().Get("Location"), c.status, c.location, w.Body)
			}
			if c.status != 403 && (c.status != 400 || c.from != "") {
				return
			}
			var p Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Fatalf("%v: %s %s", err, w.Header().Get("Content-Type"), w.Body)
			}
			if c.status == 403 && p.Code != "https_required" || !strings.Contains(p.Detail, c.detail) {
				t.Errorf("%+v, want %q", p, c.detail)
			}
		})
	}
}

// secured serves a box over TLS and answers where, and a client that trusts it
// and would rather speak HTTP/2.
func (b *box) secured(t *testing.T, vouched func() bool) (host string, c *http.Client) {
	t.Helper()
	ca := certtest.NewCA(t, "CA")
	s := b.HTTPS(&tls.Config{Certificates: []tls.Certificate{ca.Sign(t, certtest.Template{Name: "box"}).TLS}}, vouched)
	l := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	ended := make(chan error, 1)
	go func() { ended <- s.ServeTLS(l, "", "") }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-ended; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	transport := &http.Transport{TLSClientConfig: ca.Client(nil), ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return l.Addr().String(), &http.Client{Transport: transport}
}

// TestHTTPS serves with HTTP/2, and tells browsers to insist only where that
// helps them.
func TestHTTPS(t *testing.T) {
	b := newBox(t)
	vouched := true
	host, cl := b.secured(t, func() bool { return vouched })
	for _, c := range []struct {
		host    string
		vouched bool
		want    string
	}{
		{"box.example", true, "max-age=15768000"},
		{"box.example:443", true, "max-age=15768000"},
		{"box.example", false, ""},
		{"box.example:8443", true, ""},
	} {
		vouched = c.vouched
		r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), "GET", "https://"+host+"/", nil))
		r.Host = c.host
		resp := must[*http.Response](t)(cl.Do(r))
		body := string(must[[]byte](t)(io.ReadAll(resp.Body)))
		_ = resp.Body.Close()
		if resp.ProtoMajor != 2 || body != "the page" || resp.Header.Get("Strict-Transport-Security") != c.want {
			t.Errorf("%+v: %s, %q, %v", c, resp.Proto, body, resp.Header)
		}
	}
	if resp, _ := b.do(t, "GET", "/", "", "", ""); resp.Header.Get("Strict-Transport-Security") != "" {
		t.Error("without TLS a browser is told to insist on it")
	}
}

// What has a body, streams, or leaves HTTP works over TLS as it does without.
func TestEverythingOverHTTPS(t *testing.T) {
	b := newBox(t).withSample(t)
	host, cl := b.secured(t, func() bool { return false })
	do := func(method, path, token, contentType, body string) string {
		t.Helper()
		r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, "https://"+host+path, strings.NewReader(body)))
		r.Header.Set("Content-Type", contentType)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp := must[*http.Response](t)(cl.Do(r))
		defer resp.Body.Close()
		out := string(must[[]byte](t)(io.ReadAll(resp.Body)))
		if resp.StatusCode/100 != 2 || resp.ProtoMajor != 2 {
			t.Fatalf("%s %s: %s %s: %s", method, path, resp.Proto, resp.Status, out)
		}
		return out
	}
	var l struct{ AccessToken string }
	if err := json.Unmarshal([]byte(do("POST", "/api/v1/auth/login", "", "application/json", `{"email":"`+annEmail+`","password":"`+annPassword+`"}`)), &l); err != nil {
		t.Fatal(err)
	}
	rows := strings.Repeat("1700000000000,d1,1,3\n", 20_000)
	do("POST", "/api/v1/imports/readings", l.AccessToken, "text/csv", "ts,device,port,value\n"+rows)
	if csv := do("GET", "/api/v1/exports/readings.csv?from=2023-01-01T00:00:00Z&to=2024-01-01T00:00:00Z", l.AccessToken, "", ""); !strings.Contains(csv, "d1,1,3") {
		t.Errorf("export %q", csv)
	}
	// As browsers do it, and a client that offers HTTP/2 too.
	for _, h := range []*http.Client{cl, {Transport: &http.Transport{TLSClientConfig: cl.Transport.(*http.Transport).TLSClientConfig}}} {
		c, _, err := websocket.Dial(t.Context(), "wss://"+host+livePath, &websocket.DialOptions{HTTPClient: h, HTTPHeader: http.Header{"Origin": {"https://" + host}}})
		if err != nil {
			t.Fatal(err)
		}
		say(t, c, LiveAuth{Type: "auth", Token: l.AccessToken})
		say(t, c, LiveSubscribe{Type: "subscribe", ID: 7})
		if m := hear(t, c); m.Type != "subscribed" || m.ID != 7 {
			t.Errorf("answer %+v", m)
		}
		b.hub.Publish([]live.Event{reading("d1", 1, 5)})
		if m := hear(t, c); m.Type != "readings" || len(m.Items) != 1 {
			t.Errorf("readings %+v", m)
		}
		_ = c.CloseNow()
		h.CloseIdleConnections()
	}
}
