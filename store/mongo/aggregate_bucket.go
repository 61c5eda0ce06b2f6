package mongo

import (
	"math"
	"slices"

	"tidegate/store"
)

// tally is a bucket that is being made, of samples in any order.
type tally struct {
	count           uint64
	sum, comp       float64 // compensated: sum + comp
	min, max        float64
	first, last     float64
	firstTS, lastTS int64
}

func (t *tally) add(ts int64, v float64) {
	if t.count == 0 {
		*t = tally{count: 1, sum: v, min: v, max: v, first: v, last: v, firstTS: ts, lastTS: ts}
		return
	}
	t.count++
	t.plus(v)
	if v < t.min {
		t.min = v
	}
	if v > t.max {
		t.max = v
	}
	if ts < t.firstTS {
		t.first, t.firstTS = v, ts
	}
	if ts > t.lastTS {
		t.last, t.lastTS = v, ts
	}
}

// plus is the step of store.Accumulator in Knuth's form, without a branch.
func (t *tally) plus(v float64) {
	s := t.sum + v
	z := s - t.sum
	t.comp += (t.sum - (s - z)) + (v - z)
	t.sum = s
}

// merge adds a tally of the same bucket and other samples.
func (t *tally) merge(o *tally) {
	t.count += o.count
	t.plus(o.sum)
	t.comp += o.comp
	t.min, t.max = min(t.min, o.min), max(t.max, o.max)
	if o.firstTS < t.firstTS {
		t.first, t.firstTS = o.first, o.firstTS
	}
	if o.lastTS > t.lastTS {
		t.last, t.lastTS = o.last, o.lastTS
	}
}

// value answers the sum. What overflowed is lost for compensation.
func (t *tally) value() float64 {
	v := t.sum + t.comp
	if math.IsNaN(v) || math.IsInf(t.sum, 0) {
		return t.sum
	}
	return v
}

type bucketKey struct {
	series int
	number int64 // start / every
}

// bucketer sorts samples into buckets, calibrated.
type bucketer struct {
	a       *store.Aggregation
	tallies map[bucketKey]*tally
	slab    []tally
	kinds   []calibrator // by series, made when needed

	cur    *tally
	key    bucketKey
	lo, hi int64 // of the bucket at hand; empty: none
	cal    *calibrator
}

func newBucketer(a *store.Aggregation) *bucketer {
	return &bucketer{a: a, tallies: map[bucketKey]*tally{}, kinds: make([]calibrator, len(a.Series))}
}

// series says whose samples come now.
func (b *bucketer) series(i int) {
	b.key.series, b.lo, b.hi, b.cal = i, 0, 0, &b.kinds[i]
	if !b.cal.made {
		*b.cal = newCalibrator(&b.a.Series[i])
	}
}

// add takes a sample, and answers how many buckets are new.
func (b *bucketer) add(s *store.Sample) int {
	fresh := 0
	if s.TS < b.lo || s.TS >= b.hi {
		b.key.number = floorDiv(s.TS, b.a.Every)
		b.lo, b.hi = b.key.number*b.a.Every, math.MaxInt64
		if b.lo < math.MaxInt64-b.a.Every {
			b.hi = b.lo + b.a.Every
		}
		if b.cur = b.tallies[b.key]; b.cur == nil {
			if len(b.slab) == 0 {
				b.slab = make([]tally, min(max(16, len(b.tallies)), 1024))
			}
			b.cur, b.slab = &b.slab[0], b.slab[1:]
			b.tallies[b.key] = b.cur
			fresh = 1
		}
	}
	b.cur.add(s.TS, b.cal.apply(s))
	return fresh
}

// merge takes over the buckets of o, which has seen other samples.
func (b *bucketer) merge(o *bucketer) {
	for k, t := range o.tallies {
		if mine := b.tallies[k]; mine != nil {
			mine.merge(t)
		} else {
			b.tallies[k] = t
		}
	}
}

func (b *bucketer) buckets() []store.Bucket {
	out := make([]store.Bucket, 0, len(b.tallies))
	for k, t := range b.tallies {
		out = append(out, store.Bucket{
			Series: k.series, Start: k.number * b.a.Every, Count: t.count,
			Sum: t.value(), Min: t.min, Max: t.max, First: t.first, Last: t.last,
		})
	}
	return out
}

// calibrator maps the raw values of one series.
type calibrator struct {
	made     bool
	ingested bool
	numbers  []store.Calibration // with ingested
	segments []store.Segment
	lo, hi   int64 // in which now is in force
	now      store.Calibration
}

func newCalibrator(c *store.SeriesCalibrations) calibrator {
	if c.Ingested {
		return calibrator{made: true, ingested: true, numbers: c.Calibrations}
	}
	return calibrator{made: true, segments: store.Segments(c.Calibrations)}
}

func (c *calibrator) apply(s *store.Sample) float64 {
	if c.ingested {
		for i := range c.numbers {
			if c.numbers[i].Number == s.Calibration {
				return c.numbers[i].Apply(s.Raw)
			}
		}
		return s.Raw
	}
	if s.TS < c.lo || s.TS >= c.hi {
		i, found := slices.BinarySearchFunc(c.segments, s.TS, func(g store.Segment, ts int64) int {
			switch {
			case g.From < ts:
				return -1
			case g.From > ts:
				return 1
			}
			return 0
		})
		if !found {
			i-- // the first segment begins with time
		}
		c.now, c.lo, c.hi = c.segments[i].Calibration, c.segments[i].From, math.MaxInt64
		if i+1 < len(c.segments) {
			c.hi = c.segments[i+1].From
		}
	}
	return c.now.Apply(s.Raw)
}
