package ingest

import (
	"context"
	"math"
	"sync"
	"time"
)

// paceEvery is how often the log's two ends are looked at, and paceMemory over
// how long a rate is averaged.
const (
	paceEvery  = time.Second
	paceMemory = 10 * time.Second
)

// pace is the average speed of both ends of the log, in records a second.
type pace struct {
	mu      sync.Mutex
	in, out float64
}

// Drain is how a backlog of the log shrinks.
type Drain struct {
	Depth     uint64  // records that have no verdict yet
	PerSecond float64 // records that get theirs, averaged over some seconds
	// ETA is when the backlog will be gone at the present speeds of what comes
	// and what goes; below 0: not as things are.
	ETA time.Duration
}

// Drain answers the state of the backlog.
func (p *Pipeline) Drain() Drain {
	_, head := p.o.Log.Bounds()
	d := Drain{Depth: head - min(head, p.cursor.Load()), ETA: -1}
	p.pace.mu.Lock()
	in, out := p.pace.in, p.pace.out
	p.pace.mu.Unlock()
	d.PerSecond = out
	switch {
	case d.Depth == 0 || float64(d.Depth) < out: // less than a second's work
		d.ETA = 0
	case out > in:
		if s := float64(d.Depth) / (out - in); s < math.MaxInt64/float64(time.Second) {
			d.ETA = time.Duration(s * float64(time.Second))
		}
	}
	return d
}

func (p *Pipeline) watchPace(ctx context.Context) {
	tick := time.NewTicker(paceEvery)
	defer tick.Stop()
	last := p.o.Now()
	_, head := p.o.Log.Bounds()
	cursor := p.cursor.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := p.o.Now()
		passed := now.Sub(last)
		if passed <= 0 { // the clock was set
			last = now
			continue
		}
		_, h := p.o.Log.Bounds()
		c := p.cursor.Load()
		p.pace.add(float64(h-head), float64(c-cursor), passed)
		last, head, cursor = now, h, c
	}
}

// add mixes what came and went within passed into the averages.
func (p *pace) add(in, out float64, passed time.Duration) {
	s := passed.Seconds()
	weight := 1 - math.Exp(-s/paceMemory.Seconds())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.in += weight * (in/s - p.in)
	p.out += weight * (out/s - p.out)
}
