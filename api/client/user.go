package client

import (
	"context"
	"net/http"

	"tidegate/store"
)

// User is a person who logs in.
type User struct {
	ID        string     `json:"id"`
	Email     string     `json:"email"`
	Role      store.Role `json:"role"`
	OrgID     string     `json:"orgId,omitempty"`
	CreatedAt store.Time `json:"createdAt"`
}

// NewUser is a user to be made.
type NewUser struct {
	Email    string     `json:"email"`
	Password string     `json:"password"`
	Role     store.Role `json:"role"`
	OrgID    string     `json:"orgId,omitempty"`
}

// UserChange replaces what is not nil.
type UserChange struct {
	Password *string     `json:"password,omitempty"`
	Role     *store.Role `json:"role,omitempty"`
	OrgID    *string     `json:"orgId,omitempty"`
}

// Login is an access token.
type Login struct {
	AccessToken string     `json:"accessToken"`
	TokenType   string     `json:"tokenType"`
	ExpiresAt   store.Time `json:"expiresAt"`
	User        User       `json:"user"`
}

// Me is who the server takes the caller for.
type Me struct {
	Actor string     `json:"actor"` // user:ann@example.org, uid:0
	Role  store.Role `json:"role"`
	User  *User      `json:"user,omitempty"` // nil over the socket
}

// Login exchanges an address and a password for a token. It does not change c:
// make a new client with the token.
func (c *Client) Login(ctx context.Context, email, password string) (Login, error) {
	var out Login
	in := map[string]string{"email": email, "password": password}
	return out, c.call(ctx, http.MethodPost, "/auth/login", nil, in, &out)
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
