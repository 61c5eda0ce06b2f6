package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
)

// secretOf answers what a link carries.
func secretOf(t testing.TB, link, what string) string {
	t.Helper()
	_, secret, ok := strings.Cut(link, "/#"+what+"=")
	if !ok || len(secret) != 52 {
		t.Fatalf("%q is no link to %s", link, what)
	}
	return secret
}

func TestInvitation(t *testing.T) {
	b := newBox(t, func(o *Options) { o.Address = func() string { return "http://127.0.0.1:8080" } }).withSample(t)
	ctx, anon := t.Context(), b.remote(t, "")
	bob := must[client.User](t)(b.remote(t, b.ann(t).AccessToken).CreateUser(ctx, client.NewUser{Email: "bob@example.org", Name: "Bob", Role: store.RoleViewer, OrgID: "acme"}))
	if !bob.Invited || bob.Name != "Bob" || !strings.HasPrefix(bob.Link, b.url+"/#accept=") || time.Until(bob.LinkExpiresAt.Time()) < 71*time.Hour {
		t.Fatalf("invited %+v", bob)
	}
	secret := secretOf(t, bob.Link, "accept")
	if u := must[client.User](t)(b.local.User(ctx, bob.Email)); u.Link != "" || !u.Invited || u.LinkExpiresAt == 0 {
		t.Errorf("seen later as %+v", u)
	}
	_, err := anon.Login(ctx, bob.Email, "")
	refused(t, "login without a password", err, http.StatusUnauthorized, "unauthorized")
	_, err = anon.Accept(ctx, secret, "short")
	refused(t, "a short password", err, http.StatusUnprocessableEntity, "invalid")
	l := must[client.Login](t)(anon.Accept(ctx, secret, "bobs own password"))
	if l.User.Invited || l.User.LinkExpiresAt != 0 || l.User.PasswordChangedAt == 0 || l.RefreshToken == "" {
		t.Errorf("accepted: %+v", l)
	}
	b.works(t, "the login of the invitation", l.AccessToken)
	must[client.Login](t)(anon.Login(ctx, bob.Email, "bobs own password"))
	for what, token := range map[string]string{"used": secret, "made up": store.NewSecret(), "none": ""} {
		_, err := anon.Accept(ctx, token, "another password")
		refused(t, "a link that is "+what, err, http.StatusUnauthorized, "unauthorized")
	}
	entries := must[[]store.AuditEntry](t)(b.audit.ListAudit(ctx, 0, 1000))
	last := entries[len(entries)-1]
	if last.Action != "user.accept" || last.Actor != "user:bob@example.org" || last.OrgID != "acme" || last.Remote != "127.0.0.1" || !strings.Contains(string(last.After), blanked) {
		t.Errorf("the audit trail: %+v", last)
	}
	eve := must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "eve@example.org", Role: store.RoleViewer, OrgID: "acme"}))
	if !strings.HasPrefix(eve.Link, "http://127.0.0.1:8080/#accept=") {
		t.Errorf("over the socket the link is %s", eve.Link)
	}
}

func TestResetLink(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx, anon := t.Context(), b.remote(t, "")
	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "bob@example.org", Password: annPassword, Role: store.RoleViewer, OrgID: "acme"}))
	before := must[client.Login](t)(anon.Login(ctx, "bob@example.org", annPassword))
	reset := func() string {
		l := must[client.Link](t)(b.local.ResetLink(ctx, "bob@example.org"))
		if left := time.Until(l.ExpiresAt.Time()); left < 23*time.Hour || left > 24*time.Hour {
			t.Errorf("it lives %v", left)
		}
		return secretOf(t, l.Link, "accept")
	}
	first, second := reset(), reset()
	b.works(t, "until the link is used", before.AccessToken)
	must[client.Login](t)(anon.Login(ctx, "bob@example.org", annPassword))
	_, err := anon.Accept(ctx, first, "the new password")
	refused(t, "the first of two links", err, http.StatusUnauthorized, "unauthorized")

	// Of many who use one link at once, one chooses the password.
	var wg sync.WaitGroup
	errs := make([]error, 4)
	passwords := []string{"the new password 0", "the new password 1", "the new password 2", "the new password 3"}
	for i := range errs {
		wg.Go(func() { _, errs[i] = anon.Accept(ctx, second, passwords[i]) })
	}
	wg.Wait()
	won := -1
	for i, err := range errs {
		if err == nil && won < 0 {
			won = i
		} else {
			refused(t, "a second use", err, http.StatusUnauthorized, "unauthorized")
		}
	}
	b.denied(t, "the session of the old password", before.AccessToken)
	_, err = anon.Refresh(ctx, before.RefreshToken)
	refused(t, "its refresh token", err, http.StatusUnauthorized, "session_revoked")
	_, err = anon.Login(ctx, "bob@example.org", annPassword)
	refused(t, "the old password", err, http.StatusUnauthorized, "unauthorized")
	must[client.Login](t)(anon.Login(ctx, "bob@example.org", passwords[won]))

	expired := reset()
	u := must[store.User](t)(b.catalog.UserByEmail(ctx, "bob@example.org"))
	u.LinkExpires = time.Now().Add(-time.Second)
	if err := b.catalog.UpdateUser(ctx, u); err != nil {
		t.Fatal(err)
	}
	_, err = anon.Accept(ctx, expired, "yet another password")
	refused(t, "an expired link", err, http.StatusUnauthorized, "unauthorized")

	// A password that an administrator sets takes the place of the link.
	pending, pw := reset(), "set by an admin"
	must[client.User](t)(b.local.UpdateUser(ctx, "bob@example.org", client.UserChange{Password: &pw}))
	_, err = anon.Accept(ctx, pending, "yet another password")
	refused(t, "a link of before", err, http.StatusUnauthorized, "unauthorized")
}

func TestSetup(t *testing.T) {
	token := store.NewSecret()
	b := newBox(t, func(o *Options) { o.SetupToken = token })
	ctx, anon := t.Context(), b.remote(t, "")
	for _, wrong := range []string{"", "x", token[:51], token + "x", strings.ToUpper(token)} {
		_, err := anon.Setup(ctx, wrong, annEmail, annPassword)
		refused(t, "a wrong token", err, http.StatusUnauthorized, "unauthorized")
	}
	for _, bad := range [][2]string{{"ann", annPassword}, {annEmail, "short"}, {annEmail, ""}} {
		_, err := anon.Setup(ctx, token, bad[0], bad[1])
		refused(t, "bad input", err, http.StatusUnprocessableEntity, "invalid")
	}
	var wg sync.WaitGroup
	errs := make([]error, 4)
	logins := make([]client.Login, len(errs))
	for i := range errs {
		wg.Go(func() {
			logins[i], errs[i] = anon.Setup(ctx, token, strings.Repeat("x", i+1)+annEmail, annPassword)
		})
	}
	wg.Wait()
	made := 0
	for i, err := range errs {
		if err != nil {
			refused(t, "a second use", err, http.StatusConflict, "conflict")
			continue
		}
		made++
		b.works(t, "the first login", logins[i].AccessToken)
		if logins[i].User.Role != store.RoleCompanyAdmin || logins[i].User.Invited {
			t.Errorf("made %+v", logins[i].User)
		}
	}
	if users := must[[]store.User](t)(b.catalog.ListUsers(ctx, store.UserFilter{})); made != 1 || len(users) != 1 {
		t.Errorf("%d were made, there are %d", made, len(users))
	}
	e := must[[]store.AuditEntry](t)(b.audit.ListAudit(ctx, 0, 10))
	if len(e) != 1 || e[0].Actor != "setup" || e[0].Action != "user.create" || e[0].Remote != "127.0.0.1" {
		t.Errorf("the audit trail: %+v", e)
	}

	off := newBox(t)
	_, err := off.remote(t, "").Setup(ctx, "", annEmail, annPassword)
	refused(t, "without a setup link", err, http.StatusUnauthorized, "unauthorized")
}

func TestTheLastAdminStays(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	demote := func(email string) error {
		role, org := store.RoleOrgAdmin, "acme"
		_, err := b.local.UpdateUser(ctx, email, client.UserChange{Role: &role, OrgID: &org})
		return err
	}
	// One who cannot log in is none.
	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "invited@example.org", Role: store.RoleCompanyAdmin}))
	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "viewer@example.org", Password: annPassword, Role: store.RoleViewer, OrgID: "acme"}))
	for range 2 {
		refused(t, "demoted", demote(annEmail), http.StatusConflict, "last_admin")
		refused(t, "deleted", b.local.DeleteUser(ctx, annEmail), http.StatusConflict, "last_admin")
	}
	name, pw := "Ann", "another password"
	must[client.User](t)(b.local.UpdateUser(ctx, annEmail, client.UserChange{Name: &name, Password: &pw}))
	if err := demote("invited@example.org"); err != nil {
		t.Errorf("the invited one: %v", err)
	}
	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "bob@example.org", Password: annPassword, Role: store.RoleCompanyAdmin}))
	if err := demote(annEmail); err != nil {
		t.Errorf("one of two: %v", err)
	}
	refused(t, "the other", b.local.DeleteUser(ctx, "bob@example.org"), http.StatusConflict, "last_admin")
	if err := b.local.DeleteUser(ctx, annEmail); err != nil {
		t.Errorf("no admin any more: %v", err)
	}
}

// TestTheLastAdminsAtOnce: two that are taken away at the same moment are not
// both the last but one.
func TestTheLastAdminsAtOnce(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "bob@example.org", Password: annPassword, Role: store.RoleCompanyAdmin}))
	var wg sync.WaitGroup
	errs := make([]error, 2)
	for i, email := range []string{annEmail, "bob@example.org"} {
		wg.Go(func() { errs[i] = b.local.DeleteUser(ctx, email) })
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Errorf("deleted: %v, %v", errs[0], errs[1])
	}
	refused(t, "the other", errors.Join(errs...), http.StatusConflict, "last_admin")
}

func TestMyPassword(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx, anon := t.Context(), b.remote(t, "")
	mine, other := b.ann(t), b.ann(t)
	me := b.remote(t, mine.AccessToken)
	_, err := me.ChangePassword(ctx, "wrong", "another password")
	refused(t, "a wrong password", err, http.StatusUnprocessableEntity, "invalid")
	_, err = me.ChangePassword(ctx, annPassword, "short")
	refused(t, "a short one", err, http.StatusUnprocessableEntity, "invalid")
	b.works(t, "after mistakes", mine.AccessToken)
	next := must[client.Login](t)(me.ChangePassword(ctx, annPassword, "another password"))
	if next.RefreshToken != "" || next.User.PasswordChangedAt == 0 {
		t.Errorf("changed: %+v", next)
	}
	b.works(t, "the new access token", next.AccessToken)
	b.denied(t, "the old one", mine.AccessToken)
	b.denied(t, "another session", other.AccessToken)
	_, err = anon.Refresh(ctx, other.RefreshToken)
	refused(t, "another session's refresh token", err, http.StatusUnauthorized, "session_revoked")
	b.works(t, "the refresh token goes on", must[client.Login](t)(anon.Refresh(ctx, mine.RefreshToken)).AccessToken)
	_, err = anon.Login(ctx, annEmail, annPassword)
	refused(t, "the old password", err, http.StatusUnauthorized, "unauthorized")
	must[client.Login](t)(anon.Login(ctx, annEmail, "another password"))

	// Whoever has the token only must not guess the password.
	for range pairFailures {
		_, err = b.remote(t, next.AccessToken).ChangePassword(ctx, "a guess", "another password")
		if err == nil {
			t.Fatal("guessed")
		}
	}
	_, err = b.remote(t, next.AccessToken).ChangePassword(ctx, "another password", "a third password")
	refused(t, "a guess too many", err, http.StatusTooManyRequests, "too_many_requests")
}

func TestMyName(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "bob@example.org", Password: annPassword, Role: store.RoleViewer, OrgID: "acme"}))
	l := must[client.Login](t)(b.remote(t, "").Login(ctx, "bob@example.org", annPassword))
	bob := b.remote(t, l.AccessToken)
	if u := must[client.User](t)(bob.Rename(ctx, "Bob Ünlü")); u.Name != "Bob Ünlü" {
		t.Errorf("renamed %+v", u)
	}
	if me := must[client.Me](t)(bob.Me(ctx)); me.User.Name != "Bob Ünlü" || me.User.Role != store.RoleViewer {
		t.Errorf("me %+v", me.User)
	}
	_, err := bob.Rename(ctx, strings.Repeat("x", 201))
	refused(t, "a long name", err, http.StatusUnprocessableEntity, "invalid")
	resp, body := b.do(t, http.MethodPatch, "/api/v1/me", l.AccessToken, "application/json", `{"name":"x","role":"company-admin"}`)
	if resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a viewer promotes itself: %d %s", resp.StatusCode, body)
	}
	_, err = b.local.Rename(ctx, "x")
	refused(t, "on the socket", err, http.StatusForbidden, "forbidden")
}

// TestOrgAdminsManageTheirOwn and nobody who may do more than they.
func TestOrgAdminsManageTheirOwn(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "boss@example.org", Password: annPassword, Role: store.RoleOrgAdmin, OrgID: "acme"}))
	boss := b.remote(t, must[client.Login](t)(b.remote(t, "").Login(ctx, "boss@example.org", annPassword)).AccessToken)
	bob := must[client.User](t)(boss.CreateUser(ctx, client.NewUser{Email: "bob@example.org", Role: store.RoleViewer, OrgID: "acme"}))
	secretOf(t, must[client.Link](t)(boss.ResetLink(ctx, bob.ID)).Link, "accept")
	role, org, none := store.RoleOrgAdmin, "acme", ""
	must[client.User](t)(boss.UpdateUser(ctx, bob.ID, client.UserChange{Role: &role, OrgID: &org}))
	company := store.RoleCompanyAdmin
	for what, try := range map[string]func() error{
		"promotes another": func() error {
			_, err := boss.UpdateUser(ctx, bob.ID, client.UserChange{Role: &company, OrgID: &none})
			return err
		},
		"promotes herself": func() error {
			_, err := boss.UpdateUser(ctx, "boss@example.org", client.UserChange{Role: &company, OrgID: &none})
			return err
		},
		"invites a company-admin": func() error {
			_, err := boss.CreateUser(ctx, client.NewUser{Email: "x@example.org", Role: company})
			return err
		},
	} {
		refused(t, what, try(), http.StatusForbidden, "forbidden")
	}
	for what, try := range map[string]func(context.Context, string) error{
		"gets":   func(ctx context.Context, id string) error { _, err := boss.User(ctx, id); return err },
		"resets": func(ctx context.Context, id string) error { _, err := boss.ResetLink(ctx, id); return err },
		"lists sessions of": func(ctx context.Context, id string) error {
			_, err := boss.UserSessions(ctx, id)
			return err
		},
		"logs out": boss.EndUserSessions,
		"deletes":  boss.DeleteUser,
	} {
		refused(t, what+" a company-admin", try(ctx, annEmail), http.StatusNotFound, "not_found")
	}
}
