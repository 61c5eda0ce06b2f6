// Package storetest holds the suites that every store passes. Each is judged by
// a plain model in memory and driven by chance, with the seed in the log.
package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

// keyIDs are ids of API keys, ascending. Devices may have them too.
var keyIDs = [...]string{
	"key-0000000000000000", "key-1111111111111111", "key-2222222222222222",
	"key-3333333333333333", "key-4444444444444444", "key-5555555555555555",
}

// Catalog is a catalogue that can be closed.
type Catalog interface {
	store.Catalog
	Close() error
}

// RunCatalog tests a catalogue. open opens that of a folder, or makes it. One
// that is kept elsewhere finds it again by what it leaves in the folder, also in
// the image that a crash leaves of that.
func RunCatalog(t *testing.T, open func(t testing.TB, dir string) Catalog) {
	t.Run("rules", func(t *testing.T) { testCatalogRules(t, open(t, t.TempDir())) })
	t.Run("alerts", func(t *testing.T) { testCatalogAlerts(t, open(t, t.TempDir())) })
	t.Run("kept", func(t *testing.T) { testCatalogKept(t, open) })
	t.Run("model", func(t *testing.T) { testCatalogModel(t, open) })
}

func testCatalogKept(t *testing.T, open func(testing.TB, string) Catalog) {
	dir, ctx := t.TempDir(), t.Context()
	c := open(t, dir)
	must(t, c.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "Acme"}))
	past, ahead, low, high := time.Hour, time.Duration(0), -1.5, 0.1
	d, err := c.CreateDevice(ctx, store.Device{
		ID: "d1", OrgID: "acme", SerialNumber: "SN1", Name: "pump", SecretHash: []byte{1, 2, 3},
		AcceptPast: &past, AcceptAhead: &ahead, AssumeZone: "Europe/Berlin", Tags: []string{"hall-2", "pump"}, CreatedAt: time.Unix(7, 1_999_999),
	}, nil)
	must(t, err)
	if d.State != store.DeviceActive || d.UID != 1 || !d.CreatedAt.Equal(time.Unix(7, 1_000_000)) {
		t.Fatalf("made %+v", d)
	}
	at := time.Unix(99, 0).UTC()
	port := store.Port{
		DeviceID: "d1", Number: 65535, Name: "Voltage", Unit: "V", ValidMin: &low, ValidMax: &high, Low: &low, High: &high, CreatedAt: at,
		Calibrations: []store.Calibration{{Number: 1, Scaling: 0.1, Offset: -3, CreatedAt: at}, {Number: 4, Scaling: 2, EffectiveFrom: time.UnixMilli(-5).UTC(), CreatedAt: at}},
	}
	must(t, c.PutPort(ctx, port))
	must(t, c.PutPort(ctx, store.Port{DeviceID: "d1", Number: 0}))
	u := store.User{
		ID: "u1", Email: "Ann@example.org", Name: "Ann <Ähn>", Role: store.RoleViewer, OrgID: "acme", PasswordHash: "$argon2id$",
		PasswordChangedAt: time.UnixMilli(7).UTC(), LinkHash: []byte{0, 255}, LinkExpires: time.UnixMilli(-8).UTC(), CreatedAt: at,
	}
	must(t, c.CreateUser(ctx, u))
	invited := store.User{ID: "u2", Email: "bob@example.org", Role: store.RoleViewer, OrgID: "acme", LinkHash: []byte{1}, LinkExpires: time.Unix(7, 1_999_999), CreatedAt: at}
	must(t, c.CreateUser(ctx, invited))
	invited.LinkExpires = milli(7001)
	until := time.Unix(7, 1_999_999)
	k := store.APIKey{
		ID: keyIDs[0], Name: "PLC", OrgID: "acme", Scopes: []store.Scope{store.ScopeIngest, store.ScopeRead}, DeviceIDs: []string{"d1"},
		ExpiresAt: &until, SecretHash: []byte{0, 255}, CreatedBy: "user:ann@example.org", CreatedAt: time.Unix(7, 1_999_999),
	}
	must(t, c.CreateAPIKey(ctx, k))
	inMillis := milli(7001)
	k.ExpiresAt, k.CreatedAt = &inMillis, inMillis
	all := store.APIKey{ID: keyIDs[1], Name: "all", Scopes: []store.Scope{store.ScopeAdmin}, SecretHash: []byte{1}, CreatedAt: at}
	must(t, c.CreateAPIKey(ctx, all))
	channel, rule := fullChannel(), fullRule()
	must(t, c.CreateChannel(ctx, channel))
	must(t, c.CreateAlertRule(ctx, rule))
	bare := store.AlertRule{ID: ruleIDs[1], OrgID: "acme", Name: "bare", Severity: store.SeverityInfo, Condition: store.Condition{Kind: store.CondChanged}, CreatedAt: time.Unix(7, 1_999_999), UpdatedAt: time.Unix(8, 1_999_999)}
	must(t, c.CreateAlertRule(ctx, bare))
	bare.Revision, bare.CreatedAt, bare.UpdatedAt = 1, milli(7001), milli(8001)
	must(t, c.Close())

	c = open(t, dir)
	if got, err := c.Device(ctx, "d1"); err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("device: %+v %v, want %+v", got, err, d)
	}
	if got, err := c.Port(ctx, "d1", 65535); err != nil || !reflect.DeepEqual(got, port) {
		t.Errorf("port: %+v %v, want %+v", got, err, port)
	}
	if got, err := c.Port(ctx, "d1", 0); err != nil || len(got.Calibrations) != 1 || got.Calibrations[0].Number != 1 || got.Calibrations[0].Scaling != 1 || got.CreatedAt.IsZero() {
		t.Errorf("port without calibration: %+v %v", got, err)
	}
	if got, err := c.UserByEmail(ctx, "aNN@EXAMPLE.org"); err != nil || !reflect.DeepEqual(got, u) {
		t.Errorf("user: %+v %v, want %+v", got, err, u)
	}
	if got, err := c.UserByLink(ctx, []byte{1}); err != nil || !reflect.DeepEqual(got, invited) {
		t.Errorf("user by link: %+v %v, want %+v", got, err, invited)
	}
	for _, want := range []store.APIKey{k, all} {
		if got, err := c.APIKey(ctx, want.ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("API key: %+v %v, want %+v", got, err, want)
		}
	}
	for _, want := range []store.AlertRule{rule, bare} {
		if got, err := c.AlertRule(ctx, want.ID); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("alert rule: %+v %v, want %+v", got, err, want)
		}
	}
	if got, err := c.Channel(ctx, channel.ID); err != nil || !reflect.DeepEqual(got, channel) {
		t.Errorf("channel: %+v %v, want %+v", got, err, channel)
	}
	must(t, c.Close())
}

func testCatalogRules(t *testing.T, c Catalog) {
	ctx := t.Context()
	defer func() { must(t, c.Close()) }()
	device := func(org, id, serial string) error {
		_, err := c.CreateDevice(ctx, store.Device{ID: id, OrgID: org, SerialNumber: serial}, nil)
		return err
	}
	set := func(id, serial string, s store.DeviceState) error {
		return c.UpdateDevice(ctx, store.Device{ID: id, OrgID: "ignored", SerialNumber: serial, State: s})
	}
	user := func(id, email, org string) error {
		return c.CreateUser(ctx, store.User{ID: id, Email: email, Role: store.RoleViewer, OrgID: org})
	}
	port := func(device string, n uint16, name string, cals ...store.Calibration) error {
		return c.PutPort(ctx, store.Port{DeviceID: device, Number: n, Name: name, Calibrations: cals})
	}
	key := func(n int, org string, devices ...string) error {
		return c.CreateAPIKey(ctx, store.APIKey{ID: keyIDs[n], Name: "k", OrgID: org, Scopes: []store.Scope{store.ScopeRead}, DeviceIDs: devices})
	}
	setKey := func(n int, devices ...string) error {
		return c.UpdateAPIKey(ctx, store.APIKey{ID: keyIDs[n], Name: "renamed", OrgID: "ignored", DeviceIDs: devices})
	}
	link := func(id string, hash ...byte) error {
		u, err := c.User(ctx, id)
		if u.LinkHash = hash; len(hash) > 0 {
			u.LinkExpires = time.Unix(9, 0)
		} else {
			u.LinkExpires = time.Time{}
		}
		return errors.Join(err, c.UpdateUser(ctx, u))
	}
	byLink := func(hash ...byte) error { _, err := c.UserByLink(ctx, hash); return err }
	ports := func(id string, p ...store.Port) error {
		_, err := c.CreateDevice(ctx, store.Device{ID: id, OrgID: "acme"}, p)
		return err
	}
	steps := []struct {
		name string
		do   func() error
		want error
	}{
		{"org", func() error { return c.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "A"}) }, nil},
		{"org again", func() error { return c.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "B"}) }, store.ErrConflict},
		{"org with a slash", func() error { return c.CreateOrganization(ctx, store.Organization{ID: "a/b", Name: "B"}) }, store.ErrInvalid},
		{"second org", func() error { return c.CreateOrganization(ctx, store.Organization{ID: "beta", Name: "B"}) }, nil},
		{"rename of an absent org", func() error { return c.UpdateOrganization(ctx, store.Organization{ID: "x", Name: "B"}) }, store.ErrNotFound},
		{"device of an absent org", func() error { return device("x", "d1", "") }, store.ErrNotFound},
		{"device", func() error { return device("acme", "d1", "SN1") }, nil},
		{"id taken, in another org", func() error { return device("beta", "d1", "") }, store.ErrConflict},
		{"serial taken", func() error { return device("beta", "d2", "SN1") }, store.ErrConflict},
		{"id is another's serial", func() error { return device("beta", "SN1", "") }, store.ErrConflict},
		{"serial is another's id", func() error { return device("beta", "d2", "d1") }, store.ErrConflict},
		{"id and serial the same", func() error { return device("beta", "d2", "d2") }, nil},
		{"its own id as serial", func() error { return set("d1", "d1", store.DeviceActive) }, nil},
		{"the freed serial", func() error { return device("beta", "d3", "SN1") }, nil},
		{"another's serial", func() error { return set("d1", "SN1", store.DeviceActive) }, store.ErrConflict},
		{"unknown state", func() error { return set("d1", "", "asleep") }, store.ErrInvalid},
		{"retire", func() error { return set("d3", "SN1", store.DeviceRetired) }, nil},
		{"the serial of a retired device", func() error { return set("d1", "SN1", store.DeviceActive) }, nil},
		{"port of a retired device", func() error { return port("d3", 1, "") }, nil},
		{"org with devices", func() error { return c.DeleteOrganization(ctx, "beta") }, store.ErrConflict},
		{"delete", func() error { return set("d3", "", store.DeviceDeleted) }, nil},
		{"delete again", func() error { return set("d3", "", store.DeviceDeleted) }, store.ErrNotFound},
		{"bring back", func() error { return set("d3", "", store.DeviceActive) }, store.ErrNotFound},
		{"the id of a deleted device", func() error { return device("beta", "d3", "") }, store.ErrConflict},
		{"it as serial", func() error { return device("beta", "d4", "d3") }, store.ErrConflict},
		{"port of a deleted device", func() error { return port("d3", 2, "") }, store.ErrNotFound},
		{"port of an absent device", func() error { return port("d9", 2, "") }, store.ErrNotFound},
		{"ports of an absent device", func() error { _, err := c.ListPorts(ctx, "d9"); return err }, store.ErrNotFound},
		{"named port", func() error { return port("d1", 1, "Voltage") }, nil},
		{"name taken", func() error { return port("d1", 2, "Voltage") }, store.ErrConflict},
		{"name kept", func() error { return port("d1", 1, "Voltage") }, nil},
		{"name of another device", func() error { return port("d2", 9, "Voltage") }, nil},
		{"rename port", func() error { return port("d1", 1, "U") }, nil},
		{"the freed name", func() error { return port("d1", 2, "Voltage") }, nil},
		{"calibration 0", func() error { return port("d1", 2, "", store.Calibration{Scaling: 1}) }, store.ErrInvalid},
		{"scaling 0", func() error { return port("d1", 2, "", store.Calibration{Number: 1}) }, store.ErrInvalid},
		{"calibrations not ascending", func() error {
			return port("d1", 2, "", store.Calibration{Number: 2, Scaling: 1}, store.Calibration{Number: 2, Scaling: 1})
		}, store.ErrInvalid},
		{"delete port", func() error { return c.DeletePort(ctx, "d1", 2) }, nil},
		{"delete port again", func() error { return c.DeletePort(ctx, "d1", 2) }, store.ErrNotFound},
		{"its name", func() error { return port("d1", 3, "Voltage") }, nil},
		{"two ports with one number", func() error { return ports("d5", store.Port{Number: 1}, store.Port{Number: 1}) }, store.ErrConflict},
		{"two ports with one name", func() error { return ports("d5", store.Port{Number: 1, Name: "a"}, store.Port{Number: 2, Name: "a"}) }, store.ErrConflict},
		{"nothing of them is left", func() error { _, err := c.Device(ctx, "d5"); return err }, store.ErrNotFound},
		{"user", func() error { return user("u1", "ann@example.org", "beta") }, nil},
		{"same address in capitals", func() error { return user("u2", "ANN@example.org", "beta") }, store.ErrConflict},
		{"same user id", func() error { return user("u1", "bob@example.org", "beta") }, store.ErrConflict},
		{"user without an id", func() error { return user("", "bob@example.org", "beta") }, store.ErrInvalid},
		{"user of an absent org", func() error { return user("u2", "bob@example.org", "x") }, store.ErrNotFound},
		{"user with an endless name", func() error {
			return c.CreateUser(ctx, store.User{ID: "u2", Email: "bob@example.org", Name: strings.Repeat("x", 201), Role: store.RoleViewer, OrgID: "beta"})
		}, store.ErrInvalid},
		{"user with half a link", func() error {
			return c.CreateUser(ctx, store.User{ID: "u2", Email: "bob@example.org", Role: store.RoleViewer, OrgID: "beta", LinkHash: []byte{1}})
		}, store.ErrInvalid},
		{"link", func() error { return link("u1", 1) }, nil},
		{"link again", func() error { return link("u1", 1) }, nil},
		{"another's link", func() error {
			return c.CreateUser(ctx, store.User{ID: "u2", Email: "bob@example.org", Role: store.RoleViewer, OrgID: "acme", LinkHash: []byte{1}, LinkExpires: time.Unix(9, 0)})
		}, store.ErrConflict},
		{"by link", func() error { return byLink(1) }, nil},
		{"by an unknown link", func() error { return byLink(2) }, store.ErrNotFound},
		{"by no link", func() error { return byLink() }, store.ErrNotFound},
		{"another link", func() error { return link("u1", 2) }, nil},
		{"by the link of before", func() error { return byLink(1) }, store.ErrNotFound},
		{"the link used", func() error { return link("u1") }, nil},
		{"by the used link", func() error { return byLink(2) }, store.ErrNotFound},

		{"key", func() error { return key(0, "acme") }, nil},
		{"key again", func() error { return key(0, "acme") }, store.ErrConflict},
		{"key of an absent org", func() error { return key(1, "x") }, store.ErrNotFound},
		{"key without a key's id", func() error {
			return c.CreateAPIKey(ctx, store.APIKey{ID: "d1", Name: "k", Scopes: []store.Scope{store.ScopeRead}})
		}, store.ErrInvalid},
		{"device with a key's id", func() error { return device("acme", keyIDs[0], "") }, store.ErrConflict},
		{"serial is a key's id", func() error { return device("acme", "d6", keyIDs[0]) }, store.ErrConflict},
		{"serial becomes a key's id", func() error { return set("d1", keyIDs[0], store.DeviceActive) }, store.ErrConflict},
		{"device named like a key", func() error { return device("acme", keyIDs[1], keyIDs[2]) }, nil},
		{"key with a device's id", func() error { return key(1, "acme") }, store.ErrConflict},
		{"key with a serial number", func() error { return key(2, "acme") }, store.ErrConflict},
		{"the serial number freed", func() error { return set(keyIDs[1], "", store.DeviceActive) }, nil},
		{"key in its place", func() error { return key(2, "acme", "d1") }, nil},
		{"key of all orgs", func() error { return key(3, "") }, nil},
		{"key of an absent device", func() error { return key(4, "acme", "d9") }, store.ErrNotFound},
		{"key of another's device", func() error { return key(4, "acme", "d2") }, store.ErrNotFound},
		{"key of a deleted device", func() error { return key(4, "beta", "d3") }, store.ErrNotFound},
		{"key of a device", func() error { return key(4, "beta", "d2") }, nil},
		{"devices not in order", func() error { return setKey(2, keyIDs[1], "d1") }, store.ErrInvalid},
		{"devices of a key", func() error { return setKey(2, "d1", keyIDs[1]) }, nil},
		{"another's device for a key", func() error { return setKey(2, "d1", "d2") }, store.ErrNotFound},
		{"a device of the list goes", func() error { return set(keyIDs[1], "", store.DeviceDeleted) }, nil},
		{"it may stay on the list", func() error { return setKey(2, "d1", keyIDs[1]) }, nil},
		{"it leaves the list", func() error { return setKey(2, "d1") }, nil},
		{"and does not come back", func() error { return setKey(2, "d1", keyIDs[1]) }, store.ErrNotFound},
		{"devices of a key of all orgs", func() error { return setKey(3, "d1") }, store.ErrInvalid},
		{"absent key", func() error { return setKey(5) }, store.ErrNotFound},
		{"delete key", func() error { return c.DeleteAPIKey(ctx, keyIDs[0]) }, nil},
		{"delete key again", func() error { return c.DeleteAPIKey(ctx, keyIDs[0]) }, store.ErrNotFound},
		{"get it", func() error { _, err := c.APIKey(ctx, keyIDs[0]); return err }, store.ErrNotFound},
		{"device with its id", func() error { return device("acme", keyIDs[0], "") }, nil},

		{"retire d2", func() error { return set("d2", "", store.DeviceDeleted) }, nil},
		{"org with users", func() error { return c.DeleteOrganization(ctx, "beta") }, store.ErrConflict},
		{"promote", func() error { return c.UpdateUser(ctx, store.User{ID: "u1", Role: store.RoleCompanyAdmin}) }, nil},
		{"org with keys", func() error { return c.DeleteOrganization(ctx, "beta") }, store.ErrConflict},
		{"delete the last key", func() error { return c.DeleteAPIKey(ctx, keyIDs[4]) }, nil},
		{"org with deleted devices", func() error { return c.DeleteOrganization(ctx, "beta") }, nil},
		{"its id again", func() error { return c.CreateOrganization(ctx, store.Organization{ID: "beta", Name: "B"}) }, store.ErrConflict},
		{"delete user", func() error { return c.DeleteUser(ctx, "u1") }, nil},
		{"delete user again", func() error { return c.DeleteUser(ctx, "u1") }, store.ErrNotFound},
		{"the address", func() error { return user("u3", "ANN@example.org", "acme") }, nil},
	}
	for _, s := range steps {
		if err := s.do(); kind(err) != s.want {
			t.Fatalf("%s: %v, want %v", s.name, err, s.want)
		} else if err != nil && !errors.As(err, new(*store.Error)) {
			t.Fatalf("%s: %v does not say what and which", s.name, err)
		}
	}
	var seen []string
	must(t, c.AllPorts(ctx, func(p store.Port) error { seen = append(seen, fmt.Sprintf("%s/%d", p.DeviceID, p.Number)); return nil }))
	if k, err := c.APIKey(ctx, keyIDs[2]); err != nil || k.Name != "renamed" || k.OrgID != "acme" || !slices.Equal(k.DeviceIDs, []string{"d1"}) || !slices.Equal(k.Scopes, []store.Scope{store.ScopeRead}) || k.CreatedAt.IsZero() {
		t.Errorf("key: %+v, %v", k, err)
	}
	if want := []string{"d1/1", "d1/3"}; !reflect.DeepEqual(seen, want) {
		t.Errorf("ports of what is not deleted: %v, want %v", seen, want)
	}
	if u, err := c.UserByEmail(ctx, "ann@EXAMPLE.org"); err != nil || u.ID != "u3" {
		t.Errorf("by address: %+v %v", u, err)
	}
}

// testCatalogModel does what chance wants and compares with a model, over
// reopening and over crashes.
func testCatalogModel(t *testing.T, open func(testing.TB, string) Catalog) {
	rnd, dir := newRand(t), t.TempDir()
	c, m := open(t, dir), newCatalogModel()
	for step := range 1000 {
		catalogStep(t, rnd, step, c, m)
		switch {
		case step%100 == 60:
			must(t, c.Close())
			c = open(t, dir)
		case step%100 == 99:
			image := crashImage(t, dir)
			must(t, c.Close())
			dir, c = image, open(t, image)
		}
		if step%20 == 0 {
			m.compare(t, rnd, c)
		}
	}
	m.compare(t, rnd, c)
	must(t, c.Close())
}

func catalogStep(t *testing.T, rnd *rand.Rand, step int, c Catalog, m *catalogModel) {
	t.Helper()
	ctx := t.Context()
	orgs, names := []string{"a", "b", "c", "d"}, []string{"n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9", "n10", "n11", "n12", keyIDs[0], keyIDs[1], keyIDs[2]}
	at := milli(int64(step))
	var got, want error
	what := ""
	switch rnd.IntN(20) {
	case 0:
		o := store.Organization{ID: pick(rnd, orgs), Name: fmt.Sprint(step), CreatedAt: at}
		what, got, want = "create org", c.CreateOrganization(ctx, o), m.createOrg(o)
	case 1:
		id := pick(rnd, orgs)
		what, got, want = "delete org", c.DeleteOrganization(ctx, id), m.deleteOrg(id)
	case 2, 3, 4:
		d := store.Device{ID: pick(rnd, names), OrgID: pick(rnd, orgs), CreatedAt: at, Name: fmt.Sprint(step), Tags: tagsOf(rnd)}
		if rnd.IntN(2) == 0 {
			d.SerialNumber = pick(rnd, names)
		}
		made, err := c.CreateDevice(ctx, d, nil)
		uid, merr := m.createDevice(d)
		what, got, want = "create device", err, merr
		if err == nil && (made.UID <= m.lastUID || m.uids[made.UID]) {
			t.Fatalf("step %d: UID %d was given before", step, made.UID)
		}
		if err == nil {
			m.lastUID = made.UID
			m.uids[made.UID] = true
			uid.UID = made.UID
		}
	case 5, 6, 7:
		d := store.Device{ID: pick(rnd, names), State: pick(rnd, []store.DeviceState{store.DeviceActive, store.DeviceActive, store.DeviceRetired, store.DeviceDeleted}), Name: fmt.Sprint(step), Tags: tagsOf(rnd)}
		if rnd.IntN(20) > 0 && d.State == store.DeviceDeleted {
			d.State = store.DeviceActive // else all names are used up
		}
		if rnd.IntN(2) == 0 {
			d.SerialNumber = pick(rnd, names)
		}
		what, got, want = "update device", c.UpdateDevice(ctx, d), m.updateDevice(d)
	case 8:
		p := store.Port{
			DeviceID: pick(rnd, names), Number: uint16(rnd.IntN(4)), Name: pick(rnd, []string{"", "x", "y"}), CreatedAt: at,
			Calibrations: []store.Calibration{{Number: 1, Scaling: float64(step + 1), CreatedAt: at}},
		}
		what, got, want = "put port", c.PutPort(ctx, p), m.putPort(p)
	case 9:
		id, n := pick(rnd, names), uint16(rnd.IntN(4))
		what, got, want = "delete port", c.DeletePort(ctx, id, n), m.deletePort(id, n)
	case 10:
		u := store.User{ID: pick(rnd, names), Email: pick(rnd, []string{"A@x.org", "a@X.org", "b@x.org", "B@x.org"}), Role: store.RoleViewer, OrgID: pick(rnd, orgs), CreatedAt: at}
		withLink(rnd, &u, at)
		what, got, want = "create user", c.CreateUser(ctx, u), m.createUser(u)
	case 11:
		id := pick(rnd, names)
		if rnd.IntN(2) == 0 {
			what, got, want = "delete user", c.DeleteUser(ctx, id), m.deleteUser(id)
			break
		}
		u := store.User{ID: id, Role: store.RoleOrgAdmin, OrgID: pick(rnd, orgs), PasswordHash: fmt.Sprint(step), Name: fmt.Sprint(step), PasswordChangedAt: at}
		withLink(rnd, &u, at)
		what, got, want = "update user", c.UpdateUser(ctx, u), m.updateUser(u)
	case 12, 13:
		k := store.APIKey{
			ID: pick(rnd, keyIDs[:]), Name: fmt.Sprint(step), Scopes: []store.Scope{pick(rnd, store.Scopes()[:3])}, CreatedBy: fmt.Sprint(step),
			SecretHash: fmt.Append(nil, step), CreatedAt: at,
		}
		if rnd.IntN(4) > 0 {
			k.OrgID = pick(rnd, orgs)
		}
		if k.OrgID != "" && rnd.IntN(3) == 0 {
			k.DeviceIDs = listOf(rnd, names)
		}
		if rnd.IntN(2) == 0 {
			k.ExpiresAt = &at
		}
		if rnd.IntN(2) == 0 {
			what, got, want = "create key", c.CreateAPIKey(ctx, k), m.createKey(k)
		} else {
			what, got, want = "update key", c.UpdateAPIKey(ctx, k), m.updateKey(k)
		}
	case 14:
		id := pick(rnd, keyIDs[:])
		what, got, want = "delete key", c.DeleteAPIKey(ctx, id), m.deleteKey(id)
	default:
		what, got, want = m.alertStep(ctx, rnd, step, c, orgs, names)
	}
	if kind(got) != want {
		t.Fatalf("step %d: %s: %v, want %v", step, what, got, want)
	}
}

// withLink gives u one of three links, or none.
func withLink(rnd *rand.Rand, u *store.User, at time.Time) {
	if n := rnd.IntN(6); n < 3 {
		u.LinkHash, u.LinkExpires = []byte{byte(n)}, at
	}
}

// listOf answers one or two names, ascending.
func listOf(rnd *rand.Rand, names []string) []string {
	list := []string{pick(rnd, names), pick(rnd, names)}
	slices.Sort(list)
	return slices.Compact(list)
}

func tagsOf(rnd *rand.Rand) []string {
	return pick(rnd, [][]string{nil, {"pump"}, {"hall-2", "pump"}})
}

func milli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
