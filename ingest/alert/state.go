package alert

import (
	"math"

	"tidegate/store"
)

// State is where a watch stands.
type State uint8

// The states. The condition holds in Pending and Firing.
const (
	Normal     State = iota
	Pending          // it holds, but not for long enough
	Firing           // it has held for long enough
	Recovering       // it is over, but not for long enough
	Resolved         // as Normal, with an episode behind it
)

var stateNames = [...]string{"normal", "pending", "firing", "recovering", "resolved"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// holds reports whether the condition does.
func (s State) holds() bool { return s == Pending || s == Firing }

// occurrence is what makes a watch go from one state to another.
type occurrence struct {
	what  what
	start int64 // of holding: since when, at most at
	at    int64 // not before the last transition
	// Of holding: the reading's own time and value, and what it is worth.
	read                   int64
	value, worst, severity float64
	end                    ending // of ended
}

type what uint8

const (
	holding what = iota // the condition holds
	over                // it does not
	lapsed              // For or KeepFiring has passed
	ended               // whatever the readings say
)

// transit is the one transition function. It appends the steps that come of an
// occurrence.
func (w *Watch) transit(p *Plan, o occurrence, c *Change) {
	switch w.state {
	case Normal, Resolved:
		if o.what == holding {
			w.begin(p, o, c)
		}
	case Pending:
		switch o.what {
		case holding:
			w.note(o)
		case lapsed:
			w.noteSilence(o)
			w.fire(o.at, c)
		case over, ended:
			w.drop()
			c.add(StepDropped, o.at, w)
		}
	case Firing:
		switch o.what {
		case holding:
			w.note(o)
		case over:
			w.noteSilence(o)
			w.since = o.at
			if p.keepFiring > 0 {
				w.state = Recovering
				c.add(StepRecovering, o.at, w)
				return
			}
			w.resolve(o.at, byReadings, c)
		case ended:
			w.noteSilence(o)
			w.resolve(o.at, o.end, c)
		case lapsed:
		}
	case Recovering:
		switch o.what {
		case holding:
			w.note(o)
			w.state, w.since = Firing, o.at
			c.add(StepBack, o.at, w)
		case lapsed:
			w.resolve(o.at, byReadings, c)
		case ended:
			w.resolve(o.at, o.end, c)
		case over:
		}
	}
}

// begin is where the condition begins to hold.
func (w *Watch) begin(p *Plan, o occurrence, c *Change) {
	fires := after(o.start, p.lasting)
	if w.state == Resolved && p.joinWithin > 0 && fires-w.resolvedAt <= p.joinWithin {
		w.before = &past{record: w.record, end: w.end, flaps: w.flaps}
	}
	w.record = record{startedAt: o.start, worstAt: o.read, first: o.value, worst: o.worst, latest: o.value, severity: o.severity}
	w.state, w.since, w.end, w.flaps = Pending, o.start, byReadings, 0
	if fires <= o.at {
		w.fire(fires, c)
		return
	}
	c.add(StepBegan, o.start, w)
}

// fire begins an episode, or goes on with the one before.
func (w *Watch) fire(at int64, c *Change) {
	w.state, w.since, w.firedAt = Firing, at, at
	b := w.before
	if b == nil {
		c.add(StepFired, at, w)
		return
	}
	w.before = nil
	w.startedAt, w.firedAt, w.first, w.flaps = b.startedAt, b.firedAt, b.first, b.flaps+1
	if b.severity >= w.severity {
		w.worst, w.worstAt, w.severity = b.worst, b.worstAt, b.severity
	}
	c.add(StepRejoined, at, w)
}

// drop forgets what had not lasted long enough.
func (w *Watch) drop() {
	if b := w.before; b != nil {
		w.state, w.record, w.end, w.flaps, w.before = Resolved, b.record, b.end, b.flaps, nil
		return
	}
	w.state, w.record = Normal, blank
}

func (w *Watch) resolve(at int64, why ending, c *Change) {
	w.state, w.since, w.resolvedAt, w.end = Resolved, at, at, why
	c.add(StepResolved, at, w)
}

// note takes a value while the condition holds.
func (w *Watch) note(o occurrence) {
	if !math.IsNaN(o.value) {
		w.latest = o.value
	}
	if o.severity > w.severity {
		w.worst, w.worstAt, w.severity = o.worst, o.read, o.severity
	}
}

// ending is a store.AlertEnd as a number.
type ending uint8

const (
	byReadings ending = iota
	byHours
	byRule
	byDevice
)

var endings = [...]store.AlertEnd{store.EndCleared, store.EndOutsideOfPlan, store.EndRuleChanged, store.EndDeviceGone}

func endingOf(why store.AlertEnd) ending {
	for i, e := range endings {
		if e == why {
			return ending(i)
		}
	}
	return byRule
}
