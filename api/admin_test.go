package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
)

func ptr[T any](v T) *T { return &v }

func TestOrganizations(t *testing.T) {
	b := newBox(t)
	ctx := t.Context()
	for _, id := range []string{"c", "a", "b"} {
		must[client.Organization](t)(b.local.CreateOrganization(ctx, client.NewOrganization{ID: id, Name: "Org " + id}))
	}
	var ids []string
	list := func(ctx context.Context, p client.Page) (client.List[client.Organization], error) {
		p.Limit = 2
		return b.local.Organizations(ctx, p)
	}
	err := client.All(ctx, list, func(o client.Organization) error { ids = append(ids, o.ID); return nil })
	if err != nil || !slices.Equal(ids, []string{"a", "b", "c"}) {
		t.Errorf("ids %v, %v", ids, err)
	}
	o := must[client.Organization](t)(b.local.UpdateOrganization(ctx, "a", client.OrganizationChange{Name: ptr("Renamed")}))
	if got := must[client.Organization](t)(b.local.Organization(ctx, "a")); got != o || got.Name != "Renamed" {
		t.Errorf("organization %+v, want %+v", got, o)
	}
	must[client.Device](t)(b.local.CreateDevice(ctx, client.NewDevice{ID: "d1", OrgID: "a"}))
	if err := b.local.DeleteOrganization(ctx, "a"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("deleting one with devices: %v", err)
	}
	if err := b.local.DeleteOrganization(ctx, "c"); err != nil {
		t.Error(err)
	}
	if _, err := b.local.Organization(ctx, "c"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted: %v", err)
	}
}

func TestUsers(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	u := must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "Bob@example.org", Password: annPassword, Role: store.RoleOrgAdmin, OrgID: "acme"}))
	if got := must[client.User](t)(b.local.User(ctx, "bob@EXAMPLE.org")); got != u {
		t.Errorf("by address %+v, want %+v", got, u)
	}
	if got := must[client.User](t)(b.local.User(ctx, u.ID)); got != u {
		t.Errorf("by id %+v, want %+v", got, u)
	}
	if _, err := b.local.CreateUser(ctx, client.NewUser{Email: "bob@example.org", Password: annPassword, Role: store.RoleCompanyAdmin}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the same address again: %v", err)
	}
	if _, err := b.local.CreateUser(ctx, client.NewUser{Email: "c@example.org", Password: annPassword, Role: store.RoleViewer, OrgID: "none"}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of an absent organization: %v", err)
	}
	if l := must[client.List[client.User]](t)(b.local.Users(ctx, client.Page{})); len(l.Items) != 2 {
		t.Errorf("%d users", len(l.Items))
	}
}

func TestDevices(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	d := must[client.Device](t)(b.local.CreateDevice(ctx, client.NewDevice{
		OrgID: "acme", SerialNumber: "SN2", PortNames: []string{"Voltage", "Current"}, AcceptPast: "90d", AssumeZone: "Europe/Berlin",
	}))
	if d.ID != "SN2" || len(d.Secret) < 20 || len(d.Ports) != 2 || d.Ports[1].Name != "Current" || d.Ports[1].Number != 2 || d.AcceptPast != "2160h0m0s" || d.AcceptAhead != "5m0s" || !d.HasSecret {
		t.Errorf("device %+v", d)
	}
	post := func(name, secret string) error {
		_, err := b.remote(t, "").PostTelemetry(ctx, name, secret, "", []byte(`{"readings":[{"port":1,"value":1}]}`))
		return err
	}
	if err := post("SN2", d.Secret); err != nil {
		t.Errorf("with the secret that was made: %v", err)
	}
	if got := must[client.Device](t)(b.local.Device(ctx, "SN2")); got.Secret != "" {
		t.Error("the secret is answered again")
	}

	rotated := must[client.Device](t)(b.local.UpdateDevice(ctx, "SN2", client.DeviceChange{RotateSecret: true}))
	if rotated.Secret == "" || rotated.Secret == d.Secret || post("SN2", d.Secret) == nil || post("SN2", rotated.Secret) != nil {
		t.Errorf("after rotation: %+v", rotated)
	}
	swapped := must[client.Device](t)(b.local.UpdateDevice(ctx, "SN2", client.DeviceChange{SerialNumber: ptr("SN3"), Name: ptr("Meter"), AcceptPast: ptr("default")}))
	if swapped.SerialNumber != "SN3" || swapped.ID != "SN2" || swapped.AcceptPast != "720h0m0s" || post("SN3", rotated.Secret) != nil {
		t.Errorf("after the swap: %+v", swapped)
	}
	if _, err := b.local.UpdateDevice(ctx, "SN2", client.DeviceChange{SerialNumber: ptr("d1")}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a serial number that is another's id: %v", err)
	}
	if _, err := b.local.UpdateDevice(ctx, "SN2", client.DeviceChange{RotateSecret: true, Secret: ptr("x")}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("two secrets: %v", err)
	}

	if got := must[client.Device](t)(b.local.RetireDevice(ctx, "SN2")); got.State != store.DeviceRetired || got.HasSecret {
		t.Errorf("retired: %+v", got)
	}
	if post("SN3", rotated.Secret) == nil {
		t.Error("a retired device logs in")
	}
	must[client.Device](t)(b.local.CreateDevice(ctx, client.NewDevice{ID: "d3", OrgID: "acme", SerialNumber: "SN3"}))
	if _, err := b.local.UpdateDevice(ctx, "SN2", client.DeviceChange{RotateSecret: true}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a secret for a retired device: %v", err)
	}

	if err := b.local.DeleteDevice(ctx, "d3"); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"get":    second(b.local.Device(ctx, "d3")),
		"ports":  second(b.local.Ports(ctx, "d3")),
		"delete": b.local.DeleteDevice(ctx, "d3"),
		"query":  second(b.local.Readings(ctx, client.ReadingQuery{DeviceIDs: []string{"d3"}})),
	} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s of a deleted device: %v", what, err)
		}
	}
	if _, err := b.local.CreateDevice(ctx, client.NewDevice{ID: "d3", OrgID: "acme"}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the id of a deleted device: %v", err)
	}
	l := must[client.List[client.Device]](t)(b.local.Devices(ctx, client.DeviceQuery{OrgID: "acme", Ports: true}))
	if len(l.Items) != 2 || l.Items[0].ID != "SN2" || len(l.Items[1].Ports) != 4 {
		t.Errorf("devices %+v", l.Items)
	}
	if l = must[client.List[client.Device]](t)(b.local.Devices(ctx, client.DeviceQuery{IncludeDeleted: true})); len(l.Items) != 3 {
		t.Errorf("%d devices with the deleted one", len(l.Items))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if want := []string{"SN2", "SN2", "SN2", "d3"}; !slices.Equal(b.cut, want) {
		t.Errorf("disconnected %v, want %v: rotated, swapped, retired, deleted", b.cut, want)
	}
}

func second[T any](_ T, err error) error { return err }

func TestPresence(t *testing.T) {
	seen := time.UnixMilli(1_757_160_000_123)
	b := newBox(t, func(o *Options) {
		o.Presence = func(uint32) store.Presence { return store.Presence{Online: true, LastSeen: seen} }
	}).withSample(t)
	d := must[client.Device](t)(b.local.Device(t.Context(), "d1"))
	if !d.Online || d.LastSeen == nil || d.LastSeen.Time() != seen.UTC() {
		t.Errorf("device %+v", d)
	}
}

func TestDeviceImport(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	csv := "id,org,serial,secret,ports\n" +
		"m1,acme,,hush,3\n" +
		",acme,SN9,,Voltage;Current\n" +
		"m1,acme,,,\n" + // taken by the first row
		"m 2,acme,,,\n" +
		"m3,none,,,\n" +
		"m4,acme\n" +
		"m5,acme,,,99999\n" +
		"m6,acme,,,A;A\n"
	trail := func() int {
		return len(must[client.List[store.AuditEntry]](t)(b.local.Audit(ctx, client.AuditQuery{Page: client.Page{Limit: 1000}})).Items)
	}
	before := trail()
	tried := must[client.DeviceImport](t)(b.local.ImportDevices(ctx, strings.NewReader(csv), true))
	if all := must[client.List[client.Device]](t)(b.local.Devices(ctx, client.DeviceQuery{})).Items; !tried.DryRun || len(all) != 1 || trail() != before {
		t.Errorf("a dry run made %d devices, and %d entries of the trail: %+v", len(all)-1, trail()-before, tried)
	}
	res := must[client.DeviceImport](t)(b.local.ImportDevices(ctx, strings.NewReader(csv), false))
	for i, it := range res.Items {
		it.Secret = "" // none is made to be thrown away
		if len(tried.Items) <= i || tried.Items[i] != it {
			t.Errorf("row %d became %+v, and was to become %+v", i, it, tried.Items)
		}
	}
	if res.Created != 2 || res.Failed != 6 || len(res.Items) != 8 {
		t.Fatalf("result %+v", res)
	}
	for i, it := range res.Items {
		if it.Line != i+2 || it.Created != (it.Error == "") {
			t.Errorf("row %d: %+v", i, it)
		}
	}
	if res.Items[0].Secret != "" || res.Items[1].ID != "SN9" || res.Items[1].Secret == "" {
		t.Errorf("secrets: %+v", res.Items[:2])
	}
	c := b.remote(t, "")
	for name, secret := range map[string]string{"m1": "hush", "SN9": res.Items[1].Secret} {
		must[string](t)(c.PostTelemetry(ctx, name, secret, "", []byte(`{"readings":[]}`)))
	}
	if d := must[client.Device](t)(b.local.Device(ctx, "SN9")); len(d.Ports) != 2 || d.Ports[0].Name != "Voltage" {
		t.Errorf("device %+v", d)
	}
	for _, bad := range []string{"", "id,colour\n", "id,id\n"} {
		if _, err := b.local.ImportDevices(ctx, strings.NewReader(bad), false); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("header %q: %v", bad, err)
		}
	}
	var p *client.Problem
	big := "id,org,serial,secret,ports\n" + strings.Repeat("x,acme,,,"+strings.Repeat("1", 1000)+"\n", 9000)
	if _, err := b.local.ImportDevices(ctx, strings.NewReader(big), false); !errors.As(err, &p) || p.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of %d bytes: %v", len(big), err)
	}
}

func TestPortCalibrations(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	set := func(ch client.PortChange) client.Port {
		t.Helper()
		return must[client.Port](t)(b.local.SetPort(ctx, "d1", 1, ch))
	}
	p := set(client.PortChange{Name: ptr("Voltage"), Unit: ptr("V"), Scaling: ptr(2.0), Offset: ptr(1.0), ValidMin: ptr(0.0), High: ptr(260.0)})
	if p.Scaling != 2 || p.Offset != 1 || len(p.Calibrations) != 1 || p.Calibrations[0].EffectiveFrom != nil || p.Name != "Voltage" {
		t.Errorf("before readings it is replaced: %+v", p)
	}
	p = set(client.PortChange{Scaling: ptr(3.0)})
	if len(p.Calibrations) != 1 || p.Scaling != 3 || p.Offset != 1 || *p.High != 260 {
		t.Errorf("and again, the rest stays: %+v", p)
	}
	b.importCSV(t, client.ImportOptions{}, "2025-01-01T00:00:00Z,d1,1,10")
	p = set(client.PortChange{Unit: ptr("kV"), Scaling: ptr(3.0)})
	if len(p.Calibrations) != 1 {
		t.Errorf("the same again adds nothing: %+v", p)
	}
	p = set(client.PortChange{Offset: ptr(0.0), Clear: []string{"high", "validMin"}})
	if len(p.Calibrations) != 2 || p.Calibrations[1].EffectiveFrom == nil || p.Calibrations[1].Scaling != 3 || p.Offset != 0 || p.High != nil || p.ValidMin != nil {
		t.Errorf("after readings it is added, from now: %+v", p)
	}
	early := store.Time(time.Date(2024, 12, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	p = set(client.PortChange{Scaling: ptr(5.0), EffectiveFrom: &early})
	if len(p.Calibrations) != 3 || p.Calibrations[2].Number != 3 || *p.Calibrations[2].EffectiveFrom != early || p.Scaling != 3 {
		t.Errorf("with an earlier date: %+v", p)
	}
	value := func(ingested bool) float64 {
		l := must[client.List[store.Reading]](t)(b.local.Readings(ctx, client.ReadingQuery{DeviceIDs: []string{"d1"}, Ingested: ingested}))
		if len(l.Items) != 1 {
			t.Fatalf("readings %+v", l.Items)
		}
		return l.Items[0].CalibratedValue
	}
	if got := value(false); got != 51 {
		t.Errorf("today's knowledge says %g, want 10*5+1", got)
	}
	if got := value(true); got != 31 {
		t.Errorf("at ingest it was %g, want 10*3+1", got)
	}
	c := must[client.Calibration](t)(b.local.AddCalibration(ctx, "d1", 1, client.NewCalibration{Scaling: 1, EffectiveFrom: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}))
	if c.Number != 4 || value(false) != 10 {
		t.Errorf("calibration %+v", c)
	}
	if l := must[client.List[client.Calibration]](t)(b.local.Calibrations(ctx, "d1", 1)); len(l.Items) != 4 {
		t.Errorf("%d calibrations", len(l.Items))
	}
	if _, err := b.local.SetPort(ctx, "d1", 2, client.PortChange{Name: ptr("Voltage")}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a name that another port has: %v", err)
	}
	p = must[client.Port](t)(b.local.SetPort(ctx, "d1", 9, client.PortChange{Scaling: ptr(-1.0)}))
	if p.Number != 9 || len(p.Calibrations) != 1 || p.Scaling != -1 {
		t.Errorf("a new port: %+v", p)
	}
	if err := b.local.DeletePort(ctx, "d1", 9); err != nil {
		t.Fatal(err)
	}
	if err := b.local.DeletePort(ctx, "d1", 9); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleting it again: %v", err)
	}
	if _, err := b.local.AddCalibration(ctx, "d1", 9, client.NewCalibration{Scaling: 1}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("calibrating an absent port: %v", err)
	}
}

// TestAudit: every change has a name on it, and no secret in it.
func TestAudit(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	ann := b.remote(t, b.ann(t).AccessToken)
	must[client.Device](t)(ann.CreateDevice(ctx, client.NewDevice{ID: "d2", OrgID: "acme", Secret: ptr("top-secret-1")}))
	must[client.Device](t)(ann.UpdateDevice(ctx, "d2", client.DeviceChange{Secret: ptr("top-secret-2")}))
	must[client.User](t)(ann.UpdateUser(ctx, annEmail, client.UserChange{Password: ptr("top-secret-3")}))
	must[client.DeviceImport](t)(b.local.ImportDevices(ctx, strings.NewReader("id,org,secret\nd8,acme,top-secret-4\nd1,acme,\n"), false))
	g := must[client.Grant](t)(b.local.Grant(ctx, "acme", time.Minute))
	must[client.Port](t)(b.local.SetPort(ctx, "d2", 1, client.PortChange{}))
	if err := b.local.DeleteDevice(ctx, "d2"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.local.CreateOrganization(ctx, client.NewOrganization{ID: "acme", Name: "again"}); err == nil {
		t.Fatal("a second acme")
	}
	var actions []string
	list := func(ctx context.Context, p client.Page) (client.List[store.AuditEntry], error) {
		p.Limit = 3
		return b.local.Audit(ctx, client.AuditQuery{Page: p})
	}
	err := client.All(ctx, list, func(e store.AuditEntry) error {
		actions = append(actions, e.Action)
		who := "uid:"
		if e.Action == "device.update" || e.Action == "user.update" {
			who = "user:" + annEmail
			if e.Remote != "127.0.0.1" {
				t.Errorf("%s came from %q", e.Action, e.Remote)
			}
		}
		if e.ID == "d2" && e.Action == "device.create" {
			who = "user:"
		}
		if !strings.HasPrefix(e.Actor, who) || e.At == 0 || e.Hash == "" {
			t.Errorf("entry %+v", e)
		}
		whole := string(e.Before) + string(e.After)
		if strings.Contains(whole, "top-secret") || strings.Contains(whole, g.Secret) || strings.Contains(whole, "argon2") {
			t.Errorf("a secret in %s: %s", e.Action, whole)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"organization.create", "alertrule.create", "device.create", "user.create", "device.create", "device.update", "user.update",
		"device.import", "device.import_failed", "credential.grant", "port.create", "device.delete", "organization.create", "organization.create_failed",
	}
	if !slices.Equal(actions, want) {
		t.Errorf("actions %v\nwant    %v", actions, want)
	}
	if v := must[client.AuditVerification](t)(b.local.VerifyAudit(ctx)); !v.Valid || v.Entries != uint64(len(want)) {
		t.Errorf("verification %+v", v)
	}
}

// TestChangesNeedAnActorAndATrail: without either nothing is changed.
func TestChangesNeedAnActorAndATrail(t *testing.T) {
	b := newBox(t)
	if _, err := b.admin.CreateOrganization(t.Context(), NewOrganization{ID: "x", Name: "x"}); err == nil {
		t.Error("a change without an actor")
	}
	b.admin.o.Audit = failingAudit{}
	ctx := WithActor(t.Context(), Actor{Name: "setup"})
	if _, err := b.admin.CreateOrganization(ctx, NewOrganization{ID: "x", Name: "x"}); !errors.Is(err, store.ErrFull) {
		t.Errorf("a change without a trail: %v", err)
	}
	if _, err := b.catalog.Organization(ctx, "x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it was made all the same: %v", err)
	}
}

type failingAudit struct{ store.Audit }

func (failingAudit) Record(context.Context, store.AuditEntry) (store.AuditEntry, error) {
	return store.AuditEntry{}, store.ErrFull
}
