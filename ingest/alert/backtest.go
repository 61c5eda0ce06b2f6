package alert

import (
	"context"
	"fmt"

	"tidegate/store"
)

// BacktestOptions say what to run over which history; zero fields take the
// defaults.
type BacktestOptions struct {
	Source Source
	// Plans run side by side in one pass: one rule, or an edited one and the old.
	Plans []*Plan
	// From and To bound the history, From <= ts < To, in Unix ms. What the plans
	// look back for is read from before From; what ended before it is left out.
	From, To int64
	// MaxEpisodes are kept of each plan; those behind them are counted.
	MaxEpisodes int
	// CurvePoints are at most drawn of each episode.
	CurvePoints int
	// Progress, when not nil, is told now and then how far it has come, in Unix
	// ms, and how many readings it has seen.
	Progress func(at int64, readings int)
}

// Defaults of BacktestOptions.
const (
	DefaultMaxEpisodes = 500
	DefaultCurvePoints = 200
)

// maxPlans bounds the plans of one pass.
const maxPlans = 4

// Source answers the history of one port.
type Source interface {
	// Page appends readings with from <= TS < to, in order of TS, and answers
	// the longer slice: none are added only when there are none left. The next
	// page is asked for from the millisecond behind the last.
	Page(ctx context.Context, page []PastReading, from, to int64) ([]PastReading, error)
}

// PastReading is a stored reading.
type PastReading struct {
	TS      int64   // Unix ms
	Value   float64 // calibrated
	Quality store.Quality
}

// Backtested is what came of a back-test.
type Backtested struct {
	Readings int // of the range
	// Plans are as in BacktestOptions.
	Plans []PlanBacktested
}

// PlanBacktested is what a plan would have done.
type PlanBacktested struct {
	Episodes []PastEpisode // oldest first, those of the range
	LeftOut  int           // episodes of the range behind these
	// Lasted is how long the condition of all of them has held in ms, from when it
	// began until it was resolved, or until the end of the range.
	Lasted int64
}

// PastEpisode is an episode with the readings around it. One that is open went
// on at the end of the range.
type PastEpisode struct {
	Episode
	Curve []Point // oldest first, from a little before its start to a little after its end
}

// Backtest runs plans over history, as if each reading had been received at its
// time. Memory is bounded whatever the history: by a page, and by the episodes
// and the points that are kept. It ends with an error of the source, or of ctx.
func Backtest(ctx context.Context, o BacktestOptions) (Backtested, error) {
	switch {
	case o.From >= o.To:
		return Backtested{}, store.Invalid("back-test", "from", "must be before to")
	case len(o.Plans) == 0 || len(o.Plans) > maxPlans:
		return Backtested{}, store.Invalid("back-test", "rules", "are 1 to %d", maxPlans)
	}
	if o.MaxEpisodes <= 0 {
		o.MaxEpisodes = DefaultMaxEpisodes
	}
	if o.CurvePoints <= 0 {
		o.CurvePoints = DefaultCurvePoints
	}
	lookBack := int64(0)
	for _, p := range o.Plans {
		lookBack = max(lookBack, p.lookBack())
	}
	begin := o.From - lookBack
	runs := make([]backtestRun, len(o.Plans))
	for i, p := range o.Plans {
		runs[i] = backtestRun{o: &o, plan: p, watch: NewWatch(p, begin)}
	}
	result := Backtested{Plans: make([]PlanBacktested, len(o.Plans))}
	err := pages(ctx, o.Source, begin, o.To, func(page []PastReading) {
		for i := range runs {
			runs[i].read(page)
		}
		for _, r := range page {
			if r.TS >= o.From {
				result.Readings++
			}
		}
		if last := page[len(page)-1].TS; o.Progress != nil && last >= o.From {
			o.Progress(last, result.Readings)
		}
	})
	if err != nil {
		return Backtested{}, err
	}
	// A little before and after is so many readings, where it lasts for few.
	interval := (o.To - o.From) / int64(max(result.Readings, 1))
	for i := range runs {
		result.Plans[i] = runs[i].finish()
		for k := range result.Plans[i].Episodes {
			e := &result.Plans[i].Episodes[k]
			if e.Curve, err = drawEpisode(ctx, &o, e.Episode, interval); err != nil {
				return Backtested{}, err
			}
		}
	}
	return result, nil
}

// lookBack is how far before its range a back-test of p begins, so that what it
// looks back for, or what lasts, is as it would have been.
func (p *Plan) lookBack() int64 {
	const hour, most = 3_600_000, 31 * 24 * 3_600_000
	ms := 2*p.window + p.silentFor + p.lasting + p.keepFiring + p.joinWithin + hour
	if p.kind == noData && p.silentFor == 0 {
		ms += 24 * hour // for its cadence
	}
	return min(ms, most)
}

// pages calls fn for each page of a range.
func pages(ctx context.Context, s Source, from, to int64, fn func([]PastReading)) error {
	var page []PastReading
	for from < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if page, err = s.Page(ctx, page[:0], from, to); err != nil {
			return fmt.Errorf("read history: %w", err)
		}
		if len(page) == 0 {
			return nil
		}
		fn(page)
		next := page[len(page)-1].TS + 1
		if next <= from {
			return fmt.Errorf("read history: a page from %d on ends at %d", from, next-1)
		}
		from = next
	}
	return nil
}

// backtestRun is a plan on its way through history.
type backtestRun struct {
	o     *BacktestOptions
	plan  *Plan
	watch Watch
	// held is the last episode: it may still go on, or be joined.
	held    Episode
	holding bool
	out     PlanBacktested
}

func (r *backtestRun) read(page []PastReading) {
	for i := range page {
		p := &page[i]
		if c := r.watch.Observe(r.plan, p.TS, p.Value, p.Quality != store.Bad); len(c.Steps) > 0 {
			r.take(c)
		}
	}
}

func (r *backtestRun) take(c Change) {
	for _, s := range c.Steps {
		switch s.Kind {
		case StepFired:
			r.keep()
			r.held, r.holding = s.Episode, true
		case StepRejoined, StepRecovering, StepBack, StepResolved:
			r.held = s.Episode
		case StepBegan, StepDropped:
		}
	}
}

// keep puts the episode that was held into the list.
func (r *backtestRun) keep() {
	e := r.held
	if !r.holding || e.State == Resolved && e.ResolvedAt <= r.o.From {
		return
	}
	end := r.o.To
	if e.State == Resolved {
		end = e.ResolvedAt
	}
	r.out.Lasted += end - e.StartedAt
	if len(r.out.Episodes) < r.o.MaxEpisodes {
		r.out.Episodes = append(r.out.Episodes, PastEpisode{Episode: e})
	} else {
		r.out.LeftOut++
	}
}

// finish passes what is due until the end of the range.
func (r *backtestRun) finish() PlanBacktested {
	r.take(r.watch.Advance(r.plan, r.o.To-1))
	if e := r.watch.Episode(); e.Open() {
		r.held = e
	}
	r.keep()
	return r.out
}
