package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/cli/gateway/certificate/certtest"
)

func newOwn(t *testing.T, change ...func(*Options)) *kept {
	k := newKept(t, func(o *Options) { o.Cert, o.Key = "", "" })
	for _, c := range change {
		c(&k.o)
	}
	return k
}

// trusted answers what a client is given.
func (k *kept) trusted() *x509.CertPool {
	k.t.Helper()
	b, err := os.ReadFile(filepath.Join(k.dir, "tls-ca.crt"))
	if err != nil {
		k.t.Fatal(err)
	}
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(b) {
		k.t.Fatalf("tls-ca.crt holds %s", b)
	}
	return p
}

func TestOwnCertificate(t *testing.T) {
	k := newOwn(t)
	if _, _, ok, err := Inspect(k.o); ok || err != nil {
		t.Errorf("inspected before there is any: %v, %v", ok, err)
	}
	k.open()
	for _, name := range []string{"box", "localhost", "127.0.0.1"} {
		dial(t, serveTLS(t, k.HTTPS()), &tls.Config{RootCAs: k.trusted(), ServerName: name})
	}
	for _, f := range []string{"tls.key", "tls.crt", "tls-ca.key", "tls-ca.crt"} {
		if info, err := os.Stat(filepath.Join(k.dir, f)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, info, err)
		}
	}
	i := k.Info()
	if !i.SelfSigned || i.Subject != "CN=box" || i.DaysLeft(k.time) != 397 || len(k.Warnings()) > 0 {
		t.Errorf("%+v, %d days, %v", i, i.DaysLeft(k.time), k.Warnings())
	}
	if life := i.NotAfter.Sub(i.NotBefore); life != 398*24*time.Hour {
		t.Errorf("it lasts %s", life)
	}
	if said := k.said(); !strings.Contains(said, i.Fingerprint) || !strings.Contains(said, "tls-ca.crt") {
		t.Errorf("it says %s", said)
	}
	// A start later nothing is new.
	k.open()
	if k.Info().Fingerprint != i.Fingerprint {
		t.Error("the next start made another")
	}
	remove(t, k, "tls-ca.crt")
	if got, _, ok, err := Inspect(k.o); !ok || err != nil || got.Fingerprint != i.Fingerprint {
		t.Errorf("inspected: %+v, %v, %v", got, ok, err)
	}
	if _, err := os.Stat(filepath.Join(k.dir, "tls-ca.crt")); err == nil {
		t.Error("who only looks has made a file")
	}
}

// A client that was given the authority does not notice any of it.
func TestOwnCertificateIsRenewed(t *testing.T) {
	names := []string{"box", "localhost", "127.0.0.1", "fd00::1"}
	reg := prometheus.NewRegistry()
	k := newOwn(t, func(o *Options) { o.Names = func() []string { return names }; o.Registerer = reg })
	k.open()
	addr, roots := serveTLS(t, k.HTTPS()), k.trusted()
	first := k.Info()
	step := func(what string, renewed bool, reason string) {
		t.Helper()
		before := k.Info().Fingerprint
		k.said()
		k.look(false)
		if got := k.Info().Fingerprint != before; got != renewed {
			t.Errorf("%s: renewed %v, want %v", what, got, renewed)
		}
		if said := k.said(); renewed != strings.Contains(said, "renewed the box's own certificate") || !strings.Contains(said, reason) {
			t.Errorf("%s: it says %q", what, said)
		}
		conn := dial(t, addr, &tls.Config{RootCAs: roots, ServerName: "box", Time: func() time.Time { return k.time }})
		if err := echo(conn); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	step("at once", false, "")
	k.time = first.NotAfter.Add(-31 * 24 * time.Hour)
	step("31 days before its end", false, "")
	k.time = first.NotAfter.Add(-29 * 24 * time.Hour)
	step("29 days before its end", true, "it ends soon")
	if n := k.Info().DaysLeft(k.time); n != 397 || metric(t, reg, "days_left") != 397 {
		t.Errorf("%d days left", n)
	}
	step("afterwards", false, "")

	names = append(names, "10.1.2.3")
	step("a new address within the hour", false, "")
	k.time = k.time.Add(2 * time.Hour)
	step("a new address", true, "10.1.2.3")
	names = append(names, "fd00::2")
	k.time = k.time.Add(2 * time.Hour)
	step("a new address of IPv6", false, "")
	names = names[:3]
	k.time = k.time.Add(2 * time.Hour)
	step("fewer addresses", false, "")

	right := k.time
	k.time = k.time.Add(3 * 365 * 24 * time.Hour)
	step("a clock that is years ahead", true, "it ends soon")
	k.time = right
	step("and is set right", true, "the clock was wrong")

	k.time = k.time.Add(25 * 365 * 24 * time.Hour)
	k.look(false)
	if w := strings.Join(k.Warnings(), "\n"); !strings.Contains(w, "the box's own authority HAS EXPIRED") {
		t.Errorf("beyond the authority's end it warns of %q", w)
	}
	k.time = right
	step("and back", true, "the clock was wrong")
}

// A box without a clock of its own begins in 1970.
func TestOwnCertificateBeforeTheClockIsSet(t *testing.T) {
	now := time.Now()
	k := newOwn(t, func(o *Options) { o.Built = now.Add(-90 * 24 * time.Hour) })
	k.time = time.Unix(0, 0)
	k.open()
	dial(t, serveTLS(t, k.HTTPS()), &tls.Config{RootCAs: k.trusted(), ServerName: "box"})
	k.time = now
	before := k.Info().Fingerprint
	k.look(false)
	if k.Info().Fingerprint != before || len(k.Warnings()) > 0 {
		t.Errorf("the right time makes another: %v", k.Warnings())
	}
}

func TestOwnFilesThatAreDamaged(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(t *testing.T, k *kept)
		want   string // of the error; empty: a new certificate of the same authority
	}{
		"no certificate": {func(t *testing.T, k *kept) { remove(t, k, "tls.crt") }, ""},
		"no key":         {func(t *testing.T, k *kept) { remove(t, k, "tls.key") }, ""},
		"half a certificate": {func(t *testing.T, k *kept) {
			certtest.WriteFile(t, filepath.Join(k.dir, "tls.crt"), []byte("-----BEGIN"))
		}, ""},
		"a key that others know": {func(t *testing.T, k *kept) { chmod(t, k, "tls.key", 0o644) }, ""},
		"another's certificate": {func(t *testing.T, k *kept) {
			certtest.NewCA(t, "x").Sign(t, certtest.Template{}).Write(t, k.dir, "tls.crt", "tls.key")
		}, ""},
		"no copy of the authority": {func(t *testing.T, k *kept) { remove(t, k, "tls-ca.crt"); remove(t, k, "tls.crt") }, ""},
		"half an authority":        {func(t *testing.T, k *kept) { certtest.WriteFile(t, AuthorityFile(k.dir), []byte("-----BEGIN")) }, "is damaged: put it back from a backup"},
		"an open authority":        {func(t *testing.T, k *kept) { chmod(t, k, "tls-ca.key", 0o640) }, "chmod 0600"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newOwn(t)
			k.open()
			first, roots := k.Info().Fingerprint, k.trusted()
			c.damage(t, k)
			again, err := Open(k.o)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %s", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if again.Info().Fingerprint == first {
				t.Error("it is still in force")
			}
			k.Keeper = again
			dial(t, serveTLS(t, k.HTTPS()), &tls.Config{RootCAs: roots, ServerName: "box"})
			k.trusted()
		})
	}
}

func remove(t *testing.T, k *kept, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(k.dir, name)); err != nil {
		t.Fatal(err)
	}
}

func chmod(t *testing.T, k *kept, name string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(filepath.Join(k.dir, name), mode); err != nil {
		t.Fatal(err)
	}
}

// A folder that takes nothing keeps the certificate that is there.
func TestOwnCertificateThatCannotBeWritten(t *testing.T) {
	k := newOwn(t)
	k.open()
	first := k.Info()
	k.said()
	moved := k.dir + ".away"
	if err := os.Rename(k.dir, moved); err != nil {
		t.Fatal(err)
	}
	k.time = first.NotAfter.Add(-20 * 24 * time.Hour)
	k.look(false)
	k.look(false)
	if k.Info().Fingerprint != first.Fingerprint || strings.Count(k.said(), "level=ERROR") != 1 || len(k.Warnings()) != 1 {
		t.Errorf("%+v, warnings %v", k.Info(), k.Warnings())
	}
	if err := os.Rename(moved, k.dir); err != nil {
		t.Fatal(err)
	}
	k.look(false)
	if k.Info().Fingerprint == first.Fingerprint || len(k.Warnings()) != 0 {
		t.Errorf("it was not renewed: %v", k.Warnings())
	}
}

func TestMachineNames(t *testing.T) {
	names := strings.Join(machineNames(), " ")
	for _, want := range []string{"localhost", "127.0.0.1", "::1"} {
		if !strings.Contains(names, want) {
			t.Errorf("%q lacks %s", names, want)
		}
	}
}
