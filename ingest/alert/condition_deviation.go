package alert

import "math"

// judgeDeviation compares with mean and standard deviation of the readings
// before, whose weight fades with a time constant of Window. Nothing can be said
// for a Window after the first reading, and after a gap that is longer.
func (w *Watch) judgeDeviation(p *Plan, at int64, v float64) (bool, float64) {
	m := w.recall()
	held := w.state.holds()
	if !m.seen || at-w.last > p.window || m.variance-m.variance != 0 {
		*m = memory{seen: true, from: at, count: 1, mean: v}
		return held, 0
	}
	limit := p.distance
	if p.sigmas > 0 {
		limit = p.sigmas * math.Sqrt(m.variance)
	}
	d := math.Abs(v - m.mean)
	m.learn(v, float64(at-w.last)/float64(p.window))
	switch {
	case at-m.from < p.window:
		return held, 0
	case held:
		return d > max(limit-p.hysteresis, 0), d
	}
	return d > limit, d
}

// learn adds a value to mean and variance, elapsed time constants after the one
// before. In the beginning it is a plain mean, so that the first value weighs no
// more than the others. The conversions forbid fused multiply-adds. Source: T.
// Finch, Incremental calculation of weighted mean and variance, 2009.
func (m *memory) learn(v, elapsed float64) {
	if m.count < math.MaxUint32 {
		m.count++
	}
	weight := max(-math.Expm1(-elapsed), 1/float64(m.count))
	d := v - m.mean
	m.mean += float64(weight * d)
	m.variance = (1 - weight) * (m.variance + float64(weight*d*d))
}
