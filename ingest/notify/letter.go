package notify

import (
	"bytes"
	"context"
	"fmt"
	"net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"tidegate/store"
)

const (
	curvePatience = 2 * time.Second
	maxMailText   = 100_000
)

// letter makes an email: text, HTML, and a picture of the weightiest episode's
// readings. Its id is the message's, so that a second one is known for the same.
func (d *Dispatcher) letter(ctx context.Context, c *store.Channel, m *message) (*gomail.Msg, error) {
	s := d.story(c, m)
	n := s.weighty
	l := gomail.NewMsg(gomail.WithEncoding(gomail.EncodingQP), gomail.WithNoDefaultUserAgent())
	if err := l.From(d.o.Mail.From); err != nil {
		return nil, fmt.Errorf("smtp.from: %w", err)
	}
	if err := l.To(c.To...); err != nil {
		return nil, err
	}
	l.Subject(s.title())
	l.SetDateWithValue(n.CreatedAt.Time())
	host := "tidegate"
	if from, err := mail.ParseAddress(d.o.Mail.From); err == nil {
		_, host, _ = strings.Cut(from.Address, "@")
	}
	l.SetMessageIDWithValue(m.id + "@" + host)
	// All that is said of an episode is one thread.
	thread := "<" + n.Event.ID + "@" + host + ">"
	l.SetGenHeader(gomail.HeaderInReplyTo, thread)
	l.SetGenHeader(gomail.HeaderReferences, thread)
	l.SetGenHeader("Auto-Submitted", "auto-generated") // https://www.rfc-editor.org/rfc/rfc3834
	l.SetGenHeader("X-Tidegate-Delivery", m.id)
	if n.Event.Severity == store.SeverityCritical && n.Cause != store.CauseResolved {
		l.SetImportance(gomail.ImportanceHigh)
	}
	picture, alt := d.picture(ctx, n)
	l.SetBodyString(gomail.TypeTextPlain, s.text(maxMailText, maxTogether)+"\n")
	l.AddAlternativeString(gomail.TypeTextHTML, s.html(picture != nil, alt))
	if picture != nil {
		if err := l.EmbedReader("curve.png", bytes.NewReader(picture), gomail.WithFileContentID("curve.png"), gomail.WithFileContentType("image/png"), gomail.WithFileDescription(alt)); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// picture draws an episode's readings; nil: there is nothing to draw.
func (d *Dispatcher) picture(ctx context.Context, n *store.Notification) (png []byte, alt string) {
	if d.o.Curve == nil || n.Event.Kind == store.CondNoData {
		return nil, ""
	}
	ctx, cancel := context.WithTimeout(ctx, curvePatience)
	defer cancel()
	c, err := d.o.Curve(ctx, n.Event)
	if err == nil && len(c.Points) > 1 {
		png, err = c.draw(&n.Event)
	}
	if err != nil {
		d.log.Debug("draw the curve", "event", n.Event.ID, "error", err)
		return nil, ""
	}
	if png == nil {
		return nil, ""
	}
	return png, c.alt(&n.Event)
}
