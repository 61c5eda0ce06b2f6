package alert

import (
	"encoding/binary"
	"hash/fnv"
	"math"

	"tidegate/store"
)

// Plan is a rule made ready for one port: levels resolved, durations in
// milliseconds, the schedule loaded. It does not change, and may serve many
// ports.
type Plan struct {
	terms
	joinWithin int64
	hours      *Hours          // nil: always
	condition  store.Condition // for people
}

// terms are what Same compares, beside the schedule.
type terms struct {
	kind condition
	// Of above, below and outside: it begins outside of low and high and ends
	// within lowClear and highClear. Of between: it begins within low and high and
	// ends outside of lowClear and highClear.
	low, high, lowClear, highClear float64
	value                          float64 // of equals
	// Of rate, per millisecond.
	rise, fall, riseClear, fallClear float64
	window                           int64
	silentFor                        int64   // 0: factor times the cadence
	factor                           float64 // of no_data
	sigmas, distance, hysteresis     float64 // of deviation
	tolerance                        float64 // of stuck
	lasting, keepFiring              int64
	schedule                         string // what hours was loaded from
}

var conditions = map[store.ConditionKind]condition{
	store.CondAbove: above, store.CondBelow: below, store.CondOutside: outside, store.CondBetween: between,
	store.CondEquals: equals, store.CondChanged: changed, store.CondRate: rate, store.CondNoData: noData,
	store.CondDeviation: deviation, store.CondStuck: stuck,
}

// NewPlan makes a valid rule ready for a port; false when the port has no level
// that the rule would watch. To make those of many ports, see Planner.
func NewPlan(r store.AlertRule, p store.Port) (*Plan, bool) {
	return NewPlanner(r).Plan(p)
}

// Planner makes the plans of one rule. Ports with the same levels share one, and
// all of them the loaded schedule. It has one caller at a time.
type Planner struct {
	c     store.Condition
	base  Plan
	plans map[levels]*Plan
}

// levels are what a port adds to a rule; NaN: none.
type levels struct{ low, high float64 }

// NewPlanner prepares a rule that is valid. A zone that cannot be loaded here
// makes the rule active at all times: rather an alarm too many.
func NewPlanner(r store.AlertRule) *Planner {
	c := r.Condition
	pl := &Planner{c: c, plans: map[levels]*Plan{}}
	b := &pl.base
	b.condition = c
	b.kind = conditions[c.Kind]
	b.lasting, b.keepFiring, b.joinWithin = ms(r.For), ms(r.KeepFiring), ms(r.JoinWithin)
	b.window, b.silentFor = ms(c.Window), ms(c.SilentFor)
	b.sigmas, b.distance, b.hysteresis, b.tolerance = c.Sigmas, c.Distance, c.Hysteresis, c.Tolerance
	if c.Value != nil {
		b.value = *c.Value
	}
	if b.kind == noData {
		if b.factor = c.Factor; b.factor == 0 {
			b.factor = store.DefaultSilenceFactor
		}
	}
	if b.kind == rate {
		per := float64(max(ms(c.Per), 1))
		if c.Per == 0 {
			per = 1000
		}
		b.rise, b.riseClear, b.fall, b.fallClear = math.Inf(1), math.Inf(1), math.Inf(1), math.Inf(1)
		if c.Rise != nil {
			b.rise, b.riseClear = *c.Rise/per, (*c.Rise-c.Hysteresis)/per
		}
		if c.Fall != nil {
			b.fall, b.fallClear = *c.Fall/per, (*c.Fall-c.Hysteresis)/per
		}
	}
	if r.Schedule != nil {
		if h, err := NewHours(*r.Schedule); err == nil {
			b.hours, b.schedule = h, h.String()
		}
	}
	return pl
}

// ms answers milliseconds; what is shorter than one counts as one.
func ms(d store.Duration) int64 {
	if d > 0 {
		return max(d.Ms(), 1)
	}
	return 0
}

// Plan answers the plan for a port; false when it has no level to watch.
func (pl *Planner) Plan(p store.Port) (*Plan, bool) {
	l, ok := pl.levels(p)
	if !ok {
		return nil, false
	}
	if plan := pl.plans[l]; plan != nil {
		return plan, true
	}
	plan := pl.base
	plan.setLevels(pl.c, l)
	pl.plans[l] = &plan
	return &plan, true
}

// levels answers the rule's, or else the port's. Above without a high and below
// without a low watch nothing; outside takes what there is of the two, unless
// they contradict each other.
func (pl *Planner) levels(p store.Port) (l levels, ok bool) {
	low, high := pl.c.Low, pl.c.High
	l = levels{math.Inf(-1), math.Inf(1)}
	switch pl.base.kind {
	case above:
		low = nil
		if high == nil {
			high = p.High
		}
	case below:
		high = nil
		if low == nil {
			low = p.Low
		}
	case outside:
		if low == nil {
			low = p.Low
		}
		if high == nil {
			high = p.High
		}
	case between:
	case equals, changed, rate, noData, deviation, stuck:
		return l, true
	}
	if low != nil {
		l.low = *low
	}
	if high != nil {
		l.high = *high
	}
	return l, (low != nil || high != nil) && l.low <= l.high
}

// setLevels sets where the condition begins and where it ends. A hysteresis that
// the port's levels leave no room for ends in their middle.
func (p *Plan) setLevels(c store.Condition, l levels) {
	p.low, p.high = l.low, l.high
	h := c.Hysteresis
	switch p.kind {
	case between:
		p.lowClear, p.highClear = l.low-h, l.high+h
		return
	case outside:
		h = min(h, (l.high-l.low)/2)
	case above, below, equals, changed, rate, noData, deviation, stuck:
	}
	p.lowClear, p.highClear = l.low+h, l.high-h
	if c.Clear != nil {
		if p.kind == above {
			p.highClear = min(*c.Clear, l.high)
		} else {
			p.lowClear = max(*c.Clear, l.low)
		}
	}
}

// Same reports whether a watch may go on under q: what it looks for, for how
// long, and when, are as they were.
func (p *Plan) Same(q *Plan) bool { return p.terms == q.terms }

// Fingerprint is equal for plans that are Same, also from one version of the
// program to the next, and all but surely different for others.
func (p *Plan) Fingerprint() uint64 {
	h := fnv.New64a()
	put := func(number int, bits uint64) {
		if bits != 0 { // so that a field which is added changes nothing where it is not used
			h.Write(binary.BigEndian.AppendUint64([]byte{byte(number)}, bits))
		}
	}
	t := &p.terms
	h.Write([]byte(p.condition.Kind))
	h.Write([]byte(t.schedule))
	// The order is for ever: what is added is added at the end.
	for i, v := range []float64{
		t.low, t.high, t.lowClear, t.highClear, t.value, t.rise, t.fall, t.riseClear, t.fallClear,
		t.factor, t.sigmas, t.distance, t.hysteresis, t.tolerance,
	} {
		put(i, math.Float64bits(v+0)) // + 0: there is one zero
	}
	for i, v := range []int64{t.window, t.silentFor, t.lasting, t.keepFiring} {
		put(128+i, uint64(v))
	}
	return h.Sum64()
}

// ByReceipt reports whether the plan takes readings at their receivedAt, not at
// min(ts, receivedAt): so does no_data.
func (p *Plan) ByReceipt() bool { return p.kind == noData }

// Levels answers the low and the high that are watched, an infinity where there
// is none.
func (p *Plan) Levels() (low, high float64) { return p.low, p.high }
