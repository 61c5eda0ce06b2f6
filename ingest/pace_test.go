package ingest

import (
	"testing"
	"time"
)

// TestPace: after a steady minute the averages are what came and went; a
// second of silence takes about a tenth off.
func TestPace(t *testing.T) {
	var p pace
	for range 60 {
		p.add(100, 1000, time.Second)
	}
	if p.in < 99 || p.in > 100 || p.out < 990 || p.out > 1000 {
		t.Errorf("in %g, out %g", p.in, p.out)
	}
	p.add(0, 0, time.Second)
	if p.out < 880 || p.out > 920 {
		t.Errorf("after a second of silence %g", p.out)
	}
}
