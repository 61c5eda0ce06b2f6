package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
)

// refreshes are what the rules at work are told.
type refreshes struct {
	mu   sync.Mutex
	told []string
	err  error
}

func (r *refreshes) tell(what string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, what)
	return r.err
}

func (r *refreshes) Refresh(context.Context) error                  { return r.tell("all") }
func (r *refreshes) RefreshRule(_ context.Context, id string) error { return r.tell("rule " + id) }

func (r *refreshes) RefreshDevice(_ context.Context, id string) error { return r.tell("device " + id) }
func (r *refreshes) RefreshChannels(context.Context) error            { return r.tell("channels") }
func (r *refreshes) option(o *Options)                                { o.Admin.o.Alerts = r }
func (r *refreshes) since(t *testing.T, what string, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.told, want) {
		t.Errorf("%s: the rules were told %q, want %q", what, r.told, want)
	}
	r.told = nil
}

func above(high float64) store.Condition {
	return store.Condition{Kind: store.CondAbove, High: &high}
}

func TestAlertRule(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	ann := b.remote(t, b.ann(t).AccessToken)
	r := must[client.AlertRule](t)(ann.CreateAlertRule(ctx, client.NewAlertRule{
		OrgID: "acme", Name: "hot", Selection: store.Selection{DeviceIDs: []string{"d1"}, Ports: []uint16{4, 1}}, Condition: above(80), For: store.Duration(5 * time.Minute),
	}))
	if !r.Enabled || r.Severity != store.SeverityWarning || r.Revision != 1 || r.UpdatedBy != "user:"+annEmail || !slices.Equal(r.Selection.Ports, []uint16{1, 4}) || r.For.String() != "5m" || r.CreatedAt != r.UpdatedAt {
		t.Errorf("made %+v", r)
	}
	got := must[client.AlertRule](t)(b.local.AlertRule(ctx, r.ID))
	if asJSON(t, got) != asJSON(t, r) {
		t.Errorf("got %+v, made %+v", got, r)
	}
	off, none := false, store.Duration(0)
	got = must[client.AlertRule](t)(b.local.UpdateAlertRule(ctx, r.ID, client.AlertRuleChange{
		Enabled: &off, For: &none, Selection: &store.Selection{}, Labels: map[string]string{"a": "b"}, Schedule: &store.Schedule{Zone: "UTC", Days: []store.Weekday{"mon"}}, Revision: 1,
	}))
	if got.Enabled || got.For != 0 || got.Revision != 2 || len(got.Selection.DeviceIDs)+len(got.Selection.Ports) != 0 || got.Labels["a"] != "b" || got.Schedule == nil || got.Name != "hot" || !strings.HasPrefix(got.UpdatedBy, "uid:") {
		t.Errorf("changed %+v", got)
	}
	_, err := ann.UpdateAlertRule(ctx, r.ID, client.AlertRuleChange{Enabled: &off, Revision: 1})
	refused(t, "a change of an old revision", err, http.StatusConflict, "conflict")
	before := b.auditEntries(t)
	got = must[client.AlertRule](t)(ann.UpdateAlertRule(ctx, r.ID, client.AlertRuleChange{Enabled: &off, Channels: []string{}, Revision: 2}))
	if got.Revision != 2 || len(b.auditEntries(t)) != len(before) {
		t.Errorf("a change that changes nothing made %+v, and %d entries", got, len(b.auditEntries(t))-len(before))
	}
	got = must[client.AlertRule](t)(ann.UpdateAlertRule(ctx, r.ID, client.AlertRuleChange{AlwaysActive: true, Labels: map[string]string{}}))
	if got.Schedule != nil || got.Labels != nil || got.Revision != 3 {
		t.Errorf("taken away: %+v", got)
	}
	if err := ann.DeleteAlertRule(ctx, r.ID); err != nil {
		t.Fatal(err)
	}
	_, err = ann.AlertRule(ctx, r.ID)
	refused(t, "a deleted rule", err, http.StatusNotFound, "not_found")
	_, err = ann.AlertRuleHistory(ctx, r.ID, client.Page{})
	refused(t, "its history", err, http.StatusNotFound, "not_found")
	var actions []string
	for _, e := range b.auditEntries(t) {
		if e.Noun == "alertrule" && e.ID == r.ID {
			if e.OrgID != "acme" {
				t.Errorf("%s is of %q", e.Action, e.OrgID)
			}
			actions = append(actions, e.Action)
		}
	}
	if want := "alertrule.create alertrule.update alertrule.update alertrule.delete"; strings.Join(actions, " ") != want {
		t.Errorf("the trail has %q, want %q", actions, want)
	}
}

func (b *box) auditEntries(t *testing.T) []store.AuditEntry {
	t.Helper()
	return must[[]store.AuditEntry](t)(b.audit.ListAudit(t.Context(), 0, 10_000))
}

// TestAlertRuleRefused: what is wrong is told with the field that it is about.
func TestAlertRuleRefused(t *testing.T) {
	b := newBox(t, func(o *Options) {
		o.Admin.o.CheckMessage = func(text string) error {
			if strings.Contains(text, "{{") {
				return store.Invalid("alert rule", "message", "has a brace too many")
			}
			return nil
		}
	}).withSample(t)
	for _, tt := range []struct {
		name, body string
		status     int
		field      string
	}{
		{"no condition", `{"orgId":"acme","name":"x"}`, 422, "body"},
		{"no organization", `{"name":"x","condition":{"kind":"changed"}}`, 422, "body"},
		{"an absent organization", `{"orgId":"nobody","name":"x","condition":{"kind":"changed"}}`, 404, ""},
		{"an absent device", `{"orgId":"acme","name":"x","condition":{"kind":"changed"},"selection":{"deviceIds":["d9"]}}`, 404, ""},
		{"an unknown kind", `{"orgId":"acme","name":"x","condition":{"kind":"hotter"}}`, 422, "body.condition.kind"},
		{"a foreign field", `{"orgId":"acme","name":"x","condition":{"kind":"changed","high":1}}`, 422, "high"},
		{"an unknown field", `{"orgId":"acme","name":"x","condition":{"kind":"changed","hi":1}}`, 422, "body.condition.hi"},
		{"no duration", `{"orgId":"acme","name":"x","condition":{"kind":"no_data","silentFor":"10 min"}}`, 422, "body.condition.silentFor"},
		{"a number for a duration", `{"orgId":"acme","name":"x","condition":{"kind":"above","high":1},"for":300}`, 422, "body.for"},
		{"too long", `{"orgId":"acme","name":"x","condition":{"kind":"above","high":1},"for":"9999d"}`, 422, "for"},
		{"changed for a while", `{"orgId":"acme","name":"x","condition":{"kind":"changed"},"for":"1m"}`, 422, "for"},
		{"an absent channel", `{"orgId":"acme","name":"x","condition":{"kind":"changed"},"channels":["ops"]}`, 422, "channels"},
		{"no zone", `{"orgId":"acme","name":"x","condition":{"kind":"changed"},"schedule":{"zone":"Mars/Base"}}`, 422, "zone"},
		{"a label", `{"orgId":"acme","name":"x","condition":{"kind":"changed"},"labels":{"a b":"c"}}`, 422, "labels"},
		{"a device twice", `{"orgId":"acme","name":"x","condition":{"kind":"changed"},"selection":{"deviceIds":["d1","d1"]}}`, 422, "selection"},
		{"a template", `{"orgId":"acme","name":"x","condition":{"kind":"changed"},"message":"{{{value}}"}`, 422, "message"},
		{"null", `{"orgId":"acme","name":"x","condition":{"kind":"changed"},"for":null}`, 400, "body"},
	} {
		resp, body := b.do(t, http.MethodPost, "/api/v1/alert-rules", b.ann(t).AccessToken, "application/json", tt.body)
		if resp.StatusCode != tt.status || tt.field != "" && !strings.Contains(body, `"location":"`+tt.field+`"`) {
			t.Errorf("%s: %d %s, want %d and the field %q", tt.name, resp.StatusCode, body, tt.status, tt.field)
		}
	}
	if l := must[client.List[client.AlertRule]](t)(b.local.AlertRules(t.Context(), client.AlertRuleQuery{})); len(l.Items) != 1 || l.Items[0].Name != store.LimitsRuleName {
		t.Errorf("there is %+v", l.Items)
	}
}

// TestOrganizationBegins: with the rule that makes a port's low and high an
// alarm, and takes its rules and channels along when it is deleted.
func TestOrganizationBegins(t *testing.T) {
	told := &refreshes{}
	b := newBox(t, told.option)
	ctx := t.Context()
	must[client.Organization](t)(b.local.CreateOrganization(ctx, client.NewOrganization{ID: "acme", Name: "Acme"}))
	l := must[client.List[client.AlertRule]](t)(b.local.AlertRules(ctx, client.AlertRuleQuery{OrgID: "acme"}))
	if len(l.Items) != 1 || l.Items[0].Name != "limits" || l.Items[0].Condition.Kind != store.CondOutside || !l.Items[0].Enabled || l.Items[0].Severity != store.SeverityWarning {
		t.Fatalf("it begins with %+v", l.Items)
	}
	limits := l.Items[0]
	low := 1.0
	must[client.Device](t)(b.local.CreateDevice(ctx, client.NewDevice{ID: "d1", OrgID: "acme", PortCount: 2}))
	port := must[client.Port](t)(b.local.SetPort(ctx, "d1", 1, client.PortChange{Low: &low}))
	if !limits.Selection.Matches(store.Device{ID: "d1", OrgID: "acme"}, store.Port{DeviceID: "d1", Number: port.Number}) {
		t.Errorf("it does not watch %+v", port)
	}
	if err := b.local.DeleteDevice(ctx, "d1"); err != nil {
		t.Fatal(err)
	}
	told.since(t, "before", "rule "+limits.ID, "device d1", "device d1", "device d1")
	must[client.Channel](t)(b.local.CreateChannel(ctx, client.NewChannel{OrgID: "acme", Name: "ops", Type: store.ChannelWebhook, Secret: "hush", Headers: map[string]string{"A": "hush"}}))
	told.since(t, "a channel", "channels")
	if err := b.local.DeleteOrganization(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	told.since(t, "the organization", "all")
	if l := must[client.List[client.AlertRule]](t)(b.local.AlertRules(ctx, client.AlertRuleQuery{})); len(l.Items) != 0 {
		t.Errorf("left is %+v", l.Items)
	}
	all := b.auditEntries(t)
	last := all[len(all)-1]
	for _, s := range []string{limits.ID, `"name":"ops"`, `"A":"` + blanked} {
		if last.Action != "organization.delete" || !strings.Contains(string(last.Before), s) {
			t.Errorf("%s %s does not tell of %s", last.Action, last.Before, s)
		}
	}
	// The rule may go, and the organization stay.
	must[client.Organization](t)(b.local.CreateOrganization(ctx, client.NewOrganization{ID: "beta", Name: "Beta"}))
	l = must[client.List[client.AlertRule]](t)(b.local.AlertRules(ctx, client.AlertRuleQuery{OrgID: "beta"}))
	if err := b.local.DeleteAlertRule(ctx, l.Items[0].ID); err != nil {
		t.Error(err)
	}
}

// TestAlertRulesAreTold of every change of what they are made of, once it is
// made.
func TestAlertRulesAreTold(t *testing.T) {
	told := &refreshes{}
	b := newBox(t, told.option).withSample(t)
	ctx := t.Context()
	told.told = nil
	r := must[client.AlertRule](t)(b.local.CreateAlertRule(ctx, client.NewAlertRule{OrgID: "acme", Name: "hot", Condition: above(80)}))
	told.since(t, "create", "rule "+r.ID)
	name := "warm"
	must[client.AlertRule](t)(b.local.UpdateAlertRule(ctx, r.ID, client.AlertRuleChange{Name: &name}))
	told.since(t, "update", "rule "+r.ID)
	if _, err := b.local.UpdateAlertRule(ctx, r.ID, client.AlertRuleChange{Channels: []string{"ch-0"}}); err == nil {
		t.Error("an absent channel is taken")
	}
	told.since(t, "a change that fails")
	must[client.Device](t)(b.local.UpdateDevice(ctx, "d1", client.DeviceChange{Tags: []string{"pump"}}))
	told.since(t, "a tag", "device d1")
	if err := b.local.DeletePort(ctx, "d1", 4); err != nil {
		t.Fatal(err)
	}
	told.since(t, "a port", "device d1")
	imported := must[client.DeviceImport](t)(b.local.ImportDevices(ctx, strings.NewReader("id,org,tags\nd2,acme,pump; hall-2\nd3,acme,\nd4,acme,no tag"), false))
	if imported.Created != 2 || imported.Failed != 1 || !strings.Contains(imported.Items[2].Error, "a tag has 1 to 64 characters") {
		t.Errorf("imported %+v", imported)
	}
	told.since(t, "an import", "all")
	b.importCSV(t, client.ImportOptions{OrgID: "acme", Create: true}, "2025-09-06T12:00:00Z,d5,1,7", "2025-09-06T12:00:00Z,d1,9,7")
	told.since(t, "readings of what is missing", "device d5", "device d1")

	told.err = errors.New("no")
	if err := b.local.DeleteAlertRule(ctx, r.ID); err == nil {
		t.Error("that the rules were not told is not told")
	}
	if _, err := b.catalog.AlertRule(ctx, r.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the change was not made: %v", err)
	}
}

func TestAlertRuleHistory(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	viewer := b.remote(t, b.key(t, "acme", nil, store.ScopeRead).Key)
	r := must[client.AlertRule](t)(b.local.CreateAlertRule(ctx, client.NewAlertRule{OrgID: "acme", Name: "hot", Condition: above(80)}))
	other := must[client.AlertRule](t)(b.local.CreateAlertRule(ctx, client.NewAlertRule{OrgID: "acme", Name: "other", Condition: above(80)}))
	cond := above(90)
	must[client.AlertRule](t)(b.local.UpdateAlertRule(ctx, other.ID, client.AlertRuleChange{Condition: &cond}))
	must[client.AlertRule](t)(b.remote(t, b.ann(t).AccessToken).UpdateAlertRule(ctx, r.ID, client.AlertRuleChange{Condition: &cond}))
	if _, err := b.local.UpdateAlertRule(ctx, r.ID, client.AlertRuleChange{EscalateTo: []string{"ch-9"}, EscalateAfter: new(store.Duration(time.Minute))}); err == nil {
		t.Error("an absent channel is taken")
	}
	var all []client.AlertRuleEdit
	err := client.All(ctx, func(ctx context.Context, p client.Page) (client.List[client.AlertRuleEdit], error) {
		p.Limit = 1
		return viewer.AlertRuleHistory(ctx, r.ID, p)
	}, func(e client.AlertRuleEdit) error { all = append(all, e); return nil })
	if err != nil || len(all) != 4 {
		t.Fatalf("%+v, %v", all, err)
	}
	if e := all[0]; e.Action != "alertrule.create" || e.Before != nil || *e.After.Condition.High != 80 || e.After.Revision != 1 || !strings.HasPrefix(e.Actor, "uid:") {
		t.Errorf("made: %+v", e)
	}
	if e := all[1]; e.Action != "alertrule.update" || *e.Before.Condition.High != 80 || *e.After.Condition.High != 90 || e.After.Revision != 2 || e.Actor != "user:"+annEmail {
		t.Errorf("changed: %+v", e)
	}
	if e := all[3]; e.Action != "alertrule.update_failed" || e.Before != nil || e.After != nil || !strings.Contains(e.Problem, `"ch-9" is not a channel of organization acme`) {
		t.Errorf("failed: %+v", e)
	}
	_, err = viewer.AlertRuleHistory(ctx, r.ID, client.Page{Cursor: "x"})
	refused(t, "a cursor of something else", err, http.StatusUnprocessableEntity, "invalid")
}

func TestDeviceTags(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	d := must[client.Device](t)(b.local.CreateDevice(ctx, client.NewDevice{ID: "d2", OrgID: "acme", Tags: []string{"pump", "hall-2"}}))
	if !slices.Equal(d.Tags, []string{"hall-2", "pump"}) {
		t.Errorf("made %q", d.Tags)
	}
	must[client.Device](t)(b.local.UpdateDevice(ctx, "d1", client.DeviceChange{Tags: []string{"pump"}}))
	ids := func(tags ...string) (out []string) {
		for _, d := range must[client.List[client.Device]](t)(b.local.Devices(ctx, client.DeviceQuery{Tags: tags})).Items {
			out = append(out, d.ID)
		}
		return out
	}
	for _, tt := range []struct{ tags, want []string }{
		{nil, []string{"d1", "d2"}},
		{[]string{"pump"}, []string{"d1", "d2"}},
		{[]string{"pump", "hall-2"}, []string{"d2"}},
		{[]string{"hall"}, nil},
	} {
		if got := ids(tt.tags...); !slices.Equal(got, tt.want) {
			t.Errorf("with %q: %q, want %q", tt.tags, got, tt.want)
		}
	}
	name := "pump 1"
	if d = must[client.Device](t)(b.local.UpdateDevice(ctx, "d2", client.DeviceChange{Name: &name})); len(d.Tags) != 2 {
		t.Errorf("renamed %+v", d)
	}
	for _, wrong := range [][]string{{"a b"}, {"a", "a"}, make([]string, 33)} {
		if _, err := b.local.UpdateDevice(ctx, "d2", client.DeviceChange{Tags: wrong}); err == nil {
			t.Errorf("%q are taken", wrong)
		}
	}
	if d = must[client.Device](t)(b.local.UpdateDevice(ctx, "d2", client.DeviceChange{Tags: []string{}})); d.Tags != nil || ids("hall-2") != nil {
		t.Errorf("without tags %+v", d)
	}
}
