package store

import (
	"context"
	"slices"
	"time"
)

// ChannelType is how a channel reaches people.
type ChannelType string

// The types. All but email are HTTP requests.
const (
	ChannelEmail     ChannelType = "email"
	ChannelWebhook   ChannelType = "webhook" // JSON, signed
	ChannelSMS       ChannelType = "sms"     // by an HTTP gateway
	ChannelNtfy      ChannelType = "ntfy"
	ChannelSlack     ChannelType = "slack"
	ChannelTelegram  ChannelType = "telegram"
	ChannelTeams     ChannelType = "teams"
	ChannelPagerDuty ChannelType = "pagerduty"
)

// ChannelTypes are all of them.
func ChannelTypes() []ChannelType {
	return []ChannelType{
		ChannelEmail, ChannelWebhook, ChannelSMS, ChannelNtfy, ChannelSlack, ChannelTelegram, ChannelTeams, ChannelPagerDuty,
	}
}

// Channel is a way in which an organization's people are told of alarms.
type Channel struct {
	ID      string      `json:"id"`
	OrgID   string      `json:"orgId"`
	Name    string      `json:"name"` // unique within the organization
	Type    ChannelType `json:"type"`
	Enabled bool        `json:"enabled"`
	// Severities are those that come here by themselves: of rules that name no
	// channel.
	Severities []Severity `json:"severities,omitempty"`

	URL    string `json:"url,omitempty"`    // of the HTTP types
	Method string `json:"method,omitempty"` // of webhook and sms; empty: POST
	// Headers go along with webhook and sms. Their values never come back from
	// the API.
	Headers map[string]string `json:"-"`
	// Secret signs a webhook, and is the token of telegram, the routing key of
	// pagerduty, and the access token of ntfy. It never comes back from the API.
	Secret string `json:"-"`
	// Provider is one of the ready-made sms gateways; empty: Body is its template.
	Provider string `json:"provider,omitempty"`
	// Body is the template of what is sent by webhook and sms; empty: that of the
	// type. Subject and Text are those of email and of what people read.
	Body    string `json:"body,omitempty"`
	Subject string `json:"subject,omitempty"`
	Text    string `json:"text,omitempty"`
	// To are addresses of email, numbers of sms, the topic of ntfy, the chat of
	// telegram.
	To []string `json:"to,omitempty"`
	// From is the sender's number of sms.
	From string `json:"from,omitempty"`

	RatePerHour int      `json:"ratePerHour,omitempty"` // messages; 0: DefaultRatePerHour
	ExpireAfter Duration `json:"expireAfter,omitempty"` // what could not be delivered for so long is given up; 0: DefaultExpireAfter
	// DigestEvery gathers the severities of DigestOf into one message every so often.
	DigestEvery Duration   `json:"digestEvery,omitempty"`
	DigestOf    []Severity `json:"digestOf,omitempty"`

	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// What a channel does when it does not say.
const (
	DefaultRatePerHour = 120
	DefaultExpireAfter = Duration(24 * time.Hour)
)

// NewChannelID answers an id that nobody else gets.
func NewChannelID() string { return channelIDPrefix + NewSecret()[:alertIDDigits] }

// Validate reports the first thing that is wrong with c, whatever its type; what
// a type needs beside, and its templates, package notify checks.
func (c Channel) Validate() error {
	if err := checkID("channel", c.ID); err != nil {
		return err
	}
	if err := checkID("organization", c.OrgID); err != nil {
		return err
	}
	if err := checkAlertName("channel", c.Name); err != nil {
		return err
	}
	if !slices.Contains(ChannelTypes(), c.Type) {
		return Invalid("channel", "type", "%q is unknown; use email, webhook, sms, ntfy, slack, telegram, teams or pagerduty", c.Type)
	}
	for _, s := range append(slices.Clone(c.Severities), c.DigestOf...) {
		if !slices.Contains(Severities(), s) {
			return Invalid("channel", "severities", "%q is unknown; use info, warning or critical", s)
		}
	}
	switch {
	case len(c.URL) > 2000 || len(c.Body) > 20_000 || len(c.Subject) > 1000 || len(c.Text) > 20_000 || len(c.Secret) > 1000:
		return Invalid("channel", "url", "has at most 2,000 bytes, body and text 20,000, subject and secret 1,000")
	case len(c.Headers) > maxLabels || len(c.To) > 100:
		return Invalid("channel", "to", "has at most 100 entries, headers %d", maxLabels)
	case c.RatePerHour < 0 || c.RatePerHour > 100_000:
		return Invalid("channel", "ratePerHour", "is from 1 to 100,000, or 0 for %d", DefaultRatePerHour)
	case c.ExpireAfter < 0 || c.ExpireAfter != 0 && c.ExpireAfter < Duration(time.Minute) || c.ExpireAfter > Duration(30*24*time.Hour):
		return Invalid("channel", "expireAfter", "is from a minute to 30 days")
	case (c.DigestEvery != 0) != (len(c.DigestOf) != 0):
		return Invalid("channel", "digestEvery", "and digestOf go together")
	case c.DigestEvery != 0 && (c.DigestEvery < Duration(time.Minute) || c.DigestEvery > Duration(7*24*time.Hour)):
		return Invalid("channel", "digestEvery", "is from a minute to 7 days")
	}
	return nil
}

// ChannelFilter chooses channels; the zero value is all.
type ChannelFilter struct {
	OrgID string
	Page
}

// Channels keeps the channels, their secrets included.
type Channels interface {
	// CreateChannel stores c as it is; ErrConflict when its id is taken or its
	// name is, within the organization; ErrNotFound when that is not there.
	CreateChannel(ctx context.Context, c Channel) error
	// UpdateChannel replaces everything but id, organization and CreatedAt.
	UpdateChannel(ctx context.Context, c Channel) error
	Channel(ctx context.Context, id string) (Channel, error)
	// ListChannels answers in order of id.
	ListChannels(ctx context.Context, f ChannelFilter) ([]Channel, error)
	// DeleteChannel is ErrConflict while a rule names the channel.
	DeleteChannel(ctx context.Context, id string) error
}
