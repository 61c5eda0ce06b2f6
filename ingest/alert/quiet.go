package alert

import (
	"math"

	"tidegate/store"
)

// Quiet is when a silence keeps alarms quiet: from StartsAt until EndsAt, within
// its hours if it has some.
type Quiet struct {
	from, to int64
	hours    *Hours
}

// NewQuiet loads the hours of a silence.
func NewQuiet(s store.Silence) (*Quiet, error) {
	q := &Quiet{from: int64(s.StartsAt), to: math.MaxInt64}
	if s.EndsAt != nil {
		q.to = int64(*s.EndsAt)
	}
	if s.Schedule != nil {
		h, err := NewHours(*s.Schedule)
		if err != nil {
			return nil, err
		}
		q.hours = h
	}
	return q, nil
}

// At answers whether it is quiet at a time, and until when that is so: the first
// moment at which it is not; math.MaxInt64 is for ever. Both are Unix ms.
func (q *Quiet) At(ms int64) (quiet bool, until int64) {
	switch {
	case ms >= q.to:
		return false, always
	case ms < q.from:
		if active, border := q.hours.At(q.from); !active {
			return false, q.before(border)
		}
		return false, q.from
	}
	active, border := q.hours.At(ms)
	if active {
		return true, min(border, q.to)
	}
	return false, q.before(border)
}

// before answers when it becomes quiet, if it does before the end.
func (q *Quiet) before(border int64) int64 {
	if border >= q.to {
		return always
	}
	return border
}
