package alert

import (
	"math"
	"slices"
)

// The cadence of a port is learned from its first intervals, and then moves by
// at most a part of itself with each: what is far off counts no more than what
// is a little off.
const (
	learnIntervals = 10
	cadencePace    = 0.05
	minSilence     = 10_000 // ms, by cadence
)

// hear takes a sign of life at a port that is watched for silence.
func (w *Watch) hear(p *Plan, at int64, c *Change) {
	if at <= w.last {
		return
	}
	if p.silentFor == 0 && w.last != never && w.last >= w.mark { // not across a restart
		w.recall().interval(float64(at - w.last))
	}
	if w.state.holds() {
		w.transit(p, occurrence{what: over, at: max(at, w.since), worst: w.silentAt(p, at)}, c)
	}
	w.last, w.mark = at, max(w.mark, at)
	w.setDeadline(p)
}

// silence is how long the port may be silent, in ms; 0: that is not known yet.
func (w *Watch) silence(p *Plan) int64 {
	switch {
	case p.silentFor > 0:
		return p.silentFor
	case w.memory == nil || !(w.memory.cadence > 0):
		return 0
	}
	return max(int64(min(p.factor*w.memory.cadence, 1<<53)), minSilence)
}

// silentAt is how many seconds a port that is watched for silence has not been
// heard; NaN for other kinds.
func (w *Watch) silentAt(p *Plan, at int64) float64 {
	if p.kind != noData {
		return math.NaN()
	}
	return float64(at-w.last) / 1000
}

// noteSilence takes how long a silence has lasted by now.
func (w *Watch) noteSilence(o occurrence) {
	if o.worst > w.severity && math.IsNaN(w.first) {
		w.worst, w.worstAt, w.severity = o.worst, o.at, o.worst
	}
}

// interval learns from the time between two readings.
func (m *memory) interval(ms float64) {
	if m.cadence > 0 {
		m.cadence += min(max(ms-m.cadence, -cadencePace*m.cadence), cadencePace*m.cadence)
		return
	}
	m.intervals = append(m.intervals, ms)
	if len(m.intervals) >= learnIntervals {
		slices.Sort(m.intervals)
		m.cadence = (m.intervals[learnIntervals/2-1] + m.intervals[learnIntervals/2]) / 2
		m.intervals = nil
	}
}
