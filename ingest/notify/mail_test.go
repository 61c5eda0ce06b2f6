package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"image/png"
	"math"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

func mailChannel(to ...string) store.Channel {
	return store.Channel{ID: "ops", OrgID: "acme", Name: "ops", Type: store.ChannelEmail, Enabled: true, To: to}
}

// mailbox sends a message of notifications at once.
func mailbox(t *testing.T, o Options, c store.Channel, n ...store.Notification) (outcome, *message) {
	t.Helper()
	o.Queue = newMemory(t)
	o.Channels = ChannelsFunc(func(string) (store.Channel, bool) { return c, true })
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		n[i].DeliveryID = deliveryID(n)
	}
	m := newMessage(n)
	return d.send(t.Context(), &c, m), m
}

func sine(now int64) func(context.Context, store.AlertEvent) (Curve, error) {
	return func(context.Context, store.AlertEvent) (Curve, error) {
		var c Curve
		for i := range int64(300) {
			c.Points = append(c.Points, Point{now - (300-i)*10_000, 70 + 25*math.Sin(float64(i)/30)})
		}
		c.Levels = []float64{80}
		return c, nil
	}
}

// TestMail: an email with text, HTML and a picture, as a real server takes it.
func TestMail(t *testing.T) {
	m := startMailpit(t)
	at := int64(1_795_000_000_000)
	hot, over := alarm("ops", "d1", 1, store.CauseFiring, at), alarm("ops", "d1", 2, store.CauseResolved, at)
	hot.Event.RuleName, hot.Event.Severity = "heiß & <b>fett</b>\r\nBcc: eve@example.org", store.SeverityCritical
	o := m.options(MailPlain)
	o.Curve = sine(at)
	if o, _ := mailbox(t, o, mailChannel("ann@example.org", "bob@example.org"), hot, over); o.kind != delivered || o.status != "SMTP 250" {
		t.Fatalf("%+v", o)
	}
	all := m.messages()
	if len(all) != 1 {
		t.Fatalf("%d messages", len(all))
	}
	got := all[0]
	if want := "CRITICAL d1 T1: heiß & <b>fett</b> Bcc: eve@example.org (and 1 more)"; got.Subject != want {
		t.Errorf("subject %q, want %q", got.Subject, want)
	}
	if got.From != (mailAddress{"Plant", "alarms@plant.example"}) || len(got.To) != 2 || got.To[0].Address != "ann@example.org" || got.To[1].Address != "bob@example.org" {
		t.Errorf("%+v %+v", got.From, got.To)
	}
	for _, want := range []string{"T1 of d1 is 93.5 °C, above 80 °C.", "RESOLVED d1 T2: hot", "https://box.example.org/alarms/" + hot.Event.ID} {
		if !strings.Contains(got.Text, want) {
			t.Errorf("the text lacks %q:\n%s", want, got.Text)
		}
	}
	if strings.Contains(got.HTML, "<b>fett") || !strings.Contains(got.HTML, "heiß &amp; &lt;b&gt;fett&lt;/b&gt;") || !strings.Contains(got.HTML, `src="cid:curve.png"`) {
		t.Errorf("HTML:\n%s", got.HTML)
	}
	if len(got.Inline) != 1 || got.Inline[0].ContentType != "image/png" || got.Inline[0].ContentID != "curve.png" {
		t.Fatalf("%+v", got.Inline)
	}
	picture := m.get("message/"+got.ID+"/part/"+got.Inline[0].PartID, nil)
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil || img.Bounds().Dx() != curveWidth || len(picture) > 8<<10 {
		t.Errorf("%v, %d bytes", err, len(picture))
	}
	raw, err := mail.ReadMessage(bytes.NewReader(m.get("message/"+got.ID+"/raw", nil)))
	if err != nil {
		t.Fatal(err)
	}
	h := raw.Header
	if h.Get("Message-ID") != "<"+deliveryID([]store.Notification{hot, over})+"@plant.example>" && h.Get("Message-ID") != "<"+deliveryID([]store.Notification{over, hot})+"@plant.example>" {
		t.Error(h.Get("Message-ID"))
	}
	if h.Get("Auto-Submitted") != "auto-generated" || h.Get("References") != "<"+hot.Event.ID+"@plant.example>" || h.Get("Bcc") != "" || h.Get("Importance") != "high" {
		t.Errorf("%+v", h)
	}
}

// TestMailDoors: encrypted or not, with a login or without.
func TestMailDoors(t *testing.T) {
	passwords := filepath.Join(t.TempDir(), "passwords")
	if err := os.WriteFile(passwords, []byte("box:open-sesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	starttls := startMailpit(t, "--smtp-tls-cert", "CERT", "--smtp-tls-key", "KEY", "--smtp-require-starttls", "--smtp-auth-file", passwords)
	implicit := startMailpit(t, "--smtp-tls-cert", "CERT", "--smtp-tls-key", "KEY", "--smtp-require-tls", "--smtp-auth-file", passwords)
	plain := startMailpit(t, "--smtp-auth-file", passwords, "--smtp-auth-allow-insecure")
	login := func(o Options, password string) Options {
		o.Mail.User, o.Mail.Password = "box", password
		return o
	}
	away := starttls.options(MailSTARTTLS)
	if _, err := netPort(t, &away); err != nil {
		t.Fatal(err)
	}
	untrusted := starttls.options(MailSTARTTLS)
	untrusted.tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	untrustedImplicit := implicit.options(MailImplicit)
	untrustedImplicit.tlsConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	for _, c := range []struct {
		name string
		o    Options
		kind outcomeKind
		want string
	}{
		{"STARTTLS with a login", login(starttls.options(MailSTARTTLS), "open-sesame"), delivered, ""},
		{"implicit TLS with a login", login(implicit.options(MailImplicit), "open-sesame"), delivered, ""},
		{"plain with a login", login(plain.options(MailPlain), "open-sesame"), delivered, ""},
		{"STARTTLS is the default", login(starttls.options(""), "open-sesame"), delivered, ""},
		{"wrong password", login(starttls.options(MailSTARTTLS), "hunter2hunter2"), again, "SMTP 535"},
		{"no login", starttls.options(MailSTARTTLS), again, "SMTP 530"},
		{"no STARTTLS there", login(plain.options(MailSTARTTLS), "open-sesame"), again, "does not offer STARTTLS"},
		{"a certificate that nobody knows", login(untrusted, "open-sesame"), again, "the mail server's certificate is not good"},
		{"the same with implicit TLS", login(untrustedImplicit, "open-sesame"), again, "the mail server's certificate is not good"},
		{"nobody there", away, again, "the mail server refused the connection"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, _ := mailbox(t, c.o, mailChannel("ann@example.org"), alarm("ops", "d1", 1, store.CauseFiring, 1_795_000_000_000))
			if o.kind != c.kind || !strings.Contains(o.text(), c.want) {
				t.Errorf("%+v", o)
			}
			if strings.Contains(o.text(), "hunter2") || strings.Contains(o.text(), "127.0.0.1") {
				t.Errorf("%q tells too much", o.text())
			}
		})
	}
	for name, m := range map[string]*mailpit{"starttls": starttls, "implicit": implicit, "plain": plain} {
		if n := len(m.messages()); n != map[string]int{"starttls": 2, "implicit": 1, "plain": 1}[name] {
			t.Errorf("%s took %d messages", name, n)
		}
	}
}

// netPort puts a port at which nobody listens.
func netPort(t *testing.T, o *Options) (int, error) {
	addr := free(t)
	_, port, ok := strings.Cut(addr, ":")
	if !ok {
		return 0, errors.New(addr)
	}
	o.Mail.Port = 0
	for _, r := range port {
		o.Mail.Port = o.Mail.Port*10 + int(r-'0')
	}
	return o.Mail.Port, nil
}

// TestMailRecipients: one that is refused holds up no other.
func TestMailRecipients(t *testing.T) {
	m := startMailpit(t, "--smtp-allowed-recipients", `@example\.org$`)
	n := alarm("ops", "d1", 1, store.CauseFiring, 1_795_000_000_000)
	o, msg := mailbox(t, m.options(MailPlain), mailChannel("ann@example.org", "bob@elsewhere.test"), n)
	if o.kind != delivered || !strings.Contains(o.text(), "not to bob@elsewhere.test") || !msg.done["ann@example.org"] {
		t.Errorf("%+v", o)
	}
	o, _ = mailbox(t, m.options(MailPlain), mailChannel("bob@elsewhere.test"), n)
	if o.kind != refused || !strings.HasPrefix(o.status, "SMTP 5") {
		t.Errorf("%+v", o)
	}
	if all := m.messages(); len(all) != 1 {
		t.Errorf("%d messages", len(all))
	}
}

// TestMailServerComesBack: what could not be sent is sent later, with the same
// id.
func TestMailServerComesBack(t *testing.T) {
	m := startMailpit(t)
	_ = m.cmd.Process.Kill()
	q := newMemory(t)
	c := mailChannel("ann@example.org")
	o := m.options(MailPlain)
	o.Queue, o.Channels = q, ChannelsFunc(func(string) (store.Channel, bool) { return c, true })
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	d.pace = pace{first: 10 * time.Millisecond, longest: 50 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	n := alarm("ops", "d1", 1, store.CauseFiring, time.Now().UnixMilli())
	if err := q.PutNotifications(ctx, []store.Notification{n}); err != nil {
		t.Fatal(err)
	}
	d.Wake([]store.Notification{n})
	until := func(what string, ok func() bool) {
		t.Helper()
		deadline := time.After(2 * time.Minute)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for !ok() {
			select {
			case <-deadline:
				t.Fatalf("%s: %+v", what, q.one(n.ID))
			case <-tick.C:
			}
		}
	}
	until("tries that fail", func() bool { return q.one(n.ID).Attempts > 2 })
	before := q.one(n.ID)
	if !m.start() {
		t.Fatalf("mailpit does not start again:\n%s", m.out)
	}
	until("the mail", func() bool { return q.one(n.ID).State == store.NotificationDelivered })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	all := m.messages()
	if len(all) != 1 || !strings.HasPrefix(all[0].MessageID, before.DeliveryID+"@") {
		t.Errorf("%+v, before %+v", all, before)
	}
}
