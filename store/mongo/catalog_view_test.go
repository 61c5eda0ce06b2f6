package mongo

import (
	"context"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

// TestCatalogHeldUpWriter lets writers that were held up write every change once
// more, in any order, long after: the collections stay as the last change left
// them.
func TestCatalogHeldUpWriter(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	i, ctx := openInstance(t, server.URI(t, mongotest.Database(t)), t.TempDir()), t.Context()
	user := func(id string) error {
		return i.CreateUser(ctx, store.User{ID: id, Email: "ann@example.org", Role: store.RoleCompanyAdmin})
	}
	port := func(n uint16, name string) error {
		return i.PutPort(ctx, store.Port{DeviceID: "d1", Number: n, Name: name})
	}
	device := func(id, serial string) error {
		_, err := i.CreateDevice(ctx, store.Device{ID: id, OrgID: "a", SerialNumber: serial}, nil)
		return err
	}
	set := func(id, serial string, s store.DeviceState) error {
		return i.UpdateDevice(ctx, store.Device{ID: id, SerialNumber: serial, State: s})
	}
	for n, step := range []func() error{
		func() error { return i.CreateOrganization(ctx, acme("a")) },
		func() error { return i.CreateOrganization(ctx, acme("b")) },
		func() error { return i.DeleteOrganization(ctx, "b") },
		func() error { return i.CreateOrganization(ctx, store.Organization{ID: "b", Name: "again"}) },
		func() error { return i.CreateOrganization(ctx, acme("c")) },
		func() error { return i.DeleteOrganization(ctx, "c") },
		// An address, a serial number and a name go from hand to hand.
		func() error { return user("u1") },
		func() error { return i.DeleteUser(ctx, "u1") },
		func() error { return user("u2") },
		func() error { return i.DeleteUser(ctx, "u2") },
		func() error { return user("u1") },
		func() error { return device("d1", "SN1") },
		func() error { return set("d1", "", store.DeviceActive) },
		func() error { return device("d2", "SN1") },
		func() error { return set("d2", "SN1", store.DeviceDeleted) },
		func() error { return set("d1", "SN1", store.DeviceActive) },
		func() error { return port(1, "U") },
		func() error { return port(1, "I") },
		func() error { return port(2, "U") },
		func() error { return i.DeletePort(ctx, "d1", 2) },
		func() error { return port(3, "U") },
		func() error { return i.DeletePort(ctx, "d1", 1) },
		func() error { return i.CreateAPIKey(ctx, apiKey("key-0000000000000000", "a")) },
		func() error { return i.DeleteAPIKey(ctx, "key-0000000000000000") },
		func() error { return i.CreateAPIKey(ctx, apiKey("key-0000000000000000", "b")) },
		func() error { return i.CreateAPIKey(ctx, apiKey("key-1111111111111111", "")) },
		func() error { return i.UpdateAPIKey(ctx, store.APIKey{ID: "key-1111111111111111", Name: "renamed"}) },
		func() error { return i.CreateAPIKey(ctx, apiKey("key-2222222222222222", "a")) },
		func() error { return i.DeleteAPIKey(ctx, "key-2222222222222222") },
		func() error { return i.CreateChannel(ctx, channel("ch-0", "a")) },
		func() error { return i.CreateAlertRule(ctx, alertRule("rule-0", "a", "ch-0")) },
		func() error { return i.DeleteAlertRule(ctx, "rule-0") },
		func() error { return i.CreateAlertRule(ctx, alertRule("rule-0", "b")) },
		func() error { return i.CreateAlertRule(ctx, alertRule("rule-1", "a", "ch-0")) },
		func() error { return i.CreateChannel(ctx, channel("ch-1", "b")) },
		func() error { return i.DeleteChannel(ctx, "ch-1") },
	} {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
	}
	sameEverywhere(t, i)
	want := inCollections(t, i.db)
	changes := changesOf(t, i.db)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 5 {
		for _, n := range rnd.Perm(len(changes)) {
			noError(t, i.db.viewChange(ctx, &changes[n]))
		}
		if got := inCollections(t, i.db); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	}
	if note, err := i.db.readViewed(ctx); err != nil || note != (viewedNote{Applied: int64(len(changes)), LastUID: 2}) {
		t.Errorf("noted: %+v, %v", note, err)
	}
}

// TestCatalogForeignDocument: what somebody else has put into a collection is
// not taken for ours. Where it is in the way of a document the change has
// happened all the same, and people are told what to do.
func TestCatalogForeignDocument(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.Standalone)
	uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
	i := openInstance(t, uri, t.TempDir())
	noError(t, i.CreateOrganization(ctx, acme("acme")))
	users := i.db.db.Collection(usersCollection)
	for _, doc := range []bson.D{
		{{Key: "_id", Value: bson.NewObjectID()}, {Key: "name", Value: "of another program"}},
		{{Key: "_id", Value: "theirs"}, {Key: "emailKey", Value: "ann@example.org"}},
	} {
		_, err := users.InsertOne(ctx, doc)
		noError(t, err)
	}
	noError(t, i.CreateUser(ctx, store.User{ID: "u1", Email: "Ann@example.org", Role: store.RoleViewer, OrgID: "acme"}))
	noError(t, i.CreateOrganization(ctx, acme("next")))
	if u, err := i.UserByEmail(ctx, "ann@example.org"); err != nil || u.ID != "u1" {
		t.Errorf("%+v, %v", u, err)
	}
	_, err := i.Sync(ctx)
	refusal(t, err, store.ErrConflict, "users/u1", "remove that one", "ann@example.org")
	// Others see all the same what happened, and have none of theirs.
	other := openLocal(t, t.TempDir())
	if _, err := OpenCatalog(attach(t, uri), other, CatalogOptions{Logger: mute()}); err == nil {
		t.Error("opened without a word of what is in the way")
	}
	if got, err := other.Dump(ctx); err != nil || !reflect.DeepEqual(got, i.dump(t)) {
		t.Errorf("a copy has %+v (%v), want %+v", got, err, i.dump(t))
	}
	_, err = users.DeleteOne(ctx, bson.D{{Key: "_id", Value: "theirs"}})
	noError(t, err)
	sameEverywhere(t, i, openInstance(t, uri, t.TempDir()))
}

// TestCatalogInstanceKilled: a process ends between the change, its copy and the
// collections. Whoever comes next makes up for it.
func TestCatalogInstanceKilled(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	uri, dir, ctx := server.URI(t, mongotest.Database(t)), t.TempDir(), t.Context()
	change := func(i *instance, id string) *changeDoc {
		doc := docOfChange(store.CatalogChange{Organizations: []store.Organization{acme(id)}}, int64(i.mark.Revision)+1, newToken(), 0)
		raw, err := bson.Marshal(doc)
		noError(t, err)
		noError(t, i.send(ctx, raw, &doc))
		return &doc
	}
	exists := func(i *instance, id string) {
		t.Helper()
		if _, err := i.Organization(ctx, id); err != nil {
			t.Error(err)
		}
		sameEverywhere(t, i)
	}
	i := openInstance(t, uri, dir)
	change(i, "before its copy")
	noError(t, i.Close())
	i = openInstance(t, uri, dir).synced(t)
	exists(i, "before its copy")

	noError(t, i.follow(ctx, change(i, "before the collections")))
	noError(t, i.Close())
	i = openInstance(t, uri, dir)
	noError(t, i.CreateOrganization(ctx, acme("next"))) // makes up for it without a Sync
	if got := inCollections(t, i.db); len(got.Organizations) != 3 {
		t.Errorf("in the collections: %+v", got)
	}
	exists(i, "before the collections")

	noError(t, i.follow(ctx, change(i, "by another")))
	noError(t, i.Close())
	sameEverywhere(t, openInstance(t, uri, t.TempDir()))

	// Whoever began a change and went away is not heeded: it has an outcome.
	i = openInstance(t, uri, dir).synced(t)
	over, cancel := context.WithCancel(ctx)
	err := i.write(over, "give up", func(draft store.Catalog) (store.CatalogChange, error) {
		err := draft.CreateOrganization(ctx, acme("given-up"))
		cancel()
		return store.CatalogChange{Organizations: []store.Organization{acme("given-up")}}, err
	})
	if err == nil {
		t.Error("a change was made after its caller had gone")
	}
	if _, err := i.Organization(ctx, "given-up"); err == nil {
		t.Error("it was made")
	}
}
