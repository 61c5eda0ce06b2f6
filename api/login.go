package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"tidegate/store"
)

// Login is an access token.
type Login struct {
	AccessToken string     `json:"accessToken" doc:"send it as Authorization: Bearer …"`
	TokenType   string     `json:"tokenType" enum:"Bearer"`
	ExpiresAt   store.Time `json:"expiresAt"`
	User        User       `json:"user"`
}

// Me is who the server takes the caller for.
type Me struct {
	Actor string     `json:"actor" doc:"the name that the audit trail keeps" example:"user:ann@example.org"`
	Role  store.Role `json:"role" enum:"company-admin,org-admin,viewer"`
	User  *User      `json:"user,omitempty" doc:"absent on the box's socket"`
}

// Credentials are what a person logs in with.
type Credentials struct {
	Email    string `json:"email" maxLength:"320"`
	Password string `json:"password"`
}

type loginInput struct {
	Body   Credentials
	remote string
}

// Resolve learns the address that the throttle counts by.
func (i *loginInput) Resolve(ctx huma.Context) []error {
	i.remote = humaecho.Unwrap(ctx).RealIP()
	return nil
}

func errRole(r store.Role) *Problem {
	return problem(http.StatusForbidden, "forbidden",
		fmt.Sprintf("the role %s may not log in yet: this version lets in company-admin only", r))
}

func (s *Server) routeLogin() {
	route(s, huma.Operation{
		OperationID: "login", Method: http.MethodPost, Path: "/api/v1/auth/login", Tags: []string{"auth"},
		Summary:     "Exchange an email address and a password for a token",
		Description: "Ten failed logins of one address within five minutes are followed by 429.",
		Metadata:    map[string]any{open: true}, MaxBodyBytes: 16 << 10,
	}, s.login)
	route(s, huma.Operation{
		OperationID: "get-me", Method: http.MethodGet, Path: "/api/v1/me", Tags: []string{"auth"},
		Summary: "Say who the caller is",
	}, func(ctx context.Context, _ *none) (*answer[Me], error) {
		a, _ := actorFrom(ctx)
		me := Me{Actor: a.Name, Role: a.Role}
		if a.User != nil {
			u := newUser(*a.User)
			me.User = &u
		}
		return &answer[Me]{me}, nil
	})
}

func (s *Server) login(ctx context.Context, in *loginInput) (*answer[Login], error) {
	onNetwork := net.ParseIP(in.remote) != nil
	if onNetwork {
		if wait := s.throttle.wait(in.remote); wait > 0 {
			p := problem(http.StatusTooManyRequests, "too_many_requests",
				fmt.Sprintf("too many failed logins from %s: %d within %s are allowed", in.remote, throttleFailures, throttleWindow))
			p.retryAfter = int(math.Ceil(wait.Seconds()))
			return nil, p
		}
	}
	u, err := s.admin.o.Catalog.UserByEmail(ctx, in.Body.Email)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("look up user: %w", err)
	}
	// For an absent user the hash is empty: the check takes as long and fails.
	ok, err := s.admin.passwords.check(ctx, u.PasswordHash, in.Body.Password)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, problem(http.StatusUnauthorized, "unauthorized", "the email address and the password do not belong together")
	}
	if onNetwork {
		s.throttle.succeeded(in.remote)
	}
	if u.Role != store.RoleCompanyAdmin {
		return nil, errRole(u.Role)
	}
	token, expires, err := s.tokens.issue(u)
	if err != nil {
		return nil, err
	}
	return &answer[Login]{Login{AccessToken: token, TokenType: "Bearer", ExpiresAt: at(expires), User: newUser(u)}}, nil
}
