package mongo

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"

	"tidegate/store"
)

// migration brings documents of the version before to its own. It must be safe
// to repeat after a crash, to run in two instances at once, and to end after
// another instance has gone on to later versions: it touches only what still
// has the old form.
type migration struct {
	version int
	run     func(ctx context.Context, d *Database) error
}

// migrations in ascending order; the last is the version that we write.
// Collections and indexes are made without one.
func migrations() []migration {
	nothing := func(context.Context, *Database) error { return nil }
	return []migration{
		{1, nothing},
		// API keys; names and links of users. Documents stay as they are: what is
		// absent is none. The version keeps out a tidegate that would pass over keys
		// in the changes, delete an organization and leave its keys, and write users
		// without what it does not know. One that is connected meanwhile does not
		// look: all instances are to be brought to the new version together. What
		// its copy lacks then is read anew (store.CatalogForm).
		{2, nothing},
		// Alert rules and channels; tags of devices. As above: an older one would
		// leave the rules and channels of an organization that it deletes, and write
		// devices without their tags.
		{3, nothing},
	}
}

// schemaVersion answers the version of the documents; 0 in a new database. One
// of a newer tidegate is refused.
func (d *Database) schemaVersion(ctx context.Context, known []migration) (int, error) {
	var doc struct {
		Version int `bson:"version"`
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	err := d.meta().FindOne(ctx, bson.D{{Key: "_id", Value: "schema"}}).Decode(&doc)
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return 0, fault(fmt.Errorf("read the schema's version: %w", err))
	}
	if newest := known[len(known)-1].version; doc.Version > newest {
		return 0, store.Invalid("database", d.uri.database, "has schema version %d, this tidegate knows up to %d; run a newer tidegate", doc.Version, newest)
	}
	return doc.Version, nil
}

// migrateSchema runs what is above the database's version, in order, noting
// each when it is done. The note only grows, whoever is faster.
func (d *Database) migrateSchema(ctx context.Context, all []migration) error {
	for _, m := range all {
		version, err := d.schemaVersion(ctx, all) // another instance may be at it too
		if err != nil {
			return err
		}
		if m.version <= version {
			continue
		}
		if err := m.run(ctx, d); err != nil {
			return fmt.Errorf("migrate %s to schema version %d: %w", d.uri.database, m.version, fault(err))
		}
		err = d.upsertMeta(ctx, "schema", bson.D{{Key: "$max", Value: bson.D{{Key: "version", Value: m.version}}}})
		if err != nil {
			return fmt.Errorf("note schema version %d: %w", m.version, err)
		}
	}
	return nil
}

// ensureIdentity gives the database its id, once: two databases are never taken
// for one another, whatever they are called.
func (d *Database) ensureIdentity(ctx context.Context) error {
	ours, err := d.readIdentity(ctx)
	if err != nil || ours {
		return err
	}
	err = d.upsertMeta(ctx, "database", bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "id", Value: uuid.NewString()}}}})
	if err != nil {
		return fmt.Errorf("give the database an id: %w", err)
	}
	if ours, err = d.readIdentity(ctx); err == nil && !ours {
		err = fmt.Errorf("%w: the id of database %s was removed just now", store.ErrUnavailable, d.uri.database)
	}
	return err
}

// readIdentity reads the id of the database; false: it has none.
func (d *Database) readIdentity(ctx context.Context) (bool, error) {
	var doc struct {
		ID string `bson:"id"`
	}
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	err := d.meta().FindOne(ctx, bson.D{{Key: "_id", Value: "database"}}).Decode(&doc)
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return false, fault(fmt.Errorf("read the database's id: %w", err))
	}
	if doc.ID == "" {
		return false, nil
	}
	d.id.Store(&doc.ID)
	return true, nil
}

// identity answers the id of the database; empty before Ready.
func (d *Database) identity() string {
	if id := d.id.Load(); id != nil {
		return *id
	}
	return ""
}

// meta answers the collection meta as a majority knows it.
func (d *Database) meta() *mongo.Collection { return d.agreed(metaCollection) }

// agreed answers a collection whose reads cannot be rolled back.
func (d *Database) agreed(name string) *mongo.Collection {
	return d.db.Collection(name, options.Collection().SetReadConcern(readconcern.Majority()))
}

// upsertMeta updates a document of meta, or makes it. Two that make it at once
// collide on its _id; the second then finds it.
func (d *Database) upsertMeta(ctx context.Context, id string, update bson.D) error {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	var err error
	for range 3 {
		_, err = d.meta().UpdateOne(ctx, bson.D{{Key: "_id", Value: id}}, update, options.UpdateOne().SetUpsert(true))
		if !mongo.IsDuplicateKeyError(err) {
			break
		}
	}
	return fault(err)
}
