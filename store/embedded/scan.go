package embedded

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"tidegate/store"
)

// Scan implements store.Readings.
func (s *SeriesStore) Scan(ctx context.Context, q store.Scan) ([]store.Row, error) {
	if q.Limit < 1 {
		return nil, store.Invalid("scan", "limit", "%d is below 1", q.Limit)
	}
	if q.From >= q.To || len(q.Series) == 0 {
		return nil, nil
	}
	r := s.newReader(ctx, q.Series, q.From, q.To)
	defer r.close()
	g := rowGatherer{limit: q.Limit, desc: q.Desc, from: q.From, to: q.To}
	for i := range q.Series {
		from, to := g.window(i, q.After)
		var err error
		if q.Desc {
			err = r.descend(i, from, to, columnsAll, func(c *columns) bool { return g.addDown(i, c) })
		} else {
			err = r.ascend(i, from, to, columnsAll, func(c *columns) bool { return g.addUp(i, c) }, nil)
		}
		if err != nil {
			return nil, fmt.Errorf("scan readings: %w", err)
		}
		g.prune(i == len(q.Series)-1)
	}
	return g.rows, nil
}

// rowGatherer keeps the first limit rows of series that come one after the
// other. Once it has so many, the last of them bounds what is asked of the
// series to come.
type rowGatherer struct {
	limit    int
	desc     bool
	from, to int64
	rows     []store.Row
	mine     int  // rows of the series at hand
	narrowed bool // from or to is the edge of limit rows
}

// window answers the times that are asked of series i, and begins it.
func (g *rowGatherer) window(i int, after *store.RowKey) (from, to int64) {
	g.mine = 0
	from, to = g.from, g.to
	if after == nil {
		return from, to
	}
	switch {
	case g.desc && i < after.Series && after.TS < math.MaxInt64:
		to = min(to, after.TS+1)
	case g.desc && i >= after.Series:
		to = min(to, after.TS)
	case !g.desc && i > after.Series:
		from = max(from, after.TS)
	case !g.desc && after.TS == math.MaxInt64:
		return 0, 0
	case !g.desc:
		from = max(from, after.TS+1)
	}
	return from, to
}

func (g *rowGatherer) addUp(series int, c *columns) bool {
	n := min(len(c.ts), g.limit-g.mine)
	g.rows = slices.Grow(g.rows, n)
	for i := range n {
		g.rows = append(g.rows, store.Row{Series: series, Sample: c.sample(i)})
	}
	g.mine += n
	return g.mine < g.limit
}

func (g *rowGatherer) addDown(series int, c *columns) bool {
	n := min(len(c.ts), g.limit-g.mine)
	g.rows = slices.Grow(g.rows, n)
	for i := range n {
		g.rows = append(g.rows, store.Row{Series: series, Sample: c.sample(len(c.ts) - 1 - i)})
	}
	g.mine += n
	return g.mine < g.limit
}

// prune forgets rows beyond the limit, and narrows the window for the series
// to come: theirs follow (Desc: precede) rows of equal time.
func (g *rowGatherer) prune(last bool) {
	full := len(g.rows) >= g.limit
	if !last && (!full || g.narrowed && len(g.rows) < 2*g.limit) {
		return
	}
	if len(g.rows) > g.mine { // of several series
		g.sort()
		g.rows = g.rows[:min(len(g.rows), g.limit)]
	}
	if !full {
		return
	}
	g.narrowed = true
	if edge := g.rows[len(g.rows)-1].Sample.TS; g.desc {
		g.from = max(g.from, edge)
	} else {
		g.to = min(g.to, edge)
	}
}

func (g *rowGatherer) sort() {
	slices.SortFunc(g.rows, func(a, b store.Row) int {
		c := cmp.Or(cmp.Compare(a.Sample.TS, b.Sample.TS), cmp.Compare(a.Series, b.Series))
		if g.desc {
			return -c
		}
		return c
	})
}
