// Package certtest makes certificates for tests: CAs, servers and devices.
package certtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// CA signs certificates.
type CA struct {
	Cert *x509.Certificate
	PEM  []byte
	key  *ecdsa.PrivateKey
}

// Template says what is signed. The zero value is a server for localhost and
// 127.0.0.1, good from an hour ago to 90 days ahead.
type Template struct {
	Name      string // common name
	Client    bool
	NotBefore time.Time
	NotAfter  time.Time
}

// Pair is a certificate and its key, as PEM and ready for use.
type Pair struct {
	Cert, Key []byte
	TLS       tls.Certificate
}

// NewCA makes one.
func NewCA(t testing.TB, name string) *CA {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(400 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &CA{Cert: cert, PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key: key}
}

// Pool answers a pool of the CA alone.
func (c *CA) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(c.Cert)
	return p
}

// Client answers how a client is set up that trusts the CA, and that shows p,
// when it is not nil, whoever the server asks for.
func (c *CA) Client(p *Pair) *tls.Config {
	o := &tls.Config{RootCAs: c.Pool()}
	if p != nil {
		o.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &p.TLS, nil }
	}
	return o
}

// Sign makes a certificate with a key of its own.
func (c *CA) Sign(t testing.TB, of Template) Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: of.Name}, NotBefore: of.NotBefore, NotAfter: of.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	if of.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if of.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(90 * 24 * time.Hour)
	}
	if of.Client {
		template.ExtKeyUsage[0] = x509.ExtKeyUsageClientAuth
	} else {
		template.DNSNames, template.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.Cert, key.Public(), c.key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}),
	}
	if p.TLS, err = tls.X509KeyPair(p.Cert, p.Key); err != nil {
		t.Fatal(err)
	}
	return p
}

// Write puts the pair into two files of a folder.
func (p Pair) Write(t testing.TB, dir, cert, key string) {
	t.Helper()
	WriteFile(t, filepath.Join(dir, cert), p.Cert)
	WriteFile(t, filepath.Join(dir, key), p.Key)
}

// WriteFile replaces what a file holds.
func WriteFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
