package api

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"nhooyr.io/websocket"

	"tidegate/api/client"
	"tidegate/store"
)

// key makes an API key on the box's socket.
func (b *box) key(t testing.TB, org string, devices []string, scopes ...store.Scope) client.APIKey {
	t.Helper()
	return must[client.APIKey](t)(b.local.CreateAPIKey(t.Context(), client.NewAPIKey{Name: "test", OrgID: org, Scopes: scopes, DeviceIDs: devices}))
}

// basic sends a request with basic auth.
func (b *box) basic(t testing.TB, method, path, user, password, body string) (*http.Response, string) {
	t.Helper()
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body)))
	r.SetBasicAuth(user, password)
	return b.send(t, r)
}

func TestAPIKey(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	k := must[client.APIKey](t)(b.remote(t, b.ann(t).AccessToken).CreateAPIKey(ctx, client.NewAPIKey{Name: "Grafana", OrgID: "acme", Scopes: []store.Scope{store.ScopeRead}}))
	if k.Key != k.ID+"."+k.Secret || !store.IsKeyID(k.ID) || len(k.Secret) != 52 || k.CreatedBy != "user:"+annEmail || k.Expired || k.LastUsedAt != nil {
		t.Fatalf("made %+v", k)
	}
	for what, got := range map[string]client.APIKey{
		"get":  must[client.APIKey](t)(b.local.APIKey(ctx, k.ID)),
		"list": must[client.List[client.APIKey]](t)(b.local.APIKeys(ctx, "acme", client.Page{})).Items[0],
	} {
		if got.Key != "" || got.Secret != "" || got.Name != "Grafana" || got.LastUsedAt != nil {
			t.Errorf("%s: %+v", what, got)
		}
	}
	me := must[client.Me](t)(b.remote(t, k.Key).Me(ctx))
	if me.Actor != "apikey:"+k.ID || me.Role != "" || me.User != nil || me.OrgID != "acme" || strings.Join(me.May, " ") != "read" {
		t.Errorf("me %+v", me)
	}
	if resp, body := b.basic(t, http.MethodGet, "/api/v1/devices", k.ID, k.Secret, ""); resp.StatusCode != http.StatusOK || !strings.Contains(body, `"d1"`) {
		t.Errorf("basic auth: %d %s", resp.StatusCode, body)
	}
	used := must[client.APIKey](t)(b.local.APIKey(ctx, k.ID))
	if used.LastUsedAt == nil || time.Since(used.LastUsedAt.Time()) > time.Minute || used.LastUsedFrom != "127.0.0.1" {
		t.Errorf("last used %v from %q", used.LastUsedAt, used.LastUsedFrom)
	}
	_, err := b.remote(t, k.Key).CreateDevice(ctx, client.NewDevice{ID: "d9", OrgID: "acme"})
	refused(t, "a read key that writes", err, http.StatusForbidden, "forbidden")

	// Who did it stands in the trail.
	w := b.key(t, "acme", nil, store.ScopeWrite)
	must[client.Device](t)(b.remote(t, w.Key).CreateDevice(ctx, client.NewDevice{ID: "d9", OrgID: "acme"}))
	entries := must[[]store.AuditEntry](t)(b.audit.ListAudit(ctx, 0, 1000))
	if e := entries[len(entries)-1]; e.Actor != "apikey:"+w.ID || e.Action != "device.create" || e.Role != "" || e.OrgID != "acme" {
		t.Errorf("the audit trail: %+v", e)
	}

	for what, text := range map[string]string{
		"another secret": store.KeyText(k.ID, w.Secret),
		"no secret":      k.ID + ".",
		"the id alone":   k.ID,
		"another id":     store.KeyText(store.NewKeyID(), k.Secret),
		"cut":            k.Key[:len(k.Key)-1],
		"longer":         k.Key + "0",
		"upper case":     strings.ToUpper(k.Key),
	} {
		if _, err := b.remote(t, text).Me(ctx); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	for what, c := range map[string][2]string{
		"a device's secret": {"d1", "S"}, "a wrong secret": {k.ID, "x"}, "none": {k.ID, ""}, "a user's password": {annEmail, annPassword},
	} {
		if resp, body := b.basic(t, http.MethodGet, "/api/v1/me", c[0], c[1], ""); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("basic auth with %s: %d %s", what, resp.StatusCode, body)
		}
	}
	if err := b.local.DeleteAPIKey(ctx, k.ID); err != nil {
		t.Fatal(err)
	}
	b.denied(t, "a deleted key", k.Key)
	if _, ok := b.kept.KeyUse(k.ID); ok {
		t.Error("its last use is remembered")
	}
}

func TestAPIKeyChanges(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	k := b.key(t, "acme", nil, store.ScopeRead)
	name, soon := "renamed", time.Now().Add(time.Hour)
	got := must[client.APIKey](t)(b.local.UpdateAPIKey(ctx, k.ID, client.APIKeyChange{Name: &name, ExpiresAt: &soon, DeviceIDs: []string{"d1"}}))
	if got.Name != name || got.ExpiresAt.Time().Sub(soon).Abs() > time.Millisecond || len(got.DeviceIDs) != 1 || got.Key != "" {
		t.Errorf("changed %+v", got)
	}
	must[client.Device](t)(b.local.CreateDevice(ctx, client.NewDevice{ID: "d2", OrgID: "acme"}))
	_, err := b.remote(t, k.Key).Device(ctx, "d2")
	refused(t, "a device that is not on the list", err, http.StatusNotFound, "not_found")
	got = must[client.APIKey](t)(b.local.UpdateAPIKey(ctx, k.ID, client.APIKeyChange{AllDevices: true, Never: true}))
	if got.DeviceIDs != nil || got.ExpiresAt != nil {
		t.Errorf("changed back %+v", got)
	}
	must[client.Device](t)(b.remote(t, k.Key).Device(ctx, "d2"))

	past := time.Now().Add(-time.Second)
	for what, ch := range map[string]client.APIKeyChange{
		"an end that has passed":    {ExpiresAt: &past},
		"a list and all":            {DeviceIDs: []string{"d1"}, AllDevices: true},
		"an end and none":           {ExpiresAt: &soon, Never: true},
		"a device given twice":      {DeviceIDs: []string{"d1", "d1"}},
		"a device that there isn't": {DeviceIDs: []string{"nobody"}},
	} {
		if _, err := b.local.UpdateAPIKey(ctx, k.ID, ch); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	// One that has expired is refused, may be renamed, and comes back when its end does.
	kept := must[store.APIKey](t)(b.catalog.APIKey(ctx, k.ID))
	kept.ExpiresAt = &past
	if err := b.catalog.UpdateAPIKey(ctx, kept); err != nil {
		t.Fatal(err)
	}
	if err := b.registry.RefreshKey(ctx, k.ID); err != nil {
		t.Fatal(err)
	}
	b.denied(t, "an expired key", k.Key)
	other := "expired"
	if got := must[client.APIKey](t)(b.local.UpdateAPIKey(ctx, k.ID, client.APIKeyChange{Name: &other})); !got.Expired {
		t.Errorf("renamed %+v", got)
	}
	b.denied(t, "an expired key", k.Key)
	must[client.APIKey](t)(b.local.UpdateAPIKey(ctx, k.ID, client.APIKeyChange{Never: true}))
	b.works(t, "without an end", k.Key)
}

// TestNoKeyMakesAStrongerOne, and no user stronger than itself.
func TestNoKeyMakesAStrongerOne(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	must[client.Organization](t)(b.local.CreateOrganization(ctx, client.NewOrganization{ID: "beta", Name: "Beta"}))
	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "boss@example.org", Password: annPassword, Role: store.RoleOrgAdmin, OrgID: "acme"}))
	boss := must[client.Login](t)(b.remote(t, "").Login(ctx, "boss@example.org", annPassword)).AccessToken
	admin := b.key(t, "acme", nil, store.ScopeAdmin).Key
	end := time.Now().Add(time.Hour)
	brief := must[client.APIKey](t)(b.local.CreateAPIKey(ctx, client.NewAPIKey{Name: "brief", OrgID: "acme", Scopes: []store.Scope{store.ScopeAdmin}, ExpiresAt: &end})).Key
	give := func(token, org string, end *time.Time, scopes ...store.Scope) error {
		_, err := b.remote(t, token).CreateAPIKey(ctx, client.NewAPIKey{Name: "x", OrgID: org, Scopes: scopes, ExpiresAt: end})
		return err
	}
	for what, token := range map[string]string{"an org-admin": boss, "an admin key": admin} {
		if err := give(token, "acme", nil, store.ScopeAdmin, store.ScopeIngest); err != nil {
			t.Errorf("%s makes an equal: %v", what, err)
		}
		refused(t, what+" makes one for all", give(token, "", nil, store.ScopeRead), http.StatusForbidden, "forbidden")
		refused(t, what+" makes an admin for all", give(token, "", nil, store.ScopeAdmin), http.StatusForbidden, "forbidden")
		refused(t, what+" makes one for beta", give(token, "beta", nil, store.ScopeRead), http.StatusNotFound, "not_found")
		_, err := b.remote(t, token).CreateUser(ctx, client.NewUser{Email: "x@example.org", Role: store.RoleCompanyAdmin})
		refused(t, what+" invites a company-admin", err, http.StatusForbidden, "forbidden")
	}
	later, sooner := end.Add(time.Second), end.Add(-time.Minute)
	refused(t, "one that ends makes one without an end", give(brief, "acme", nil, store.ScopeRead), http.StatusForbidden, "forbidden")
	refused(t, "one that ends makes one that ends later", give(brief, "acme", &later, store.ScopeRead), http.StatusForbidden, "forbidden")
	if err := give(brief, "acme", &sooner, store.ScopeRead); err != nil {
		t.Errorf("one that ends sooner: %v", err)
	}
	id, _, _ := strings.Cut(brief, ".")
	_, err := b.remote(t, brief).UpdateAPIKey(ctx, id, client.APIKeyChange{Never: true})
	refused(t, "one that ends takes its own end away", err, http.StatusForbidden, "forbidden")
	for what, token := range map[string]string{"read": b.key(t, "acme", nil, store.ScopeRead).Key, "write": b.key(t, "", nil, store.ScopeWrite).Key} {
		refused(t, what+" makes a key", give(token, "acme", nil, store.ScopeRead), http.StatusForbidden, "forbidden")
	}
	if err := give(b.key(t, "", nil, store.ScopeAdmin).Key, "", nil, store.ScopeAdmin); err != nil {
		t.Errorf("an admin of all makes an equal: %v", err)
	}
}

func TestTelemetryWithAKey(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	must[client.Organization](t)(b.local.CreateOrganization(ctx, client.NewOrganization{ID: "beta", Name: "Beta"}))
	for _, d := range [][2]string{{"d2", "acme"}, {"foreign", "beta"}} {
		must[client.Device](t)(b.local.CreateDevice(ctx, client.NewDevice{ID: d[0], OrgID: d[1], PortCount: 1}))
	}
	ofOrg, ofDevice := b.key(t, "acme", nil, store.ScopeIngest), b.key(t, "acme", []string{"d1"}, store.ScopeIngest)
	ofAll, reader := b.key(t, "", nil, store.ScopeIngest), b.key(t, "acme", nil, store.ScopeRead, store.ScopeWrite)
	post := func(k client.APIKey, query string) (int, string) {
		resp, body := b.do(t, http.MethodPost, telemetryPath+query, k.Key, "application/json", `{"readings":[{"port":1,"value":1}]}`)
		return resp.StatusCode, body
	}
	for _, tt := range []struct {
		name  string
		key   client.APIKey
		query string
		want  int
	}{
		{"a device", ofOrg, "?deviceId=d1", 202},
		{"a device of the list", ofDevice, "?deviceId=d1", 202},
		{"of all", ofAll, "?deviceId=foreign", 202},
		{"no device", ofOrg, "", 422},
		{"no id", ofOrg, "?deviceId=a%20b", 422},
		{"not on the list", ofDevice, "?deviceId=d2", 403},
		{"not on the list, unknown", ofDevice, "?deviceId=unknown", 403},
		{"not on the list, foreign", ofDevice, "?deviceId=foreign", 403},
		{"without the scope", reader, "?deviceId=d1", 403},
		{"unknown", ofOrg, "?deviceId=unknown", 202},
		{"foreign", ofOrg, "?deviceId=foreign", 202},
		{"another organization", ofOrg, "?deviceId=foreign&orgId=beta", 403},
		{"its organization", ofOrg, "?deviceId=d1&orgId=acme", 202},
		{"of all, unknown", ofAll, "?deviceId=unknown2", 422},
		{"of all, unknown there", ofAll, "?deviceId=unknown2&orgId=beta", 202},
	} {
		if status, body := post(tt.key, tt.query); status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, status, body, tt.want)
		}
	}
	if resp, body := b.basic(t, http.MethodPost, telemetryPath+"?deviceId=d1", ofOrg.ID, ofOrg.Secret, `{"readings":[{"port":2,"value":1}]}`); resp.StatusCode != http.StatusAccepted {
		t.Errorf("basic auth: %d %s", resp.StatusCode, body)
	}
	waitFor(t, func() bool {
		l := must[store.Ledger](t)(b.o.Pipeline.Ledger(ctx))
		return l.Received == 8 && l.Pending == 0
	})
	letters := map[string]string{}
	for _, l := range must[client.List[store.DeadLetter]](t)(b.local.DeadLetters(ctx, client.DeadLetterQuery{})).Items {
		letters[l.OrgID+"/"+l.DeviceID] = string(l.Reason)
	}
	for _, want := range []string{"acme/unknown", "acme/foreign", "beta/unknown2"} {
		if letters[want] != string(store.ReasonUnknownDevice) {
			t.Errorf("no dead letter of %s: %v", want, letters)
		}
	}
	if len(letters) != 3 {
		t.Errorf("dead letters %v", letters)
	}
	l := must[client.List[store.Reading]](t)(b.local.Readings(ctx, client.ReadingQuery{DeviceIDs: []string{"foreign"}}))
	if len(l.Items) != 1 {
		t.Errorf("the foreign device has %+v", l.Items)
	}
	if k := must[client.APIKey](t)(b.local.APIKey(ctx, ofDevice.ID)); k.LastUsedAt == nil || k.LastUsedFrom != "127.0.0.1" {
		t.Errorf("last use %+v", k)
	}
}

// TestLiveEndsWithItsKey: a key that is changed, or goes, is cut off at once.
func TestLiveEndsWithItsKey(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	for name, end := range map[string]func(context.Context, string) error{
		"deleted": b.local.DeleteAPIKey,
		"narrowed": func(ctx context.Context, id string) error {
			_, err := b.local.UpdateAPIKey(ctx, id, client.APIKeyChange{DeviceIDs: []string{"d1"}})
			return err
		},
	} {
		k, other := b.key(t, "acme", nil, store.ScopeRead), b.key(t, "acme", nil, store.ScopeRead)
		var conns []*websocket.Conn
		for _, key := range []string{k.Key, other.Key} {
			c := b.dialLive(t)
			say(t, c, LiveAuth{Type: "auth", Token: key})
			say(t, c, LiveSubscribe{Type: "subscribe"})
			if m := hear(t, c); m.Type != "subscribed" {
				t.Fatalf("%s: heard %+v", name, m)
			}
			conns = append(conns, c)
		}
		if err := end(ctx, k.ID); err != nil {
			t.Fatal(err)
		}
		if m := hear(t, conns[0]); m.Type != "error" || !strings.Contains(m.Detail, "API key") {
			t.Errorf("%s: message %+v", name, m)
		}
		say(t, conns[1], LiveSubscribe{Type: "subscribe", ID: 2})
		if m := hear(t, conns[1]); m.Type != "subscribed" || m.ID != 2 {
			t.Errorf("%s: the other key heard %+v", name, m)
		}
	}
}
