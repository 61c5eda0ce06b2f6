package mongo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

// authority signs certificates of this test's own.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its own certificate
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.file = a.sign(name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

// sign answers a file with a new certificate and its key.
func (a *authority) sign(name string, c *x509.Certificate) string {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	noError(a.t, err)
	c.Subject = pkix.Name{CommonName: name, Organization: []string{name}}
	c.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62))
	noError(a.t, err)
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if a.cert == nil {
		a.cert, a.key = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key)
	noError(a.t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	noError(a.t, err)
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	file := filepath.Join(a.dir, name+".pem")
	noError(a.t, os.WriteFile(file, text, 0o600))
	return file
}

// TestTLS speaks with a server that takes nothing but TLS, and wants to see a
// certificate of whoever connects.
func TestTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "ca")
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	own := ca.sign("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: both})
	gateway := ca.sign("gateway", &x509.Certificate{ExtKeyUsage: both})
	stranger := newAuthority(t, "stranger").sign("stranger", &x509.Certificate{ExtKeyUsage: both})
	server := mongotest.Start(t, mongotest.Options{Args: []string{"--tlsMode", "preferTLS", "--tlsCertificateKeyFile", own, "--tlsCAFile", ca.file}})
	ctx, uri := t.Context(), server.URI(t, "plant")
	server.Admin(t, func(c *mongo.Client) error { // what sets it up speaks in the clear
		return c.Database("admin").RunCommand(ctx, bson.D{{Key: "setParameter", Value: 1}, {Key: "tlsMode", Value: "requireTLS"}}).Err()
	})
	for _, tt := range []struct {
		name, options string
		want          string // empty: ready
	}{
		{"as it should be", "tls=true&tlsCAFile=" + ca.file + "&tlsCertificateKeyFile=" + gateway, ""},
		{"by the old names", "ssl=true&sslCertificateAuthorityFile=" + ca.file + "&sslClientCertificateKeyFile=" + gateway, ""},
		{"whoever it is", "tls=true&tlsInsecure=true&tlsCertificateKeyFile=" + gateway, ""},
		{"in the clear", "", "connection"},
		{"of an unknown authority", "tls=true&tlsCertificateKeyFile=" + gateway, "certificate signed by unknown authority"},
		{"without a certificate", "tls=true&tlsCAFile=" + ca.file, "connection"},
		{"with another's", "tls=true&tlsCAFile=" + ca.file + "&tlsCertificateKeyFile=" + stranger, "connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := attach(t, impatient(uri+"?directConnection=true&"+tt.options))
			err := d.Ready(ctx)
			if tt.want == "" {
				noError(t, err)
				return
			}
			if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("told %v, want %s", err, tt.want)
			}
		})
	}
	// The certificate is of 127.0.0.1.
	byName := strings.Replace(uri, "127.0.0.1", "localhost", 1) + "?directConnection=true&tls=true&tlsCAFile=" + ca.file + "&tlsCertificateKeyFile=" + gateway
	if err := attach(t, impatient(byName)).Ready(ctx); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "localhost") {
		t.Errorf("by another name: %v", err)
	}
	// A catalogue over it works like any other.
	i := openInstance(t, uri+"?tls=true&tlsCAFile="+ca.file+"&tlsCertificateKeyFile="+gateway, t.TempDir())
	noError(t, i.CreateOrganization(ctx, acme("acme")))
	sameEverywhere(t, i)
}
