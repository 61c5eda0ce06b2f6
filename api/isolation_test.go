package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
)

// The names of everything that belongs to an organization contain its id, so
// that an answer that has the word tells of it.
const (
	ownOrg     = "ours"
	foreignOrg = "theirs"
)

// caller is somebody who tries everything.
type caller struct {
	name   string
	role   store.Role
	access store.Access
}

func callers() []caller {
	key := func(name string, org string, devices []string, scopes ...store.Scope) caller {
		return caller{name: name, access: store.APIKey{OrgID: org, Scopes: scopes, DeviceIDs: devices}.Access()}
	}
	person := func(r store.Role, org string) caller { return caller{string(r), r, store.RoleAccess(r, org)} }
	return []caller{
		person(store.RoleCompanyAdmin, ""), person(store.RoleOrgAdmin, ownOrg), person(store.RoleViewer, ownOrg),
		key("key read", ownOrg, nil, store.ScopeRead), key("key write", ownOrg, nil, store.ScopeWrite),
		key("key ingest", ownOrg, nil, store.ScopeIngest), key("key admin", ownOrg, nil, store.ScopeAdmin),
		key("key read, other device", ownOrg, []string{"ours-spare"}, store.ScopeRead),
		key("key write, this device", ownOrg, []string{"ours-d1"}, store.ScopeWrite),
		key("key read, all", "", nil, store.ScopeRead), key("key admin, all", "", nil, store.ScopeAdmin),
		{name: "nothing"},
	}
}

// about says what an operation's object belongs to, and with it who sees it.
type about uint8

const (
	theBox   about = iota // no object: the policy decides
	aDevice               // or something that is a device's
	anOrg                 // or something that is an organization's
	naming                // what is changed is our own organization's; it names the object, which must be of the same
	aList                 // answers what is seen
	aBoxList              // the same, of the box
)

// trial is an operation that everybody tries on an object of either
// organization, and on one that does not exist.
type trial struct {
	op           string
	method, path string // {org}, {id} and {user} are filled in
	body         string
	kind         string // content type; JSON when empty
	is           about
	ok           int // status; 200 when 0
	// make makes an object to be used up, and answers its id; nil: the device.
	make func(w *world, org string) string
	// foreign is the status where what is named is another's, or is not; 404 when 0.
	foreign int
	// company says that only who sees all may do it, whatever the policy says.
	company bool
}

func trials() []trial {
	device := func(w *world, org string) string {
		w.made++
		id := fmt.Sprintf("%s-d1-%d", org, w.made)
		must[client.Device](w.t)(w.b.local.CreateDevice(w.t.Context(), client.NewDevice{ID: id, OrgID: org, PortCount: 1}))
		return id
	}
	// The device to be used up is not in a key's list: those trials are about the organization then.
	user := func(w *world, org string) string {
		w.made++
		u := must[client.User](w.t)(w.b.local.CreateUser(w.t.Context(), client.NewUser{
			Email: fmt.Sprintf("%s-%d@example.org", org, w.made), Password: annPassword, Role: store.RoleViewer, OrgID: org,
		}))
		return u.ID
	}
	session := func(w *world, org string) string {
		u := must[store.User](w.t)(w.b.catalog.UserByEmail(w.t.Context(), org+"@example.org"))
		n := store.Session{ID: store.NewSessionID(), UserID: u.ID, Generation: 1, CreatedAt: time.Now(), IdleUntil: time.Now().Add(time.Hour), Until: time.Now().Add(time.Hour)}
		if err := w.b.kept.CreateSession(w.t.Context(), n); err != nil {
			w.t.Fatal(err)
		}
		return n.ID
	}
	key := func(w *world, org string) string {
		w.made++
		k := must[client.APIKey](w.t)(w.b.local.CreateAPIKey(w.t.Context(), client.NewAPIKey{Name: fmt.Sprintf("%s-%d", org, w.made), OrgID: org, Scopes: []store.Scope{store.ScopeRead}}))
		return k.ID
	}
	rule := func(w *world, org string) string {
		w.made++
		return must[client.AlertRule](w.t)(w.b.local.CreateAlertRule(w.t.Context(), client.NewAlertRule{
			OrgID: org, Name: fmt.Sprintf("%s-%d", org, w.made), Condition: store.Condition{Kind: store.CondChanged},
		})).ID
	}
	channel := func(w *world, org string) string {
		w.made++
		return must[client.Channel](w.t)(w.b.local.CreateChannel(w.t.Context(), client.NewChannel{
			OrgID: org, Name: fmt.Sprintf("%s-%d", org, w.made), Type: store.ChannelWebhook, URL: "https://127.0.0.1/" + org, Secret: "of " + org,
		})).ID
	}
	event := func(w *world, org string) string { return w.alarms[org].ID }
	message := func(w *world, org string) string { return told(w.alarms[org], "ch-"+org, "").ID }
	silence := func(w *world, org string) string {
		end := store.Time(time.Now().Add(time.Hour).UnixMilli())
		return must[client.Silence](w.t)(w.b.local.CreateSilence(w.t.Context(), client.NewSilence{OrgID: org, Comment: "of " + org, EndsAt: &end})).ID
	}
	letter := func(w *world, org string) string { return w.letters[org] }
	command := func(w *world, org string) string {
		return must[client.Command](w.t)(w.b.local.SendCommand(w.t.Context(), org+"-d1", client.NewCommand{Name: "of-" + org})).ID
	}
	fresh := func(w *world, org string) string { w.made++; return fmt.Sprintf("%s-new-%d", org, w.made) }
	const csv = "text/csv"
	return []trial{
		{op: "get-me", method: "GET", path: "/me"},
		{op: "get-status", method: "GET", path: "/status", is: aBoxList},
		{op: "get-doctor", method: "GET", path: "/doctor"},
		{op: "get-settings", method: "GET", path: "/settings"},
		{op: "get-backup", method: "GET", path: "/backup", ok: 503},
		{op: "preview-retention", method: "GET", path: "/retention", ok: 503},
		{op: "apply-retention", method: "POST", path: "/retention/apply", body: `{"keepMonths":3}`, ok: 503},
		{op: "verify-audit", method: "GET", path: "/audit/verify"},
		{op: "export-audit", method: "GET", path: "/exports/audit.log"},
		{op: "list-audit", method: "GET", path: "/audit?limit=1000", is: aList},
		{op: "list-organizations", method: "GET", path: "/organizations", is: aList},
		{op: "create-organization", method: "POST", path: "/organizations", body: `{"id":"{id}","name":"x"}`, ok: 201, make: fresh},
		{op: "get-organization", method: "GET", path: "/organizations/{org}", is: anOrg},
		{op: "update-organization", method: "PATCH", path: "/organizations/{org}", body: `{"name":"x"}`, is: anOrg},
		{op: "delete-organization", method: "DELETE", path: "/organizations/{id}", is: anOrg, ok: 204, make: func(w *world, org string) string {
			id := fresh(w, org)
			must[client.Organization](w.t)(w.b.local.CreateOrganization(w.t.Context(), client.NewOrganization{ID: id, Name: "x"}))
			return id
		}},
		{op: "list-users", method: "GET", path: "/users", is: aList},
		{op: "create-user", method: "POST", path: "/users", body: `{"email":"{id}@example.org","password":"long enough","role":"viewer","orgId":"{org}"}`, is: anOrg, ok: 201, make: fresh},
		{op: "create-user", method: "POST", path: "/users", body: `{"email":"{id}@example.org","password":"long enough","role":"company-admin"}`, company: true, ok: 201, make: fresh},
		{op: "get-user", method: "GET", path: "/users/{id}", is: anOrg, make: user},
		{op: "get-user", method: "GET", path: "/users/{org}@example.org", is: anOrg},
		{op: "update-user", method: "PATCH", path: "/users/{id}", body: `{"role":"org-admin"}`, is: anOrg, make: user},
		{op: "delete-user", method: "DELETE", path: "/users/{id}", is: anOrg, ok: 204, make: user},
		{op: "create-reset-link", method: "POST", path: "/users/{id}/reset-link", is: anOrg, ok: 201, make: user},
		{op: "list-user-sessions", method: "GET", path: "/users/{org}@example.org/sessions", is: anOrg},
		{op: "end-user-session", method: "DELETE", path: "/users/{org}@example.org/sessions/{id}", is: anOrg, ok: 204, make: session},
		{op: "end-user-sessions", method: "DELETE", path: "/users/{org}@example.org/sessions", is: anOrg, ok: 204},
		{op: "list-api-keys", method: "GET", path: "/api-keys", is: aList},
		{op: "list-api-keys", method: "GET", path: "/api-keys?orgId={org}", is: aList},
		{op: "create-api-key", method: "POST", path: "/api-keys", body: `{"name":"{id}","scopes":["read"],"orgId":"{org}"}`, is: anOrg, ok: 201, make: fresh},
		{op: "create-api-key", method: "POST", path: "/api-keys", body: `{"name":"{id}","scopes":["admin"],"orgId":"{org}"}`, is: anOrg, ok: 201, make: fresh},
		{op: "get-api-key", method: "GET", path: "/api-keys/{id}", is: anOrg, make: key},
		{op: "update-api-key", method: "PATCH", path: "/api-keys/{id}", body: `{"name":"x"}`, is: anOrg, make: key},
		{op: "delete-api-key", method: "DELETE", path: "/api-keys/{id}", is: anOrg, ok: 204, make: key},
		{op: "list-devices", method: "GET", path: "/devices?includeDeleted=true&ports=true", is: aList},
		{op: "list-devices", method: "GET", path: "/devices?sort=name&order=desc&q=-d1", is: aList},
		{op: "list-users", method: "GET", path: "/users?q=example.org", is: aList},
		{op: "list-users", method: "GET", path: "/users?orgId={org}", is: anOrg},
		{op: "list-organizations", method: "GET", path: "/organizations?q=s", is: aList},
		{op: "create-device", method: "POST", path: "/devices", body: `{"id":"{id}","orgId":"{org}"}`, is: anOrg, ok: 201, make: fresh},
		{op: "import-devices", method: "POST", path: "/devices/import", kind: csv, body: "id,org\n{id},{org}\n", is: aList, make: fresh},
		{op: "import-devices", method: "POST", path: "/devices/import?dryRun=true", kind: csv, body: "id,org\n{id},{org}\n", is: aList, make: fresh},
		{op: "get-device", method: "GET", path: "/devices/{id}", is: aDevice},
		{op: "list-lifecycle", method: "GET", path: "/devices/{id}/lifecycle", is: aDevice},
		{op: "list-lifecycles", method: "GET", path: "/lifecycle", is: aList},
		{op: "list-lifecycles", method: "GET", path: "/lifecycle?orgId={org}", is: aList},
		{op: "list-commands", method: "GET", path: "/devices/{id}/commands", is: aDevice},
		{op: "send-command", method: "POST", path: "/devices/{id}/commands", body: `{"name":"of-{id}"}`, is: aDevice, ok: 201},
		{op: "get-command", method: "GET", path: "/devices/{org}-d1/commands/{id}", is: aDevice, make: command},
		{op: "withdraw-command", method: "DELETE", path: "/devices/{org}-d1/commands/{id}", is: aDevice, make: command},
		{op: "update-device", method: "PATCH", path: "/devices/{id}", body: `{"name":"x"}`, is: aDevice},
		{op: "retire-device", method: "POST", path: "/devices/{id}/retire", is: anOrg, make: device},
		{op: "delete-device", method: "DELETE", path: "/devices/{id}", is: anOrg, ok: 204, make: device},
		{op: "list-ports", method: "GET", path: "/devices/{id}/ports", is: aDevice},
		{op: "get-port", method: "GET", path: "/devices/{id}/ports/1", is: aDevice},
		{op: "set-port", method: "PUT", path: "/devices/{id}/ports/1", body: `{"unit":"V"}`, is: aDevice},
		{op: "delete-port", method: "DELETE", path: "/devices/{id}/ports/1", is: anOrg, ok: 204, make: device},
		{op: "list-calibrations", method: "GET", path: "/devices/{id}/ports/1/calibrations", is: aDevice},
		{op: "add-calibration", method: "POST", path: "/devices/{id}/ports/1/calibrations", body: `{"scaling":2,"offset":0}`, is: aDevice, ok: 201},
		{op: "list-readings", method: "GET", path: "/readings", is: aList},
		{op: "list-readings", method: "GET", path: "/readings?every=1h", is: aList},
		{op: "list-readings", method: "GET", path: "/readings?deviceId={id}&portNumber=1", is: aDevice},
		{op: "latest-readings", method: "GET", path: "/readings/latest", is: aList},
		{op: "latest-readings", method: "GET", path: "/readings/latest?deviceId={id}", is: aDevice},
		{op: "export-readings", method: "GET", path: "/exports/readings.csv", is: aList},
		{op: "export-readings", method: "GET", path: "/exports/readings.csv?deviceId={id}", is: aDevice},
		{op: "export-readings-parquet", method: "GET", path: "/exports/readings.parquet", is: aList},
		{op: "export-readings-parquet", method: "GET", path: "/exports/readings.parquet?deviceId={id}", is: aDevice},
		{op: "import-readings", method: "POST", path: "/imports/readings?orgId={org}", kind: csv, body: "ts,device,port,value\n", is: anOrg},
		{op: "list-devices", method: "GET", path: "/devices?tag=spare", is: aList},
		{op: "list-alert-rules", method: "GET", path: "/alert-rules", is: aList},
		{op: "list-alert-rules", method: "GET", path: "/alert-rules?q=s&enabled=true", is: aList},
		{op: "list-alert-rules", method: "GET", path: "/alert-rules?orgId={org}", is: anOrg},
		{op: "create-alert-rule", method: "POST", path: "/alert-rules", body: `{"name":"{id}","orgId":"{org}","condition":{"kind":"above","high":1}}`, is: anOrg, ok: 201, make: fresh},
		{op: "create-alert-rule", method: "POST", path: "/alert-rules", body: `{"name":"x","orgId":"ours","selection":{"deviceIds":["{id}"]},"condition":{"kind":"changed"}}`, is: naming, ok: 201},
		{op: "create-alert-rule", method: "POST", path: "/alert-rules", body: `{"name":"x","orgId":"ours","channels":["{id}"],"condition":{"kind":"changed"}}`, is: naming, ok: 201, foreign: http.StatusUnprocessableEntity, make: channel},
		{op: "get-alert-rule", method: "GET", path: "/alert-rules/{id}", is: anOrg, make: rule},
		{op: "update-alert-rule", method: "PATCH", path: "/alert-rules/{id}", body: `{"name":"x"}`, is: anOrg, make: rule},
		{op: "delete-alert-rule", method: "DELETE", path: "/alert-rules/{id}", is: anOrg, ok: 204, make: rule},
		{op: "list-alert-rule-history", method: "GET", path: "/alert-rules/{id}/history", is: anOrg, make: rule},
		{op: "test-alert-rule", method: "POST", path: "/alert-rules/test", body: `{"ruleId":"{id}","change":{"keepFiringFor":"1m"},"from":"2025-09-06T00:00:00Z","to":"2025-09-07T00:00:00Z"}`, is: anOrg, make: rule},
		{op: "test-alert-rule", method: "POST", path: "/alert-rules/test", body: `{"rule":{"name":"x","orgId":"{org}","condition":{"kind":"changed"}},"from":"2025-09-06T00:00:00Z","to":"2025-09-07T00:00:00Z"}`, is: anOrg},
		{op: "list-channels", method: "GET", path: "/channels", is: aList},
		{op: "list-channels", method: "GET", path: "/channels?q=s&type=webhook", is: aList},
		{op: "list-channels", method: "GET", path: "/channels?orgId={org}", is: anOrg},
		{op: "create-channel", method: "POST", path: "/channels", body: `{"name":"{id}","orgId":"{org}","type":"email"}`, is: anOrg, ok: 201, make: fresh},
		{op: "get-channel", method: "GET", path: "/channels/{id}", is: anOrg, make: channel},
		{op: "update-channel", method: "PATCH", path: "/channels/{id}", body: `{"name":"{id}"}`, is: anOrg, make: channel},
		{op: "test-channel", method: "POST", path: "/channels/{id}/test", is: anOrg, make: channel},
		{op: "preview-channel", method: "POST", path: "/channels/{id}/preview", body: `{}`, is: anOrg, make: channel},
		{op: "delete-channel", method: "DELETE", path: "/channels/{id}", is: anOrg, ok: 204, make: channel},
		{op: "list-alert-events", method: "GET", path: "/alert-events", is: aList},
		{op: "list-alert-events", method: "GET", path: "/alert-events?orgId={org}&state=firing", is: aList},
		{op: "list-alert-events", method: "GET", path: "/alert-events?deviceId={id}", is: aList},
		{op: "get-alert-event", method: "GET", path: "/alert-events/{id}", is: aDevice, make: event},
		{op: "acknowledge-alert-event", method: "POST", path: "/alert-events/{id}/acknowledge", body: `{"comment":"x"}`, is: aDevice, make: event},
		{op: "unacknowledge-alert-event", method: "POST", path: "/alert-events/{id}/unacknowledge", is: aDevice, make: event},
		{op: "comment-alert-event", method: "POST", path: "/alert-events/{id}/comments", body: `{"text":"x"}`, is: aDevice, make: event},
		{op: "list-silences", method: "GET", path: "/silences", is: aList},
		{op: "list-silences", method: "GET", path: "/silences?orgId={org}", is: aList},
		{op: "create-silence", method: "POST", path: "/silences", body: `{"orgId":"{org}","comment":"{id}","schedule":{"zone":"UTC"}}`, is: anOrg, ok: 201, make: fresh},
		{op: "create-silence", method: "POST", path: "/silences", body: `{"orgId":"{org}","comment":"x","deviceIds":["{id}"],"schedule":{"zone":"UTC"}}`, is: anOrg, ok: 201},
		{op: "get-silence", method: "GET", path: "/silences/{id}", is: anOrg, make: silence},
		{op: "delete-silence", method: "DELETE", path: "/silences/{id}", is: anOrg, ok: 204, make: silence},
		{op: "list-notifications", method: "GET", path: "/notifications", is: aList},
		{op: "list-notifications", method: "GET", path: "/notifications?orgId={org}", is: aList},
		{op: "get-notification", method: "GET", path: "/notifications/{id}", is: aDevice, make: message},
		{op: "resend-notification", method: "POST", path: "/notifications/{id}/resend", is: aDevice, make: message},
		{op: "list-dead-letters", method: "GET", path: "/dead-letters", is: aList},
		{op: "list-dead-letters", method: "GET", path: "/dead-letters?orgId={org}", is: aList},
		{op: "count-dead-letters", method: "GET", path: "/dead-letters/count", is: theBox},
		{op: "count-dead-letters", method: "GET", path: "/dead-letters/count?orgId={org}", is: theBox},
		{op: "get-dead-letter", method: "GET", path: "/dead-letters/{id}", is: aDevice, make: letter},
		{op: "replay-dead-letters", method: "POST", path: "/dead-letters/replay", body: `{"ids":["{id}"]}`, is: aList, make: letter},
		{op: "delete-dead-letters", method: "POST", path: "/dead-letters/delete", body: `{"orgId":"{org}","reason":"quota"}`, is: aList},
		{op: "get-ledger", method: "GET", path: "/ledger?by=hour", is: aList},
		{op: "get-ledger", method: "GET", path: "/ledger?by=hour&deviceId={id}", is: aDevice},
		{op: "create-ingest-credential", method: "POST", path: "/credentials/ingest", body: `{"orgId":"{org}"}`, is: anOrg, ok: 201},
	}
}

// elsewhere are operations that other tests try in everybody's name.
var elsewhere = []string{
	"login", "refresh", "accept", "setup", // open
	"logout", "list-my-sessions", "end-my-session", "end-my-other-sessions", "update-me", "change-my-password", // about oneself
	"post-telemetry", // devices' and keys' own credentials
	"live",           // TestLiveIsolation
}

// world is two organizations with the same things in them.
type world struct {
	t       *testing.T
	b       *box
	made    int
	letters map[string]string // id of a dead letter, by organization
	alarms  map[string]store.AlertEvent
}

func newWorld(t *testing.T) *world {
	d := &dispatch{}
	w := &world{t: t, b: newBox(t, withStatus, d.give(t)), letters: map[string]string{}, alarms: map[string]store.AlertEvent{}}
	ctx := t.Context()
	for _, org := range []string{ownOrg, foreignOrg} {
		must[client.Organization](t)(w.b.local.CreateOrganization(ctx, client.NewOrganization{ID: org, Name: "Org " + org}))
		for _, d := range []string{"-d1", "-spare"} {
			must[client.Device](t)(w.b.local.CreateDevice(ctx, client.NewDevice{ID: org + d, OrgID: org, SerialNumber: org + d + "-sn", PortCount: 2, Tags: []string{"spare"}}))
		}
		must[client.Channel](t)(w.b.local.CreateChannel(ctx, client.NewChannel{Name: "of " + org, OrgID: org, Type: store.ChannelWebhook, URL: "https://example.org/" + org}))
		must[client.APIKey](t)(w.b.local.CreateAPIKey(ctx, client.NewAPIKey{Name: "of " + org, OrgID: org, Scopes: []store.Scope{store.ScopeIngest}}))
		must[client.User](t)(w.b.local.CreateUser(ctx, client.NewUser{Email: org + "@example.org", Password: annPassword, Role: store.RoleOrgAdmin, OrgID: org}))
		c := w.b.importCSV(t, client.ImportOptions{OrgID: org}, "2025-09-06T12:00:00Z,"+org+"-d1,1,7", "2025-09-06T12:00:00Z,"+org+"-d1,9,7")
		if c.Stored != 1 || c.Rejected != 1 {
			t.Fatalf("%+v", c)
		}
		l := must[client.List[store.DeadLetter]](t)(w.b.local.DeadLetters(ctx, client.DeadLetterQuery{OrgID: org}))
		if len(l.Items) != 1 {
			t.Fatalf("%d dead letters of %s", len(l.Items), org)
		}
		w.letters[org] = l.Items[0].ID
		w.alarms[org] = alarm(org, org+"-d1", len(org))
		w.b.keep(t, []store.AlertEvent{w.alarms[org]}, told(w.alarms[org], "ch-"+org, store.NotificationDead))
		for _, d := range []string{"-d1", "-spare"} {
			w.b.state.AddLifecycle(w.b.registry.ByID(org+d).UID, store.LifecycleEvent{At: store.Time(time.Now().UnixMilli()), Status: store.StatusOnline, Source: store.LifecycleServer})
		}
		silence := client.NewSilence{OrgID: org, Comment: "nights", Schedule: &store.Schedule{Zone: "UTC"}}
		must[client.Silence](t)(w.b.local.CreateSilence(ctx, silence))
	}
	return w
}

// withStatus lets a server answer a status that tells of the box.
func withStatus(o *Options) {
	o.Status = func(context.Context) (Status, error) {
		return Status{Ready: true, Store: "embedded", DataDir: "/data/" + ownOrg + "-" + foreignOrg, PID: 7}, nil
	}
	o.Doctor = func(context.Context) ([]Check, error) {
		return []Check{{"server", "ok", "serves " + ownOrg + " and " + foreignOrg}}, nil
	}
	o.Settings = func() []Setting {
		return []Setting{{Key: "http.listen", Value: foreignOrg, Default: ":8080", Source: "file"}}
	}
}

// as sends a trial's request in somebody's name, nil: without credentials.
func (w *world) as(c *caller, x *trial, org, id string) (status int, body string) {
	w.t.Helper()
	fill := strings.NewReplacer("{org}", org, "{id}", id)
	r := httptest.NewRequestWithContext(w.t.Context(), x.method, "/api/v1"+fill.Replace(x.path), strings.NewReader(fill.Replace(x.body)))
	switch {
	case x.kind != "":
		r.Header.Set("Content-Type", x.kind)
	case x.body != "":
		r.Header.Set("Content-Type", "application/json")
	}
	if c != nil {
		r = r.WithContext(WithActor(r.Context(), Actor{Name: "test:" + c.name, Role: c.role, Access: c.access}))
	}
	rec := httptest.NewRecorder()
	w.b.Handler().ServeHTTP(rec, r)
	b := must[[]byte](w.t)(io.ReadAll(rec.Result().Body))
	if rec.Code == http.StatusOK && rec.Header().Get("Content-Type") == parquetType {
		return rec.Code, fmt.Sprint(readParquet(w.t, b)) // the names are compressed
	}
	return rec.Code, string(b)
}

// object answers what a trial is tried on: an id, which may be new.
func (w *world) object(x *trial, org string) string {
	if x.make != nil {
		return x.make(w, org)
	}
	return org + "-d1"
}

// want answers the status that a caller is to get for an object.
func (x *trial) want(c *caller, p policy, org string) int {
	ok := max(x.ok, http.StatusOK)
	if p.kind == mayDo && !c.access.May(p.action) || x.company && !c.access.May(store.ActionCompany) {
		return http.StatusForbidden
	}
	sees := true
	switch x.is {
	case aDevice:
		sees = c.access.SeesDevice(org, org+"-d1")
	case anOrg:
		sees = c.access.SeesOrg(org)
	case naming:
		if sees = c.access.SeesOrg(ownOrg); sees && org == foreignOrg {
			return max(x.foreign, http.StatusNotFound)
		}
	}
	if !sees {
		return http.StatusNotFound
	}
	return ok
}

// foreign answers all that the other organization has, for a comparison.
func (w *world) foreign() string {
	var out strings.Builder
	everything := &caller{access: store.Everything()}
	for _, path := range []string{
		"/organizations/theirs", "/devices?orgId=theirs&ports=true&includeDeleted=true", "/users/theirs@example.org",
		"/api-keys?orgId=theirs", "/alert-rules?orgId=theirs", "/channels?orgId=theirs", "/dead-letters?orgId=theirs", "/alert-events?orgId=theirs", "/silences?orgId=theirs", "/notifications?orgId=theirs", "/lifecycle?orgId=theirs", "/readings?deviceId=theirs-d1", "/devices/theirs-d1/commands", "/ledger?by=hour&deviceId=theirs-d1",
	} {
		status, body := w.as(everything, &trial{method: "GET", path: path}, "", "")
		fmt.Fprintln(&out, path, status, body)
	}
	return out.String()
}

// TestLetterCountIsolation: everybody counts what the list answers them, whatever
// they ask for.
func TestLetterCountIsolation(t *testing.T) {
	w := newWorld(t)
	for _, c := range callers() {
		for _, query := range []string{
			"?", "?orgId=ours&", "?orgId=theirs&", "?deviceId=ours-d1&", "?deviceId=theirs-d1&", "?reason=unknown_port&", "?reason=quota&",
			"?orgId=theirs&reason=unknown_port&from=2020-01-01T00:00:00Z&", "?to=2020-01-01T00:00:00Z&",
		} {
			listed, list := w.as(&c, &trial{method: "GET", path: "/dead-letters" + query + "limit=1000"}, "", "")
			counted, count := w.as(&c, &trial{method: "GET", path: "/dead-letters/count" + strings.TrimRight(query, "?&")}, "", "")
			if listed != counted {
				t.Errorf("%s, %s: the list answers %d, the count %d %s", c.name, query, listed, counted, count)
			}
			if listed != http.StatusOK {
				continue
			}
			var l client.List[store.DeadLetter]
			var n client.LetterCount
			if err := errors.Join(json.Unmarshal([]byte(list), &l), json.Unmarshal([]byte(count), &n)); err != nil {
				t.Fatal(err)
			}
			if int(n.Count) != len(l.Items) || n.More {
				t.Errorf("%s, %s: counts %+v, %d are listed", c.name, query, n, len(l.Items))
			}
		}
	}
}

// TestIsolation tries every operation as everybody, on objects of one's own
// organization, of another one, and on some that do not exist.
func TestIsolation(t *testing.T) {
	all := trials()
	tried := slices.Clone(elsewhere)
	for _, x := range all {
		tried = append(tried, x.op)
	}
	cells := map[string][]string{} // by operation; what each caller gets: own/foreign
	var names []string
	for _, c := range callers() {
		names = append(names, c.name)
		w := newWorld(t)
		for op := range w.b.policies {
			if !slices.Contains(tried, op) {
				t.Fatalf("nobody tries the operation %s: add it to the table", op)
			}
		}
		for i := range all {
			x := &all[i]
			cells[x.name(i)] = append(cells[x.name(i)], w.try(&c, x))
		}
	}
	var table strings.Builder
	fmt.Fprintf(&table, "own/foreign, for %s:\n", strings.Join(names, " | "))
	for i := range all {
		fmt.Fprintf(&table, "%-44s %s\n", all[i].name(i), strings.Join(cells[all[i].name(i)], " "))
	}
	t.Log(table.String())
}

func (x *trial) name(i int) string { return fmt.Sprintf("%02d %s %s", i, x.op, x.path) }

// try tries one operation as one caller and answers the two statuses.
func (w *world) try(c *caller, x *trial) string {
	t := w.t
	p := w.b.policies[x.op]
	cell := ""
	if status, _ := w.as(nil, x, ownOrg, w.object(x, ownOrg)); status != http.StatusUnauthorized {
		t.Errorf("%s without credentials: %d", x.op, status)
	}
	for _, org := range []string{ownOrg, foreignOrg} {
		if x.is == aList && !c.access.Whole() && c.access.Actions != 0 && org == foreignOrg && x.make != nil {
			w.tryListed(c, x, p)
			continue
		}
		id := w.object(x, org)
		before := ""
		changes := x.method != http.MethodGet && !c.access.AllOrgs
		if changes {
			before = w.foreign()
		}
		status, body := w.as(c, x, org, id)
		if changes && w.foreign() != before {
			t.Errorf("%s: %s of %s changed what is foreign", c.name, x.op, org)
		}
		want := x.want(c, p, org)
		if status != want {
			t.Errorf("%s: %s %s of %s: %d, want %d: %.300s", c.name, x.op, x.path, org, status, want, body)
		}
		if cell += fmt.Sprint(status); org == ownOrg {
			cell += "/"
		}
		asked := strings.Contains(x.path+x.body, "{org}") || strings.Contains(x.path+x.body, "{id}")
		if x.is >= aList && !c.access.AllOrgs && strings.Contains(body, foreignOrg) && !(asked && org == foreignOrg) {
			t.Errorf("%s: %s %s tells of what is foreign: %.600s", c.name, x.op, x.path, body)
		}
		if x.is == aList && status == http.StatusOK && c.access.SeesDevice(ownOrg, "ours-d1") && c.access.SeesOrg(ownOrg) && org == ownOrg && !asked && !strings.Contains(body, ownOrg) {
			t.Errorf("%s: %s %s does not answer what is its own: %.300s", c.name, x.op, x.path, body)
		}
		if status == http.StatusNotFound || status == x.foreign {
			w.sameAsAbsent(c, x, org, id, body)
		}
	}
	return cell
}

// tryListed tries what answers 200 with a result for each object: a foreign one
// must be treated as one that does not exist.
func (w *world) tryListed(c *caller, x *trial, p policy) {
	w.t.Helper()
	if !c.access.May(p.action) {
		if status, _ := w.as(c, x, foreignOrg, foreignOrg+"-d1"); status != http.StatusForbidden {
			w.t.Errorf("%s: %s of what is foreign: %d", c.name, x.op, status)
		}
		return
	}
	object, before := w.object(x, foreignOrg), w.foreign()
	_, got := w.as(c, x, foreignOrg, object)
	if w.foreign() != before {
		w.t.Errorf("%s: %s changed what is foreign", c.name, x.op)
	}
	absent := "absent"
	if x.op == "replay-dead-letters" {
		absent = "999999-0"
	}
	_, none := w.as(c, x, "nowhere", absent)
	if g, n := plain(got, foreignOrg, "theirs-new", w), plain(none, "nowhere", absent, w); g != n {
		w.t.Errorf("%s: %s of what is foreign answers\n%s\nand of what does not exist\n%s", c.name, x.op, g, n)
	}
}

// sameAsAbsent holds the answer about a foreign object against that about none.
func (w *world) sameAsAbsent(c *caller, x *trial, org, id, body string) {
	w.t.Helper()
	absentID := "absent"
	if x.op == "get-dead-letter" {
		absentID = "999999-0"
	}
	_, none := w.as(c, x, "nowhere", absentID)
	if x.is == naming {
		org = "nowhere" // its organization is the same for both
	}
	if g, n := plain(body, org, id, w), plain(none, "nowhere", absentID, w); g != n {
		w.t.Errorf("%s: %s of what is not seen answers\n%s\nand of what does not exist\n%s", c.name, x.op, g, n)
	}
}

// plain takes the names out of an answer that the caller has given itself.
func plain(body, org, id string, w *world) string {
	var p map[string]any
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		w.t.Fatalf("%v: %s", err, body)
	}
	for _, own := range []string{"requestId", "instance"} {
		delete(p, own)
	}
	b := must[[]byte](w.t)(json.Marshal(p))
	s := strings.NewReplacer(id, "ID", org, "ORG").Replace(string(b))
	for n := range w.made + 1 { // of a new object
		s = strings.ReplaceAll(s, fmt.Sprintf("ID-%d\"", n), "ID\"")
	}
	return s
}
