package gateway

import (
	"context"
	"crypto/x509"
	"io"
	"path/filepath"
	"time"

	"tidegate/api"
	"tidegate/cli/config"
	"tidegate/cli/gateway/certificate"
	"tidegate/store"
	"tidegate/store/embedded"
)

// secretsFolder is in the data folder.
const secretsFolder = "secrets"

// certificateOptions answers what the configuration says of a certificate.
func certificateOptions(dir string, c config.Config, built time.Time) certificate.Options {
	below := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	return certificate.Options{
		Cert: below(c.TLS.Cert), Key: below(c.TLS.Key), Dir: filepath.Join(dir, secretsFolder),
		ClientCA: below(c.TLS.ClientCA), ClientRequired: c.TLS.ClientRequired, Built: built,
	}
}

// openCertificate opens what the doors with TLS prove themselves with, if they
// are to be open.
func (g *gateway) openCertificate() (err error) {
	if !g.o.Config.UsesTLS() {
		return nil
	}
	o := certificateOptions(g.o.Dir, g.o.Config, g.o.BuildDate)
	o.Logger, o.Registerer = g.log, g.reg
	o.ClientCAChanged = func(roots *x509.CertPool) { g.broker.TrustDevices(roots) }
	g.cert, err = certificate.Open(o)
	return err
}

// tlsStatus answers how the certificate is; nil: there is none.
func (g *gateway) tlsStatus() *api.TLSStatus {
	if g.cert == nil {
		return nil
	}
	i := g.cert.Info()
	return &api.TLSStatus{
		HTTP: g.addrs.HTTPS, MQTT: g.addrs.MQTTS, Subject: i.Subject, NotAfter: store.Time(i.NotAfter.UnixMilli()),
		DaysLeft: i.DaysLeft(time.Now()), Fingerprint: i.Fingerprint, SelfSigned: i.SelfSigned,
	}
}

// ownAuthority is a Source: what devices trust must outlive the box's disk.
type ownAuthority struct{ dir string }

// Snapshot implements embedded.Source.
func (a ownAuthority) Snapshot(ctx context.Context, write func(name string, size int64, r io.Reader) error) error {
	file := embedded.FileSource(certificate.AuthorityFile(filepath.Join(a.dir, secretsFolder)))
	return file.Snapshot(ctx, func(name string, size int64, r io.Reader) error {
		return write(secretsFolder+"/"+name, size, r)
	})
}
