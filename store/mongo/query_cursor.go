package mongo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
)

const (
	queryPatience = 10 * time.Second
	queryBatch    = 16_384 // documents of a round trip, about 1.3 MB
)

// Codes of the server by which a cursor ends before its answer does, because it
// was started again or an operator stepped in: the same question may be asked
// again.
const (
	codeCursorNotFound  = 43
	codeQueryPlanKilled = 175
	codeCursorKilled    = 237
)

// find asks values, and calls fn with every document until it answers false.
// sorted is 1, -1 or 0; limit 0 is none. A document is valid until fn returns.
func (q *queries) find(ctx context.Context, filter, projection any, sorted, limit int, fn func(bson.Raw) (bool, error)) error {
	o := options.Find().SetProjection(projection).SetBatchSize(queryBatch)
	if sorted != 0 {
		o.SetSort(byTime(sorted)).SetAllowDiskUse(true)
	}
	if limit > 0 && limit < math.MaxInt32 { // what the driver can count to
		o.SetLimit(int64(limit))
		if limit <= queryBatch {
			o.SetBatchSize(int32(limit) + 1) // one more, or the server would keep the cursor
		}
	}
	return q.each(ctx, func(ctx context.Context, c *mongo.Collection) (*mongo.Cursor, error) {
		return c.Find(ctx, filter, o)
	}, fn)
}

func byTime(sorted int) bson.D { return bson.D{{Key: "ts", Value: sorted}} }

// each reads what open opens to its end, or until fn answers false. Every round
// trip has its own patience, so that a server that hangs is found out whatever
// the caller's is. No cursor that the server answers for stays open.
func (q *queries) each(ctx context.Context, open func(context.Context, *mongo.Collection) (*mongo.Cursor, error), fn func(bson.Raw) (bool, error)) error {
	select {
	case q.slots <- struct{}{}:
		defer func() { <-q.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	trip, cancel := context.WithTimeout(ctx, q.patience)
	cur, err := open(trip, q.values())
	cancel()
	if err != nil {
		return q.fault(ctx, err)
	}
	defer func() {
		if cur.ID() == 0 { // read to its end
			return
		}
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = cur.Close(end) // where that fails the server does so, after ten minutes
	}()
	for q.next(ctx, cur) {
		if more, err := fn(cur.Current); err != nil || !more {
			return err
		}
	}
	return q.fault(ctx, cur.Err())
}

func (q *queries) values() *mongo.Collection { return q.db.db.Collection(valuesCollection) }

// next is a round trip whenever a batch is used up.
func (q *queries) next(ctx context.Context, cur *mongo.Cursor) bool {
	if cur.RemainingBatchLength() > 0 {
		return cur.Next(ctx)
	}
	trip, cancel := context.WithTimeout(ctx, q.patience)
	defer cancel()
	return cur.Next(trip)
}

// fault answers err as callers know it. The caller's own end stays what it is.
func (q *queries) fault(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if end := ctx.Err(); end != nil {
		return end
	}
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) { // connections know it first
		return context.DeadlineExceeded
	}
	if hasCode(err, codeCursorNotFound, codeQueryPlanKilled, codeCursorKilled) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if err = fault(err); errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}
