package mongo

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo/mongotest"
)

// original is a folder's own catalogue with something of everything; the last
// device numbers it gave are gone again.
func original(t testing.TB) *embedded.Catalog {
	t.Helper()
	c, ctx := openLocal(t, t.TempDir()), t.Context()
	for n := range 3 {
		id := fmt.Sprintf("org-%d", n)
		noError(t, c.CreateOrganization(ctx, acme(id)))
		noError(t, c.CreateUser(ctx, store.User{ID: "u-" + id, Email: id + "@example.org", Name: id, Role: store.RoleViewer, OrgID: id, LinkHash: []byte{byte(n)}, LinkExpires: time.Unix(7, 0)}))
		noError(t, c.CreateAPIKey(ctx, apiKey(fmt.Sprintf("key-%016d", n), id)))
		noError(t, c.CreateChannel(ctx, channel("ch-"+id, id)))
		noError(t, c.CreateAlertRule(ctx, alertRule("rule-"+id, id, "ch-"+id)))
		for m := range 4 {
			_, err := c.CreateDevice(ctx, store.Device{ID: fmt.Sprintf("d-%d-%d", n, m), OrgID: id, SerialNumber: fmt.Sprintf("SN-%d-%d", n, m)}, []store.Port{{Number: 1, Name: "U"}, {Number: 65535}})
			noError(t, err)
		}
	}
	noError(t, c.UpdateDevice(ctx, store.Device{ID: "d-1-1", State: store.DeviceDeleted}))
	m := store.CatalogMark{Database: "x"}
	noError(t, c.Follow(ctx, m, store.CatalogChange{LastUID: 77}))
	noError(t, c.Detach(ctx))
	return c
}

func dumpOf(t testing.TB, c *embedded.Catalog) store.CatalogChange {
	t.Helper()
	all, err := c.Dump(t.Context())
	noError(t, err)
	return all
}

func TestAdoptCatalog(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
	db, local := attach(t, uri), original(t)
	want := dumpOf(t, local)
	early := openInstance(t, uri, t.TempDir()) // saw the database when it was empty
	for range 2 {                              // the second does nothing
		noError(t, AdoptCatalog(ctx, db, local))
		if got := dumpOf(t, local); !reflect.DeepEqual(got, want) {
			t.Errorf("it has become %+v", got)
		}
	}
	c, err := OpenCatalog(db, local, CatalogOptions{Logger: mute()})
	noError(t, err)
	d, err := c.CreateDevice(ctx, store.Device{ID: "new", OrgID: "org-0"}, nil)
	noError(t, err)
	if d.UID != 78 {
		t.Errorf("the next device got the number %d", d.UID)
	}
	d, err = early.CreateDevice(ctx, store.Device{ID: "newer", OrgID: "org-0"}, nil)
	noError(t, err)
	if d.UID != 79 {
		t.Errorf("the next device got the number %d", d.UID)
	}
	mine := &instance{Catalog: c, db: db, local: local}
	sameEverywhere(t, mine, early, openInstance(t, uri, t.TempDir()))
	noError(t, AdoptCatalog(ctx, db, local)) // it is there already

	// A database that has one, whoever comes.
	second := original(t)
	before := dumpOf(t, second)
	refusal(t, AdoptCatalog(ctx, db, second), store.ErrConflict, "has a catalogue already", db.place())
	if got := dumpOf(t, second); !reflect.DeepEqual(got, before) {
		t.Errorf("it has become %+v", got)
	}
	sameEverywhere(t, mine, early)
	// A folder whose catalogue is elsewhere.
	other := attach(t, server.URI(t, mongotest.Database(t)))
	refusal(t, AdoptCatalog(ctx, other, local), store.ErrConflict, db.place(), "set MONGO_URI to it")
}

// TestAdoptCatalogCutOff loses the connection at each command, before and after
// the server has heard of it, for good. Nobody takes what is there for a
// catalogue, and a second try ends what the first began.
func TestAdoptCatalogCutOff(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.Standalone)
	uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
	p := mongotest.NewProxy(t, server.Addr())
	db, direct := attach(t, impatient(p.URI(uri))), attach(t, uri)
	noError(t, direct.Ready(ctx))
	want := dumpOf(t, original(t))
	ends := false
	for n := 0; !ends; n++ {
		for _, swallow := range []func(func(string) bool, int){p.SwallowRequests, p.SwallowReplies} {
			for _, name := range append(catalogCollections(), changesCollection) {
				_, err := direct.db.Collection(name).DeleteMany(ctx, bson.D{})
				noError(t, err)
			}
			_, err := direct.meta().DeleteOne(ctx, bson.D{{Key: "_id", Value: "catalog"}})
			noError(t, err)
			local := openLocal(t, t.TempDir())
			noError(t, local.Replace(ctx, store.CatalogMark{Database: "x"}, want))
			noError(t, local.Detach(ctx))
			eventually(t, func() error { return db.Ready(ctx) })

			left := n
			swallow(func(command string) bool {
				if command == "insert" || command == "update" || command == "find" {
					left--
				}
				return left < 0
			}, 1<<30)
			cut, cancel := context.WithTimeout(ctx, 20*time.Second)
			err = AdoptCatalog(cut, db, local)
			cancel()
			p.Calm()
			if ends = err == nil; !ends {
				early := openLocal(t, t.TempDir())
				_, err := OpenCatalog(direct, early, CatalogOptions{Logger: mute()})
				if whole := dumpOf(t, early); !whole.Empty() && err != nil {
					t.Errorf("cut off at command %d: opened with %v, and holds %+v", n, err, whole)
				} else if !whole.Empty() && !reflect.DeepEqual(whole, want) {
					t.Errorf("cut off at command %d: part of it was taken for a catalogue: %+v", n, whole)
				} else if err != nil {
					refusal(t, err, store.ErrConflict, "begun and not finished", "tidegate migrate --to mongo")
				}
				eventually(t, func() error { return AdoptCatalog(ctx, db, local) })
			}
			c, err := OpenCatalog(db, local, CatalogOptions{Logger: mute()})
			noError(t, err)
			sameEverywhere(t, &instance{Catalog: c, db: db, local: local})
			if got := dumpOf(t, local); !reflect.DeepEqual(got, want) {
				t.Errorf("cut off at command %d it has become %+v", n, got)
			}
			if n > 20 {
				t.Fatal("it does not end")
			}
		}
	}
}

// TestAdoptCatalogBegun: while one is being brought in, nobody else changes the
// database, and another one is refused.
func TestAdoptCatalogBegun(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
	early, db := openInstance(t, uri, t.TempDir()), attach(t, uri)
	noError(t, db.Ready(ctx))
	_, err := db.db.Collection(changesCollection).InsertOne(ctx, changeDoc{Revision: 1, Token: "of another catalogue", Whole: true})
	noError(t, err)
	refusal(t, early.CreateOrganization(ctx, acme("acme")), store.ErrConflict, "begun and not finished")
	_, err = early.Sync(ctx)
	refusal(t, err, store.ErrConflict, "begun and not finished")
	refusal(t, AdoptCatalog(ctx, db, original(t)), store.ErrConflict, "a migration of another one was begun in it", "drop this one")
	if got := inCollections(t, db); !got.Empty() {
		t.Errorf("the collections hold %+v", got)
	}
}
