package client

import (
	"context"
	"net/http"

	"tidegate/store"
)

// Channel is a way in which people are told of alarms; see store.Channel.
type Channel struct {
	ID          string            `json:"id"`
	OrgID       string            `json:"orgId"`
	Name        string            `json:"name"`
	Type        store.ChannelType `json:"type"`
	Enabled     bool              `json:"enabled"`
	Severities  []store.Severity  `json:"severities,omitempty"`
	URL         string            `json:"url,omitempty"`
	Method      string            `json:"method,omitempty"`
	HeaderNames []string          `json:"headerNames,omitempty"`
	HasSecret   bool              `json:"hasSecret"`
	Provider    string            `json:"provider,omitempty"`
	Body        string            `json:"body,omitempty"`
	Subject     string            `json:"subject,omitempty"`
	Text        string            `json:"text,omitempty"`
	To          []string          `json:"to,omitempty"`
	From        string            `json:"from,omitempty"`
	RatePerHour int               `json:"ratePerHour,omitempty"`
	ExpireAfter store.Duration    `json:"expireAfter,omitempty"`
	DigestEvery store.Duration    `json:"digestEvery,omitempty"`
	DigestOf    []store.Severity  `json:"digestOf,omitempty"`
	CreatedAt   store.Time        `json:"createdAt"`
	UpdatedAt   store.Time        `json:"updatedAt"`
}

// NewChannel is a channel to be made.
type NewChannel struct {
	OrgID       string            `json:"orgId"`
	Name        string            `json:"name"`
	Type        store.ChannelType `json:"type"`
	Enabled     *bool             `json:"enabled,omitempty"` // nil: true
	Severities  []store.Severity  `json:"severities,omitempty"`
	URL         string            `json:"url,omitempty"`
	Method      string            `json:"method,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Secret      string            `json:"secret,omitempty"`
	Provider    string            `json:"provider,omitempty"`
	Body        string            `json:"body,omitempty"`
	Subject     string            `json:"subject,omitempty"`
	Text        string            `json:"text,omitempty"`
	To          []string          `json:"to,omitempty"`
	From        string            `json:"from,omitempty"`
	RatePerHour int               `json:"ratePerHour,omitempty"`
	ExpireAfter store.Duration    `json:"expireAfter,omitempty"`
	DigestEvery store.Duration    `json:"digestEvery,omitempty"`
	DigestOf    []store.Severity  `json:"digestOf,omitempty"`
}

// ChannelChange replaces what is not nil; of headers those that are named.
type ChannelChange struct {
	Name          *string           `json:"name,omitempty"`
	Enabled       *bool             `json:"enabled,omitempty"`
	Severities    []store.Severity  `json:"severities,omitzero"`
	URL           *string           `json:"url,omitempty"`
	Method        *string           `json:"method,omitempty"`
	Headers       map[string]string `json:"headers,omitzero"`
	RemoveHeaders []string          `json:"removeHeaders,omitempty"`
	Secret        *string           `json:"secret,omitempty"`
	Provider      *string           `json:"provider,omitempty"`
	Body          *string           `json:"body,omitempty"`
	Subject       *string           `json:"subject,omitempty"`
	Text          *string           `json:"text,omitempty"`
	To            []string          `json:"to,omitzero"`
	From          *string           `json:"from,omitempty"`
	RatePerHour   *int              `json:"ratePerHour,omitempty"`
	ExpireAfter   *store.Duration   `json:"expireAfter,omitempty"`
	DigestEvery   *store.Duration   `json:"digestEvery,omitempty"`
	DigestOf      []store.Severity  `json:"digestOf,omitzero"`
}

// ChannelQuery chooses channels.
type ChannelQuery struct {
	OrgID string
	Q     string // is in the id or the name
	Page
}

// CreateChannel makes one.
func (c *Client) CreateChannel(ctx context.Context, n NewChannel) (Channel, error) {
	var out Channel
	return out, c.call(ctx, http.MethodPost, "/channels", nil, n, &out)
}

// Channels lists in order of id.
func (c *Client) Channels(ctx context.Context, q ChannelQuery) (List[Channel], error) {
	v := q.values()
	set(v, "orgId", q.OrgID)
	set(v, "q", q.Q)
	var out List[Channel]
	return out, c.call(ctx, http.MethodGet, "/channels", v, nil, &out)
}

// Channel answers one.
func (c *Client) Channel(ctx context.Context, id string) (Channel, error) {
	var out Channel
	return out, c.call(ctx, http.MethodGet, "/channels"+seg(id), nil, nil, &out)
}

// UpdateChannel changes one.
func (c *Client) UpdateChannel(ctx context.Context, id string, ch ChannelChange) (Channel, error) {
	var out Channel
	return out, c.call(ctx, http.MethodPatch, "/channels"+seg(id), nil, ch, &out)
}

// DeleteChannel deletes one that no rule names.
func (c *Client) DeleteChannel(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/channels"+seg(id), nil, nil, nil)
}

// ChannelTested is what became of a test.
type ChannelTested struct {
	Delivered bool   `json:"delivered"`
	Status    string `json:"status,omitempty"` // the receiver's
	Words     string `json:"words,omitempty"`  // what it said, or what else went wrong
}

// TestChannel sends a made-up alarm at once.
func (c *Client) TestChannel(ctx context.Context, id string) (ChannelTested, error) {
	var out ChannelTested
	return out, c.call(ctx, http.MethodPost, "/channels"+seg(id)+"/test", nil, nil, &out)
}

// ChannelPreview is a message that is not sent.
type ChannelPreview struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
	Body    string `json:"body"`
}

// PreviewChannel shows what a made-up alarm would look like.
func (c *Client) PreviewChannel(ctx context.Context, id string) (ChannelPreview, error) {
	var out ChannelPreview
	return out, c.call(ctx, http.MethodPost, "/channels"+seg(id)+"/preview", nil, struct{}{}, &out)
}
