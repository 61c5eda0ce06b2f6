package alert

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"tidegate/store"
)

func number(v float64) *float64 { return &v }

// plan makes a rule ready for a port that has no levels of its own.
func plan(t testing.TB, r store.AlertRule) *Plan {
	t.Helper()
	p, ok := NewPlan(r, store.Port{})
	if !ok {
		t.Fatal("the rule has nothing to watch")
	}
	return p
}

// ruleOfEachKind answers valid rules.
func ruleOfEachKind() []store.AlertRule {
	var rules []store.AlertRule
	for _, c := range []store.Condition{
		{Kind: store.CondAbove, High: number(10), Hysteresis: 1},
		{Kind: store.CondBelow, Low: number(-10)},
		{Kind: store.CondBetween, Low: number(3), High: number(4)},
		{Kind: store.CondOutside, Low: number(-10), High: number(10)},
		{Kind: store.CondEquals, Value: number(7)},
		{Kind: store.CondChanged},
		{Kind: store.CondRate, Rise: number(5)},
		{Kind: store.CondRate, Rise: number(5), Fall: number(5), Window: store.Duration(30 * time.Second)},
		{Kind: store.CondNoData, SilentFor: store.Duration(20 * time.Second)},
		{Kind: store.CondNoData},
		{Kind: store.CondDeviation, Sigmas: 3, Window: store.Duration(30 * time.Second)},
		{Kind: store.CondDeviation, Distance: 9, Window: store.Duration(30 * time.Second)},
		{Kind: store.CondStuck, Tolerance: 0.5, Window: store.Duration(5 * time.Second)},
	} {
		rules = append(rules, store.AlertRule{ID: "rule-1", OrgID: "acme", Name: "kind", Severity: store.SeverityInfo, Condition: c})
	}
	return rules
}

func TestALevelWatchIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Watch{}); n > 128 {
		t.Errorf("a watch has %d bytes", n)
	}
	for _, r := range ruleOfEachKind()[:4] {
		p := plan(t, r)
		w := NewWatch(p, 0)
		for i := range int64(1000) {
			w.Observe(p, i, float64(i%20), true)
		}
		if w.memory != nil {
			t.Errorf("%s remembers more", r.Condition.Kind)
		}
	}
}

// TestNothingIsAllocatedWithoutAStep observes values of which no step comes.
func TestNothingIsAllocatedWithoutAStep(t *testing.T) {
	hours := &store.Schedule{Zone: "Europe/Berlin", From: "00:00", To: "23:59"}
	for i, r := range ruleOfEachKind() {
		r.For, r.KeepFiring, r.JoinWithin = store.Duration(time.Minute), store.Duration(time.Minute), store.Duration(time.Minute)
		if i%2 == 0 {
			r.Schedule = hours
		}
		if r.Condition.Kind == store.CondChanged {
			r.For = 0
		}
		p := plan(t, r)
		at := time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC).UnixMilli()
		w := NewWatch(p, at)
		observe := func(v float64) Change {
			at += 1000
			return w.Observe(p, at, v, true)
		}
		for range 100 {
			observe(0)
		}
		if n := testing.AllocsPerRun(1000, func() {
			if c := observe(0); c.Any() {
				t.Fatal(c)
			}
		}); n != 0 {
			t.Errorf("%+v: %g allocations a reading", r.Condition, n)
		}
	}
}

// TestMemoryIsBounded stores the state after readings of all sorts.
func TestMemoryIsBounded(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for _, r := range ruleOfEachKind() {
		p := plan(t, r)
		w := NewWatch(p, 0)
		at := int64(0)
		most := 0
		for range 20_000 {
			at += rnd.Int64N(3000)
			w.Observe(p, at, float64(rnd.IntN(30)-15), true)
			most = max(most, len(w.AppendBinary(nil)))
		}
		if most > 600 {
			t.Errorf("%+v: a state of %d bytes", r.Condition, most)
		}
	}
}

// TestSteps holds the order of steps against the diagram of the states.
func TestSteps(t *testing.T) {
	next := map[State]map[StepKind]State{
		Normal:     {StepBegan: Pending, StepFired: Firing},
		Pending:    {StepDropped: Normal, StepFired: Firing, StepRejoined: Firing},
		Firing:     {StepRecovering: Recovering, StepResolved: Resolved},
		Recovering: {StepBack: Firing, StepResolved: Resolved},
		Resolved:   {StepBegan: Pending, StepFired: Firing, StepRejoined: Firing},
	}
	seen := map[string]int{}
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		r := randomRule(rnd)
		if rnd.IntN(3) == 0 {
			kinds := ruleOfEachKind()
			r.Condition = kinds[rnd.IntN(len(kinds))].Condition
			if r.Condition.Kind == store.CondChanged {
				r.For = 0
			}
		}
		p := plan(t, r)
		w := NewWatch(p, 0)
		state := Normal
		at := int64(0)
		take := func(c Change) {
			for _, s := range c.Steps {
				to, ok := next[state][s.Kind]
				if s.Kind == StepDropped && s.Episode.State == Resolved {
					to = Resolved // which may be joined again
				}
				if !ok || s.Episode.State != to {
					t.Fatalf("%s in state %s to %s", s.Kind, state, s.Episode.State)
				}
				seen[fmt.Sprint(state, s.Kind)]++
				state = to
			}
			if w.State() != state {
				t.Fatalf("state %s, steps lead to %s", w.State(), state)
			}
		}
		for range 50 {
			at += rnd.Int64N(30)
			if rnd.IntN(5) == 0 {
				take(w.Advance(p, at))
			} else {
				take(w.Observe(p, at, float64(rnd.IntN(9)), rnd.IntN(9) != 0))
			}
			if w.Deadline() <= at {
				t.Fatalf("a deadline at %d is left at %d", w.Deadline(), at)
			}
		}
		take(w.End(at, store.EndRuleChanged))
		if w.Deadline() != math.MaxInt64 {
			t.Fatal("a watch that is over has a deadline")
		}
	}
	for s, m := range next {
		for k := range m {
			if seen[fmt.Sprint(s, k)] == 0 {
				t.Errorf("%s in state %s never came", k, s)
			}
		}
	}
}

// TestAJumpOfTheClock passes 60 years of active hours in one call, at most some
// 400 days of them one by one.
func TestAJumpOfTheClock(t *testing.T) {
	r := ruleOfEachKind()[8]
	r.Schedule = &store.Schedule{Zone: "Europe/Berlin", From: "08:00", To: "16:00"}
	p := plan(t, r)
	w := NewWatch(p, 0)
	w.Observe(p, 1000, 1, true)
	to := time.Date(2030, 6, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	c := w.Advance(p, to)
	if n := len(c.Steps); n < 2*399 || n > 2*402 {
		t.Errorf("%d steps", n)
	}
	last := c.Steps[len(c.Steps)-1]
	if want := time.Date(2030, 5, 31, 14, 0, 0, 0, time.UTC).UnixMilli(); last.Kind != StepResolved || last.At != want {
		t.Errorf("last %s at %d, want it resolved at %d", last.Kind, last.At, want)
	}
	if active, until := p.hours.At(to); active != !w.closed || until != w.hours {
		t.Errorf("afterwards closed %v until %d", w.closed, w.hours)
	}
}

// An always rising time, and values that never reach the level.
func benchmarkObserve(b *testing.B, r store.AlertRule) {
	p := plan(b, r)
	w := NewWatch(p, 0)
	var values [1024]float64
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range values {
		values[i] = rnd.Float64() * 2
	}
	b.ReportAllocs()
	at := int64(0)
	steps := 0
	for b.Loop() {
		at += 1000
		c := w.Observe(p, at, values[at/1000&1023], true)
		steps += len(c.Steps)
	}
	if r.Condition.Kind == store.CondAbove && steps > 0 {
		b.Fatal("it was reached")
	}
}

func BenchmarkObserve(b *testing.B) {
	for i, r := range ruleOfEachKind() {
		b.Run(fmt.Sprintf("%02d_%s", i, r.Condition.Kind), func(b *testing.B) { benchmarkObserve(b, r) })
	}
	r := ruleOfEachKind()[0]
	r.Schedule = &store.Schedule{Zone: "Europe/Berlin", From: "06:00", To: "22:00"}
	b.Run("above_within_hours", func(b *testing.B) { benchmarkObserve(b, r) })
}

func BenchmarkAppendBinary(b *testing.B) {
	p := plan(b, ruleOfEachKind()[0])
	w := NewWatch(p, 0)
	w.Observe(p, 1000, 11, true)
	var buf []byte
	for b.Loop() {
		buf = w.AppendBinary(buf[:0])
	}
	b.ReportMetric(float64(len(buf)), "B/state")
}
