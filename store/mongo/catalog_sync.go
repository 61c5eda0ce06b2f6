package mongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
)

// Sync brings the copy, and the collections, up to the last change in the
// database, whoever made it, and reports, also beside an error, whether others
// changed anything since the last call that went well. One round trip when
// nothing did; a minute at most.
//
// A copy of another database, or of one whose history differs (it was restored
// from a backup), is an ErrConflict with the way out, and stays as it is.
func (c *Catalog) Sync(ctx context.Context) (changed bool, err error) {
	caller := ctx
	ctx, cancel := context.WithTimeout(ctx, syncPatience)
	defer cancel()
	if err = c.lock(ctx); err == nil {
		defer c.unlock()
		if err = c.db.Ready(ctx); err == nil {
			err = c.catchUp(ctx)
		}
		if err == nil {
			err = c.catchUpViews(ctx)
		}
		changed = c.pulled
	}
	if err != nil {
		if cerr := caller.Err(); cerr != nil {
			err = cerr
		}
		return changed, fmt.Errorf("synchronize the catalogue: %w", fault(err))
	}
	c.pulled = false
	return changed, nil
}

// errEmptied says that changes are no longer to be had one by one.
var errEmptied = errors.New("changes are no longer there")

// catchUp follows every change that the copy does not have.
func (c *Catalog) catchUp(ctx context.Context) error {
	if !c.follows {
		return c.load(ctx)
	}
	if c.mark.Database != c.db.identity() {
		return store.Conflict("catalogue", c.db.place(),
			"this folder copies the catalogue of another database, %s. Set MONGO_URI back to it; or, to begin with this one, move DIR/catalog.db away", c.mark.Name)
	}
	// The last one that we have comes again, to see that it is still the same.
	has := int64(c.mark.Revision)
	known, lacks := has == 0, c.mark.Form < store.CatalogForm
	err := c.db.eachChange(ctx, has, func(d *changeDoc) error {
		switch {
		case !known && (d.Revision != has || d.Token != c.mark.Token):
			return c.parted("has another change %d than this folder has seen", has)
		case !known:
			known = true
			return nil
		case lacks, d.Emptied, d.Whole, d.Revision != int64(c.mark.Revision)+1:
			return errEmptied
		}
		if err := c.follow(ctx, d); err != nil {
			return err
		}
		c.pulled = true
		return nil
	})
	switch {
	case errors.Is(err, errEmptied): // we were away for long
		return c.load(ctx)
	case err == nil && !known:
		return c.parted("ends before change %d, which this folder has seen", has)
	case err == nil && lacks && has > 0:
		// An older tidegate followed the changes, and passed over what it did not
		// know.
		return c.load(ctx)
	}
	return err
}

func (c *Catalog) parted(format string, args ...any) error {
	return store.Conflict("catalogue", c.db.place(), "the database %s: it was restored from a backup, or written to by hand. To take its catalogue, stop tidegate and move DIR/catalog.db away",
		fmt.Sprintf(format, args...))
}

// eachChange calls fn for every change after a revision, in order, and before
// them for that revision itself, without what it changed: to see whether it is
// still the same.
func (d *Database) eachChange(ctx context.Context, after int64, fn func(*changeDoc) error) error {
	known := bson.D{{Key: "$eq", Value: bson.A{"$_id", after}}}
	stub := bson.D{{Key: "_id", Value: "$_id"}, {Key: "token", Value: "$token"}}
	cur, err := d.agreed(changesCollection).Aggregate(ctx, mongo.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: after}}}}}},
		{{Key: "$sort", Value: keys("_id")}},
		{{Key: "$replaceWith", Value: bson.D{{Key: "$cond", Value: bson.A{known, stub, "$$ROOT"}}}}},
	}, options.Aggregate().SetBatchSize(20))
	if err := each(ctx, changesCollection, cur, err, fn); err != nil {
		return fmt.Errorf("follow the changes of the catalogue: %w", err)
	}
	return nil
}

// each calls fn for every document of a cursor. What is not ours is refused by
// name.
func each[T any](ctx context.Context, name string, cur *mongo.Cursor, err error, fn func(*T) error) error {
	if err != nil {
		return fault(err)
	}
	defer func() { _ = cur.Close(ctx) }() // the server ends it by itself in the end
	for cur.Next(ctx) {
		var v T
		if err := cur.Decode(&v); err != nil {
			return store.Conflict("document", fmt.Sprintf("%s/%v", name, cur.Current.Lookup("_id")), "is not as tidegate writes it (%v); remove it", err)
		}
		if err := fn(&v); err != nil {
			return err
		}
	}
	return fault(cur.Err())
}

// load reads the whole catalogue from its collections. They are written to
// meanwhile: what they hold is at least the change they were at before, and
// every later one is replayed upon it, whole documents, so that the result is
// what the last of them left.
func (c *Catalog) load(ctx context.Context) error {
	for range 5 {
		whole, m, err := c.read(ctx)
		if errors.Is(err, errEmptied) {
			continue
		}
		if err != nil {
			return err
		}
		if err := c.local.Replace(context.WithoutCancel(ctx), m, whole); err != nil {
			return err
		}
		c.mark, c.follows, c.pulled = m, true, true
		c.o.Logger.Info("read the catalogue from MongoDB", "database", m.Name, "revision", m.Revision, "organizations", len(whole.Organizations), "devices", len(whole.Devices), "ports", len(whole.Ports), "api_keys", len(whole.APIKeys), "alert_rules", len(whole.AlertRules), "channels", len(whole.Channels))
		return nil
	}
	return fmt.Errorf("%w: the catalogue changes faster than it can be read; try again", store.ErrUnavailable)
}

func (c *Catalog) read(ctx context.Context) (whole store.CatalogChange, m store.CatalogMark, err error) {
	note, err := c.db.readViewed(ctx)
	if err != nil {
		return whole, m, err
	}
	s := newSnapshot()
	if err := s.read(ctx, c.db); err != nil {
		return whole, m, err
	}
	last, token := note.Applied, ""
	err = c.db.eachChange(ctx, note.Applied, func(d *changeDoc) error {
		switch {
		case d.Revision == note.Applied: // the collections hold it
		case d.Emptied, d.Revision != last+1:
			return errEmptied
		case d.Whole:
			return store.Conflict("catalogue", c.db.place(), "a migration into this database was begun and not finished; finish it with `tidegate migrate --to mongo`, or name another database")
		default:
			s.apply(d)
		}
		last, token = d.Revision, d.Token
		return nil
	})
	if err == nil && last > 0 && token == "" {
		err = store.Conflict("catalogue", c.db.place(), "the collection %s has lost its last change; restore it from a backup", changesCollection)
	}
	if err != nil {
		return whole, m, err
	}
	whole = s.whole()
	whole.LastUID = uint32(note.LastUID)
	return whole, c.markOf(last, token), nil
}
