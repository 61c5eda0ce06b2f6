package mongo

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

// refusal checks an error that stops people: its kind, and what it names.
func refusal(t testing.TB, err error, kind error, names ...string) {
	t.Helper()
	var se *store.Error
	if !errors.Is(err, kind) || !errors.As(err, &se) {
		t.Fatalf("%v is not a refusal of kind %v", err, kind)
	}
	for _, n := range names {
		if !strings.Contains(err.Error(), n) {
			t.Errorf("%q does not name %q", err, n)
		}
	}
}

// TestCatalogOpen: what a folder has, and what the server has, when tidegate
// starts.
func TestCatalogOpen(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	ctx, name := t.Context(), mongotest.Database(t)
	uri, dir := server.URI(t, name), t.TempDir()

	// A folder's own catalogue stays.
	own := openLocal(t, dir)
	noError(t, own.CreateOrganization(ctx, acme("acme")))
	before, err := own.Dump(ctx)
	noError(t, err)
	db := attach(t, uri)
	_, err = OpenCatalog(db, own, CatalogOptions{Logger: mute()})
	refusal(t, err, store.ErrConflict, "1 organizations and 0 devices", "tidegate migrate --to mongo", "unset MONGO_URI", db.place())
	if after, err := own.Dump(ctx); err != nil || !reflect.DeepEqual(after, before) {
		t.Errorf("it has become %+v (%v)", after, err)
	}
	if _, follows, err := own.Mark(ctx); err != nil || follows {
		t.Errorf("it follows: %v, %v", follows, err)
	}

	// An empty folder needs the server, once.
	p := mongotest.NewProxy(t, server.Addr())
	p.Refuse(true)
	dir = t.TempDir()
	local := openLocal(t, dir)
	_, err = OpenCatalog(attach(t, impatient(p.URI(uri))), local, CatalogOptions{Logger: mute()})
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "the first start with MONGO_URI needs the server, later ones do not") {
		t.Errorf("first start without the server: %v", err)
	}
	if _, follows, err := local.Mark(ctx); err != nil || follows {
		t.Errorf("it follows what it has not seen: %v, %v", follows, err)
	}
	noError(t, local.Close())
	first := openInstance(t, uri, dir)
	noError(t, first.CreateOrganization(ctx, acme("acme")))
	noError(t, first.Close())
	away := openInstance(t, impatient(p.URI(uri)), dir)
	if o, err := away.Organization(ctx, "acme"); err != nil || o.Name != "Acme" {
		t.Errorf("later start without the server: %+v, %v", o, err)
	}
	noError(t, away.Close())

	// A copy of another database is refused, and stays as it is.
	elsewhere := openInstance(t, server.URI(t, mongotest.Database(t)), dir)
	before = elsewhere.dump(t)
	_, err = elsewhere.Sync(ctx)
	refusal(t, err, store.ErrConflict, elsewhere.db.place(), "/"+name, "Set MONGO_URI back", "move DIR/catalog.db away")
	refusal(t, elsewhere.CreateOrganization(ctx, acme("new")), store.ErrConflict, "Set MONGO_URI back")
	if after := elsewhere.dump(t); !reflect.DeepEqual(after, before) {
		t.Errorf("it has become %+v", after)
	}
	if n := len(changesOf(t, elsewhere.db)); n != 0 {
		t.Errorf("%d changes were made in the other database", n)
	}
	noError(t, elsewhere.Close())
	sameEverywhere(t, openInstance(t, uri, dir))
}

// TestCatalogFollows: what one instance does the other sees after Sync, which
// says so once.
func TestCatalogFollows(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.Standalone)
	uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
	a, b := openInstance(t, uri, t.TempDir()), openInstance(t, uri, t.TempDir())
	b.synced(t)
	for n, change := range []func(store.Catalog) error{
		func(c store.Catalog) error { return c.CreateOrganization(ctx, acme("acme")) },
		func(c store.Catalog) error {
			return c.UpdateOrganization(ctx, store.Organization{ID: "acme", Name: "A"})
		},
		func(c store.Catalog) error {
			return c.CreateUser(ctx, store.User{ID: "u1", Email: "a@example.org", Role: store.RoleViewer, OrgID: "acme"})
		},
		func(c store.Catalog) error {
			return c.UpdateUser(ctx, store.User{ID: "u1", Role: store.RoleOrgAdmin, OrgID: "acme", PasswordHash: "x"})
		},
		func(c store.Catalog) error {
			_, err := c.CreateDevice(ctx, store.Device{ID: "d1", OrgID: "acme", SerialNumber: "SN1"}, []store.Port{{Number: 1, Name: "U"}})
			return err
		},
		func(c store.Catalog) error { return c.PutPort(ctx, store.Port{DeviceID: "d1", Number: 2}) },
		func(c store.Catalog) error { return c.DeletePort(ctx, "d1", 1) },
		func(c store.Catalog) error {
			return c.UpdateDevice(ctx, store.Device{ID: "d1", State: store.DeviceDeleted})
		},
		func(c store.Catalog) error {
			return c.UpdateUser(ctx, store.User{ID: "u1", Name: "Ann", Role: store.RoleOrgAdmin, OrgID: "acme", LinkHash: []byte{1}, LinkExpires: time.Unix(7, 0)})
		},
		func(c store.Catalog) error { return c.CreateAPIKey(ctx, apiKey("key-0123456789abcdef", "acme")) },
		func(c store.Catalog) error {
			return c.UpdateAPIKey(ctx, store.APIKey{ID: "key-0123456789abcdef", Name: "renamed"})
		},
		func(c store.Catalog) error { return c.DeleteAPIKey(ctx, "key-0123456789abcdef") },
		func(c store.Catalog) error { return c.CreateChannel(ctx, channel("ch-0", "acme")) },
		func(c store.Catalog) error { return c.UpdateChannel(ctx, channel("ch-0", "")) },
		func(c store.Catalog) error { return c.CreateAlertRule(ctx, alertRule("rule-0", "acme", "ch-0")) },
		func(c store.Catalog) error {
			r := alertRule("rule-0", "")
			r.Revision = 2
			return c.UpdateAlertRule(ctx, r)
		},
		func(c store.Catalog) error { return c.DeleteChannel(ctx, "ch-0") },
		func(c store.Catalog) error { return c.DeleteAlertRule(ctx, "rule-0") },
		func(c store.Catalog) error { return c.CreateChannel(ctx, channel("ch-1", "acme")) },
		func(c store.Catalog) error { return c.CreateAlertRule(ctx, alertRule("rule-1", "acme", "ch-1")) },
		func(c store.Catalog) error { return c.DeleteUser(ctx, "u1") },
		func(c store.Catalog) error { return c.DeleteOrganization(ctx, "acme") },
	} {
		noError(t, change(a))
		for _, want := range []bool{true, false} {
			if changed, err := b.Sync(ctx); err != nil || changed != want {
				t.Errorf("change %d: %v, %v, want %v", n, changed, err, want)
			}
		}
		if changed, err := a.Sync(ctx); err != nil || changed {
			t.Errorf("change %d came from elsewhere to the one that made it: %v, %v", n, changed, err)
		}
		sameEverywhere(t, a, b)
	}
	// What comes in by a change of one's own is told by the next Sync, and a rule
	// is judged by what others did.
	noError(t, a.CreateOrganization(ctx, acme("x")))
	if err := b.CreateOrganization(ctx, acme("x")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("made twice: %v", err)
	}
	if changed, err := b.Sync(ctx); err != nil || !changed {
		t.Errorf("it came in by a change: %v, %v", changed, err)
	}
}

// TestCatalogLags: a copy from so long ago that its next changes are no longer
// to be had reads the collections instead, also when it is about to write.
func TestCatalogLags(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
	a, reads, writes := openInstance(t, uri, t.TempDir()), openInstance(t, uri, t.TempDir()), openInstance(t, uri, t.TempDir())
	noError(t, a.CreateOrganization(ctx, acme("acme")))
	noError(t, a.CreateOrganization(ctx, acme("gone")))
	reads.synced(t)
	writes.synced(t)
	noError(t, a.DeleteOrganization(ctx, "gone"))
	for n := range 12 {
		_, err := a.CreateDevice(ctx, store.Device{ID: fmt.Sprintf("d%d", n), OrgID: "acme"}, []store.Port{{Number: 1}})
		noError(t, err)
	}
	noError(t, a.db.emptyChanges(ctx, 8))
	for _, c := range changesOf(t, a.db) {
		if c.Emptied != (c.Revision <= 8) || c.Emptied && !reflect.DeepEqual(c, changeDoc{Revision: c.Revision, Token: c.Token, Emptied: true}) {
			t.Errorf("change %d: %+v", c.Revision, c)
		}
	}
	// Its number is taken, though nothing is left of who took it.
	err := writes.commit(ctx, time.Now().Add(time.Minute), store.CatalogChange{GoneUsers: []string{"x"}}, newToken())
	if !errors.Is(err, errOutrun) {
		t.Errorf("written under a number of long ago: %v", err)
	}
	d, err := writes.CreateDevice(ctx, store.Device{ID: "late", OrgID: "acme"}, nil)
	noError(t, err)
	if d.UID != 13 {
		t.Errorf("a late one gave the number %d", d.UID)
	}
	if changed, err := reads.Sync(ctx); err != nil || !changed {
		t.Errorf("%v, %v", changed, err)
	}
	if n := len(changesOf(t, a.db)); n != 16 {
		t.Errorf("%d changes", n)
	}
	sameEverywhere(t, a, reads, writes, openInstance(t, uri, t.TempDir()))

	// What the collections lack can be lost, if they were taken back by hand.
	_, err = a.db.meta().UpdateOne(ctx, bson.D{{Key: "_id", Value: "catalog"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "applied", Value: 5}}}})
	noError(t, err)
	a.viewed = 0
	_, err = a.Sync(ctx)
	refusal(t, err, store.ErrConflict, "hold the changes up to 5, and 6 is no longer there")

	// One of another history is known, however long ago it was.
	m := reads.mark
	m.Revision, m.Token = 2, "another"
	noError(t, reads.local.Follow(ctx, m, store.CatalogChange{}))
	reads.mark = m
	_, err = reads.Sync(ctx)
	refusal(t, err, store.ErrConflict, "another change 2")
}

// TestCatalogEmptiesOldChanges makes more changes than are kept.
func TestCatalogEmptiesOldChanges(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.Standalone)
	uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
	lags := openInstance(t, uri, t.TempDir())
	noError(t, lags.CreateOrganization(ctx, acme("acme")))
	// Others made as many as are kept.
	var docs []any
	for n := int64(2); n <= keptChanges; n++ {
		name := store.CatalogChange{Organizations: []store.Organization{{ID: "acme", Name: fmt.Sprint(n)}}}
		docs = append(docs, docOfChange(name, n, newToken(), 0))
	}
	_, err := lags.db.db.Collection(changesCollection).InsertMany(ctx, docs)
	noError(t, err)
	last := docs[len(docs)-1].(changeDoc)
	noError(t, lags.db.viewChange(ctx, &last))

	a := openInstance(t, uri, t.TempDir())
	for n := range 2*emptyEvery + 50 {
		noError(t, a.UpdateOrganization(ctx, store.Organization{ID: "acme", Name: fmt.Sprint("a", n)}))
	}
	for _, c := range changesOf(t, a.db) {
		if c.Emptied != (c.Revision <= 2*emptyEvery) {
			t.Fatalf("of %d changes this is left: %+v", keptChanges+2*emptyEvery+50, c)
		}
	}
	sameEverywhere(t, a, lags, openInstance(t, uri, t.TempDir()))
}

// TestCatalogParted: a database that was restored from a backup is not mixed
// with what this folder has seen since.
func TestCatalogParted(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
	a := openInstance(t, uri, t.TempDir())
	for n := range 3 {
		noError(t, a.CreateOrganization(ctx, acme(fmt.Sprintf("org-%d", n))))
	}
	before := a.dump(t)
	changes := a.db.db.Collection(changesCollection)
	_, err := changes.DeleteOne(ctx, bson.D{{Key: "_id", Value: 3}})
	noError(t, err)
	_, err = a.Sync(ctx)
	refusal(t, err, store.ErrConflict, "ends before change 3", "restored from a backup", "move DIR/catalog.db away")
	refusal(t, a.CreateOrganization(ctx, acme("new")), store.ErrConflict, "ends before change 3")
	if n := len(changesOf(t, a.db)); n != 2 {
		t.Errorf("%d changes: one was made after one that is gone", n)
	}
	_, err = OpenCatalog(a.db, openLocal(t, t.TempDir()), CatalogOptions{Logger: mute()})
	refusal(t, err, store.ErrConflict, "has lost its last change")
	_, err = changes.InsertOne(ctx, changeDoc{Revision: 3, Token: "another"})
	noError(t, err)
	_, err = a.Sync(ctx)
	refusal(t, err, store.ErrConflict, "another change 3")
	refusal(t, a.CreateOrganization(ctx, acme("org-0")), store.ErrConflict, "another change 3")
	if after := a.dump(t); !reflect.DeepEqual(after, before) {
		t.Errorf("it has become %+v", after)
	}
}

// TestCatalogOlderCopy: the copy that an older tidegate kept lacks what that did
// not know, however far it has come. It answers with what it has, also while the
// server is away, and is read anew before anything is judged by it.
func TestCatalogOlderCopy(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	uri, dir, ctx := server.URI(t, mongotest.Database(t)), t.TempDir(), t.Context()
	const id = "key-0123456789abcdef"
	link := store.User{ID: "u1", Email: "ann@example.org", Name: "Ann", Role: store.RoleViewer, OrgID: "acme", LinkHash: []byte{1}, LinkExpires: time.Unix(7, 0)}
	// older makes the folder's copy one of an older tidegate, which followed the
	// same changes.
	older := func() *instance {
		t.Helper()
		i := openInstance(t, uri, dir).synced(t)
		m, _, err := i.local.Mark(ctx)
		noError(t, err)
		if m.Form != store.CatalogForm {
			t.Errorf("a copy is kept in form %d", m.Form)
		}
		m.Form = 0
		bare := link
		bare.Name, bare.LinkHash, bare.LinkExpires = "", nil, time.Time{}
		noError(t, i.local.Follow(ctx, m, store.CatalogChange{
			Users: []store.User{bare}, GoneAPIKeys: []string{id}, GoneAlertRules: []string{"rule-0"}, GoneChannels: []string{"ch-0"},
		}))
		noError(t, i.Close())
		return openInstance(t, uri, dir)
	}
	a := openInstance(t, uri, t.TempDir())
	noError(t, a.CreateOrganization(ctx, acme("acme")))
	noError(t, a.CreateUser(ctx, link))
	noError(t, a.CreateAPIKey(ctx, apiKey(id, "acme")))
	noError(t, a.CreateChannel(ctx, channel("ch-0", "acme")))
	noError(t, a.CreateAlertRule(ctx, alertRule("rule-0", "acme", "ch-0")))

	p := mongotest.NewProxy(t, server.Addr())
	p.Refuse(true)
	noError(t, older().Close())
	away := openInstance(t, impatient(p.URI(uri)), dir)
	if u, err := away.User(ctx, "u1"); err != nil || u.Name != "" {
		t.Errorf("without the server it has %+v, %v", u, err)
	}
	noError(t, away.Close())

	i := older()
	if changed, err := i.Sync(ctx); err != nil || !changed {
		t.Errorf("%v, %v", changed, err)
	}
	if k, err := i.APIKey(ctx, id); err != nil || k.OrgID != "acme" {
		t.Errorf("it has %+v, %v", k, err)
	}
	if r, err := i.AlertRule(ctx, "rule-0"); err != nil || r.OrgID != "acme" {
		t.Errorf("it has %+v, %v", r, err)
	}
	if changed, err := i.Sync(ctx); err != nil || changed {
		t.Errorf("once more: %v, %v", changed, err)
	}
	sameEverywhere(t, a, i)
	noError(t, i.Close())

	i = older()
	noError(t, a.CreateOrganization(ctx, acme("beta"))) // and there is more to follow
	if err := i.DeleteOrganization(ctx, "acme"); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an organization with a user was deleted: %v", err)
	}
	noError(t, i.DeleteUser(ctx, "u1"))
	refusal(t, i.DeleteOrganization(ctx, "acme"), store.ErrConflict, "still has API keys, such as "+id)
	noError(t, errors.Join(i.DeleteAPIKey(ctx, id), i.DeleteOrganization(ctx, "acme")))
	if r, err := i.AlertRule(ctx, "rule-0"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a rule outlived its organization: %+v, %v", r, err)
	}
	sameEverywhere(t, a, i)
	noError(t, i.Close())

	// One of another history is still told apart.
	i = openInstance(t, uri, dir)
	m := i.mark
	m.Form, m.Token = 0, "another"
	noError(t, i.local.Follow(ctx, m, store.CatalogChange{}))
	i.mark = m
	_, err := i.Sync(ctx)
	refusal(t, err, store.ErrConflict, "another change")
}

// TestCatalogOlderDocuments: what an older tidegate wrote lacks fields, and is
// taken as it is.
func TestCatalogOlderDocuments(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
	a := openInstance(t, uri, t.TempDir())
	noError(t, a.db.Ready(ctx))
	noError(t, a.db.upsertMeta(ctx, "schema", bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: 1}}}}))
	user := bson.D{
		{Key: "_id", Value: "u1"},
		{Key: "email", Value: "ann@example.org"},
		{Key: "emailKey", Value: "ann@example.org"},
		{Key: "role", Value: "company-admin"},
		{Key: "passwordHash", Value: "$"},
		{Key: "createdAt", Value: bson.DateTime(7)},
		{Key: "rev", Value: int64(1)},
	}
	change := bson.D{{Key: "_id", Value: int64(1)}, {Key: "token", Value: "theirs"}, {Key: "at", Value: bson.DateTime(7)}, {Key: "users", Value: bson.A{user}}}
	_, err := a.db.db.Collection(changesCollection).InsertOne(ctx, change)
	noError(t, err)
	want := store.User{ID: "u1", Email: "ann@example.org", Role: store.RoleCompanyAdmin, PasswordHash: "$", CreatedAt: time.UnixMilli(7).UTC()}
	b := openInstance(t, uri, t.TempDir()) // the first reads changes, the other the collections
	for n, i := range []*instance{a, b} {
		i.synced(t)
		if u, err := i.User(ctx, "u1"); err != nil || !reflect.DeepEqual(u, want) {
			t.Errorf("instance %d has %+v, %v", n, u, err)
		}
	}
	sameEverywhere(t, a, b)
	if v := versionOf(t, b.db); v != migrations()[len(migrations())-1].version {
		t.Errorf("the database has version %d", v)
	}
}
