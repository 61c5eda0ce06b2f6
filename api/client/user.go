package client

import (
	"context"
	"net/http"

	"tidegate/store"
)

// User is a person who logs in.
type User struct {
	ID                string     `json:"id"`
	Email             string     `json:"email"`
	Name              string     `json:"name,omitempty"`
	Role              store.Role `json:"role"`
	OrgID             string     `json:"orgId,omitempty"`
	Invited           bool       `json:"invited"` // no password was chosen yet
	PasswordChangedAt store.Time `json:"passwordChangedAt,omitzero"`
	LinkExpiresAt     store.Time `json:"linkExpiresAt,omitzero"` // of a link that was not used yet
	CreatedAt         store.Time `json:"createdAt"`
	Link              string     `json:"link,omitempty"` // once, when it was made
}

// NewUser is a user to be made.
type NewUser struct {
	Email    string     `json:"email"`
	Name     string     `json:"name,omitempty"`
	Password string     `json:"password,omitempty"` // empty: a link is made
	Role     store.Role `json:"role"`
	OrgID    string     `json:"orgId,omitempty"`
}

// UserChange replaces what is not nil.
type UserChange struct {
	Name     *string     `json:"name,omitempty"`
	Password *string     `json:"password,omitempty"`
	Role     *store.Role `json:"role,omitempty"`
	OrgID    *string     `json:"orgId,omitempty"`
}

// Link is a one-time link by which a user chooses a password.
type Link struct {
	Link      string     `json:"link"`
	ExpiresAt store.Time `json:"expiresAt"`
}

// Me is who the server takes the caller for.
type Me struct {
	Actor string     `json:"actor"`          // user:ann@example.org, uid:0
	Role  store.Role `json:"role,omitempty"` // empty for a key
	May   []string   `json:"may"`            // read, write, ingest, admin, company
	OrgID string     `json:"orgId,omitempty"`
	User  *User      `json:"user,omitempty"` // nil over the socket
}

// Me answers who the caller is.
func (c *Client) Me(ctx context.Context) (Me, error) {
	var out Me
	return out, c.call(ctx, http.MethodGet, "/me", nil, nil, &out)
}

// CreateUser makes a user.
func (c *Client) CreateUser(ctx context.Context, u NewUser) (User, error) {
	var out User
	return out, c.call(ctx, http.MethodPost, "/users", nil, u, &out)
}

// Users lists in order of id, which is that of creation.
func (c *Client) Users(ctx context.Context, p Page) (List[User], error) {
	var out List[User]
	return out, c.call(ctx, http.MethodGet, "/users", p.values(), nil, &out)
}

// User answers one by its id or its email address.
func (c *Client) User(ctx context.Context, idOrEmail string) (User, error) {
	var out User
	return out, c.call(ctx, http.MethodGet, "/users"+seg(idOrEmail), nil, nil, &out)
}

// UpdateUser changes one, by its id or its email address.
func (c *Client) UpdateUser(ctx context.Context, idOrEmail string, ch UserChange) (User, error) {
	var out User
	return out, c.call(ctx, http.MethodPatch, "/users"+seg(idOrEmail), nil, ch, &out)
}

// DeleteUser deletes one, by its id or its email address.
func (c *Client) DeleteUser(ctx context.Context, idOrEmail string) error {
	return c.call(ctx, http.MethodDelete, "/users"+seg(idOrEmail), nil, nil, nil)
}

// ResetLink makes a link by which a user, by id or email address, chooses
// another password.
func (c *Client) ResetLink(ctx context.Context, idOrEmail string) (Link, error) {
	var out Link
	return out, c.call(ctx, http.MethodPost, "/users"+seg(idOrEmail)+"/reset-link", nil, nil, &out)
}
