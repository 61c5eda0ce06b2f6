package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
)

// The collections.
const (
	organizationsCollection = "organizations"
	usersCollection         = "users"
	devicesCollection       = "devices"
	portsCollection         = "ports"
	apiKeysCollection       = "apiKeys"
	channelsCollection      = "channels"
	valuesCollection        = "values"
	alertRulesCollection    = "alertrules"
	alertEventsCollection   = "alertevents"
	deadLettersCollection   = "deadletters"
	auditCollection         = "audit"
	ledgerCollection        = "ledger"
	leasesCollection        = "leases"
	metaCollection          = "meta"    // what the database is: schema, identity, how far the catalogue is written
	changesCollection       = "changes" // the catalogue's changes in order
)

// goneSeconds is how long what is deleted leaves a trace, a device excepted.
// Until then a writer that was held up cannot bring it back.
const goneSeconds = 7 * 24 * 3600

// Codes of the server that say that another instance, or an operator, was first.
const (
	codeNamespaceExists       = 48
	codeIndexOptionsConflict  = 85
	codeIndexKeySpecsConflict = 86
	codeUnauthorized          = 13
	codeAlreadyInitialized    = 23 // sharded already, by another key
	codeDuplicateKey          = 11000
)

// collection is one that we need, with its indexes.
type collection struct {
	name    string
	options *options.CreateCollectionOptionsBuilder
	indexes []index
}

type index struct {
	name   string
	keys   bson.D
	unique bool
	when   string // index only documents that have this field
	expire int32  // seconds after the field's time; 0: never
}

// collections answers all that we need. An index or a TTL that the operator
// adds is left alone.
func collections() []collection {
	gone := index{name: "gone", keys: keys("gone"), expire: goneSeconds}
	series := options.TimeSeries().SetTimeField("ts").SetMetaField("metadata").SetGranularity("seconds")
	return []collection{
		{name: metaCollection},
		{name: changesCollection},
		{name: leasesCollection},
		{name: organizationsCollection, indexes: []index{gone}},
		{name: usersCollection, indexes: []index{
			{name: "email", keys: keys("emailKey"), unique: true, when: "emailKey"},
			{name: "org", keys: keys("orgId")},
			gone,
		}},
		{name: devicesCollection, indexes: []index{
			{name: "serialNumber", keys: keys("serialNumber"), unique: true, when: "serialNumber"},
			{name: "uid", keys: keys("uid"), unique: true},
			{name: "org", keys: keys("orgId")},
		}},
		{name: portsCollection, indexes: []index{
			{name: "number", keys: keys("deviceId", "portNumber"), unique: true, when: "portNumber"},
			{name: "name", keys: keys("deviceId", "name"), unique: true, when: "name"},
			gone,
		}},
		{name: apiKeysCollection, indexes: []index{{name: "org", keys: keys("orgId")}, gone}},
		{name: channelsCollection, indexes: []index{{name: "org", keys: keys("orgId")}, gone}},
		{name: valuesCollection, options: options.CreateCollection().SetTimeSeriesOptions(series), indexes: []index{
			{name: "series", keys: keys("metadata.deviceId", "metadata.portNumber", "ts")},
		}},
		{name: alertRulesCollection, indexes: []index{{name: "organization", keys: keys("organizationId")}, gone}},
		{name: alertEventsCollection, indexes: []index{
			{name: "status", keys: keys("status", "triggeredAt")},
			{name: "change", keys: keys("log", "change")},
		}},
		{name: deadLettersCollection, indexes: []index{
			{name: "received", keys: keys("receivedAt")},
			{name: "device", keys: keys("deviceId", "receivedAt")},
		}},
		{name: auditCollection, indexes: []index{{name: "at", keys: keys("at")}}},
		{name: ledgerCollection, indexes: []index{{name: "hour", keys: keys("hour", "deviceId")}}},
	}
}

// keys answers ascending index keys.
func keys(fields ...string) bson.D {
	d := make(bson.D, len(fields))
	for i, f := range fields {
		d[i] = bson.E{Key: f, Value: 1}
	}
	return d
}

// ensureSchema makes what is missing. It may run in several instances at once:
// whatever another one has made meanwhile is as good as our own.
func (d *Database) ensureSchema(ctx context.Context, c Capability) error {
	if _, err := d.schemaVersion(ctx, migrations()); err != nil {
		return err // before anything is touched
	}
	there, err := d.listCollections(ctx)
	if err != nil {
		return err
	}
	for _, n := range collections() {
		if info, ok := there[n.name]; ok {
			if err := d.checkCollection(n, info); err != nil {
				return err
			}
		}
	}
	ours, err := d.readIdentity(ctx)
	if err != nil {
		return err
	}
	if !ours {
		if err := d.checkForeign(ctx, there); err != nil {
			return err
		}
	}
	if err := d.ensureCollections(ctx, c, there); err != nil {
		return err
	}
	if err := d.ensureIdentity(ctx); err != nil {
		return err
	}
	return d.migrateSchema(ctx, migrations())
}

// ensureCollections makes collections, and their indexes unless this process
// has done so before.
func (d *Database) ensureCollections(ctx context.Context, c Capability, there map[string]collectionInfo) error {
	for _, n := range collections() {
		_, ok := there[n.name]
		if !ok {
			if err := d.createCollection(ctx, n); err != nil {
				return err
			}
		}
		if ok && d.whole.Load() {
			continue
		}
		for _, x := range n.indexes {
			if err := d.createIndex(ctx, n.name, x); err != nil {
				return err
			}
		}
	}
	if c.Kind == KindSharded && !d.whole.Load() {
		if err := d.shardValues(ctx, c); err != nil {
			return err
		}
	}
	d.whole.Store(true)
	return nil
}

func (d *Database) createCollection(ctx context.Context, n collection) error {
	o := n.options
	if o == nil {
		o = options.CreateCollection()
	}
	err := d.db.CreateCollection(ctx, n.name, o)
	if err == nil || hasCode(err, codeNamespaceExists) {
		return nil
	}
	return fault(fmt.Errorf("create collection %s.%s: %w", d.uri.database, n.name, err))
}

func (d *Database) createIndex(ctx context.Context, in string, x index) error {
	o := options.Index().SetName(x.name)
	if x.unique {
		o.SetUnique(true)
	}
	if x.when != "" {
		o.SetPartialFilterExpression(bson.D{{Key: x.when, Value: bson.D{{Key: "$exists", Value: true}}}})
	}
	if x.expire > 0 {
		o.SetExpireAfterSeconds(x.expire)
	}
	_, err := d.db.Collection(in).Indexes().CreateOne(ctx, mongo.IndexModel{Keys: x.keys, Options: o})
	switch {
	case err == nil:
		return nil
	case hasCode(err, codeIndexOptionsConflict, codeIndexKeySpecsConflict):
		// The operator has an index of these keys or this name. It serves as well
		// as ours, but for what must be unique.
		if !x.unique {
			d.o.Logger.Warn("an index of the operator's own takes the place of ours", "collection", in, "index", x.name, "error", err.Error())
			return nil
		}
		return store.Conflict("index", d.uri.database+"."+in+"."+x.name, "an index of the same keys or name stands in its place (%v); drop that one", err)
	case mongo.IsDuplicateKeyError(err):
		return store.Conflict("index", d.uri.database+"."+in+"."+x.name, "cannot be made: the collection holds documents that collide (%v); remove one of them", err)
	}
	return fault(fmt.Errorf("create index %s of %s.%s: %w", x.name, d.uri.database, in, err))
}

func hasCode(err error, codes ...int) bool {
	var se mongo.ServerError
	if !errors.As(err, &se) {
		return false
	}
	return slices.ContainsFunc(se.ErrorCodes(), func(c int) bool { return slices.Contains(codes, c) })
}
