package client

import (
	"context"
	"net/http"
	"time"

	"tidegate/store"
)

// APIKey lets a program in, over HTTP and MQTT.
type APIKey struct {
	ID           string        `json:"id"`
	Name         string        `json:"name"`
	OrgID        string        `json:"orgId,omitempty"` // empty: all organizations
	Scopes       []store.Scope `json:"scopes"`
	DeviceIDs    []string      `json:"deviceIds,omitempty"` // nil: all devices of the organization
	ExpiresAt    *store.Time   `json:"expiresAt,omitempty"` // nil: never
	Expired      bool          `json:"expired"`
	LastUsedAt   *store.Time   `json:"lastUsedAt,omitempty"` // nil: never
	LastUsedFrom string        `json:"lastUsedFrom,omitempty"`
	CreatedBy    string        `json:"createdBy"`
	CreatedAt    store.Time    `json:"createdAt"`
	Key          string        `json:"key,omitempty"`    // once, when it was made
	Secret       string        `json:"secret,omitempty"` // once: the part of Key behind the dot
}

// NewAPIKey is a key to be made.
type NewAPIKey struct {
	Name      string        `json:"name"`
	OrgID     string        `json:"orgId,omitempty"`
	Scopes    []store.Scope `json:"scopes"`
	DeviceIDs []string      `json:"deviceIds,omitempty"`
	ExpiresAt *time.Time    `json:"expiresAt,omitempty"`
}

// APIKeyChange replaces what is given.
type APIKeyChange struct {
	Name       *string    `json:"name,omitempty"`
	DeviceIDs  []string   `json:"deviceIds,omitempty"`
	AllDevices bool       `json:"allDevices,omitempty"` // takes the list away
	ExpiresAt  *time.Time `json:"expiresAt,omitempty"`
	Never      bool       `json:"neverExpires,omitempty"` // takes the end away
}

// CreateAPIKey makes one. The answer alone has its secret.
func (c *Client) CreateAPIKey(ctx context.Context, k NewAPIKey) (APIKey, error) {
	var out APIKey
	return out, c.call(ctx, http.MethodPost, "/api-keys", nil, k, &out)
}

// APIKeys lists those of an organization, or all, in order of id.
func (c *Client) APIKeys(ctx context.Context, orgID string, p Page) (List[APIKey], error) {
	var out List[APIKey]
	v := p.values()
	set(v, "orgId", orgID)
	return out, c.call(ctx, http.MethodGet, "/api-keys", v, nil, &out)
}

// APIKey answers one.
func (c *Client) APIKey(ctx context.Context, id string) (APIKey, error) {
	var out APIKey
	return out, c.call(ctx, http.MethodGet, "/api-keys"+seg(id), nil, nil, &out)
}

// UpdateAPIKey changes one.
func (c *Client) UpdateAPIKey(ctx context.Context, id string, ch APIKeyChange) (APIKey, error) {
	var out APIKey
	return out, c.call(ctx, http.MethodPatch, "/api-keys"+seg(id), nil, ch, &out)
}

// DeleteAPIKey deletes one.
func (c *Client) DeleteAPIKey(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/api-keys"+seg(id), nil, nil, nil)
}
