package alert

import "math"

// condition is a store.ConditionKind as a number; the levels that are left
// outwards come first.
type condition uint8

const (
	above condition = iota
	below
	outside
	between
	equals
	changed
	rate
	noData
	deviation
	stuck
)

// judge answers whether the condition holds with a value, how far beyond it is,
// and since when it holds. What cannot be said yet stays as it is.
func (w *Watch) judge(p *Plan, at int64, v float64) (holds bool, severity float64, start int64) {
	held := w.state.holds()
	switch p.kind {
	case above, below, outside:
		severity = max(v-p.high, p.low-v)
		if held {
			return v > p.highClear || v < p.lowClear, severity, at
		}
		return v > p.high || v < p.low, severity, at
	case between:
		severity = min(v-p.low, p.high-v)
		if held {
			return v >= p.lowClear && v <= p.highClear, severity, at
		}
		return v >= p.low && v <= p.high, severity, at
	case equals:
		return v == p.value, 0, at
	case changed:
		holds, severity = w.judgeChange(v)
	case rate:
		holds, severity = w.judgeRate(p, at, v)
	case deviation:
		holds, severity = w.judgeDeviation(p, at, v)
	case stuck:
		return w.judgeStuck(p, at, v)
	case noData:
	}
	return holds, severity, at
}

// memory is what a watch keeps of earlier readings.
type memory struct {
	seen bool // a reading, since it was last forgotten

	value float64 // the reading before; of stuck, the one with which the run began
	from  int64   // of stuck, when that was; of deviation, when the warm-up began

	anchors []anchor // of rate over a window, oldest first; at most maxAnchors

	count          uint32 // of deviation: readings
	mean, variance float64

	cadence   float64   // ms; 0: not known yet
	intervals []float64 // ms, until there are learnIntervals of them
}

// recall answers the memory, which is made when it is first needed.
func (w *Watch) recall() *memory {
	if w.memory == nil {
		w.memory = &memory{}
	}
	return w.memory
}

// forget lets go of readings that were long ago: the next one has none before it.
// A mean is kept; it is forgotten when it has become old.
func (m *memory) forget(p *Plan) {
	if m != nil && p.kind != deviation {
		m.seen, m.anchors = false, m.anchors[:0]
	}
}

func (w *Watch) judgeChange(v float64) (bool, float64) {
	m := w.recall()
	before, seen := m.value, m.seen
	m.value, m.seen = v, true
	return seen && v != before, math.Abs(v - before)
}
