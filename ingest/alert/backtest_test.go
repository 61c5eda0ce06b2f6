package alert

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/store"
	"tidegate/store/embedded"
)

// listed is a Source over a slice. A page has at most length readings.
type listed struct {
	readings []PastReading
	length   int
	pages    int
	longest  int
}

func (l *listed) Page(_ context.Context, page []PastReading, from, to int64) ([]PastReading, error) {
	l.pages++
	i, _ := slices.BinarySearchFunc(l.readings, from, func(r PastReading, ts int64) int { return int(min(max(r.TS-ts, -1), 1)) })
	for ; i < len(l.readings) && l.readings[i].TS < to && len(page) < l.length; i++ {
		page = append(page, l.readings[i])
	}
	l.longest = max(l.longest, cap(page))
	return page, nil
}

// everySecond is a Source that makes readings as they are asked for.
type everySecond struct {
	value  func(second int64) float64
	length int
}

func (e everySecond) Page(_ context.Context, page []PastReading, from, to int64) ([]PastReading, error) {
	for at := (from + 999) / 1000 * 1000; at < to && len(page) < e.length; at += 1000 {
		page = append(page, PastReading{TS: at, Value: e.value(at / 1000)})
	}
	return page, nil
}

func aboveTen(edit func(*store.AlertRule)) store.AlertRule {
	r := store.AlertRule{ID: "rule-1", OrgID: "acme", Name: "b", Condition: store.Condition{Kind: store.CondAbove, High: number(10)}}
	if edit != nil {
		edit(&r)
	}
	return r
}

func backtest(t testing.TB, o BacktestOptions) Backtested {
	t.Helper()
	b, err := Backtest(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func spans(p PlanBacktested) string {
	var out []string
	for _, e := range p.Episodes {
		end := "open"
		if e.State == Resolved {
			end = fmt.Sprint(e.ResolvedAt / 1000)
		}
		out = append(out, fmt.Sprintf("%d-%s", e.StartedAt/1000, end))
	}
	return strings.Join(out, " ")
}

func TestBacktestOfARange(t *testing.T) {
	// Above from 100 to 199, from 400 to 499 and so on, each time with one peak.
	value := func(s int64) float64 {
		switch {
		case s%300 < 100 || s%300 >= 200:
			return 5
		case s%300 == 137:
			return 90
		}
		return 12
	}
	p := plan(t, aboveTen(nil))
	for _, c := range []struct {
		from, to int64
		want     string
		lasted   int64
	}{
		{0, 300, "100-200", 100},
		{0, 200, "100-open", 100},
		{0, 201, "100-200", 100},
		{0, 1000, "100-200 400-500 700-800", 300},
		{150, 450, "100-200 400-open", 150}, // it went on when the range began
		{200, 300, "", 0},                   // it was over then
		{0, 100, "", 0},
		{100, 101, "100-open", 1},
	} {
		b := backtest(t, BacktestOptions{Source: everySecond{value, 17}, Plans: []*Plan{p}, From: c.from * 1000, To: c.to * 1000})
		if got := spans(b.Plans[0]); got != c.want || b.Plans[0].Lasted != c.lasted*1000 || b.Readings != int(c.to-c.from) {
			t.Errorf("%d to %d: %q, %d ms of %d readings; want %q, %d s", c.from, c.to, got, b.Plans[0].Lasted, b.Readings, c.want, c.lasted)
		}
	}
}

// TestBacktestIsTheSameWatch compares with a Watch that is given the readings.
func TestBacktestIsTheSameWatch(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 9))
	episodes := 0
	for seed := range uint64(300) {
		r := randomRule(rnd)
		history, end := randomHistory(rnd)
		history = slices.DeleteFunc(evaluated(history), func(e event) bool { return rnd.IntN(7) == 0 })
		if len(history) == 0 {
			continue
		}
		l := &listed{length: 1 + rnd.IntN(9)}
		for _, e := range history {
			l.readings = append(l.readings, PastReading{TS: e.at, Value: e.value})
		}
		var want []string
		for _, e := range watchHistory(t, r, history, end, rnd) {
			want = append(want, fmt.Sprintf("%d %d %d %g %g %d", e.started, e.fired, e.resolved, e.first, e.last, e.flaps))
		}
		b := backtest(t, BacktestOptions{Source: l, Plans: []*Plan{plan(t, r)}, From: -1, To: end + 1})
		var got []string
		for _, e := range b.Plans[0].Episodes {
			resolved := e.ResolvedAt
			if e.Open() {
				resolved = none
			}
			got = append(got, fmt.Sprintf("%d %d %d %g %g %d", e.StartedAt, e.FiredAt, resolved, e.First, e.Last, e.Flaps))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %q, want %q", seed, got, want)
		}
		episodes += len(got)
	}
	if episodes < 300 {
		t.Errorf("%d episodes say little", episodes)
	}
}

func TestCurves(t *testing.T) {
	day := int64(86_400)
	value := func(s int64) float64 {
		switch {
		case s == 2*day+4321:
			return 99 // a single second
		case s == 3*day-4321:
			return 10.5
		case s >= 2*day && s < 3*day:
			return 11 + 0.1*float64(s%7)
		}
		return float64(s % 5)
	}
	p := plan(t, aboveTen(nil))
	b := backtest(t, BacktestOptions{Source: everySecond{value, 4096}, Plans: []*Plan{p}, From: 0, To: 10 * day * 1000})
	if got := spans(b.Plans[0]); got != fmt.Sprintf("%d-%d", 2*day, 3*day) {
		t.Fatal(got)
	}
	c := b.Plans[0].Episodes[0].Curve
	if len(c) > DefaultCurvePoints || len(c) < DefaultCurvePoints/2 {
		t.Errorf("%d points", len(c))
	}
	highest, lowestWithin := math.Inf(-1), math.Inf(1)
	for i, pt := range c {
		if i > 0 && pt.TS <= c[i-1].TS {
			t.Fatalf("point %d at %d is not behind that at %d", i, pt.TS, c[i-1].TS)
		}
		if v := value(pt.TS / 1000); v != pt.Value {
			t.Fatalf("the point at %d is %g, the reading %g", pt.TS, pt.Value, v)
		}
		highest = max(highest, pt.Value)
		if s := pt.TS / 1000; s >= 2*day && s < 3*day {
			lowestWithin = min(lowestWithin, pt.Value)
		}
	}
	if highest != 99 || lowestWithin != 10.5 {
		t.Errorf("highest %g, lowest within %g: a peak is lost", highest, lowestWithin)
	}
	if first, last := c[0].TS/1000, c[len(c)-1].TS/1000; first > 2*day-day/6 || first < 2*day-day/4 || last < 3*day+day/6 || last > 3*day+day/4 {
		t.Errorf("from %d to %d: that is not a little before %d and after %d", first, last, 2*day, 3*day)
	}

	// A short one has some readings around it, and one that is open ends with the range.
	b = backtest(t, BacktestOptions{Source: everySecond{value, 4096}, Plans: []*Plan{p}, From: 0, To: (2*day + 1) * 1000})
	if c = b.Plans[0].Episodes[0].Curve; len(c) < 15 || c[len(c)-1].TS != 2*day*1000 {
		t.Errorf("%v", c)
	}
	// Bad readings are not drawn, nor is what is no number.
	l := &listed{length: 3, readings: []PastReading{{1000, 5, store.Good}, {2000, 11, 0}, {3000, 1e9, store.Bad}, {4000, math.Inf(1), 0}, {5000, 12, store.Uncertain}, {6000, 4, 0}}}
	b = backtest(t, BacktestOptions{Source: l, Plans: []*Plan{p}, From: 0, To: 9000})
	if got := fmt.Sprint(b.Plans[0].Episodes[0].Curve); got != "[{1000 5} {2000 11} {5000 12} {6000 4}]" {
		t.Error(got)
	}
}

func TestBacktestComparesTwoPlans(t *testing.T) {
	value := func(s int64) float64 { return []float64{5, 11, 21, 11}[s/60%4] }
	old := plan(t, aboveTen(nil))
	edited := plan(t, aboveTen(func(r *store.AlertRule) { r.Condition.High = number(20) }))
	for _, page := range []int{7, 1000} {
		b := backtest(t, BacktestOptions{Source: everySecond{value, page}, Plans: []*Plan{old, edited}, From: 48_000_000, To: 48_480_000})
		if a, e := spans(b.Plans[0]), spans(b.Plans[1]); a != "48060-48240 48300-open" || e != "48120-48180 48360-48420" {
			t.Errorf("old %q, edited %q", a, e)
		}
	}
}

func TestBacktestKeepsSoMany(t *testing.T) {
	value := func(s int64) float64 { return float64(s % 2 * 20) }
	b := backtest(t, BacktestOptions{
		Source: everySecond{value, 500}, Plans: []*Plan{plan(t, aboveTen(nil))}, From: 0, To: 2_000_000, MaxEpisodes: 30, CurvePoints: 10,
	})
	p := b.Plans[0]
	if len(p.Episodes) != 30 || p.LeftOut != 970 || p.Lasted != 1_000_000 {
		t.Errorf("%d kept, %d left out, %d ms in all", len(p.Episodes), p.LeftOut, p.Lasted)
	}
	for _, e := range p.Episodes {
		if len(e.Curve) == 0 || len(e.Curve) > 10 {
			t.Fatalf("a curve of %d points", len(e.Curve))
		}
	}
}

func TestBacktestLooksBack(t *testing.T) {
	hour := store.Duration(time.Hour)
	value := func(s int64) float64 {
		if s >= 400_000 {
			return 30
		}
		return float64(s % 3)
	}
	for _, c := range []struct {
		rule store.AlertRule
		want string
	}{
		// The mean of the hours before the range is known when it begins.
		{store.AlertRule{Condition: store.Condition{Kind: store.CondDeviation, Window: 2 * hour, Distance: 20}}, "400000-open"},
		// The time for which it has to last began before the range.
		{aboveTen(func(r *store.AlertRule) { r.For = hour }), "400000-open"},
		{store.AlertRule{Condition: store.Condition{Kind: store.CondStuck, Window: hour}}, "403600-open"},
	} {
		b := backtest(t, BacktestOptions{Source: everySecond{value, 5000}, Plans: []*Plan{plan(t, c.rule)}, From: 399_990_000, To: 400_100_000})
		if c.rule.For > 0 || c.rule.Condition.Kind == store.CondStuck {
			b = backtest(t, BacktestOptions{Source: everySecond{value, 5000}, Plans: []*Plan{plan(t, c.rule)}, From: 403_599_000, To: 403_700_000})
		}
		if got := spans(b.Plans[0]); got != c.want {
			t.Errorf("%s: %q, want %q", c.rule.Condition.Kind, got, c.want)
		}
	}
}

// failing answers an error after some pages.
type failing struct {
	everySecond
	after int
	err   error
	stop  func()
}

func (f *failing) Page(ctx context.Context, page []PastReading, from, to int64) ([]PastReading, error) {
	if f.after--; f.after < 0 {
		if f.stop == nil {
			return page, f.err
		}
		f.stop()
	}
	return f.everySecond.Page(ctx, page, from, to)
}

func TestBacktestEndsEarly(t *testing.T) {
	zero := everySecond{func(int64) float64 { return 0 }, 10}
	p := []*Plan{plan(t, aboveTen(nil))}
	away := errors.New("it is away")
	if _, err := Backtest(t.Context(), BacktestOptions{Source: &failing{everySecond: zero, after: 3, err: away}, Plans: p, To: 1e9}); !errors.Is(err, away) || !strings.HasPrefix(err.Error(), "read history: ") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f := &failing{everySecond: zero, after: 3, stop: cancel}
	if _, err := Backtest(ctx, BacktestOptions{Source: f, Plans: p, To: 1e9}); !errors.Is(err, context.Canceled) || f.after < -2 {
		t.Errorf("%v, %d pages later", err, -f.after)
	}
	// A source that goes round in circles is no endless loop.
	l := sourceFunc(func(page []PastReading, from int64) []PastReading { return append(page, PastReading{TS: from - 1}) })
	if _, err := Backtest(t.Context(), BacktestOptions{Source: l, Plans: p, To: 1e9}); err == nil {
		t.Error("a page that lies before what was asked for was taken")
	}
	for _, o := range []BacktestOptions{
		{Plans: p, From: 5, To: 5},
		{From: 1, To: 5},
		{Plans: make([]*Plan, maxPlans+1), To: 5},
	} {
		if _, err := Backtest(t.Context(), o); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

type sourceFunc func(page []PastReading, from int64) []PastReading

func (f sourceFunc) Page(_ context.Context, page []PastReading, from, _ int64) ([]PastReading, error) {
	return f(page, from), nil
}

func TestProgress(t *testing.T) {
	var at []int64
	seen := 0
	backtest(t, BacktestOptions{
		Source: everySecond{func(int64) float64 { return 0 }, 100}, Plans: []*Plan{plan(t, aboveTen(nil))}, From: 0, To: 1_000_000,
		Progress: func(ts int64, readings int) { at, seen = append(at, ts), readings },
	})
	if len(at) < 10 || !slices.IsSorted(at) || at[len(at)-1] != 999_000 || seen != 1000 {
		t.Errorf("%v, %d readings", at, seen)
	}
}

// TestAMonthOfSeconds runs over 2.6 million readings, with a bounded heap.
func TestAMonthOfSeconds(t *testing.T) {
	month := int64(30 * 86_400)
	if testing.Short() {
		month /= 10
	}
	value := func(s int64) float64 { return float64(s % 7200 / 600) } // 11 for the last ten minutes of each two hours
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b := backtest(t, BacktestOptions{
		Source: everySecond{value, 4096}, Plans: []*Plan{plan(t, aboveTen(nil))}, From: 0, To: month * 1000,
	})
	runtime.ReadMemStats(&after)
	p := b.Plans[0]
	if len(p.Episodes) != int(month/7200) || b.Readings != int(month) || p.Lasted != month/12*1000 {
		t.Errorf("%d episodes of %d ms in %d readings", len(p.Episodes), p.Lasted, b.Readings)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("%d MB were allocated in all", grown>>20)
	}
}

// TestHistory runs over readings of a real store, calibrated.
func TestHistory(t *testing.T) {
	s, err := embedded.OpenSeries(t.TempDir(), embedded.SeriesOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Bind(store.Bounds{Log: store.LogID{1}, Head: math.MaxInt64}); err != nil {
		t.Fatal(err)
	}
	if commit, err := s.Recover(t.Context()); err != nil {
		t.Fatal(err)
	} else if commit != nil {
		if err := commit(); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Date(2026, 1, 31, 23, 50, 0, 0, time.UTC).UnixMilli() // and over into the next month
	batch := store.Batch{Through: 1}
	for i := range int64(1200) {
		q := store.Good
		if i == 700 {
			q = store.Bad
		}
		for port := range uint16(2) {
			batch.Items = append(batch.Items, store.Item{
				Series: store.Series{UID: 5, Port: port}, Seq: 1, Hour: start / 3_600_000,
				Sample: store.Sample{TS: start + i*1000, Raw: float64(i) * float64(port), IngestTS: start, Calibration: 1, Quality: q},
			})
		}
	}
	if err := s.Append(t.Context(), &batch); err != nil {
		t.Fatal(err)
	}
	port := store.Port{Number: 1, Calibrations: []store.Calibration{
		{Number: 1, Scaling: 0.01},
		{Number: 2, Scaling: 0.1, Offset: -50, EffectiveFrom: time.UnixMilli(start + 1_000_000)},
	}}
	b := backtest(t, BacktestOptions{
		Source: &History{Readings: s, Series: store.Series{UID: 5, Port: 1}, Port: port, PageLength: 100},
		Plans:  []*Plan{plan(t, aboveTen(nil)), plan(t, aboveTen(func(r *store.AlertRule) { r.Condition.High = number(6.995) }))},
		From:   start, To: start + 3_600_000,
	})
	// 0.1*i - 50 from 1000 s on: above 10 at once.
	var got []string
	for _, p := range b.Plans {
		for _, e := range p.Episodes {
			got = append(got, fmt.Sprintf("%d first %.3f last %.3f", (e.StartedAt-start)/1000, e.First, e.Last))
		}
	}
	if want := []string{"1000 first 50.000 last 69.900", "701 first 7.010 last 69.900"}; !slices.Equal(got, want) || b.Readings != 1200 {
		t.Errorf("%q of %d readings, want %q", got, b.Readings, want)
	}
}

// BenchmarkMonthOfSeconds is a month at 1 Hz through a watch of a level that is
// not reached, from a page in memory.
func BenchmarkMonthOfSeconds(b *testing.B) {
	const month = 30 * 86_400
	rnd := rand.New(rand.NewPCG(1, 1))
	page := make([]PastReading, 4096)
	for i := range page {
		page[i] = PastReading{Value: rnd.Float64() * 9}
	}
	for b.Loop() {
		r := backtestRun{o: &BacktestOptions{}, plan: plan(b, aboveTen(nil))}
		r.watch = NewWatch(r.plan, 0)
		for at := int64(0); at < month; at += int64(len(page)) {
			for i := range page {
				page[i].TS = (at + int64(i)) * 1000
			}
			r.read(page)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/month, "ns/reading")
}
