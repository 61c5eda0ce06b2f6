package alert

import (
	"math"

	"tidegate/store"
)

// Episode is what a watch knows of the episode that goes on, or of the last one.
// Times are Unix ms. Values that are not there are NaN.
type Episode struct {
	State      State
	End        store.AlertEnd // once State is Resolved
	StartedAt  int64          // the condition began to hold
	FiredAt    int64          // from Firing on
	ResolvedAt int64          // once State is Resolved
	// First, Worst and Last are values while the condition held. Of no_data Worst
	// is the seconds since the port was last heard, as of the last step, and the
	// others are not there.
	First, Worst, Last float64
	WorstAt            int64
	Flaps              int // how often it was joined again
}

// Open reports whether it has fired and goes on.
func (e *Episode) Open() bool { return e.State == Firing || e.State == Recovering }

// present answers v for an event: nil when it is not there.
func present(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}

// Put writes the episode into an event, which keeps what else it has.
func (e *Episode) Put(to *store.AlertEvent) {
	to.StartedAt, to.FiredAt = store.Time(e.StartedAt), store.Time(e.FiredAt)
	to.State, to.ResolvedAt, to.End = store.AlertFiring, nil, ""
	switch e.State {
	case Recovering:
		to.State = store.AlertRecovering
	case Resolved:
		at := store.Time(e.ResolvedAt)
		to.State, to.ResolvedAt, to.End = store.AlertResolved, &at, e.End
	case Normal, Pending, Firing:
	}
	to.First, to.Worst, to.Last, to.WorstAt = present(e.First), present(e.Worst), present(e.Last), nil
	if to.Worst != nil {
		at := store.Time(e.WorstAt)
		to.WorstAt = &at
	}
	to.Flaps = e.Flaps
}
