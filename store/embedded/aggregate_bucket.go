package embedded

import (
	"math"
	"slices"

	"tidegate/store"
)

// bucketer cuts the samples of one series, which come in order, into buckets.
type bucketer struct {
	series   int
	every    int64
	limit    int
	segments []store.Segment
	segment  int                 // in force at the sample at hand
	numbers  []store.Calibration // with Ingested: by number
	ingested bool

	open bool
	end  int64 // of the open bucket; MaxInt64 when it is the last there can be
	sum  compensated
	cur  store.Bucket // Count, Min, Max, First, Last so far
	out  []store.Bucket
	mine int // len(out) when the series began
}

func newBucketer(c *store.SeriesCalibrations, series int, every int64, limit int) *bucketer {
	b := &bucketer{series: series, every: every, limit: limit, ingested: c.Ingested}
	if c.Ingested {
		b.numbers = c.Calibrations
	} else {
		b.segments = store.Segments(c.Calibrations)
	}
	return b
}

// compensated is a sum with what was lost of it in rounding: sum + comp. It is
// store.Accumulator's, in a form without a branch (Knuth's TwoSum finds the
// same error).
type compensated struct{ sum, comp float64 }

func (s *compensated) add(v float64) {
	t := s.sum + v
	z := t - s.sum
	s.comp += (s.sum - (t - z)) + (v - z)
	s.sum = t
}

func (s *compensated) value() float64 {
	v := s.sum + s.comp
	if math.IsNaN(v) || math.IsInf(s.sum, 0) {
		return s.sum
	}
	return v
}

// add takes samples; false: there are enough buckets.
func (b *bucketer) add(c *columns) bool {
	for i, n := 0, len(c.ts); i < n; {
		if !b.begin(c.ts[i]) {
			return false
		}
		bound := b.end
		cal := b.calibrationAt(c.ts[i], &bound)
		j := n
		if c.ts[n-1] >= bound {
			j = i + search(c.ts[i:], bound)
		}
		if b.ingested {
			cal, j = b.ingestedRun(c, i, j)
		}
		b.run(c.raw[i:j], cal)
		i = j
	}
	return true
}

// search answers the first index whose ts is at least bound; it is likely near.
func search(ts []int64, bound int64) int {
	step := 64
	lo := 0
	for lo+step < len(ts) && ts[lo+step] < bound {
		lo += step
		step *= 2
	}
	hi := min(lo+step+1, len(ts))
	i, _ := slices.BinarySearch(ts[lo:hi], bound)
	return lo + i
}

// begin makes the bucket of ts the open one; false: there are enough.
func (b *bucketer) begin(ts int64) bool {
	if b.open && ts < b.end {
		return true
	}
	b.close()
	if len(b.out)-b.mine >= b.limit {
		return false
	}
	start := floorDiv(ts, b.every) * b.every
	b.open, b.sum, b.end = true, compensated{}, math.MaxInt64
	if start < math.MaxInt64-b.every {
		b.end = start + b.every
	}
	b.cur = store.Bucket{Series: b.series, Start: start}
	return true
}

func (b *bucketer) close() {
	if b.open && b.cur.Count > 0 {
		b.cur.Sum = b.sum.value()
		b.out = append(b.out, b.cur)
	}
	b.open = false
}

func (b *bucketer) finish() []store.Bucket {
	b.close()
	return b.out
}

// calibrationAt answers what is in force at ts, and lowers bound to its end.
func (b *bucketer) calibrationAt(ts int64, bound *int64) store.Calibration {
	if b.ingested {
		return store.Calibration{}
	}
	for b.segment+1 < len(b.segments) && b.segments[b.segment+1].From <= ts {
		b.segment++
	}
	if b.segment+1 < len(b.segments) {
		*bound = min(*bound, b.segments[b.segment+1].From)
	}
	return b.segments[b.segment].Calibration
}

// ingestedRun answers the calibration that sample i carries and where, up to
// j, it changes.
func (b *bucketer) ingestedRun(c *columns, i, j int) (store.Calibration, int) {
	number := c.calibration[i]
	for k := i + 1; k < j; k++ {
		if c.calibration[k] != number {
			return b.numbered(number), k
		}
	}
	return b.numbered(number), j
}

func (b *bucketer) numbered(n uint16) store.Calibration {
	for _, c := range b.numbers {
		if c.Number == n {
			return c
		}
	}
	return store.Calibration{Scaling: 1}
}

// run adds raw values that one calibration maps.
func (b *bucketer) run(raw []float64, cal store.Calibration) {
	if len(raw) == 0 {
		return
	}
	sum, low, high := b.sum, b.cur.Min, b.cur.Max
	first, last := cal.Apply(raw[0]), cal.Apply(raw[len(raw)-1])
	if b.cur.Count == 0 {
		low, high = first, first
		b.cur.First = first
	}
	if cal.Scaling == 1 && cal.Offset == 0 {
		for _, v := range raw {
			sum.add(v)
			if v < low {
				low = v
			}
			if v > high {
				high = v
			}
		}
	} else {
		scaling, offset := cal.Scaling, cal.Offset
		for _, x := range raw {
			v := float64(x*scaling) + offset
			sum.add(v)
			if v < low {
				low = v
			}
			if v > high {
				high = v
			}
		}
	}
	b.sum, b.cur.Min, b.cur.Max, b.cur.Last = sum, low, high, last
	b.cur.Count += uint64(len(raw))
}

// whole takes a block by its stats when it lies in one bucket and under one
// calibration that maps without rounding. Others would leave another sum than
// the calibrated values have.
func (b *bucketer) whole(h *blockHeader) bool {
	if !h.hasStats || math.IsNaN(h.stats.comp) || math.IsInf(h.stats.sum, 0) {
		return false
	}
	start := floorDiv(h.first, b.every) * b.every
	if start < math.MaxInt64-b.every && h.last >= start+b.every {
		return false
	}
	bound := int64(math.MaxInt64)
	cal := b.calibrationAt(h.first, &bound)
	if h.last >= bound {
		return false
	}
	if b.ingested {
		number, ok := h.constantCalibration()
		if !ok {
			return false
		}
		cal = b.numbered(number)
	}
	if cal.Scaling != 1 || cal.Offset != 0 {
		return false
	}
	if !b.begin(h.first) {
		return false // add will say so
	}
	st := &h.stats
	if b.cur.Count == 0 {
		b.cur.First, b.cur.Min, b.cur.Max = st.first, st.min, st.max
	}
	b.cur.Min, b.cur.Max, b.cur.Last = min(b.cur.Min, st.min), max(b.cur.Max, st.max), st.last
	b.cur.Count += uint64(h.count)
	b.sum.add(st.sum)
	b.sum.comp += st.comp
	return true
}
