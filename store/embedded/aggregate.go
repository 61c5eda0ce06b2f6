package embedded

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"tidegate/store"
)

// Aggregate implements store.Readings. It goes forward in windows, each with
// all series, so that many series with a small limit read little; the windows
// grow while they find too little.
func (s *SeriesStore) Aggregate(ctx context.Context, q store.Aggregation) ([]store.Bucket, error) {
	switch {
	case q.Limit < 1:
		return nil, store.Invalid("aggregation", "limit", "%d is below 1", q.Limit)
	case q.Every < 1:
		return nil, store.Invalid("aggregation", "every", "%d ms is below 1", q.Every)
	case q.From >= q.To || len(q.Series) == 0:
		return nil, nil
	}
	from := q.From
	if q.After != nil {
		if from = max(from, q.After.TS); from >= q.To {
			return nil, nil
		}
	}
	series := make([]store.Series, len(q.Series))
	for i := range series {
		series[i] = q.Series[i].Series
	}
	r := s.newReader(ctx, series, from, q.To)
	defer r.close()
	if len(r.months) == 0 {
		return nil, nil
	}
	from = max(from, r.months[0].start)
	q.To = min(q.To, r.months[len(r.months)-1].end)
	var out []store.Bucket
	span := int64(q.Limit/len(series) + 2)
	for lo := floorDiv(from, q.Every) * q.Every; lo < q.To && len(out) < q.Limit; {
		hi := q.To
		if span < (math.MaxInt64-max(lo, 0))/q.Every {
			hi = min(hi, lo+span*q.Every)
		}
		window, end, err := r.window(&q, max(lo, q.From), hi, q.Limit-len(out))
		if err != nil {
			return nil, fmt.Errorf("aggregate readings: %w", err)
		}
		if out == nil {
			out = window
		} else {
			out = append(out, window...)
		}
		lo, span = end, span*2
	}
	return out, nil
}

// window answers the first limit buckets with samples of from <= ts < to, and
// the end of the time that they cover.
func (r *reader) window(q *store.Aggregation, from, to int64, limit int) (out []store.Bucket, end int64, err error) {
	bucketOrder := func(a, b store.Bucket) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Series, b.Series))
	}
	narrow := func() {
		slices.SortFunc(out, bucketOrder)
		if len(out) >= limit {
			out = out[:limit]
			if edge := out[limit-1].Start; edge < math.MaxInt64-q.Every {
				to = min(to, edge+q.Every)
			}
		}
	}
	for i := range q.Series {
		lo := from
		if a := q.After; a != nil {
			start := floorDiv(a.TS, q.Every) * q.Every
			if i <= a.Series {
				start += q.Every // behind the bucket that was answered
			}
			lo = max(lo, start)
		}
		if lo >= to {
			continue
		}
		b := newBucketer(&q.Series[i], i, q.Every, limit)
		b.out = out
		b.mine = len(out)
		want := columnTS | columnRaw
		if q.Series[i].Ingested {
			want |= columnCalibration
		}
		if err := r.ascend(i, lo, to, want, b.add, b.whole); err != nil {
			return nil, 0, err
		}
		out = b.finish()
		if len(q.Series) > 1 && len(out) >= 2*limit {
			narrow()
		}
	}
	if len(q.Series) > 1 {
		narrow()
	} else if len(out) > limit {
		out = out[:limit]
	}
	return out, to, nil
}
