package alert

import "tidegate/store"

// Sample is a reading that was accepted, in the order of the log.
type Sample struct {
	Series         store.Series
	Seq            uint64 // log position of its message
	TS             int64  // Unix ms
	ReceivedAt     int64
	Value          float64 // calibrated, as of TS
	Quality        store.Quality
	ClockUntrusted bool // ReceivedAt is what a clock said that was not to be trusted
	ServerTS       bool // TS is ReceivedAt
}

// maxWaiting bounds the notifications that wait for their commit: beyond it
// Evaluate waits, and with it the writer.
const maxWaiting = 20_000

// Evaluate takes the readings of the log's records up to and including through,
// the newest of which was received at receivedAt. What was evaluated before is
// left out. It waits only while too much waits for its commit.
func (e *Engine) Evaluate(samples []Sample, through uint64, receivedAt int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if through <= e.position {
		return
	}
	for len(e.pending.notes) > maxWaiting && e.trouble == nil {
		e.room.Wait()
	}
	for i := range samples {
		s := &samples[i]
		if s.Seq <= e.position {
			continue
		}
		list := e.bySeries[s.Series]
		if len(list) == 0 {
			continue
		}
		if !s.ClockUntrusted {
			e.advance(s.ReceivedAt)
		}
		e.observe(list, s)
	}
	e.position = through
	if receivedAt > e.now {
		e.advance(receivedAt)
	}
	e.pending.wake(e.wake)
}

// observe tells the watches of a port of a reading.
func (e *Engine) observe(list []*watched, s *Sample) {
	at := min(s.TS, s.ReceivedAt)
	age := s.ReceivedAt - s.TS
	if s.ClockUntrusted {
		// The box does not know what time it is. A device may; else time stands
		// still, and what is sent comes in its order.
		at, age = s.TS, 0
		if s.ServerTS {
			at = max(s.TS, e.now)
		}
	}
	evaluate := s.Quality != store.Bad && age <= e.o.MaxAge.Milliseconds()
	switch {
	case evaluate:
		e.metrics.evaluated++
	case s.Quality != store.Bad:
		e.metrics.old++
	}
	for _, w := range list {
		if s.Seq <= w.skip {
			continue
		}
		when := at
		if w.plan.ByReceipt() && !s.ClockUntrusted {
			when = s.ReceivedAt
		} else if s.ServerTS && when == w.heard {
			when++ // several without a time in one millisecond
		}
		w.heard = max(w.heard, when)
		change := w.watch.Observe(w.plan, when, s.Value, evaluate)
		e.pending.touch(w)
		if change.Any() {
			e.happened(w, change)
		}
		if d := w.watch.Deadline(); d < w.dueAt || w.heapIndex < 0 {
			e.schedule(w)
		}
	}
}
