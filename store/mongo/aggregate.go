package mongo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

const (
	windowBuckets  = 16_384        // may come beyond what is needed before a window counts as too wide
	aggregateSplit = 2 * 3_600_000 // ms; a window that is as wide is read side by side
)

// Aggregate implements store.Readings. It goes forward in windows of whole
// buckets, each with all series.
//
// The buckets are made here, of raw values: so they are exact whatever waits in
// memory and whatever calibrations say, and mongod up to 6.0 is no faster at it
// (docs/adr/0007-mongodb-queries.md). Rollups would come in at buckets, which
// is asked for all that is wanted of a window.
func (q *queries) Aggregate(ctx context.Context, a store.Aggregation) ([]store.Bucket, error) {
	switch {
	case a.Limit < 1:
		return nil, store.Invalid("aggregation", "limit", "%d is below 1", a.Limit)
	case a.Every < 1:
		return nil, store.Invalid("aggregation", "every", "%d ms is below 1", a.Every)
	}
	a.From, a.To = clamp(a.From, a.To)
	a.Limit = min(a.Limit, mostRows)
	if a.From >= a.To || len(a.Series) == 0 {
		return nil, nil
	}
	defer q.timed("aggregate")()
	if err := q.db.Ready(ctx); err != nil {
		return nil, fmt.Errorf("aggregate readings: %w", err)
	}
	series := make([]store.Series, len(a.Series))
	for i := range series {
		series[i] = a.Series[i].Series
	}
	u := q.subject(series)
	chunks := chunks(u.places)
	var out []store.Bucket
	// x counts buckets, so that a window never cuts one.
	w := walk{
		from: floorDiv(a.From, a.Every), to: floorDiv(a.To-1, a.Every) + 1,
		span: int64(a.Limit/len(series)) + 2,
		need: func() int { return a.Limit - len(out) },
	}
	if a.After != nil {
		w.from = max(w.from, floorDiv(a.After.TS, a.Every))
	}
	if w.from < 0 { // begin where there is something
		first, err := q.oldest(ctx, u)
		if err != nil {
			return nil, fmt.Errorf("aggregate readings: %w", err)
		}
		w.from = max(w.from, floorDiv(first, a.Every))
	}
	err := w.run(func(lo, hi int64) (found int, over bool, err error) {
		list, over, err := q.buckets(ctx, a, u, chunks, lo, hi, 2*w.need()+2*len(series)+windowBuckets)
		if err != nil || over {
			return 0, over, err
		}
		slices.SortFunc(list, bucketOrder)
		if k := a.After; k != nil {
			key := store.Bucket{Start: k.TS, Series: k.Series}
			at, there := slices.BinarySearchFunc(list, key, bucketOrder)
			if there {
				at++
			}
			list = list[at:]
		}
		out = append(out, list[:min(len(list), w.need())]...)
		return len(list), false, nil
	})
	if err != nil {
		return nil, fmt.Errorf("aggregate readings: %w", err)
	}
	return out, nil
}

func bucketOrder(a, b store.Bucket) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Series, b.Series))
}

// buckets answers the buckets lo <= number < hi of all series, in no order, or
// that they are over most.
func (q *queries) buckets(ctx context.Context, a store.Aggregation, u subject, chunks []chunk, lo, hi int64, most int) (list []store.Bucket, over bool, err error) {
	from, to := max(a.From, lo*a.Every), min(a.To, hi*a.Every)
	if from >= to {
		return nil, false, nil
	}
	memory := q.held(u, from, to)
	fields := valueFields
	if slices.ContainsFunc(a.Series, func(c store.SeriesCalibrations) bool { return c.Ingested }) {
		fields = ingestFields
	}
	tasks := stretches(chunks, from, to, to-from >= aggregateSplit)
	made := make([]*bucketer, len(tasks)+1)
	for k := range made {
		made[k] = newBucketer(&a)
	}
	for i, m := range memory {
		made[len(tasks)].series(i)
		for k := range m {
			made[len(tasks)].add(&m[k])
		}
	}
	var count atomic.Int64
	err = together(ctx, len(tasks), func(ctx context.Context, k int) error {
		if count.Load() > int64(most) {
			return nil
		}
		t, b := tasks[k], made[k]
		f := finder{c: t.chunk}
		var whose *place
		var d document
		return q.find(ctx, between(t.chunk.filter, t.from, t.to), t.chunk.projection(fields), 0, 0, func(raw bson.Raw) (bool, error) {
			if err := d.read(raw); err != nil {
				return false, t.chunk.named(err)
			}
			p := f.find(d.metadata)
			if p == nil {
				return true, nil
			}
			if p != whose {
				whose = p
				b.series(p.index)
			}
			if holds(memory[p.index], d.sample.TS) {
				return true, nil
			}
			fresh := b.add(&d.sample)
			for i := u.twin[p.index]; i >= 0; i = u.twin[i] {
				b.series(i)
				fresh += b.add(&d.sample)
				whose = nil
			}
			return fresh == 0 || count.Add(int64(fresh)) <= int64(most), nil
		})
	})
	if err != nil || count.Load() > int64(most) {
		return nil, true, err
	}
	for _, b := range made[1:] {
		made[0].merge(b)
	}
	return made[0].buckets(), false, nil
}
