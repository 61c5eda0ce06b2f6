package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"tidegate/store"
)

// CatalogCopy is a copy of a catalogue that can be closed.
type CatalogCopy interface {
	store.CatalogCopy
	Close() error
}

// RunCatalogCopy tests a catalogue that can follow another. open opens that of
// a folder, or makes it: an original then.
func RunCatalogCopy(t *testing.T, open func(t testing.TB, dir string) CatalogCopy) {
	t.Run("original", func(t *testing.T) { testCopyOriginal(t, open) })
	t.Run("taken as it comes", func(t *testing.T) { testCopyTakes(t, open) })
	t.Run("refuses", func(t *testing.T) { testCopyRefuses(t, open) })
	t.Run("try", func(t *testing.T) { testCopyTry(t, open) })
	t.Run("numbers", func(t *testing.T) { testCopyNumbers(t, open) })
	t.Run("model", func(t *testing.T) { testCopyModel(t, open) })
}

// copyMark is a mark of some database.
func copyMark(revision uint64) store.CatalogMark {
	return store.CatalogMark{Database: "db-1", Name: "db.example:27017/plant", Revision: revision, Token: fmt.Sprintf("token %d", revision), Form: store.CatalogForm}
}

// everything is a catalogue with each field that there is.
func everything() store.CatalogChange {
	low, high, tiny, past, ahead := -1.5, 0.1, math.SmallestNonzeroFloat64, 36*time.Hour+time.Nanosecond, time.Duration(0)
	at := milli(1_700_000_000_123)
	return store.CatalogChange{
		Organizations: []store.Organization{{ID: "acme", Name: "Acme & <Söhne>", CreatedAt: at}, {ID: "beta", Name: "B", CreatedAt: milli(-1)}},
		Users: []store.User{
			{ID: "u1", Email: "Ann@Example.org", Role: store.RoleOrgAdmin, OrgID: "acme", PasswordHash: "$argon2id$v=19", CreatedAt: at, Name: "Ann", PasswordChangedAt: milli(-7), LinkHash: []byte{0, 255}, LinkExpires: at},
			{ID: "u2", Email: "root@example.org", Role: store.RoleCompanyAdmin, CreatedAt: at},
		},
		Devices: []store.Device{
			{ID: "d1", UID: 7, OrgID: "acme", SerialNumber: "SN1", Name: "pump", State: store.DeviceActive, SecretHash: []byte{0, 255}, AcceptPast: &past, AcceptAhead: &ahead, AssumeZone: "Europe/Berlin", Tags: []string{"hall-2", "pump"}, CreatedAt: at},
			{ID: "d2", UID: 3, OrgID: "acme", State: store.DeviceDeleted, CreatedAt: at},
			{ID: "d3", UID: math.MaxUint32 - 9, OrgID: "beta", State: store.DeviceRetired, CreatedAt: at},
		},
		Ports: []store.Port{
			{DeviceID: "d1", Number: 0, Name: "Current", Calibrations: []store.Calibration{{Number: 1, Scaling: 1, CreatedAt: at}}, CreatedAt: at},
			{
				DeviceID: "d1", Number: 65535, Name: "Voltage", Unit: "V", ValidMin: &low, ValidMax: &high, Low: &tiny, High: &high, CreatedAt: at,
				Calibrations: []store.Calibration{
					{Number: 1, Scaling: 0.1, Offset: -3, CreatedAt: at},
					{Number: 65535, Scaling: math.MaxFloat64, Offset: tiny, EffectiveFrom: milli(-5), CreatedAt: at},
				},
			},
			{DeviceID: "d2", Number: 1, Name: "of a deleted one", Calibrations: []store.Calibration{{Number: 1, Scaling: -2, CreatedAt: at}}, CreatedAt: at},
		},
		APIKeys: []store.APIKey{
			{ID: keyIDs[0], Name: "PLC & <Söhne>", OrgID: "acme", Scopes: []store.Scope{store.ScopeIngest, store.ScopeWrite}, DeviceIDs: []string{"d1", "d2"}, ExpiresAt: &at, SecretHash: []byte{0, 255}, CreatedBy: "user:ann@example.org", CreatedAt: at},
			{ID: keyIDs[1], Name: "all", Scopes: []store.Scope{store.ScopeAdmin}, SecretHash: []byte{1}, CreatedBy: "uid:0", CreatedAt: milli(-1)},
		},
		AlertRules: []store.AlertRule{fullRule(), {ID: ruleIDs[1], OrgID: "beta", Name: "B", Severity: store.SeverityInfo, Condition: store.Condition{Kind: store.CondOutside}, Revision: 1, CreatedAt: at, UpdatedAt: milli(-1)}},
		Channels:   []store.Channel{fullChannel(), {ID: channelIDs[1], OrgID: "beta", Name: "B", Type: store.ChannelEmail, CreatedAt: at, UpdatedAt: milli(-1)}},
		LastUID:    math.MaxUint32 - 5,
	}
}

func testCopyOriginal(t *testing.T, open func(testing.TB, string) CatalogCopy) {
	dir, ctx := t.TempDir(), t.Context()
	c := open(t, dir)
	empty, err := c.Dump(ctx)
	must(t, err)
	if !empty.Empty() || empty.LastUID != 0 {
		t.Errorf("a new one holds %+v", empty)
	}
	must(t, c.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "Acme"}))
	must(t, c.Detach(ctx)) // it is one already
	if m, follows, err := c.Mark(ctx); err != nil || follows || m != (store.CatalogMark{}) {
		t.Errorf("an original follows %+v (%v, %v)", m, follows, err)
	}
	must(t, c.Follow(ctx, copyMark(4), store.CatalogChange{}))
	if m, follows, err := c.Mark(ctx); err != nil || !follows || m != copyMark(4) {
		t.Errorf("it follows %+v (%v, %v)", m, follows, err)
	}
	must(t, c.Close())
	c = open(t, dir)
	if m, follows, err := c.Mark(ctx); err != nil || !follows || m != copyMark(4) {
		t.Errorf("once it is opened again it follows %+v (%v, %v)", m, follows, err)
	}
	must(t, c.Detach(ctx))
	if _, follows, err := c.Mark(ctx); err != nil || follows {
		t.Errorf("detached, it follows: %v, %v", follows, err)
	}
	if o, err := c.Organization(ctx, "acme"); err != nil || o.Name != "Acme" {
		t.Errorf("%+v, %v", o, err)
	}
	must(t, c.CreateOrganization(ctx, store.Organization{ID: "beta", Name: "Beta"}))
	must(t, c.Close())
}

// testCopyTakes brings a whole catalogue through Replace, Dump and Follow.
func testCopyTakes(t *testing.T, open func(testing.TB, string) CatalogCopy) {
	dir, ctx := t.TempDir(), t.Context()
	want := everything()
	first := open(t, dir)
	must(t, first.CreateOrganization(ctx, store.Organization{ID: "gone", Name: "Gone"}))
	must(t, first.Replace(ctx, copyMark(1), want))
	sameCatalog(t, "after Replace", first, want)
	must(t, first.Close())
	first = open(t, dir)
	sameCatalog(t, "opened again", first, want)
	whole, err := first.Dump(ctx)
	must(t, err)

	second := open(t, t.TempDir())
	for range 2 {
		must(t, second.Follow(ctx, copyMark(1), whole))
		sameCatalog(t, "followed from nothing", second, want)
	}
	if u, err := second.UserByEmail(ctx, "ann@example.ORG"); err != nil || !reflect.DeepEqual(u, want.Users[0]) {
		t.Errorf("by address: %+v, %v", u, err)
	}
	if list, err := second.ListDevices(ctx, store.DeviceFilter{OrgID: "acme", IncludeDeleted: true}); err != nil || len(list) != 2 {
		t.Errorf("devices of acme: %+v, %v", list, err)
	}

	// One change may move names about.
	swap := store.CatalogChange{
		Users: []store.User{
			{ID: "u1", Email: "root@example.org", Role: store.RoleCompanyAdmin, CreatedAt: milli(0)},
			{ID: "u2", Email: "ann@example.org", Role: store.RoleViewer, OrgID: "beta", CreatedAt: milli(0), LinkHash: []byte{0, 255}, LinkExpires: milli(0)},
		},
		Devices: []store.Device{
			{ID: "d3", UID: math.MaxUint32 - 9, OrgID: "beta", SerialNumber: "SN1", State: store.DeviceActive, CreatedAt: milli(0)},
			{ID: "d1", UID: 7, OrgID: "beta", SerialNumber: keyIDs[0], State: store.DeviceActive, CreatedAt: milli(0)},
		},
		GoneAPIKeys:    []string{keyIDs[0]},
		GoneAlertRules: []string{ruleIDs[1]},
		AlertRules:     []store.AlertRule{{ID: ruleIDs[0], OrgID: "beta", Name: "of beta", Severity: store.SeverityInfo, Condition: store.Condition{Kind: store.CondOutside}, Channels: []string{channelIDs[0]}, Revision: 8}},
		Channels: []store.Channel{
			{ID: channelIDs[0], OrgID: "beta", Name: "B", Type: store.ChannelEmail},
			{ID: channelIDs[1], OrgID: "beta", Name: fullChannel().Name, Type: store.ChannelEmail},
		},
		APIKeys: []store.APIKey{{ID: keyIDs[1], Name: "of beta", OrgID: "beta", Scopes: []store.Scope{store.ScopeRead}, CreatedAt: milli(0)}},
		Ports: []store.Port{
			{DeviceID: "d1", Number: 0, Name: "Voltage", Calibrations: []store.Calibration{{Number: 1, Scaling: 1, CreatedAt: milli(0)}}, CreatedAt: milli(0)},
			{DeviceID: "d1", Number: 65535, Name: "Current", Calibrations: []store.Calibration{{Number: 1, Scaling: 1, CreatedAt: milli(0)}}, CreatedAt: milli(0)},
		},
	}
	for range 2 {
		must(t, second.Follow(ctx, copyMark(2), swap))
		must(t, second.Try(ctx, func(draft store.Catalog) error {
			for email, id := range map[string]string{"ANN@example.org": "u2", "root@example.org": "u1"} {
				if u, err := draft.UserByEmail(ctx, email); err != nil || u.ID != id {
					t.Errorf("by address: %+v, %v", u, err)
				}
			}
			if u, err := draft.UserByLink(ctx, []byte{0, 255}); err != nil || u.ID != "u2" {
				t.Errorf("by link: %+v, %v", u, err)
			}
			if list, err := draft.ListUsers(ctx, store.UserFilter{OrgID: "beta"}); err != nil || len(list) != 1 || list[0].ID != "u2" {
				t.Errorf("users of beta: %+v, %v", list, err)
			}
			if list, err := draft.ListAPIKeys(ctx, store.APIKeyFilter{OrgID: "beta"}); err != nil || len(list) != 1 || list[0].Name != "of beta" {
				t.Errorf("API keys of beta: %+v, %v", list, err)
			}
			if list, err := draft.ListAlertRules(ctx, store.AlertRuleFilter{OrgID: "beta"}); err != nil || len(list) != 1 || list[0].Name != "of beta" {
				t.Errorf("alert rules of beta: %+v, %v", list, err)
			}
			if list, err := draft.ListChannels(ctx, store.ChannelFilter{OrgID: "beta"}); err != nil || len(list) != 2 || list[1].Name != fullChannel().Name {
				t.Errorf("channels of beta: %+v, %v", list, err)
			}
			for _, name := range []string{"B", fullChannel().Name} {
				if err := draft.CreateChannel(ctx, store.Channel{ID: channelIDs[2], OrgID: "beta", Name: name, Type: store.ChannelEmail}); kind(err) != store.ErrConflict {
					t.Errorf("a channel's name twice: %v", err)
				}
			}
			if err := draft.DeleteChannel(ctx, channelIDs[0]); kind(err) != store.ErrConflict {
				t.Errorf("a channel that a rule names: %v", err)
			}
			for _, id := range keyIDs[:2] {
				if err := draft.CreateAPIKey(ctx, store.APIKey{ID: id, Name: "k", Scopes: []store.Scope{store.ScopeRead}}); kind(err) != store.ErrConflict {
					t.Errorf("an id twice: %v", err)
				}
			}
			if list, err := draft.ListDevices(ctx, store.DeviceFilter{OrgID: "acme"}); err != nil || len(list) != 0 {
				t.Errorf("devices of acme: %+v, %v", list, err)
			}
			if err := draft.UpdateDevice(ctx, store.Device{ID: "d1", SerialNumber: "SN1", State: store.DeviceActive}); kind(err) != store.ErrConflict {
				t.Errorf("a serial number twice: %v", err)
			}
			for _, name := range []string{"Voltage", "Current"} {
				if err := draft.PutPort(ctx, store.Port{DeviceID: "d1", Number: 9, Name: name}); kind(err) != store.ErrConflict {
					t.Errorf("a port's name twice: %v", err)
				}
			}
			return errors.Join(
				draft.PutPort(ctx, store.Port{DeviceID: "d1", Number: 9, Name: "Frequency"}),
				draft.DeleteOrganization(ctx, "acme"), // nobody is left in it
			)
		}))
	}
	must(t, errors.Join(first.Close(), second.Close()))
}

// testCopyRefuses tries every change on a copy.
func testCopyRefuses(t *testing.T, open func(testing.TB, string) CatalogCopy) {
	ctx, want := t.Context(), everything()
	c := open(t, t.TempDir())
	must(t, c.Replace(ctx, copyMark(1), want))
	changes := map[string]func(store.Catalog) error{
		"create organization": func(c store.Catalog) error {
			return c.CreateOrganization(ctx, store.Organization{ID: "new", Name: "N"})
		},
		"update organization": func(c store.Catalog) error {
			return c.UpdateOrganization(ctx, store.Organization{ID: "acme", Name: "N"})
		},
		"delete organization": func(c store.Catalog) error {
			return errors.Join(c.CreateOrganization(ctx, store.Organization{ID: "n", Name: "N"}), c.DeleteOrganization(ctx, "n"))
		},
		"create user": func(c store.Catalog) error {
			return c.CreateUser(ctx, store.User{ID: "u9", Email: "x@example.org", Role: store.RoleViewer, OrgID: "acme"})
		},
		"update user": func(c store.Catalog) error {
			return c.UpdateUser(ctx, store.User{ID: "u1", Role: store.RoleViewer, OrgID: "acme"})
		},
		"delete user": func(c store.Catalog) error { return c.DeleteUser(ctx, "u1") },
		"create device": func(c store.Catalog) error {
			_, err := c.CreateDevice(ctx, store.Device{ID: "d9", OrgID: "acme"}, []store.Port{{Number: 1}})
			return err
		},
		"update device": func(c store.Catalog) error {
			return c.UpdateDevice(ctx, store.Device{ID: "d1", State: store.DeviceRetired})
		},
		"put port":    func(c store.Catalog) error { return c.PutPort(ctx, store.Port{DeviceID: "d1", Number: 5}) },
		"delete port": func(c store.Catalog) error { return c.DeletePort(ctx, "d1", 0) },
		"create API key": func(c store.Catalog) error {
			return c.CreateAPIKey(ctx, store.APIKey{ID: keyIDs[5], Name: "k", OrgID: "acme", Scopes: []store.Scope{store.ScopeRead}})
		},
		"update API key": func(c store.Catalog) error { return c.UpdateAPIKey(ctx, store.APIKey{ID: keyIDs[0], Name: "k"}) },
		"delete API key": func(c store.Catalog) error { return c.DeleteAPIKey(ctx, keyIDs[0]) },
		"create alert rule": func(c store.Catalog) error {
			return c.CreateAlertRule(ctx, store.AlertRule{ID: ruleIDs[2], OrgID: "acme", Name: "r", Severity: store.SeverityInfo, Condition: store.Condition{Kind: store.CondOutside}})
		},
		"update alert rule": func(c store.Catalog) error {
			r := fullRule()
			r.Revision++
			return c.UpdateAlertRule(ctx, r)
		},
		"delete alert rule": func(c store.Catalog) error { return c.DeleteAlertRule(ctx, ruleIDs[0]) },
		"create channel": func(c store.Catalog) error {
			return c.CreateChannel(ctx, store.Channel{ID: channelIDs[2], OrgID: "acme", Name: "n", Type: store.ChannelEmail})
		},
		"update channel": func(c store.Catalog) error { return c.UpdateChannel(ctx, fullChannel()) },
		"delete channel": func(c store.Catalog) error { return c.DeleteChannel(ctx, channelIDs[1]) },
	}
	for name, change := range changes {
		var se *store.Error
		if err := change(c); kind(err) != store.ErrConflict || !errors.As(err, &se) {
			t.Errorf("%s: %v", name, err)
		}
		must(t, c.Try(ctx, change)) // there it is allowed, and of no effect
	}
	sameCatalog(t, "after all", c, want)
	if m, follows, err := c.Mark(ctx); err != nil || !follows || m != copyMark(1) {
		t.Errorf("it follows %+v (%v, %v)", m, follows, err)
	}
	must(t, c.Close())
}

func testCopyTry(t *testing.T, open func(testing.TB, string) CatalogCopy) {
	ctx, want := t.Context(), everything()
	c := open(t, t.TempDir())
	must(t, c.Replace(ctx, copyMark(1), want))
	for range 2 {
		followed := make(chan error)
		must(t, c.Try(ctx, func(draft store.Catalog) error {
			go func() { followed <- c.Follow(ctx, copyMark(2), store.CatalogChange{GoneUsers: []string{"u1"}}) }()
			made, err := draft.CreateDevice(ctx, store.Device{ID: "d9", OrgID: "acme"}, []store.Port{{Number: 1, Name: "a"}})
			must(t, err)
			if made.UID != math.MaxUint32-4 {
				t.Errorf("the device got number %d", made.UID)
			}
			if p, err := draft.Port(ctx, "d9", 1); err != nil || p.Name != "a" {
				t.Errorf("its port: %+v, %v", p, err)
			}
			if _, err := c.Device(ctx, "d9"); kind(err) != store.ErrNotFound {
				t.Errorf("it is seen outside: %v", err)
			}
			_, err = draft.User(ctx, "u1") // Follow waits until nobody tries
			return err
		}))
		must(t, <-followed)
		must(t, c.Follow(ctx, copyMark(1), store.CatalogChange{Users: want.Users[:1]}))
	}
	sameCatalog(t, "after it was tried twice", c, want)
	wrong := errors.New("wrong")
	err := c.Try(ctx, func(draft store.Catalog) error {
		return errors.Join(draft.DeleteUser(ctx, "u1"), wrong)
	})
	if !errors.Is(err, wrong) {
		t.Errorf("the error of a try: %v", err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := c.Try(over, func(store.Catalog) error { t.Error("called"); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("tried when it was over: %v", err)
	}
	sameCatalog(t, "after errors", c, want)
	must(t, c.Close())
}

// testCopyNumbers: a device number is given once, whatever is followed.
func testCopyNumbers(t *testing.T, open func(testing.TB, string) CatalogCopy) {
	dir, ctx := t.TempDir(), t.Context()
	c := open(t, dir)
	must(t, c.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "Acme"}))
	next := func(want uint32) {
		t.Helper()
		must(t, c.Detach(ctx))
		d, err := c.CreateDevice(ctx, store.Device{ID: fmt.Sprintf("own-%d", want), OrgID: "acme"}, nil)
		must(t, err)
		if d.UID != want {
			t.Errorf("the next device got number %d, want %d", d.UID, want)
		}
	}
	next(1)
	acme := []store.Organization{{ID: "acme", Name: "Acme", CreatedAt: milli(0)}}
	must(t, c.Follow(ctx, copyMark(1), store.CatalogChange{Devices: []store.Device{{ID: "a", UID: 7, OrgID: "acme", State: store.DeviceActive}}}))
	next(8)
	must(t, c.Follow(ctx, copyMark(2), store.CatalogChange{LastUID: 20}))
	next(21)
	must(t, c.Replace(ctx, copyMark(3), store.CatalogChange{Organizations: acme, LastUID: 4}))
	next(22)
	must(t, c.Replace(ctx, copyMark(4), store.CatalogChange{Organizations: acme, LastUID: 30}))
	must(t, c.Close())
	c = open(t, dir)
	next(31)
	must(t, c.Close())
}

// testCopyModel lets one catalogue follow another that does what chance wants,
// several steps in one change, some changes twice, over reopening, crashes and
// reading the whole. The follower is held against the model, and against the
// one that it follows.
func testCopyModel(t *testing.T, open func(testing.TB, string) CatalogCopy) {
	rnd, dir, ctx := newRand(t), t.TempDir(), t.Context()
	origin, m := open(t, t.TempDir()), newCatalogModel()
	c := open(t, dir)
	must(t, c.Replace(ctx, copyMark(0), store.CatalogChange{}))
	var was store.CatalogChange
	revision := uint64(0)
	for step := range 600 {
		catalogStep(t, rnd, step, origin, m)
		if rnd.IntN(3) > 0 {
			continue
		}
		now, err := origin.Dump(ctx)
		must(t, err)
		revision++
		if rnd.IntN(20) == 0 {
			must(t, c.Replace(ctx, copyMark(revision), now))
		} else {
			change := difference(was, now)
			for range 1 + rnd.IntN(2) {
				must(t, c.Follow(ctx, copyMark(revision), change))
			}
		}
		was = now
		switch rnd.IntN(10) {
		case 0:
			must(t, c.Close())
			c = open(t, dir)
		case 1:
			image := crashImage(t, dir)
			must(t, c.Close())
			dir, c = image, open(t, image)
		}
		sameCatalog(t, fmt.Sprintf("step %d", step), c, now)
		if mark, follows, err := c.Mark(ctx); err != nil || !follows || mark != copyMark(revision) {
			t.Fatalf("step %d: at %+v (%v, %v)", step, mark, follows, err)
		}
		if step%10 == 0 {
			m.compare(t, rnd, c)
		}
	}
	must(t, errors.Join(origin.Close(), c.Close()))
}

// difference answers the change from one whole catalogue to another.
func difference(was, now store.CatalogChange) store.CatalogChange {
	var c store.CatalogChange
	c.Organizations, c.GoneOrganizations = differ(was.Organizations, now.Organizations, func(o store.Organization) string { return o.ID })
	c.Users, c.GoneUsers = differ(was.Users, now.Users, func(u store.User) string { return u.ID })
	c.Devices, _ = differ(was.Devices, now.Devices, func(d store.Device) string { return d.ID })
	c.APIKeys, c.GoneAPIKeys = differ(was.APIKeys, now.APIKeys, func(k store.APIKey) string { return k.ID })
	c.AlertRules, c.GoneAlertRules = differ(was.AlertRules, now.AlertRules, func(r store.AlertRule) string { return r.ID })
	c.Channels, c.GoneChannels = differ(was.Channels, now.Channels, func(ch store.Channel) string { return ch.ID })
	c.Ports, c.GonePorts = differ(was.Ports, now.Ports, func(p store.Port) store.PortID { return store.PortID{DeviceID: p.DeviceID, Number: p.Number} })
	return c
}

func differ[T any, K comparable](was, now []T, key func(T) K) (changed []T, gone []K) {
	old, left := map[K]T{}, map[K]bool{}
	for _, v := range was {
		old[key(v)] = v
	}
	for _, v := range now {
		left[key(v)] = true
		if before, ok := old[key(v)]; !ok || !reflect.DeepEqual(before, v) {
			changed = append(changed, v)
		}
	}
	for _, v := range was {
		if !left[key(v)] {
			gone = append(gone, key(v))
		}
	}
	slices.Reverse(changed) // the order is nobody's business
	return changed, gone
}

// sameCatalog compares all that a copy holds.
func sameCatalog(t testing.TB, when string, c store.CatalogCopy, want store.CatalogChange) {
	t.Helper()
	got, err := c.Dump(t.Context())
	must(t, err)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", when, got, want)
	}
}
