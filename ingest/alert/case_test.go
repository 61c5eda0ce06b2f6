package alert

// The language of testdata/*.txtar. Each file of an archive is a case: what a
// rule makes of readings at one port. A line is one of
//
//	# a comment
//	rule above high=10 clear=8 for=5s keep=2s join=1m hours=mon,fri@22:00-06:00@UTC
//	                                  the rule; parseRule has all fields
//	port low=1 high=9                 the port's own levels
//	zone Europe/Berlin                times are of this zone, and absolute
//	start 100s                        when the watch begins; else at 0s
//	5s 11.5                           a reading
//	5s 11.5 bad                       one that is not to be evaluated: of bad quality,
//	                                  or too old
//	5s 1 2 3x4 5/6x10 10..13 _ 7 every 1s
//	                                  a series from there on: 3x4 is four threes, 5/6x10
//	                                  ten by turns, 10..13 a ramp, _ leaves one out
//	5s tick                           time passes without a reading
//	5s restart                        the box was down until then
//	5s edit above high=12             the rule is another from here on
//	5s gone                           the device is
//
// and below each the steps that come of it, as the watch answers them:
//
//	> fired 5s: started 0s, first 11, worst 12 at 3s, last 11.5
//
// A time is a duration after 0s, or in a case with a zone a local time with its
// offset, 2026-03-29T01:30+01:00. Run with -update to write the steps anew, and
// then read what has changed.

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"tidegate/store"
)

var update = flag.Bool("update", false, "write the steps of testdata/*.txtar anew")

// fewestCases is how many cases there are at least: a pattern that finds none
// would pass.
const fewestCases = 60

func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for _, name := range files {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		cases += len(a.Files)
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			for i := range a.Files {
				f := &a.Files[i]
				t.Run(f.Name, func(t *testing.T) { runCase(t, f) })
			}
		})
		if *update {
			if err := os.WriteFile(name, txtar.Format(a), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if cases < fewestCases {
		t.Errorf("%d cases, at least %d are wanted", cases, fewestCases)
	}
}

// runCase runs a case in every way that must make no difference.
func runCase(t *testing.T, f *txtar.File) {
	got := play(t, f.Data, func(*player, action) {})
	if !bytes.Equal(got, f.Data) {
		if *update {
			f.Data = got
		} else {
			t.Errorf("other steps than expected:\n%s", diff(f.Data, got))
		}
	}
	for _, way := range []struct {
		name   string
		before func(*player, action)
	}{
		{"stored and read back before each line", func(p *player, _ action) { p.storeAndRead() }},
		{"ticked as far as each line", func(p *player, a action) {
			if a.kind != actRestart { // until then the box was down
				p.advance(a.at - 1)
			}
		}},
		{"ticked at each deadline", func(p *player, a action) {
			for a.kind != actRestart && p.w.Deadline() < a.at {
				p.advance(p.w.Deadline())
			}
		}},
	} {
		if other := play(t, f.Data, way.before); !bytes.Equal(other, got) {
			t.Errorf("%s, there are other steps:\n%s", way.name, diff(got, other))
		}
	}
	// By a clock: deadlines pass when it reaches them.
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		zero, set := int64(0), false
		other := play(t, f.Data, func(p *player, a action) {
			if !set {
				zero, set = a.at, true
			}
			for {
				wait := time.Duration(a.at-zero)*time.Millisecond - time.Since(began)
				if wait < 0 || p.w.Deadline() == none {
					break
				}
				due := time.Duration(p.w.Deadline()-zero)*time.Millisecond - time.Since(began)
				if due > wait || a.kind == actRestart {
					<-time.After(wait)
					break
				}
				<-time.After(due)
				p.advance(zero + time.Since(began).Milliseconds())
			}
		})
		if !bytes.Equal(other, got) {
			t.Errorf("by a clock there are other steps:\n%s", diff(got, other))
		}
	})
}

// diff answers got, its lines marked that are not in want, and those of want
// that are missing.
func diff(want, got []byte) string {
	a, b := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if common[i][j] = max(common[i+1][j], common[i][j+1]); a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	var out strings.Builder
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			fmt.Fprintf(&out, "        %s\n", a[i])
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			fmt.Fprintf(&out, "want    %s\n", a[i])
			i++
		default:
			fmt.Fprintf(&out, "got     %s\n", b[j])
			j++
		}
	}
	return out.String()
}

type actionKind int

const (
	actReading actionKind = iota
	actTick
	actRestart
	actEdit
	actGone
)

// action is one thing that happens to the watch.
type action struct {
	kind     actionKind
	at       int64
	value    float64
	evaluate bool
}

// player plays the lines of a case.
type player struct {
	t     testing.TB
	zone  *time.Location // nil: times are after zero
	zero  int64
	rule  store.AlertRule
	port  store.Port
	plan  *Plan
	w     *Watch
	start int64
	steps []Step // that are not written yet
}

// play answers the case with the steps that come of it. before is called before
// each action.
func play(t testing.TB, script []byte, before func(*player, action)) []byte {
	t.Helper()
	p := &player{t: t, zero: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()}
	p.start = p.zero
	var out bytes.Buffer
	for line := range strings.Lines(string(script)) {
		if strings.HasPrefix(line, ">") {
			continue
		}
		out.WriteString(line)
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		switch fields[0] {
		case "rule":
			p.rule = parseRule(t, fields[1:])
			continue
		case "port":
			for k, v := range pairs(t, fields[1:]) {
				*map[string]**float64{"low": &p.port.Low, "high": &p.port.High}[k] = number(float(t, v))
			}
			continue
		case "zone":
			zone, err := time.LoadLocation(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			p.zone = zone
			continue
		case "start":
			p.start = p.time(fields[1])
			continue
		}
		if p.w == nil {
			p.watch(p.start)
		}
		for _, a := range p.actions(fields) {
			before(p, a)
			p.act(a)
		}
		for _, s := range p.steps {
			fmt.Fprintf(&out, "> %s\n", p.describe(s))
		}
		p.steps = nil
	}
	return out.Bytes()
}

func (p *player) watch(from int64) {
	plan, ok := NewPlan(p.rule, p.port)
	if !ok {
		p.t.Fatal("the rule has nothing to watch at the port")
	}
	w := NewWatch(plan, from)
	p.plan, p.w = plan, &w
}

func (p *player) act(a action) {
	switch a.kind {
	case actReading:
		p.take(p.w.Observe(p.plan, a.at, a.value, a.evaluate))
	case actTick:
		p.advance(a.at)
	case actRestart:
		p.w.Restart(p.plan, a.at)
		p.advance(a.at)
	case actEdit:
		p.advance(a.at)
		p.edit(a.at)
	case actGone:
		p.advance(a.at)
		p.take(p.w.End(a.at, store.EndDeviceGone))
	}
}

// edit does what an engine does.
func (p *player) edit(at int64) {
	plan, ok := NewPlan(p.rule, p.port)
	if !ok {
		p.t.Fatal("the rule has nothing to watch at the port")
	}
	if plan.Same(p.plan) {
		p.plan = plan
		return
	}
	p.take(p.w.End(at, store.EndRuleChanged))
	p.watch(at)
}

func (p *player) advance(to int64) { p.take(p.w.Advance(p.plan, to)) }

func (p *player) take(c Change) { p.steps = append(p.steps, c.Steps...) }

func (p *player) storeAndRead() {
	p.t.Helper()
	b := p.w.AppendBinary(nil)
	var w Watch
	if err := w.UnmarshalBinary(b); err != nil {
		p.t.Fatal(err)
	}
	if again := w.AppendBinary(nil); !bytes.Equal(again, b) {
		p.t.Fatalf("a state is stored again as another one:\n%x\n%x", b, again)
	}
	p.w = &w
}

const localTime = "2006-01-02T15:04:05.999Z07:00"
