package storetest

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"tidegate/store"
)

// compare puts n random questions of each kind to the store and its model.
func (s *sim) compare(n int) {
	s.t.Helper()
	ctx := context.Background()
	for range n {
		s.compareScan(ctx)
		s.compareAggregate(ctx)
	}
	all := append(s.allSeries(), store.Series{UID: 99})
	samples, found, err := s.s.Latest(ctx, all)
	must(s.t, err)
	for i, sr := range all {
		if want, ok := s.model.latest(sr); found[i] != ok || ok && samples[i] != want {
			s.t.Fatalf("latest of %v is %+v %v, want %+v %v", sr, samples[i], found[i], want, ok)
		}
	}
	stored, duplicate, err := s.s.Totals(ctx)
	must(s.t, err)
	if int64(stored) != s.model.stored.Sum() || int64(duplicate) != s.model.duplicate.Sum() {
		s.t.Fatalf("stored %d, duplicate %d; want %d, %d", stored, duplicate, s.model.stored.Sum(), s.model.duplicate.Sum())
	}
	hours, duplicates := store.HourCounts{}, store.HourCounts{}
	from := at("2024-03-01T00:00:00Z")/3_600_000 + int64(s.rnd.IntN(4))
	must(s.t, s.s.Hours(ctx, math.MinInt64, from, hours, duplicates))
	must(s.t, s.s.Hours(ctx, from, math.MaxInt64, hours, duplicates))
	if !equalHours(hours, s.model.stored) || !equalHours(duplicates, s.model.duplicate) {
		s.t.Fatalf("hours %v %v, want %v %v", hours, duplicates, s.model.stored, s.model.duplicate)
	}
}

func equalHours(a, b store.HourCounts) bool {
	clean := func(h store.HourCounts) map[int64]store.Counts {
		out := map[int64]store.Counts{}
		for hour, c := range h {
			c = maps.Clone(c)
			maps.DeleteFunc(c, func(_ uint32, n int64) bool { return n == 0 })
			if len(c) > 0 {
				out[hour] = c
			}
		}
		return out
	}
	return maps.EqualFunc(clean(a), clean(b), maps.Equal[store.Counts, store.Counts])
}

// span answers a random time range that likely holds something.
func (s *sim) span() (from, to int64) {
	switch s.rnd.IntN(5) {
	case 0:
		return math.MinInt64, math.MaxInt64
	case 1:
		return math.MinInt64, s.moment()
	case 2:
		return s.moment(), math.MaxInt64
	}
	from, to = s.moment(), s.moment()
	return min(from, to), max(from, to) + s.rnd.Int64N(2)
}

func (s *sim) moment() int64 {
	if len(s.log) == 0 {
		return 0
	}
	return s.log[s.rnd.IntN(len(s.log))].Sample.TS + s.rnd.Int64N(3) - 1
}

func (s *sim) limit() int {
	return pick(s.rnd, []int{1, 2, 10, 100, 1 << 20})
}

func (s *sim) someSeries() []store.Series {
	all := append(s.allSeries(), store.Series{UID: 99})
	s.rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+s.rnd.IntN(len(all))]
}

func (s *sim) compareScan(ctx context.Context) {
	s.t.Helper()
	q := store.Scan{Series: s.someSeries(), Desc: s.rnd.IntN(2) == 0, Limit: s.limit()}
	q.From, q.To = s.span()
	if s.rnd.IntN(3) == 0 {
		q.After = &store.RowKey{TS: s.moment(), Series: s.rnd.IntN(len(q.Series))}
	}
	got, err := s.s.Scan(ctx, q)
	must(s.t, err)
	if want := s.model.scan(q); !slices.Equal(got, want) {
		s.t.Fatalf("scan %+v: %d rows, want %d\n%v\n%v", q, len(got), len(want), firstRows(got), firstRows(want))
	}
}

func firstRows(r []store.Row) []store.Row { return r[:min(len(r), 5)] }

func (s *sim) compareAggregate(ctx context.Context) {
	s.t.Helper()
	q := store.Aggregation{Limit: s.limit(), Every: 1 + s.rnd.Int64N(100*s.shape.step)}
	if s.rnd.IntN(3) == 0 {
		q.Every *= 1000
	}
	q.From, q.To = s.span()
	for _, sr := range s.someSeries() {
		c := store.SeriesCalibrations{Series: sr, Ingested: s.rnd.IntN(3) == 0}
		for n := range s.rnd.IntN(4) {
			cal := store.Calibration{Number: uint16(n + 1), Scaling: pick(s.rnd, []float64{1, 2, -1, 0.0037}), Offset: pick(s.rnd, []float64{0, 0, 0.13, -40})}
			if n > 0 {
				cal.EffectiveFrom = time.UnixMilli(s.moment())
			}
			c.Calibrations = append(c.Calibrations, cal)
		}
		q.Series = append(q.Series, c)
	}
	if s.rnd.IntN(3) == 0 {
		q.After = &store.RowKey{TS: int64(math.Floor(float64(s.moment())/float64(q.Every))) * q.Every, Series: s.rnd.IntN(len(q.Series))}
	}
	got, err := s.s.Aggregate(ctx, q)
	must(s.t, err)
	if want := s.model.aggregate(q); !slices.EqualFunc(got, want, nearBucket) {
		s.t.Fatalf("aggregate %+v: %d buckets, want %d\n%v\n%v", q, len(got), len(want), got[:min(len(got), 3)], want[:min(len(want), 3)])
	}
}
