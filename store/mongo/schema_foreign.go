package mongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/store"
)

// collectionInfo is what listCollections says of one.
type collectionInfo struct {
	Name    string `bson:"name"`
	Type    string `bson:"type"`
	Options struct {
		TimeSeries struct {
			TimeField string `bson:"timeField"`
			MetaField string `bson:"metaField"`
		} `bson:"timeseries"`
	} `bson:"options"`
}

func (d *Database) listCollections(ctx context.Context) (map[string]collectionInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	cur, err := d.db.ListCollections(ctx, bson.D{})
	var all []collectionInfo
	if err == nil {
		err = cur.All(ctx, &all)
	}
	if err != nil {
		return nil, fault(fmt.Errorf("list the collections of %s: %w", d.uri.database, err))
	}
	m := make(map[string]collectionInfo, len(all))
	for _, c := range all {
		m[c.Name] = c
	}
	return m, nil
}

// checkCollection refuses one of that name that is of another type.
func (d *Database) checkCollection(n collection, is collectionInfo) error {
	ts := is.Options.TimeSeries
	switch {
	case n.options == nil && is.Type != "collection":
		return d.foreign(n.name, "is a "+is.Type)
	case n.options != nil && (is.Type != "timeseries" || ts.TimeField != "ts" || ts.MetaField != "metadata"):
		return d.foreign(n.name, "is not a time-series of ts and metadata")
	}
	return nil
}

// checkForeign refuses documents of somebody else's where ours would be. We
// write the identity before any: what is found, while there is still none, is
// not ours.
func (d *Database) checkForeign(ctx context.Context, there map[string]collectionInfo) error {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	for _, n := range collections() {
		if _, ok := there[n.name]; !ok {
			continue
		}
		err := d.agreed(n.name).FindOne(ctx, bson.D{}).Err()
		if errors.Is(err, mongo.ErrNoDocuments) {
			continue
		}
		if err != nil {
			return fault(fmt.Errorf("look into %s.%s: %w", d.uri.database, n.name, err))
		}
		if ours, err := d.readIdentity(ctx); err != nil || ours { // another instance was first
			return err
		}
		return d.foreign(n.name, "holds documents that tidegate did not write")
	}
	return nil
}

func (d *Database) foreign(collection, what string) error {
	return store.Conflict("collection", d.uri.database+"."+collection,
		"%s; name another database in MONGO_URI, or rename the collection with db.%s.renameCollection(…)", what, collection)
}
