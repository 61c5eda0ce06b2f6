package api

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"tidegate/api/client"
	"tidegate/store"
)

// TestOrganizationOfTheSameName: whoever gets the id of an organization that was
// deleted sees nothing of it: not its dead letters, nor its audit trail.
func TestOrganizationOfTheSameName(t *testing.T) {
	b := newBox(t)
	ctx := t.Context()
	begin := func() (token string) {
		must[client.Organization](t)(b.local.CreateOrganization(ctx, client.NewOrganization{ID: "acme", Name: "Acme"}))
		boss := must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "boss@example.org", Password: annPassword, Role: store.RoleOrgAdmin, OrgID: "acme"}))
		k := b.key(t, "acme", nil, store.ScopeIngest)
		res, body := b.basic(t, http.MethodPost, "/api/v1/telemetry?deviceId=nobody", k.ID, k.Secret, `{"readings":[{"port":1,"value":1}]}`)
		if res.StatusCode != http.StatusAccepted {
			t.Fatalf("%d %s", res.StatusCode, body)
		}
		waitFor(t, func() bool { return must[store.Ledger](t)(b.local.Ledger(ctx)).Pending == 0 })
		token = must[client.Login](t)(b.remote(t, "").Login(ctx, boss.Email, annPassword)).AccessToken
		if letters := must[client.List[store.DeadLetter]](t)(b.remote(t, token).DeadLetters(ctx, client.DeadLetterQuery{})); len(letters.Items) != 1 {
			t.Fatalf("the organization sees %d letters of its one: %+v", len(letters.Items), letters)
		}
		return token
	}
	begin()
	old := must[client.List[store.DeadLetter]](t)(b.local.DeadLetters(ctx, client.DeadLetterQuery{})).Items[0].ID
	for _, k := range must[client.List[client.APIKey]](t)(b.local.APIKeys(ctx, "acme", client.Page{})).Items {
		if err := b.local.DeleteAPIKey(ctx, k.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.local.DeleteUser(ctx, "boss@example.org"); err != nil {
		t.Fatal(err)
	}
	if err := b.local.DeleteOrganization(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	token := begin()
	if res, body := b.do(t, http.MethodGet, "/api/v1/dead-letters/"+old, token, "", ""); res.StatusCode != http.StatusNotFound {
		t.Errorf("a letter of before: %d %s", res.StatusCode, body)
	}
	for _, what := range []string{"delete", "replay"} {
		_, body := b.do(t, http.MethodPost, "/api/v1/dead-letters/"+what, token, "application/json", fmt.Sprintf(`{"ids":[%q]}`, old))
		if all := must[client.List[store.DeadLetter]](t)(b.local.DeadLetters(ctx, client.DeadLetterQuery{})); len(all.Items) != 2 {
			t.Errorf("%s of a letter of before: %s; %d are left", what, body, len(all.Items))
		}
	}
	trail := must[client.List[store.AuditEntry]](t)(b.remote(t, token).Audit(ctx, client.AuditQuery{Page: client.Page{Limit: 1000}}))
	created := 0
	for _, e := range trail.Items {
		created += strings.Count(e.Action, "organization.create")
		if strings.HasSuffix(e.Action, ".delete") && e.Action != "deadletter.delete" { // what it has just tried itself
			t.Errorf("the trail shows %s of %s", e.Action, e.ID)
		}
	}
	if created != 1 {
		t.Errorf("the trail has %d creations of the organization, want its own: %+v", created, trail.Items)
	}
	if all := must[client.List[store.AuditEntry]](t)(b.local.Audit(ctx, client.AuditQuery{Page: client.Page{Limit: 1000}})); len(all.Items) < 2*len(trail.Items) {
		t.Errorf("the box's own trail has %d entries", len(all.Items))
	}
}
