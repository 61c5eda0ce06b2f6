package mongo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
)

// mirrorLetters bounds what is copied, or compared, at once: with their
// payloads about 2 MB.
const mirrorLetters = 500

// letterMirror copies dead letters: first what is new, in order, and then it
// goes round and compares.
type letterMirror struct {
	m     *Mirror
	log   string
	begun bool
	tail  store.LetterID // all up to here was copied
	walk  store.LetterID // all up to here was compared in this round
	// left are letters that the server refused as they are: not sent again.
	left map[letterKey]int64
}

// mostLeft bounds what is remembered of refused letters; the next one begins
// anew.
const mostLeft = 10_000

func newLetterMirror(m *Mirror) *letterMirror {
	return &letterMirror{m: m, log: m.o.Log.String(), left: map[letterKey]int64{}}
}

func (c *letterMirror) name() string { return deadLettersCollection }

func (c *letterMirror) behind(ctx context.Context) (int64, error) {
	return c.m.o.Letters.CountDeadLettersAfter(ctx, c.tail)
}

func (c *letterMirror) step(ctx context.Context) (more bool, err error) {
	if !c.begun {
		if c.tail, err = c.newest(ctx); err != nil {
			return false, err
		}
		c.begun = true
	}
	local, err := c.local(ctx, c.tail)
	if err != nil || len(local) == 0 {
		if err == nil {
			more, err = c.compare(ctx)
		}
		return more, err
	}
	if err := c.write(ctx, local, nil); err != nil {
		return false, err
	}
	c.tail = local[len(local)-1].id()
	return true, nil
}

// id is the inverse of the key.
func (d *letterDoc) id() store.LetterID {
	return store.LetterID{Seq: uint64(d.Key.Seq), Index: uint32(d.Key.Index)}
}

func (c *letterMirror) local(ctx context.Context, after store.LetterID) ([]letterDoc, error) {
	letters, err := c.m.o.Letters.DeadLettersAfter(ctx, after, mirrorLetters)
	docs := make([]letterDoc, 0, len(letters))
	for _, l := range letters {
		id, perr := store.ParseLetterID(l.ID)
		if perr != nil {
			return nil, perr
		}
		d, derr := docOfLetter(c.log, id, l)
		if derr != nil {
			return nil, derr
		}
		docs = append(docs, d)
	}
	return docs, err
}

// between answers a filter for the letters of this log with after < id <= upTo.
func (c *letterMirror) between(after, upTo store.LetterID) bson.D {
	key := func(id store.LetterID) letterKey {
		return letterKey{c.log, int64(min(id.Seq, math.MaxInt64)), int64(id.Index)}
	}
	return bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: key(after)}, {Key: "$lte", Value: key(upTo)}}}}
}

// lastLetter is behind all ids.
var lastLetter = store.LetterID{Seq: math.MaxInt64, Index: math.MaxUint32}

// newest answers the last letter that is there.
func (c *letterMirror) newest(ctx context.Context) (store.LetterID, error) {
	var d letterDoc
	err := c.m.db.db.Collection(deadLettersCollection).FindOne(ctx, c.between(store.LetterID{}, lastLetter),
		options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}}).SetProjection(keys("_id"))).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return store.LetterID{}, nil
	}
	return d.id(), err
}

// compare makes the next piece of the collection what the folder has. When it
// differed the next one probably does too, and comes at once, up to the end.
func (c *letterMirror) compare(ctx context.Context) (more bool, err error) {
	local, err := c.local(ctx, c.walk)
	if err != nil {
		return false, err
	}
	upTo := lastLetter
	if len(local) == mirrorLetters {
		upTo = local[len(local)-1].id()
	}
	var there []letterDoc
	cur, err := c.m.db.db.Collection(deadLettersCollection).Find(ctx, c.between(c.walk, upTo),
		options.Find().SetSort(keys("_id")).SetLimit(2*mirrorLetters).SetProjection(keys("_id", "sum")))
	if err == nil {
		err = cur.All(ctx, &there)
	}
	if err != nil {
		return false, fmt.Errorf("read what is there: %w", err)
	}
	if len(there) == 2*mirrorLetters {
		upTo = there[len(there)-1].id() // the folder has lost more than it has
	}
	write, gone := compareLetters(local, there, upTo)
	write = slices.DeleteFunc(write, func(d letterDoc) bool {
		sum, ok := c.left[d.Key]
		return ok && sum == d.Sum
	})
	if err := c.write(ctx, write, gone); err != nil {
		return false, err
	}
	if c.walk = upTo; upTo == lastLetter {
		c.walk = store.LetterID{}
		return false, nil
	}
	return len(write)+len(gone) > 0, nil
}

// compareLetters answers what must be written, and what is there and should not
// be, up to an id. Both lists are in order.
func compareLetters(local, there []letterDoc, upTo store.LetterID) (write []letterDoc, gone []letterKey) {
	sums := make(map[letterKey]int64, len(there))
	for _, d := range there {
		sums[d.Key] = d.Sum
	}
	for i := range local {
		if id := local[i].id(); id.Seq > upTo.Seq || id.Seq == upTo.Seq && id.Index > upTo.Index {
			break
		}
		if sum, ok := sums[local[i].Key]; !ok || sum != local[i].Sum {
			write = append(write, local[i])
		}
		delete(sums, local[i].Key)
	}
	for _, d := range there {
		if _, ok := sums[d.Key]; ok {
			gone = append(gone, d.Key)
		}
	}
	return write, gone
}

func (c *letterMirror) write(ctx context.Context, docs []letterDoc, gone []letterKey) error {
	var models []mongo.WriteModel
	for i := range docs {
		models = append(models, mongo.NewReplaceOneModel().SetFilter(bson.D{{Key: "_id", Value: docs[i].Key}}).SetReplacement(docs[i]).SetUpsert(true))
	}
	for _, k := range gone {
		models = append(models, mongo.NewDeleteOneModel().SetFilter(bson.D{{Key: "_id", Value: k}}))
	}
	refused, err := c.m.write(ctx, deadLettersCollection, models)
	for _, i := range refused {
		if i < len(docs) {
			if len(c.left) >= mostLeft {
				clear(c.left)
			}
			c.left[docs[i].Key] = docs[i].Sum
		}
	}
	return err
}
