package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// Me is who the server takes the caller for.
type Me struct {
	Actor string     `json:"actor" doc:"the name that the audit trail keeps" example:"user:ann@example.org"`
	Role  store.Role `json:"role,omitempty" enum:"company-admin,org-admin,viewer" doc:"absent for a key"`
	May   []string   `json:"may" enum:"read,write,ingest,admin,company" nullable:"false" doc:"what the caller may do"`
	OrgID string     `json:"orgId,omitempty" doc:"whose objects the caller sees; absent: all"`
	User  *User      `json:"user,omitempty" doc:"absent for a key, and on the box's socket"`
}

// MyChange replaces what is given.
type MyChange struct {
	Name *string `json:"name,omitempty" maxLength:"200"`
}

// PasswordChange replaces one's own password.
type PasswordChange struct {
	CurrentPassword string `json:"currentPassword"`
	NewPassword     string `json:"newPassword" doc:"8 to 1024 bytes"`
}

type passwordInput struct {
	Visitor
	Body PasswordChange
}

// rename changes one's own name.
func (a *Admin) rename(ctx context.Context, id string, ch MyChange) (User, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was, err := a.o.Catalog.User(ctx, id)
	if err != nil {
		return User{}, err
	}
	u := was
	if ch.Name != nil {
		u.Name = *ch.Name
	}
	if err := u.Validate(); err != nil {
		return User{}, err
	}
	return newUser(u), a.replaceUser(ctx, "user.update", was, u, shown(u, false, false), store.SessionsEnd{})
}

// changePassword changes one's own password, which was proved under proved. All
// other sessions end; keep goes on.
func (a *Admin) changePassword(ctx context.Context, proved store.User, password, keep string) (store.User, error) {
	var chosen store.User
	if err := a.setPassword(ctx, &chosen, password); err != nil {
		return proved, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	was, err := a.o.Catalog.User(ctx, proved.ID)
	if err != nil {
		return proved, err
	}
	if version(was) != version(proved) { // meanwhile: what was proved is not so any more
		return proved, errSessionRevoked()
	}
	u := was
	u.PasswordHash, u.PasswordChangedAt, u.LinkHash, u.LinkExpires = chosen.PasswordHash, chosen.PasswordChangedAt, chosen.LinkHash, chosen.LinkExpires
	err = a.replaceUser(ctx, "user.update", was, u, shown(u, true, false), store.SessionsEnd{Reason: store.EndPassword, Keep: keep, Version: version(u)})
	return u, err
}

// myPassword answers an access token in place of the caller's, which was of the
// old password; the refresh token goes on.
func (s *Server) myPassword(ctx context.Context, in *passwordInput) (*answer[Login], error) {
	a, _ := actorFrom(ctx)
	err := s.prove(ctx, &in.Visitor, *a.User, a.User.Email, in.Body.CurrentPassword, invalidParam("body.currentPassword", "is not your password"))
	if err != nil {
		return nil, err
	}
	u, err := s.admin.changePassword(ctx, *a.User, in.Body.NewPassword, a.Session)
	if err != nil {
		return nil, err
	}
	n, ok := s.sessions.Session(a.Session)
	if !ok || !n.Good(s.admin.now()) {
		return nil, errSessionRevoked()
	}
	out, err := s.welcome(u, n, &in.Visitor, false)
	if err == nil {
		out.Body.RefreshToken = ""
	}
	return out, err
}

func (s *Server) routeMe() {
	tags := []string{"auth"}
	route(s, anyone, huma.Operation{
		OperationID: "get-me", Method: http.MethodGet, Path: "/api/v1/me", Tags: tags,
		Summary: "Say who the caller is",
	}, func(ctx context.Context, _ *none) (*answer[Me], error) {
		a, _ := actorFrom(ctx)
		me := Me{Actor: a.Name, Role: a.Role, May: a.Access.Actions.Names(), OrgID: a.Access.OrgID}
		if a.User != nil {
			u := newUser(*a.User)
			me.User = &u
		}
		return &answer[Me]{me}, nil
	})
	route(s, persons, huma.Operation{
		OperationID: "update-me", Method: http.MethodPatch, Path: "/api/v1/me", Tags: tags,
		Summary: "Change the caller's own name",
	}, func(ctx context.Context, in *struct{ Body MyChange }) (*answer[User], error) {
		a, _ := actorFrom(ctx)
		u, err := s.admin.rename(ctx, a.User.ID, in.Body)
		return &answer[User]{u}, err
	})
	route(s, persons, huma.Operation{
		OperationID: "change-my-password", Method: http.MethodPost, Path: "/api/v1/me/password", Tags: tags,
		Summary:     "Change the caller's own password and end all other sessions",
		Description: "The answer has an access token in place of the caller's; the refresh token stays. Wrong passwords count as failed logins.",
	}, s.myPassword)
}
