package live

import (
	"context"
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
)

// ErrClosed says that the subscription was closed.
var ErrClosed = errors.New("subscription closed")

// Batch is what happened since the Next before.
type Batch struct {
	Readings []store.Reading
	Others   []Event // all other kinds
	Skipped  uint64  // events lost in between, because this subscriber was slow
}

// Sub is one subscription.
type Sub struct {
	hub   *Hub
	match match
	wake  chan struct{} // holds one token when something waits

	mu       sync.Mutex
	closed   bool
	readings []store.Reading // at most QueueLength
	others   []Event         // at most RingLength
	skipped  uint64

	skippedReadings, skippedOthers prometheus.Counter
}

// push takes what matches. It holds the lock for the length of the copy.
func (s *Sub) push(events []Event) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	was := len(s.readings) + len(s.others)
	for i := range events {
		e := &events[i]
		if !s.match.wants(e) {
			continue
		}
		if e.Kind == KindReading {
			if len(s.readings) >= s.hub.o.QueueLength {
				s.coalesce()
			}
			s.readings = append(s.readings, e.Reading)
			continue
		}
		if len(s.others) >= s.hub.o.RingLength {
			// Half goes at once, so that a flood costs one move per half a ring.
			n := (len(s.others) + 1) / 2
			s.others = s.others[:copy(s.others, s.others[n:])]
			s.lost(n, s.skippedOthers)
		}
		s.others = append(s.others, *e)
	}
	now := len(s.readings) + len(s.others)
	s.mu.Unlock()
	if was == 0 && now > 0 {
		s.signal()
	}
}

// coalesce keeps the newest reading of each port, in order. With more ports
// than half the queue the oldest go, so that it is not run for every reading.
func (s *Sub) coalesce() {
	before := len(s.readings)
	newest := make(map[Port]int, before)
	for i := range s.readings {
		r := &s.readings[i]
		p := Port{r.DeviceID, r.PortNumber}
		// Late data does not replace what is newer by its own time.
		if j, ok := newest[p]; !ok || s.readings[j].TS <= r.TS {
			newest[p] = i
		}
	}
	kept := s.readings[:0]
	excess := len(newest) - (before+1)/2
	for i := range s.readings {
		r := s.readings[i]
		if newest[Port{r.DeviceID, r.PortNumber}] != i {
			continue
		}
		if excess > 0 {
			excess--
			continue
		}
		kept = append(kept, r)
	}
	clear(s.readings[len(kept):])
	s.readings = kept
	s.lost(before-len(kept), s.skippedReadings)
}

func (s *Sub) lost(n int, c prometheus.Counter) {
	s.skipped += uint64(n)
	c.Add(float64(n))
}

func (s *Sub) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Next waits until something happened and answers all of it. ErrClosed after
// Close, the context's error when it ends.
func (s *Sub) Next(ctx context.Context) (Batch, error) {
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return Batch{}, ErrClosed
		}
		if len(s.readings)+len(s.others) > 0 {
			b := Batch{Readings: s.readings, Others: s.others, Skipped: s.skipped}
			s.readings, s.others, s.skipped = nil, nil, 0
			s.mu.Unlock()
			return b, nil
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		case <-s.wake:
		}
	}
}

// Filter changes what the subscription wants from now on; what waits stays.
func (s *Sub) Filter(f Filter) {
	s.mu.Lock()
	s.match = newMatch(f)
	s.mu.Unlock()
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.inspect()
}

// Close ends the subscription and wakes Next. A second call does nothing.
func (s *Sub) Close() {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.readings, s.others = nil, nil
	s.mu.Unlock()
	if !was {
		s.hub.remove(s)
		s.signal()
	}
}
