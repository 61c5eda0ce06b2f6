package broker

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
	pahov3 "github.com/eclipse/paho.mqtt.golang"

	"tidegate/cli/gateway/certificate/certtest"
)

// tlsBox is a box with a second door, with TLS, at which the devices' CA logs in.
type tlsBox struct {
	*box
	secure  string
	ca      *certtest.CA // of the server
	devices *certtest.CA
}

func newTLSBox(t testing.TB, change ...func(*Options)) *tlsBox {
	t.Helper()
	x := &tlsBox{ca: certtest.NewCA(t, "the box's"), devices: certtest.NewCA(t, "the devices'")}
	withTLS := func(o *Options) {
		o.ListenTLS = "127.0.0.1:0"
		o.TLS = &tls.Config{
			Certificates: []tls.Certificate{x.ca.Sign(t, certtest.Template{Name: "box"}).TLS}, MinVersion: tls.VersionTLS12,
			ClientCAs: x.devices.Pool(), ClientAuth: tls.VerifyClientCertIfGiven, SessionTicketsDisabled: true,
		}
	}
	x.box = newBox(t, append([]func(*Options){withTLS}, change...)...)
	x.secure = x.AddrTLS().String()
	return x
}

// of makes the certificate of a device.
func (x *tlsBox) of(name string) *certtest.Pair {
	x.t.Helper()
	p := x.devices.Sign(x.t, certtest.Template{Name: name, Client: true})
	return &p
}

// tryTLS shakes hands at the door with TLS.
func (x *tlsBox) tryTLS(v5 bool, c *tls.Config) (*peer, error) {
	x.t.Helper()
	raw, err := net.Dial("tcp", x.secure)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(20 * time.Second))
	c = c.Clone()
	c.ServerName = "127.0.0.1"
	conn := tls.Client(raw, c)
	return &peer{t: x.t, Conn: conn, r: bufio.NewReader(conn), v5: v5}, conn.Handshake()
}

func (x *tlsBox) dialTLS(v5 bool, p *certtest.Pair) *peer {
	x.t.Helper()
	c, err := x.tryTLS(v5, x.ca.Client(p))
	if err != nil {
		x.t.Fatal(err)
	}
	return c
}

// handshakes answers how many came to a result.
func (x *tlsBox) handshakes(result string) float64 {
	x.t.Helper()
	all, err := x.metricsReg.Gather()
	if err != nil {
		x.t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			if f.GetName() == "tidegate_broker_tls_handshakes_total" && m.GetLabel()[0].GetValue() == result {
				return m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

// wantLine waits for a refusal that says all of it.
func (x *box) wantLine(parts ...string) {
	x.t.Helper()
	x.until(fmt.Sprintf("a line with %q", parts), func() bool {
		for _, r := range x.refused {
			all := strings.HasPrefix(r.Line, "refused: ")
			for _, p := range parts {
				all = all && strings.Contains(r.Line, p)
			}
			if all {
				return true
			}
		}
		return false
	})
}

func TestPahoOverTLS(t *testing.T) {
	x := newTLSBox(t)
	c := pahov3.NewClient(pahov3.NewClientOptions().AddBroker("ssl://" + x.secure).SetClientID("v3").
		SetUsername("d1").SetPassword("s-d1").SetAutoReconnect(false).SetTLSConfig(x.ca.Client(nil)))
	if tok := c.Connect(); !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	defer c.Disconnect(0)
	const n = 300
	tokens := make([]pahov3.Token, n)
	for i := range tokens {
		tokens[i] = c.Publish(telemetryD1, 1, false, fmt.Append(nil, i))
	}
	for i, tok := range tokens {
		if !tok.WaitTimeout(10*time.Second) || tok.Error() != nil {
			t.Fatalf("message %d: %v", i, tok.Error())
		}
	}
	server, err := url.Parse("mqtts://" + x.secure)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	// A certificate, and neither user name nor password.
	cm, err := autopaho.NewConnection(ctx, autopaho.ClientConfig{
		ServerUrls: []*url.URL{server}, TlsCfg: x.ca.Client(x.of("d2")), KeepAlive: 20, ClientConfig: paho.ClientConfig{ClientID: "v5"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := cm.AwaitConnection(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := cm.Publish(ctx, &paho.Publish{Topic: "org/acme/device/d2/telemetry", QoS: 1, Payload: make([]byte, 200_000)}); err != nil {
		t.Error(err)
	}
	if _, err := cm.Publish(ctx, &paho.Publish{Topic: telemetryD1, QoS: 1}); err == nil {
		t.Error("published to another device's topic")
	}
	if err := cm.Disconnect(ctx); err != nil {
		t.Error(err)
	}
	if got := len(x.wal.taken(n + 1)); got != n+1 {
		t.Errorf("%d messages, want %d", got, n+1)
	}
	x.until("offline", func() bool { return strings.HasPrefix(x.lifecycle[len(x.lifecycle)-1], "d2 offline") })
	if got := x.handshakes("done"); got != 2 {
		t.Errorf("%v handshakes counted", got)
	}
}

// What does not come as far as MQTT, and what it is told to do.
func TestHandshakesThatFail(t *testing.T) {
	x := newTLSBox(t)
	hasty := newTLSBox(t, func(o *Options) { o.ConnectTimeout = 100 * time.Millisecond })
	y := newTLSBox(t, func(o *Options) { o.TLS.ClientAuth = tls.RequireAndVerifyClientCert })
	stranger := certtest.NewCA(t, "a stranger's")
	forged := stranger.Sign(t, certtest.Template{Name: "d1", Client: true})
	expired := x.devices.Sign(t, certtest.Template{Name: "d1", Client: true, NotAfter: time.Now().Add(-time.Minute)})
	server := x.devices.Sign(t, certtest.Template{Name: "d1"})
	old := x.ca.Client(nil)
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	named := x.ca.Client(nil)
	named.VerifyConnection = func(tls.ConnectionState) error { return x509.HostnameError{} }
	for _, c := range []struct {
		name   string
		x      *tlsBox
		client *tls.Config
		result string
		line   []string
	}{
		{"another CA's certificate", x, x.ca.Client(&forged), "client_certificate", []string{`that of "d1" was not signed by tls.client_ca`}},
		{"an expired certificate", x, x.ca.Client(&expired), "client_certificate", []string{`that of "d1" has expired`, "Fix: make a new one"}},
		{"a server's certificate", x, x.ca.Client(&server), "client_certificate", []string{`that of "d1" is not for clients`}},
		{"no certificate where one is required", y, y.ca.Client(nil), "client_certificate", []string{"has no certificate, and tls.client_required wants one"}},
		{"a client with another CA", x, stranger.Client(nil), "not_trusted", []string{"broke off, as one does that does not trust this box (remote error: tls: bad certificate)", "--cafile"}},
		{"a client that calls the box by another name", x, named, "not_trusted", []string{"connect to a name that the certificate has"}},
		{"TLS 1.1", x, old, "protocol", []string{"TLS 1.2 or newer is needed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := c.x.handshakes(c.result)
			p, err := c.x.tryTLS(false, c.client)
			if err == nil { // with TLS 1.3 the server's verdict comes later
				_, _ = p.Write(connect{user: "d1", password: "s-d1"}.packet(false))
				if got := p.gone(); len(got) != 0 {
					t.Fatalf("the broker answered %v", got)
				}
			}
			c.x.untilHandshakes(c.result, before+1)
			c.x.wantLine(c.line...)
		})
	}
	for _, c := range []struct {
		x                  *tlsBox
		name, send, result string
		line               []string
	}{
		{x, "MQTT without TLS", string(connect{user: "d1", password: "s-d1"}.packet(false)), "plain_mqtt", []string{"speaks MQTT without TLS", "--cafile", "or send it to " + x.addr}},
		{x, "HTTP", "GET / HTTP/1.1\r\n\r\n", "http", []string{"speaks HTTP to the port of MQTT over TLS"}},
		{x, "rubbish", "\x00\x00\x00\x00\x00\x00\x00\x00", "not_tls", nil},
		{hasty, "half a hello", "\x16\x03\x01\x02\x00\x01", "timeout", nil},
		{hasty, "nothing", "", "timeout", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := c.x.handshakes(c.result)
			p := dial(t, c.x.secure, false)
			p.send([]byte(c.send))
			_, _ = io.Copy(io.Discard, p.Conn) // perhaps an alert
			c.x.untilHandshakes(c.result, before+1)
			if c.line != nil {
				c.x.wantLine(c.line...)
			}
		})
	}
	t.Run("gone at once", func(t *testing.T) {
		before := x.handshakes("gone")
		_ = dial(t, x.secure, false).Close()
		x.untilHandshakes("gone", before+1)
	})
	x.dialTLS(false, nil).login(connect{user: "d1", password: "s-d1"})
}

func (x *tlsBox) untilHandshakes(result string, n float64) {
	x.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for x.handshakes(result) < n {
		if time.Now().After(deadline) {
			x.t.Fatalf("%v handshakes ended with %s, want %v", x.handshakes(result), result, n)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// TLS to the port without it is told where TLS is.
func TestTLSToThePlainPort(t *testing.T) {
	for _, c := range []struct {
		x    *box
		want string
	}{{newTLSBox(t).box, "TLS is at "}, {newBox(t), "MQTT over TLS is not set up"}} {
		conn, err := net.Dial("tcp", c.x.addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake(); err == nil {
			t.Error("the plain port speaks TLS")
		}
		_ = conn.Close()
		c.x.wantLine("speaks TLS to the port without it", c.want)
	}
}

// Clients that stall in the handshake hold nobody up; when they are many the
// oldest give way.
func TestStalledHandshakes(t *testing.T) {
	x := newTLSBox(t, func(o *Options) { o.MaxConnections, o.ConnectTimeout = 40, time.Hour })
	stalled := make([]*peer, 60) // 20 of them may wait
	for i := range stalled {
		stalled[i] = dial(t, x.secure, false)
		stalled[i].send([]byte("\x16\x03\x01\x02\x00"))
	}
	for i := range 10 {
		p := x.dialTLS(i%2 == 0, x.of("d1"))
		if code := p.login(connect{noUser: true, id: fmt.Sprint(i)}); code != 0 {
			t.Fatalf("login: %#x", code)
		}
		p.ping()
	}
	for _, p := range stalled[:30] {
		if got := p.gone(); len(got) != 0 {
			t.Errorf("the broker answered %v", got)
		}
	}
	if n := x.metric("sockets_open"); n > 40 {
		t.Errorf("%v sockets open", n)
	}
}

// At a stop acks go out, MQTT 5 is told, and TLS ends as it should.
func TestCloseOverTLS(t *testing.T) {
	x := newTLSBox(t)
	p, waiting := x.dialTLS(true, x.of("d1")), dial(t, x.secure, false)
	p.login(connect{noUser: true, id: "p"})
	x.wal.hold(true)
	p.publish(telemetryD1, "x", 1, 7)
	x.wal.taken(1)
	closed := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		closed <- x.Close(ctx)
	}()
	if got := waiting.gone(); len(got) != 0 { // in its handshake
		t.Errorf("got %v", got)
	}
	x.wal.hold(false)
	if id, code := p.ack(); id != 7 || code != 0 {
		t.Errorf("ack of %d with %#x", id, code)
	}
	if body := p.expect(14).body; body[0] != 0x8B {
		t.Errorf("goodbye % x", body)
	}
	if _, err := p.read(); err != io.EOF {
		t.Errorf("the end of TLS: %v, want its close_notify", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// The door without TLS may be closed.
func TestOnlyTLS(t *testing.T) {
	x := newTLSBox(t, func(o *Options) { o.Listen = "" })
	if x.Addr() != nil {
		t.Errorf("it listens at %s", x.Addr())
	}
	x.dialTLS(true, x.of("d1")).login(connect{noUser: true})
	dial(t, x.secure, false).send(connect{user: "d1"}.packet(false))
	x.wantLine("speaks MQTT without TLS to the port with it. Fix: give it the CA (mosquitto_pub --cafile)")
}
