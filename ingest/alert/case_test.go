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
	"math"
	"os"
	"path/filepath"
	"strconv"
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

// actions reads a line that begins with a time.
func (p *player) actions(fields []string) []action {
	p.t.Helper()
	at := p.time(fields[0])
	if len(fields) < 2 {
		p.t.Fatalf("%v: a time, and nothing that happens", fields)
	}
	switch fields[1] {
	case "tick":
		return []action{{kind: actTick, at: at}}
	case "restart":
		return []action{{kind: actRestart, at: at}}
	case "gone":
		return []action{{kind: actGone, at: at}}
	case "edit":
		p.rule = parseRule(p.t, fields[2:])
		return []action{{kind: actEdit, at: at}}
	}
	fields = fields[1:]
	evaluate := true
	if last := len(fields) - 1; fields[last] == "bad" {
		evaluate, fields = false, fields[:last]
	}
	every := int64(0)
	if n := len(fields); n > 2 && fields[n-2] == "every" {
		every, fields = duration(p.t, fields[n-1]).Ms(), fields[:n-2]
	} else if n > 1 {
		p.t.Fatalf("%v: a series needs every", fields)
	}
	var list []action
	i := int64(0)
	for _, v := range values(p.t, fields) {
		if !math.IsNaN(v) {
			list = append(list, action{kind: actReading, at: at + i*every, value: v, evaluate: evaluate})
		}
		i++
	}
	return list
}

// values reads a series; NaN is one that is left out.
func values(t testing.TB, fields []string) []float64 {
	t.Helper()
	var list []float64
	for _, f := range fields {
		if from, to, ok := strings.Cut(f, ".."); ok {
			for v, last := float(t, from), float(t, to); v <= last; v++ {
				list = append(list, v)
			}
			continue
		}
		of, times, ok := strings.Cut(f, "x")
		n := 1
		if ok {
			n = int(float(t, times))
		}
		turns := strings.Split(of, "/")
		for i := range n {
			if v := turns[i%len(turns)]; v == "_" {
				list = append(list, math.NaN())
			} else {
				list = append(list, float(t, v))
			}
		}
	}
	return list
}

// parseRule reads a kind and its fields.
func parseRule(t testing.TB, fields []string) store.AlertRule {
	t.Helper()
	r := store.AlertRule{
		ID: "rule-1", OrgID: "acme", Name: "case", Severity: store.SeverityWarning,
		Condition: store.Condition{Kind: store.ConditionKind(fields[0])},
	}
	c := &r.Condition
	numbers := map[string]**float64{"high": &c.High, "low": &c.Low, "clear": &c.Clear, "value": &c.Value, "rise": &c.Rise, "fall": &c.Fall}
	floats := map[string]*float64{
		"hysteresis": &c.Hysteresis, "factor": &c.Factor, "sigmas": &c.Sigmas, "distance": &c.Distance, "tolerance": &c.Tolerance,
	}
	durations := map[string]*store.Duration{
		"for": &r.For, "keep": &r.KeepFiring, "join": &r.JoinWithin, "per": &c.Per, "window": &c.Window, "silent": &c.SilentFor,
	}
	for k, v := range pairs(t, fields[1:]) {
		switch {
		case numbers[k] != nil:
			*numbers[k] = number(float(t, v))
		case floats[k] != nil:
			*floats[k] = float(t, v)
		case durations[k] != nil:
			*durations[k] = duration(t, v)
		case k == "hours": // mon,tue@22:00-06:00@Europe/Berlin
			part := strings.Split(v, "@")
			r.Schedule = &store.Schedule{Zone: part[2]}
			if part[0] != "" {
				for d := range strings.SplitSeq(part[0], ",") {
					r.Schedule.Days = append(r.Schedule.Days, store.Weekday(d))
				}
			}
			if from, to, ok := strings.Cut(part[1], "-"); ok {
				r.Schedule.From, r.Schedule.To = store.ClockTime(from), store.ClockTime(to)
			}
		case k == "name":
			r.Name = v
		default:
			t.Fatalf("a rule has no %q", k)
		}
	}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
	return r
}

func pairs(t testing.TB, fields []string) map[string]string {
	t.Helper()
	m := map[string]string{}
	for _, f := range fields {
		k, v, ok := strings.Cut(f, "=")
		if !ok {
			t.Fatalf("%q is not a pair", f)
		}
		m[k] = v
	}
	return m
}

func float(t testing.TB, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func duration(t testing.TB, s string) store.Duration {
	t.Helper()
	d, err := store.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const localTime = "2006-01-02T15:04:05.999Z07:00"

func (p *player) time(s string) int64 {
	p.t.Helper()
	if p.zone == nil {
		return p.zero + duration(p.t, s).Ms()
	}
	at, err := time.Parse("2006-01-02T15:04Z07:00", s)
	if err != nil {
		if at, err = time.Parse(localTime, s); err != nil {
			p.t.Fatal(err)
		}
	}
	return at.UnixMilli()
}

func (p *player) say(at int64) string {
	if p.zone == nil {
		return store.Duration(time.Duration(at-p.zero) * time.Millisecond).String()
	}
	t := time.UnixMilli(at).In(p.zone)
	if t.Second() == 0 && t.Nanosecond() == 0 {
		return t.Format("2006-01-02T15:04Z07:00")
	}
	return t.Format(localTime)
}

// describe writes a step. It says what an event would.
func (p *player) describe(s Step) string {
	e := s.Episode
	out := fmt.Sprintf("%s %s", s.Kind, p.say(s.At))
	if s.Kind == StepDropped {
		return out
	}
	out += ": started " + p.say(e.StartedAt)
	if s.Kind != StepBegan && s.Kind != StepFired {
		out += ", fired " + p.say(e.FiredAt)
	}
	if s.Kind == StepResolved {
		out += fmt.Sprintf(", ended by %s", e.End)
		if e.ResolvedAt != s.At {
			p.t.Errorf("%s, but resolved at %s", out, p.say(e.ResolvedAt))
		}
	}
	if !math.IsNaN(e.First) {
		out += fmt.Sprintf(", first %g", e.First)
	}
	if !math.IsNaN(e.Worst) {
		out += fmt.Sprintf(", worst %g at %s", e.Worst, p.say(e.WorstAt))
	}
	if !math.IsNaN(e.Last) {
		out += fmt.Sprintf(", last %g", e.Last)
	}
	if e.Flaps > 0 {
		out += fmt.Sprintf(", flaps %d", e.Flaps)
	}
	return out
}
