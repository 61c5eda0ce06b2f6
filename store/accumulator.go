package store

import (
	"math"
	"slices"
)

// Accumulator builds a Bucket from values in ascending order of time. Its sum
// is Neumaier's compensated one, so that stores that add in another order
// agree to about 1e-15 relative.
//
// Source: A. Neumaier, Rundungsfehleranalyse einiger Verfahren zur Summation
// endlicher Summen, ZAMM 54 (1974).
type Accumulator struct {
	count      uint64
	sum, comp  float64
	min, max   float64
	first, lst float64
}

// Add takes the next value.
func (a *Accumulator) Add(v float64) {
	if a.count == 0 {
		a.min, a.max, a.first = v, v, v
	}
	if v < a.min {
		a.min = v
	}
	if v > a.max {
		a.max = v
	}
	a.lst = v
	a.count++
	t := a.sum + v
	if math.Abs(a.sum) >= math.Abs(v) {
		a.comp += (a.sum - t) + v
	} else {
		a.comp += (v - t) + a.sum
	}
	a.sum = t
}

// Count answers how many values there were.
func (a *Accumulator) Count() uint64 { return a.count }

// Bucket answers the aggregate and leaves Series and Start to the caller.
func (a *Accumulator) Bucket() Bucket {
	sum := a.sum + a.comp
	if math.IsNaN(sum) || math.IsInf(a.sum, 0) {
		sum = a.sum
	}
	return Bucket{Count: a.count, Sum: sum, Min: a.min, Max: a.max, First: a.first, Last: a.lst}
}

// Segment is a span in which one calibration is in force.
type Segment struct {
	From        int64 // Unix ms, inclusive
	Calibration Calibration
}

// Segments answers the spans in ascending order; the last has no end. Before
// the first segment, and without calibrations, the identity is in force.
func Segments(cals []Calibration) []Segment {
	p := Port{Calibrations: cals}
	var starts []int64
	for _, c := range cals {
		starts = append(starts, c.From())
	}
	sortUnique(&starts)
	out := make([]Segment, 0, len(starts))
	for _, s := range starts {
		out = append(out, Segment{From: s, Calibration: p.CalibrationAt(s)})
	}
	if len(out) == 0 || out[0].From != math.MinInt64 {
		out = append([]Segment{{From: math.MinInt64, Calibration: Calibration{Scaling: 1}}}, out...)
	}
	return out
}

func sortUnique(s *[]int64) {
	slices.Sort(*s)
	*s = slices.Compact(*s)
}
