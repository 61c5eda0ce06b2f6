package api

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/argon2"

	"tidegate/api/client"
	"tidegate/store"
)

// forgery makes tokens from one that is good.
type forgery struct {
	t    testing.TB
	b    *box
	from claims
}

func (b *box) forge(t testing.TB, good string) forgery {
	t.Helper()
	return forgery{t, b, must[claims](t)(b.tokens.verify(good))}
}

func (f forgery) sign(m jwt.SigningMethod, key, kid any, change func(*claims)) string {
	f.t.Helper()
	c := f.from
	change(&c)
	j := jwt.NewWithClaims(m, c)
	if j.Header["kid"] = kid; kid == nil {
		delete(j.Header, "kid")
	}
	return must[string](f.t)(j.SignedString(key))
}

func TestAccessTokenTampering(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "eve@example.org", Password: annPassword, Role: store.RoleViewer, OrgID: "acme"}))
	ann, eve := b.ann(t).AccessToken, must[client.Login](t)(b.remote(t, "").Login(ctx, "eve@example.org", annPassword)).AccessToken
	f, ofEve := b.forge(t, ann), b.forge(t, eve).from
	key, kid := b.tokens.key, any(b.tokens.kid)
	hs := jwt.SigningMethodHS256
	keep := func(*claims) {}
	rsaKey := must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
	at := func(d time.Duration) *jwt.NumericDate { return jwt.NewNumericDate(time.Now().Add(d)) }
	b.works(t, "the base of the table", f.sign(hs, key, kid, keep))
	parts := strings.Split(ann, ".")
	header := func(h string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(h)) + "." + parts[1] + "." + parts[2]
	}
	for what, token := range map[string]string{
		"algorithm none":                  f.sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, kid, keep),
		"algorithm None":                  header(`{"alg":"None","kid":"` + b.tokens.kid + `"}`),
		"algorithm none, no signature":    base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
		"HS512 under the same key":        f.sign(jwt.SigningMethodHS512, key, kid, keep),
		"HS384 under the same key":        f.sign(jwt.SigningMethodHS384, key, kid, keep),
		"RS256":                           f.sign(jwt.SigningMethodRS256, rsaKey, kid, keep),
		"PS256":                           f.sign(jwt.SigningMethodPS256, rsaKey, kid, keep),
		"RS256 that says HS256":           header(`{"alg":"RS256","kid":"` + b.tokens.kid + `"}`),
		"a key of its own in the header":  header(`{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}`),
		"another key":                     f.sign(hs, randomKey(), kid, keep),
		"an empty key":                    f.sign(hs, []byte{}, kid, keep),
		"the kid as key":                  f.sign(hs, []byte(b.tokens.kid), kid, keep),
		"the key of refresh tokens":       f.sign(hs, refreshKey(key), kid, keep),
		"another kid":                     f.sign(hs, key, "0000000000000000", keep),
		"a kid that is a path":            f.sign(hs, key, "../../dev/null", keep),
		"a kid that is no string":         f.sign(hs, key, []string{b.tokens.kid}, keep),
		"no kid":                          f.sign(hs, key, nil, keep),
		"expired":                         f.sign(hs, key, kid, func(c *claims) { c.ExpiresAt = at(-time.Second) }),
		"never expires":                   f.sign(hs, key, kid, func(c *claims) { c.ExpiresAt = nil }),
		"not valid yet":                   f.sign(hs, key, kid, func(c *claims) { c.NotBefore = at(time.Minute) }),
		"another issuer":                  f.sign(hs, key, kid, func(c *claims) { c.Issuer = "grafana" }),
		"no issuer":                       f.sign(hs, key, kid, func(c *claims) { c.Issuer = "" }),
		"another audience":                f.sign(hs, key, kid, func(c *claims) { c.Audience = jwt.ClaimStrings{"grafana"} }),
		"no audience":                     f.sign(hs, key, kid, func(c *claims) { c.Audience = nil }),
		"another user's session":          f.sign(hs, key, kid, func(c *claims) { c.Session = ofEve.Session }),
		"another user":                    f.sign(hs, key, kid, func(c *claims) { c.Subject, c.Version = ofEve.Subject, ofEve.Version }),
		"a user that there is not":        f.sign(hs, key, kid, func(c *claims) { c.Subject = "0199-nobody" }),
		"no user":                         f.sign(hs, key, kid, func(c *claims) { c.Subject = "" }),
		"a session that there is not":     f.sign(hs, key, kid, func(c *claims) { c.Session = store.NewSessionID() }),
		"no session":                      f.sign(hs, key, kid, func(c *claims) { c.Session = "" }),
		"the version of before":           f.sign(hs, key, kid, func(c *claims) { c.Version = "0000" }),
		"no version":                      f.sign(hs, key, kid, func(c *claims) { c.Version = "" }),
		"cut":                             ann[:len(ann)-1],
		"longer":                          ann + "A",
		"two signatures":                  ann + "." + parts[2],
		"without a signature":             parts[0] + "." + parts[1] + ".",
		"payload of another":              parts[0] + "." + strings.Split(eve, ".")[1] + "." + parts[2],
		"a refresh token":                 b.tokens.refresh(store.Session{ID: f.from.Session, Generation: 1}),
		"very long":                       ann + strings.Repeat("A", maxTokenBytes),
		"not base64":                      "!." + parts[1] + "." + parts[2],
		"text":                            "token",
		"an API key of nobody":            store.KeyText(store.NewKeyID(), store.NewSecret()),
		"an API key's id with a JWT":      store.NewKeyID() + "." + ann,
		"a session's id in place of kid":  f.sign(hs, key, f.from.Session, keep),
		"signed by the key of a device's": f.sign(hs, []byte("a key of the test"), kid, keep),
	} {
		b.denied(t, what, token)
		// The live connection asks the same.
		c := b.dialLive(t)
		say(t, c, LiveAuth{Type: "auth", Token: token})
		if m := hear(t, c); m.Type != "error" {
			t.Errorf("live with %s: %+v", what, m)
		}
	}
	b.works(t, "the good one still", ann)
}

// TestTokensOfWhatIsGone: a token that was good is refused the moment what it
// rests on is gone.
func TestTokensOfWhatIsGone(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	for what, end := range map[string]func(id string, l client.Login) error{
		"the session ended":    func(_ string, l client.Login) error { return b.remote(t, l.AccessToken).Logout(ctx) },
		"the user was deleted": func(id string, _ client.Login) error { return b.local.DeleteUser(ctx, id) },
		"the user was demoted": func(id string, _ client.Login) error {
			role := store.RoleViewer
			_, err := b.local.UpdateUser(ctx, id, client.UserChange{Role: &role})
			return err
		},
		"the user was promoted": func(id string, _ client.Login) error {
			role, none := store.RoleCompanyAdmin, ""
			_, err := b.local.UpdateUser(ctx, id, client.UserChange{Role: &role, OrgID: &none})
			return err
		},
		"the password is another": func(id string, _ client.Login) error {
			pw := "another password"
			_, err := b.local.UpdateUser(ctx, id, client.UserChange{Password: &pw})
			return err
		},
	} {
		u := must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "eve@example.org", Password: annPassword, Role: store.RoleOrgAdmin, OrgID: "acme"}))
		l := must[client.Login](t)(b.remote(t, "").Login(ctx, u.Email, annPassword))
		b.works(t, "before "+what, l.AccessToken)
		if err := end(u.ID, l); err != nil {
			t.Fatal(err)
		}
		b.denied(t, what, l.AccessToken)
		_, err := b.remote(t, "").Refresh(ctx, l.RefreshToken)
		refused(t, what, err, http.StatusUnauthorized, "session_revoked")
		if what != "the user was deleted" {
			if err := b.local.DeleteUser(ctx, u.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestHeaderTricks sends what no client of HTTP would.
func TestHeaderTricks(t *testing.T) {
	b := newBox(t).withSample(t)
	ann := b.ann(t).AccessToken
	basic := base64.StdEncoding.EncodeToString([]byte("d1:S"))
	for what, tt := range map[string]struct {
		headers string
		want    int
	}{
		"as it should be":             {"Authorization: Bearer " + ann, 200},
		"lower case":                  {"authorization: bearer " + ann, 200}, // RFC 9110, 11.1
		"more spaces":                 {"Authorization:   Bearer   " + ann + "  ", 200},
		"two headers":                 {"Authorization: Bearer x\r\nAuthorization: Bearer " + ann, 401},
		"two headers, the good first": {"Authorization: Bearer " + ann + "\r\nAuthorization: Basic " + basic, 401},
		"twice the same":              {"Authorization: Bearer " + ann + "\r\nauthorization: Bearer " + ann, 401},
		"a list":                      {"Authorization: Bearer " + ann + ", Bearer " + ann, 401},
		"no scheme":                   {"Authorization: " + ann, 401},
		"no token":                    {"Authorization: Bearer", 401},
		"only spaces":                 {"Authorization: Bearer    ", 401},
		"empty":                       {"Authorization: ", 401},
		"a tab":                       {"Authorization: Bearer\t" + ann, 401},
		"another scheme":              {"Authorization: Token " + ann, 401},
		"basic with a token":          {"Authorization: Basic " + ann, 401},
		"a device's secret":           {"Authorization: Basic " + basic, 401},
		"something behind it":         {"Authorization: Bearer " + ann + " x", 401},
		"a NUL":                       {"Authorization: Bearer " + ann + "\x00", 400},
		"a folded line":               {"Authorization: Bearer\r\n " + ann, 200}, // RFC 9112, 5.2: a space
		"a header of a proxy":         {"X-Forwarded-User: ann@example.org", 401},
		"100 kB":                      {"Authorization: Bearer " + strings.Repeat("A", 100_000), 431},
		"8 kB":                        {"Authorization: Bearer " + strings.Repeat("A", 8_000), 401},
		"a cookie":                    {"Cookie: " + refreshCookie + "=" + ann, 401},
	} {
		conn := must[net.Conn](t)(net.Dial("tcp", strings.TrimPrefix(b.url, "http://")))
		go func() { // the server may answer, and close, before it has read it all
			_, _ = io.WriteString(conn, "GET /api/v1/me HTTP/1.1\r\nHost: box\r\nConnection: close\r\n"+tt.headers+"\r\n\r\n")
		}()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body) // cut off where the rest of the request was not read
		if resp.StatusCode != tt.want {
			t.Errorf("%s: %d %s, want %d", what, resp.StatusCode, body, tt.want)
		}
		if strings.Contains(string(body), ann) {
			t.Errorf("%s: the answer has the token", what)
		}
		_ = conn.Close()
	}
}

// TestUnknownUsersTakeAsLong counts the work of Argon2: whether there is a
// user, and whether it has a password, must not be told by the time.
func TestUnknownUsersTakeAsLong(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "invited@example.org", Role: store.RoleViewer, OrgID: "acme"}))
	type work struct {
		time, memory uint32
		threads      uint8
		length       uint32
	}
	var done []work
	b.admin.passwords.derive = func(password, salt []byte, time, memory uint32, threads uint8, length uint32) []byte {
		done = append(done, work{time, memory, threads, length})
		return argon2.IDKey(password, salt, time, memory, threads, length)
	}
	full := work{argonTime, argonMemoryKiB, argonThreads, argonKeyBytes}
	long := strings.Repeat("x", maxPasswordBytes+1)
	for _, tt := range []struct {
		email, password string
		want            int
	}{
		{annEmail, "wrong", 1},
		{"nobody@example.org", "wrong", 1},
		{"invited@example.org", "wrong", 1},
		{"not an address", "wrong", 1},
		{annEmail, "", 1},
		{"nobody@example.org", "", 1},
		{"invited@example.org", "", 1},
		{annEmail, long, 0}, // longer than any password: the same for all
		{"nobody@example.org", long, 0},
	} {
		done = nil
		_, err := b.remote(t, "").Login(ctx, tt.email, tt.password)
		refused(t, tt.email, err, http.StatusUnauthorized, "unauthorized")
		if len(done) != tt.want || tt.want > 0 && done[0] != full {
			t.Errorf("%s: %v, want %d times %v", tt.email, done, tt.want, full)
		}
	}
	// Strangers with links that were made up cost nothing.
	done = nil
	if _, err := b.remote(t, "").Accept(ctx, store.NewSecret(), annPassword); err == nil || len(done) != 0 {
		t.Errorf("a made-up link: %v, %v", err, done)
	}
	if _, err := b.remote(t, "").Setup(ctx, store.NewSecret(), annEmail, annPassword); err == nil || len(done) != 0 {
		t.Errorf("a made-up setup link: %v, %v", err, done)
	}
}

// TestSecretsAreToldToNobody runs through everything that has to do with
// secrets, and looks for each in the log, in the audit trail, in all answers but
// those that give it, and in the file of sessions.
func TestSecretsAreToldToNobody(t *testing.T) {
	setup := store.NewSecret()
	b := newBox(t, func(o *Options) { o.SetupToken = setup })
	ctx, anon := t.Context(), b.remote(t, "")
	secrets := map[string]string{"setup token": setup}
	keep := func(what, secret string) string {
		t.Helper()
		if len(secret) < 8 {
			t.Fatalf("%s is %q", what, secret)
		}
		secrets[what] = secret
		return secret
	}
	var problems strings.Builder
	fails := func(err error) {
		t.Helper()
		if err == nil {
			t.Fatal("no error")
		}
		fmt.Fprintln(&problems, err)
	}
	login := func(what string, l client.Login, err error) client.Login {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		keep(what+", access token", l.AccessToken)
		if l.RefreshToken != "" {
			keep(what+", refresh token", l.RefreshToken)
		}
		return l
	}

	l, err := anon.Setup(ctx, setup, annEmail, keep("first password", "first password of ann"))
	first := login("setup", l, err)
	ann := b.remote(t, first.AccessToken)
	_, err = anon.Setup(ctx, setup, annEmail, "first password of ann")
	fails(err)
	must[client.Organization](t)(ann.CreateOrganization(ctx, client.NewOrganization{ID: "acme", Name: "Acme"}))
	secret := keep("device secret", "secret of the device d1")
	must[client.Device](t)(ann.CreateDevice(ctx, client.NewDevice{ID: "d1", OrgID: "acme", Secret: &secret, PortCount: 1}))
	k := must[client.APIKey](t)(ann.CreateAPIKey(ctx, client.NewAPIKey{Name: "k", OrgID: "acme", Scopes: []store.Scope{store.ScopeAdmin, store.ScopeIngest}}))
	keep("API key", k.Secret)
	must[client.Me](t)(b.remote(t, k.Key).Me(ctx))
	_, err = b.remote(t, k.Key+"x").Me(ctx)
	fails(err)
	_, err = b.remote(t, k.Key).CreateAPIKey(ctx, client.NewAPIKey{Name: k.Key, Scopes: []store.Scope{"read"}})
	fails(err)
	must[string](t)(anon.PostTelemetry(ctx, k.ID, k.Secret, "d1", []byte(`{"readings":[{"port":1,"value":1}]}`)))
	_, err = anon.PostTelemetry(ctx, "d1", secret+"x", "", []byte(`{}`))
	fails(err)

	signs, header := keep("channel secret", "what the channel signs with"), keep("channel header", "what the receiver wants")
	ops := client.NewChannel{OrgID: "acme", Name: "ops", Type: store.ChannelWebhook, Secret: signs, Headers: map[string]string{"X-Key": header}}
	ch := must[client.Channel](t)(ann.CreateChannel(ctx, ops))
	_, err = ann.CreateChannel(ctx, ops) // its name is taken
	fails(err)
	_, err = ann.UpdateChannel(ctx, ch.ID, client.ChannelChange{RemoveHeaders: []string{"X-Kye"}, Secret: &signs})
	fails(err)
	another := keep("next channel secret", "what the channel signs with from now on")
	must[client.Channel](t)(ann.UpdateChannel(ctx, ch.ID, client.ChannelChange{Secret: &another, Headers: map[string]string{"X-Key": header, "A": header}}))

	bob := must[client.User](t)(ann.CreateUser(ctx, client.NewUser{Email: "bob@example.org", Role: store.RoleViewer, OrgID: "acme"}))
	invitation := keep("invitation", secretOf(t, bob.Link, "accept"))
	_, err = anon.Accept(ctx, invitation, "short")
	fails(err)
	l, err = anon.Accept(ctx, invitation, keep("password of the invited", "password of bob"))
	login("accept", l, err)
	_, err = anon.Accept(ctx, invitation, "password of bob")
	fails(err)
	keep("reset link", secretOf(t, must[client.Link](t)(ann.ResetLink(ctx, "bob@example.org")).Link, "accept"))
	set := keep("password that an admin sets", "password of bob, set by ann")
	must[client.User](t)(ann.UpdateUser(ctx, "bob@example.org", client.UserChange{Password: &set}))
	wrong := keep("mistyped password", "mistyped password of bob")
	_, err = anon.Login(ctx, "bob@example.org", wrong)
	fails(err)
	_, err = anon.Login(ctx, wrong, wrong) // into the wrong field
	fails(err)
	l, err = anon.Login(ctx, "bob@example.org", set)
	login("login", l, err)
	mine := keep("own password", "password that bob chose himself")
	_, err = b.remote(t, l.AccessToken).ChangePassword(ctx, wrong, mine)
	fails(err)
	l2, err := b.remote(t, l.AccessToken).ChangePassword(ctx, set, mine)
	login("password change", l2, err)
	l2, err = anon.Refresh(ctx, l.RefreshToken)
	login("refresh", l2, err)
	_, err = anon.Refresh(ctx, l.RefreshToken) // reuse
	fails(err)
	_, err = anon.Refresh(ctx, l2.RefreshToken)
	fails(err)
	_, err = anon.Refresh(ctx, l2.RefreshToken+"x")
	fails(err)
	_, err = b.remote(t, l2.AccessToken).Me(ctx)
	fails(err)

	// What is not as described is refused without being repeated.
	for _, bad := range []struct{ method, path, token, body string }{
		{"POST", "/api/v1/auth/login", "", `{"email":"bob@example.org","password":["` + mine + `"]}`},
		{"POST", "/api/v1/auth/login", "", `{"email":"bob@example.org","pasword":"` + mine + `"}`},
		{"POST", "/api/v1/auth/login", "", `{"password":"` + mine + `"`},
		{"POST", "/api/v1/auth/login?password=" + strings.ReplaceAll(mine, " ", "+"), "", `{}`},
		{"POST", "/api/v1/auth/refresh", "", `{"refreshToken":{"x":"` + l2.RefreshToken + `"}}`},
		{"POST", "/api/v1/auth/accept", "", `{"token":"` + invitation + invitation + invitation + invitation + `","password":"` + mine + `"}`},
		{"POST", "/api/v1/users", first.AccessToken, `{"email":"x","password":"` + mine + `","role":"viewer"}`},
		{"PATCH", "/api/v1/users/bob@example.org", first.AccessToken, `{"password":7,"role":"` + mine + `"}`},
		{"POST", "/api/v1/devices", first.AccessToken, `{"id":"d2","orgId":"acme","secret":["` + secret + `"]}`},
		{"POST", "/api/v1/channels", first.AccessToken, `{"orgId":"acme","name":"x","type":"webhook","secret":["` + signs + `"],"headers":{"A":["` + header + `"]}}`},
		{"PATCH", "/api/v1/channels/" + ch.ID, first.AccessToken, `{"secret":"` + signs + `","digestEvery":"1h"}`},
		{"GET", "/api/v1/me?access_token=" + first.AccessToken, "", ""},
		{"GET", "/api/v1/devices?key=" + k.Key, first.AccessToken, ""},
	} {
		resp, body := b.do(t, bad.method, bad.path, bad.token, "application/json", bad.body)
		if resp.StatusCode < 400 || resp.StatusCode >= 500 {
			t.Errorf("%s %s: %d %s", bad.method, bad.path, resp.StatusCode, body)
		}
		problems.WriteString(body)
	}
	r := must[*http.Request](t)(http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/api/v1/devices", nil))
	r.SetBasicAuth(k.Key, k.Secret) // the whole key for a name
	_, body := b.send(t, r)
	problems.WriteString(body)

	kept := map[string]string{
		"the log": b.logged.String(), "the answers to mistakes": problems.String(),
		"the audit trail":   asJSON(t, must[[]store.AuditEntry](t)(b.audit.ListAudit(ctx, 0, 1000))),
		"the list of users": asJSON(t, must[client.List[client.User]](t)(ann.Users(ctx, client.Page{}))), "the list of keys": asJSON(t, must[client.List[client.APIKey]](t)(ann.APIKeys(ctx, "", client.Page{}))),
		"the list of channels": asJSON(t, must[client.List[client.Channel]](t)(ann.Channels(ctx, client.ChannelQuery{}))),
		"the list of sessions": asJSON(t, must[client.List[client.Session]](t)(ann.UserSessions(ctx, "bob@example.org"))),
		"sessions in memory":   fmt.Sprint(b.kept.ListSessions(first.User.ID, time.Now())),
	}
	for where, text := range kept {
		if len(text) < 10 {
			t.Errorf("%s is %q", where, text)
		}
		for what, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s has the %s", where, what)
			}
		}
	}
	if !strings.Contains(kept["the audit trail"], blanked) || !strings.Contains(kept["the log"], "bob@example.org") || !strings.Contains(kept["the answers to mistakes"], "do not belong together") {
		t.Error("the scenario did not leave what it should")
	}
	// What is kept of secrets is no secret's plain hash either.
	for what, secret := range secrets {
		sum := sha256.Sum256([]byte(secret))
		if u := must[store.User](t)(b.catalog.UserByEmail(context.WithoutCancel(ctx), "bob@example.org")); strings.Contains(string(u.LinkHash), string(sum[:])) {
			t.Errorf("the %s is kept as its bare SHA-256", what)
		}
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	return string(must[[]byte](t)(json.Marshal(v)))
}
