package ingest

import (
	"sync"
	"time"
)

// pulse is what was received of a device of late.
type pulse struct {
	heard  int64 // Unix ms of its own last message, which it sent itself
	second int64 // Unix second of the newest count
	counts [rateSeconds + 1]uint32
}

// rateSeconds is how many whole seconds a rate is taken over.
const rateSeconds = 10

// pulses are those of all devices; 0 is what belongs to none. They are as many as
// the devices that have sent something since the start.
type pulses struct {
	mu sync.Mutex
	of map[uint32]*pulse
}

func newPulses() *pulses { return &pulses{of: map[uint32]*pulse{}} }

// beat counts a message that is on disk. What was imported or replayed was not
// sent by the device now.
func (s *pulses) beat(m *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.of[m.UID]
	if p == nil {
		p = &pulse{}
		s.of[m.UID] = p
	}
	if m.Source == SourceMQTT || m.Source == SourceHTTP || m.Source == SourceBridge {
		p.heard = max(p.heard, m.ReceivedAt)
	}
	p.advance(m.ReceivedAt / 1000)
	p.counts[p.second%int64(len(p.counts))] += uint32(m.count)
}

// advance forgets the seconds before now that are out of the rate's reach. A
// clock that is set back counts on where it was, one that jumps begins anew.
func (p *pulse) advance(second int64) {
	if second <= p.second && p.second-second < rateSeconds {
		return
	}
	if second-p.second > rateSeconds || second < p.second {
		p.counts = [rateSeconds + 1]uint32{}
		p.second = second
		return
	}
	for p.second < second {
		p.second++
		p.counts[p.second%int64(len(p.counts))] = 0
	}
}

// Pulse answers when a device was last heard of by a message of its own since
// the start (zero: not), and how many of its readings a second came in the last
// ten seconds, whatever became of them. Number 0 is what belongs to no device.
func (p *Pipeline) Pulse(uid uint32) (heard time.Time, perSecond float64) {
	now := p.o.Now().Unix()
	s := p.pulses
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.of[uid]
	if b == nil {
		return heard, 0
	}
	if b.heard != 0 {
		heard = time.UnixMilli(b.heard).UTC()
	}
	sum := 0.0
	for second := max(now-rateSeconds, b.second-rateSeconds); second < now && second <= b.second; second++ {
		sum += float64(b.counts[second%int64(len(b.counts))])
	}
	return heard, sum / rateSeconds
}
