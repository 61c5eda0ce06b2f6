package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"tidegate/api/client"
	"tidegate/ingest"
	"tidegate/store"
)

// outage takes the database away from a box: readings cannot be asked, nothing
// can be changed, and the store takes nothing.
type outage struct {
	store.Readings
	Pipeline
	on atomic.Bool
}

func (o *outage) err() error {
	if o.on.Load() {
		return fmt.Errorf("ask 10.0.0.7: %w", store.ErrUnavailable)
	}
	return nil
}

func (o *outage) Scan(ctx context.Context, q store.Scan) ([]store.Row, error) {
	if err := o.err(); err != nil {
		return nil, err
	}
	return o.Readings.Scan(ctx, q)
}

func (o *outage) Aggregate(ctx context.Context, q store.Aggregation) ([]store.Bucket, error) {
	if err := o.err(); err != nil {
		return nil, err
	}
	return o.Readings.Aggregate(ctx, q)
}

func (o *outage) Latest(ctx context.Context, series []store.Series) ([]store.Sample, []bool, error) {
	if err := o.err(); err != nil {
		return nil, nil, err
	}
	return o.Readings.Latest(ctx, series)
}

func (o *outage) Trouble() string {
	if err := o.err(); err != nil {
		return err.Error()
	}
	return ""
}

func (o *outage) ReplayLetters(ctx context.Context, ids []store.LetterID, ro ingest.ReplayOptions) (stored, duplicate, rejected int, err error) {
	if err := o.err(); err != nil {
		return 0, 0, 0, err
	}
	return o.Pipeline.ReplayLetters(ctx, ids, ro)
}

func newOutageBox(t *testing.T) (*box, *outage) {
	t.Helper()
	out := &outage{}
	d := &dispatch{}
	b := newBox(t, d.give(t), func(o *Options) {
		out.Readings, out.Pipeline = o.Readings, o.Pipeline
		o.Readings, o.Pipeline = out, out
		o.Admin.o.Writable = func(context.Context) error {
			if out.on.Load() {
				return store.Unavailable("catalogue", "the database is away")
			}
			return nil
		}
	}).withSample(t)
	b.importCSV(t, client.ImportOptions{}, "1700000000000,d1,1,1", "1700000000000,d1,9,1")
	return b, out
}

// TestDatabaseAway: what needs the database answers 503 with Retry-After while
// it is away, and nothing of it is in the audit trail; the rest goes on.
func TestDatabaseAway(t *testing.T) {
	b, out := newOutageBox(t)
	token := b.ann(t).AccessToken
	letters := must[client.List[store.DeadLetter]](t)(b.local.DeadLetters(t.Context(), client.DeadLetterQuery{}))
	user := must[client.User](t)(b.local.CreateUser(t.Context(), client.NewUser{Email: "bob@example.org", Password: annPassword, Role: store.RoleCompanyAdmin}))
	before := must[client.List[store.AuditEntry]](t)(b.local.Audit(t.Context(), client.AuditQuery{Page: client.Page{Limit: 1000}}))
	out.on.Store(true)
	const js = "application/json"
	for _, c := range []struct{ method, path, contentType, body string }{
		{"GET", "/api/v1/readings", "", ""},
		{"GET", "/api/v1/readings?deviceId=d1&every=1h", "", ""},
		{"GET", "/api/v1/readings/latest", "", ""},
		{"GET", "/api/v1/exports/readings.csv", "", ""},
		{"GET", "/api/v1/exports/readings.parquet", "", ""},
		{"POST", "/api/v1/imports/readings", "text/csv", "ts,device,port,value\n1,d1,1,1\n"},
		{"POST", "/api/v1/organizations", js, `{"id":"new","name":"New"}`},
		{"PATCH", "/api/v1/organizations/acme", js, `{"name":"New"}`},
		{"DELETE", "/api/v1/organizations/acme", "", ""},
		{"POST", "/api/v1/users", js, `{"email":"x@example.org","password":"long enough","role":"company-admin"}`},
		{"PATCH", "/api/v1/users/" + user.ID, js, `{"password":"long enough too"}`},
		{"DELETE", "/api/v1/users/" + user.ID, "", ""},
		{"POST", "/api/v1/devices", js, `{"orgId":"acme","id":"d2"}`},
		{"PATCH", "/api/v1/devices/d1", js, `{"name":"x"}`},
		{"POST", "/api/v1/devices/d1/retire", "", ""},
		{"DELETE", "/api/v1/devices/d1", "", ""},
		{"POST", "/api/v1/devices/import", "text/csv", "id,org,serial,secret,ports\nd3,acme,,,1\n"},
		{"PUT", "/api/v1/devices/d1/ports/1", js, `{"name":"x"}`},
		{"PUT", "/api/v1/devices/d1/ports/7", js, `{"name":"y"}`},
		{"PUT", "/api/v1/devices/d1/ports/1", js, `{"scaling":3}`},
		{"DELETE", "/api/v1/devices/d1/ports/1", "", ""},
		{"POST", "/api/v1/devices/d1/ports/1/calibrations", js, `{"scaling":2}`},
	} {
		resp, body := b.do(t, c.method, c.path, token, c.contentType, c.body)
		var p Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != http.StatusServiceUnavailable || p.Code != "unavailable" ||
			resp.Header.Get("Retry-After") == "" || resp.Header.Get("Content-Type") != "application/problem+json" || strings.Contains(body, "10.0.0.7") {
			t.Errorf("%s %s: %d, Retry-After %q, %s", c.method, c.path, resp.StatusCode, resp.Header.Get("Retry-After"), body)
		}
	}
	after := must[client.List[store.AuditEntry]](t)(b.local.Audit(t.Context(), client.AuditQuery{Page: client.Page{Limit: 1000}}))
	for _, e := range after.Items[len(before.Items):] {
		t.Errorf("the trail has %s %s, and nothing was made", e.Action, e.ID)
	}

	for _, path := range []string{
		"/healthz", "/readyz", "/api/v1/me", "/api/v1/organizations", "/api/v1/users", "/api/v1/devices", "/api/v1/devices/d1",
		"/api/v1/devices/d1/ports", "/api/v1/dead-letters", "/api/v1/ledger", "/api/v1/ledger?by=hour", "/api/v1/audit", "/api/v1/audit/verify",
	} {
		if resp, body := b.do(t, "GET", path, token, "", ""); resp.StatusCode != http.StatusOK {
			t.Errorf("GET %s while the database is away: %d %s", path, resp.StatusCode, body)
		}
	}
	if l := b.ann(t); l.AccessToken == "" {
		t.Error("nobody can log in")
	}
	must[string](t)(b.remote(t, "").PostTelemetry(t.Context(), "d1", "S", "", []byte(`{"readings":[{"port":2,"value":1}]}`)))

	c := must[client.Command](t)(b.remote(t, token).SendCommand(t.Context(), "d1", client.NewCommand{Name: "stop"}))
	must[client.List[client.Command]](t)(b.local.Commands(t.Context(), client.CommandQuery{DeviceID: "d1"}))
	if c = must[client.Command](t)(b.remote(t, token).WithdrawCommand(t.Context(), "d1", c.ID)); c.State != store.CommandExpired {
		t.Errorf("a command while the database is away: %+v", c)
	}

	// A replay says so too, and the trail that it failed.
	resp, body := b.do(t, "POST", "/api/v1/dead-letters/replay", token, js, `{"ids":["`+letters.Items[0].ID+`"]}`)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
		t.Errorf("replay: %d %s", resp.StatusCode, body)
	}

	out.on.Store(false)
	if resp, body := b.do(t, "GET", "/api/v1/readings", token, "", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("readings once it is back: %d %s", resp.StatusCode, body)
	}
	must[client.Organization](t)(b.local.CreateOrganization(t.Context(), client.NewOrganization{ID: "new", Name: "New"}))
}

// vague is a catalogue of which nobody knows what became of a change.
type vague struct{ store.Catalog }

func (vague) CreateOrganization(context.Context, store.Organization) error {
	return fmt.Errorf("%w: no reply: %w", store.ErrUncertain, store.ErrUnavailable)
}

// TestUncertainChange: when the database goes away in the middle of a change
// neither the answer nor the trail says that it was not made.
func TestUncertainChange(t *testing.T) {
	b := newBox(t, func(o *Options) { o.Admin.o.Catalog = vague{o.Admin.o.Catalog} })
	_, err := b.local.CreateOrganization(t.Context(), client.NewOrganization{ID: "acme", Name: "Acme"})
	var p *client.Problem
	if !errors.As(err, &p) || p.Status != http.StatusServiceUnavailable || p.Code != "uncertain" || p.RetryAfter == 0 || !strings.Contains(p.Detail, "look whether") {
		t.Errorf("answer %v", err)
	}
	trail := must[client.List[store.AuditEntry]](t)(b.local.Audit(t.Context(), client.AuditQuery{Page: client.Page{Limit: 10}}))
	if len(trail.Items) != 2 || trail.Items[0].Action != "organization.create" || trail.Items[1].Action != "organization.create_uncertain" {
		t.Errorf("trail %+v", trail.Items)
	}
}
