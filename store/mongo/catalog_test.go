package mongo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo/mongotest"
	"tidegate/store/storetest"
)

// instance is a tidegate as far as the catalogue goes: a data folder with its
// copy, and the catalogue over it.
type instance struct {
	*Catalog
	db    *Database
	local *embedded.Catalog
}

func openLocal(t testing.TB, dir string) *embedded.Catalog {
	t.Helper()
	c, err := embedded.OpenCatalog(filepath.Join(dir, "catalog.db"), embedded.CatalogOptions{Copy: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// openInstance opens what a folder has of the catalogue at a URI.
func openInstance(t testing.TB, uri, dir string) *instance {
	t.Helper()
	i := &instance{db: attach(t, uri), local: openLocal(t, dir)}
	var err error
	if i.Catalog, err = OpenCatalog(i.db, i.local, CatalogOptions{Logger: mute()}); err != nil {
		t.Fatal(err)
	}
	return i
}

// Close ends it as a process does that goes away in order.
func (i *instance) Close() error {
	return errors.Join(i.local.Close(), i.db.Close(context.Background()))
}

// synced is i once it has caught up with everything, as soon as the server lets
// it.
func (i *instance) synced(t testing.TB) *instance {
	t.Helper()
	eventually(t, func() error { _, err := i.Sync(t.Context()); return err })
	return i
}

func (i *instance) dump(t testing.TB) store.CatalogChange {
	t.Helper()
	all, err := i.local.Dump(t.Context())
	noError(t, err)
	return all
}

// inCollections answers what the collections say that there is.
func inCollections(t testing.TB, d *Database) store.CatalogChange {
	t.Helper()
	s := newSnapshot()
	noError(t, s.read(t.Context(), d))
	return s.whole()
}

// sameEverywhere checks, once all have caught up, that the copies hold what the
// collections hold.
func sameEverywhere(t testing.TB, instances ...*instance) {
	t.Helper()
	for _, i := range instances {
		i.synced(t)
	}
	want := inCollections(t, instances[0].db)
	want.LastUID = instances[0].dump(t).LastUID
	for n, i := range instances {
		if got := i.dump(t); !reflect.DeepEqual(got, want) {
			t.Fatalf("instance %d has, at %+v,\n     %+v\nthe collections %+v", n, i.mark, got, want)
		}
	}
}

// changesOf answers every change that was ever made.
func changesOf(t testing.TB, d *Database) (all []changeDoc) {
	t.Helper()
	noError(t, d.eachChange(t.Context(), 0, func(c *changeDoc) error { all = append(all, *c); return nil }))
	for n, c := range all {
		if c.Revision != int64(n)+1 {
			t.Fatalf("change %d stands at place %d", c.Revision, n+1)
		}
	}
	return all
}

func apiKey(id, orgID string) store.APIKey {
	return store.APIKey{ID: id, Name: "k", OrgID: orgID, Scopes: []store.Scope{store.ScopeIngest}, SecretHash: []byte{1}}
}

func alertRule(id, orgID string, channels ...string) store.AlertRule {
	high := 80.0
	return store.AlertRule{
		ID: id, OrgID: orgID, Name: "hot", Severity: store.SeverityWarning, Condition: store.Condition{Kind: store.CondAbove, High: &high},
		Labels: map[string]string{"a": "1", "b.c": "2", "d": "3"}, Channels: channels,
	}
}

func channel(id, orgID string) store.Channel {
	return store.Channel{ID: id, OrgID: orgID, Name: "ops", Type: store.ChannelWebhook, Headers: map[string]string{"A": "1", "$b.c": "2", "D": "3"}, Secret: "s"}
}

func acme(id string) store.Organization { return store.Organization{ID: id, Name: "Acme"} }

// TestCatalog holds the catalogue against the rules of every store, and the
// collections against the catalogue whenever it is closed. A folder says which
// database is its own, and so does the image that a crash leaves of it.
func TestCatalog(t *testing.T) {
	t.Parallel()
	for _, kind := range mongotest.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			server := mongotest.Shared(t, kind)
			storetest.RunCatalog(t, func(t testing.TB, dir string) storetest.Catalog {
				name := filepath.Join(dir, "database")
				uri, err := os.ReadFile(name)
				if errors.Is(err, os.ErrNotExist) {
					uri = []byte(server.URI(t, mongotest.Database(t)))
					err = os.WriteFile(name, uri, 0o600)
				}
				noError(t, err)
				return &checked{openInstance(t, string(uri), dir), t}
			})
		})
	}
}

type checked struct {
	*instance
	t testing.TB
}

func (c *checked) Close() error {
	sameEverywhere(c.t, c.instance)
	return c.instance.Close()
}

// TestCatalogDocuments shows what other programs find in the collections.
func TestCatalogDocuments(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	i, ctx := openInstance(t, server.URI(t, mongotest.Database(t)), t.TempDir()), t.Context()
	at := time.Date(2025, 9, 6, 12, 0, 0, int(7*time.Millisecond), time.UTC)
	low, high, past, ahead := -1.5, 260.0, time.Hour, time.Duration(0)
	noError(t, i.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "Acme", CreatedAt: at}))
	noError(t, i.CreateUser(ctx, store.User{
		ID: "u1", Email: "Ann@example.org", Name: "Ann", Role: store.RoleViewer, OrgID: "acme", PasswordHash: "$argon2id$",
		PasswordChangedAt: at, LinkHash: []byte{1}, LinkExpires: at, CreatedAt: at,
	}))
	noError(t, i.CreateUser(ctx, store.User{ID: "u2", Email: "root@example.org", Role: store.RoleCompanyAdmin, CreatedAt: at}))
	_, err := i.CreateDevice(ctx, store.Device{ID: "d1", OrgID: "acme", SerialNumber: "SN1", Name: "pump", SecretHash: []byte{1}, AcceptPast: &past, AcceptAhead: &ahead, AssumeZone: "UTC", Tags: []string{"hall-2", "pump"}, CreatedAt: at}, nil)
	noError(t, err)
	_, err = i.CreateDevice(ctx, store.Device{ID: "d2", OrgID: "acme", CreatedAt: at}, []store.Port{{Number: 1, Calibrations: []store.Calibration{{Number: 1, Scaling: 1, CreatedAt: at}}, CreatedAt: at}})
	noError(t, err)
	noError(t, i.PutPort(ctx, store.Port{
		DeviceID: "d1", Number: 65535, Name: "Voltage", Unit: "V", ValidMin: &low, ValidMax: &high, Low: &low, High: &high, CreatedAt: at,
		Calibrations: []store.Calibration{{Number: 1, Scaling: 2, Offset: 1, CreatedAt: at}, {Number: 2, Scaling: 0.5, EffectiveFrom: at, CreatedAt: at}},
	}))
	noError(t, i.UpdateDevice(ctx, store.Device{ID: "d2", State: store.DeviceDeleted}))
	noError(t, i.DeletePort(ctx, "d2", 1)) // also of a deleted device
	noError(t, i.DeleteUser(ctx, "u2"))
	noError(t, i.CreateAPIKey(ctx, store.APIKey{
		ID: "key-0123456789abcdef", Name: "PLC", OrgID: "acme", Scopes: []store.Scope{store.ScopeIngest, store.ScopeRead}, DeviceIDs: []string{"d1"},
		ExpiresAt: &at, SecretHash: []byte{1}, CreatedBy: "user:ann@example.org", CreatedAt: at,
	}))
	noError(t, i.CreateAPIKey(ctx, store.APIKey{ID: "key-1123456789abcdef", Name: "all", Scopes: []store.Scope{store.ScopeAdmin}, CreatedBy: "uid:0", CreatedAt: at}))
	noError(t, i.CreateAPIKey(ctx, store.APIKey{ID: "key-2123456789abcdef", Name: "gone", Scopes: []store.Scope{store.ScopeRead}}))
	noError(t, i.DeleteAPIKey(ctx, "key-2123456789abcdef"))
	ops := channel("ch-0", "acme")
	ops.Enabled, ops.URL, ops.Severities, ops.To, ops.RatePerHour, ops.ExpireAfter, ops.CreatedAt, ops.UpdatedAt = true, "https://example.org", []store.Severity{store.SeverityCritical}, []string{"x"}, 60, store.Duration(time.Hour), at, at
	noError(t, i.CreateChannel(ctx, ops))
	hot := alertRule("rule-0", "acme", "ch-0")
	hot.Enabled, hot.For, hot.UpdatedBy, hot.CreatedAt, hot.UpdatedAt = true, store.Duration(5*time.Minute), "uid:0", at, at
	hot.Selection = store.Selection{DeviceIDs: []string{"d1"}, Ports: []uint16{65535}}
	hot.Schedule = &store.Schedule{Days: []store.Weekday{"mon"}, From: "22:00", To: "06:00", Zone: "UTC"}
	noError(t, i.CreateAlertRule(ctx, hot))
	noError(t, i.CreateAlertRule(ctx, alertRule("rule-1", "acme")))
	noError(t, i.DeleteAlertRule(ctx, "rule-1"))
	gone := regexp.MustCompile(`"gone":\{"\$date":"[^"]*"\}`)
	date := `{"$date":"2025-09-06T12:00:00.007Z"}`
	for name, want := range map[string]string{
		organizationsCollection: `{"_id":"acme","name":"Acme","createdAt":DATE,"rev":1}`,
		usersCollection: `{"_id":"u1","email":"Ann@example.org","emailKey":"ann@example.org","role":"viewer","orgId":"acme","passwordHash":"$argon2id$","createdAt":DATE,"rev":2,"name":"Ann","passwordChangedAt":DATE,"linkHash":{"$binary":{"base64":"AQ==","subType":"00"}},"linkExpires":DATE}
{"_id":"u2","gone":GONE,"rev":9}`,
		devicesCollection: `{"_id":"d1","uid":1,"orgId":"acme","serialNumber":"SN1","name":"pump","state":"active","secretHash":{"$binary":{"base64":"AQ==","subType":"00"}},"acceptPastNanos":3600000000000,"acceptAheadNanos":0,"assumeZone":"UTC","tags":["hall-2","pump"],"createdAt":DATE,"rev":4}
{"_id":"d2","uid":2,"orgId":"acme","state":"deleted","createdAt":DATE,"rev":7}`,
		portsCollection: `{"_id":"d1/65535","deviceId":"d1","portNumber":65535,"name":"Voltage","unit":"V","calibrations":[{"number":1,"scaling":2.0,"offset":1.0,"createdAt":DATE},{"number":2,"scaling":0.5,"offset":0.0,"effectiveFrom":DATE,"createdAt":DATE}],"validMin":-1.5,"validMax":260.0,"low":-1.5,"high":260.0,"createdAt":DATE,"rev":6}
{"_id":"d2/1","gone":GONE,"rev":8}`,
		apiKeysCollection: `{"_id":"key-0123456789abcdef","name":"PLC","orgId":"acme","scopes":["ingest","read"],"deviceIds":["d1"],"expiresAt":DATE,"secretHash":{"$binary":{"base64":"AQ==","subType":"00"}},"createdBy":"user:ann@example.org","createdAt":DATE,"rev":10}
{"_id":"key-1123456789abcdef","name":"all","scopes":["admin"],"createdBy":"uid:0","createdAt":DATE,"rev":11}
{"_id":"key-2123456789abcdef","gone":GONE,"rev":13}`,
		channelsCollection: `{"_id":"ch-0","orgId":"acme","name":"ops","type":"webhook","enabled":true,"severities":["critical"],"url":"https://example.org","headers":[{"name":"$b.c","value":"2"},{"name":"A","value":"1"},{"name":"D","value":"3"}],"secret":"s","to":["x"],"ratePerHour":60,"expireAfterNanos":3600000000000,"createdAt":DATE,"updatedAt":DATE,"rev":14}`,
		alertRulesCollection: `{"_id":"rule-0","organizationId":"acme","name":"hot","enabled":true,"selection":{"deviceIds":["d1"],"ports":[65535]},"condition":{"kind":"above","high":80.0},"forNanos":300000000000,"severity":"warning","labels":[{"name":"a","value":"1"},{"name":"b.c","value":"2"},{"name":"d","value":"3"}],"channels":["ch-0"],"schedule":{"days":["mon"],"from":"22:00","to":"06:00","zone":"UTC"},"revision":1,"createdAt":DATE,"updatedAt":DATE,"updatedBy":"uid:0","rev":15}
{"_id":"rule-1","gone":GONE,"rev":17}`,
		metaCollection: `{"_id":"catalog","applied":17,"lastUid":2}
{"_id":"database","id":"ID"}
{"_id":"schema","version":3}`,
	} {
		cur, err := i.db.db.Collection(name).Find(ctx, bson.D{}, options.Find().SetSort(keys("_id")))
		noError(t, err)
		var docs []bson.Raw
		noError(t, cur.All(ctx, &docs))
		var got []string
		for _, d := range docs {
			text, err := bson.MarshalExtJSON(d, false, false)
			noError(t, err)
			s := strings.ReplaceAll(string(text), i.db.identity(), "ID")
			s = gone.ReplaceAllString(s, `"gone":GONE`)
			got = append(got, s)
		}
		if got, want := strings.Join(got, "\n"), strings.ReplaceAll(want, "DATE", date); got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	sameEverywhere(t, i)
}

// TestCatalogBatch makes many devices in as few changes as their size allows.
func TestCatalogBatch(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.Standalone)
	p := mongotest.NewProxy(t, server.Addr())
	i, ctx := openInstance(t, p.URI(server.URI(t, mongotest.Database(t))), t.TempDir()), t.Context()
	noError(t, i.CreateOrganization(ctx, acme("acme")))
	long := strings.Repeat("x", 40<<10)
	devices, ports := make([]store.Device, 60), make([][]store.Port, 59)
	for n := range devices {
		devices[n] = store.Device{ID: fmt.Sprintf("d%02d", n), OrgID: "acme", Name: long}
	}
	for n := range ports {
		ports[n] = []store.Port{{Number: 1, Name: "U"}, {Number: 2, Name: "I"}}
	}
	devices[3].OrgID, devices[5].ID, devices[7].AssumeZone = "nobody", "d04", "Nowhere/Land"
	tried, err := i.TryDevices(ctx, devices, ports)
	if all, lerr := i.ListDevices(ctx, store.DeviceFilter{}); err != nil || lerr != nil || len(all) != 0 || len(changesOf(t, i.db)) != 1 {
		t.Fatalf("trying made %d devices: %v %v", len(all), err, lerr)
	}
	made, errs := i.CreateDevices(ctx, devices, ports)
	want := map[int]error{3: store.ErrNotFound, 5: store.ErrConflict, 7: store.ErrInvalid}
	uid := uint32(0)
	for n, err := range errs {
		if !errors.Is(err, want[n]) {
			t.Fatalf("row %d: %v, want %v", n, err, want[n])
		}
		if fmt.Sprint(tried[n]) != fmt.Sprint(err) {
			t.Errorf("row %d: tried %v, then %v", n, tried[n], err)
		}
		if err == nil {
			if uid++; made[n].UID != uid || made[n].ID != devices[n].ID {
				t.Fatalf("row %d is %s with UID %d, want %d", n, made[n].ID, made[n].UID, uid)
			}
		} else if made[n].ID != "" {
			t.Errorf("row %d was made: %+v", n, made[n])
		}
	}
	if n := len(changesOf(t, i.db)); n != 4 { // one is the organization's
		t.Errorf("%d changes for 2.4 MB of devices", n-1)
	}
	if p, err := i.ListPorts(ctx, "d58"); err != nil || len(p) != 2 {
		t.Errorf("%d ports, %v", len(p), err)
	}
	made, errs = i.CreateDevices(ctx, devices[:2], nil)
	if len(made) != 2 || !errors.Is(errs[0], store.ErrConflict) || !errors.Is(errs[1], store.ErrConflict) {
		t.Errorf("made twice: %v", errs)
	}
	if made, errs := i.CreateDevices(ctx, nil, nil); len(made) != 0 || len(errs) != 0 {
		t.Errorf("of none: %v %v", made, errs)
	}
	// The server is lost after the first change.
	for n := range devices {
		devices[n] = store.Device{ID: fmt.Sprintf("e%02d", n), OrgID: "acme", Name: long}
	}
	sent := 0
	p.SwallowRequests(func(c string) bool {
		if c == "insert" {
			sent++
		}
		return sent > 1
	}, 1<<30)
	i.patience = time.Second
	made, errs = i.CreateDevices(ctx, devices, ports)
	p.Calm()
	i.patience = writePatience
	for n := range devices {
		if n < 20 && (errs[n] != nil || made[n].UID == 0) || n > 40 && (!errors.Is(errs[n], store.ErrUnavailable) || made[n].UID != 0) {
			t.Errorf("row %d: %v, UID %d", n, errs[n], made[n].UID)
		}
	}
	i.synced(t)
	huge := store.CatalogChange{Devices: []store.Device{{ID: "huge", UID: 1000, Name: strings.Repeat("x", 16<<20)}}}
	refusal(t, i.commit(ctx, time.Now().Add(writePatience), huge, newToken()), store.ErrInvalid, "of 16 MB is too large", "make it in parts")
	sameEverywhere(t, i)
}
