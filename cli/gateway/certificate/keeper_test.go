package certificate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/cli/gateway/certificate/certtest"
)

// kept is a Keeper over the files cert.pem and key.pem of a folder, with a clock
// and a log of its own.
type kept struct {
	*Keeper
	t   *testing.T
	dir string
	o   Options

	mu   sync.Mutex
	logs strings.Builder
	time time.Time
}

func (k *kept) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.logs.Write(p)
}

// said answers what was logged since it was asked last.
func (k *kept) said() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.logs.Reset()
	return k.logs.String()
}

func newKept(t *testing.T, change ...func(*Options)) *kept {
	k := &kept{t: t, dir: t.TempDir(), time: time.Now().Truncate(time.Second)}
	k.o = Options{
		Cert: filepath.Join(k.dir, "cert.pem"), Key: filepath.Join(k.dir, "key.pem"), Dir: k.dir,
		Logger: slog.New(slog.NewTextHandler(k, nil)), Now: func() time.Time { return k.time },
		Names: func() []string { return []string{"box", "localhost", "127.0.0.1"} },
	}
	for _, c := range change {
		c(&k.o)
	}
	return k
}

func (k *kept) open() {
	k.t.Helper()
	var err error
	if k.Keeper, err = Open(k.o); err != nil {
		k.t.Fatal(err)
	}
}

// serial answers which certificate a handshake sees now.
func (k *kept) serial() string {
	k.t.Helper()
	conn := dial(k.t, serveTLS(k.t, k.HTTPS()), &tls.Config{InsecureSkipVerify: true})
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func serialOf(p certtest.Pair) string { return p.TLS.Leaf.SerialNumber.String() }

// serveTLS echoes what each connection sends until the test ends.
func serveTLS(t *testing.T, c *tls.Config) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, addr string, c *tls.Config) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// echo says something over a connection, and wants it back: the server's
// verdict on a client comes after the client's handshake.
func echo(conn net.Conn) error {
	if _, err := conn.Write([]byte("hello")); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 5))
	return err
}

func TestReload(t *testing.T) {
	ca := certtest.NewCA(t, "CA")
	a, b := ca.Sign(t, certtest.Template{Name: "a"}), ca.Sign(t, certtest.Template{Name: "b"})
	k := newKept(t)
	a.Write(t, k.dir, "cert.pem", "key.pem")
	k.open()
	if said := k.said(); !strings.Contains(said, `subject="CN=a"`) || !strings.Contains(said, k.Info().Fingerprint) {
		t.Errorf("at start it says %s", said)
	}
	addr := serveTLS(t, k.HTTPS())
	before := dial(t, addr, &tls.Config{RootCAs: ca.Pool()})

	k.look(false)
	if said := k.said(); said != "" {
		t.Errorf("nothing changed, and it says %s", said)
	}
	b.Write(t, k.dir, "cert.pem", "key.pem")
	k.look(false)
	if k.serial() != serialOf(a) {
		t.Error("what may be half written is in force")
	}
	k.look(false)
	if k.serial() != serialOf(b) {
		t.Error("the new certificate is not in force")
	}
	if said := k.said(); !strings.Contains(said, "took over the new certificate") || !strings.Contains(said, `subject="CN=b"`) || !strings.Contains(said, "not_after=") {
		t.Errorf("it says %s", said)
	}
	after := dial(t, addr, &tls.Config{RootCAs: ca.Pool()})
	if got := after.ConnectionState().PeerCertificates[0].Subject.CommonName; got != "b" {
		t.Errorf("a new handshake sees %s", got)
	}
	if err := echo(before); err != nil {
		t.Errorf("the connection of before: %v", err)
	}
	// The operator says that the files are whole.
	a.Write(t, k.dir, "cert.pem", "key.pem")
	k.look(true)
	if k.serial() != serialOf(a) {
		t.Error("a hangup does not take over at once")
	}
}

func metric(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range all {
		for _, m := range f.GetMetric() {
			if f.GetName() == "tidegate_gateway_certificate_"+name {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

// Kubernetes mounts secrets as links to a link that is swapped; others rename.
func TestLinksAndRenames(t *testing.T) {
	ca := certtest.NewCA(t, "CA")
	a, b, c := ca.Sign(t, certtest.Template{Name: "a"}), ca.Sign(t, certtest.Template{Name: "b"}), ca.Sign(t, certtest.Template{Name: "c"})
	k := newKept(t)
	link := func(from, to string) {
		t.Helper()
		if err := os.Symlink(from, filepath.Join(k.dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	for name, p := range map[string]certtest.Pair{"1": a, "2": b} {
		if err := os.Mkdir(filepath.Join(k.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		p.Write(t, filepath.Join(k.dir, name), "cert.pem", "key.pem")
	}
	link("1", "data")
	link("data/cert.pem", "cert.pem")
	link("data/key.pem", "key.pem")
	k.open()
	link("2", "next")
	if err := os.Rename(filepath.Join(k.dir, "next"), filepath.Join(k.dir, "data")); err != nil {
		t.Fatal(err)
	}
	k.look(false)
	k.look(false)
	if k.serial() != serialOf(b) {
		t.Error("a swapped link is not seen")
	}
	c.Write(t, k.dir, "new-cert.pem", "new-key.pem")
	for _, f := range []string{"cert.pem", "key.pem"} {
		if err := os.Rename(filepath.Join(k.dir, "new-"+f), filepath.Join(k.dir, f)); err != nil {
			t.Fatal(err)
		}
	}
	k.look(false)
	k.look(false)
	if k.serial() != serialOf(c) {
		t.Error("a rename is not seen")
	}
}

// Whether it is good does not decide whether it is served: only somebody who is
// told can mend it.
func TestTimesOnlyWarn(t *testing.T) {
	ca := certtest.NewCA(t, "CA")
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		from, to time.Duration
		days     int
		want     string
	}{
		"good":      {-day, 30 * day, 30, ""},
		"soon":      {-day, 10*day + time.Hour, 10, "ends in 10 days"},
		"expired":   {-day, -2 * time.Hour, -1, "HAS EXPIRED"},
		"long ago":  {-90 * day, -20 * day, -20, "20 days ago"},
		"too early": {day, 30 * day, 30, "see whether the clock of this box is right"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKept(t)
			ca.Sign(t, certtest.Template{Name: "a", NotBefore: k.time.Add(c.from), NotAfter: k.time.Add(c.to)}).Write(t, k.dir, "cert.pem", "key.pem")
			k.open()
			if n := k.Info().DaysLeft(k.time); n != c.days {
				t.Errorf("%d days left, want %d", n, c.days)
			}
			w, said := strings.Join(k.Warnings(), "\n"), k.said()
			if (w == "") != (c.want == "") || !strings.Contains(w, c.want) || (c.want != "") != strings.Contains(said, "level=WARN") {
				t.Errorf("it warns of %q, and says %s", w, said)
			}
			_, inspected, ok, err := Inspect(k.o)
			if err != nil || !ok || strings.Join(inspected, "\n") != w {
				t.Errorf("inspected: %q, %v, %v", inspected, ok, err)
			}
			k.look(false)
			if said := k.said(); said != "" {
				t.Errorf("it warns again: %s", said)
			}
			k.time = k.time.Add(day)
			k.look(false)
			if said := k.said(); c.want != "" && c.want != "see whether the clock of this box is right" && !strings.Contains(said, "level=WARN") {
				t.Errorf("a day later it says %q", said)
			}
		})
	}
}

func TestClientCA(t *testing.T) {
	ca, one, two := certtest.NewCA(t, "CA"), certtest.NewCA(t, "one"), certtest.NewCA(t, "two")
	var told []*x509.CertPool
	k := newKept(t, func(o *Options) { o.ClientCAChanged = func(p *x509.CertPool) { told = append(told, p) } })
	k.o.ClientCA = filepath.Join(k.dir, "ca.pem")
	ca.Sign(t, certtest.Template{Name: "box"}).Write(t, k.dir, "cert.pem", "key.pem")
	certtest.WriteFile(t, k.o.ClientCA, one.PEM)
	k.open()
	addr := serveTLS(t, k.MQTTS())
	d1, d2 := one.Sign(t, certtest.Template{Name: "d1", Client: true}), two.Sign(t, certtest.Template{Name: "d2", Client: true})
	cache := tls.NewLRUClientSessionCache(8)
	try := func(p certtest.Pair) error {
		c := ca.Client(&p)
		c.ClientSessionCache = cache
		conn, err := tls.Dial("tcp", addr, c)
		if err != nil {
			return err
		}
		defer conn.Close()
		return echo(conn)
	}
	if err := try(d1); err != nil {
		t.Errorf("the CA's device: %v", err)
	}
	if err := try(d2); err == nil {
		t.Error("another CA's device got in")
	}
	certtest.WriteFile(t, k.o.ClientCA, two.PEM[:50])
	k.look(true)
	if err := try(d1); err != nil || !strings.Contains(strings.Join(k.Warnings(), ""), "cut off") {
		t.Errorf("with half a file: %v, %v", err, k.Warnings())
	}
	certtest.WriteFile(t, k.o.ClientCA, two.PEM)
	k.look(true)
	if err := try(d2); err != nil {
		t.Errorf("the new CA's device: %v", err)
	}
	// Nor by a session of before.
	if err := try(d1); err == nil {
		t.Error("the old CA's device got in")
	}
	if len(told) != 1 || len(k.Warnings()) > 0 {
		t.Errorf("told %d times, warnings %v", len(told), k.Warnings())
	}
	k.time = two.Cert.NotAfter.Add(time.Hour)
	if w := strings.Join(k.Warnings(), "\n"); !strings.Contains(w, "the client CA CN=two HAS EXPIRED") {
		t.Errorf("warnings %q", w)
	}
}

func TestRunAndHangup(t *testing.T) {
	ca := certtest.NewCA(t, "CA")
	a, b := ca.Sign(t, certtest.Template{Name: "a"}), ca.Sign(t, certtest.Template{Name: "b"})
	k := newKept(t)
	a.Write(t, k.dir, "cert.pem", "key.pem")
	k.open()
	ctx, cancel := context.WithCancel(t.Context())
	hangup, ended := make(chan os.Signal), make(chan struct{})
	go func() {
		defer close(ended)
		k.Run(ctx, hangup)
	}()
	b.Write(t, k.dir, "cert.pem", "key.pem")
	hangup <- syscall.SIGHUP
	hangup <- syscall.SIGHUP // the first one was heard out
	if k.serial() != serialOf(b) {
		t.Error("the new certificate is not in force")
	}
	cancel()
	<-ended
}

func TestOldTLSIsRefused(t *testing.T) {
	ca := certtest.NewCA(t, "CA")
	k := newKept(t)
	k.o.ClientCA = filepath.Join(k.dir, "ca.pem")
	ca.Sign(t, certtest.Template{}).Write(t, k.dir, "cert.pem", "key.pem")
	certtest.WriteFile(t, k.o.ClientCA, ca.PEM)
	k.open()
	for name, c := range map[string]*tls.Config{"HTTPS": k.HTTPS(), "MQTTS": k.MQTTS()} {
		addr := serveTLS(t, c)
		for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
			conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS10, MaxVersion: version})
			if err == nil {
				_ = conn.Close()
			}
			if (err == nil) != want {
				t.Errorf("%s with %s: %v", name, tls.VersionName(version), err)
			}
		}
	}
}
