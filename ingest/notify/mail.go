package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"tidegate/store"
)

// MailTLS is how the connection to the mail server is encrypted.
type MailTLS string

// The modes. With starttls a server that does not offer it gets nothing.
const (
	MailSTARTTLS MailTLS = "starttls" // port 587
	MailImplicit MailTLS = "tls"      // port 465
	MailPlain    MailTLS = "none"     // the password too goes in the clear
)

// Mail is the box's mail server. Its address is not guarded: who runs the box
// chose it.
type Mail struct {
	Host           string // empty: there is none
	Port           int    // 0: by TLS
	User, Password string // empty: without a login
	From           string // address, perhaps with a name: Plant <alarms@example.org>
	TLS            MailTLS
}

func (m *Mail) port() int {
	switch {
	case m.Port != 0:
		return m.Port
	case m.TLS == MailImplicit:
		return 465
	case m.TLS == MailPlain:
		return 25
	}
	return 587
}

// mailPatience is how long a mail server may take for each of its answers, and
// for all of them.
const (
	mailPatience      = 15 * time.Second
	wholeMailPatience = 60 * time.Second
)

func checkEmail(d *Dispatcher, c *store.Channel) error {
	if d.o.Mail.Host == "" {
		return store.Invalid("channel", "type", "email needs a mail server, and this box was given none: set smtp.host and smtp.from")
	}
	if len(c.To) == 0 {
		return store.Invalid("channel", "to", "is needed: the addresses to reach")
	}
	for _, to := range c.To {
		if a, err := mail.ParseAddress(to); err != nil || a.Address != to || strings.ContainsAny(to, "\r\n") {
			return store.Invalid("channel", "to", "%q is not an address such as ann@example.org", to)
		}
	}
	if c.URL != "" {
		return store.Invalid("channel", "url", "does not go with email")
	}
	return nil
}

// mail sends m by SMTP, in one transaction for all who have not got it yet. A
// recipient that is refused holds up nobody.
func (d *Dispatcher) mail(ctx context.Context, c *store.Channel, m *message) outcome {
	letter, err := d.letter(ctx, c, m)
	if err != nil {
		return outcome{kind: refused, words: words(err.Error())}
	}
	ctx, cancel := context.WithTimeout(ctx, wholeMailPatience)
	defer cancel()
	client, conn, err := d.dialMail(ctx)
	if err != nil {
		// Also a login that fails: that is the box's settings' fault, not the message's.
		return d.mailFailed(err, false)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.close() })
	defer stop()
	defer func() { _ = conn.close() }() // after QUIT, or when it is of no use any more

	sender, err := letter.GetSender(false)
	if err != nil {
		return outcome{kind: refused, words: words(err.Error())}
	}
	if err := client.Mail(sender); err != nil {
		return d.mailFailed(err, true)
	}
	var taken []string
	var later outcome
	for _, to := range c.To {
		if _, no := m.refused[to]; no || m.done[to] {
			continue
		}
		conn.patience()
		err := client.Rcpt("<" + to + ">")
		if err == nil {
			taken = append(taken, to)
			continue
		}
		o := d.mailFailed(err, true)
		if o.status == "" {
			return o
		}
		if o.kind == refused {
			m.refused[to] = o
		} else {
			later = o
		}
	}
	last := outcome{kind: delivered}
	if len(taken) > 0 {
		conn.patience()
		if last = d.data(client, letter); last.kind != delivered {
			return last
		}
		for _, to := range taken {
			m.done[to] = true
		}
	}
	_ = client.Quit() // what was taken was taken
	if later.kind == again {
		return later
	}
	return m.conclude(c.To, last)
}

func (d *Dispatcher) data(client *smtp.Client, letter *gomail.Msg) outcome {
	w, err := client.Data()
	if err != nil {
		return d.mailFailed(err, true)
	}
	if _, err := letter.WriteTo(w); err != nil {
		return d.mailFailed(err, false) // and no end of the message: the server throws it away
	}
	if err := w.Close(); err != nil {
		return d.mailFailed(err, true)
	}
	return outcome{kind: delivered, status: "SMTP 250"}
}

// mailConn is the connection to the mail server, which can be closed while
// somebody waits for an answer.
type mailConn struct {
	mu sync.Mutex
	c  net.Conn
}

func (c *mailConn) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c == nil {
		return nil
	}
	return c.c.Close()
}

// patience gives the server time for its next answer.
func (c *mailConn) patience() { _ = c.c.SetDeadline(time.Now().Add(mailPatience)) }

func (d *Dispatcher) dialMail(ctx context.Context) (*smtp.Client, *mailConn, error) {
	m := &d.o.Mail
	config := &tls.Config{ServerName: m.Host, MinVersion: tls.VersionTLS12}
	if d.o.tlsConfig != nil {
		config = d.o.tlsConfig.Clone()
		config.ServerName = m.Host
	}
	conn := &mailConn{}
	options := []gomail.Option{
		gomail.WithPort(m.port()), gomail.WithTimeout(mailPatience), gomail.WithTLSConfig(config), gomail.WithTLSPolicy(gomail.NoTLS),
		gomail.WithDialContextFunc(func(ctx context.Context, network, address string) (net.Conn, error) {
			dialer := net.Dialer{Timeout: connectPatience}
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			if m.TLS == MailImplicit {
				t := tls.Client(c, config)
				if err := t.HandshakeContext(ctx); err != nil {
					_ = c.Close() // the handshake's error is told
					return nil, err
				}
				c = t
			}
			conn.mu.Lock()
			defer conn.mu.Unlock()
			conn.c = c
			return c, nil
		}),
	}
	if m.TLS == MailSTARTTLS || m.TLS == "" {
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if m.User != "" {
		// The two that show the password come last. That the connection is encrypted,
		// unless the box was told otherwise, is seen to above.
		options = append(options, gomail.WithUsername(m.User), gomail.WithPassword(m.Password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthCramMD5, gomail.SMTPAuthPlainNoEnc, gomail.SMTPAuthLoginNoEnc))
	}
	client, err := gomail.NewClient(m.Host, options...)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.close() })
	defer stop()
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		_ = conn.close() // the first error is told
		return nil, nil, err
	}
	return session, conn, nil
}

// mailFailed answers what became of a mail. final says whether a 5xx is about
// the message: then it is refused for good.
func (d *Dispatcher) mailFailed(err error, final bool) outcome {
	var reply *textproto.Error
	if errors.As(err, &reply) {
		o := outcome{kind: again, status: "SMTP " + strconv.Itoa(reply.Code), words: words(reply.Msg, d.o.Mail.Password)}
		switch {
		case !final || reply.Code < 500:
		case reply.Code == 503 || reply.Code >= 530 && reply.Code <= 538:
			// A sequence of commands, or a login, that it wants otherwise: this says
			// nothing of the message.
		default:
			o.kind = refused
		}
		return o
	}
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	var name x509.HostnameError
	var timeout net.Error
	o := outcome{kind: again}
	switch {
	case errors.As(err, &dns):
		o.words = "the mail server's name could not be resolved"
	case errors.As(err, &certificate), errors.As(err, &name):
		o.words = "the mail server's certificate is not good"
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		o.words = "the mail server gave no answer in time"
	case isAny(err, refusals()):
		o.words = "the mail server refused the connection"
	case isAny(err, resets()), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		o.words = "the mail server closed the connection"
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		o.words = "the mail server does not offer STARTTLS: set smtp.tls to tls or none"
	case strings.Contains(err.Error(), "AUTH"):
		o.words = "the mail server offers no login that is known here"
	default:
		o.words = "the mail server could not be reached"
	}
	d.log.Debug("mail", "error", fmt.Sprint(err))
	return o
}
