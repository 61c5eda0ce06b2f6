package alert

import "math"

// judgeStuck follows a run of readings within Tolerance of the one with which it
// began. It holds once the run has lasted for Window, as of the moment when it
// had; a reading has to say so. A gap longer than Window begins the run anew,
// unless it is stuck already.
func (w *Watch) judgeStuck(p *Plan, at int64, v float64) (bool, float64, int64) {
	m := w.recall()
	gap := at-w.last > p.window && !w.state.holds()
	if !m.seen || gap || math.Abs(v-m.value) > p.tolerance {
		m.seen, m.value, m.from = true, v, at
		return false, 0, at
	}
	full := after(m.from, p.window)
	return at >= full, 0, min(full, at)
}
