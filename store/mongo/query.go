package mongo

import (
	"fmt"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
)

const (
	queryCursors  = 12      // open at once, of all questions together
	queryParallel = 2       // cursors of one question; the server gives each a core
	mostRows      = 1 << 40 // of any answer; sums of limits do not overflow
)

// waiting is what the writer holds in memory.
type waiting interface {
	// memory answers the samples of a series with from <= ts < to that were
	// appended or are being flushed, perhaps in the database already;
	// ascending, and nobody changes them.
	memory(series store.Series, from, to int64) []store.Sample
	// memoryNewest answers the newest sample of a series, if it is in memory
	// and none in the database is newer.
	memoryNewest(series store.Series) (store.Sample, bool)
}

// queries implements store.Readings: what waits in memory, merged with the
// collection values.
//
// Every question looks into memory first and into the database after that, and
// takes a sample that both have once: a flush in between loses none and doubles
// none. Nothing is kept open between two questions. The rows in memory are
// those of the answer and at most as many again, whatever the span of time; at
// most queryCursors cursors are open.
type queries struct {
	db      *Database
	names   func(uid uint32) (orgID, deviceID string, ok bool)
	waiting waiting
	slots   chan struct{} // a cursor each
	few     int           // up to so many series are read one by one, in order
	// patience is of one round trip; a long answer takes many.
	patience time.Duration
	now      func() time.Time
	sorting  sorting

	registerer prometheus.Registerer
	seconds    *prometheus.HistogramVec
}

// newQueries answers a reader of what db holds and w still keeps. names is
// asked for every series of a question.
func newQueries(db *Database, names func(uint32) (string, string, bool), w waiting, r prometheus.Registerer) (*queries, error) {
	q := &queries{db: db, names: names, waiting: w, slots: make(chan struct{}, queryCursors), few: fewSeries, patience: queryPatience, now: db.o.Now, registerer: r}
	q.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "tidegate", Subsystem: "mongo", Name: "query_seconds",
		Help:    "Time to answer a question about readings, by kind: scan, aggregate, latest.",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
	}, []string{"kind"})
	if r != nil {
		if err := r.Register(q.seconds); err != nil {
			return nil, fmt.Errorf("register the metrics of queries: %w", err)
		}
	}
	return q, nil
}

// unregister takes the metrics back.
func (q *queries) unregister() {
	if q.registerer != nil {
		q.registerer.Unregister(q.seconds)
	}
}

// timed begins a question and answers what ends it.
func (q *queries) timed(kind string) func() {
	begun := time.Now()
	return func() { q.seconds.WithLabelValues(kind).Observe(time.Since(begun).Seconds()) }
}

func floorDiv(a, b int64) int64 {
	d := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		d--
	}
	return d
}

// saturated answers f as an int64 between 1 and most.
func saturated(f float64, most int64) int64 {
	switch {
	case math.IsNaN(f) || f < 1:
		return 1
	case f >= float64(most):
		return most
	}
	return int64(f)
}
