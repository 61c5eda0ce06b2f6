package certificate

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"tidegate/cli/config"
)

// fault says what is wrong with the file of a setting.
func fault(key, format string, args ...any) error {
	return &config.Fault{Key: key, Err: fmt.Errorf(key+": "+format, args...)}
}

// unreadable says why a file cannot be read.
func unreadable(key string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fault(key, "%w: the user that serves must be able to read it, and the folders above it", err)
	case errors.Is(err, fs.ErrNotExist):
		return fault(key, "%w: put the file there, or correct its path; one that does not begin with / is below the data folder", err)
	}
	return fault(key, "%w", err)
}

// blocks cuts a PEM file up. What comes after its last block must not look like
// the beginning of another: then the file is cut off.
func blocks(key, path string, b []byte) ([]*pem.Block, error) {
	var all []*pem.Block
	rest := b
	for {
		var next *pem.Block
		if next, rest = pem.Decode(rest); next == nil {
			break
		}
		all = append(all, next)
	}
	switch {
	case bytes.Contains(rest, []byte("-----BEGIN")):
		return nil, fault(key, "%s is cut off, or damaged: after its first %d parts one begins that does not end", path, len(all))
	case len(all) == 0 && len(bytes.TrimSpace(b)) == 0:
		return nil, fault(key, "%s is empty", path)
	case len(all) == 0:
		return nil, fault(key, "%s is not PEM, the text that begins with -----BEGIN; make it with openssl, such as openssl x509 -inform der -in %s -out cert.pem", path, path)
	}
	return all, nil
}

// certificates are those of a PEM file, of which there is one at least.
func certificates(key, path string, b []byte) ([]*x509.Certificate, error) {
	all, err := blocks(key, path, b)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	other := ""
	for _, p := range all {
		if p.Type != "CERTIFICATE" {
			other = p.Type
			continue
		}
		c, err := x509.ParseCertificate(p.Bytes)
		if err != nil {
			return nil, fault(key, "%s: certificate %d: %w", path, len(certs)+1, err)
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, fault(key, "%s holds no certificate but a %s; perhaps two files changed places", path, other)
	}
	return certs, nil
}

// parsePair makes a pair of the files of certificate and key.
func (k *Keeper) parsePair(contents [][]byte, faults []error) (*tls.Certificate, error) {
	const certKey, keyKey = "tls.cert", "tls.key"
	if faults[0] != nil {
		return nil, unreadable(certKey, faults[0])
	}
	certs, err := certificates(certKey, k.o.Cert, contents[0])
	if err != nil {
		return nil, err
	}
	if faults[1] != nil {
		return nil, unreadable(keyKey, faults[1])
	}
	if err := checkKey(keyKey, k.o.Key, contents[1]); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err == nil {
		return &pair, nil
	}
	for _, c := range certs[1:] {
		own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		if _, err := tls.X509KeyPair(own, contents[1]); err == nil {
			return nil, fault(certKey, "%s: the certificate of the key in %s must come first, and those that lead to its CA after it; the first one is that of %s", k.o.Cert, k.o.Key, name(certs[0]))
		}
	}
	return nil, fault(keyKey, "the key in %s does not belong to the certificate in %s, which is that of %s: %w", k.o.Key, k.o.Cert, name(certs[0]), err)
}

// checkKey finds what is wrong with the file of a key, before it is used.
func checkKey(key, path string, b []byte) error {
	all, err := blocks(key, path, b)
	if err != nil {
		return err
	}
	other := ""
	for _, p := range all {
		if p.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(p.Headers["Proc-Type"], "ENCRYPTED") {
			return fault(key, "%s is encrypted, and nobody is there to type its passphrase when the box starts; make one without: openssl pkey -in %s -out plain.pem", path, path)
		}
		if strings.HasSuffix(p.Type, "PRIVATE KEY") {
			return nil
		}
		other = p.Type
	}
	return fault(key, "%s holds no private key but a %s; perhaps two files changed places", path, other)
}

// parseCA reads what devices are verified against.
func (k *Keeper) parseCA(contents [][]byte, faults []error) (*trust, error) {
	const key = "tls.client_ca"
	if faults[0] != nil {
		return nil, unreadable(key, faults[0])
	}
	certs, err := certificates(key, k.o.ClientCA, contents[0])
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	for _, c := range certs {
		if !c.IsCA {
			return nil, fault(key, "%s holds the certificate of %s, which may sign no other: give that of the CA", k.o.ClientCA, name(c))
		}
		roots.AddCert(c)
	}
	t := &trust{roots: roots, certs: certs, config: &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: k.current,
		ClientCAs: roots, ClientAuth: tls.VerifyClientCertIfGiven, SessionTicketsDisabled: true,
	}}
	if k.o.ClientRequired {
		t.config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return t, nil
}

// name answers how people call a certificate.
func name(c *x509.Certificate) string {
	if s := c.Subject.String(); s != "" {
		return s
	}
	if len(c.DNSNames) > 0 {
		return c.DNSNames[0]
	}
	return "serial number " + c.SerialNumber.String()
}

func subjects(certs []*x509.Certificate) string {
	var all []string
	for _, c := range certs {
		all = append(all, name(c))
	}
	return strings.Join(all, "; ")
}
