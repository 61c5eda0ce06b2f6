package alert

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

// stored is a watch in some state, as of a time.
type stored struct {
	*Watch
	plan *Plan
	rule int // index into ruleOfEachKind
	at   int64
}

// inEveryState answers watches of every kind in every state.
func inEveryState(t testing.TB) (list []stored) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(5, 6))
	for i, p := range plansOfEachKind(t) {
		seen := map[State]bool{}
		keep := func(w *Watch, at int64) {
			if seen[w.State()] {
				return
			}
			seen[w.State()] = true
			c := *w
			if c.memory != nil {
				m := *c.memory
				m.anchors, m.intervals = slices.Clone(m.anchors), slices.Clone(m.intervals)
				c.memory = &m
			}
			list = append(list, stored{&c, p, i, at})
		}
		for range 50 {
			w := NewWatch(p, 0)
			at, value, regime := int64(0), 0.0, 0
			for range 400 {
				if rnd.IntN(12) == 0 {
					regime = rnd.IntN(4)
				}
				switch regime {
				case 0: // it stays
				case 1:
					value = float64(rnd.IntN(3)) + 5
				case 2:
					value += 40
				case 3:
					value = float64(rnd.IntN(60) - 30)
				}
				at += 1000 + rnd.Int64N(3000)
				if rnd.IntN(20) == 0 {
					w.Advance(p, at+rnd.Int64N(30_000))
					keep(&w, at+30_000)
					at += 30_000
				}
				w.Observe(p, at, value, true)
				w.Advance(p, at+rnd.Int64N(500))
				keep(&w, at+500)
			}
		}
		if len(seen) < 4 || len(seen) < 5 && p.lasting > 0 {
			t.Errorf("rule %d was only ever in %v", i, seen)
		}
	}
	return list
}

// plansOfEachKind answers plans in which everything takes its time.
func plansOfEachKind(t testing.TB) []*Plan {
	t.Helper()
	var list []*Plan
	for _, r := range ruleOfEachKind() {
		r.KeepFiring, r.JoinWithin = store.Duration(10*time.Second), store.Duration(time.Minute)
		if r.Condition.Kind != store.CondChanged {
			r.For = store.Duration(3 * time.Second)
		}
		list = append(list, plan(t, r))
	}
	return list
}

// TestStateOfVersionOne reads what the first version wrote, and goes on with it.
// The file stays as it is: a later version reads it, too.
func TestStateOfVersionOne(t *testing.T) {
	const name = "testdata/state_v1.txt"
	if _, err := os.Stat(name); os.IsNotExist(err) && *update {
		var lines strings.Builder
		for _, s := range inEveryState(t) {
			fmt.Fprintf(&lines, "%x %d %d %s\n", s.AppendBinary(nil), s.rule, s.at, goOn(s))
		}
		if err := os.WriteFile(name, []byte(lines.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	plans := plansOfEachKind(t)
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		s := stored{Watch: &Watch{}}
		var body []byte
		if _, err := fmt.Sscanf(line, "%x %d %d", &body, &s.rule, &s.at); err != nil {
			t.Fatal(err)
		}
		if err := s.UnmarshalBinary(body); err != nil {
			t.Fatal(err)
		}
		s.plan = plans[s.rule]
		_, want, _ := strings.Cut(strings.TrimSpace(line), " at ")
		if _, got, _ := strings.Cut(goOn(s), "at "); got != want {
			t.Errorf("line %d: %s\nwant %s", n, got, want)
		}
	}
	if n < 60 {
		t.Errorf("%d states", n)
	}
}

// goOn writes what a watch says, and what comes of some more readings.
func goOn(s stored) string {
	e := s.Episode()
	out := fmt.Sprintf("at first %s until %d: %+v", s.State(), s.Deadline(), e)
	for i := range int64(60) {
		v := float64((s.at + 1000*i) % 16)
		if i > 40 {
			v = 7
		}
		for _, step := range s.Observe(s.plan, s.at+1000*i, v, i%20 < 10).Steps {
			out += fmt.Sprintf(" %s %d", step.Kind, step.At)
		}
	}
	for _, step := range s.Advance(s.plan, s.at+1_000_000).Steps {
		out += fmt.Sprintf(" %s %d", step.Kind, step.At)
	}
	return out
}

func TestStatesThatAreNone(t *testing.T) {
	for _, w := range inEveryState(t) {
		b := w.AppendBinary(nil)
		for n := range b {
			if err := w.UnmarshalBinary(b[:n]); err == nil {
				t.Fatalf("%x was taken though it is cut at %d", b, n)
			}
		}
		if err := w.UnmarshalBinary(append(bytes.Clone(b), 0)); err == nil {
			t.Fatalf("%x was taken with a byte more", b)
		}
		if !bytes.Equal(w.AppendBinary(nil), b) {
			t.Fatal("what could not be read has changed the watch")
		}
	}
	// An episode to be joined goes with pending alone.
	w := Watch{state: Firing, before: &past{}}
	if err := w.UnmarshalBinary(w.AppendBinary(nil)); err == nil {
		t.Error("a state that no watch is in was taken")
	}
	if err := w.UnmarshalBinary([]byte{version + 1}); err == nil || !strings.Contains(err.Error(), "written by a later one") {
		t.Errorf("a later version: %v", err)
	}
}

// FuzzUnmarshal reads anything, and goes on with what it could read: with any
// plan, to an end, and as the same when it is stored again.
func FuzzUnmarshal(f *testing.F) {
	plans := plansOfEachKind(f)
	for _, w := range inEveryState(f) {
		for i := range plans { // also those of other kinds
			f.Add(w.AppendBinary(nil), uint8(i))
		}
	}
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, which uint8) {
		var w Watch
		if w.UnmarshalBinary(b) != nil {
			return
		}
		first := w.AppendBinary(nil)
		var again Watch
		if err := again.UnmarshalBinary(first); err != nil {
			t.Fatalf("%x is stored as %x: %v", b, first, err)
		}
		if !bytes.Equal(again.AppendBinary(nil), first) {
			t.Fatalf("%x is stored as %x, and that as %x", b, first, again.AppendBinary(nil))
		}
		p := plans[int(which)%len(plans)]
		for _, w := range []*Watch{&w, &again} {
			for i := range int64(40) {
				w.Observe(p, i*1500, float64(i%7)*5, true)
				w.Advance(p, i*1500+700)
			}
			w.Restart(p, 100_000)
			w.Advance(p, none-1)
		}
		if a, b := w.AppendBinary(nil), again.AppendBinary(nil); !bytes.Equal(a, b) {
			t.Fatalf("one goes on as %x, the other as %x", a, b)
		}
		w.End(200_000, store.EndDeviceGone)
	})
}
