package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

const logoutPath = "/api/v1/auth/logout"

// Credentials are what a person logs in with.
type Credentials struct {
	Email    string `json:"email" maxLength:"320"`
	Password string `json:"password"`
	Cookie   bool   `json:"cookie,omitempty" doc:"true: the refresh token comes in a cookie that no script can read, for a browser"`
}

type loginInput struct {
	Visitor
	Body Credentials
}

// maxLoginBytes bounds the bodies of whoever has no credentials yet.
const maxLoginBytes = 16 << 10

func (s *Server) routeLogin() {
	tags := []string{"auth"}
	route(s, open, huma.Operation{
		OperationID: "login", Method: http.MethodPost, Path: "/api/v1/auth/login", Tags: tags,
		Summary: "Exchange an email address and a password for tokens",
		Description: fmt.Sprintf("%d failed logins of one address for one user within five minutes are followed by 429; so are many of one address, "+
			"and very many for one user or on the whole box, but then not at an address where the user is logged in.", pairFailures),
		MaxBodyBytes: maxLoginBytes,
	}, s.login)
	route(s, open, huma.Operation{
		OperationID: "refresh", Method: http.MethodPost, Path: "/api/v1/auth/refresh", Tags: tags,
		Summary: "Exchange a refresh token for the next one and an access token",
		Description: "A refresh token is good once. One that comes again after it was used ends its session, with 401 session_revoked: " +
			"somebody has a copy. So let no two requests use the same one.",
		MaxBodyBytes: maxLoginBytes,
	}, s.refresh)
	route(s, persons, huma.Operation{
		OperationID: "logout", Method: http.MethodPost, Path: logoutPath, Tags: tags,
		Summary:       "End the session",
		Description:   "Of the access token, or of the cookie where there is none.",
		DefaultStatus: http.StatusNoContent,
	}, s.logout)
	s.routeMe()
}

func (s *Server) login(ctx context.Context, in *loginInput) (*answer[Login], error) {
	u, err := s.admin.o.Catalog.UserByEmail(ctx, in.Body.Email)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("look up user: %w", err)
	}
	// An absent user, and one who has not chosen a password, has no hash: the
	// check takes as long and fails.
	err = s.prove(ctx, &in.Visitor, u, in.Body.Email, in.Body.Password,
		problem(http.StatusUnauthorized, "unauthorized", "the email address and the password do not belong together"))
	if err != nil {
		return nil, err
	}
	return s.begin(ctx, u, &in.Visitor, in.Body.Cookie)
}

// prove answers nil when the password is the user's, under the throttle, and
// otherwise wrong. u is zero for a user that there is not.
func (s *Server) prove(ctx context.Context, v *Visitor, u store.User, email, password string, wrong *Problem) error {
	try, err := s.throttle.begin(v.address(), email, s.isAt(u, v.address()))
	if err != nil {
		return err
	}
	ok, err := s.admin.passwords.check(ctx, u.PasswordHash, password)
	if err != nil {
		return err
	}
	if !ok {
		return wrong
	}
	try.succeeded()
	return nil
}

// isAt reports whether a user is logged in at an address.
func (s *Server) isAt(u store.User, addr string) bool {
	if u.ID == "" {
		return false
	}
	for _, n := range s.sessions.ListSessions(u.ID, s.admin.now()) {
		if prefixOf(n.Remote) == prefixOf(addr) {
			return true
		}
	}
	return false
}

type logoutInput struct{ Visitor }

func (s *Server) logout(ctx context.Context, in *logoutInput) (*none, error) {
	a, _ := actorFrom(ctx)
	in.setCookie("", time.Time{})
	err := s.sessions.EndSession(ctx, a.Session, store.EndLogout, s.admin.now())
	if errors.Is(err, store.ErrNotFound) {
		err = nil // it was swept a moment ago
	}
	return &none{}, err
}
