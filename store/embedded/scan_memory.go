package embedded

import (
	"math"

	"tidegate/store"
	"tidegate/store/runs"
)

// memoryCursor goes through the samples of a head, frozen and live, in order.
// The slices of runs are its own, what they point at is not.
type memoryCursor struct {
	side [2][][]store.Sample
	down bool
}

func newMemoryCursor(side [2][][]store.Sample, from, to int64, down bool) memoryCursor {
	return memoryCursor{side: [2][][]store.Sample{runs.Clip(side[0], from, to), runs.Clip(side[1], from, to)}, down: down}
}

// front answers the next sample of one side, or nil.
func (m *memoryCursor) front(side int) *store.Sample {
	list := m.side[side]
	switch {
	case len(list) == 0:
		return nil
	case m.down:
		run := list[len(list)-1]
		return &run[len(run)-1]
	}
	return &list[0][0]
}

// pick answers the side of the next sample, -1 at the end.
func (m *memoryCursor) pick() int {
	a, b := m.front(0), m.front(1)
	switch {
	case a == nil && b == nil:
		return -1
	case b == nil || a != nil && (a.TS < b.TS) != m.down:
		return 0
	}
	return 1
}

func (m *memoryCursor) peek() (ts int64, ok bool) {
	side := m.pick()
	if side < 0 {
		return math.MaxInt64, false
	}
	return m.front(side).TS, true
}

// drop takes the next sample of a side away.
func (m *memoryCursor) drop(side int) {
	list := m.side[side]
	if m.down {
		i := len(list) - 1
		if list[i] = list[i][:len(list[i])-1]; len(list[i]) == 0 {
			m.side[side] = list[:i]
		}
		return
	}
	if list[0] = list[0][1:]; len(list[0]) == 0 {
		m.side[side] = list[1:]
	}
}

// until appends the samples up to and including last.
func (m *memoryCursor) until(dst []store.Sample, last int64) []store.Sample {
	for side := m.pick(); side >= 0; side = m.pick() {
		s := m.front(side)
		if !m.down && s.TS > last || m.down && s.TS < last {
			break
		}
		dst = append(dst, *s)
		m.drop(side)
	}
	return dst
}

// some is until for at most runs.Max samples.
func (m *memoryCursor) some(dst []store.Sample, last int64) []store.Sample {
	for side := m.pick(); side >= 0 && len(dst) < runs.Max; side = m.pick() {
		s := m.front(side)
		if !m.down && s.TS > last || m.down && s.TS < last {
			break
		}
		dst = append(dst, *s)
		m.drop(side)
	}
	return dst
}
