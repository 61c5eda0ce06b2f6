package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"tidegate/ingest"
	"tidegate/store"
)

// credentials answers who sends a request.
func (s *Server) credentials(r *http.Request) (Actor, error) {
	scheme, text, given := authorization(r)
	switch {
	case given && strings.EqualFold(scheme, "Bearer"):
		return s.bearer(r.Context(), text)
	case given && strings.EqualFold(scheme, "Basic"):
		if id, secret, ok := r.BasicAuth(); ok && store.IsKeyID(id) {
			return s.keyActor(id, secret)
		}
	case len(r.Header.Values("Authorization")) == 0 && r.URL.Path == logoutPath:
		if token, ok := readCookie(r); ok {
			return s.cookieActor(r.Context(), token)
		}
	}
	return Actor{}, errNoCredentials()
}

// authorization answers the one Authorization of a request. Of two, a proxy and
// we might each believe another: they are none.
func authorization(r *http.Request) (scheme, text string, ok bool) {
	given := r.Header.Values("Authorization")
	if len(given) != 1 {
		return "", "", false
	}
	scheme, text, ok = strings.Cut(given[0], " ")
	return scheme, strings.TrimLeft(text, " "), ok
}

// bearer answers who an access token, or an API key, speaks for.
func (s *Server) bearer(ctx context.Context, token string) (Actor, error) {
	if id, secret, ok := store.ParseKeyText(token); ok {
		return s.keyActor(id, secret)
	}
	refused := problem(http.StatusUnauthorized, "unauthorized", "the token is not valid any more; log in again")
	c, err := s.tokens.verify(token)
	if err != nil {
		return Actor{}, refused
	}
	if n, ok := s.sessions.Session(c.Session); !ok || n.UserID != c.Subject || !n.Good(s.o.Now()) {
		return Actor{}, refused
	}
	u, err := s.admin.o.Catalog.User(ctx, c.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Actor{}, refused
	case err != nil:
		return Actor{}, fmt.Errorf("look up user: %w", err)
	case version(u) != c.Version:
		return Actor{}, refused
	}
	a := personActor(u, c.Session)
	a.expires = c.ExpiresAt.Time
	return a, nil
}

func personActor(u store.User, session string) Actor {
	return Actor{Name: "user:" + u.Email, Role: u.Role, Access: store.RoleAccess(u.Role, u.OrgID), User: &u, Session: session}
}

// keyActor answers who an API key speaks for.
func (s *Server) keyActor(id, secret string) (Actor, error) {
	who, err := s.admin.o.Registry.Login(id, []byte(secret))
	if errors.Is(err, ingest.ErrRefused) || err == nil && who.Name != ingest.KeyPrincipal(id) {
		return Actor{}, errKey()
	}
	if err != nil {
		return Actor{}, fmt.Errorf("log in %q: %w", id, err)
	}
	return Actor{Name: who.Name, Access: who.Access, key: who}, nil
}

func errKey() *Problem {
	return problem(http.StatusUnauthorized, "unauthorized", "no API key has this id, or it has expired, or the secret is another; tidegate apikey ls shows the keys")
}

// keyOf answers the id of the API key that logged in; false: it was none.
func keyOf(who *ingest.Principal) (id string, ok bool) {
	return strings.CutPrefix(who.Name, ingest.KeyPrincipal(""))
}

// noteKey remembers that an API key was used.
func (s *Server) noteKey(who *ingest.Principal, remote string) {
	if id, ok := keyOf(who); ok {
		s.admin.o.KeyUses.NoteKeyUse(id, store.KeyUse{At: s.admin.now(), Remote: remote})
	}
}

// cookieActor answers whose session a browser ends: it need not have an access
// token any more.
func (s *Server) cookieActor(ctx context.Context, token string) (Actor, error) {
	id, _, ok := s.tokens.readRefresh(token)
	n, known := s.sessions.Session(id)
	if !ok || !known || !n.Good(s.o.Now()) {
		return Actor{}, errSessionOver()
	}
	u, err := s.admin.o.Catalog.User(ctx, n.UserID)
	if errors.Is(err, store.ErrNotFound) {
		return Actor{}, errSessionOver()
	}
	if err != nil {
		return Actor{}, fmt.Errorf("look up user: %w", err)
	}
	return personActor(u, n.ID), nil
}

// recheck refuses an actor who was let in and would not be any more, though no
// session ended: an API key that was changed or has expired, a person whom
// another instance on the same database has changed.
func (s *Server) recheck(ctx context.Context, a Actor) error {
	if a.key != nil && !s.admin.o.Registry.Current(a.key) {
		return errKey()
	}
	if a.User == nil {
		return nil
	}
	u, err := s.admin.o.Catalog.User(ctx, a.User.ID)
	if errors.Is(err, store.ErrNotFound) || err == nil && version(u) != version(*a.User) {
		return errSessionRevoked()
	}
	return nil
}
