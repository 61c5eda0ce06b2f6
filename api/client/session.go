package client

import (
	"context"
	"net/http"

	"tidegate/store"
)

// Login is what a person who has logged in gets.
type Login struct {
	AccessToken      string     `json:"accessToken"`
	TokenType        string     `json:"tokenType"`
	ExpiresAt        store.Time `json:"expiresAt"`              // of the access token
	RefreshToken     string     `json:"refreshToken,omitempty"` // empty: it is in a cookie
	RefreshExpiresAt store.Time `json:"refreshExpiresAt"`
	User             User       `json:"user"`
}

// Session is a login that goes on.
type Session struct {
	ID         string     `json:"id"`
	CreatedAt  store.Time `json:"createdAt"`
	LastUsedAt store.Time `json:"lastUsedAt"`
	ExpiresAt  store.Time `json:"expiresAt"`
	Remote     string     `json:"remote,omitempty"`
	UserAgent  string     `json:"userAgent,omitempty"`
	Current    bool       `json:"current"`
}

// Login exchanges an address and a password for tokens. It does not change c:
// make a new client with the token.
func (c *Client) Login(ctx context.Context, email, password string) (Login, error) {
	var out Login
	in := map[string]string{"email": email, "password": password}
	return out, c.call(ctx, http.MethodPost, "/auth/login", nil, in, &out)
}

// Refresh exchanges a refresh token, which is good once, for the next tokens.
func (c *Client) Refresh(ctx context.Context, refreshToken string) (Login, error) {
	var out Login
	in := map[string]string{"refreshToken": refreshToken}
	return out, c.call(ctx, http.MethodPost, "/auth/refresh", nil, in, &out)
}

// Logout ends the session of c's token.
func (c *Client) Logout(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/auth/logout", nil, nil, nil)
}

// MySessions lists the caller's, the last used first.
func (c *Client) MySessions(ctx context.Context) (List[Session], error) {
	var out List[Session]
	return out, c.call(ctx, http.MethodGet, "/me/sessions", nil, nil, &out)
}

// EndMySession ends one of the caller's.
func (c *Client) EndMySession(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/me/sessions"+seg(id), nil, nil, nil)
}

// EndMyOtherSessions ends all of the caller's but the one of c's token.
func (c *Client) EndMyOtherSessions(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/me/sessions", nil, nil, nil)
}

// UserSessions lists those of a user, by id or email address.
func (c *Client) UserSessions(ctx context.Context, idOrEmail string) (List[Session], error) {
	var out List[Session]
	return out, c.call(ctx, http.MethodGet, "/users"+seg(idOrEmail)+"/sessions", nil, nil, &out)
}

// EndUserSession ends one of a user's.
func (c *Client) EndUserSession(ctx context.Context, idOrEmail, id string) error {
	return c.call(ctx, http.MethodDelete, "/users"+seg(idOrEmail)+"/sessions"+seg(id), nil, nil, nil)
}

// EndUserSessions ends all of a user's.
func (c *Client) EndUserSessions(ctx context.Context, idOrEmail string) error {
	return c.call(ctx, http.MethodDelete, "/users"+seg(idOrEmail)+"/sessions", nil, nil, nil)
}

// Accept chooses a password by the secret of a link, and logs in.
func (c *Client) Accept(ctx context.Context, token, password string) (Login, error) {
	var out Login
	in := map[string]string{"token": token, "password": password}
	return out, c.call(ctx, http.MethodPost, "/auth/accept", nil, in, &out)
}

// Setup makes the first user by the secret of the setup link, and logs in.
func (c *Client) Setup(ctx context.Context, token, email, password string) (Login, error) {
	var out Login
	in := map[string]string{"token": token, "email": email, "password": password}
	return out, c.call(ctx, http.MethodPost, "/setup", nil, in, &out)
}

// Rename changes the caller's own name.
func (c *Client) Rename(ctx context.Context, name string) (User, error) {
	var out User
	return out, c.call(ctx, http.MethodPatch, "/me", nil, map[string]string{"name": name}, &out)
}

// ChangePassword changes the caller's own password. Its other sessions end, and
// c's token is replaced by the one that is answered.
func (c *Client) ChangePassword(ctx context.Context, current, next string) (Login, error) {
	var out Login
	in := map[string]string{"currentPassword": current, "newPassword": next}
	return out, c.call(ctx, http.MethodPost, "/me/password", nil, in, &out)
}
