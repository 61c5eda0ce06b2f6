package certificate

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/cli/config"
	"tidegate/cli/gateway/certificate/certtest"
)

// Each of these is a state in which something writes the files: none is taken,
// each is told once, and the pair that is whole afterwards is.
func TestBadPairsKeepTheOld(t *testing.T) {
	ca := certtest.NewCA(t, "CA")
	a, b := ca.Sign(t, certtest.Template{Name: "a"}), ca.Sign(t, certtest.Template{Name: "b"})
	chain := append(append([]byte{}, b.Cert...), ca.PEM...)
	for name, c := range map[string]struct {
		cert, key []byte // nil: it is gone
		want      string
	}{
		"an empty certificate":     {[]byte{}, b.Key, "cert.pem is empty"},
		"half a certificate":       {b.Cert[:len(b.Cert)/2], b.Key, "cert.pem is cut off"},
		"half a chain":             {chain[:len(chain)-20], b.Key, "cert.pem is cut off, or damaged: after its first 1 parts"},
		"half a key":               {b.Cert, b.Key[:len(b.Key)/2], "key.pem is cut off"},
		"the certificate only":     {b.Cert, a.Key, "does not belong to the certificate in"},
		"the key only":             {a.Cert, b.Key, "does not belong to the certificate in"},
		"no certificate":           {nil, b.Key, "no such file"},
		"no key":                   {b.Cert, nil, "no such file"},
		"swapped":                  {b.Key, b.Cert, "holds no certificate but a PRIVATE KEY; perhaps two files changed places"},
		"two certificates":         {b.Cert, b.Cert, "holds no private key but a CERTIFICATE"},
		"binary":                   {b.TLS.Certificate[0], b.Key, "is not PEM"},
		"a chain in another order": {append(append([]byte{}, ca.PEM...), b.Cert...), b.Key, "must come first"},
		"an encrypted key":         {b.Cert, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), "is encrypted"},
		"far too much":             {make([]byte, maxFile+1), b.Key, "more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			k := newKept(t, func(o *Options) { o.Registerer = reg })
			a.Write(t, k.dir, "cert.pem", "key.pem")
			k.open()
			k.said()
			for file, b := range map[string][]byte{k.o.Cert: c.cert, k.o.Key: c.key} {
				if b == nil {
					if err := os.Remove(file); err != nil {
						t.Fatal(err)
					}
					continue
				}
				certtest.WriteFile(t, file, b)
			}
			for range 4 {
				k.look(false)
			}
			if k.serial() != serialOf(a) {
				t.Error("it is in force")
			}
			said := k.said()
			if strings.Count(said, "level=ERROR") != 1 || !strings.Contains(said, c.want) {
				t.Errorf("it says %s\nwant once: %s", said, c.want)
			}
			if w := strings.Join(k.Warnings(), "\n"); !strings.Contains(w, c.want) {
				t.Errorf("warnings %q", w)
			}
			if n := metric(t, reg, "reloads_total"); n != 1 {
				t.Errorf("%v reloads counted", n)
			}
			b.Write(t, k.dir, "cert.pem", "key.pem")
			k.look(true)
			if k.serial() != serialOf(b) || len(k.Warnings()) > 0 {
				t.Errorf("the whole pair is not in force: %v", k.Warnings())
			}
		})
	}
}

func TestStartFaults(t *testing.T) {
	ca := certtest.NewCA(t, "CA")
	a, b := ca.Sign(t, certtest.Template{Name: "a"}), ca.Sign(t, certtest.Template{Name: "b"})
	for name, c := range map[string]struct {
		cert, key, ca []byte
		setting, want string
	}{
		"no files":            {setting: "tls.cert", want: "no such file or directory: put the file there, or correct its path"},
		"another's key":       {cert: a.Cert, key: b.Key, setting: "tls.key", want: "does not belong to the certificate"},
		"a CA that is none":   {cert: a.Cert, key: a.Key, ca: b.Cert, setting: "tls.client_ca", want: "holds the certificate of CN=b, which may sign no other"},
		"a CA that is cut":    {cert: a.Cert, key: a.Key, ca: ca.PEM[:100], setting: "tls.client_ca", want: "is cut off"},
		"a CA without a file": {cert: a.Cert, key: a.Key, ca: []byte{}, setting: "tls.client_ca", want: "is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKept(t)
			for file, b := range map[string][]byte{k.o.Cert: c.cert, k.o.Key: c.key, filepath.Join(k.dir, "ca.pem"): c.ca} {
				if b != nil {
					certtest.WriteFile(t, file, b)
				}
			}
			if c.ca != nil {
				k.o.ClientCA = filepath.Join(k.dir, "ca.pem")
			}
			for _, try := range []func() error{
				func() error { _, err := Open(k.o); return err },
				func() error { _, _, _, err := Inspect(k.o); return err },
			} {
				var f *config.Fault
				if err := try(); !errors.As(err, &f) || f.Key != c.setting || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v, want %s: %s", err, c.setting, c.want)
				}
			}
		})
	}
}
