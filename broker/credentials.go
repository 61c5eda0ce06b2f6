package broker

import (
	"crypto/x509"
	"net"

	"github.com/mochi-mqtt/server/v2/packets"

	"tidegate/ingest"
)

// credentials are what a client logs in with: a user name and a secret, or a
// certificate that the door with TLS has verified.
type credentials struct {
	user   string
	secret []byte
	given  bool                // a password, be it empty
	peer   []*x509.Certificate // nil: none; the client's own first
	from   net.Addr
}

func credentialsOf(c *conn, pk *packets.Packet) *credentials {
	return &credentials{
		user: string(pk.Connect.Username), secret: pk.Connect.Password, given: pk.Connect.PasswordFlag,
		peer: c.peer, from: c.RemoteAddr(),
	}
}

// name answers what the client calls itself.
func (k *credentials) name() string {
	if k.user == "" && k.peer != nil {
		return k.peer[0].Subject.CommonName
	}
	return k.user
}

// v3Code is what MQTT 3 answers to credentials that are not good.
func (k *credentials) v3Code() packets.Code {
	if k.peer != nil {
		return v3NotAuthorized
	}
	return v3BadLogin
}

// identify answers whose the credentials are at this moment, or the line of a
// refusal.
func (b *Broker) identify(k *credentials) (p *ingest.Principal, refused string) {
	if k.peer != nil {
		return b.identifyCertified(k)
	}
	p, err := b.opts.Authenticator.Login(k.user, k.secret)
	if err != nil || k.user == "" {
		return nil, loginLine(withoutSecret(k.user), k.given, k.from)
	}
	return p, ""
}

// is reports whether the session is that of p: a serial number may be another
// device's by now.
func (s *session) is(p *ingest.Principal) bool {
	return p.Name == s.name && (p.Device == nil || p.Device.UID == s.uid)
}

// identifyCertified lets the device in that a certificate names. What the client
// says beside it must fit: a certificate opens nothing for another device.
func (b *Broker) identifyCertified(k *credentials) (p *ingest.Principal, refused string) {
	auth, common := b.opts.Authenticator, k.peer[0].Subject.CommonName
	with := "refused: login from " + k.from.String() + " with the client certificate of " + quoted(common)
	if !b.trusts(k.peer) {
		return nil, with + "; tls.client_ca was changed meanwhile, and does not vouch for it any more. Fix: sign it by the new CA"
	}
	p, err := auth.LoginCertificate(common)
	if err != nil || common == "" {
		// Who is no device has a secret all the same: the certificate only says
		// who may knock.
		if k.user != "" && k.user == common {
			if p, err := auth.Login(k.user, k.secret); err == nil {
				return p, ""
			}
		}
		return nil, with + "; no active device has this id or serial number. Fix: tidegate device ls shows the devices; the common name (CN) must be that of one"
	}
	if k.user != "" {
		if other, err := auth.LoginCertificate(k.user); err != nil || other.Device.UID != p.Device.UID {
			return nil, with + " and the user name " + quoted(withoutSecret(k.user)) + "; a certificate logs in its own device alone. Fix: leave the user name out, or give it a certificate of its own"
		}
	}
	if len(k.secret) > 0 {
		if _, err := auth.Login(p.Device.ID, k.secret); err != nil {
			return nil, with + " and a password that is not its secret. Fix: leave the password out, or give the right one"
		}
	}
	return p, ""
}

// trusts reports whether the client CA of now vouches for a certificate. The
// handshake has asked that of its own moment.
func (b *Broker) trusts(chain []*x509.Certificate) bool {
	roots := b.roots.Load()
	if roots == nil {
		return true // it was never changed
	}
	o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(o)
	return err == nil
}

// TrustDevices says by which CA clients are verified from now on, and ends the
// connections of those that it does not vouch for.
func (b *Broker) TrustDevices(roots *x509.CertPool) {
	b.roots.Store(roots)
	var cut []*session
	b.mu.Lock()
	for _, s := range b.live {
		if s.conn.peer != nil && !b.trusts(s.conn.peer) {
			cut = append(cut, s)
		}
	}
	b.mu.Unlock()
	for _, s := range cut {
		s.expel(0x98, "client_ca_changed")
	}
}
