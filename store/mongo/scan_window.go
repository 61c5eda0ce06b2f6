package mongo

import (
	"context"
	"slices"
	"sort"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

const (
	windowRows  = 16_384 // may come beyond what is needed before a window counts as too wide
	windowPace  = 10_000 // ms between samples of a series, as a first guess
	windowLeast = 1_000  // ms of a first window
	windowSplit = 4_096  // rows; a window that is to hold as many is read side by side
)

// scanMany reads all series together, a window of time after the other, without
// an order: the server would sort each window whole. The rows are sorted here.
// span is a guess at how many ms hold them.
func (q *queries) scanMany(ctx context.Context, s store.Scan, u subject, span int64) ([]store.Row, error) {
	chunks := chunks(u.places)
	order := rowOrder(s.Desc)
	var out []store.Row
	from, to := s.From, s.To
	if a := s.After; a != nil && !s.Desc {
		from = max(from, a.TS)
	} else if a != nil {
		to = min(to, saturatedNext(a.TS))
	}
	// What has no end is taken from where there is something.
	switch {
	case s.Desc && to >= bucketIDEnd:
		samples, found := make([]store.Sample, len(s.Series)), make([]bool, len(s.Series))
		if err := q.newest(ctx, s.Series, u.places, samples, found); err != nil {
			return nil, err
		}
		last := from
		for i, ok := range found {
			if ok {
				last = max(last, saturatedNext(samples[i].TS))
			}
		}
		to = min(to, last)
	case !s.Desc && from < 0:
		first, err := q.oldest(ctx, u)
		if err != nil {
			return nil, err
		}
		from = max(from, first)
	}
	w := walk{from: from, to: to, span: max(windowLeast, span)}
	if s.Desc { // time runs the other way: x = -ts-1, in which a window is half open too
		w.from, w.to = -to, -from
	}
	w.need = func() int { return s.Limit - len(out) }
	err := w.run(func(lo, hi int64) (found int, over bool, err error) {
		if s.Desc {
			lo, hi = -hi, -lo
		}
		tasks := stretches(chunks, lo, hi, w.need() >= windowSplit)
		rows, over, err := q.window(ctx, u, tasks, lo, hi, 2*w.need()+2*len(s.Series)+windowRows)
		if err != nil || over {
			return 0, over, err
		}
		slices.SortFunc(rows, order)
		if a := s.After; a != nil { // the window before may have begun at it
			key := store.Row{Series: a.Series, Sample: store.Sample{TS: a.TS}}
			rows = rows[sort.Search(len(rows), func(i int) bool { return order(rows[i], key) > 0 }):]
		}
		out = append(out, rows[:min(len(rows), w.need())]...)
		return len(rows), false, nil
	})
	return out, err
}

func saturatedNext(ts int64) int64 {
	if ts >= latest {
		return latest
	}
	return ts + 1
}

// window answers all rows with from <= ts < to, in no order, or that they are
// over most.
func (q *queries) window(ctx context.Context, u subject, tasks []stretch, from, to int64, most int) (rows []store.Row, over bool, err error) {
	memory := q.held(u, from, to)
	for i, m := range memory {
		for k := range m {
			rows = append(rows, store.Row{Series: i, Sample: m[k]})
		}
	}
	var count atomic.Int64
	count.Store(int64(len(rows)))
	parts := make([][]store.Row, len(tasks))
	err = together(ctx, len(tasks), func(ctx context.Context, k int) error {
		if count.Load() > int64(most) {
			return nil
		}
		t := tasks[k]
		f := finder{c: t.chunk}
		var d document
		return q.find(ctx, between(t.chunk.filter, t.from, t.to), t.chunk.projection(sampleFields), 0, 0, func(b bson.Raw) (bool, error) {
			if err := d.read(b); err != nil {
				return false, t.chunk.named(err)
			}
			p := f.find(d.metadata)
			if p == nil || holds(memory[p.index], d.sample.TS) {
				return true, nil
			}
			n := 0
			for i := p.index; i >= 0; i = u.twin[i] {
				parts[k] = append(parts[k], store.Row{Series: i, Sample: d.sample})
				n++
			}
			return count.Add(int64(n)) <= int64(most), nil
		})
	})
	if err != nil || count.Load() > int64(most) {
		return nil, true, err
	}
	return slices.Concat(append(parts, rows)...), false, nil
}

// holds reports whether ascending samples have one at ts.
func holds(m []store.Sample, ts int64) bool {
	if len(m) == 0 || ts < m[0].TS || ts > m[len(m)-1].TS {
		return false
	}
	i := sort.Search(len(m), func(i int) bool { return m[i].TS >= ts })
	return i < len(m) && m[i].TS == ts
}
