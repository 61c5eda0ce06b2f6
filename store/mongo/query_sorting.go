package mongo

import (
	"bytes"
	"context"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// sortingPatience is how long an answer about sorting is believed.
const sortingPatience = time.Minute

// sorting is what is known of how the server sorts.
//
// From 6.0 on it reads a series in order of time as its buckets come, without
// reading all of it first. It stops doing so for good, and for all series, when
// the collection gets its first document from outside 1970 to 2038: then it
// reads all that a question may be about, and sorts it. A year of a port would
// take it half a minute for the newest reading. So there we go by windows of
// time instead; either way answers are right.
type sorting struct {
	inPassing atomic.Bool
	asked     atomic.Int64 // Unix ns of the server's last answer; 0: none
}

// sortsInPassing reports whether the server reads one series in order of time
// without reading all of it first. It asks by the plan that the server makes of
// such a question.
func (q *queries) sortsInPassing(ctx context.Context) bool {
	now := q.now().UnixNano()
	if at := q.sorting.asked.Load(); at != 0 && now-at < int64(sortingPatience) && now >= at {
		return q.sorting.inPassing.Load()
	}
	trip, cancel := context.WithTimeout(ctx, q.patience)
	defer cancel()
	p := place{org: "-", device: "-"}
	plan, err := q.db.db.RunCommand(trip, bson.D{
		{Key: "explain", Value: bson.D{
			{Key: "find", Value: valuesCollection}, {Key: "filter", Value: p.filter()}, {Key: "sort", Value: byTime(-1)},
		}},
		{Key: "verbosity", Value: "queryPlanner"},
	}).Raw()
	if err != nil { // perhaps it is not allowed; if the server is away, the question itself will say so
		c, ok := q.db.capability()
		return ok && c.Major >= 6
	}
	inPassing := bytes.Contains(plan, []byte("$_internalBoundedSort"))
	q.sorting.inPassing.Store(inPassing)
	q.sorting.asked.Store(now)
	return inPassing
}
