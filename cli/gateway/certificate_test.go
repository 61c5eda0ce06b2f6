package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"tidegate/api"
	"tidegate/cli/config"
	"tidegate/cli/gateway/certificate/certtest"
	"tidegate/store"
)

// secured is a box whose certificate and client CA are files of its folder.
type secured struct {
	*box
	ca      *certtest.CA
	devices *certtest.CA
}

func newSecured(t *testing.T) *secured {
	b := &secured{newBox(t, ""), certtest.NewCA(t, "CA"), certtest.NewCA(t, "devices")}
	b.set = func(c *config.Config) { c.TLS.Cert, c.TLS.Key, c.TLS.ClientCA = "cert.pem", "key.pem", "ca.pem" }
	b.put("a")
	certtest.WriteFile(t, b.path("ca.pem"), b.devices.PEM)
	return b
}

// put writes a new certificate.
func (b *secured) put(name string) {
	b.t.Helper()
	b.ca.Sign(b.t, certtest.Template{Name: name}).Write(b.t, b.dir, "cert.pem", "key.pem")
}

// hang tells the gateway to read the files again, and waits until it did.
func (b *box) hang() {
	b.hangup <- syscall.SIGHUP
	b.hangup <- syscall.SIGHUP // taken once the first one was heard out
}

// sees answers whose certificate an address shows.
func sees(t *testing.T, addr string, roots *x509.CertPool) string {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// device connects over TLS with a certificate; what ends it goes to lost.
func (b *secured) device(name string, lost chan<- error) mqtt.Client {
	b.t.Helper()
	p := b.devices.Sign(b.t, certtest.Template{Name: name, Client: true})
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("ssl://" + b.addrs.MQTTS).SetClientID("c").SetTLSConfig(b.ca.Client(&p)).
		SetAutoReconnect(false).SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err }))
	if tok := c.Connect(); !tok.WaitTimeout(20*time.Second) || tok.Error() != nil {
		b.t.Fatalf("connect %s: %v", name, tok.Error())
	}
	b.t.Cleanup(func() { c.Disconnect(0) })
	return c
}

// TestReloadUnderTraffic replaces the certificate while a device publishes and a
// browser asks: neither notices, and who comes next sees the new one.
func TestReloadUnderTraffic(t *testing.T) {
	b := newSecured(t)
	b.start()
	b.sample()
	lost := make(chan error, 1)
	d := b.device("d1", lost)
	ctx, stop := context.WithCancel(t.Context())
	published := make(chan int, 1)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			tok := d.Publish("org/acme/device/d1/telemetry", 1, false, fmt.Appendf(nil, `{"ts":%d,"readings":[{"port":1,"value":1}]}`, began.UnixMilli()+int64(n)))
			if !tok.WaitTimeout(20*time.Second) || tok.Error() != nil {
				t.Errorf("message %d: %v", n, tok.Error())
				break
			}
		}
		published <- n
	}()
	transport := &http.Transport{TLSClientConfig: b.ca.Client(nil), ForceAttemptHTTP2: true, MaxConnsPerHost: 1}
	defer transport.CloseIdleConnections()
	browser := &http.Client{Transport: transport}
	visit := func() string {
		t.Helper()
		r, err := browser.Get("https://" + b.addrs.HTTPS + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
		if r.StatusCode != 200 || r.ProtoMajor != 2 {
			t.Errorf("%s %s", r.Proto, r.Status)
		}
		return r.TLS.PeerCertificates[0].Subject.CommonName
	}
	if got := visit(); got != "a" {
		t.Errorf("it shows %s", got)
	}
	b.put("b")
	b.until("it shows the new certificate, by itself", func() bool { return sees(t, b.addrs.HTTPS, b.ca.Pool()) == "b" })
	if got := sees(t, b.addrs.MQTTS, b.ca.Pool()); got != "b" {
		t.Errorf("devices see %s", got)
	}
	if got := visit(); got != "a" {
		t.Errorf("the browser's connection is another: %s", got)
	}
	// Half a file changes nothing, a hangup takes over at once.
	certtest.WriteFile(t, b.path("cert.pem"), []byte("-----BEGIN CERTIFICATE-----\nAA"))
	b.hang()
	if got := sees(t, b.addrs.HTTPS, b.ca.Pool()); got != "b" {
		t.Errorf("half a file: it shows %s", got)
	}
	if w := strings.Join(b.status().Warnings, "\n"); !strings.Contains(w, "tls.cert: ") || !strings.Contains(w, "cut off") {
		t.Errorf("warnings %q", w)
	}
	b.put("c")
	b.hang()
	if got := sees(t, b.addrs.HTTPS, b.ca.Pool()); got != "c" || len(b.status().Warnings) != 0 {
		t.Errorf("it shows %s, and warns of %q", got, b.status().Warnings)
	}
	stop()
	n := <-published
	select {
	case err := <-lost:
		t.Errorf("the device's connection: %v", err)
	default:
	}
	b.until("all is stored", func() bool { return b.ledger().Stored == uint64(n) })
	// The devices' CA is another: who was signed by the old one goes.
	next := certtest.NewCA(t, "next")
	certtest.WriteFile(t, b.path("ca.pem"), next.PEM)
	b.hang()
	select {
	case err := <-lost:
		if err == nil {
			t.Error("the device's connection ended in order")
		}
	case <-time.After(time.Minute):
		t.Error("a device of the old CA is still connected")
	}
	b.devices = next
	b.device("d1", lost)
}

func TestTLSStatus(t *testing.T) {
	b := newSecured(t)
	expired := b.ca.Sign(t, certtest.Template{Name: "box", NotAfter: time.Now().Add(-49 * time.Hour)})
	expired.Write(t, b.dir, "cert.pem", "key.pem")
	b.start() // all the same
	s := b.status()
	sum := sha256.Sum256(expired.TLS.Certificate[0])
	got := s.TLS
	if got == nil || got.Subject != "CN=box" || got.DaysLeft != -3 || got.SelfSigned || got.HTTP != b.addrs.HTTPS || got.MQTT != b.addrs.MQTTS ||
		strings.ReplaceAll(got.Fingerprint, ":", "") != fmt.Sprintf("%X", sum) || got.NotAfter != store.Time(expired.TLS.Leaf.NotAfter.UnixMilli()) {
		t.Errorf("status %+v", got)
	}
	if w := strings.Join(s.Warnings, "\n"); !strings.Contains(w, "HAS EXPIRED") || !strings.Contains(b.logged.String(), "HAS EXPIRED") {
		t.Errorf("warnings %q", w)
	}
	r, err := http.Get("http://" + b.addrs.HTTP + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if all, _ := io.ReadAll(r.Body); !bytes.Contains(all, []byte("\ntidegate_gateway_certificate_days_left -3\n")) {
		t.Error("the days left are no metric")
	}
	checks, err := Doctor(t.Context(), DoctorOptions{Dir: b.dir, Config: b.config()})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Check{{"certificate", "warning", "HAS EXPIRED"}, {"http.tls_listen", "ok", "is free"}, {"mqtt.tls_listen", "ok", "is free"}} {
		if !found(checks, want) {
			t.Errorf("doctor says %v, want %v", checks, want)
		}
	}
}

func found(checks []Check, want Check) bool {
	for _, c := range checks {
		if c.Name == want.Name && c.State == want.State && strings.Contains(c.Detail, want.Detail) {
			return true
		}
	}
	return false
}

func TestTLSStartFaults(t *testing.T) {
	for name, c := range map[string]struct {
		damage    func(b *secured)
		key, want string
	}{
		"no certificate": {func(b *secured) { _ = os.Remove(b.path("cert.pem")) }, "tls.cert", "cert.pem: no such file"},
		"another's key": {func(b *secured) {
			certtest.WriteFile(b.t, b.path("key.pem"), b.ca.Sign(b.t, certtest.Template{}).Key)
		}, "tls.key", "does not belong to the certificate"},
		"no client CA": {func(b *secured) { _ = os.Remove(b.path("ca.pem")) }, "tls.client_ca", "ca.pem: no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newSecured(t)
			c.damage(b)
			var f *config.Fault
			if err := b.tryStart(); !errors.As(err, &f) || f.Key != c.key || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s: %s", err, c.key, c.want)
			}
			checks, err := Doctor(t.Context(), DoctorOptions{Dir: b.dir, Config: b.config()})
			if err != nil || !found(checks, Check{"certificate", "failed", c.want}) {
				t.Errorf("doctor says %v, %v", checks, err)
			}
		})
	}
}

// roots answers what clients of a box with its own certificate are given.
func (b *box) roots() *x509.CertPool {
	b.t.Helper()
	pem, err := os.ReadFile(b.path("secrets/tls-ca.crt"))
	if err != nil {
		b.t.Fatal(err)
	}
	p := x509.NewCertPool()
	p.AppendCertsFromPEM(pem)
	return p
}

// TestSelfSigned: all doors but those with TLS are closed, and clients who were
// given the authority once get in for ever: after a start, and after a restore on
// another box.
func TestSelfSigned(t *testing.T) {
	b := newBox(t, "")
	b.set = func(c *config.Config) { c.TLS.SelfSigned, c.HTTP.Listen, c.MQTT.Listen = true, "", "" }
	checks, err := Doctor(t.Context(), DoctorOptions{Dir: b.dir, Config: b.config()})
	if err != nil || !found(checks, Check{"certificate", "ok", "the next start makes the box's own"}) {
		t.Errorf("doctor says %v, %v", checks, err)
	}
	b.start()
	s := b.status()
	if b.addrs.HTTP != "" || b.addrs.MQTT != "" || s.HTTP != "" || s.MQTT != "" || !s.TLS.SelfSigned || s.TLS.DaysLeft < 396 || !s.Ready {
		t.Errorf("addresses %+v, status %+v", b.addrs, s)
	}
	if !strings.Contains(b.logged.String(), s.TLS.Fingerprint) {
		t.Error("the fingerprint is not logged")
	}
	roots := b.roots()
	sees(t, b.addrs.HTTPS, roots)
	sees(t, b.addrs.MQTTS, roots)
	var backup bytes.Buffer
	if _, err := b.cl.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	b.stop()
	b.start()
	if again := b.status().TLS.Fingerprint; again != s.TLS.Fingerprint {
		t.Error("the next start made another certificate")
	}
	b.stop()
	file := filepath.Join(t.TempDir(), "backup")
	certtest.WriteFile(t, file, backup.Bytes())
	other := newBox(t, "")
	other.set = b.set
	if _, err := Restore(t.Context(), file, other.dir); err != nil {
		t.Fatal(err)
	}
	other.start()
	sees(t, other.addrs.MQTTS, roots)
	checks, err = Doctor(t.Context(), DoctorOptions{Dir: other.dir, Config: other.config()})
	if err != nil || !found(checks, Check{"certificate", "ok", "localhost 127.0.0.1"}) {
		t.Errorf("doctor says %v, %v", checks, err)
	}
}

// The plain door sends on as long as there is somewhere to send to.
func TestPlainHTTP(t *testing.T) {
	server, err := api.New(api.Options{
		Admin: api.NewAdmin(api.AdminOptions{}), Keys: api.Keys{Current: bytes.Repeat([]byte("k"), 32)}, Logger: slog.New(slog.DiscardHandler),
		Page: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the page") }),
	})
	if err != nil {
		t.Fatal(err)
	}
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer secure.Close()
	_, port, _ := net.SplitHostPort(secure.Addr().String())
	for _, c := range []struct {
		redirect bool
		secure   net.Listener
		want     string
	}{{true, secure, "https://box:" + port + "/x?y=1"}, {false, secure, ""}, {true, nil, ""}} {
		g := &gateway{o: Options{Config: config.Default()}, api: server}
		g.o.Config.HTTP.Redirect = c.redirect
		r, w := httptest.NewRequest("GET", "http://box:8080/x?y=1", nil), httptest.NewRecorder()
		r.RemoteAddr = "192.0.2.1:4711"
		g.plainHTTP(c.secure).Handler.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); got != c.want || (c.want == "") != (w.Code == 200) {
			t.Errorf("%+v: %d to %q", c, w.Code, got)
		}
	}
}
