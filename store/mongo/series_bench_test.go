package mongo

import (
	"context"
	"math"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

// BenchmarkWriter is what a reading costs from Append to the database, beside
// the driver's own InsertMany of the same documents, grouped the same way. An
// operation is a reading.
func BenchmarkWriter(b *testing.B) {
	const series, each = 400, 250
	server := mongotest.Shared(b, mongotest.ReplicaSet)
	b.Run("writer", func(b *testing.B) {
		s := openBox(b, server.URI(b, mongotest.Database(b)), b.TempDir(), SeriesOptions{})
		defer s.Close()
		ctx := context.Background()
		if err := s.Bind(store.Bounds{Log: store.LogID{1}, Head: math.MaxInt64}); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Recover(ctx); err != nil {
			b.Fatal(err)
		}
		seq, done := uint64(0), 0
		b.ReportAllocs()
		for b.Loop() {
			if done++; done%(series*each) != 0 {
				continue
			}
			for range each / 20 {
				seq++
				batch := store.Batch{Through: seq}
				for i := range series * 20 {
					ts := int64(1_756_684_800_000) + int64(seq*20+uint64(i/series))*1000
					batch.Items = append(batch.Items, store.Item{
						Series: store.Series{UID: uint32(i%series/4 + 1), Port: uint16(i % 4)}, Seq: seq, Hour: 1,
						Sample: store.Sample{TS: ts, Raw: float64(i%997) / 10, IngestTS: ts + 50, Calibration: 1},
					})
				}
				if err := s.Append(ctx, &batch); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := s.Flush(ctx, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("InsertMany", func(b *testing.B) {
		db, err := Open(Options{URI: server.URI(b, mongotest.Database(b)), Logger: discard()})
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close(context.Background())
		if err := db.Ready(context.Background()); err != nil {
			b.Fatal(err)
		}
		done, round := 0, int64(0)
		b.ReportAllocs()
		for b.Loop() {
			if done++; done%(series*each) != 0 {
				continue
			}
			round++
			err := together(context.Background(), series/20, func(ctx context.Context, k int) error {
				k *= 20
				var docs []any
				for n := k; n < k+20; n++ {
					p := part{series: store.Series{UID: uint32(n/4 + 1), Port: uint16(n % 4)}}
					p.org, p.device, _ = testNames(p.series.UID)
					for i := range int64(each) {
						ts := int64(1_756_684_800_000) + (round*each+i)*1000
						docs = append(docs, bson.Raw(p.appendDocument(nil, p.metadata(), &store.Sample{TS: ts, Raw: float64(i%997) / 10, IngestTS: ts + 50, Calibration: 1})))
					}
				}
				_, err := db.db.Collection(valuesCollection).InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
