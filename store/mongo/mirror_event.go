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

// MirroredEvents are episodes, as they are on disk. Each change of one gets a
// number, from 1.
type MirroredEvents interface {
	// AlertEventsAfter answers at most limit in ascending order of id, and the
	// numbers of their last changes.
	AlertEventsAfter(ctx context.Context, after string, limit int) (events []store.AlertEvent, changes []uint64, err error)
	// AlertEventsChangedAfter answers at most limit in order of those.
	AlertEventsChangedAfter(ctx context.Context, after uint64, limit int) (events []store.AlertEvent, changes []uint64, err error)
	// CountAlertEventsChangedAfter answers the number of the newest change too.
	CountAlertEventsChangedAfter(ctx context.Context, after uint64) (n int64, newest uint64, err error)
}

// mirrorEvents bounds what is copied, or compared, at once: about 1 MB.
const mirrorEvents = 500

// eventMirror copies episodes: first what has changed, in order, and then it
// goes round and compares.
type eventMirror struct {
	m     *Mirror
	log   string
	begun bool
	tail  uint64 // all changes up to here were copied
	walk  string // all up to here was compared in this round
	// left are events that the server refused as they are: not sent again.
	left map[string]int64
}

func newEventMirror(m *Mirror) *eventMirror {
	return &eventMirror{m: m, log: m.o.Log.String(), left: map[string]int64{}}
}

func (c *eventMirror) name() string { return alertEventsCollection }

func (c *eventMirror) behind(ctx context.Context) (int64, error) {
	n, _, err := c.m.o.Events.CountAlertEventsChangedAfter(ctx, c.tail)
	return n, err
}

func (c *eventMirror) step(ctx context.Context) (more bool, err error) {
	if !c.begun {
		if c.tail, err = c.newest(ctx); err != nil {
			return false, err
		}
		c.begun = true
	}
	events, changes, err := c.m.o.Events.AlertEventsChangedAfter(ctx, c.tail, mirrorEvents)
	if err != nil {
		return false, err
	}
	if len(events) == 0 {
		return c.compare(ctx)
	}
	docs, err := c.docs(events, changes)
	if err != nil {
		return false, err
	}
	if err := c.write(ctx, docs, nil); err != nil {
		return false, err
	}
	c.tail = changes[len(changes)-1]
	return true, nil
}

func (c *eventMirror) docs(events []store.AlertEvent, changes []uint64) ([]alertEventDoc, error) {
	docs := make([]alertEventDoc, len(events))
	for i := range events {
		var err error
		if docs[i], err = docOfEvent(c.log, &events[i]); err != nil {
			return nil, err
		}
		docs[i].Change = int64(changes[i])
	}
	return docs, nil
}

// newest answers the last change that is there. An older copy of the folder may
// have given that number to none yet, or to another change: then those that are
// missed here are found by comparing.
func (c *eventMirror) newest(ctx context.Context) (uint64, error) {
	_, local, err := c.m.o.Events.CountAlertEventsChangedAfter(ctx, 0)
	if err != nil {
		return 0, err
	}
	var d alertEventDoc
	err = c.m.db.db.Collection(alertEventsCollection).FindOne(ctx, bson.D{{Key: "log", Value: c.log}},
		options.FindOne().SetSort(bson.D{{Key: "change", Value: -1}}).SetProjection(keys("change"))).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read what is there: %w", err)
	}
	return min(uint64(d.Change), local), nil
}

// compare makes the next piece of the collection what the folder has. When it
// differed the next one probably does too, and comes at once, up to the end.
func (c *eventMirror) compare(ctx context.Context) (more bool, err error) {
	events, changes, err := c.m.o.Events.AlertEventsAfter(ctx, c.walk, mirrorEvents)
	if err != nil {
		return false, err
	}
	local, err := c.docs(events, changes)
	if err != nil {
		return false, err
	}
	ids := make(bson.A, len(local))
	for i := range local {
		ids[i] = local[i].ID
	}
	piece := bson.D{{Key: "$gt", Value: c.walk}}
	last := len(events) < mirrorEvents
	if !last {
		piece = append(piece, bson.E{Key: "$lte", Value: events[len(events)-1].ID})
	}
	sums, err := c.sums(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	if err != nil {
		return false, err
	}
	// What goes on there and is unknown here would go on for ever.
	open, err := c.sums(ctx, bson.D{
		{Key: "status", Value: bson.D{{Key: "$in", Value: bson.A{string(store.AlertFiring), string(store.AlertRecovering)}}}},
		{Key: "log", Value: c.log},
		{Key: "_id", Value: piece},
	})
	if err != nil {
		return false, err
	}
	var write []alertEventDoc
	for _, d := range local {
		delete(open, d.ID)
		was, there := sums[d.ID]
		refused, left := c.left[d.ID]
		if (!there || was != d.Sum) && (!left || refused != d.Sum) {
			write = append(write, d)
		}
	}
	var gone []string
	for id := range open {
		gone = append(gone, id)
	}
	if err := c.write(ctx, write, gone); err != nil {
		return false, err
	}
	if last {
		c.walk = ""
		return false, nil
	}
	c.walk = events[len(events)-1].ID
	return len(write)+len(gone) > 0, nil
}

// sums answers what is there, by id.
func (c *eventMirror) sums(ctx context.Context, filter bson.D) (map[string]int64, error) {
	var docs []alertEventDoc
	cur, err := c.m.db.db.Collection(alertEventsCollection).Find(ctx, filter, options.Find().SetProjection(keys("_id", "sum")))
	if err == nil {
		err = cur.All(ctx, &docs)
	}
	if err != nil {
		return nil, fmt.Errorf("read what is there: %w", err)
	}
	out := make(map[string]int64, len(docs))
	for _, d := range docs {
		out[d.ID] = d.Sum
	}
	return out, nil
}

func (c *eventMirror) write(ctx context.Context, docs []alertEventDoc, gone []string) error {
	var models []mongo.WriteModel
	for i := range docs {
		models = append(models, mongo.NewReplaceOneModel().SetFilter(bson.D{{Key: "_id", Value: docs[i].ID}}).SetReplacement(docs[i]).SetUpsert(true))
	}
	for _, id := range gone {
		models = append(models, mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: id}}))
	}
	refused, err := c.m.write(ctx, alertEventsCollection, models)
	for _, i := range refused {
		if i < len(docs) {
			if len(c.left) >= mostLeft {
				clear(c.left)
			}
			c.left[docs[i].ID] = docs[i].Sum
		}
	}
	return err
}
