package alert

import (
	"testing"
	"time"
	"unsafe"

	"tidegate/store"
)

func TestALevelWatchIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Watch{}); n > 128 {
		t.Errorf("a watch has %d bytes", n)
	}
}

func number(v float64) *float64 { return &v }

func plan(t testing.TB, r store.AlertRule) *Plan {
	t.Helper()
	p, ok := NewPlan(r, store.Port{})
	if !ok {
		t.Fatal("nothing to watch")
	}
	return p
}

func TestFor(t *testing.T) {
	p := plan(t, store.AlertRule{Condition: store.Condition{Kind: store.CondAbove, High: number(10)}, For: store.Duration(time.Second)})
	w := NewWatch(p, 0)
	if c := w.Observe(p, 1000, 11, true); len(c.Steps) != 1 || c.Steps[0].Kind != StepBegan || w.Deadline() != 2000 {
		t.Fatalf("%+v, deadline %d", c, w.Deadline())
	}
	c := w.Observe(p, 2000, 9, true)
	if len(c.Steps) != 2 || c.Steps[0].Kind != StepFired || c.Steps[1].Kind != StepResolved || c.Steps[1].Episode.Worst != 11 {
		t.Fatalf("%+v", c)
	}
}
