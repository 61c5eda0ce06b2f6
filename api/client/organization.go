package client

import (
	"context"
	"net/http"

	"tidegate/store"
)

// Organization is a tenant.
type Organization struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	CreatedAt store.Time `json:"createdAt"`
}

// NewOrganization is an organization to be made.
type NewOrganization struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// OrganizationChange replaces what is not nil.
type OrganizationChange struct {
	Name *string `json:"name,omitempty"`
}

// CreateOrganization makes an organization.
func (c *Client) CreateOrganization(ctx context.Context, o NewOrganization) (Organization, error) {
	var out Organization
	return out, c.call(ctx, http.MethodPost, "/organizations", nil, o, &out)
}

// Organizations lists in order of id.
func (c *Client) Organizations(ctx context.Context, p Page) (List[Organization], error) {
	var out List[Organization]
	return out, c.call(ctx, http.MethodGet, "/organizations", p.values(), nil, &out)
}

// Organization answers one.
func (c *Client) Organization(ctx context.Context, id string) (Organization, error) {
	var out Organization
	return out, c.call(ctx, http.MethodGet, "/organizations"+seg(id), nil, nil, &out)
}

// UpdateOrganization changes one.
func (c *Client) UpdateOrganization(ctx context.Context, id string, ch OrganizationChange) (Organization, error) {
	var out Organization
	return out, c.call(ctx, http.MethodPatch, "/organizations"+seg(id), nil, ch, &out)
}

// DeleteOrganization deletes one that has no devices.
func (c *Client) DeleteOrganization(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/organizations"+seg(id), nil, nil, nil)
}
