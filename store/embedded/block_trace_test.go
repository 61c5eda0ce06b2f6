package embedded

import (
	"math/rand/v2"
	"slices"
	"testing"

	"tidegate/store"
	"tidegate/store/storetest"
)

// traceColumns answers the series of a trace, sorted and without repeats, with
// the time of receipt that ingest says.
func traceColumns(items []store.Item, ingest func(ts int64) int64) []columns {
	by := map[store.Series][]store.Sample{}
	for i := range items {
		s := items[i].Sample
		s.IngestTS = ingest(s.TS)
		by[items[i].Series] = append(by[items[i].Series], s)
	}
	var out []columns
	for _, s := range by {
		slices.SortStableFunc(s, func(a, b store.Sample) int { return int(a.TS - b.TS) })
		var c columns
		for i := range s {
			if i == 0 || s[i].TS != s[i-1].TS {
				c.add(&s[i])
			}
		}
		out = append(out, c)
	}
	return out
}

// TestBlockSizes keeps blocks of real readings as small as they are.
func TestBlockSizes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	live := func(ts int64) int64 { return ts + 20 + int64(rnd.ExpFloat64()*15) }
	imported := func(int64) int64 { return 1_800_000_000_000 }
	tests := []struct {
		set            string
		live, imported float64 // bytes a sample, at most
	}{
		{"household_power_2007h1", 1.3, 0.6},
		{"campusiot_lorawan", 3.0, 2.3},
		{"nab_known_cause", 6.6, 5.9},
	}
	for _, tt := range tests {
		t.Run(tt.set, func(t *testing.T) {
			items := storetest.Trace(t, tt.set, 0, 60_000)
			e, d := testCoders(t)
			size := func(ingest func(int64) int64) float64 {
				bytes, samples := 0, 0
				for _, c := range traceColumns(items, ingest) {
					for from := 0; from < len(c.ts); from += fullBlock {
						part := c.slice(from, min(from+fullBlock, len(c.ts)))
						b := e.encode(part)
						var got columns
						if _, err := d.decode(&got, b, columnsAll); err != nil || !equalColumns(&part, &got) {
							t.Fatalf("a block of %d comes back changed: %v", len(part.ts), err)
						}
						bytes, samples = bytes+len(b), samples+len(part.ts)
					}
				}
				return float64(bytes) / float64(samples)
			}
			l, i := size(live), size(imported)
			t.Logf("%.3f bytes a sample received one by one, %.3f imported", l, i)
			if l > tt.live || i > tt.imported {
				t.Errorf("%.3f and %.3f bytes a sample, at most %.1f and %.1f", l, i, tt.live, tt.imported)
			}
		})
	}
}

// BenchmarkBlock is the cost of a sample in blocks of real readings.
func BenchmarkBlock(b *testing.B) {
	items := storetest.Trace(b, "household_power_2007h1", 0, 200_000)
	rnd := rand.New(rand.NewPCG(1, 1))
	e, d := testCoders(b)
	var parts []columns
	var blocks [][]byte
	for _, c := range traceColumns(items, func(ts int64) int64 { return ts + 20 + int64(rnd.ExpFloat64()*15) }) {
		for from := 0; from+fullBlock <= len(c.ts); from += fullBlock {
			parts = append(parts, c.slice(from, from+fullBlock))
			blocks = append(blocks, e.encode(parts[len(parts)-1]))
		}
	}
	b.Run("encode", func(b *testing.B) {
		for i := 0; i < b.N; i += fullBlock {
			e.encode(parts[i/fullBlock%len(parts)])
		}
	})
	decode := func(want int) func(b *testing.B) {
		return func(b *testing.B) {
			var got columns
			for i := 0; i < b.N; i += fullBlock {
				if _, err := d.decode(&got, blocks[i/fullBlock%len(blocks)], want); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("decode all", decode(columnsAll))
	b.Run("decode ts and value", decode(columnTS|columnRaw))
}
