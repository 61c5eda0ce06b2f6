package alert

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestCurveKeepsTheExtremes compares each bucket with all of its readings.
func TestCurveKeepsTheExtremes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(11, 12))
	for range 200 {
		from := rnd.Int64N(2_000_000) - 1_000_000
		to := from + 1 + rnd.Int64N(100_000)
		most := 1 + rnd.IntN(50)
		c := newCurve(from, to, most)
		type extremes struct{ low, high float64 }
		want, got := map[int64]extremes{}, map[int64]extremes{}
		put := func(m map[int64]extremes, p Point) {
			b := (p.TS - from) / c.every
			e, ok := m[b]
			if !ok {
				e = extremes{math.Inf(1), math.Inf(-1)}
			}
			m[b] = extremes{min(e.low, p.Value), max(e.high, p.Value)}
		}
		for at := from; at < to; at += 1 + rnd.Int64N(200) {
			p := Point{at, float64(rnd.IntN(20))}
			put(want, p)
			c.add(p)
		}
		c.flush()
		for i, p := range c.points {
			put(got, p)
			if i > 0 && p.TS <= c.points[i-1].TS {
				t.Fatalf("%v is not in order", c.points)
			}
		}
		if len(c.points) > max(most, 2) {
			t.Fatalf("%d points, at most %d", len(c.points), most)
		}
		if len(got) != len(want) {
			t.Fatalf("%d buckets, want %d", len(got), len(want))
		}
		for b, e := range want {
			if got[b] != e {
				t.Fatalf("bucket %d is %v, want %v", b, got[b], e)
			}
		}
	}
}
