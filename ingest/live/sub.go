package live

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// ErrClosed says that the subscription was closed.
var ErrClosed = errors.New("subscription closed")

// Batch is what happened since the one before, in order.
type Batch struct {
	Events []*Told
	// SkippedReadings are those that were lost in between, because this subscriber
	// was slow; Skipped are other events, the last of which was SkippedSeq.
	SkippedReadings, Skipped uint64
	SkippedSeq               uint64
}

// Empty reports whether nothing happened.
func (b *Batch) Empty() bool { return len(b.Events) == 0 && b.Skipped == 0 && b.SkippedReadings == 0 }

// Sub is one subscription.
type Sub struct {
	// Resumed reports whether it begins with what was missed since then. Begin is
	// the number behind which it begins. Neither changes.
	Resumed bool
	Begin   uint64

	hub  *Hub
	wake chan struct{} // holds one token when something waits
	gone chan struct{} // closed with the subscription

	mu       sync.Mutex
	match    match
	closed   bool
	readings int // of the queue, at most QueueLength
	bytes    int // of the others in it, of which there are at most RingLength
	queue    []*Told
	lost     Batch // what was skipped

	skippedReadings, skippedOthers prometheus.Counter
}

// push takes what matches. It holds the lock for the length of the copy.
func (s *Sub) push(told []*Told) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	was := len(s.queue)
	for _, t := range told {
		if !s.match.wants(t) {
			continue
		}
		if t.Kind == KindReading {
			if s.readings >= s.hub.o.QueueLength {
				s.coalesce()
			}
			s.readings++
		} else {
			s.bytes += t.weight()
			if len(s.queue)-s.readings >= s.hub.o.RingLength || s.bytes > s.hub.o.RingBytes {
				s.overwrite()
			}
		}
		s.queue = append(s.queue, t)
	}
	now := len(s.queue)
	s.mu.Unlock()
	if was == 0 && now > 0 {
		s.signal()
	}
}

// coalesce keeps the newest reading of each port, in order. With more ports
// than half the queue the oldest go, so that it is not run for every reading.
func (s *Sub) coalesce() {
	newest := make(map[Port]*Told, s.readings)
	for _, t := range s.queue {
		if t.Kind != KindReading {
			continue
		}
		p := Port{t.DeviceID, t.Reading.PortNumber}
		// Late data does not replace what is newer by its own time.
		if n := newest[p]; n == nil || n.Reading.TS <= t.Reading.TS {
			newest[p] = t
		}
	}
	before, excess := s.readings, len(newest)-(s.readings+1)/2
	s.queue = slices.DeleteFunc(s.queue, func(t *Told) bool {
		if t.Kind != KindReading {
			return false
		}
		if newest[Port{t.DeviceID, t.Reading.PortNumber}] != t {
			s.readings--
			return true
		}
		if excess > 0 {
			excess--
			s.readings--
			return true
		}
		return false
	})
	n := before - s.readings
	s.lost.SkippedReadings += uint64(n)
	s.skippedReadings.Add(float64(n))
}

// overwrite lets the older half of the other events go at once, so that a flood
// costs one move per half a ring.
func (s *Sub) overwrite() {
	n := (len(s.queue) - s.readings + 1) / 2
	s.lost.Skipped += uint64(n)
	s.skippedOthers.Add(float64(n))
	s.queue = slices.DeleteFunc(s.queue, func(t *Told) bool {
		if t.Kind == KindReading || n == 0 {
			return false
		}
		n--
		s.bytes -= t.weight()
		s.lost.SkippedSeq = t.Seq
		return true
	})
}

func (s *Sub) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Take answers all that waits, which may be nothing.
func (s *Sub) Take() Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.lost
	b.Events = s.queue
	s.queue, s.lost, s.readings, s.bytes = nil, Batch{}, 0, 0
	return b
}

// Next waits until something happened and answers all of it. ErrClosed after
// Close, the context's error when it ends.
func (s *Sub) Next(ctx context.Context) (Batch, error) {
	for {
		select {
		case <-s.gone:
			return Batch{}, ErrClosed
		default:
		}
		if b := s.Take(); !b.Empty() {
			return b, nil
		}
		select {
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		case <-s.gone:
		case <-s.wake:
		}
	}
}

// Filter changes what the subscription wants from now on, and lets go of what
// waits and is not wanted any more.
func (s *Sub) Filter(f Filter) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.mu.Lock()
	was := s.match
	s.match = newMatch(f)
	s.queue = slices.DeleteFunc(s.queue, func(t *Told) bool {
		if s.match.wants(t) {
			return false
		}
		if t.Kind == KindReading {
			s.readings--
		} else {
			s.bytes -= t.weight()
		}
		return true
	})
	closed := s.closed
	s.mu.Unlock()
	if !closed && slices.Contains(s.hub.subs, s) {
		s.hub.wish(&s.match)
		s.hub.unwish(&was)
	}
}

// Close ends the subscription and wakes Next. A second call does nothing.
func (s *Sub) Close() {
	s.mu.Lock()
	was := s.closed
	s.closed, s.queue = true, nil
	s.readings, s.bytes = 0, 0
	s.mu.Unlock()
	if !was {
		close(s.gone)
		s.hub.remove(s)
	}
}
