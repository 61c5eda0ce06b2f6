package alert

import (
	"math"

	"tidegate/store"
)

// Watch is one rule at one port. It has one caller at a time, and is not copied
// once it is in use.
type Watch struct {
	state  State
	end    ending // of Resolved
	closed bool   // outside of the active hours
	flaps  uint32

	last  int64 // of the reading that was evaluated last; of no_data, heard last
	since int64 // of the last transition
	until int64 // the first moment at which Advance does something
	hours int64 // the next border of the active hours
	// mark is the last border of the active hours. Of no_data it is from when
	// silence counts.
	mark int64

	record
	before *past   // Pending: the episode that may be joined when it fires
	memory *memory // of the kinds that look back
}

// record is what is known of an episode.
type record struct {
	startedAt, firedAt, resolvedAt, worstAt int64
	first, worst, latest                    float64
	severity                                float64 // of worst: how far beyond; by it values are compared
}

// past is an episode that is over.
type past struct {
	record
	end   ending
	flaps uint32
}

// never is the time of what has not been, none a deadline that does not come.
const (
	never = math.MinInt64
	none  = math.MaxInt64
)

// blank is the record of a watch without an episode.
var blank = record{first: math.NaN(), worst: math.NaN(), latest: math.NaN()}

// after answers t + d, at most none.
func after(t, d int64) int64 {
	if t > none-d {
		return none
	}
	return t + d
}

// NewWatch begins to watch. Silence counts from here on at the earliest, in Unix
// ms; a port is not silent before its first reading.
func NewWatch(p *Plan, from int64) Watch {
	w := Watch{last: never, since: never, mark: from, record: blank}
	active, border := p.hours.At(from)
	w.closed, w.hours = !active, border
	w.setDeadline(p)
	return w
}

// State is where the watch stands.
func (w *Watch) State() State { return w.state }

// Observe takes a reading: at is its time as Plan.ByReceipt says, evaluate is
// false when it is only a sign of life. The deadlines up to at pass first.
func (w *Watch) Observe(p *Plan, at int64, value float64, evaluate bool) Change {
	var c Change
	if at >= w.until {
		w.pass(p, at, &c)
	}
	switch {
	case p.kind == noData:
		w.hear(p, at, &c)
	case at <= w.last || !evaluate || value-value != 0: // an infinity is no value
	case p.kind <= outside && value <= p.high && value >= p.low && (w.state == Normal || w.state == Resolved) && p.hours == nil:
		w.last = at // by far the most
	default:
		w.evaluate(p, at, value, &c)
	}
	return c
}

// evaluate holds a value against the condition.
func (w *Watch) evaluate(p *Plan, at int64, value float64, c *Change) {
	if p.hours != nil {
		active := !w.closed
		if at < w.mark { // it comes late: its hours are not those of now
			active, _ = p.hours.At(at)
			active = active && !w.closed
		}
		if !active {
			return
		}
	}
	holds, severity, start := w.judge(p, at, value)
	w.last = at
	switch {
	case holds:
		w.transit(p, occurrence{what: holding, start: max(start, w.since), at: max(at, w.since), read: at, value: value, worst: value, severity: severity}, c)
	case w.state.holds():
		w.transit(p, occurrence{what: over, at: max(at, w.since)}, c)
	default:
		return
	}
	w.setDeadline(p)
}

// Advance passes the deadlines up to a time.
func (w *Watch) Advance(p *Plan, to int64) Change {
	var c Change
	if to >= w.until {
		w.pass(p, to, &c)
	}
	return c
}

// Deadline is the first moment at which Advance does something;
// math.MaxInt64: none.
func (w *Watch) Deadline() int64 { return w.until }

// maxCrossing bounds the borders that are gone through at once: of a clock that
// jumps further, its last part, in ms.
const maxCrossing = 400 * 24 * 3_600_000

// pass goes through deadlines in their order. Of those at one moment the end of
// the active hours comes first: nothing fires outside of them. A silence that is
// due then began a millisecond before: it means for more than.
func (w *Watch) pass(p *Plan, to int64, c *Change) {
	for w.until <= to {
		if w.closed && w.hours < to-maxCrossing {
			w.hours, w.until = to-maxCrossing, to-maxCrossing
		}
		switch at := w.until; {
		case w.silenceDeadline(p) <= at:
			start := max(at-1, w.since)
			s := w.silentAt(p, start)
			w.transit(p, occurrence{what: holding, start: start, at: start, read: start, value: math.NaN(), worst: s, severity: s}, c)
		case w.hours <= at:
			w.cross(p, c)
		default:
			w.transit(p, occurrence{what: lapsed, at: at, worst: w.silentAt(p, at)}, c)
		}
		w.setDeadline(p)
	}
}

// cross passes a border of the active hours.
func (w *Watch) cross(p *Plan, c *Change) {
	at := w.hours
	active, next := p.hours.At(at)
	w.hours = next
	if active == !w.closed { // it is no border of this plan
		return
	}
	w.closed = !active
	if w.closed {
		w.transit(p, occurrence{what: ended, at: max(at, w.since), worst: w.silentAt(p, at), end: byHours}, c)
		return
	}
	if p.kind == noData {
		// Who was silent before is so from here on.
		if s := w.silence(p); s > 0 {
			w.mark = max(w.mark, at-s)
		}
		return
	}
	w.mark = at
	w.memory.forget(p)
}

// stateDeadline is when For or KeepFiring is over.
func (w *Watch) stateDeadline(p *Plan) int64 {
	switch w.state {
	case Pending:
		return after(w.since, p.lasting)
	case Recovering:
		return after(w.since, p.keepFiring)
	case Normal, Firing, Resolved:
	}
	return none
}

// silenceDeadline is when the port has been silent for more than it may.
func (w *Watch) silenceDeadline(p *Plan) int64 {
	if p.kind != noData || w.closed || w.state.holds() || w.last == never {
		return none
	}
	if s := w.silence(p); s > 0 {
		return after(after(w.mark, s), 1)
	}
	return none
}

func (w *Watch) setDeadline(p *Plan) {
	w.until = min(w.hours, w.stateDeadline(p), w.silenceDeadline(p))
}

// Restart says that the box was down until a time: nothing could be heard, so
// silence counts from there on. A silence that had not lasted long enough is
// forgotten; one that fires goes on.
func (w *Watch) Restart(p *Plan, at int64) {
	if p.kind != noData {
		return
	}
	w.mark = max(w.mark, at)
	if w.state == Pending {
		w.drop()
	}
	w.setDeadline(p)
}

// End closes the episode, if there is one, and is the last that is asked of the
// watch: the rule or the device is gone, or the rule is another.
func (w *Watch) End(at int64, why store.AlertEnd) Change {
	var c Change
	w.transit(nil, occurrence{what: ended, at: max(at, w.since), end: endingOf(why), worst: math.NaN()}, &c)
	w.until, w.hours = none, none
	return c
}

// Episode is the one that goes on, or the last one.
func (w *Watch) Episode() Episode {
	e := Episode{
		State: w.state, StartedAt: w.startedAt, First: w.first, Worst: w.worst, Last: w.latest, WorstAt: w.worstAt,
		Flaps: int(w.flaps),
	}
	if w.state >= Firing {
		e.FiredAt = w.firedAt
	}
	if w.state == Resolved {
		e.ResolvedAt, e.End = w.resolvedAt, endings[w.end]
	}
	return e
}
