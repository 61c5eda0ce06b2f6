package alert

import (
	"fmt"
	"math"
	"slices"
	"time"

	"tidegate/store"
)

// Hours are the active hours of a schedule, with its zone loaded. A local time
// that does not exist (clocks go forward) is the moment of the jump. Of one that
// comes twice (clocks go back) a span begins at the first and ends at the last.
type Hours struct {
	days     [7]bool // by time.Weekday
	from, to int     // minutes since midnight; to may be 24 hours and more: on the next day
	zone     *time.Location
}

// always is a schedule's border that never comes.
const always = math.MaxInt64

// NewHours loads a schedule.
func NewHours(s store.Schedule) (*Hours, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		return nil, fmt.Errorf("load zone %s: %w", s.Zone, err)
	}
	h := &Hours{zone: zone, to: 24 * 60}
	for i, d := range store.Weekdays() {
		h.days[i] = len(s.Days) == 0 || slices.Contains(s.Days, d)
	}
	if s.From != "" {
		h.from, _ = s.From.Minutes() // Validate has seen both
		h.to, _ = s.To.Minutes()
		if h.to <= h.from {
			h.to += 24 * 60
		}
	}
	return h, nil
}

// At answers whether the hours are active at a time, and until when that is so:
// the first moment at which it is not. Both are Unix ms.
func (h *Hours) At(ms int64) (active bool, until int64) {
	if h == nil {
		return true, always
	}
	// A span may go on for a day after the one on which it begins, and days may
	// touch or overlap: they are gone through in order, from before ms on.
	y, m, d := time.UnixMilli(ms).In(h.zone).Date()
	end := int64(math.MinInt64) // of the span that ms is in, with those that touch it
	for i := -2; i <= 16; i++ {
		day := time.Date(y, m, d+i, 0, 0, 0, 0, time.UTC)
		if !h.days[day.Weekday()] {
			continue
		}
		from, _ := h.local(day, h.from)
		_, to := h.local(day, h.to)
		if to <= from {
			continue // the whole span falls into a jump
		}
		switch {
		case end != math.MinInt64:
			if from > end {
				return true, end
			}
			end = max(end, to)
		case from > ms:
			return false, from
		case to > ms:
			end = to
		}
	}
	return end != math.MinInt64, always
}

// local answers the first and the last moment at which clocks show minutes past
// the midnight of day, whose zone is UTC.
func (h *Hours) local(day time.Time, minutes int) (first, last int64) {
	wall := day.Add(time.Duration(minutes) * time.Minute) // as if it were UTC
	before, after := offset(wall.Add(-24*time.Hour).In(h.zone)), offset(wall.Add(24*time.Hour).In(h.zone))
	a, b := wall.Add(-before), wall.Add(-after)
	aOK, bOK := offset(a.In(h.zone)) == before, offset(b.In(h.zone)) == after
	switch {
	case aOK && bOK:
		return min(a.UnixMilli(), b.UnixMilli()), max(a.UnixMilli(), b.UnixMilli())
	case aOK:
		return a.UnixMilli(), a.UnixMilli()
	case bOK:
		return b.UnixMilli(), b.UnixMilli()
	}
	jump, _ := a.In(h.zone).ZoneBounds() // by the clock before, a is behind the jump
	return jump.UnixMilli(), jump.UnixMilli()
}

// offset answers how far a zone's clocks are ahead of UTC.
func offset(t time.Time) time.Duration {
	_, s := t.Zone()
	return time.Duration(s) * time.Second
}

// String is equal for schedules that are active at the same times.
func (h *Hours) String() string {
	return fmt.Sprintf("%v %d-%d %s", h.days, h.from, h.to, h.zone)
}
