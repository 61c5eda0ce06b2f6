package broker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"time"
)

// helloByte begins a handshake of TLS (RFC 8446, 5.1), and no CONNECT.
const helloByte = 0x16

// patient is a socket whose every write has a deadline of its own: TLS writes
// when it likes, also while it reads.
type patient struct {
	net.Conn
	timeout time.Duration
}

func (p patient) Write(b []byte) (int, error) {
	_ = p.SetWriteDeadline(time.Now().Add(p.timeout))
	return p.Conn.Write(b)
}

// handshakeError is why a handshake came to nothing.
type handshakeError struct{ error }

func (e handshakeError) Unwrap() error { return e.error }

// handshake agrees with the client on TLS, when it came in at that door. The
// deadline of the connect bounds it.
func (c *conn) handshake() error {
	t, ok := c.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	if err := t.Handshake(); err != nil {
		return handshakeError{err}
	}
	c.l.metrics.handshakes.WithLabelValues("done").Inc()
	if s := t.ConnectionState(); len(s.VerifiedChains) > 0 {
		c.peer = s.PeerCertificates
	}
	return nil
}

// stranger tells why a connection ended before its login, where somebody can do
// something about it.
func (b *Broker) stranger(c *conn, err error) {
	if c.cause.Load() != nil {
		return // it was us
	}
	from := c.RemoteAddr().String()
	var failed handshakeError
	switch {
	case errors.As(err, &failed):
		reason, line := b.explainHandshake(failed.error, from)
		b.metrics.handshakes.WithLabelValues(reason).Inc()
		if line != "" {
			b.refuse(Refusal{Kind: "tls_" + reason, Line: "refused: " + line})
		}
	case c.bad == errHello:
		fix := "MQTT over TLS is not set up: tls.cert and tls.key in config.yaml, or tls.self_signed, open it"
		if secure := b.AddrTLS(); secure != nil {
			fix = "TLS is at " + secure.String()
		}
		b.refuse(Refusal{Kind: "tls_hello", Line: "refused: the client at " + from + " speaks TLS to the port without it; " + fix})
	}
}

// explainHandshake names the cause of a failed handshake and the way out. A
// client that says nothing, or goes without a word, gets no line: it may be a
// probe of the network.
func (b *Broker) explainHandshake(err error, from string) (reason, line string) {
	who := "the client at " + from
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	var op *net.OpError
	text := err.Error()
	switch {
	case isTimeout(err):
		return "timeout", ""
	case errors.As(err, &record):
		return b.explainPlain(record.RecordHeader[:], who)
	case errors.As(err, &verify):
		return "client_certificate", who + " has a certificate that is not taken: " + explainCertificate(verify)
	case strings.Contains(text, "didn't provide a certificate"):
		return "client_certificate", who + " has no certificate, and tls.client_required wants one. Fix: give it one that tls.client_ca has signed, or set tls.client_required to false"
	case errors.As(err, &op) && (op.Op == "remote error" || strings.Contains(text, "bad record MAC")):
		// OpenSSL sends its alert in clear where crypto/tls expects it encrypted.
		return "not_trusted", who + " broke off, as one does that does not trust this box (" + text + "). Fix: give it the CA of the box's certificate (mosquitto_pub --cafile), and connect to a name that the certificate has; the log names both at the start"
	case errors.Is(err, io.EOF), errors.As(err, &op) && op.Op != "local error":
		return "gone", ""
	}
	return "protocol", who + " and this box found no common TLS: " + text + ". Fix: TLS 1.2 or newer is needed"
}

// explainPlain knows what speaks without TLS by its first bytes.
func (b *Broker) explainPlain(head []byte, who string) (reason, line string) {
	switch {
	case head[0] == 0x10:
		fix := "give it the CA (mosquitto_pub --cafile)"
		if plain := b.Addr(); plain != nil {
			fix += ", or send it to " + plain.String()
		}
		return "plain_mqtt", who + " speaks MQTT without TLS to the port with it. Fix: " + fix
	case head[0] >= 'A' && head[0] <= 'Z':
		return "http", who + " speaks HTTP to the port of MQTT over TLS"
	}
	return "not_tls", ""
}

func explainCertificate(err *tls.CertificateVerificationError) string {
	leaf := "it"
	if len(err.UnverifiedCertificates) > 0 {
		leaf = "that of " + quoted(err.UnverifiedCertificates[0].Subject.CommonName)
	}
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return leaf + " was not signed by tls.client_ca. Fix: sign it by that CA, or add its own to the file"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return leaf + " has expired, or is not good yet (" + invalid.Detail + "). Fix: make a new one, or set the clock of this box"
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return leaf + " is not for clients. Fix: make one with the extended key usage clientAuth, or without any"
	}
	return leaf + ": " + err.Err.Error()
}
