package alert

import (
	"context"

	"tidegate/store"
)

// Point is a reading of a curve.
type Point struct {
	TS    int64 // Unix ms
	Value float64
}

// curve thins readings out: of each of its buckets it keeps the lowest and the
// highest, so that no peak is lost.
type curve struct {
	from, every int64 // ms
	points      []Point
	low, high   Point
	bucket      int64
	any         bool
}

func newCurve(from, to int64, points int) *curve {
	buckets := int64(max(points/2, 1))
	return &curve{from: from, every: max((to-from+buckets-1)/buckets, 1)}
}

// add takes readings in order of time.
func (c *curve) add(p Point) {
	bucket := (p.TS - c.from) / c.every
	if c.any && bucket != c.bucket {
		c.flush()
	}
	if !c.any {
		c.low, c.high, c.bucket, c.any = p, p, bucket, true
		return
	}
	if p.Value < c.low.Value {
		c.low = p
	}
	if p.Value > c.high.Value {
		c.high = p
	}
}

func (c *curve) flush() {
	if !c.any {
		return
	}
	a, b := c.low, c.high
	if b.TS < a.TS {
		a, b = b, a
	}
	if c.points = append(c.points, a); b.TS > a.TS {
		c.points = append(c.points, b)
	}
	c.any = false
}

// drawEpisode reads an episode once more, with some of what was before and after.
func drawEpisode(ctx context.Context, o *BacktestOptions, e Episode, interval int64) ([]Point, error) {
	const around = 20 // readings
	end := o.To
	if e.State == Resolved {
		end = e.ResolvedAt
	}
	margin := max((end-e.StartedAt)/5, around*interval, 1000)
	from, to := e.StartedAt-margin, min(end+margin+1, o.To)
	c := newCurve(from, to, o.CurvePoints)
	err := pages(ctx, o.Source, from, to, func(page []PastReading) {
		for _, r := range page {
			if r.Quality != store.Bad && r.Value-r.Value == 0 {
				c.add(Point{r.TS, r.Value})
			}
		}
	})
	c.flush()
	return c.points, err
}
