package mongo

import (
	"context"
	"math"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

// scanFew reads the series one by one. Once there are limit rows, the last of
// them bounds what is asked of the series to come.
func (q *queries) scanFew(ctx context.Context, s store.Scan, places []place) ([]store.Row, error) {
	where := make([]*place, len(s.Series))
	at := make(map[store.Series]*place, len(places))
	for i := range places {
		at[s.Series[places[i].index]] = &places[i]
	}
	for i, sr := range s.Series {
		where[i] = at[sr]
	}
	order := rowOrder(s.Desc)
	bound := s // narrows
	var rows []store.Row
	for i := range s.Series {
		from, to := behind(bound, i)
		if from >= to {
			continue
		}
		mine, err := q.oneSeries(ctx, where[i], i, s, from, to)
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			rows = mine
		} else if rows = append(rows, mine...); len(mine) > 0 {
			slices.SortFunc(rows, order)
		}
		if len(rows) < s.Limit {
			continue
		}
		rows = rows[:s.Limit]
		// What comes later follows (Desc: precedes) rows of the same time.
		if edge := rows[len(rows)-1].Sample.TS; s.Desc {
			bound.From = max(bound.From, edge)
		} else {
			bound.To = min(bound.To, edge)
		}
	}
	return rows, nil
}

// behind answers the times at which series i of s has rows that come after
// s.After.
func behind(s store.Scan, i int) (from, to int64) {
	from, to = s.From, s.To
	a := s.After
	switch {
	case a == nil:
	case s.Desc && i < a.Series && a.TS < math.MaxInt64:
		to = min(to, a.TS+1)
	case s.Desc && i >= a.Series:
		to = min(to, a.TS)
	case !s.Desc && i > a.Series:
		from = max(from, a.TS)
	case !s.Desc && a.TS == math.MaxInt64:
		return 0, 0
	case !s.Desc:
		from = max(from, a.TS+1)
	}
	return from, to
}

// oneSeries answers the first rows of a series with from <= ts < to, in s's
// direction. It has no place when it was never registered.
func (q *queries) oneSeries(ctx context.Context, p *place, i int, s store.Scan, from, to int64) ([]store.Row, error) {
	m := side{list: q.waiting.memory(s.Series[i], from, to), desc: s.Desc}
	var rows []store.Row
	if p != nil {
		sorted := 1
		if s.Desc {
			sorted = -1
		}
		var d document
		err := q.find(ctx, between(p.filter(), from, to), sampleFields, sorted, s.Limit, func(b bson.Raw) (bool, error) {
			if err := d.read(b); err != nil {
				return false, p.named(err)
			}
			if len(m.list) > 0 {
				rows = m.before(rows, i, d.sample.TS, s.Limit)
			}
			if len(rows) < s.Limit {
				rows = append(rows, store.Row{Series: i, Sample: d.sample})
			}
			return len(rows) < s.Limit, nil
		})
		if err != nil {
			return nil, err
		}
	}
	return m.rest(rows, i, s.Limit), nil
}

// side goes through samples in memory, ascending or descending, beside those
// of the database.
type side struct {
	list []store.Sample
	desc bool
}

func (m *side) next() *store.Sample {
	switch n := len(m.list); {
	case n == 0:
		return nil
	case m.desc:
		return &m.list[n-1]
	}
	return &m.list[0]
}

func (m *side) drop() {
	if m.desc {
		m.list = m.list[:len(m.list)-1]
	} else {
		m.list = m.list[1:]
	}
}

// before appends what comes before ts, and forgets the sample at ts: the
// database has it too.
func (m *side) before(rows []store.Row, series int, ts int64, limit int) []store.Row {
	for s := m.next(); s != nil && len(rows) < limit; s = m.next() {
		if s.TS == ts {
			m.drop()
			break
		}
		if (s.TS > ts) != m.desc {
			break
		}
		rows = append(rows, store.Row{Series: series, Sample: *s})
		m.drop()
	}
	return rows
}

func (m *side) rest(rows []store.Row, series, limit int) []store.Row {
	for s := m.next(); s != nil && len(rows) < limit; s = m.next() {
		rows = append(rows, store.Row{Series: series, Sample: *s})
		m.drop()
	}
	return rows
}
