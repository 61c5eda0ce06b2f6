package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// sessionLimit is how long a session goes on at most, however it is used.
const sessionLimit = 180 * 24 * time.Hour

// Session is a login of a person that goes on.
type Session struct {
	ID         string     `json:"id"`
	CreatedAt  store.Time `json:"createdAt"`
	LastUsedAt store.Time `json:"lastUsedAt" doc:"when its refresh token was last used"`
	ExpiresAt  store.Time `json:"expiresAt" doc:"later when it is used before"`
	Remote     string     `json:"remote,omitempty" doc:"address of the last use; absent: the box's socket"`
	UserAgent  string     `json:"userAgent,omitempty"`
	Current    bool       `json:"current" doc:"the caller's own"`
}

func newSession(n store.Session, current string) Session {
	return Session{
		ID: n.ID, CreatedAt: at(n.CreatedAt), LastUsedAt: at(n.LastUsedAt), ExpiresAt: at(n.OverAt()),
		Remote: n.Remote, UserAgent: n.UserAgent, Current: n.ID == current,
	}
}

// Login is what a person who has logged in gets.
type Login struct {
	AccessToken      string     `json:"accessToken" doc:"send it as Authorization: Bearer …"`
	TokenType        string     `json:"tokenType" enum:"Bearer"`
	ExpiresAt        store.Time `json:"expiresAt" doc:"of the access token"`
	RefreshToken     string     `json:"refreshToken,omitempty" doc:"good once, at POST /api/v1/auth/refresh; absent: it is in the cookie"`
	RefreshExpiresAt store.Time `json:"refreshExpiresAt" doc:"later when it is used before"`
	User             User       `json:"user"`
}

// begin lets a person in: a session begins.
func (s *Server) begin(ctx context.Context, u store.User, v *Visitor, cookie bool) (*answer[Login], error) {
	now := s.admin.now()
	n := store.Session{
		ID: store.NewSessionID(), UserID: u.ID, Version: version(u), CreatedAt: now, LastUsedAt: now,
		IdleUntil: now.Add(s.o.SessionTTL), Until: now.Add(sessionLimit), Generation: 1,
		Remote: v.address(), UserAgent: v.agent(),
	}
	if err := s.sessions.CreateSession(ctx, n); err != nil {
		return nil, err
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "logged in", slog.String("user", u.Email), slog.String("remote", n.Remote), slog.String("session", n.ID))
	return s.welcome(u, n, v, cookie)
}

// welcome answers the tokens of a session, the refresh token in a cookie when
// that is asked for.
func (s *Server) welcome(u store.User, n store.Session, v *Visitor, cookie bool) (*answer[Login], error) {
	token, expires, err := s.tokens.issue(u, n)
	if err != nil {
		return nil, err
	}
	l := Login{
		AccessToken: token, TokenType: "Bearer", ExpiresAt: at(expires),
		RefreshToken: s.tokens.refresh(n), RefreshExpiresAt: at(n.OverAt()), User: newUser(u),
	}
	if cookie {
		v.setCookie(l.RefreshToken, n.OverAt())
		l.RefreshToken = ""
	}
	v.c.Response().Header().Set("Cache-Control", "no-store")
	return &answer[Login]{l}, nil
}

// RefreshRequest may be left out by a browser, which has a cookie.
type RefreshRequest struct {
	RefreshToken string `json:"refreshToken,omitempty" doc:"absent: it is in the cookie"`
}

type refreshInput struct {
	Visitor
	Body *RefreshRequest
}

func errSessionOver() *Problem {
	return problem(http.StatusUnauthorized, "unauthorized", "the session is over, or not known on this box; log in again")
}

func errSessionRevoked() *Problem {
	return problem(http.StatusUnauthorized, "session_revoked", "the session was ended; log in again")
}

// refresh exchanges a refresh token for the next one, and an access token.
func (s *Server) refresh(ctx context.Context, in *refreshInput) (*answer[Login], error) {
	token, cookie := "", false
	if in.Body != nil {
		token = in.Body.RefreshToken
	}
	if token == "" {
		token, cookie = in.cookie()
	}
	out, err := s.rotate(ctx, token, &in.Visitor, cookie)
	var p *Problem
	if cookie && errors.As(err, &p) && p.Status == http.StatusUnauthorized {
		in.setCookie("", time.Time{}) // it will never be good again
	}
	return out, err
}

func (s *Server) rotate(ctx context.Context, token string, v *Visitor, cookie bool) (*answer[Login], error) {
	if token == "" {
		return nil, problem(http.StatusUnauthorized, "unauthorized", `send {"refreshToken":"…"}, or the cookie of a login with "cookie": true`)
	}
	id, generation, ok := s.tokens.readRefresh(token)
	n, known := s.sessions.Session(id)
	now := s.admin.now()
	switch {
	case !ok || !known:
		return nil, errSessionOver()
	case !n.EndedAt.IsZero():
		return nil, errSessionRevoked()
	case !n.Good(now):
		return nil, errSessionOver()
	}
	u, err := s.admin.o.Catalog.User(ctx, n.UserID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, s.endStale(ctx, n, store.EndDeleted)
	case err != nil:
		return nil, fmt.Errorf("look up user: %w", err)
	case version(u) != n.Version:
		return nil, s.endStale(ctx, n, store.EndChanged)
	}
	use := store.SessionUse{At: now, IdleUntil: now.Add(s.o.SessionTTL), Remote: v.address(), UserAgent: v.agent()}
	n, err = s.sessions.RotateSession(ctx, id, generation, use)
	switch {
	case errors.Is(err, store.ErrConflict):
		return nil, s.reused(ctx, n, u, use.Remote)
	case errors.Is(err, store.ErrNotFound): // it ended a moment ago
		return nil, errSessionRevoked()
	case err != nil:
		return nil, err
	}
	return s.welcome(u, n, v, cookie)
}

// endStale ends a session whose user was changed without it, by another
// instance or right before a crash.
func (s *Server) endStale(ctx context.Context, n store.Session, why store.SessionEnd) error {
	if err := s.sessions.EndSession(ctx, n.ID, why, s.admin.now()); err != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "end session", slog.String("session", n.ID), slog.Any("error", err))
	}
	return errSessionRevoked()
}

// reused tells of a refresh token that came again after it was used: somebody
// has a copy, the user or a thief. Nobody can say which of the two came now, so
// that the session was ended for both.
func (s *Server) reused(ctx context.Context, n store.Session, u store.User, remote string) error {
	s.log.LogAttrs(ctx, slog.LevelWarn, "a refresh token was used again; the session was ended",
		slog.String("user", u.Email), slog.String("session", n.ID), slog.String("remote", remote), slog.String("last_remote", n.Remote))
	box := WithActor(context.WithoutCancel(ctx), Actor{Name: "tidegate", Remote: remote})
	err := s.admin.do(box, change{"session.reuse", "session", n.ID, u.OrgID, userOf(u), nil}, func() error { return nil })
	if err != nil {
		return err
	}
	return errSessionRevoked()
}

// endSessions ends what a change of a user ends. The change is made by then, so
// that an error is logged and not answered: the sessions are over in memory,
// and by their version after a restart.
func (a *Admin) endSessions(ctx context.Context, userID string, e store.SessionsEnd) {
	e.At = a.now()
	if _, err := a.o.Sessions.EndSessions(context.WithoutCancel(ctx), userID, e); err != nil {
		a.o.Logger.LogAttrs(ctx, slog.LevelError, "write the end of sessions", slog.String("user_id", userID), slog.Any("error", err))
	}
}

// revoke ends one session of a user, under the name of the context's actor.
func (a *Admin) revoke(ctx context.Context, u store.User, id string) error {
	n, ok := a.o.Sessions.Session(id)
	if !ok || n.UserID != u.ID || !n.Good(a.now()) {
		return store.NotFound("session", id)
	}
	return a.do(ctx, change{"session.end", "session", id, u.OrgID, userOf(u), nil}, func() error {
		return a.o.Sessions.EndSession(context.WithoutCancel(ctx), id, store.EndRevoked, a.now())
	})
}

// revokeAll ends all sessions of a user but keep.
func (a *Admin) revokeAll(ctx context.Context, u store.User, keep string) error {
	return a.do(ctx, change{"session.end_all", "user", u.ID, u.OrgID, userOf(u), nil}, func() error {
		_, err := a.o.Sessions.EndSessions(context.WithoutCancel(ctx), u.ID, store.SessionsEnd{Reason: store.EndRevoked, At: a.now(), Keep: keep, Version: version(u)})
		return err
	})
}

// userOf says in the audit trail whose a session is.
func userOf(u store.User) map[string]string {
	return map[string]string{"userId": u.ID, "email": u.Email}
}

func (s *Server) listSessions(ctx context.Context, userID string) *answer[List[Session]] {
	a, _ := actorFrom(ctx)
	l := List[Session]{Items: []Session{}}
	for _, n := range s.sessions.ListSessions(userID, s.admin.now()) {
		l.Items = append(l.Items, newSession(n, a.Session))
	}
	return &answer[List[Session]]{l}
}

func (s *Server) routeSessions() {
	tags := []string{"auth"}
	route(s, persons, huma.Operation{
		OperationID: "list-my-sessions", Method: http.MethodGet, Path: "/api/v1/me/sessions", Tags: tags,
		Summary: "List the caller's sessions, the last used first",
	}, func(ctx context.Context, _ *none) (*answer[List[Session]], error) {
		a, _ := actorFrom(ctx)
		return s.listSessions(ctx, a.User.ID), nil
	})
	route(s, persons, huma.Operation{
		OperationID: "end-my-session", Method: http.MethodDelete, Path: "/api/v1/me/sessions/{id}", Tags: tags,
		Summary: "End a session of the caller", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *struct {
		ID string `path:"id"`
	},
	) (*none, error) {
		a, _ := actorFrom(ctx)
		return &none{}, s.admin.revoke(ctx, *a.User, in.ID)
	})
	route(s, persons, huma.Operation{
		OperationID: "end-my-other-sessions", Method: http.MethodDelete, Path: "/api/v1/me/sessions", Tags: tags,
		Summary: "End all sessions of the caller but this one", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, _ *none) (*none, error) {
		a, _ := actorFrom(ctx)
		return &none{}, s.admin.revokeAll(ctx, *a.User, a.Session)
	})
	tags = []string{"users"}
	route(s, admins, huma.Operation{
		OperationID: "list-user-sessions", Method: http.MethodGet, Path: "/api/v1/users/{id}/sessions", Tags: tags,
		Summary: "List a user's sessions, the last used first",
	}, func(ctx context.Context, in *UserInput) (*answer[List[Session]], error) {
		u, err := s.admin.findUser(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return s.listSessions(ctx, u.ID), nil
	})
	route(s, admins, huma.Operation{
		OperationID: "end-user-sessions", Method: http.MethodDelete, Path: "/api/v1/users/{id}/sessions", Tags: tags,
		Summary: "End all sessions of a user", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *UserInput) (*none, error) {
		u, err := s.admin.findUser(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &none{}, s.admin.revokeAll(ctx, u, "")
	})
	route(s, admins, huma.Operation{
		OperationID: "end-user-session", Method: http.MethodDelete, Path: "/api/v1/users/{id}/sessions/{sid}", Tags: tags,
		Summary: "End a session of a user", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *struct {
		UserInput
		SID string `path:"sid"`
	},
	) (*none, error) {
		u, err := s.admin.findUser(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return &none{}, s.admin.revoke(ctx, u, in.SID)
	})
}
