package mongo

import (
	"math"
	"slices"
	"testing"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

const (
	hour       = 3_600_000
	autumn2025 = 1_756_684_800_000
)

// TestQueriesAnswerAsTheEmbeddedStore puts the same random questions to both
// stores, with the samples in the database, in memory, or in both, as they are
// in the middle of a flush.
func TestQueriesAnswerAsTheEmbeddedStore(t *testing.T) {
	for name, e := range map[string]era{
		"dense":                          {series: 5, samples: 2500, start: autumn2025, step: 3},
		"dense, on a replica set":        {series: 5, samples: 2500, start: autumn2025, step: 3, replicaSet: true},
		"sparse":                         {series: 14, samples: 60, start: 1_700_000_000_000, step: 8 * hour},
		"around 1970":                    {series: 5, samples: 400, start: -hour, step: 60_000},
		"long buckets before 1970":       {series: 5, samples: 600, start: -12 * hour, step: 61_000},
		"before 1970 in memory alone":    {series: 5, samples: 400, start: -hour, step: 60_000, unflushed: 3 * hour},
		"around 2038":                    {series: 5, samples: 400, start: 1<<31*1000 - 3*hour, step: 60_000},
		"around 2106":                    {series: 5, samples: 400, start: bucketIDEnd - 3*hour, step: 60_000},
		"1960 beside":                    {series: 5, samples: 2000, start: autumn2025, step: 1000, beside: []int{1960}},
		"2050 beside":                    {series: 5, samples: 400, start: autumn2025, step: 60_000, beside: []int{2050}},
		"2110 beside":                    {series: 5, samples: 400, start: autumn2025, step: 60_000, beside: []int{2110}},
		"1960, 2050 and 2110 among":      {series: 5, samples: 400, start: autumn2025, step: 60_000, among: []int{1960, 2050, 2110}},
		"windows, dense":                 {windows: true, series: 5, samples: 2500, start: autumn2025, step: 3},
		"windows, on a replica set":      {windows: true, series: 5, samples: 400, start: autumn2025, step: 1000, replicaSet: true},
		"windows, sparse":                {windows: true, series: 40, samples: 60, start: 1_700_000_000_000, step: 8 * hour},
		"windows, around 1970":           {windows: true, series: 5, samples: 400, start: -hour, step: 60_000},
		"windows, 1970 in memory alone":  {windows: true, series: 5, samples: 400, start: -hour, step: 60_000, unflushed: 3 * hour},
		"windows, 1960, 2050, 2110 else": {windows: true, series: 20, samples: 200, start: autumn2025, step: hour, among: []int{1960, 2050, 2110}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := mongotest.Standalone
			if e.replicaSet {
				kind = mongotest.ReplicaSet
			}
			server := mongotest.Shared(t, kind)
			newWorld(t, server.URI(t, mongotest.Database(t)), e).compare(20)
		})
	}
}

// TestQueriesIntoLongBuckets: before 1970 a bucket may be longer than the server
// believes (6.0.5). Each of its documents is found by bounds around it.
func TestQueriesIntoLongBuckets(t *testing.T) {
	server := mongotest.Shared(t, mongotest.Standalone)
	q, _ := testQueries(t, server.URI(t, mongotest.Database(t)))
	series := []store.Series{{UID: 1, Port: 1}, {UID: 1, Port: 2}}
	// The first makes a bucket of the next full minute; the last comes within the
	// hour from there.
	all := []placed{{series[0], store.Sample{TS: -110 * hour}}, {series[1], store.Sample{TS: -110 * hour}}}
	for i := range int64(62) {
		for _, sr := range series {
			all = append(all, placed{sr, store.Sample{TS: -100*hour + 1000 + i*59_500, Raw: float64(i)}})
		}
	}
	insert(t, q, all)
	right := judge(t, all)
	ask := func(s store.Scan) {
		t.Helper()
		want, err := right.Scan(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := q.Scan(t.Context(), s)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("scan %+v: %d rows, want %d: %v", s, len(got), len(want), err)
		}
	}
	newest := all[len(all)-1].sample
	for _, stale := range []bool{false, true} {
		if q.sortsInPassing(t.Context()) {
			t.Fatal("the server sorts in passing beside documents from before 1970; were it ever so, see sorting")
		}
		if stale { // as it is in the minute after the first such document
			q.sorting.inPassing.Store(true)
		}
		for _, p := range all {
			ts := p.sample.TS
			ask(store.Scan{Series: series, From: ts, To: ts + 1, Limit: 10})
			ask(store.Scan{Series: series[:1], From: ts, To: math.MaxInt64, Limit: 1000})
			ask(store.Scan{Series: series[:1], From: math.MinInt64, To: ts, Limit: 1000, Desc: true})
		}
		samples, found, err := q.Latest(t.Context(), series)
		if err != nil || !found[0] || !found[1] || samples[0] != newest || samples[1] != newest {
			t.Fatalf("latest, stale %v: %v %v %v; want %v", stale, samples, found, err, newest)
		}
	}
}
