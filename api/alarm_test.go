package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
	"tidegate/store/embedded"
)

// watchman changes episodes as whoever runs the rules does, and queues
// notifications: over the real file, one change at a time.
type watchman struct {
	mu       sync.Mutex
	alerts   *embedded.Alerts
	now      func() time.Time
	silenced int   // how often it was told that silences changed
	fails    error // nil: it does not
}

func (w *watchman) change(ctx context.Context, id string, fn func(*store.AlertEvent)) (store.AlertEvent, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fails != nil {
		return store.AlertEvent{}, w.fails
	}
	e, err := w.alerts.AlertEvent(ctx, id)
	if err != nil {
		return e, err
	}
	fn(&e)
	return e, w.alerts.Commit(ctx, store.AlertCommit{Events: []store.AlertEvent{e}})
}

func (w *watchman) Acknowledge(ctx context.Context, id, by, comment string) (store.AlertEvent, error) {
	return w.change(ctx, id, func(e *store.AlertEvent) {
		e.Acknowledged = &store.Acknowledgement{By: by, At: at(w.now()), Comment: comment}
	})
}

func (w *watchman) Unacknowledge(ctx context.Context, id, _ string) (store.AlertEvent, error) {
	return w.change(ctx, id, func(e *store.AlertEvent) { e.Acknowledged = nil })
}

func (w *watchman) Comment(ctx context.Context, id, by, text string) (store.AlertEvent, error) {
	return w.change(ctx, id, func(e *store.AlertEvent) {
		e.Comments = append(e.Comments, store.Comment{By: by, At: at(w.now()), Text: text})
	})
}

func (w *watchman) SilencesChanged(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.silenced++
	return w.fails
}

func (w *watchman) Resend(ctx context.Context, id string) (store.Notification, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.alerts.Notification(ctx, id)
	if err != nil {
		return n, err
	}
	if n.State == store.NotificationQueued {
		return n, store.Conflict("notification", id, "waits still")
	}
	n.ID, n.Cause, n.State = store.NotificationID(n.Event.ID, n.ChannelID, store.CauseResend, 1), store.CauseResend, store.NotificationQueued
	n.CreatedAt, n.Attempts, n.LastError, n.DeliveredAt, n.DeliveryID = at(w.now()), 0, "", nil, ""
	return n, w.alerts.PutNotifications(ctx, []store.Notification{n})
}

// openAlarms opens what remembers alarms, without a limit of age.
func openAlarms(t testing.TB, dir string) *embedded.Alerts {
	t.Helper()
	return must[*embedded.Alerts](t)(embedded.OpenAlerts(filepath.Join(dir, "alerts.db"), embedded.AlertsOptions{KeepFor: 100 * 365 * 24 * time.Hour}))
}

// withAlarms lets a server have what changes alarms.
func (b *box) withAlarms(o *Options) {
	b.watchman = &watchman{alerts: b.alerts, now: time.Now}
	o.Alarms, o.Episodes, o.Resender = b.alerts, b.watchman, b.watchman
}

// alarm answers an episode that began so many seconds into the day.
func alarm(org, device string, second int) store.AlertEvent {
	began := store.Time(exampleTime.Add(time.Duration(second) * time.Second).UnixMilli())
	first, worst, worstAt := 80.5, 84.0, began+60_000
	return store.AlertEvent{
		ID: store.AlertEventID("rule-0123456789abcdef", store.Series{UID: uint32(len(device)), Port: 1}, int64(began)), RuleID: "rule-0123456789abcdef",
		RuleName: "Boiler too hot", Revision: 1, OrgID: org, DeviceID: device, PortNumber: 1, PortName: "Voltage", Unit: "V", Kind: store.CondAbove,
		Severity: store.SeverityWarning, Labels: map[string]string{"site": "north"}, State: store.AlertFiring, StartedAt: began, FiredAt: began + 300_000,
		First: &first, Worst: &worst, WorstAt: &worstAt, Last: &worst, Message: "Voltage of " + device + " is 84 V, above 80 V",
	}
}

// told answers what a channel was told of an episode.
func told(e store.AlertEvent, channel string, s store.NotificationState) store.Notification {
	n := store.Notification{
		ID: store.NotificationID(e.ID, channel, store.CauseFiring, 0), OrgID: e.OrgID, ChannelID: channel, Cause: store.CauseFiring, Event: e, State: s,
		CreatedAt: e.FiredAt, NotBefore: e.FiredAt, ExpiresAt: e.FiredAt + 86_400_000, DeliveryID: "dl-1", Attempts: 1,
	}
	if s == store.NotificationDelivered {
		when := e.FiredAt + 20
		n.DeliveredAt = &when
	}
	return n
}

func (b *box) keep(t testing.TB, events []store.AlertEvent, told ...store.Notification) {
	t.Helper()
	if err := b.alerts.Commit(t.Context(), store.AlertCommit{Events: events, Notifications: told}); err != nil {
		t.Fatal(err)
	}
}

func eventIDs(l client.List[store.AlertEvent]) (ids []string) {
	for _, e := range l.Items {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestAlertEvents(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx, c := t.Context(), b.local
	one, two, three := alarm("acme", "d1", 0), alarm("acme", "d22", 1), alarm("acme", "d1", 2)
	end, inf := three.FiredAt+1000, math.Inf(1)
	three.State, three.ResolvedAt, three.End, three.Severity, three.Worst = store.AlertResolved, &end, store.EndCleared, store.SeverityCritical, &inf
	two.State = store.AlertRecovering
	b.keep(t, []store.AlertEvent{one, two, three})
	no := false
	for _, tt := range []struct {
		name string
		q    client.AlertEventQuery
		want []string
	}{
		{"all", client.AlertEventQuery{}, []string{three.ID, two.ID, one.ID}},
		{"page", client.AlertEventQuery{Page: client.Page{Limit: 1, Cursor: three.ID}}, []string{two.ID}},
		{"open", client.AlertEventQuery{States: []store.AlertState{"firing", "recovering"}}, []string{two.ID, one.ID}},
		{"org", client.AlertEventQuery{OrgID: "acme", Severity: store.SeverityWarning, Acknowledged: &no}, []string{two.ID, one.ID}},
		{"another org", client.AlertEventQuery{OrgID: "other"}, nil},
		{"device", client.AlertEventQuery{DeviceID: "d1", RuleID: one.RuleID}, []string{three.ID, one.ID}},
		{"no such rule", client.AlertEventQuery{RuleID: "rule-x"}, nil},
		{"times", client.AlertEventQuery{From: two.StartedAt.Time(), To: three.StartedAt.Time()}, []string{two.ID}},
	} {
		l := must[client.List[store.AlertEvent]](t)(c.AlertEvents(ctx, tt.q))
		if got := eventIDs(l); !slices.Equal(got, tt.want) || (l.NextCursor != "") != (tt.name == "page") {
			t.Errorf("%s: %v, next %q, want %v", tt.name, got, l.NextCursor, tt.want)
		}
	}
	if e := must[store.AlertEvent](t)(c.AlertEvent(ctx, three.ID)); e.Worst != nil || *e.First != 80.5 || e.State != store.AlertResolved || *e.ResolvedAt != end {
		t.Errorf("an alarm whose worst value is no number: %+v", e)
	}

	ann := b.remote(t, b.ann(t).AccessToken)
	e := must[store.AlertEvent](t)(ann.AcknowledgeAlertEvent(ctx, one.ID, client.AlertAcknowledgement{Comment: "on my way"}))
	if a := e.Acknowledged; a == nil || a.By != "user:ann@example.org" || a.Comment != "on my way" || e.Message != one.Message {
		t.Errorf("acknowledged: %+v", e)
	}
	e = must[store.AlertEvent](t)(ann.CommentAlertEvent(ctx, one.ID, client.AlertComment{Text: "the pump"}))
	if len(e.Comments) != 1 || e.Comments[0].Text != "the pump" || e.Comments[0].By != "user:ann@example.org" || e.Acknowledged == nil {
		t.Errorf("commented: %+v", e)
	}
	yes := true
	if l := must[client.List[store.AlertEvent]](t)(c.AlertEvents(ctx, client.AlertEventQuery{Acknowledged: &yes})); !slices.Equal(eventIDs(l), []string{one.ID}) {
		t.Errorf("acknowledged: %v", eventIDs(l))
	}
	if e = must[store.AlertEvent](t)(c.UnacknowledgeAlertEvent(ctx, one.ID)); e.Acknowledged != nil || len(e.Comments) != 1 {
		t.Errorf("unacknowledged: %+v", e)
	}
	if resp, body := b.do(t, http.MethodPost, "/api/v1/alert-events/"+one.ID+"/acknowledge", b.ann(t).AccessToken, "", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("acknowledged without a body: %d %s", resp.StatusCode, body)
	}
	var trail []string
	entries, err := b.audit.ListAudit(ctx, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range entries {
		if a.Noun == "alert event" {
			trail = append(trail, fmt.Sprint(a.Action, " ", a.Actor, " ", a.OrgID, " ", string(a.After)))
		}
	}
	want := []string{
		`alertevent.acknowledge user:ann@example.org acme {"comment":"on my way"}`, `alertevent.comment user:ann@example.org acme {"text":"the pump"}`,
		fmt.Sprintf(`alertevent.unacknowledge %s acme `, entries[0].Actor), `alertevent.acknowledge user:ann@example.org acme {}`,
	}
	if !slices.Equal(trail, want) {
		t.Errorf("the trail has\n%s\nwant\n%s", strings.Join(trail, "\n"), strings.Join(want, "\n"))
	}
}

func TestAlertEventsRefused(t *testing.T) {
	b := newBox(t).withSample(t)
	full := alarm("acme", "d1", 0)
	for range maxComments {
		full.Comments = append(full.Comments, store.Comment{By: "ann", Text: "x"})
	}
	b.keep(t, []store.AlertEvent{full}, told(full, "ch-ops", store.NotificationQueued))
	token := b.ann(t).AccessToken
	event := "/api/v1/alert-events/" + full.ID
	for _, tt := range []struct {
		name, method, path, body string
		want                     int
		says                     string
	}{
		{"state", "GET", "/api/v1/alert-events?state=pending", "", 422, "query.state"},
		{"severity", "GET", "/api/v1/alert-events?severity=high", "", 422, "query.severity"},
		{"times", "GET", "/api/v1/alert-events?from=yesterday", "", 422, "query.from"},
		{"absent", "GET", "/api/v1/alert-events/ev-1", "", 404, "not found"},
		{"absent, acknowledged", "POST", "/api/v1/alert-events/ev-1/acknowledge", "", 404, "not found"},
		{"long comment", "POST", event + "/comments", `{"text":"` + strings.Repeat("x", 2001) + `"}`, 422, "text"},
		{"no text", "POST", event + "/comments", `{"text":""}`, 422, "text"},
		{"enough comments", "POST", event + "/comments", `{"text":"x"}`, 409, "200 comments"},
		{"a notification that waits", "POST", "/api/v1/notifications/" + told(full, "ch-ops", "").ID + "/resend", "", 409, "waits still"},
		{"a notification's state", "GET", "/api/v1/notifications?state=sent", "", 422, "query.state"},
		{"a notification's cursor", "GET", "/api/v1/notifications?cursor=nt-1", "", 422, "begin anew"},
		{"no end", "POST", "/api/v1/silences", `{"orgId":"acme","comment":"x"}`, 422, "endsAt"},
		{"over", "POST", "/api/v1/silences", `{"orgId":"acme","comment":"x","startsAt":"2020-01-01T00:00:00Z","endsAt":"2020-01-02T00:00:00Z"}`, 422, "is over already"},
		{"backwards", "POST", "/api/v1/silences", `{"orgId":"acme","comment":"x","startsAt":"2999-01-03T00:00:00Z","endsAt":"2999-01-02T00:00:00Z"}`, 422, "behind startsAt"},
		{"no comment", "POST", "/api/v1/silences", `{"orgId":"acme","comment":" ","endsAt":"2999-01-02T00:00:00Z"}`, 422, "comment"},
		{"organization", "POST", "/api/v1/silences", `{"orgId":"other","comment":"x","endsAt":"2999-01-02T00:00:00Z"}`, 404, "organization"},
		{"device", "POST", "/api/v1/silences", `{"orgId":"acme","comment":"x","deviceIds":["d1","d2"],"endsAt":"2999-01-02T00:00:00Z"}`, 404, "d2"},
		{"zone", "POST", "/api/v1/silences", `{"orgId":"acme","comment":"x","schedule":{"zone":"Mars"}}`, 422, "zone"},
		{"hours", "POST", "/api/v1/silences", `{"orgId":"acme","comment":"x","schedule":{"from":"7:30","to":"08:00","zone":"UTC"}}`, 422, "07:30"},
		{"day", "POST", "/api/v1/silences", `{"orgId":"acme","comment":"x","schedule":{"days":["monday"],"zone":"UTC"}}`, 422, "days"},
		{"a day that is none", "POST", "/api/v1/silences", `{"orgId":"acme","comment":"x","schedule":{"days":[{}],"zone":"UTC"}}`, 422, "days"},
		{"a device that is none", "POST", "/api/v1/silences", `{"orgId":"acme","comment":"x","deviceIds":[[]],"schedule":{"zone":"UTC"}}`, 422, "deviceIds"},
		{"a day twice", "POST", "/api/v1/silences", `{"orgId":"acme","comment":"x","schedule":{"days":["sat","sat"],"zone":"UTC"}}`, 422, "twice"},
		{"absent silence", "DELETE", "/api/v1/silences/sil-1", "", 404, "not found"},
	} {
		kind := ""
		if tt.body != "" {
			kind = "application/json"
		}
		if resp, body := b.do(t, tt.method, tt.path, token, kind, tt.body); resp.StatusCode != tt.want || !strings.Contains(body, tt.says) {
			t.Errorf("%s: %d %.300s, want %d with %q", tt.name, resp.StatusCode, body, tt.want, tt.says)
		}
	}
	b.watchman.fails = errors.New("the rules are stuck")
	if resp, _ := b.do(t, "POST", event+"/acknowledge", token, "", ""); resp.StatusCode != http.StatusInternalServerError {
		t.Errorf("what changes alarms fails: %d", resp.StatusCode)
	}
}

// TestAlarmsWithout: what needs a part that is not there says so.
func TestAlarmsWithout(t *testing.T) {
	b := newBox(t, func(o *Options) { o.Episodes, o.Resender = nil, nil }).withSample(t)
	e := alarm("acme", "d1", 0)
	b.keep(t, []store.AlertEvent{e}, told(e, "ch-ops", store.NotificationDead))
	token := b.ann(t).AccessToken
	for path, want := range map[string]int{
		"/alert-events/" + e.ID + "/acknowledge":                 http.StatusServiceUnavailable,
		"/alert-events/" + e.ID + "/unacknowledge":               http.StatusServiceUnavailable,
		"/notifications/" + told(e, "ch-ops", "").ID + "/resend": http.StatusServiceUnavailable,
	} {
		if resp, body := b.do(t, http.MethodPost, "/api/v1"+path, token, "", ""); resp.StatusCode != want || !strings.Contains(body, "this server") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	end := store.Time(time.Now().Add(time.Hour).UnixMilli())
	n := must[client.Silence](t)(b.local.CreateSilence(t.Context(), client.NewSilence{OrgID: "acme", Comment: "c", EndsAt: &end}))
	if err := b.local.DeleteSilence(t.Context(), n.ID); err != nil {
		t.Error(err)
	}

	b = newBox(t, func(o *Options) { o.Alarms = nil }).withSample(t)
	token = b.ann(t).AccessToken
	for _, path := range []string{"/alert-events", "/alert-events/x", "/silences", "/silences/x", "/notifications", "/notifications/x"} {
		if resp, body := b.do(t, http.MethodGet, "/api/v1"+path, token, "", ""); resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "keeps none") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	if err := b.local.DeleteDevice(t.Context(), "d1"); err != nil {
		t.Fatal(err)
	}
	if err := b.local.DeleteOrganization(t.Context(), "acme"); err != nil {
		t.Error(err)
	}
}

func TestSilences(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx, c := t.Context(), b.local
	end := store.Time(time.Now().Add(2 * time.Hour).UnixMilli())
	one := must[client.Silence](t)(c.CreateSilence(ctx, client.NewSilence{
		OrgID: "acme", Comment: "the pump is serviced", DeviceIDs: []string{"d1"}, RuleIDs: []string{"rule-1"}, Labels: map[string]string{"site": "north"}, EndsAt: &end,
	}))
	if time.Since(one.StartsAt.Time()) > time.Hour || one.StartsAt != one.CreatedAt || *one.EndsAt != end || one.CreatedBy == "" || !strings.HasPrefix(one.ID, "sil-") {
		t.Errorf("made: %+v", one)
	}
	night := &store.Schedule{Days: []store.Weekday{"sat", "sun"}, From: "22:00", To: "06:00", Zone: "Europe/Berlin"}
	two := must[client.Silence](t)(c.CreateSilence(ctx, client.NewSilence{OrgID: "acme", Comment: "weekends", Schedule: night}))
	if two.EndsAt != nil || fmt.Sprint(*two.Schedule) != fmt.Sprint(*night) {
		t.Errorf("made: %+v", two)
	}
	all := map[string]client.Silence{one.ID: one, two.ID: two}
	first := must[client.List[client.Silence]](t)(c.Silences(ctx, client.SilenceQuery{OrgID: "acme", Page: client.Page{Limit: 1}}))
	rest := must[client.List[client.Silence]](t)(c.Silences(ctx, client.SilenceQuery{Page: client.Page{Cursor: first.NextCursor}}))
	if len(first.Items) != 1 || len(rest.Items) != 1 || rest.NextCursor != "" {
		t.Fatalf("%+v, then %+v", first, rest)
	}
	for _, n := range append(first.Items, rest.Items...) {
		if fmt.Sprint(n.Comment, n.DeviceIDs, n.RuleIDs, n.Labels) != fmt.Sprint(all[n.ID].Comment, all[n.ID].DeviceIDs, all[n.ID].RuleIDs, all[n.ID].Labels) {
			t.Errorf("listed: %+v", n)
		}
	}
	if n := must[client.Silence](t)(c.Silence(ctx, one.ID)); n.Comment != one.Comment {
		t.Errorf("got: %+v", n)
	}
	if err := c.DeleteSilence(ctx, one.ID); err != nil {
		t.Fatal(err)
	}
	if n := b.watchman.silenced; n != 3 {
		t.Errorf("the rules were told %d times of 3 changes", n)
	}
	b.watchman.fails = errors.New("stuck")
	if _, err := c.CreateSilence(ctx, client.NewSilence{OrgID: "acme", Comment: "x", EndsAt: &end}); err == nil {
		t.Error("nobody says that the rules do not know of a silence")
	}
	b.watchman.fails = nil

	// They go with their organization: another one may get its id.
	if err := c.DeleteDevice(ctx, "d1"); err != nil {
		t.Fatal(err)
	}
	if err := c.DeleteOrganization(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	if l := must[client.List[client.Silence]](t)(c.Silences(ctx, client.SilenceQuery{})); len(l.Items) != 0 {
		t.Errorf("left: %+v", l.Items)
	}
}

func TestNotifications(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx, c := t.Context(), b.local
	e, other := alarm("acme", "d1", 0), alarm("acme", "d1", 1)
	sent, dead := told(e, "ch-ops", store.NotificationDelivered), told(other, "ch-night", store.NotificationDead)
	dead.LastError = "550 5.1.1 <bob@example.org>: rejected; see https://mail.example.org/x?token=secret, or call +49 170 1234567"
	b.keep(t, []store.AlertEvent{e, other}, sent, dead)
	for _, tt := range []struct {
		name string
		q    client.NotificationQuery
		want []string
	}{
		{"all", client.NotificationQuery{}, []string{dead.ID, sent.ID}},
		{"channel", client.NotificationQuery{ChannelID: "ch-ops"}, []string{sent.ID}},
		{"event", client.NotificationQuery{EventID: other.ID}, []string{dead.ID}},
		{"state", client.NotificationQuery{States: []store.NotificationState{"dead", "queued"}}, []string{dead.ID}},
		{"org", client.NotificationQuery{OrgID: "other"}, nil},
		{"next page", client.NotificationQuery{Page: client.Page{Cursor: dead.ID}}, []string{sent.ID}},
	} {
		var got []string
		for _, n := range must[client.List[client.Notification]](t)(c.Notifications(ctx, tt.q)).Items {
			got = append(got, n.ID)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	n := must[client.Notification](t)(c.Notification(ctx, dead.ID))
	if n.EventID != other.ID || n.Event.Message != other.Message || n.State != store.NotificationDead || n.LastError != "550 5.1.1 <…@…>: rejected; see https://… or call …" {
		t.Errorf("dead: %+v", n)
	}
	again := must[client.Notification](t)(c.ResendNotification(ctx, dead.ID))
	if again.ID == dead.ID || again.State != store.NotificationQueued || again.ChannelID != "ch-night" || again.EventID != other.ID {
		t.Errorf("again: %+v", again)
	}
	entries, err := b.audit.ListAudit(ctx, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if a := entries[len(entries)-1]; a.Action != "notification.resend" || a.ID != dead.ID || a.OrgID != "acme" {
		t.Errorf("the trail ends with %+v", a)
	}
}

// TestAlarmsOfDevices: a key of single devices sees their alarms, and what was
// told of them, alone.
func TestAlarmsOfDevices(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	must[client.Device](t)(b.local.CreateDevice(ctx, client.NewDevice{ID: "d22", OrgID: "acme", PortCount: 1}))
	mine, other := alarm("acme", "d1", 0), alarm("acme", "d22", 1)
	b.keep(t, []store.AlertEvent{mine, other}, told(mine, "ch-ops", store.NotificationQueued), told(other, "ch-ops", store.NotificationQueued))
	k := must[client.APIKey](t)(b.local.CreateAPIKey(ctx, client.NewAPIKey{Name: "one", OrgID: "acme", Scopes: []store.Scope{store.ScopeWrite}, DeviceIDs: []string{"d1"}}))
	c := b.remote(t, k.Key)
	if l := must[client.List[store.AlertEvent]](t)(c.AlertEvents(ctx, client.AlertEventQuery{})); !slices.Equal(eventIDs(l), []string{mine.ID}) {
		t.Errorf("alarms: %v", eventIDs(l))
	}
	if l := must[client.List[client.Notification]](t)(c.Notifications(ctx, client.NotificationQuery{})); len(l.Items) != 1 || l.Items[0].EventID != mine.ID {
		t.Errorf("notifications: %+v", l.Items)
	}
	must[store.AlertEvent](t)(c.AcknowledgeAlertEvent(ctx, mine.ID, client.AlertAcknowledgement{}))
	_, err1 := c.AlertEvent(ctx, other.ID)
	_, err2 := c.AcknowledgeAlertEvent(ctx, other.ID, client.AlertAcknowledgement{})
	_, err3 := c.Notification(ctx, told(other, "ch-ops", "").ID)
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("of another device: %v", err)
		}
	}
}
