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

// How long a link lives.
const (
	invitationTTL = 72 * time.Hour
	resetTTL      = 24 * time.Hour
)

// Link is a one-time link.
type Link struct {
	Link      string     `json:"link" doc:"once: whoever opens it chooses the password"`
	ExpiresAt store.Time `json:"expiresAt"`
}

// link gives u a link in place of the one that it has, and answers its secret.
func (a *Admin) link(u *store.User, ttl time.Duration) (secret string) {
	secret = store.NewSecret()
	u.LinkHash, u.LinkExpires = a.o.Registry.HashSecret([]byte(secret)), a.now().Add(ttl)
	return secret
}

// linkTo answers the address of the page that takes a secret. It stands behind
// the #, which browsers send to nobody.
func (s *Server) linkTo(v *Visitor, what, secret string) string {
	host := v.c.Request().Host
	base := "http://" + host
	switch {
	case v.address() == "" || host == "": // on the socket nobody says how the box is reached
		base = s.o.Address()
	case v.secure():
		base = "https://" + host
	}
	return base + "/#" + what + "=" + secret
}

// ResetLink makes a link by which a user, by id or email address, chooses
// another password, and answers its secret. Until it is used the old password
// is good.
func (a *Admin) ResetLink(ctx context.Context, idOrEmail string) (secret string, expires time.Time, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was, err := a.findUser(ctx, idOrEmail)
	if err != nil {
		return "", time.Time{}, err
	}
	u, ttl := was, resetTTL
	if u.PasswordHash == "" { // the invitation again
		ttl = invitationTTL
	}
	secret = a.link(&u, ttl)
	return secret, u.LinkExpires, a.replaceUser(ctx, "user.link", was, u, shown(u, false, true), store.SessionsEnd{})
}

func errLink() *Problem {
	return problem(http.StatusUnauthorized, "unauthorized", "this link is not good, or not any more: it was used, it has expired, or a newer one was made; ask an administrator for another")
}

// accept lets whoever has a link choose the password, once.
func (a *Admin) accept(ctx context.Context, remote, secret, password string) (store.User, error) {
	hash := a.o.Registry.HashSecret([]byte(secret))
	find := func() (store.User, error) {
		u, err := a.o.Catalog.UserByLink(ctx, hash)
		if errors.Is(err, store.ErrNotFound) || err == nil && !a.now().Before(u.LinkExpires) {
			return u, errLink()
		}
		return u, err
	}
	// Strangers ask: nothing is hashed for those who have no link.
	if _, err := find(); err != nil {
		return store.User{}, err
	}
	var chosen store.User
	if err := a.setPassword(ctx, &chosen, password); err != nil {
		return store.User{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	was, err := find()
	if err != nil {
		return store.User{}, err
	}
	u := was
	u.PasswordHash, u.PasswordChangedAt, u.LinkHash, u.LinkExpires = chosen.PasswordHash, chosen.PasswordChangedAt, nil, time.Time{}
	actor := personActor(u, "")
	actor.Remote = remote
	err = a.replaceUser(WithActor(ctx, actor), "user.accept", was, u, shown(u, true, false), store.SessionsEnd{Reason: store.EndPassword})
	return u, err
}

// setup makes the first user, a company-admin.
func (a *Admin) setup(ctx context.Context, remote string, n NewUser) (store.User, error) {
	ctx = WithActor(ctx, Actor{Name: "setup", Role: store.RoleCompanyAdmin, Access: store.Everything(), Remote: remote})
	n.Role = store.RoleCompanyAdmin
	made, err := a.createUser(ctx, n, func() error {
		users, err := a.o.Catalog.ListUsers(ctx, store.UserFilter{Page: store.Page{Limit: 1}})
		if err == nil && len(users) > 0 {
			err = store.Conflict("setup", "", "there is a user already; log in, or ask an administrator for an invitation")
		}
		return err
	})
	if err != nil {
		return store.User{}, err
	}
	return a.o.Catalog.User(ctx, made.ID)
}

// Acceptance is what a link is exchanged for a login with.
type Acceptance struct {
	Token    string `json:"token" maxLength:"200" doc:"what follows #accept= in the link"`
	Password string `json:"password" doc:"8 to 1024 bytes"`
	Cookie   bool   `json:"cookie,omitempty" doc:"as for a login"`
}

// Setup makes the first user.
type Setup struct {
	Token    string `json:"token" maxLength:"200" doc:"what follows #setup= in the link that the server prints at its start"`
	Email    string `json:"email" maxLength:"320"`
	Name     string `json:"name,omitempty" maxLength:"200"`
	Password string `json:"password" doc:"8 to 1024 bytes"`
	Cookie   bool   `json:"cookie,omitempty" doc:"as for a login"`
}

type acceptInput struct {
	Visitor
	Body Acceptance
}

type setupInput struct {
	Visitor
	Body Setup
}

type resetInput struct {
	Visitor
	UserInput
}

func (s *Server) routeLinks() {
	route(s, admins, huma.Operation{
		OperationID: "create-reset-link", Method: http.MethodPost, Path: "/api/v1/users/{id}/reset-link", Tags: []string{"users"},
		Summary: "Make a link by which a user chooses another password",
		Description: "One link at a time. The old password is good until the link is used; then the user's sessions end. " +
			"For a user who has not chosen a password it is the invitation again.",
		DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *resetInput) (*answer[Link], error) {
		secret, expires, err := s.admin.ResetLink(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &answer[Link]{Link{s.linkTo(&in.Visitor, "accept", secret), at(expires)}}, nil
	})
	route(s, open, huma.Operation{
		OperationID: "accept", Method: http.MethodPost, Path: "/api/v1/auth/accept", Tags: []string{"auth"},
		Summary: "Choose a password by a link, and log in", MaxBodyBytes: maxLoginBytes,
	}, func(ctx context.Context, in *acceptInput) (*answer[Login], error) {
		u, err := s.admin.accept(ctx, in.address(), in.Body.Token, in.Body.Password)
		if err != nil {
			return nil, err
		}
		return s.begin(ctx, u, &in.Visitor, in.Body.Cookie)
	})
	route(s, open, huma.Operation{
		OperationID: "setup", Method: http.MethodPost, Path: setupPath, Tags: []string{"auth"},
		Summary: "Make the first user, a company-admin, and log in", MaxBodyBytes: maxLoginBytes,
		Description: "While there is no user the server prints a link at its start; its token is good until it stops, or there is a user.",
	}, func(ctx context.Context, in *setupInput) (*answer[Login], error) {
		if !s.isSetupToken(in.Body.Token) {
			return nil, problem(http.StatusUnauthorized, "unauthorized", "this link is not good, or not any more: the server prints a new one at each start while there is no user")
		}
		if in.Body.Password == "" { // an invitation would be made, for nobody to see
			return nil, invalidParam("body.password", "is missing")
		}
		u, err := s.admin.setup(ctx, in.address(), NewUser{Email: in.Body.Email, Name: in.Body.Name, Password: in.Body.Password})
		if err != nil {
			return nil, fmt.Errorf("make the first user: %w", err)
		}
		return s.begin(ctx, u, &in.Visitor, in.Body.Cookie)
	})
}

const setupPath = "/api/v1/setup"

func (s *Server) isSetupToken(token string) bool {
	key := s.tokens.refreshKeys[0] // any key will do: it makes the comparison take the same time
	return s.o.SetupToken != "" && store.SecretMatches(key, store.HashSecret(key, s.o.SetupToken), token)
}
