package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"tidegate/cli/config"
)

// What the box makes for itself.
const (
	authorityName  = "tls-ca.key" // key and certificate, in one file: they cannot be of two
	trustedName    = "tls-ca.crt" // what clients are given: a copy of its certificate
	ownCertName    = "tls.crt"
	ownKeyName     = "tls.key"
	authorityLasts = 20 * 365 * 24 * time.Hour
	ownLasts       = 398 * 24 * time.Hour // the longest that browsers take
	renewBefore    = 30 * 24 * time.Hour
	backdate       = 24 * time.Hour // a client's clock may be behind
	namesEvery     = time.Hour
)

// authority signs the box's own certificates.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

// AuthorityFile is where the authority of a folder of secrets is: what a backup
// must hold, because devices trust it.
func AuthorityFile(dir string) string { return filepath.Join(dir, authorityName) }

func (a *authority) file() string { return filepath.Join(a.dir, trustedName) }

// warning says when the authority cannot vouch any more.
func (a *authority) warning(now time.Time) string {
	if now.Before(a.cert.NotAfter) {
		return ""
	}
	return fmt.Sprintf("the box's own authority HAS EXPIRED on %s: see whether the clock is right. If it is, delete %s, start again, and give clients the new %s",
		a.cert.NotAfter.UTC().Format(time.DateOnly), AuthorityFile(a.dir), a.file())
}

// believed answers the time, but none before the program was built.
func (k *Keeper) believed() time.Time {
	now := k.now()
	if now.Before(k.o.Built) {
		return k.o.Built
	}
	return now
}

// openOwn reads the box's authority and certificate, and makes what is missing.
func (k *Keeper) openOwn() error {
	a, err := readAuthority(k.o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		a, err = makeAuthority(k.o.Dir, k.believed())
	}
	if err == nil {
		err = a.publish()
	}
	if err != nil {
		return &config.Fault{Key: "tls.self_signed", Err: fmt.Errorf("tls.self_signed: %w", err)}
	}
	k.own = a
	if pair, err := a.read(); err == nil {
		k.pair.Store(pair)
	}
	k.renew()
	if k.pair.Load() == nil {
		return &config.Fault{Key: "tls.self_signed", Err: errors.New("tls.self_signed: " + k.trouble["tls.cert"])}
	}
	return nil
}

// renew makes a new certificate when the present one is due.
func (k *Keeper) renew() {
	why := k.due()
	if why == "" {
		return
	}
	pair, err := k.own.issue(k.o.Names(), k.believed())
	if err != nil {
		if text := "the box's own certificate cannot be made: " + err.Error(); k.trouble["tls.cert"] != text {
			k.trouble["tls.cert"] = text
			k.log.Error("the box's own certificate was not renewed; the one before stays", "reason", why, "error", err)
		}
		return
	}
	delete(k.trouble, "tls.cert")
	had := k.pair.Swap(pair) != nil
	k.named = k.now()
	if had {
		k.reloads.WithLabelValues("taken").Inc()
		k.tell("renewed the box's own certificate: " + why)
	}
}

// due says why the box's own certificate has to be renewed; empty: it has not.
func (k *Keeper) due() string {
	pair := k.pair.Load()
	if pair == nil {
		return "there is none"
	}
	now := k.believed()
	switch {
	case now.After(pair.Leaf.NotAfter.Add(-renewBefore)):
		return "it ends soon"
	case now.Before(pair.Leaf.NotBefore):
		return "the clock was wrong when it was made"
	case k.now().Sub(k.named).Abs() < namesEvery:
		return ""
	}
	k.named = k.now()
	for _, n := range k.o.Names() {
		// Addresses of IPv6 come and go by the day.
		if ip := net.ParseIP(n); ip != nil && ip.To4() == nil {
			continue
		}
		if pair.Leaf.VerifyHostname(n) != nil {
			return "it lacks the name " + n
		}
	}
	return ""
}

func readAuthority(dir string) (*authority, error) {
	path := AuthorityFile(dir)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s may be read or changed by others (mode %04o), and keys must not: chmod 0600 %s", path, info.Mode().Perm(), path)
	}
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(b, b)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: put it back from a backup, or delete it and give clients the new %s: %w", path, trustedName, err)
	}
	return &authority{dir: dir, cert: pair.Leaf, key: pair.PrivateKey.(crypto.Signer)}, nil
}

func makeAuthority(dir string, now time.Time) (*authority, error) {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "box"
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "tidegate " + host[:min(len(host), 48)] + " CA"}, // 64 are allowed
		NotBefore: now.Add(-backdate), NotAfter: now.Add(authorityLasts),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	der, keyPEM, err := sign(template, template, key, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a := &authority{dir: dir, cert: cert, key: key}
	return a, writeFile(AuthorityFile(dir), append(keyPEM, certPEM(der)...))
}

// publish lets the file that clients are given follow the authority.
func (a *authority) publish() error {
	want := certPEM(a.cert.Raw)
	if b, err := os.ReadFile(a.file()); err == nil && string(b) == string(want) {
		return nil
	}
	return writeFile(a.file(), want)
}

// read answers the certificate that was issued last. One that is not whole, is
// another authority's, or whose key others may know is as good as none.
func (a *authority) read() (*tls.Certificate, error) {
	certFile, keyFile := filepath.Join(a.dir, ownCertName), filepath.Join(a.dir, ownKeyName)
	info, err := os.Lstat(keyFile)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s may be read by others", keyFile)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return &pair, pair.Leaf.CheckSignatureFrom(a.cert)
}

// issue makes a certificate for the names, with a key of its own.
func (a *authority) issue(names []string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		NotBefore: now.Add(-backdate), NotAfter: now.Add(ownLasts - backdate),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	if len(template.DNSNames) > 0 {
		template.Subject.CommonName = template.DNSNames[0]
	}
	der, keyPEM, err := sign(template, a.cert, key, a.key)
	if err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(a.dir, ownKeyName), keyPEM); err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(a.dir, ownCertName), certPEM(der)); err != nil {
		return nil, err
	}
	return a.read()
}

func sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey, by crypto.Signer) (der, keyPEM []byte, err error) {
	if der, err = x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by); err != nil {
		return nil, nil, fmt.Errorf("sign a certificate: %w", err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode a key: %w", err)
	}
	return der, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}), nil
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
