package notify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"tidegate/store"
)

// The headers of a webhook.
const (
	headerSignature   = "X-Tidegate-Signature"
	headerIdempotency = "Idempotency-Key"
)

// webhookBody is what a webhook without a template of its own sends. Fields may
// be added; those that are there stay.
type webhookBody struct {
	Version    int                     `json:"version"` // 1
	DeliveryID string                  `json:"deliveryId"`
	Org        string                  `json:"org"`
	Channel    string                  `json:"channel"` // its name
	ChannelID  string                  `json:"channelId"`
	Cause      store.NotificationCause `json:"cause"`    // of the weightiest of events
	Severity   store.Severity          `json:"severity"` // of the same
	Title      string                  `json:"title"`
	Text       string                  `json:"text"`
	Link       string                  `json:"link,omitempty"`
	Events     []webhookEvent          `json:"events"` // in the order in which they happened
}

// webhookEvent is an episode as it was then, and why it is told.
type webhookEvent struct {
	NotificationID string                  `json:"notificationId"`
	Cause          store.NotificationCause `json:"cause"`
	CreatedAt      store.Time              `json:"createdAt"`
	Link           string                  `json:"link,omitempty"`
	store.AlertEvent
}

func (s *story) events() []webhookEvent {
	out := make([]webhookEvent, 0, len(s.said))
	for i := range s.said {
		n := &s.said[i]
		out = append(out, webhookEvent{n.ID, n.Cause, n.CreatedAt, s.link(n), n.Event})
	}
	return out
}

func (s *story) webhookBody() ([]byte, error) {
	return marshal(webhookBody{
		Version: 1, DeliveryID: s.m.id, Org: s.weighty.OrgID, Channel: s.c.Name, ChannelID: s.c.ID,
		Cause: s.weighty.Cause, Severity: s.weighty.Event.Severity,
		Title: s.title(), Text: s.text(20_000, maxTogether), Link: s.link(s.weighty), Events: s.events(),
	})
}

// marshal makes JSON in which <, > and & stay as they are.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func checkWebhook(d *Dispatcher, c *store.Channel) error {
	if err := d.checkURL(c.URL, "https://example.org/alarms"); err != nil {
		return err
	}
	if c.Method != "" && !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, c.Method) {
		return store.Invalid("channel", "method", "is POST, PUT or PATCH")
	}
	return d.checkBody(c)
}

// checkBody fills a body's template in, to see whether what looks like JSON is.
func (d *Dispatcher) checkBody(c *store.Channel) error {
	if c.Body == "" || !looksLikeJSON(c.Body) {
		return nil
	}
	t, err := parseTemplate(c.Body)
	if err != nil {
		return store.Invalid("channel", "body", "%s", err)
	}
	s := d.story(c, sampleMessage(c, time.UnixMilli(0)))
	s.to, s.from = "+491700000000", c.From
	if b := t.Append(nil, s.value); !json.Valid(b) {
		return store.Invalid("channel", "body", `is not JSON once it is filled in; a text is written "{text|json}", and {events} is JSON by itself`)
	}
	return nil
}

func looksLikeJSON(template string) bool {
	t := strings.TrimSpace(template)
	return strings.HasPrefix(t, "{{") || strings.HasPrefix(t, "[")
}

func webhookPosts(d *Dispatcher, c *store.Channel, m *message) ([]recipient, error) {
	s := d.story(c, m)
	var body []byte
	if c.Body == "" {
		var err error
		if body, err = s.webhookBody(); err != nil {
			return nil, err
		}
	} else {
		t, err := parseTemplate(c.Body)
		if err != nil {
			return nil, store.Invalid("channel", "body", "%s", err)
		}
		body = t.Append(nil, s.value)
	}
	p := d.post(c, m.id, c.URL, body)
	if c.Method != "" {
		p.method = c.Method
	}
	p.header, p.wanders = header(c.Headers), true
	if c.Body != "" && !looksLikeJSON(c.Body) {
		p.standing.Set("Content-Type", "text/plain; charset=utf-8")
	}
	if h := p.header.Get("Content-Type"); h != "" {
		p.standing.Set("Content-Type", h)
	}
	if c.Secret != "" {
		p.standing.Set(headerSignature, sign(c.Secret, body, d.o.Now()))
	}
	return []recipient{{post: p}}, nil
}

// post makes a request with a body of JSON.
func (d *Dispatcher) post(c *store.Channel, key, url string, body []byte) *post {
	return &post{
		method: http.MethodPost, url: url, body: body, secrets: secrets(c),
		standing: http.Header{"Content-Type": {"application/json"}, headerIdempotency: {key}},
	}
}

// postJSON is post of what v is in JSON.
func (d *Dispatcher) postJSON(c *store.Channel, key, url string, v any) (*post, error) {
	body, err := marshal(v)
	if err != nil {
		return nil, err
	}
	return d.post(c, key, url, body), nil
}

// sign answers the signature's header: the time in Unix seconds, and the
// HMAC-SHA-256 of time, a dot and body, so that an old message cannot be passed
// for a new one.
func sign(secret string, body []byte, at time.Time) string {
	h := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(h, "%d.", at.Unix())
	h.Write(body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(h.Sum(nil)))
}
