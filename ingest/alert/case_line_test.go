package alert

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

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
