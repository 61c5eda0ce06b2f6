package embedded

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"tidegate/store"
)

func benchStore(b *testing.B) *SeriesStore {
	b.Helper()
	s, err := OpenSeries(b.TempDir(), SeriesOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := s.Bind(store.Bounds{Log: store.LogID{1}, Head: math.MaxInt64}); err != nil {
		b.Fatal(err)
	}
	return s
}

// benchBatch fills items with the next readings of so many series.
func benchBatch(items []store.Item, series int, seq *uint64, ts *int64, rnd *rand.Rand) {
	for i := range items {
		if i%4 == 0 {
			*seq++
		}
		if i%series == 0 {
			*ts += 1000
		}
		k := i % series
		items[i] = store.Item{
			Series: store.Series{UID: uint32(k/4 + 1), Port: uint16(k%4 + 1)}, Seq: *seq, Hour: 500_000 + *ts/3_600_000%2,
			Sample: store.Sample{TS: *ts, Raw: float64(2300+rnd.IntN(40)) / 10, IngestTS: *ts + 40, Calibration: 1},
		}
	}
}

// BenchmarkAppend is the cost of one reading in order, with 1,000 series and
// batches of 10,000; the flushes in between are not in it.
func BenchmarkAppend(b *testing.B) {
	s := benchStore(b)
	rnd := rand.New(rand.NewPCG(1, 1))
	items := make([]store.Item, 10_000)
	var seq uint64
	ts := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	b.ReportAllocs()
	b.StopTimer()
	n := 0
	for done := 0; done < b.N; done += len(items) {
		benchBatch(items, 1000, &seq, &ts, rnd)
		b.StartTimer()
		if err := s.Append(context.Background(), &store.Batch{Through: seq, Items: items}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if n += len(items); n >= 800_000 {
			n = 0
			if _, err := s.Flush(context.Background(), nil); err != nil {
				b.Fatal(err)
			}
		}
	}
	if n > 0 {
		b.ReportMetric(float64(s.Unflushed())/float64(n), "B/waiting")
	}
}

// BenchmarkFlush is the cost of one reading in flushes of 400,000 of 1,000
// series.
func BenchmarkFlush(b *testing.B) {
	s := benchStore(b)
	rnd := rand.New(rand.NewPCG(1, 1))
	items := make([]store.Item, 10_000)
	var seq uint64
	ts := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	b.StopTimer()
	for done := 0; done < b.N; {
		n := 0
		for ; n < 400_000; n += len(items) {
			benchBatch(items, 1000, &seq, &ts, rnd)
			if err := s.Append(context.Background(), &store.Batch{Through: seq, Items: items}); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
		if _, err := s.Flush(context.Background(), nil); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		done += n
	}
}

// monthStore holds a settled month of one port at 1 Hz.
func monthStore(b *testing.B) (s *SeriesStore, from, to int64) {
	b.Helper()
	s = benchStore(b)
	rnd := rand.New(rand.NewPCG(1, 1))
	from = time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	to = time.Date(2025, 7, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	batch := store.Batch{}
	walk := 2300
	for ts := from; ts < to; ts += 1000 {
		walk += rnd.IntN(7) - 3
		batch.Items = append(batch.Items, store.Item{Series: store.Series{UID: 1, Port: 1}, Seq: 1, Sample: store.Sample{
			TS: ts, Raw: float64(walk) / 10, IngestTS: ts + 20 + int64(rnd.ExpFloat64()*15), Calibration: 1,
		}})
	}
	batch.Through = 1
	if err := s.Append(context.Background(), &batch); err != nil {
		b.Fatal(err)
	}
	if _, err := s.Flush(context.Background(), nil); err != nil {
		b.Fatal(err)
	}
	if err := s.Settle(context.Background(), 0); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(s.Usage(time.UnixMilli(to)).Bytes)/float64(len(batch.Items)), "B/sample")
	b.ResetTimer()
	return s, from, to
}

// BenchmarkScan is a port's day at 1 Hz as rows.
func BenchmarkScan(b *testing.B) {
	s, from, _ := monthStore(b)
	for b.Loop() {
		rows, err := s.Scan(context.Background(), store.Scan{Series: []store.Series{{UID: 1, Port: 1}}, From: from + 86_400_000, To: from + 2*86_400_000, Limit: 100_000})
		if err != nil || len(rows) != 86_400 {
			b.Fatal(len(rows), err)
		}
	}
}

// BenchmarkAggregate is a port's readings at 1 Hz as means.
func BenchmarkAggregate(b *testing.B) {
	s, from, to := monthStore(b)
	for _, tt := range []struct {
		name     string
		from, to int64
		every    int64
		scaling  float64
	}{
		{"day as minutes", from + 86_400_000, from + 2*86_400_000, 60_000, 1},
		{"month as minutes", from, to, 60_000, 1},
		{"month as minutes, calibrated", from, to, 60_000, 2.5},
		{"month as days", from, to, 86_400_000, 1},
	} {
		b.Run(tt.name, func(b *testing.B) {
			for b.Loop() {
				q := store.Aggregation{From: tt.from, To: tt.to, Every: tt.every, Limit: 1 << 20, Series: []store.SeriesCalibrations{{
					Series: store.Series{UID: 1, Port: 1}, Calibrations: []store.Calibration{{Number: 1, Scaling: tt.scaling, Offset: tt.scaling - 1}},
				}}}
				out, err := s.Aggregate(context.Background(), q)
				if err != nil || int64(len(out)) != (tt.to-tt.from)/tt.every {
					b.Fatal(len(out), err)
				}
			}
		})
	}
}

// BenchmarkManySeries is the newest rows of 1,000 series.
func BenchmarkManySeries(b *testing.B) {
	s := benchStore(b)
	rnd := rand.New(rand.NewPCG(1, 1))
	items := make([]store.Item, 2_000_000)
	var seq uint64
	ts := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	benchBatch(items, 1000, &seq, &ts, rnd)
	if err := s.Append(context.Background(), &store.Batch{Through: seq, Items: items}); err != nil {
		b.Fatal(err)
	}
	if _, err := s.Flush(context.Background(), nil); err != nil {
		b.Fatal(err)
	}
	var series []store.Series
	for k := range 1000 {
		series = append(series, store.Series{UID: uint32(k/4 + 1), Port: uint16(k%4 + 1)})
	}
	b.Run("scan", func(b *testing.B) {
		for b.Loop() {
			rows, err := s.Scan(context.Background(), store.Scan{Series: series, From: 0, To: math.MaxInt64, Limit: 100, Desc: true})
			if err != nil || len(rows) != 100 {
				b.Fatal(len(rows), err)
			}
		}
	})
	b.Run("latest", func(b *testing.B) {
		for b.Loop() {
			if _, found, err := s.Latest(context.Background(), series); err != nil || !found[999] {
				b.Fatal(found, err)
			}
		}
	})
}
