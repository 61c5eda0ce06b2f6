package notify

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestGuard(t *testing.T) {
	for address, want := range map[string]string{
		"8.8.8.8": "", "1.1.1.1": "", "100.63.255.255": "", "100.128.0.0": "", "172.15.0.1": "", "172.32.0.1": "", "192.167.1.1": "", "223.255.255.255": "",
		"2606:4700::1111": "", "2a00:1450:4001::200e": "", "64:ff9b::808:808": "",
		"0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "10.0.0.1": "private", "10.255.255.255": "private", "100.64.0.1": "carrier-grade NAT",
		"127.0.0.1": "loopback", "127.255.255.254": "loopback", "169.254.169.254": "link-local", "172.16.0.1": "private", "172.31.255.255": "private",
		"192.168.0.1": "private", "192.0.0.192": "reserved", "198.18.0.1": "benchmarking", "224.0.0.1": "multicast", "239.1.1.1": "multicast", "255.255.255.255": "reserved", "240.0.0.1": "reserved",
		"::": "unspecified", "::1": "loopback", "::ffff:127.0.0.1": "loopback", "::ffff:10.0.0.1": "private", "::ffff:8.8.8.8": "", "::127.0.0.1": "reserved",
		"fe80::1": "link-local", "fe80::1%eth0": "link-local", "fd00:ec2::254": "private", "fc00::1": "private", "fec0::1": "site-local", "ff02::1": "multicast",
		"64:ff9b::7f00:1": "loopback, through NAT64", "64:ff9b::a9fe:a9fe": "link-local", "64:ff9b:1::808:808": "reserved",
		"2001::1": "reserved", "2001:db8::1": "documentation", "2002:7f00:1::": "6to4", "3fff::1": "documentation", "4000::1": "reserved", "100::1": "reserved",
	} {
		err := (&guard{}).check(netip.MustParseAddr(address))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), "("+want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	some := &guard{allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/64"), netip.MustParsePrefix("127.0.0.1/32")}}
	for address, allowed := range map[string]bool{
		"10.1.2.3": true, "10.2.2.3": false, "fd00::5": true, "fd00:1::5": false, "127.0.0.1": true, "127.0.0.2": false,
		"::ffff:10.1.2.3": true, "64:ff9b::a01:203": true, "64:ff9b::a02:203": false,
	} {
		if err := some.check(netip.MustParseAddr(address)); (err == nil) != allowed {
			t.Errorf("%s with some allowed: %v", address, err)
		}
	}
}

func TestLiteral(t *testing.T) {
	for host, want := range map[string]string{
		"127.0.0.1": "127.0.0.1", "::1": "::1", "127.1": "127.0.0.1", "0x7f.1": "127.0.0.1", "2130706433": "127.0.0.1", "0177.0.0.1": "127.0.0.1", "0x7f000001": "127.0.0.1", "10.0.258": "10.0.1.2",
		"example.org": "", "1.2.3.4.5": "", "a.1": "", "": "",
	} {
		got, ok := literal(host)
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("%q is %v, %t, want %q", host, got, ok, want)
		}
	}
}

// asks sends a request through the real network.
func asks(t *testing.T, o Options, to string) (outcome, answer) {
	t.Helper()
	o.Now = time.Now
	return newPoster(&o).do(context.Background(), &post{method: http.MethodPost, url: to, body: []byte("{}"), wanders: true, header: http.Header{"X-Key": {"sesame"}}})
}

// TestGuardOnTheNetwork: real sockets and the real resolver.
func TestGuardOnTheNetwork(t *testing.T) {
	var reached atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		}
	}))
	defer s.Close()
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"} {
		if o, _ := asks(t, Options{}, "http://"+host+":"+port); o.kind != refused || !strings.Contains(o.words, "not a public one (loopback)") {
			t.Errorf("%s: %+v", host, o)
		}
	}
	// No proxy of the environment is asked in our place.
	t.Setenv("HTTP_PROXY", s.URL)
	t.Setenv("http_proxy", s.URL)
	if o, _ := asks(t, Options{}, "http://10.255.255.1:9/"); o.kind != refused {
		t.Errorf("%+v", o)
	}
	if n := reached.Load(); n != 0 {
		t.Fatalf("%d requests came through", n)
	}
	one := Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	if o, _ := asks(t, one, s.URL); o.kind != delivered || reached.Load() != 1 {
		t.Errorf("%+v", o)
	}
	if o, _ := asks(t, one, s.URL+"/?to=http://127.0.0.2:"+port+"/"); o.kind != refused || reached.Load() != 2 {
		t.Errorf("a redirect to a guarded address: %+v, %d requests", o, reached.Load())
	}
	if o, _ := asks(t, one, s.URL+"/?to=/"); o.kind != delivered || reached.Load() != 4 {
		t.Errorf("%+v", o)
	}
}

// TestFailuresOnTheNetwork: what people read of a connection that fails.
func TestFailuresOnTheNetwork(t *testing.T) {
	allow := Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, patience: patience{header: time.Minute, body: time.Second, whole: 2 * time.Minute}}
	cert, pool := certificate(t, "elsewhere.example")
	listen := func(serve func(c net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer func() { _ = c.Close() }()
					serve(c)
				}()
			}
		}()
		return l.Addr().String()
	}
	closed := listen(func(net.Conn) {})
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, url, want string }{
		{"nobody listens", "http://" + nobody, "the connection was refused"},
		{"closes", "http://" + closed, "the connection was closed before an answer came"},
		{"resets", "http://" + listen(func(c net.Conn) {
			_ = c.(*net.TCPConn).SetLinger(0)
		}), "the connection was closed before an answer came"},
		{"garbage", "http://" + listen(says("220 mail ESMTP\r\n")), "what it answers is not HTTP"},
		{"wrong certificate", "https://" + listen(func(c net.Conn) {
			_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
		}), "its certificate is not good: x509: certificate signed by unknown authority"},
		{"no TLS", "https://" + listen(func(c net.Conn) { _, _ = fmt.Fprint(c, "HTTP/1.0 400 Bad Request\r\n\r\n") }), "it does not speak TLS"},
		{"no such host", "http://no-such-host.invalid/", "there is no host of that name|the host's name could not be resolved"},
	} {
		o, _ := asks(t, allow, c.url)
		ok := false
		for _, want := range strings.Split(c.want, "|") {
			ok = ok || o.words == want
		}
		if o.kind != again || o.status != "" || !ok {
			t.Errorf("%s: %+v, want %q", c.name, o, c.want)
		}
	}
	hasty := allow
	hasty.patience.header = 200 * time.Millisecond
	if o, _ := asks(t, hasty, "http://"+listen(func(net.Conn) { <-hang })); o.kind != again || o.words != "no answer in time" {
		t.Errorf("%+v", o)
	}
	named := allow
	named.tlsConfig = &tls.Config{RootCAs: pool, ServerName: "ops.example"}
	if o, _ := asks(t, named, "https://"+listen(func(c net.Conn) {
		_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
	})); o.kind != again || !strings.HasPrefix(o.words, "its certificate is not good: x509: certificate is valid for") {
		t.Errorf("%+v", o)
	}
	// What it says beside its status is read as far as it comes.
	if o, a := asks(t, allow, "http://"+listen(forever("HTTP/1.1 500 No\r\n\r\n", strings.Repeat("x", 1000), 0))); o.kind != again || len(a.body) != maxAnswer {
		t.Errorf("%+v, %d bytes", o, len(a.body))
	}
	if o, a := asks(t, allow, "http://"+listen(reads(func(c net.Conn) { _, _ = fmt.Fprint(c, "HTTP/1.1 404 No\r\nContent-Length: 999\r\n\r\ngone"); <-hang }))); o.kind != refused || string(a.body) != "gone" {
		t.Errorf("%+v, %q", o, a.body)
	}
}

func TestSignature(t *testing.T) {
	// printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
	const want = "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
	if got := sign("secret", []byte(`{"a":1}`), time.Unix(1_700_000_000, 0)); got != want {
		t.Error(got)
	}
}
