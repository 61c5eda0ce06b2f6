package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestOpenAPI compares the description of all routes with the one that was
// reviewed: a changed interface shows up in the diff.
func TestOpenAPI(t *testing.T) {
	b := newBox(t)
	var got bytes.Buffer
	raw := must[[]byte](t)(b.OpenAPI())
	if err := json.Indent(&got, raw, "", " "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	golden := filepath.Join("testdata", "openapi.json")
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(golden, got.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if want := must[[]byte](t)(os.ReadFile(golden)); !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the description differs from %s; review it and run go test ./api -run OpenAPI -update", golden)
	}
	if _, served := b.do(t, http.MethodGet, "/openapi.json", "", "", ""); served != string(raw) {
		t.Error("/openapi.json serves something else")
	}
	// Nothing is taken as multipart: its parts would come around the limits.
	for _, internal := range []string{"ErrorModel", "huma", "$schema", "multipart"} {
		if bytes.Contains(raw, []byte(internal)) {
			t.Errorf("the description speaks of %s", internal)
		}
	}
}

// TestEveryRouteNeedsCredentials walks the router, so that a new route cannot
// be forgotten.
func TestEveryRouteNeedsCredentials(t *testing.T) {
	b := newBox(t).withSample(t)
	exempted := map[string]bool{"/api/v1/auth/login": true, "/api/v1/auth/refresh": true, "/api/v1/auth/accept": true, setupPath: true}
	routes := 0
	for _, r := range b.echo.Routes() {
		if !strings.HasPrefix(r.Path, "/api/") || exempted[r.Path] {
			continue
		}
		routes++
		path := strings.NewReplacer(":id", "d1", ":n", "1").Replace(r.Path)
		for _, query := range []string{"", "?nonsense=1&limit=-3"} {
			for _, token := range []string{"", "not-a-token"} {
				resp, body := b.do(t, r.Method, path+query, token, "application/json", "{")
				if resp.StatusCode != http.StatusUnauthorized {
					t.Errorf("%s %s%s with token %q: %d %s", r.Method, path, query, token, resp.StatusCode, body)
				}
				if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
					t.Errorf("%s %s: %s", r.Method, path, ct)
				}
				if resp.Header.Get("Www-Authenticate") == "" && resp.StatusCode == http.StatusUnauthorized {
					t.Errorf("%s %s: no WWW-Authenticate", r.Method, path)
				}
			}
		}
	}
	if routes < 35 {
		t.Errorf("only %d routes were walked", routes)
	}
	for _, path := range []string{"/api", "/api/", "/api/v1", "/api/v2/devices", "/api/v1/nothing", "/api/v1/auth/login/", "/api/v1/auth/Login", "/api/v1/devices/d1%2Fports", "/%61pi/v1/devices", "/api/v1//devices"} {
		if resp, body := b.do(t, http.MethodGet, path, "", "", ""); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("GET %s: %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestLogin(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	l := b.ann(t)
	if l.TokenType != "Bearer" || l.User.Email != annEmail || time.Until(l.ExpiresAt.Time()) < 10*time.Minute {
		t.Errorf("login %+v", l)
	}
	me := must[client.Me](t)(b.remote(t, l.AccessToken).Me(ctx))
	if me.Actor != "user:"+annEmail || me.Role != store.RoleCompanyAdmin || me.User == nil {
		t.Errorf("me %+v", me)
	}
	me = must[client.Me](t)(b.local.Me(ctx))
	if me.Actor != fmt.Sprintf("uid:%d", os.Getuid()) || me.User != nil {
		t.Errorf("me on the socket %+v", me)
	}

	var p *client.Problem
	for _, c := range [][2]string{{annEmail, "wrong password"}, {"nobody@example.org", annPassword}} {
		if _, err := b.remote(t, "").Login(ctx, c[0], c[1]); !errors.As(err, &p) || p.Status != http.StatusUnauthorized {
			t.Errorf("login of %s: %v", c[0], err)
		}
	}

	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "bob@example.org", Password: annPassword, Role: store.RoleViewer, OrgID: "acme"}))
	bob := must[client.Login](t)(b.remote(t, "").Login(ctx, "bob@example.org", annPassword))
	if _, err := b.remote(t, bob.AccessToken).CreateOrganization(ctx, client.NewOrganization{ID: "x", Name: "X"}); !errors.As(err, &p) || p.Status != http.StatusForbidden || !strings.Contains(p.Detail, "viewer") {
		t.Errorf("an organization made by a viewer: %v", err)
	}
}

func TestSessionsEnd(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	for name, end := range map[string]func() error{
		"password changed": func() error {
			pw := "another password"
			_, err := b.local.UpdateUser(ctx, "eve@example.org", client.UserChange{Password: &pw})
			return err
		},
		"role taken away": func() error {
			role, org := store.RoleViewer, "acme"
			_, err := b.local.UpdateUser(ctx, "eve@example.org", client.UserChange{Role: &role, OrgID: &org})
			return err
		},
		"deleted": func() error { return b.local.DeleteUser(ctx, "EVE@example.org") },
	} {
		must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "eve@example.org", Password: annPassword, Role: store.RoleCompanyAdmin}))
		l := must[client.Login](t)(b.remote(t, "").Login(ctx, "eve@example.org", annPassword))
		c := b.remote(t, l.AccessToken)
		must[client.Me](t)(c.Me(ctx))
		if err := end(); err != nil {
			t.Fatal(err)
		}
		var p *client.Problem
		if _, err := c.Me(ctx); !errors.As(err, &p) || p.Status != http.StatusUnauthorized && p.Status != http.StatusForbidden {
			t.Errorf("%s: the token still works: %v", name, err)
		}
		if err := b.local.DeleteUser(ctx, "eve@example.org"); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Fatal(err)
		}
	}
}

func TestLoginIsThrottled(t *testing.T) {
	b := newBox(t)
	c := b.remote(t, "")
	var p *client.Problem
	for i := range pairFailures {
		if _, err := c.Login(t.Context(), "x@example.org", "password"); !errors.As(err, &p) || p.Status != http.StatusUnauthorized {
			t.Fatalf("attempt %d: %v", i, err)
		}
	}
	if _, err := c.Login(t.Context(), "x@example.org", "password"); !errors.As(err, &p) || p.Status != http.StatusTooManyRequests || p.RetryAfter < time.Minute {
		t.Errorf("the attempt after: %v", err)
	}
	if _, err := b.local.Login(t.Context(), "x@example.org", "password"); !errors.As(err, &p) || p.Status != http.StatusUnauthorized {
		t.Errorf("on the socket: %v", err)
	}
}

// TestAdminHandlerNeedsAPeer: served by anything but AdminHTTP on a socket it
// answers nobody.
func TestAdminHandlerNeedsAPeer(t *testing.T) {
	b := newBox(t)
	w := &recorder{header: http.Header{}}
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/me", nil))
	b.AdminHandler().ServeHTTP(w, r)
	if w.status != http.StatusForbidden {
		t.Errorf("without a peer: %d", w.status)
	}
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
