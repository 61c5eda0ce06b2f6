package mongo

import (
	"cmp"
	"context"
	"fmt"

	"tidegate/store"
)

const (
	// fewSeries are read one after the other, each in order of time up to the
	// limit; more are read together, a window of time after the other. One series
	// costs a round trip, a window costs each of its series a bucket.
	fewSeries = 16
	// fewRows are read so. Of more the first headRows are, to learn how dense the
	// rows are, and the others by windows, which cost less: the server sorts
	// nothing, and two cursors read them.
	fewRows  = 1024
	headRows = 256
)

// Scan implements store.Readings.
func (q *queries) Scan(ctx context.Context, s store.Scan) ([]store.Row, error) {
	if s.Limit < 1 {
		return nil, store.Invalid("scan", "limit", "%d is below 1", s.Limit)
	}
	s.From, s.To = clamp(s.From, s.To)
	s.Limit = min(s.Limit, mostRows)
	if s.From >= s.To || len(s.Series) == 0 {
		return nil, nil
	}
	defer q.timed("scan")()
	if err := q.db.Ready(ctx); err != nil {
		return nil, fmt.Errorf("scan readings: %w", err)
	}
	rows, err := q.scan(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("scan readings: %w", err)
	}
	return rows, nil
}

func (q *queries) scan(ctx context.Context, s store.Scan) ([]store.Row, error) {
	u := q.subject(s.Series)
	if len(s.Series) > q.few || !q.sortsInPassing(ctx) {
		return q.scanMany(ctx, s, u, int64(s.Limit/len(s.Series)+1)*windowPace)
	}
	if s.Limit <= fewRows {
		return q.scanFew(ctx, s, u.places)
	}
	head := s
	head.Limit = headRows
	rows, err := q.scanFew(ctx, head, u.places)
	if err != nil || len(rows) < headRows {
		return rows, err
	}
	first, last := rows[0].Sample.TS, rows[len(rows)-1]
	s.After = &store.RowKey{TS: last.Sample.TS, Series: last.Series}
	s.Limit -= len(rows)
	pace := float64(max(last.Sample.TS-first, first-last.Sample.TS)) / float64(len(rows))
	rest, err := q.scanMany(ctx, s, u, saturated(pace*float64(s.Limit)*windowMargin, latest))
	return append(rows, rest...), err
}

// rowOrder answers the order of rows within s.
func rowOrder(desc bool) func(a, b store.Row) int {
	sign := 1
	if desc {
		sign = -1
	}
	return func(a, b store.Row) int {
		if c := cmp.Compare(a.Sample.TS, b.Sample.TS); c != 0 {
			return sign * c
		}
		return sign * cmp.Compare(a.Series, b.Series)
	}
}
