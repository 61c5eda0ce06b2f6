package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"tidegate/api/client"
	"tidegate/store"
)

// TestChannelKeepsItsSecrets: what is secret goes in, stays through changes, and
// is told to nobody: in no answer, not in the trail, and not in the log.
func TestChannelKeepsItsSecrets(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	token := b.ann(t).AccessToken
	var said strings.Builder
	do := func(method, path, body string, want int) string {
		t.Helper()
		resp, got := b.do(t, method, "/api/v1"+path, token, "application/json", body)
		if resp.StatusCode != want {
			t.Fatalf("%s %s: %d %s, want %d", method, path, resp.StatusCode, got, want)
		}
		said.WriteString(got)
		return got
	}
	do("POST", "/channels", `{"orgId":"acme","name":"ops","type":"webhook","url":"https://example.org","secret":"hush-1","headers":{"X-Key":"hush-2","Authorization":"hush-3"}}`, 201)
	l := must[client.List[client.Channel]](t)(b.local.Channels(ctx, client.ChannelQuery{OrgID: "acme"}))
	id := l.Items[0].ID
	if c := l.Items[0]; !c.HasSecret || !slices.Equal(c.HeaderNames, []string{"Authorization", "X-Key"}) || !c.Enabled {
		t.Errorf("made %+v", c)
	}
	stored := func(secret string, headers ...string) {
		t.Helper()
		c := must[store.Channel](t)(b.catalog.Channel(ctx, id))
		var has []string
		for _, name := range newChannel(c).HeaderNames {
			has = append(has, name+"="+c.Headers[name])
		}
		if c.Secret != secret || !slices.Equal(has, headers) {
			t.Errorf("kept are %q and %q, want %q and %q", c.Secret, has, secret, headers)
		}
	}
	stored("hush-1", "Authorization=hush-3", "X-Key=hush-2")
	path := "/channels/" + id
	do("PATCH", path, `{"url":"https://example.org/2"}`, 200)
	stored("hush-1", "Authorization=hush-3", "X-Key=hush-2")
	do("PATCH", path, `{"headers":{"X-Key":"hush-4","A":"hush-5"}}`, 200)
	stored("hush-1", "A=hush-5", "Authorization=hush-3", "X-Key=hush-4")
	do("PATCH", path, `{"headers":{},"removeHeaders":["Authorization"]}`, 200)
	stored("hush-1", "A=hush-5", "X-Key=hush-4")
	do("PATCH", path, `{"removeHeaders":["Authorization"]}`, 422)
	do("PATCH", path, `{"secret":"hush-6"}`, 200)
	stored("hush-6", "A=hush-5", "X-Key=hush-4")
	do("PATCH", path, `{"secret":""}`, 200)
	stored("", "A=hush-5", "X-Key=hush-4")
	do("PATCH", path, `{"secret":"hush-7","type":"email"}`, 422)
	do("PATCH", path, `{"secret":"hush-8","digestEvery":"1h"}`, 422)
	do("POST", "/channels", `{"orgId":"acme","name":"ops","type":"webhook","secret":"hush-9"}`, 409)
	do("POST", "/channels", `{"orgId":"nobody","name":"ops","type":"webhook","secret":"hush-10"}`, 404)
	do("POST", "/channels", `{"orgId":"acme","name":"other","type":"webhook","url":"https://ann:hush-11@example.org"}`, 422)
	do("GET", path, "", 200)
	do("GET", "/channels", "", 200)
	do("GET", "/audit", "", 200)
	if err := b.local.DeleteChannel(ctx, id); err != nil {
		t.Error(err)
	}
	for _, e := range b.auditEntries(t) {
		said.WriteString(asJSON(t, e))
	}
	if all := said.String() + b.logged.String(); strings.Contains(all, "hush") {
		at := strings.Index(all, "hush")
		t.Errorf("a secret is told: %s", all[max(0, at-300):at+10])
	}
	var shown []string
	for _, e := range b.auditEntries(t) {
		if e.Action == "channel.update" {
			shown = append(shown, asJSON(t, e.After))
		}
	}
	for i, want := range []string{"", `"headers":{"A":"(changed)","X-Key":"(changed)"}`, "", `"secret":"(changed)"`, ""} {
		if got := shown[i]; want != "" && !strings.Contains(got, want) || want == "" && strings.Contains(got, "(changed)") {
			t.Errorf("change %d is shown as %s, want %q", i, got, want)
		}
	}
}

// TestChannelIsFor: those who write rules read channels, administrators change
// them, and viewers see none.
func TestChannelIsFor(t *testing.T) {
	b := newBox(t, func(o *Options) {
		o.Admin.o.CheckChannel = func(c store.Channel) error {
			if c.Type == store.ChannelWebhook && c.URL == "" {
				return store.Invalid("channel", "url", "is needed for webhook")
			}
			return nil
		}
	}).withSample(t)
	ctx := t.Context()
	reads, writes := b.remote(t, b.key(t, "acme", nil, store.ScopeRead).Key), b.remote(t, b.key(t, "acme", nil, store.ScopeWrite).Key)
	_, err := b.local.CreateChannel(ctx, client.NewChannel{OrgID: "acme", Name: "ops", Type: store.ChannelWebhook})
	refused(t, "a webhook without an address", err, http.StatusUnprocessableEntity, "invalid")
	c := must[client.Channel](t)(b.local.CreateChannel(ctx, client.NewChannel{OrgID: "acme", Name: "ops", Type: store.ChannelEmail, To: []string{"ops@example.org"}}))
	_, err = reads.Channel(ctx, c.ID)
	refused(t, "a reader", err, http.StatusForbidden, "forbidden")
	_, err = reads.Channels(ctx, client.ChannelQuery{})
	refused(t, "a reader", err, http.StatusForbidden, "forbidden")
	must[client.Channel](t)(writes.Channel(ctx, c.ID))
	name := "night"
	_, err = writes.UpdateChannel(ctx, c.ID, client.ChannelChange{Name: &name})
	refused(t, "a writer", err, http.StatusForbidden, "forbidden")
	r := must[client.AlertRule](t)(writes.CreateAlertRule(ctx, client.NewAlertRule{OrgID: "acme", Name: "hot", Condition: above(80), Channels: []string{c.ID}}))
	refused(t, "a channel that a rule names", b.local.DeleteChannel(ctx, c.ID), http.StatusConflict, "conflict")
	if got := must[client.AlertRule](t)(reads.AlertRule(ctx, r.ID)); !slices.Equal(got.Channels, []string{c.ID}) {
		t.Errorf("%+v", got)
	}
	before := len(b.auditEntries(t))
	if got := must[client.Channel](t)(b.local.UpdateChannel(ctx, c.ID, client.ChannelChange{To: []string{"ops@example.org"}})); got.UpdatedAt != c.UpdatedAt || len(b.auditEntries(t)) != before {
		t.Errorf("a change that changes nothing made %+v", got)
	}
	if got := must[client.Channel](t)(b.local.UpdateChannel(ctx, c.ID, client.ChannelChange{To: []string{}, Name: &name})); got.To != nil || got.Name != name {
		t.Errorf("changed %+v", got)
	}
}
