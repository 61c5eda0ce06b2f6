package mongo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sort"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// mirrorEntries bounds what is copied at once: an entry can be large.
const mirrorEntries = 50

// auditMirror copies the entries of the audit trail in order.
type auditMirror struct {
	m     *Mirror
	trail string // empty: there is no entry yet, or it did not begin
	tail  uint64 // all up to here are there
}

func (c *auditMirror) name() string { return auditCollection }

func (c *auditMirror) behind(ctx context.Context) (int64, error) {
	last, err := c.m.o.Audit.LastAudit(ctx)
	return int64(last - min(last, c.tail)), err
}

func (c *auditMirror) step(ctx context.Context) (more bool, err error) {
	if c.trail == "" {
		if err := c.begin(ctx); err != nil || c.trail == "" {
			return false, err
		}
	}
	entries, err := c.m.o.Audit.ListAudit(ctx, c.tail, mirrorEntries)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	models := make([]mongo.WriteModel, len(entries))
	for i, e := range entries {
		models[i] = mongo.NewInsertOneModel().SetDocument(docOfAudit(c.trail, e))
	}
	if _, err := c.m.write(ctx, auditCollection, models); err != nil {
		return false, err
	}
	c.tail = entries[len(entries)-1].Seq
	return len(entries) == mirrorEntries, nil
}

// begin finds out which trail it is, and up to where it is there. A trail is
// named by what its first entry follows.
func (c *auditMirror) begin(ctx context.Context) error {
	first, err := c.m.o.Audit.ListAudit(ctx, 0, 1)
	if err != nil || len(first) == 0 {
		return err
	}
	trail := first[0].Prev
	var d auditDoc
	err = c.m.db.db.Collection(auditCollection).FindOne(ctx, bson.D{{Key: "_id", Value: bson.D{
		{Key: "$gt", Value: auditKey{Trail: trail}}, {Key: "$lt", Value: auditKey{Trail: trail, Seq: math.MaxInt64}},
	}}}, options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}}).SetProjection(keys("_id"))).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		c.trail, c.tail = trail, 0
		return nil
	}
	if err != nil {
		return fmt.Errorf("read what is there: %w", err)
	}
	last, err := c.m.o.Audit.LastAudit(ctx)
	if err != nil {
		return err
	}
	// Up to some number the entries are the same; behind it, after a restore,
	// others have taken their numbers.
	n := sort.Search(int(min(last, uint64(d.Key.Seq))), func(i int) bool {
		if err != nil {
			return true
		}
		var there bool
		there, err = c.has(ctx, trail, uint64(i)+1)
		return !there
	})
	if err != nil {
		return err
	}
	c.trail, c.tail = trail, uint64(n)
	return nil
}

// has reports whether the entry of a number is there as the folder has it.
func (c *auditMirror) has(ctx context.Context, trail string, seq uint64) (bool, error) {
	e, err := c.m.o.Audit.ListAudit(ctx, seq-1, 1)
	if err != nil || len(e) == 0 {
		return false, err
	}
	n, err := c.m.db.db.Collection(auditCollection).CountDocuments(ctx, bson.D{{Key: "_id", Value: auditKey{trail, int64(e[0].Seq), e[0].Hash}}})
	if err != nil {
		return false, fmt.Errorf("read what is there: %w", err)
	}
	return n > 0, nil
}
