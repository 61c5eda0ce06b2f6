package mongo

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
)

const (
	latestLook   = 600_000 // ms before now in which most series have something
	latestSeries = 100     // are looked at in one round trip, one by one; 0.15 ms each in the server
)

// Latest implements store.Readings. What memory knows needs no server; the
// rest is looked for in the last minutes, and then at the newest end of each
// series' index.
func (q *queries) Latest(ctx context.Context, series []store.Series) ([]store.Sample, []bool, error) {
	defer q.timed("latest")()
	samples, found := make([]store.Sample, len(series)), make([]bool, len(series))
	places, twin := q.places(series)
	for i, sr := range series {
		samples[i], found[i] = q.waiting.memoryNewest(sr)
	}
	open := slices.DeleteFunc(places, func(p place) bool { return found[p.index] })
	if len(open) > 0 {
		if err := q.newest(ctx, series, open, samples, found); err != nil {
			return nil, nil, fmt.Errorf("read latest readings: %w", err)
		}
	}
	for i := range series { // ascending: twins come after
		if j := twin[i]; j >= 0 {
			samples[j], found[j] = samples[i], found[i]
		}
	}
	return samples, found, nil
}

// newest finds the newest sample of each series that is open, in memory or in
// the database.
func (q *queries) newest(ctx context.Context, series []store.Series, open []place, samples []store.Sample, found []bool) error {
	if err := q.db.Ready(ctx); err != nil {
		return err
	}
	// Late samples may wait in memory beside newer ones in the database.
	for _, p := range open {
		if m := q.waiting.memory(series[p.index], earliest, latest); len(m) > 0 {
			samples[p.index], found[p.index] = m[len(m)-1], true
		}
	}
	take := func(p *place, s *store.Sample) {
		if !found[p.index] || samples[p.index].TS < s.TS {
			samples[p.index], found[p.index] = *s, true
		}
	}
	below := func(from int64) {
		open = slices.DeleteFunc(slices.Clone(open), func(p place) bool { return found[p.index] && samples[p.index].TS >= from })
	}
	// Most series have something recent, which is found for all of them at once.
	looks := looks(q.now().UnixMilli())
	if err := q.newestWithin(ctx, open, looks[0], take); err != nil {
		return err
	}
	below(looks[0].from)
	looks = looks[1:]
	if len(open) > 0 && q.sortsInPassing(ctx) {
		if err := q.ends(ctx, open, -1, take); err != nil {
			return err
		}
		below(oldBuckets) // see ends
		looks = []look{{earliest, oldBuckets}}
	}
	for _, l := range looks {
		if len(open) == 0 {
			break
		}
		if err := q.newestWithin(ctx, open, l, take); err != nil {
			return err
		}
		below(l.from)
	}
	return nil
}

// oldest answers a time before which the series of u have nothing in memory or in
// the database; earliest, where the server would have to read all of them to know.
func (q *queries) oldest(ctx context.Context, u subject) (int64, error) {
	if !q.sortsInPassing(ctx) {
		return earliest, nil
	}
	firsts := make([]int64, len(u.series))
	for i, m := range q.held(u, earliest, latest) {
		if firsts[i] = latest; len(m) > 0 {
			firsts[i] = m[0].TS
		}
	}
	err := q.ends(ctx, u.places, 1, func(p *place, s *store.Sample) {
		firsts[p.index] = min(firsts[p.index], s.TS)
	})
	return slices.Min(firsts), err
}

// ends calls fn with the first sample (sorted 1) or the last (-1) of each place
// that has one, where the server sorts in passing. fn is called from several
// goroutines, once a place.
//
// A last sample from before oldBuckets need not be the last: within $unionWith
// the server (6.0.5) forgets that it must not sort buckets from then in passing,
// and leaves those that are too long (see between) out of a descending order.
func (q *queries) ends(ctx context.Context, places []place, sorted int, fn func(*place, *store.Sample)) error {
	return together(ctx, (len(places)+latestSeries-1)/latestSeries, func(ctx context.Context, k int) error {
		c := newChunk(places[k*latestSeries:min(len(places), (k+1)*latestSeries)], nil)
		var pipeline bson.A
		for i, p := range c.places {
			one := bson.A{
				bson.D{{Key: "$match", Value: p.filter()}},
				bson.D{{Key: "$sort", Value: byTime(sorted)}},
				bson.D{{Key: "$limit", Value: 1}},
				bson.D{{Key: "$project", Value: withMetadata(sampleFields)}},
			}
			if i == 0 {
				pipeline = one
				continue
			}
			pipeline = append(pipeline, bson.D{{Key: "$unionWith", Value: bson.D{
				{Key: "coll", Value: valuesCollection}, {Key: "pipeline", Value: one},
			}}})
		}
		return q.samples(ctx, &c, pipeline, fn)
	})
}

// look is a range of time, from <= ts < to.
type look struct{ from, to int64 }

// looks answers in which ranges the newest sample is looked for, one after the
// other, when the server reads all of a range: more and more, from now back.
func looks(now int64) []look {
	var out []look
	for to, width := int64(latest), int64(latestLook); to > earliest; width *= wider {
		from := int64(earliest)
		if width < latest/wider {
			from = now - width
		}
		if from < 0 && to > 0 {
			from = 0 // where bounds are best: between
		}
		if from < to {
			out = append(out, look{from, to})
			to = from
		}
	}
	return out
}

// newestWithin calls fn with the last sample within l of each place that has
// one. fn is called from several goroutines, once a place.
func (q *queries) newestWithin(ctx context.Context, places []place, l look, fn func(*place, *store.Sample)) error {
	newest := bson.D{{Key: "ts", Value: "$ts"}} // compares first
	for _, f := range [...]string{"rawValue", "quality", "ingestTs", "cal", "flags"} {
		newest = append(newest, bson.E{Key: f, Value: "$" + f})
	}
	chunks := chunks(places)
	return together(ctx, len(chunks), func(ctx context.Context, k int) error {
		return q.samples(ctx, &chunks[k], bson.A{
			bson.D{{Key: "$match", Value: between(chunks[k].filter, l.from, l.to)}},
			bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$metadata"}, {Key: "newest", Value: bson.D{{Key: "$max", Value: newest}}}}}},
			bson.D{{Key: "$replaceWith", Value: bson.D{{Key: "$mergeObjects", Value: bson.A{"$newest", bson.D{{Key: "metadata", Value: "$_id"}}}}}}},
		}, fn)
	})
}

// samples calls fn with what a pipeline answers of the series of c.
func (q *queries) samples(ctx context.Context, c *chunk, pipeline bson.A, fn func(*place, *store.Sample)) error {
	f := finder{c: c}
	var d document
	return q.each(ctx, func(ctx context.Context, c *mongo.Collection) (*mongo.Cursor, error) {
		return c.Aggregate(ctx, pipeline, options.Aggregate().SetBatchSize(queryBatch).SetAllowDiskUse(true))
	}, func(b bson.Raw) (bool, error) {
		if err := d.read(b); err != nil {
			return false, err
		}
		if p := f.find(d.metadata); p != nil {
			fn(p, &d.sample)
		}
		return true, nil
	})
}
