package gateway

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/cli/config"
	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

// box is a gateway in this process, with its folder.
type box struct {
	t      *testing.T
	dir    string
	uri    string // MONGO_URI; empty: the embedded store
	logged *logged
	cl     *client.Client       // over admin.sock
	set    func(*config.Config) // nil: the defaults
	hangup chan os.Signal

	warnings []string // of the configuration
	addrs    Addrs

	cancel context.CancelFunc
	ran    chan error
}

// logged takes what a gateway logs.
type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newBox(t *testing.T, uri string) *box {
	t.Helper()
	dir, err := os.MkdirTemp("", "tg") // short: a socket's path has a hundred bytes
	if err != nil {
		t.Fatal(err)
	}
	b := &box{t: t, dir: dir, uri: uri, logged: &logged{}, hangup: make(chan os.Signal)}
	t.Cleanup(func() {
		b.stop()
		if t.Failed() {
			t.Logf("the gateway of %s said:\n%s", dir, b.logged)
		}
		_ = os.RemoveAll(dir)
	})
	return b
}

func (b *box) config() config.Config {
	c := config.Default()
	c.HTTP.Listen, c.MQTT.Listen, c.MongoURI = "127.0.0.1:0", "127.0.0.1:0", b.uri
	c.HTTP.TLSListen, c.MQTT.TLSListen = "127.0.0.1:0", "127.0.0.1:0"
	if b.set != nil {
		b.set(&c)
	}
	return c
}

// tryStart starts it, and answers why it would not.
func (b *box) tryStart() error {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ran := make(chan Addrs, 1), make(chan error, 1)
	go func() {
		ran <- Run(ctx, Options{
			Dir: b.dir, Config: b.config(), Version: "test", Env: func(string) string { return "" }, Hangup: b.hangup,
			Warnings: b.warnings, Settings: settingsOfTheTest(),
			Logger: slog.New(slog.NewTextHandler(b.logged, &slog.HandlerOptions{Level: slog.LevelDebug})),
		}, func(a Addrs) { ready <- a })
	}()
	select {
	case b.addrs = <-ready:
	case err := <-ran:
		cancel()
		if err == nil {
			b.t.Fatal("it ended before it was ready")
		}
		return err
	}
	b.cancel, b.ran = cancel, ran
	var err error
	if b.cl, err = client.New(client.Options{Socket: b.addrs.Socket}); err != nil {
		b.t.Fatal(err)
	}
	return nil
}

func (b *box) start() {
	b.t.Helper()
	if err := b.tryStart(); err != nil {
		b.t.Fatalf("start: %v", err)
	}
}

// stop stops it as SIGTERM does.
func (b *box) stop() {
	b.t.Helper()
	if b.cancel == nil {
		return
	}
	b.cl.Close()
	b.cancel()
	if err := <-b.ran; err != nil {
		b.t.Errorf("stop: %v", err)
	}
	b.cancel = nil
}

const (
	annEmail    = "ann@example.org"
	annPassword = "correct horse"
)

// sample makes Ann, acme and d1 with two ports and the secret S.
func (b *box) sample() {
	b.t.Helper()
	secret := "S"
	_, err1 := b.cl.CreateUser(b.t.Context(), client.NewUser{Email: annEmail, Password: annPassword, Role: store.RoleCompanyAdmin})
	_, err2 := b.cl.CreateOrganization(b.t.Context(), client.NewOrganization{ID: "acme", Name: "Acme"})
	_, err3 := b.cl.CreateDevice(b.t.Context(), client.NewDevice{ID: "d1", OrgID: "acme", Secret: &secret, PortCount: 2})
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

// network answers a client over HTTP, logged in as Ann.
func (b *box) network() *client.Client {
	b.t.Helper()
	url := "http://" + b.addrs.HTTP
	open, err := client.New(client.Options{BaseURL: url})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(open.Close)
	l, err := open.Login(b.t.Context(), annEmail, annPassword)
	if err != nil {
		b.t.Fatalf("log in: %v", err)
	}
	c, err := client.New(client.Options{BaseURL: url, Token: l.AccessToken})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.Close)
	return c
}

// publish sends readings of port 1 as d1 and waits for their acks. Every second
// message has a reading that becomes a dead letter.
func (b *box) publish(from, to int) {
	b.t.Helper()
	for i := from; i < to; i++ {
		bad := ""
		if i%2 == 0 {
			bad = `,{"port":9,"value":1}`
		}
		payload := fmt.Sprintf(`{"ts":%d,"readings":[{"port":1,"value":%d}%s]}`, began.UnixMilli()+int64(i), i, bad)
		if _, err := b.cl.PostTelemetry(b.t.Context(), "d1", "S", "", []byte(payload)); err != nil {
			b.t.Fatalf("message %d was not acked: %v", i, err)
		}
	}
}

// connect logs in over MQTT 3.1.1.
func (b *box) connect(user, secret string) net.Conn {
	b.t.Helper()
	conn, err := b.dial(user, secret)
	if err != nil {
		b.t.Fatalf("log in over MQTT: %v", err)
	}
	return conn
}

// tryConnect logs in, and answers why it may not.
func (b *box) tryConnect(user, secret string) error {
	b.t.Helper()
	conn, err := b.dial(user, secret)
	if err == nil {
		err = conn.Close()
	}
	return err
}

func (b *box) dial(user, secret string) (net.Conn, error) {
	b.t.Helper()
	conn, err := net.Dial("tcp", b.addrs.MQTT)
	if err != nil {
		return nil, err
	}
	b.t.Cleanup(func() { _ = conn.Close() })
	body := []byte("\x00\x04MQTT\x04\xc2\x00\x00")
	for _, s := range []string{"c1", user, secret} {
		body = append(append(body, 0, byte(len(s))), s...)
	}
	ack := make([]byte, 4)
	if _, err = conn.Write(append([]byte{0x10, byte(len(body))}, body...)); err == nil {
		_, err = io.ReadFull(conn, ack)
	}
	if err == nil && ack[3] != 0 {
		err = fmt.Errorf("return code %d", ack[3])
	}
	return conn, err
}

// began is the time of the first reading.
var began = time.Now().Add(-time.Hour)

func (b *box) status() client.Status {
	b.t.Helper()
	s, err := b.cl.Status(b.t.Context())
	if err != nil {
		b.t.Fatalf("status: %v", err)
	}
	return s
}

// ledger answers the totals, which must add up.
func (b *box) ledger() store.Ledger {
	b.t.Helper()
	l, err := b.cl.Ledger(b.t.Context())
	if err != nil {
		b.t.Fatalf("ledger: %v", err)
	}
	if l.Received != l.Stored+l.Duplicate+l.Rejected+l.Pending {
		b.t.Fatalf("the ledger does not add up: %+v", l)
	}
	return l
}

// until waits for a condition, for at most a minute.
func (b *box) until(what string, cond func() bool) {
	b.t.Helper()
	waitUntil(b.t, what, cond)
}

func waitUntil(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for tick := time.NewTicker(20 * time.Millisecond); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come to that: %s", what)
		}
	}
}

// values answers the readings of d1.
func (b *box) values() int {
	b.t.Helper()
	l, err := b.cl.Readings(b.t.Context(), client.ReadingQuery{DeviceIDs: []string{"d1"}, PortNumbers: []uint16{1}, From: began.Add(-time.Minute), Page: client.Page{Limit: 1000}})
	if err != nil {
		b.t.Fatalf("readings: %v", err)
	}
	return len(l.Items)
}

// mongod answers a proxy before a server, and the URI of a database of the
// test's own behind it.
func mongod(t *testing.T) (*mongotest.Proxy, string) {
	t.Helper()
	s := mongotest.Shared(t, mongotest.ReplicaSet)
	p := mongotest.NewProxy(t, s.Addr())
	return p, p.URI(s.URI(t, mongotest.Database(t)))
}

func (b *box) path(name string) string { return filepath.Join(b.dir, name) }
