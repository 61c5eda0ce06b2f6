package notify

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/store"
)

// certificate makes one for names, signed by itself.
func certificate(t testing.TB, names ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// raw serves connections of a name as serve does, which reads the request itself.
func (b *box) raw(name, address string, serve func(c net.Conn)) {
	conns := make(chan net.Conn)
	done := make(chan struct{})
	b.net.mu.Lock()
	b.net.names[name], b.net.hosts[name] = address, conns
	b.net.mu.Unlock()
	go func() {
		for {
			select {
			case c := <-conns:
				go func() {
					defer func() { _ = c.Close() }()
					serve(c)
				}()
			case <-done:
				return
			}
		}
	}()
	b.t.Cleanup(func() { close(done) })
}

// reads answers after it has read a request.
func reads(answer func(c net.Conn)) func(c net.Conn) {
	return func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		answer(c)
	}
}

func says(text string) func(c net.Conn) {
	return reads(func(c net.Conn) { _, _ = io.WriteString(c, text) })
}

// forever repeats a text until nobody reads on.
func forever(begin, text string, pause time.Duration) func(c net.Conn) {
	return reads(func(c net.Conn) {
		for _, err := io.WriteString(c, begin); err == nil; _, err = io.WriteString(c, text) {
			if pause > 0 {
				pass(pause)
			}
		}
	})
}

func redirect(code int, to string) func(c net.Conn) {
	return says(fmt.Sprintf("HTTP/1.1 %d Over There\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", code, to))
}

// TestHostileReceivers: whatever a receiver does, a notification ends delivered
// or visibly dead, and no connection is made to what is guarded.
func TestHostileReceivers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
	private := "the address is not a public one"
	for _, c := range []struct {
		name  string
		serve func(c net.Conn)
		ends  store.NotificationState
		last  string // within LastError
	}{
		{"accepts", says(ok), store.NotificationDelivered, ""},
		{"slow headers", reads(func(net.Conn) { pass(time.Hour) }), store.NotificationDead, "no answer in time"},
		{"a header a second", forever("HTTP/1.1 200 OK\r\n", "X-A: b\r\n", time.Second), store.NotificationDead, "no answer in time"},
		{"endless headers", forever("HTTP/1.1 200 OK\r\n", "X-A: "+strings.Repeat("b", 1000)+"\r\n", 0), store.NotificationDead, "expired after"},
		{"slow body", forever("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", "x", time.Second), store.NotificationDelivered, ""},
		{"endless body", forever("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 4096), 0), store.NotificationDelivered, ""},
		{"endless error", forever("HTTP/1.1 500 No\r\n\r\n", strings.Repeat("x", 4096), 0), store.NotificationDead, "HTTP 500: xxx"},
		{"body cut off", says("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx"), store.NotificationDelivered, ""},
		{"never reads", func(net.Conn) { pass(time.Hour) }, store.NotificationDead, "no answer in time"},
		{"closes at once", func(net.Conn) {}, store.NotificationDead, "expired after"},
		{"closes early", says(""), store.NotificationDead, "the connection was closed before an answer came"},
		{"half a header", says("HTTP/1.1 200 O"), store.NotificationDead, "the connection was closed before an answer came"},
		{"garbage", says("SSH-2.0-OpenSSH_9.2\r\n"), store.NotificationDead, "what it answers is not HTTP"},
		{"binary", says("\x15\x03\x01\x00\x02\x02\x46"), store.NotificationDead, "expired after"},
		{"endless 1xx", forever("", "HTTP/1.1 103 Early Hints\r\n\r\n", 0), store.NotificationDead, "expired after"},
		{"500", says("HTTP/1.1 500 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"), store.NotificationDead, "the last one: HTTP 500: no"},
		{"429", says("HTTP/1.1 429 Slow\r\nRetry-After: 60\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), store.NotificationDead, "the last one: HTTP 429"},
		{"410", says("HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), store.NotificationDead, "HTTP 410"},
		{"switches protocols", says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), store.NotificationDead, "HTTP 101"},
		{"not modified", says("HTTP/1.1 304 Not Modified\r\n\r\n"), store.NotificationDead, "HTTP 304: the answer neither takes the message nor says where to send it"},
		{"see other", redirect(303, "http://fine.example/"), store.NotificationDead, "HTTP 303: the answer neither"},
		{"redirect that is fine", redirect(307, "http://fine.example/"), store.NotificationDelivered, ""},
		{"redirect to loopback", redirect(302, "http://127.0.0.1:8080/api/v1/users"), store.NotificationDead, private + " (loopback)"},
		{"redirect to loopback in IPv6", redirect(308, "http://[::1]/"), store.NotificationDead, private + " (loopback)"},
		{"redirect to mapped loopback", redirect(307, "http://[::ffff:127.0.0.1]/"), store.NotificationDead, private + " (loopback)"},
		{"redirect to loopback by NAT64", redirect(307, "http://[64:ff9b::7f00:1]/"), store.NotificationDead, private + " (loopback, through NAT64)"},
		{"redirect to metadata", redirect(301, "http://169.254.169.254/latest/meta-data/"), store.NotificationDead, private + " (link-local"},
		{"redirect to metadata in IPv6", redirect(301, "http://[fd00:ec2::254]/"), store.NotificationDead, private + " (private)"},
		{"redirect to a private name", redirect(302, "http://intranet.example/"), store.NotificationDead, private + " (private)"},
		{"redirect to itself", redirect(307, "/in"), store.NotificationDead, "more than 3 redirects"},
		{"redirect without a place", says("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"), store.NotificationDead, "HTTP 302: the answer neither"},
		{"redirect to a file", redirect(302, "file:///etc/passwd"), store.NotificationDead, "the redirect leads nowhere"},
		{"redirect with a password", redirect(302, "http://a:b@fine.example/"), store.NotificationDead, "the redirect leads nowhere"},
		{"redirect to gopher", redirect(302, "gopher://fine.example/"), store.NotificationDead, "the redirect leads nowhere"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inTime(t, func(t *testing.T, b *box) {
				b.webhook("ops", func(c *store.Channel) { c.Headers = map[string]string{"Authorization": "Bearer sesame-sesame"} })
				var tries atomic.Int64
				b.raw("ops.example", "8.8.8.8", func(conn net.Conn) { tries.Add(1); c.serve(conn) })
				fine := &receiver{answer: status(http.StatusOK)}
				b.host("fine.example", "9.9.9.9", fine)
				reached := func(conn net.Conn) { t.Error("a guarded host was reached") }
				for name, address := range map[string]string{"127.0.0.1": "127.0.0.1", "::1": "::1", "169.254.169.254": "169.254.169.254", "intranet.example": "10.1.2.3"} {
					b.raw(name, address, reached)
				}
				b.start()
				n := alarm("ops", "d1", 1, store.CauseFiring, ms())
				n.ExpiresAt = store.Time(ms() + time.Hour.Milliseconds())
				b.comes(n)
				b.after(2 * time.Hour)
				kept := b.q.one(n.ID)
				if kept.State != c.ends || !strings.Contains(kept.LastError, c.last) || c.ends == store.NotificationDelivered && kept.LastError != "" {
					t.Errorf("%s after %d tries: %q", kept.State, kept.Attempts, kept.LastError)
				}
				if len(kept.LastError) > maxWords+100 || strings.Contains(kept.LastError, "8.8.8.8") {
					t.Errorf("%q is too long, or tells of the inside", kept.LastError)
				}
				if c.ends == store.NotificationDelivered && kept.Attempts != 1 || kept.Attempts > 30 || tries.Load() > 30 {
					t.Errorf("%d attempts, %d connections", kept.Attempts, tries.Load())
				}
				for _, g := range fine.take() {
					if g.method != http.MethodPost || len(g.events) != 1 || g.header.Get("Authorization") != "" || g.header.Get(headerSignature) == "" || g.key != kept.DeliveryID {
						t.Errorf("redirected as %s %v %s", g.method, g.header, g.body)
					}
				}
			})
		})
	}
}

// TestHostileTLS: a certificate that is not good, or none; and no way down from
// https to http.
func TestHostileTLS(t *testing.T) {
	good, pool := certificate(t, "ops.example")
	wrongName, _ := certificate(t, "other.example")
	over := func(cert tls.Certificate, serve func(net.Conn)) func(net.Conn) {
		return func(c net.Conn) { serve(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})) }
	}
	for _, c := range []struct {
		name  string
		serve func(c net.Conn)
		ends  store.NotificationState
		last  string
	}{
		{"good", over(good, says("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")), store.NotificationDelivered, ""},
		{"wrong name, unknown issuer", over(wrongName, says("HTTP/1.1 200 OK\r\n\r\n")), store.NotificationDead, "expired after"},
		{"no TLS", func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }, store.NotificationDead, "expired after"},
		{"down to http", over(good, redirect(307, "http://fine.example/")), store.NotificationDead, "the redirect leads from https to http"},
		{"up and down", over(good, redirect(307, "https://ops.example/")), store.NotificationDead, "more than 3 redirects"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inTime(t, func(t *testing.T, b *box) {
				b.webhook("ops", func(c *store.Channel) { c.URL = "https://ops.example/in" })
				b.raw("ops.example", "8.8.8.8", c.serve)
				fine := &receiver{answer: status(http.StatusOK)}
				b.host("fine.example", "9.9.9.9", fine)
				b.start(func(o *Options) { o.tlsConfig = &tls.Config{RootCAs: pool} })
				n := alarm("ops", "d1", 1, store.CauseFiring, ms())
				n.ExpiresAt = store.Time(ms() + time.Hour.Milliseconds())
				b.comes(n)
				b.after(2 * time.Hour)
				if kept := b.q.one(n.ID); kept.State != c.ends || !strings.Contains(kept.LastError, c.last) {
					t.Errorf("%s after %d tries: %q", kept.State, kept.Attempts, kept.LastError)
				}
				if len(fine.take()) > 0 {
					t.Error("the message went on without TLS")
				}
			})
		})
	}
}

// A secret that goes in body or address stays with the host it is for.
func TestRedirectOfASecret(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		b.webhook("ops", func(c *store.Channel) {
			c.Type, c.Secret, c.URL = store.ChannelPagerDuty, strings.Repeat("k", 32), "http://ops.example/v2/enqueue"
		})
		b.raw("ops.example", "8.8.8.8", redirect(307, "http://fine.example/"))
		fine := &receiver{answer: status(http.StatusOK)}
		b.host("fine.example", "9.9.9.9", fine)
		b.start()
		n := alarm("ops", "d1", 1, store.CauseFiring, ms())
		b.comes(n)
		b.after(time.Second)
		if kept := b.q.one(n.ID); kept.State != store.NotificationDead || !strings.Contains(kept.LastError, "which the channel's secret is not for") || len(fine.take()) > 0 {
			t.Errorf("%+v", kept)
		}
	})
}
