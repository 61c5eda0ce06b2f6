package mongo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
)

// The collections follow the changes, in order. Several instances may write the
// same change, and one that was held up an old one: a document says which change
// wrote it, and is replaced by a later one alone. That is why what is deleted
// leaves a trace for a week: an insert that comes too late finds it.

const (
	keptChanges = 1000 // those who lag further behind read the collections
	emptyEvery  = 100  // changes
)

// view brings the change that was just made into the collections, and what is
// missing before it. When that fails, the change has happened all the same: the
// next one, or Sync, makes up for it.
func (c *Catalog) view(ctx context.Context, doc *changeDoc) {
	err := error(nil)
	if c.viewed == doc.Revision-1 {
		err = c.db.viewChange(ctx, doc)
	} else {
		err = c.catchUpViews(ctx)
	}
	if err != nil {
		c.o.Logger.Warn("the collections of the catalogue lag behind its changes until the next synchronization", "revision", doc.Revision, "error", err)
		return
	}
	c.viewed = doc.Revision
	if doc.Revision%emptyEvery == 0 {
		if err := c.db.emptyChanges(ctx, doc.Revision-keptChanges); err != nil {
			c.o.Logger.Warn("old changes of the catalogue take up room until later", "error", err)
		}
	}
}

// emptyChanges empties old changes, up to a revision. It looks back far enough
// for some calls before it to have failed.
func (d *Database) emptyChanges(ctx context.Context, upTo int64) error {
	old := bson.D{
		{Key: "_id", Value: bson.D{{Key: "$gt", Value: upTo - 10*emptyEvery}, {Key: "$lte", Value: upTo}}},
		{Key: "emptied", Value: bson.D{{Key: "$exists", Value: false}}},
	}
	empty := bson.D{{Key: "_id", Value: "$_id"}, {Key: "token", Value: "$token"}, {Key: "emptied", Value: true}}
	_, err := d.db.Collection(changesCollection).UpdateMany(ctx, old, mongo.Pipeline{{{Key: "$replaceWith", Value: empty}}})
	return fault(err)
}

// catchUpViews brings every change into the collections.
func (c *Catalog) catchUpViews(ctx context.Context) error {
	if c.viewed >= int64(c.mark.Revision) {
		return nil
	}
	note, err := c.db.readViewed(ctx)
	if err != nil {
		return err
	}
	applied := note.Applied
	if applied < int64(c.mark.Revision) {
		err = c.db.eachChange(ctx, applied, func(d *changeDoc) error {
			if d.Revision == note.Applied {
				return nil
			}
			if d.Emptied || d.Whole || d.Revision != applied+1 {
				return store.Conflict("catalogue", c.db.place(),
					"its collections hold the changes up to %d, and %d is no longer there; restore the collection %s from a backup", applied, applied+1, changesCollection)
			}
			applied = d.Revision
			return c.db.viewChange(ctx, d)
		})
	}
	if err == nil {
		c.viewed = applied
	}
	return err
}

// viewedNote says what the collections hold.
type viewedNote struct {
	Applied int64 `bson:"applied"` // every change up to this one
	LastUID int64 `bson:"lastUid"` // the highest device number that was ever given
}

func (d *Database) readViewed(ctx context.Context) (n viewedNote, err error) {
	err = d.meta().FindOne(ctx, bson.D{{Key: "_id", Value: "catalog"}}).Decode(&n)
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return n, fault(fmt.Errorf("read how far the catalogue is written: %w", err))
	}
	return n, nil
}

// noteViewed notes what is written. A note only grows, whoever is faster.
func (d *Database) noteViewed(ctx context.Context, n viewedNote) error {
	return d.upsertMeta(ctx, "catalog", bson.D{{Key: "$max", Value: n}})
}

// viewChange writes one change; all before it are written.
func (d *Database) viewChange(ctx context.Context, c *changeDoc) error {
	if err := d.viewDocuments(ctx, c); err != nil {
		return err
	}
	n := viewedNote{Applied: c.Revision}
	for i := range c.Devices {
		n.LastUID = max(n.LastUID, c.Devices[i].UID)
	}
	return d.noteViewed(ctx, n)
}

func (d *Database) viewDocuments(ctx context.Context, c *changeDoc) error {
	views := map[string][]view{}
	gone := func(name string, ids ...string) {
		for _, id := range ids {
			views[name] = append(views[name], view{id, goneDoc{id, c.At, c.Revision}})
		}
	}
	is := func(name, id string, doc any) { views[name] = append(views[name], view{id, doc}) }
	gone(organizationsCollection, c.GoneOrganizations...)
	gone(usersCollection, c.GoneUsers...)
	for _, p := range c.GonePorts {
		gone(portsCollection, portDocID(p.DeviceID, uint16(p.Number)))
	}
	gone(apiKeysCollection, c.GoneAPIKeys...)
	gone(alertRulesCollection, c.GoneAlertRules...)
	gone(channelsCollection, c.GoneChannels...)
	for _, o := range c.Organizations {
		is(organizationsCollection, o.ID, o)
	}
	for _, u := range c.Users {
		is(usersCollection, u.ID, u)
	}
	for _, v := range c.Devices {
		is(devicesCollection, v.ID, v)
	}
	for _, p := range c.Ports {
		is(portsCollection, p.ID, p)
	}
	for _, k := range c.APIKeys {
		is(apiKeysCollection, k.ID, k)
	}
	for _, r := range c.AlertRules {
		is(alertRulesCollection, r.ID, r)
	}
	for _, v := range c.Channels {
		is(channelsCollection, v.ID, v)
	}
	for _, name := range catalogCollections() {
		if err := d.viewInto(ctx, name, views[name], c.Revision); err != nil {
			return err
		}
	}
	return nil
}

// catalogCollections answers those that show the catalogue, in the order in
// which they are written.
func catalogCollections() []string {
	return []string{
		organizationsCollection, usersCollection, devicesCollection, portsCollection, apiKeysCollection,
		alertRulesCollection, channelsCollection,
	}
}

// view is a document as a change leaves it.
type view struct {
	id  string
	doc any
}

// viewID is a document's _id alone.
type viewID struct {
	ID string `bson:"_id"`
}

// viewInto replaces the documents that an older change wrote.
func (d *Database) viewInto(ctx context.Context, name string, views []view, revision int64) error {
	if len(views) == 0 {
		return nil
	}
	models := make([]mongo.WriteModel, len(views))
	for i, v := range views {
		older := bson.D{{Key: "_id", Value: v.id}, {Key: "rev", Value: bson.D{{Key: "$lt", Value: revision}}}}
		models[i] = mongo.NewReplaceOneModel().SetFilter(older).SetReplacement(v.doc).SetUpsert(true)
	}
	_, err := d.db.Collection(name).BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	var be mongo.BulkWriteException
	if err == nil || !errors.As(err, &be) || be.WriteConcernError != nil {
		return fault(err)
	}
	refused := map[string]string{}
	for _, we := range be.WriteErrors {
		if !we.HasErrorCode(codeDuplicateKey) {
			return fault(fmt.Errorf("write %s %q: %w", name, views[we.Index].id, we))
		}
		refused[views[we.Index].id] = we.Message
	}
	// The _id is taken by this change, or a later one: then it is told already.
	// The server may name another unique key first, which a later change has
	// given away since. Anything else is in the way.
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(refused)), 1000) {
		told := bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}, {Key: "rev", Value: bson.D{{Key: "$gte", Value: revision}}}}
		cur, err := d.agreed(name).Find(ctx, told, options.Find().SetProjection(keys("_id")))
		err = each(ctx, name, cur, err, func(v *viewID) error { delete(refused, v.ID); return nil })
		if err != nil {
			return err
		}
	}
	for id, why := range refused {
		return store.Conflict("document", name+"/"+id, "cannot be written, because a document that tidegate did not write is in the way (%s); remove that one", why)
	}
	return nil
}
