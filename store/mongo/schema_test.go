package mongo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

// schemaOf describes what a server says that a database has: a line for each
// collection and index but those of _id.
func schemaOf(t testing.TB, db *mongo.Database) []string {
	t.Helper()
	ctx := context.Background()
	var out []string
	specs, err := db.ListCollectionSpecifications(ctx, bson.D{})
	noError(t, err)
	for _, s := range specs {
		if strings.HasPrefix(s.Name, "system.") {
			continue
		}
		line := s.Name + " " + s.Type
		if ts, err := s.Options.LookupErr("timeseries"); err == nil {
			line += fmt.Sprintf(" of %s and %s, %s", ts.Document().Lookup("timeField").StringValue(), ts.Document().Lookup("metaField").StringValue(), ts.Document().Lookup("granularity").StringValue())
		}
		out = append(out, line)
		if s.Type == "view" {
			continue
		}
		cur, err := db.Collection(s.Name).Indexes().List(ctx)
		noError(t, err)
		var indexes []struct {
			Name    string         `bson:"name"`
			Key     bson.Raw       `bson:"key"`
			Unique  bool           `bson:"unique"`
			Partial bson.Raw       `bson:"partialFilterExpression"`
			Expire  *bson.RawValue `bson:"expireAfterSeconds"`
		}
		noError(t, cur.All(ctx, &indexes))
		for _, x := range indexes {
			if x.Name == "_id_" {
				continue
			}
			line := fmt.Sprintf("%s: %s %s", s.Name, x.Name, textOf(t, x.Key))
			if x.Unique {
				line += " unique"
			}
			if x.Partial != nil {
				line += " where " + textOf(t, x.Partial)
			}
			if x.Expire != nil {
				line += " expires after " + x.Expire.String()
			}
			out = append(out, line)
		}
	}
	slices.Sort(out)
	return out
}

// wholeSchema is what every database of ours has.
var wholeSchema = strings.Split(`alertevents collection
alertevents: change {"log":1,"change":1}
alertevents: status {"status":1,"triggeredAt":1}
alertrules collection
alertrules: gone {"gone":1} expires after {"$numberInt":"604800"}
alertrules: organization {"organizationId":1}
apiKeys collection
apiKeys: gone {"gone":1} expires after {"$numberInt":"604800"}
apiKeys: org {"orgId":1}
audit collection
audit: at {"at":1}
changes collection
channels collection
channels: gone {"gone":1} expires after {"$numberInt":"604800"}
channels: org {"orgId":1}
deadletters collection
deadletters: device {"deviceId":1,"receivedAt":1}
deadletters: received {"receivedAt":1}
devices collection
devices: org {"orgId":1}
devices: serialNumber {"serialNumber":1} unique where {"serialNumber":{"$exists":true}}
devices: uid {"uid":1} unique
leases collection
ledger collection
ledger: hour {"hour":1,"deviceId":1}
meta collection
organizations collection
organizations: gone {"gone":1} expires after {"$numberInt":"604800"}
ports collection
ports: gone {"gone":1} expires after {"$numberInt":"604800"}
ports: name {"deviceId":1,"name":1} unique where {"name":{"$exists":true}}
ports: number {"deviceId":1,"portNumber":1} unique where {"portNumber":{"$exists":true}}
users collection
users: email {"emailKey":1} unique where {"emailKey":{"$exists":true}}
users: gone {"gone":1} expires after {"$numberInt":"604800"}
users: org {"orgId":1}
values timeseries of ts and metadata, seconds
values: series {"metadata.deviceId":1,"metadata.portNumber":1,"ts":1}`, "\n")

func sameSchema(t testing.TB, db *mongo.Database) {
	t.Helper()
	if got := schemaOf(t, db); !slices.Equal(got, wholeSchema) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(wholeSchema, "\n"))
	}
}

// TestSchema makes everything for a user who may only read and write this one
// database.
func TestSchema(t *testing.T) {
	t.Parallel()
	for _, kind := range mongotest.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			server := mongotest.Shared(t, kind)
			uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
			d := attach(t, uri)
			noError(t, d.Ready(ctx))
			sameSchema(t, d.db)
			id := d.identity()
			again := attach(t, uri)
			noError(t, again.Ready(ctx))
			sameSchema(t, d.db)
			if id == "" || again.identity() != id {
				t.Errorf("the database is %q, then %q", id, again.identity())
			}

			insert := func(collection string, doc bson.D) error {
				_, err := d.db.Collection(collection).InsertOne(ctx, doc)
				return err
			}
			device := func(id string, uid int, more ...bson.E) bson.D {
				return append(bson.D{{Key: "_id", Value: id}, {Key: "uid", Value: uid}}, more...)
			}
			port := func(id, device string, number int) bson.D {
				return bson.D{{Key: "_id", Value: id}, {Key: "deviceId", Value: device}, {Key: "portNumber", Value: number}}
			}
			serial := bson.E{Key: "serialNumber", Value: "SN1"}
			for _, err := range []error{
				insert(devicesCollection, device("a", 1)), insert(devicesCollection, device("b", 2)), // neither has a serial number
				insert(devicesCollection, device("c", 3, serial)),
				insert(portsCollection, port("a/1", "a", 1)), insert(portsCollection, port("a/2", "a", 2)), insert(portsCollection, port("b/1", "b", 1)),
			} {
				noError(t, err)
			}
			for name, err := range map[string]error{
				"a serial number": insert(devicesCollection, device("d", 4, serial)),
				"a device number": insert(devicesCollection, device("e", 3)),
				"a port":          insert(portsCollection, port("x", "a", 2)),
			} {
				if !mongo.IsDuplicateKeyError(err) {
					t.Errorf("%s was taken twice: %v", name, err)
				}
			}
		})
	}
}

// TestSchemaAtOnce: instances that start at the same moment on an empty database
// make it together.
func TestSchemaAtOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range mongotest.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			server := mongotest.Shared(t, kind)
			for round := range 4 {
				uri := server.URI(t, mongotest.Database(t))
				instances := make([]*Database, 4)
				for n := range instances {
					instances[n] = attach(t, uri)
				}
				start := make(chan bool)
				var wg sync.WaitGroup
				for _, d := range instances {
					for range 2 { // two who wait for the same
						wg.Go(func() {
							<-start
							if err := persist(func() error { return d.Ready(t.Context()) }); err != nil {
								t.Errorf("round %d: %v", round, err)
							}
						})
					}
				}
				close(start)
				wg.Wait()
				sameSchema(t, instances[0].db)
				for _, d := range instances {
					if d.identity() == "" || d.identity() != instances[0].identity() {
						t.Errorf("round %d: the database is %q and %q", round, d.identity(), instances[0].identity())
					}
				}
			}
		})
	}
}

// TestSchemaMendsItself: what was dropped by hand is made again once the server
// was lost and found.
func TestSchemaMendsItself(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.Standalone)
	p := mongotest.NewProxy(t, server.Addr())
	d, ctx := attach(t, p.URI(server.URI(t, mongotest.Database(t)))), t.Context()
	noError(t, d.Ready(ctx))
	noError(t, d.db.Collection(devicesCollection).Drop(ctx))
	noError(t, d.db.Collection(valuesCollection).Drop(ctx))
	p.Cut()
	eventually(t, func() error {
		if err := d.Ready(ctx); err != nil {
			return err
		}
		if len(schemaOf(t, d.db)) < len(wholeSchema) {
			return fmt.Errorf("%w: not yet", store.ErrUnavailable)
		}
		return nil
	})
	sameSchema(t, d.db)
}

// TestSchemaForeign: a database in which others have what we need is refused
// before anything is changed, with the way out.
func TestSchemaForeign(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	ctx := t.Context()
	const wayOut = "name another database in MONGO_URI, or rename the collection with db.%s.renameCollection(…)"
	for _, tt := range []struct {
		name string
		make func(db *mongo.Database) error
		err  string // empty: no error
	}{
		{"readings in a plain collection", func(db *mongo.Database) error {
			return db.CreateCollection(ctx, "values")
		}, `values": is not a time-series of ts and metadata; ` + fmt.Sprintf(wayOut, "values")},
		{"readings by other names", func(db *mongo.Database) error {
			return db.CreateCollection(ctx, "values", options.CreateCollection().SetTimeSeriesOptions(options.TimeSeries().SetTimeField("time").SetMetaField("meta")))
		}, `values": is not a time-series of ts and metadata; `},
		{"a view", func(db *mongo.Database) error {
			return db.CreateView(ctx, "devices", "things", mongo.Pipeline{})
		}, `devices": is a view; ` + fmt.Sprintf(wayOut, "devices")},
		{"documents", func(db *mongo.Database) error {
			_, err := db.Collection("users").InsertOne(ctx, bson.D{{Key: "name", Value: "Ann"}})
			return err
		}, `users": holds documents that tidegate did not write; ` + fmt.Sprintf(wayOut, "users")},
		{"documents in meta", func(db *mongo.Database) error {
			_, err := db.Collection("meta").InsertOne(ctx, bson.D{{Key: "name", Value: "Ann"}})
			return err
		}, `meta": holds documents`},
		{"an index that is not unique", func(db *mongo.Database) error {
			_, err := db.Collection("devices").Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys("uid"), Options: options.Index().SetName("uid")})
			return err
		}, `.devices.uid": an index of the same keys or name stands in its place`},
		{"empty collections, other collections, an index of the same keys", func(db *mongo.Database) error {
			_, err := db.Collection("values2").InsertOne(ctx, bson.D{})
			_, xerr := db.Collection("audit").Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys("at"), Options: options.Index().SetName("theirs")})
			_, yerr := db.Collection("audit").Indexes().CreateOne(ctx, mongo.IndexModel{Keys: keys("who")})
			return errors.Join(err, xerr, yerr, db.CreateCollection(ctx, "users"))
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := mongotest.Database(t)
			uri := server.URI(t, name)
			var log bytes.Buffer
			d, err := Open(Options{URI: uri, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			noError(t, err)
			server.Admin(t, func(c *mongo.Client) error { return tt.make(c.Database(name)) })
			var before []string
			server.Admin(t, func(c *mongo.Client) error { before = schemaOf(t, c.Database(name)); return nil })
			err = d.Ready(ctx)
			if tt.err == "" {
				noError(t, err)
				got := schemaOf(t, d.db)
				for _, line := range []string{`audit: theirs {"at":1}`, `audit: who_1 {"who":1}`, "values2 collection"} {
					if !slices.Contains(got, line) {
						t.Errorf("%s is gone", line)
					}
				}
				noError(t, d.Close(ctx))
				if !strings.Contains(log.String(), "takes the place of ours") {
					t.Errorf("logged %s", log.String())
				}
				return
			}
			refusal(t, err, store.ErrConflict, tt.err, name+".")
			if s := d.Status(); !strings.Contains(s.LastError, tt.err) || !s.Reachable {
				t.Errorf("status %+v", s)
			}
			if _, err := OpenCatalog(d, openLocal(t, t.TempDir()), CatalogOptions{Logger: mute()}); !errors.Is(err, store.ErrConflict) {
				t.Errorf("the catalogue was opened: %v", err)
			}
			server.Admin(t, func(c *mongo.Client) error {
				after := schemaOf(t, c.Database(name))
				if !strings.Contains(tt.err, "index") && !slices.Equal(before, after) {
					t.Errorf("it has become\n%s", strings.Join(after, "\n"))
				}
				return nil
			})
			noError(t, d.Close(ctx))
		})
	}
}

// TestSchemaOfStrangers: a user without the rights is told so, and a collection
// that collides is named.
func TestSchemaOfStrangers(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	ctx, name := t.Context(), mongotest.Database(t)
	uri := server.URI(t, name)
	noError(t, attach(t, uri).Ready(ctx))
	server.Admin(t, func(c *mongo.Client) error {
		db := c.Database(name)
		_, err := db.Collection(devicesCollection).InsertMany(ctx, []any{
			bson.D{{Key: "_id", Value: "a"}, {Key: "uid", Value: 1}}, bson.D{{Key: "_id", Value: "b"}, {Key: "uid", Value: 2}},
		})
		return errors.Join(err,
			db.Collection(devicesCollection).Indexes().DropOne(ctx, "uid"),
			db.RunCommand(ctx, bson.D{{Key: "createUser", Value: "reader"}, {Key: "pwd", Value: "reader-secret"}, {Key: "roles", Value: bson.A{bson.D{{Key: "role", Value: "read"}, {Key: "db", Value: name}}}}}).Err())
	})
	err := attach(t, "mongodb://reader:reader-secret@"+server.Addr()+"/"+name+"?directConnection=true").Ready(ctx)
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "not authorized") || strings.Contains(err.Error(), "reader-secret") {
		t.Errorf("a user that may only read: %v", err)
	}
	server.Admin(t, func(c *mongo.Client) error {
		_, err := c.Database(name).Collection(devicesCollection).UpdateOne(ctx, bson.D{{Key: "_id", Value: "b"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "uid", Value: 1}}}})
		return err
	})
	d := attach(t, uri)
	refusal(t, d.Ready(ctx), store.ErrConflict, "devices.uid", "documents that collide", "remove one of them")
	// Documents of another instance, which was first, are not foreign.
	there, err := d.listCollections(ctx)
	noError(t, err)
	noError(t, d.checkForeign(ctx, there))
}

// TestSchemaNewer: what a newer tidegate has written is left alone.
func TestSchemaNewer(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
	d := attach(t, uri)
	noError(t, d.Ready(ctx))
	noError(t, d.upsertMeta(ctx, "schema", bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: 99}}}}))
	noError(t, d.db.Collection(alertRulesCollection).Drop(ctx))
	before := schemaOf(t, d.db)
	newest := migrations()[len(migrations())-1].version
	err := attach(t, uri).Ready(ctx)
	refusal(t, err, store.ErrInvalid, fmt.Sprintf("has schema version 99, this tidegate knows up to %d; run a newer tidegate", newest))
	if after := schemaOf(t, d.db); !slices.Equal(after, before) {
		t.Errorf("it has become\n%s", strings.Join(after, "\n"))
	}
}

func versionOf(t testing.TB, d *Database) int {
	t.Helper()
	v, err := d.schemaVersion(t.Context(), []migration{{version: 1000}})
	noError(t, err)
	return v
}

func TestMigrateSchema(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	d, ctx := attach(t, server.URI(t, mongotest.Database(t))), t.Context()
	noError(t, d.Ready(ctx))
	newest := migrations()[len(migrations())-1].version
	if v := versionOf(t, d); v != newest {
		t.Errorf("a new database has version %d", v)
	}
	var ran []int
	broken := errors.New("broken")
	step := func(version int, err *error) migration {
		return migration{version, func(context.Context, *Database) error { ran = append(ran, version); return *err }}
	}
	none, at := error(nil), broken
	list := []migration{step(newest, &none), step(newest+1, &none), step(newest+3, &at), step(newest+4, &none)}
	for n, tt := range []struct {
		err     error
		ran     []int
		version int
	}{
		{broken, []int{newest + 1, newest + 3}, newest + 1}, // it ends there
		{broken, []int{newest + 3}, newest + 1},
		{nil, []int{newest + 3, newest + 4}, newest + 4}, // mended: it goes on from there
		{nil, nil, newest + 4},
	} {
		if at = tt.err; n == 3 {
			at = broken // not called
		}
		ran = nil
		err := d.migrateSchema(ctx, list)
		if !errors.Is(err, tt.err) || !slices.Equal(ran, tt.ran) || versionOf(t, d) != tt.version {
			t.Errorf("run %d: %v, ran %v, version %d; want %+v", n, err, ran, versionOf(t, d), tt)
		}
	}
	// One that was held up does not take the note of a faster one back.
	slow := migration{newest + 5, func(ctx context.Context, d *Database) error {
		return d.upsertMeta(ctx, "schema", bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: newest + 6}}}})
	}}
	noError(t, d.migrateSchema(ctx, []migration{slow, step(newest+6, &at)}))
	if v := versionOf(t, d); v != newest+6 {
		t.Errorf("a held-up instance took the version back to %d", v)
	}
	noError(t, d.upsertMeta(ctx, "schema", bson.D{{Key: "$set", Value: bson.D{{Key: "version", Value: newest + 3}}}}))
	refusal(t, d.migrateSchema(ctx, list[:2]), store.ErrInvalid, fmt.Sprintf("has schema version %d, this tidegate knows up to %d", newest+3, newest+1))
}

// TestMigrateSchemaAtOnce: two instances bring documents to a new form at the
// same time, and one of them is killed in the middle of it.
func TestMigrateSchemaAtOnce(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	uri, ctx := server.URI(t, mongotest.Database(t)), t.Context()
	first := attach(t, uri)
	noError(t, first.Ready(ctx))
	docs := make([]any, 200)
	for n := range docs {
		docs[n] = bson.D{{Key: "_id", Value: n}, {Key: "a", Value: n}}
	}
	_, err := first.db.Collection("things").InsertMany(ctx, docs)
	noError(t, err)
	rename := func(from, to string, before func() error) func(context.Context, *Database) error {
		return func(ctx context.Context, d *Database) error {
			for n := range docs {
				if err := before(); err != nil {
					return err
				}
				old := bson.D{{Key: "_id", Value: n}, {Key: from, Value: bson.D{{Key: "$exists", Value: true}}}}
				if _, err := d.db.Collection("things").UpdateOne(ctx, old, bson.D{{Key: "$rename", Value: bson.D{{Key: from, Value: to}}}}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	list := func(before func() error) []migration {
		return []migration{{102, rename("a", "b", before)}, {103, rename("b", "c", before)}}
	}
	left := 250
	killed := errors.New("killed")
	var wg sync.WaitGroup
	for n := range 3 {
		before := func() error { return nil }
		if n == 0 {
			before = func() error {
				if left--; left < 0 {
					return killed
				}
				return nil
			}
		}
		d := attach(t, uri)
		noError(t, d.Ready(ctx))
		wg.Go(func() {
			if err := d.migrateSchema(ctx, list(before)); err != nil && !errors.Is(err, killed) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var got []map[string]int
	cur, err := first.db.Collection("things").Find(ctx, bson.D{}, options.Find().SetSort(keys("_id")))
	noError(t, err)
	noError(t, cur.All(ctx, &got))
	for n, doc := range got {
		if !maps.Equal(doc, map[string]int{"_id": n, "c": n}) {
			t.Fatalf("document %d has become %v", n, doc)
		}
	}
	if v := versionOf(t, first); v != 103 || len(got) != len(docs) {
		t.Errorf("version %d, %d documents", v, len(got))
	}
}
