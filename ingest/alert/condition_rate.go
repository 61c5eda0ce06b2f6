package alert

import "math"

// anchor is an earlier reading that a rate is measured from.
type anchor struct {
	at    int64
	value float64
}

// A window is covered by anchorsPerWindow steps: one anchor before it, one for
// each step, and the one that is being added.
const (
	anchorsPerWindow = 16
	maxAnchors       = anchorsPerWindow + 3
)

// judgeRate measures from the reading before, or over a window from the newest
// anchor that is a window old. A sixteenth of the window is how exactly it is
// kept. Until a window has passed nothing can be said.
func (w *Watch) judgeRate(p *Plan, at int64, v float64) (bool, float64) {
	m := w.recall()
	held := w.state.holds()
	var from anchor
	seen := false
	if p.window == 0 {
		from, seen = anchor{w.last, m.value}, m.seen
		m.value, m.seen = v, true
	} else {
		from, seen = m.base(at, p.window)
		m.anchor(at, v, p.window)
	}
	if !seen {
		return held, 0
	}
	r := (v - from.value) / float64(at-from.at)
	if held {
		return r > p.riseClear || r < -p.fallClear, math.Abs(r)
	}
	return r > p.rise || r < -p.fall, math.Abs(r)
}

// base answers the newest anchor that is at least a window old, and lets go of
// those before it.
func (m *memory) base(at, window int64) (anchor, bool) {
	n := 0
	for n+1 < len(m.anchors) && at-m.anchors[n+1].at >= window {
		n++
	}
	if n > 0 {
		m.anchors = m.anchors[:copy(m.anchors, m.anchors[n:])]
	}
	if len(m.anchors) == 0 || at-m.anchors[0].at < window {
		return anchor{}, false
	}
	return m.anchors[0], true
}

// anchor adds a reading, unless one is near enough already.
func (m *memory) anchor(at int64, v float64, window int64) {
	if n := len(m.anchors); n > 0 && at-m.anchors[n-1].at < max(window/anchorsPerWindow, 1) {
		return
	}
	if m.anchors == nil {
		m.anchors = make([]anchor, 0, maxAnchors)
	}
	if len(m.anchors) < maxAnchors {
		m.anchors = append(m.anchors, anchor{at, v})
	}
}
