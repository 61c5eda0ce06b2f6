package api

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"nhooyr.io/websocket"

	"tidegate/api/client"
	"tidegate/store"
)

// refused fails unless err is a problem of this status and code.
func refused(t testing.TB, what string, err error, status int, code string) {
	t.Helper()
	var p *client.Problem
	if !errors.As(err, &p) || p.Status != status || p.Code != code {
		t.Errorf("%s: %v, want %d %s", what, err, status, code)
	}
}

// works fails unless a token lets in.
func (b *box) works(t testing.TB, what, token string) {
	t.Helper()
	if _, err := b.remote(t, token).Me(t.Context()); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func (b *box) denied(t testing.TB, what, token string) {
	t.Helper()
	_, err := b.remote(t, token).Me(t.Context())
	refused(t, what, err, http.StatusUnauthorized, "unauthorized")
}

func TestSessionGoesOn(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx, anon := t.Context(), b.remote(t, "")
	first := b.ann(t)
	if first.RefreshToken == "" || time.Until(first.RefreshExpiresAt.Time()) < 29*24*time.Hour {
		t.Fatalf("login %+v", first)
	}
	second := must[client.Login](t)(anon.Refresh(ctx, first.RefreshToken))
	if second.RefreshToken == first.RefreshToken || second.User.Email != annEmail || second.TokenType != "Bearer" {
		t.Errorf("refreshed %+v", second)
	}
	third := must[client.Login](t)(anon.Refresh(ctx, second.RefreshToken))
	b.works(t, "the first access token until it ends", first.AccessToken)
	b.works(t, "the newest", third.AccessToken)

	sessions := must[client.List[client.Session]](t)(b.remote(t, third.AccessToken).MySessions(ctx))
	if len(sessions.Items) != 1 || !sessions.Items[0].Current || sessions.Items[0].Remote != "127.0.0.1" || !strings.HasPrefix(sessions.Items[0].UserAgent, "Go-http-client") {
		t.Errorf("sessions %+v", sessions)
	}
	if err := b.remote(t, third.AccessToken).Logout(ctx); err != nil {
		t.Fatal(err)
	}
	for _, l := range []client.Login{first, second, third} {
		b.denied(t, "after logout", l.AccessToken)
		_, err := anon.Refresh(ctx, l.RefreshToken)
		refused(t, "refresh after logout", err, http.StatusUnauthorized, "session_revoked")
	}
}

// TestStolenRefreshToken: whoever of the two comes second ends the session for
// both, and it is seen.
func TestStolenRefreshToken(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx, anon := t.Context(), b.remote(t, "")
	first, other := b.ann(t), b.ann(t)
	thief := must[client.Login](t)(anon.Refresh(ctx, first.RefreshToken))
	b.works(t, "the thief's token", thief.AccessToken)
	_, err := anon.Refresh(ctx, first.RefreshToken)
	refused(t, "the user comes with the same", err, http.StatusUnauthorized, "session_revoked")
	b.denied(t, "the thief's access token", thief.AccessToken)
	b.denied(t, "the user's", first.AccessToken)
	_, err = anon.Refresh(ctx, thief.RefreshToken)
	refused(t, "the thief's refresh token", err, http.StatusUnauthorized, "session_revoked")
	b.works(t, "her other session", other.AccessToken)

	entries := must[[]store.AuditEntry](t)(b.audit.ListAudit(ctx, 0, 1000))
	i := slices.IndexFunc(entries, func(e store.AuditEntry) bool { return e.Action == "session.reuse" })
	if i < 0 || entries[i].Remote != "127.0.0.1" || !strings.Contains(string(entries[i].Before), annEmail) || entries[i].Actor != "tidegate" {
		t.Errorf("the audit trail: %+v", entries)
	}
	if !strings.Contains(b.logged.String(), "a refresh token was used again") {
		t.Error("the log says nothing")
	}
}

func TestSessionsOfOthersAreEnded(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "bob@example.org", Password: annPassword, Role: store.RoleViewer, OrgID: "acme"}))
	bob := func() client.Login {
		return must[client.Login](t)(b.remote(t, "").Login(ctx, "bob@example.org", annPassword))
	}
	one, two, ann := bob(), bob(), b.ann(t)
	asAnn, asBob := b.remote(t, ann.AccessToken), b.remote(t, two.AccessToken)
	list := must[client.List[client.Session]](t)(asAnn.UserSessions(ctx, "bob@example.org"))
	mine := must[client.List[client.Session]](t)(asBob.MySessions(ctx))
	if len(list.Items) != 2 || len(mine.Items) != 2 || list.Items[0].Current || list.Items[1].Current {
		t.Fatalf("bob has %+v, and sees %+v", list, mine)
	}
	current := slices.IndexFunc(mine.Items, func(s client.Session) bool { return s.Current })
	if err := asBob.EndMySession(ctx, mine.Items[1-current].ID); err != nil {
		t.Fatal(err)
	}
	b.denied(t, "the one that bob ended", one.AccessToken)
	b.works(t, "his own", two.AccessToken)
	annSessions := must[client.List[client.Session]](t)(asAnn.MySessions(ctx))
	for what, end := range map[string]func() error{
		"one that is over":      func() error { return asBob.EndMySession(ctx, mine.Items[1-current].ID) },
		"ann's":                 func() error { return asBob.EndMySession(ctx, annSessions.Items[0].ID) },
		"ann's by bob's name":   func() error { return asAnn.EndUserSession(ctx, "bob@example.org", annSessions.Items[0].ID) },
		"one that there is not": func() error { return asAnn.EndUserSession(ctx, "bob@example.org", "x") },
	} {
		refused(t, what, end(), http.StatusNotFound, "not_found")
	}
	if err := asAnn.EndUserSession(ctx, "bob@example.org", mine.Items[current].ID); err != nil {
		t.Fatal(err)
	}
	b.denied(t, "the one that ann ended", two.AccessToken)
	three, four := bob(), bob()
	if err := asAnn.EndUserSessions(ctx, "bob@example.org"); err != nil {
		t.Fatal(err)
	}
	b.denied(t, "all", three.AccessToken)
	b.denied(t, "all", four.AccessToken)
	_, err := b.remote(t, "").Refresh(ctx, four.RefreshToken)
	refused(t, "all", err, http.StatusUnauthorized, "session_revoked")
	five, six := bob(), bob()
	if err := b.remote(t, six.AccessToken).EndMyOtherSessions(ctx); err != nil {
		t.Fatal(err)
	}
	b.denied(t, "another of bob's", five.AccessToken)
	b.works(t, "his own", six.AccessToken)
	b.works(t, "ann's", ann.AccessToken)

	actions := map[string]int{}
	for _, e := range must[[]store.AuditEntry](t)(b.audit.ListAudit(ctx, 0, 1000)) {
		actions[e.Action+" by "+e.Actor+" of "+e.OrgID]++
	}
	if actions["session.end by user:bob@example.org of acme"] != 1 || actions["session.end by user:ann@example.org of acme"] != 1 || actions["session.end_all by user:ann@example.org of acme"] != 1 || actions["session.end_all by user:bob@example.org of acme"] != 1 {
		t.Errorf("the audit trail has %v", actions)
	}
	_, err = b.local.MySessions(ctx)
	refused(t, "on the socket", err, http.StatusForbidden, "forbidden")
}

// TestAStaleSessionIsNotRefreshed: the user was changed behind this box's back,
// as by another instance on the same database.
func TestAStaleSessionIsNotRefreshed(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	for name, change := range map[string]func(store.User) error{
		"another password": func(u store.User) error { u.PasswordHash += "x"; return b.catalog.UpdateUser(ctx, u) },
		"deleted":          func(u store.User) error { return b.catalog.DeleteUser(ctx, u.ID) },
	} {
		must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "eve@example.org", Password: annPassword, Role: store.RoleCompanyAdmin}))
		l := must[client.Login](t)(b.remote(t, "").Login(ctx, "eve@example.org", annPassword))
		u := must[store.User](t)(b.catalog.UserByEmail(ctx, "eve@example.org"))
		if err := change(u); err != nil {
			t.Fatal(err)
		}
		b.denied(t, name, l.AccessToken)
		for range 2 {
			_, err := b.remote(t, "").Refresh(ctx, l.RefreshToken)
			refused(t, name, err, http.StatusUnauthorized, "session_revoked")
		}
		if list := b.kept.ListSessions(u.ID, time.Now()); len(list) != 0 {
			t.Errorf("%s: the session goes on: %+v", name, list)
		}
		if err := b.catalog.DeleteUser(ctx, u.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
}

// cookieOf answers the refresh cookie that an answer sets; nil: none.
func cookieOf(resp *http.Response) *http.Cookie {
	for _, c := range resp.Cookies() {
		if c.Name == refreshCookie {
			return c
		}
	}
	return nil
}

// browse sends a request as a browser does.
func (b *box) browse(t testing.TB, method, path, body string, cookie *http.Cookie, headers ...string) (*http.Response, string) {
	t.Helper()
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body)))
	r.Header.Set("Origin", b.url)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	if cookie != nil {
		r.AddCookie(&http.Cookie{Name: cookie.Name, Value: cookie.Value})
	}
	return b.send(t, r)
}

func TestCookie(t *testing.T) {
	b := newBox(t).withSample(t)
	const credentials = `{"email":"ann@example.org","password":"correct horse","cookie":true}`
	resp, body := b.browse(t, http.MethodPost, "/api/v1/auth/login", credentials, nil)
	c := cookieOf(resp)
	if resp.StatusCode != http.StatusOK || c == nil || strings.Contains(body, "refreshToken") || !strings.Contains(body, "refreshExpiresAt") {
		t.Fatalf("login: %d %s, cookie %v", resp.StatusCode, body, c)
	}
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/api/v1/auth" || c.Secure || c.Domain != "" || c.MaxAge < 29*24*3600 {
		t.Errorf("cookie %+v", c)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	if resp, _ := b.browse(t, http.MethodPost, "/api/v1/auth/login", credentials, nil, "X-Forwarded-Proto", "https"); !cookieOf(resp).Secure {
		t.Error("behind TLS the cookie is not secure")
	}

	// The next one comes by the cookie, without a body.
	resp, body = b.browse(t, http.MethodPost, "/api/v1/auth/refresh", "", c)
	next := cookieOf(resp)
	if resp.StatusCode != http.StatusOK || next == nil || next.Value == c.Value || strings.Contains(body, "refreshToken") {
		t.Fatalf("refresh: %d %s", resp.StatusCode, body)
	}
	for name, headers := range map[string][]string{
		"another origin":           {"Origin", "http://evil.example"},
		"another port":             {"Origin", "http://127.0.0.1:1"},
		"no origin to speak of":    {"Origin", "null"},
		"a browser that says so":   {"Sec-Fetch-Site", "cross-site"},
		"a neighbour of the site":  {"Sec-Fetch-Site", "same-site"},
		"a form of another origin": {"Origin", "http://evil.example", "Content-Type", "text/plain"},
	} {
		for _, path := range []string{"/api/v1/auth/refresh", "/api/v1/auth/logout", "/api/v1/auth/login", "/api/v1/devices"} {
			resp, body := b.browse(t, http.MethodPost, path, "", next, headers...)
			if resp.StatusCode != http.StatusForbidden || !strings.Contains(body, "cross_origin") || cookieOf(resp) != nil {
				t.Errorf("%s: %s: %d %s", name, path, resp.StatusCode, body)
			}
		}
	}
	// Logging out takes no access token: it may be over.
	resp, body = b.browse(t, http.MethodPost, "/api/v1/auth/logout", "", next)
	if gone := cookieOf(resp); resp.StatusCode != http.StatusNoContent || gone == nil || gone.MaxAge >= 0 || gone.Value != "" || gone.Path != c.Path {
		t.Errorf("logout: %d %s, cookie %v", resp.StatusCode, body, gone)
	}
	resp, body = b.browse(t, http.MethodPost, "/api/v1/auth/refresh", "", next)
	if gone := cookieOf(resp); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(body, "session_revoked") || gone == nil || gone.MaxAge >= 0 {
		t.Errorf("refresh after logout: %d %s, cookie %v", resp.StatusCode, body, gone)
	}
	if resp, body := b.browse(t, http.MethodPost, "/api/v1/auth/logout", "", next); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("logout twice: %d %s", resp.StatusCode, body)
	}
	if resp, body := b.browse(t, http.MethodPost, "/api/v1/auth/refresh", "", nil); resp.StatusCode != http.StatusUnauthorized || cookieOf(resp) != nil {
		t.Errorf("refresh with nothing: %d %s", resp.StatusCode, body)
	}
	// Nothing else takes the cookie for credentials.
	resp, _ = b.browse(t, http.MethodPost, "/api/v1/auth/login", credentials, nil)
	if resp, body := b.browse(t, http.MethodGet, "/api/v1/me", "", cookieOf(resp)); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("me by cookie: %d %s", resp.StatusCode, body)
	}
}

// TestLiveEndsWithItsSession, whatever ends that.
func TestLiveEndsWithItsSession(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	for name, end := range map[string]func(l client.Login) error{
		"logout": func(l client.Login) error { return b.remote(t, l.AccessToken).Logout(ctx) },
		"reuse": func(l client.Login) error {
			must[client.Login](t)(b.remote(t, "").Refresh(ctx, l.RefreshToken))
			_, err := b.remote(t, "").Refresh(ctx, l.RefreshToken)
			refused(t, "reuse", err, http.StatusUnauthorized, "session_revoked")
			return nil
		},
		"an admin": func(client.Login) error { return b.local.EndUserSessions(ctx, "eve@example.org") },
		"password": func(client.Login) error {
			pw := "another password"
			_, err := b.local.UpdateUser(ctx, "eve@example.org", client.UserChange{Password: &pw})
			return err
		},
		"demoted": func(client.Login) error {
			role, org := store.RoleViewer, "acme"
			_, err := b.local.UpdateUser(ctx, "eve@example.org", client.UserChange{Role: &role, OrgID: &org})
			return err
		},
		"deleted": func(client.Login) error { return b.local.DeleteUser(ctx, "eve@example.org") },
	} {
		t.Run(name, func(t *testing.T) {
			must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "eve@example.org", Password: annPassword, Role: store.RoleCompanyAdmin}))
			l := must[client.Login](t)(b.remote(t, "").Login(ctx, "eve@example.org", annPassword))
			byMessage := b.dialLive(t)
			say(t, byMessage, LiveAuth{Type: "auth", Token: l.AccessToken})
			byHeader, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(b.url, "http")+livePath, &websocket.DialOptions{
				HTTPHeader: http.Header{"Authorization": {"Bearer " + l.AccessToken}},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = byHeader.CloseNow() }()
			for _, c := range []*websocket.Conn{byMessage, byHeader} {
				say(t, c, LiveSubscribe{Type: "subscribe"})
				if m := hear(t, c); m.Type != "subscribed" {
					t.Fatalf("heard %+v", m)
				}
			}
			if err := end(l); err != nil {
				t.Fatal(err)
			}
			for _, c := range []*websocket.Conn{byMessage, byHeader} {
				if m := hear(t, c); m.Type != "error" || !strings.Contains(m.Detail, "the session was ended") {
					t.Errorf("message %+v", m)
				}
				if _, _, err := c.Read(ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
					t.Errorf("close: %v", err)
				}
			}
			if err := b.local.DeleteUser(ctx, "eve@example.org"); err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Fatal(err)
			}
		})
	}
}
