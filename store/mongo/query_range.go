package mongo

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	// Documents hold any int64 as a date, but the server reckons with spans
	// around them: questions end at JavaScript's first and last day.
	earliest = -8_640_000_000_000_000
	latest   = 8_640_000_000_000_000

	bucketIDEnd  = (1<<32 - 1) * 1000 // ms: 2106-02-07
	bucketExcess = 60_000             // ms by which a bucket from before 1970 may be too long
	oldBuckets   = 2 * 3_600_000      // ms: after that no bucket begins before 1970
)

// clamp answers the part of from <= ts < to in which there can be documents.
func clamp(from, to int64) (int64, int64) { return max(from, earliest), min(to, latest) }

// between answers the filter of from <= ts < to beside that of metadata.
//
// The server makes bounds on its buckets of it, and errs at the edges of what
// fits into a bucket's id, which holds the seconds in 32 bits (6.0.5):
//
//   - While the collection holds nothing from outside 1970 to 2038, a lower
//     bound before 1970 and an upper bound from 2106 on wrap around, and find
//     nothing.
//   - A bucket from before 1970 is up to a minute longer than the hour that is
//     reckoned with.
//
// There the bounds are wider or absent, and a $nor, which is held against the
// documents alone, says the exact ones. A range that ends at 1970 keeps its lower
// bound: where that finds nothing, there is nothing.
func between(metadata bson.D, from, to int64) bson.D {
	ts := bson.D{}
	var nor bson.A
	before := bson.D{{Key: "ts", Value: bson.D{{Key: "$lt", Value: bson.DateTime(from)}}}}
	switch {
	case from <= earliest:
	case from < oldBuckets && to <= 0:
		ts = append(ts, bson.E{Key: "$gte", Value: bson.DateTime(max(from-bucketExcess, earliest))})
		nor = append(nor, before)
	case from < oldBuckets:
		nor = append(nor, before)
	default:
		ts = append(ts, bson.E{Key: "$gte", Value: bson.DateTime(from)})
	}
	beyond := bson.D{{Key: "ts", Value: bson.D{{Key: "$gte", Value: bson.DateTime(to)}}}}
	switch {
	case to >= latest:
	case to >= bucketIDEnd:
		nor = append(nor, beyond)
	case to < oldBuckets:
		ts = append(ts, bson.E{Key: "$lt", Value: bson.DateTime(to + bucketExcess)})
		nor = append(nor, beyond)
	default:
		ts = append(ts, bson.E{Key: "$lt", Value: bson.DateTime(to)})
	}
	f := slices.Clip(metadata)
	if len(ts) > 0 {
		f = append(f, bson.E{Key: "ts", Value: ts})
	}
	if len(nor) > 0 {
		f = append(f, bson.E{Key: "$nor", Value: nor})
	}
	return f
}
