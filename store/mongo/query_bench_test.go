package mongo

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo/mongotest"
)

const (
	benchDays   = 30
	benchSecond = 1000 // ms between readings of the busy port
	benchMany   = 1000 // series beside it, with a reading a minute for a day
	benchPiece  = 16_384
)

var benchBusy = store.Series{UID: 7, Port: 1}

// BenchmarkQueries asks both stores the same, one after the other: what a page
// and an export ask of a port with a reading a second. The MongoDB side was
// written by its own writer, as in production.
//
//	go test -run - -bench Queries -count 5 ./store/mongo
func BenchmarkQueries(b *testing.B) {
	server := mongotest.Shared(b, mongotest.ReplicaSet)
	box := openBox(b, server.URI(b, mongotest.Database(b)), b.TempDir(), SeriesOptions{})
	own, err := embedded.OpenSeries(b.TempDir(), embedded.SeriesOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := errors.Join(box.Close(), own.Close()); err != nil {
			b.Error(err)
		}
	}()
	benchFill(b, box, own)
	box.now = func() time.Time { return time.UnixMilli(autumn2025 + 24*hour) } // for the many

	many := make([]store.Series, benchMany)
	for i := range many {
		many[i] = benchSeries(i)
	}
	const day = 24 * hour
	for _, q := range []struct {
		name string
		ask  func(store.Readings) (answers int, err error)
		want int
	}{
		{"day of rows", func(r store.Readings) (int, error) {
			return benchPages(r, store.Scan{Series: []store.Series{benchBusy}, From: autumn2025 + day, To: autumn2025 + 2*day, Limit: benchPiece})
		}, 86_400},
		{"day, minutes", func(r store.Readings) (int, error) { return benchMeans(r, day, 2*day, benchBusy) }, 1440},
		{"month, minutes", func(r store.Readings) (int, error) { return benchMeans(r, 0, benchDays*day, benchBusy) }, benchDays * 1440},
		{"newest 100", func(r store.Readings) (int, error) {
			rows, err := r.Scan(context.Background(), store.Scan{Series: []store.Series{benchBusy}, From: math.MinInt64, To: math.MaxInt64, Desc: true, Limit: 100})
			return len(rows), err
		}, 100},
		{"newest 100 of 1000 series", func(r store.Readings) (int, error) {
			rows, err := r.Scan(context.Background(), store.Scan{Series: many, From: math.MinInt64, To: math.MaxInt64, Desc: true, Limit: 100})
			return len(rows), err
		}, 100},
		{"latest of 1000 series", func(r store.Readings) (int, error) {
			_, found, err := r.Latest(context.Background(), many)
			n := 0
			for _, f := range found {
				if f {
					n++
				}
			}
			return n, err
		}, benchMany},
	} {
		for _, s := range []struct {
			name     string
			readings store.Readings
		}{{"mongo", box}, {"embedded", own}} {
			b.Run(q.name+"/"+s.name, func(b *testing.B) {
				for b.Loop() {
					if n, err := q.ask(s.readings); err != nil || n != q.want {
						b.Fatalf("%d answers, want %d: %v", n, q.want, err)
					}
				}
			})
		}
	}
}

// benchPages reads s page by page, as an answer is streamed.
func benchPages(r store.Readings, s store.Scan) (int, error) {
	for n := 0; ; {
		rows, err := r.Scan(context.Background(), s)
		n += len(rows)
		if err != nil || len(rows) < s.Limit {
			return n, err
		}
		last := rows[len(rows)-1]
		s.After = &store.RowKey{TS: last.Sample.TS, Series: last.Series}
	}
}

func benchMeans(r store.Readings, from, to int64, series ...store.Series) (int, error) {
	a := store.Aggregation{From: autumn2025 + from, To: autumn2025 + to, Every: 60_000, Limit: 1 << 20}
	for _, sr := range series {
		a.Series = append(a.Series, store.SeriesCalibrations{Series: sr, Calibrations: []store.Calibration{{Number: 1, Scaling: 0.1, Offset: -40}}})
	}
	buckets, err := r.Aggregate(context.Background(), a)
	return len(buckets), err
}

func benchSeries(i int) store.Series {
	return store.Series{UID: uint32(100 + i/4), Port: uint16(i%4 + 1)}
}

// benchFill writes the same readings into all stores: a sensor that drifts in
// tenths, with the jitter of a real one.
func benchFill(b testing.TB, stores ...store.SeriesStore) {
	b.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	var batches []store.Batch
	seq := uint64(0)
	add := func(sr store.Series, begin, step, count int64) {
		value := 230.0
		for i := int64(0); i < count; {
			seq++
			batch := store.Batch{Through: seq}
			for ; i < count && len(batch.Items) < 5000; i++ {
				if value += float64(rnd.IntN(5)-2) / 10; rnd.IntN(3) == 0 {
					value = math.Round(value*10) / 10
				}
				ts := begin + i*step + rnd.Int64N(step/10)
				batch.Items = append(batch.Items, store.Item{Series: sr, Seq: seq, Hour: ts / hour, Sample: store.Sample{
					TS: ts, Raw: value, IngestTS: ts + 20 + rnd.Int64N(30), Calibration: 1,
				}})
			}
			batches = append(batches, batch)
		}
	}
	add(benchBusy, autumn2025, benchSecond, benchDays*24*hour/benchSecond)
	for i := range benchMany {
		add(benchSeries(i), autumn2025, 60_000, 24*60)
	}
	for _, s := range stores {
		if err := s.Bind(store.Bounds{Log: store.LogID{1}, Head: math.MaxInt64}); err != nil {
			b.Fatal(err)
		}
		if commit, err := s.Recover(context.Background()); err != nil {
			b.Fatal(err)
		} else if commit != nil {
			if err := commit(); err != nil {
				b.Fatal(err)
			}
		}
		for i := range batches {
			if err := s.Append(context.Background(), &batches[i]); err != nil {
				b.Fatal(err)
			}
			if s.Unflushed() > 8<<20 || i == len(batches)-1 {
				if _, err := s.Flush(context.Background(), nil); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}
