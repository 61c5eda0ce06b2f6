package client

import (
	"context"
	"net/http"

	"tidegate/store"
)

// Silence keeps alarms quiet: they are kept, and nobody is told.
type Silence struct {
	ID        string            `json:"id"`
	OrgID     string            `json:"orgId"`
	Comment   string            `json:"comment"`
	DeviceIDs []string          `json:"deviceIds,omitempty"`
	RuleIDs   []string          `json:"ruleIds,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	StartsAt  store.Time        `json:"startsAt"`
	EndsAt    *store.Time       `json:"endsAt,omitempty"`
	Schedule  *store.Schedule   `json:"schedule,omitempty"`
	CreatedBy string            `json:"createdBy"`
	CreatedAt store.Time        `json:"createdAt"`
}

// NewSilence is a silence to be made. Without devices, rules and labels it keeps
// the whole organization quiet.
type NewSilence struct {
	OrgID     string            `json:"orgId"`
	Comment   string            `json:"comment"`
	DeviceIDs []string          `json:"deviceIds,omitempty"`
	RuleIDs   []string          `json:"ruleIds,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	StartsAt  *store.Time       `json:"startsAt,omitempty"` // nil: now
	EndsAt    *store.Time       `json:"endsAt,omitempty"`
	Schedule  *store.Schedule   `json:"schedule,omitempty"`
}

// SilenceQuery chooses silences; zero fields choose all.
type SilenceQuery struct {
	OrgID string
	Page
}

// CreateSilence makes one.
func (c *Client) CreateSilence(ctx context.Context, n NewSilence) (Silence, error) {
	var out Silence
	return out, c.call(ctx, http.MethodPost, "/silences", nil, n, &out)
}

// Silences lists in order of id.
func (c *Client) Silences(ctx context.Context, q SilenceQuery) (List[Silence], error) {
	var out List[Silence]
	v := q.Page.values()
	set(v, "orgId", q.OrgID)
	return out, c.call(ctx, http.MethodGet, "/silences", v, nil, &out)
}

// Silence answers one.
func (c *Client) Silence(ctx context.Context, id string) (Silence, error) {
	var out Silence
	return out, c.call(ctx, http.MethodGet, "/silences"+seg(id), nil, nil, &out)
}

// DeleteSilence ends one.
func (c *Client) DeleteSilence(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/silences"+seg(id), nil, nil, nil)
}
