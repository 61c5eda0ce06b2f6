package notify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tidegate/store"
)

// Result is what became of a test.
type Result struct {
	Delivered bool
	Status    string // the receiver's: HTTP 200, SMTP 550; empty: it gave none
	Words     string // what it said, or what else went wrong
	Took      time.Duration
}

// Test sends a made-up notification at once and answers what the receiver said.
// It is not queued, not tried again and takes nothing of the channel's rate. The
// channel need not be stored, nor enabled. The error is Validate's, or the
// context's.
func (d *Dispatcher) Test(ctx context.Context, c store.Channel) (Result, error) {
	if err := d.Validate(c); err != nil {
		return Result{}, err
	}
	release, ok := d.acquire(ctx, true)
	if !ok {
		return Result{}, fmt.Errorf("wait for a place to send a test: %w", ctx.Err())
	}
	defer release()
	began := time.Now()
	m := sampleMessage(&c, d.o.Now())
	// A second test is another message.
	m.id = deliveryID([]store.Notification{{ID: store.NewSecret()}})
	o := d.sendTo(ctx, &c, m)
	return Result{o.kind == delivered, o.status, o.words, time.Since(began)}, nil
}

// sampleMessage is a made-up notification.
func sampleMessage(c *store.Channel, now time.Time) *message {
	value, level, at := 93.5, 87.25, store.Time(now.UnixMilli())
	id := store.AlertEventID("rule-test", store.Series{Port: 1}, int64(at))
	n := store.Notification{
		ID: store.NotificationID(id, c.ID, store.CauseTest, 0), OrgID: c.OrgID, ChannelID: c.ID, Cause: store.CauseTest,
		State: store.NotificationQueued, CreatedAt: at, ExpiresAt: at,
		Event: store.AlertEvent{
			ID: id, RuleID: "rule-test", RuleName: "Test of the channel " + c.Name, Revision: 1, OrgID: c.OrgID,
			DeviceID: "example", PortNumber: 1, PortName: "Temperature", Unit: "°C", Kind: store.CondAbove, Severity: store.SeverityInfo,
			State: store.AlertFiring, StartedAt: at, FiredAt: at, First: &level, Worst: &value, WorstAt: &at, Last: &value,
			Message: "Temperature of example is 93.5 °C, above 80 °C.",
		},
	}
	n.DeliveryID = deliveryID([]store.Notification{n})
	return newMessage([]store.Notification{n})
}

// Preview is a message that is not sent.
type Preview struct {
	Subject string // or title
	Text    string // what people read
	Body    string // what is sent: JSON, a form, the HTML of an email
}

// Preview answers what the channel would say of an episode, as it is now. The
// error is Validate's.
func (d *Dispatcher) Preview(c store.Channel, e store.AlertEvent) (Preview, error) {
	if err := d.Validate(c); err != nil {
		return Preview{}, err
	}
	cause := store.CauseFiring
	if !e.Open() {
		cause = store.CauseResolved
	}
	n := store.Notification{
		ID: store.NotificationID(e.ID, c.ID, cause, 0), OrgID: e.OrgID, ChannelID: c.ID, Cause: cause, Event: e,
		CreatedAt: store.Time(d.o.Now().UnixMilli()), State: store.NotificationQueued,
	}
	n.DeliveryID = deliveryID([]store.Notification{n})
	m := newMessage([]store.Notification{n})
	s := d.story(&c, m)
	p := Preview{Subject: s.title(), Text: s.text(20_000, maxTogether)}
	t := channelTypes()[c.Type]
	if t.posts == nil {
		p.Body = s.html(false, "")
		return p, nil
	}
	posts, err := t.posts(d, &c, m)
	if err != nil {
		return Preview{}, err
	}
	if c.Type == store.ChannelSMS {
		p.Text = s.short()
	}
	p.Body = string(posts[0].post.body)
	if c.Secret != "" { // pagerduty's goes in the body
		p.Body = strings.ReplaceAll(p.Body, c.Secret, "[secret]")
	}
	return p, nil
}

// Sample is a made-up episode, for a preview.
func Sample(c *store.Channel, now time.Time) store.AlertEvent {
	return sampleMessage(c, now).notifications[0].Event
}
