package alert

import (
	"math"
	"testing"
	"time"

	"tidegate/store"
)

func TestLevelsOfRuleAndPort(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		name      string
		condition store.Condition
		port      store.Port
		watched   bool
		low, high float64
	}{
		{"above, of the rule", store.Condition{Kind: store.CondAbove, High: number(3)}, store.Port{High: number(5)}, true, -inf, 3},
		{"above, of the port", store.Condition{Kind: store.CondAbove}, store.Port{Low: number(1), High: number(5)}, true, -inf, 5},
		{"above without a high", store.Condition{Kind: store.CondAbove}, store.Port{Low: number(1)}, false, 0, 0},
		{"below, of the rule", store.Condition{Kind: store.CondBelow, Low: number(3)}, store.Port{Low: number(5)}, true, 3, inf},
		{"below, of the port", store.Condition{Kind: store.CondBelow}, store.Port{Low: number(1), High: number(5)}, true, 1, inf},
		{"below without a low", store.Condition{Kind: store.CondBelow}, store.Port{High: number(1)}, false, 0, 0},
		{"outside, both of the port", store.Condition{Kind: store.CondOutside}, store.Port{Low: number(1), High: number(5)}, true, 1, 5},
		{"outside, one of each", store.Condition{Kind: store.CondOutside, Low: number(2)}, store.Port{Low: number(1), High: number(5)}, true, 2, 5},
		{"outside, a low alone", store.Condition{Kind: store.CondOutside}, store.Port{Low: number(1)}, true, 1, inf},
		{"outside without any", store.Condition{Kind: store.CondOutside}, store.Port{}, false, 0, 0},
		{"outside of levels that contradict each other", store.Condition{Kind: store.CondOutside, Low: number(9)}, store.Port{High: number(5)}, false, 0, 0},
		{"between", store.Condition{Kind: store.CondBetween, Low: number(2), High: number(4)}, store.Port{}, true, 2, 4},
		{"no_data needs none", store.Condition{Kind: store.CondNoData}, store.Port{Low: number(1)}, true, -inf, inf},
	} {
		p, ok := NewPlan(store.AlertRule{Condition: c.condition}, c.port)
		if ok != c.watched {
			t.Errorf("%s: watched %v", c.name, ok)
			continue
		}
		if !ok {
			continue
		}
		if low, high := p.Levels(); low != c.low || high != c.high {
			t.Errorf("%s: %g to %g, want %g to %g", c.name, low, high, c.low, c.high)
		}
		if p.ByReceipt() != (c.condition.Kind == store.CondNoData) {
			t.Errorf("%s: by receipt %v", c.name, p.ByReceipt())
		}
	}
}

// TestSame edits a rule in every way that matters to a watch, and in those that
// do not.
func TestSame(t *testing.T) {
	minute := store.Duration(time.Minute)
	base := store.AlertRule{
		Condition: store.Condition{Kind: store.CondOutside, Low: number(1), High: number(5), Hysteresis: 0.5}, For: minute, KeepFiring: minute,
		Schedule: &store.Schedule{Zone: "Europe/Berlin", Days: []store.Weekday{"mon", "tue"}, From: "08:00", To: "16:00"},
	}
	hours := func(edit func(*store.Schedule)) func(*store.AlertRule) {
		return func(r *store.AlertRule) {
			s := *r.Schedule
			edit(&s)
			r.Schedule = &s
		}
	}
	fingerprints := map[uint64]string{}
	for _, c := range []struct {
		name string
		same bool
		edit func(*store.AlertRule)
	}{
		{"nothing", true, func(*store.AlertRule) {}},
		{"name", true, func(r *store.AlertRule) { r.Name = "other" }},
		{"severity", true, func(r *store.AlertRule) { r.Severity = store.SeverityInfo }},
		{"message", true, func(r *store.AlertRule) { r.Message = "other" }},
		{"join", true, func(r *store.AlertRule) { r.JoinWithin = minute }},
		{"days in another order", true, hours(func(s *store.Schedule) { s.Days = []store.Weekday{"tue", "mon"} })},
		{"high", false, func(r *store.AlertRule) { r.Condition.High = number(6) }},
		{"low", false, func(r *store.AlertRule) { r.Condition.Low = number(2) }},
		{"hysteresis", false, func(r *store.AlertRule) { r.Condition.Hysteresis = 0.4 }},
		{"for", false, func(r *store.AlertRule) { r.For *= 2 }},
		{"keep", false, func(r *store.AlertRule) { r.KeepFiring *= 2 }},
		{"no schedule", false, func(r *store.AlertRule) { r.Schedule = nil }},
		{"zone", false, hours(func(s *store.Schedule) { s.Zone = "Europe/Paris" })},
		{"days", false, hours(func(s *store.Schedule) { s.Days = s.Days[:1] })},
		{"from", false, hours(func(s *store.Schedule) { s.From = "09:00" })},
		{"to", false, hours(func(s *store.Schedule) { s.To = "15:00" })},
		{"equals", false, func(r *store.AlertRule) { r.Condition = store.Condition{Kind: store.CondEquals, Value: number(1)} }},
		{"equals another", false, func(r *store.AlertRule) { r.Condition = store.Condition{Kind: store.CondEquals, Value: number(2)} }},
		{"rise", false, func(r *store.AlertRule) { r.Condition = store.Condition{Kind: store.CondRate, Rise: number(1)} }},
		{"rise per", false, func(r *store.AlertRule) {
			r.Condition = store.Condition{Kind: store.CondRate, Rise: number(1), Per: minute}
		}},
		{"fall", false, func(r *store.AlertRule) { r.Condition = store.Condition{Kind: store.CondRate, Fall: number(1)} }},
		{"rise over a window", false, func(r *store.AlertRule) {
			r.Condition = store.Condition{Kind: store.CondRate, Rise: number(1), Window: minute}
		}},
		{"silence", false, func(r *store.AlertRule) { r.Condition = store.Condition{Kind: store.CondNoData, SilentFor: minute} }},
		{"silence by cadence", false, func(r *store.AlertRule) { r.Condition = store.Condition{Kind: store.CondNoData} }},
		{"silence by a factor", false, func(r *store.AlertRule) { r.Condition = store.Condition{Kind: store.CondNoData, Factor: 3} }},
		{"sigmas", false, func(r *store.AlertRule) {
			r.Condition = store.Condition{Kind: store.CondDeviation, Sigmas: 3, Window: minute}
		}},
		{"distance", false, func(r *store.AlertRule) {
			r.Condition = store.Condition{Kind: store.CondDeviation, Distance: 3, Window: minute}
		}},
		{"stuck", false, func(r *store.AlertRule) { r.Condition = store.Condition{Kind: store.CondStuck, Window: minute} }},
		{"tolerance", false, func(r *store.AlertRule) {
			r.Condition = store.Condition{Kind: store.CondStuck, Window: minute, Tolerance: 1}
		}},
	} {
		r := base
		c.edit(&r)
		p, q := plan(t, base), plan(t, r)
		if p.Same(q) != c.same || q.Same(p) != c.same || (p.Fingerprint() == q.Fingerprint()) != c.same {
			t.Errorf("%s: same %v, want %v", c.name, p.Same(q), c.same)
		}
		if before, ok := fingerprints[q.Fingerprint()]; ok && !c.same {
			t.Errorf("%s has the fingerprint of %s", c.name, before)
		}
		fingerprints[q.Fingerprint()] = c.name
	}
	// It is kept beside states: it must not change from one version to the next.
	if f := plan(t, base).Fingerprint(); f != 0x9a280b006c4497c6 {
		t.Errorf("fingerprint %#x", f)
	}
	zero, negative := aboveTen(nil), aboveTen(nil)
	zero.Condition.High, negative.Condition.High = number(0), number(math.Copysign(0, -1))
	if p, q := plan(t, zero), plan(t, negative); !p.Same(q) || p.Fingerprint() != q.Fingerprint() {
		t.Error("there are two zeros")
	}
}

func TestAPlannerSharesPlans(t *testing.T) {
	pl := NewPlanner(store.AlertRule{Condition: store.Condition{Kind: store.CondAbove}, Schedule: &store.Schedule{Zone: "Europe/Berlin", From: "08:00", To: "16:00"}})
	a, _ := pl.Plan(store.Port{Number: 1, High: number(5)})
	b, _ := pl.Plan(store.Port{Number: 2, High: number(5), Low: number(1)})
	c, _ := pl.Plan(store.Port{Number: 3, High: number(6)})
	if a != b || a == c || a.hours != c.hours {
		t.Error("plans of the same levels are not one, or zones are loaded twice")
	}
	if _, ok := pl.Plan(store.Port{Number: 4}); ok {
		t.Error("a port without a high is watched")
	}
}

// TestDurationsBelowAMillisecond are not none.
func TestDurationsBelowAMillisecond(t *testing.T) {
	r := aboveTen(func(r *store.AlertRule) { r.For = 500 * store.Duration(time.Microsecond) })
	if p := plan(t, r); p.lasting != 1 {
		t.Errorf("for %d ms", p.lasting)
	}
	r.Condition = store.Condition{Kind: store.CondNoData, SilentFor: store.Duration(time.Microsecond)}
	if p := plan(t, r); p.silentFor != 1 {
		t.Errorf("silent for %d ms", p.silentFor)
	}
}
