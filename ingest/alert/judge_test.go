package alert

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

// A judge says what episodes a rule makes of a whole history. It is slow and has
// no state machine: it makes the spans in which the condition holds, and then
// filters, merges and joins them. Watch has to come to the same.

// event is a reading, or with tick the passing of time.
type event struct {
	at       int64
	value    float64
	evaluate bool
	tick     bool
}

// span is a time during which the condition held.
type span struct {
	from, to int64 // to is none while it goes on
	readings []event
}

// episode is what a judge knows of one.
type episode struct {
	started, fired, resolved int64 // resolved is none while it is open
	first, worst, last       float64
	flaps                    int
}

// judgeHistory answers the episodes of a history that has been watched until end.
func judgeHistory(r store.AlertRule, history []event, end int64) []episode {
	var spans []span
	if r.Condition.Kind == store.CondNoData {
		spans = silences(r.Condition, history, end)
	} else {
		spans = levelSpans(r.Condition, history)
	}
	lasting, keep, join := r.For.Ms(), r.KeepFiring.Ms(), r.JoinWithin.Ms()

	var list []episode
	i := 0
	for i < len(spans) {
		s := spans[i]
		fired := s.from + lasting
		i++
		if s.to < fired || fired > end {
			continue // it did not last
		}
		e := episode{started: s.from, fired: fired}
		readings := slices.Clone(s.readings)
		over := s.to
		// What begins again before KeepFiring has passed belongs to it.
		for i < len(spans) && spans[i].from < over+keep {
			readings = append(readings, spans[i].readings...)
			over = spans[i].to
			i++
		}
		e.resolved = none
		if over != none && over+keep <= end {
			e.resolved = over + keep
		}
		e.first, e.worst, e.last = worth(r.Condition, readings)
		if n := len(list); n > 0 && join > 0 && e.fired-list[n-1].resolved <= join {
			before := list[n-1]
			e.started, e.fired, e.first, e.flaps = before.started, before.fired, before.first, before.flaps+1
			if badness(r.Condition, before.worst) >= badness(r.Condition, e.worst) {
				e.worst = before.worst
			}
			list[n-1] = e
			continue
		}
		list = append(list, e)
	}
	return list
}

// evaluated answers the readings that count: each later than the one before.
func evaluated(history []event) []event {
	var list []event
	for _, e := range history {
		if !e.tick && e.evaluate && (len(list) == 0 || e.at > list[len(list)-1].at) {
			list = append(list, e)
		}
	}
	return list
}

// levelSpans answers when a value was beyond a level, and not back yet.
func levelSpans(c store.Condition, history []event) []span {
	var list []span
	in := false
	for _, e := range evaluated(history) {
		switch {
		case !in && begins(c, e.value):
			in = true
			list = append(list, span{from: e.at, to: none, readings: []event{e}})
		case in && ends(c, e.value):
			in = false
			list[len(list)-1].to = e.at
		case in:
			s := &list[len(list)-1]
			s.readings = append(s.readings, e)
		}
	}
	return list
}

func begins(c store.Condition, v float64) bool {
	switch c.Kind {
	case store.CondAbove:
		return v > *c.High
	case store.CondBelow:
		return v < *c.Low
	case store.CondBetween:
		return *c.Low <= v && v <= *c.High
	case store.CondOutside:
		return v < *c.Low || v > *c.High
	}
	panic("no level: " + c.Kind)
}

func ends(c store.Condition, v float64) bool {
	h := c.Hysteresis
	switch c.Kind {
	case store.CondAbove:
		if c.Clear != nil {
			return v <= *c.Clear
		}
		return v <= *c.High-h
	case store.CondBelow:
		if c.Clear != nil {
			return v >= *c.Clear
		}
		return v >= *c.Low+h
	case store.CondBetween:
		return v < *c.Low-h || v > *c.High+h
	case store.CondOutside:
		return *c.Low+h <= v && v <= *c.High-h
	}
	panic("no level: " + c.Kind)
}

// badness is how far beyond the level a value is.
func badness(c store.Condition, v float64) float64 {
	switch c.Kind {
	case store.CondAbove:
		return v - *c.High
	case store.CondBelow:
		return *c.Low - v
	case store.CondBetween:
		return math.Min(v-*c.Low, *c.High-v)
	case store.CondOutside:
		return math.Max(*c.Low-v, v-*c.High)
	}
	return v // seconds of silence
}

func worth(c store.Condition, readings []event) (first, worst, last float64) {
	if len(readings) == 0 {
		return math.NaN(), math.NaN(), math.NaN()
	}
	worst = readings[0].value
	for _, e := range readings {
		if badness(c, e.value) > badness(c, worst) {
			worst = e.value
		}
	}
	return readings[0].value, worst, readings[len(readings)-1].value
}

// silences answers the gaps between signs of life that were too long.
func silences(c store.Condition, history []event, end int64) []span {
	allowed := c.SilentFor.Ms()
	var list []span
	last := int64(never)
	for _, e := range history {
		if e.tick || e.at <= last {
			continue
		}
		if last != never && e.at-last > allowed {
			list = append(list, span{from: last + allowed, to: e.at})
		}
		last = e.at
	}
	if last != never && end-last > allowed {
		list = append(list, span{from: last + allowed, to: none})
	}
	return list
}

// watchHistory is what a Watch makes of it, with its state stored and read back
// at random.
func watchHistory(t testing.TB, r store.AlertRule, history []event, end int64, rnd *rand.Rand) []episode {
	t.Helper()
	p := plan(t, r)
	w := NewWatch(p, -1_000_000)
	var list []episode
	lastStep := int64(never)
	take := func(c Change) {
		for _, s := range c.Steps {
			if s.At < lastStep {
				t.Fatalf("step %s at %d after one at %d", s.Kind, s.At, lastStep)
			}
			lastStep = s.At
			e := episode{
				started: s.Episode.StartedAt, fired: s.Episode.FiredAt, resolved: none,
				first: s.Episode.First, worst: s.Episode.Worst, last: s.Episode.Last, flaps: s.Episode.Flaps,
			}
			switch s.Kind {
			case StepFired:
				list = append(list, e)
			case StepResolved:
				e.resolved = s.Episode.ResolvedAt
				list[len(list)-1] = e
			case StepRejoined, StepBack, StepRecovering:
				list[len(list)-1] = e
			case StepBegan, StepDropped:
			}
		}
	}
	for _, e := range history {
		if rnd.IntN(4) == 0 {
			var again Watch
			if err := again.UnmarshalBinary(w.AppendBinary(nil)); err != nil {
				t.Fatal(err)
			}
			w = again
		}
		if e.tick {
			take(w.Advance(p, e.at))
		} else {
			take(w.Observe(p, e.at, e.value, e.evaluate))
		}
	}
	take(w.Advance(p, end))
	if e := w.Episode(); e.Open() {
		l := &list[len(list)-1]
		l.worst, l.last = e.Worst, e.Last
	}
	return list
}

// randomRule answers a rule whose levels and times are small whole numbers, so
// that readings are often exactly on them.
func randomRule(rnd *rand.Rand) store.AlertRule {
	some := func(n int64) store.Duration { return store.Duration(rnd.Int64N(n)) * store.Duration(time.Millisecond) }
	r := store.AlertRule{ID: "rule-1", OrgID: "acme", Name: "random", Severity: store.SeverityInfo}
	c := &r.Condition
	low, high := float64(rnd.IntN(4)), float64(4+rnd.IntN(4))
	switch rnd.IntN(5) {
	case 0:
		c.Kind, c.High = store.CondAbove, &high
		if rnd.IntN(2) == 0 {
			c.Clear = number(high - float64(rnd.IntN(3)))
		} else {
			c.Hysteresis = float64(rnd.IntN(3))
		}
	case 1:
		c.Kind, c.Low = store.CondBelow, &low
		if rnd.IntN(2) == 0 {
			c.Clear = number(low + float64(rnd.IntN(3)))
		} else {
			c.Hysteresis = float64(rnd.IntN(3))
		}
	case 2:
		c.Kind, c.Low, c.High, c.Hysteresis = store.CondBetween, &low, &high, float64(rnd.IntN(2))
	case 3:
		c.Kind, c.Low, c.High = store.CondOutside, &low, &high
		c.Hysteresis = min(float64(rnd.IntN(3)), (high-low)/2)
	case 4:
		c.Kind, c.SilentFor = store.CondNoData, store.Duration(1+rnd.IntN(12))*store.Duration(time.Millisecond)
	}
	for _, d := range []*store.Duration{&r.For, &r.KeepFiring, &r.JoinWithin} {
		if rnd.IntN(2) == 0 {
			*d = some(20)
		}
	}
	return r
}

// randomHistory answers readings some milliseconds apart, with duplicates, steps
// back, bad ones and gaps, and ticks between.
func randomHistory(rnd *rand.Rand) (list []event, end int64) {
	at := int64(rnd.IntN(10))
	for range 5 + rnd.IntN(60) {
		switch rnd.IntN(12) {
		case 0: // the same time again
		case 1:
			at += int64(rnd.IntN(60))
		default:
			at += int64(1 + rnd.IntN(6))
		}
		e := event{at: at, value: float64(rnd.IntN(9)), evaluate: rnd.IntN(10) != 0, tick: rnd.IntN(6) == 0}
		list = append(list, e)
	}
	return list, at + int64(rnd.IntN(40))
}

// compare answers the episodes that both came to.
func compare(t testing.TB, seed uint64) []episode {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	r := randomRule(rnd)
	if err := r.Validate(); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	history, end := randomHistory(rnd)
	if r.Condition.Kind != store.CondNoData {
		history = stepsBack(rnd, history)
	}
	want := fmt.Sprintf("%+v", judgeHistory(r, history, end))
	got := watchHistory(t, r, history, end, rnd)
	if r.Condition.Kind == store.CondNoData { // the judge does not count seconds
		for i := range got {
			got[i].worst = math.NaN()
		}
	}
	if g := fmt.Sprintf("%+v", got); g != want {
		var lines strings.Builder
		for _, e := range history {
			fmt.Fprintf(&lines, "  %+v\n", e)
		}
		t.Fatalf("seed %d: %+v, for %s, keep %s, join %s\n%suntil %d\nwatch %s\njudge %s",
			seed, r.Condition, r.For, r.KeepFiring, r.JoinWithin, lines.String(), end, g, want)
	}
	return got
}

// stepsBack puts readings from before between others: they count for nothing.
func stepsBack(rnd *rand.Rand, history []event) []event {
	var list []event
	newest := int64(never)
	for _, e := range history {
		list = append(list, e)
		if !e.tick && e.evaluate {
			newest = max(newest, e.at)
		}
		if newest != never && rnd.IntN(8) == 0 {
			list = append(list, event{at: newest - int64(rnd.IntN(20)), value: float64(rnd.IntN(9)), evaluate: true})
		}
	}
	return list
}

// TestWatchAndJudge compares the two for rules and histories drawn at random.
func TestWatchAndJudge(t *testing.T) {
	n := uint64(20_000)
	if testing.Short() {
		n = 2000
	}
	episodes, joined, open := uint64(0), uint64(0), uint64(0)
	for seed := range n {
		for _, e := range compare(t, seed) {
			episodes++
			if e.flaps > 0 {
				joined++
			}
			if e.resolved == none {
				open++
			}
		}
	}
	t.Logf("%d histories, %d episodes, %d of them joined, %d open at the end", n, episodes, joined, open)
	if episodes < n || joined < n/10 || open < n/10 {
		t.Error("that is too few to say much")
	}
}

func FuzzWatchAndJudge(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed + 1<<32)
	}
	f.Fuzz(func(t *testing.T, seed uint64) { compare(t, seed) })
}
