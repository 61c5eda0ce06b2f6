package mongo

import (
	"cmp"
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
	"tidegate/store/runs"
)

const (
	lookupHour   = 3_600_000 // ms: late readings are looked up in whole hours, since more tend to follow
	lookupPoints = 1 << 16   // of one series at a time; beyond it only what was asked for is kept
	lookupMost   = 1 << 19   // points that are kept of all series, about 8 MB
	freeMargin   = 1000      // ms around a time of receipt in which a free one is looked for
)

// wanted is what has to be asked about a series.
type wanted struct {
	head  *head
	since int     // arrivals of head when the question was put
	times []int64 // ascending
	// from <= ts < to is what is asked.
	from, to int64
	found    lookup
}

// learn asks the server until all that judging items takes is known.
func (s *SeriesStore) learn(ctx context.Context, items []store.Item) error {
	s.mu.Lock()
	if s.learnt > lookupMost {
		for _, h := range s.heads {
			h.spans = nil
		}
		s.learnt = 0
	}
	s.mu.Unlock()
	for {
		newest, late := s.unknown(items)
		if len(newest) > 0 {
			if err := s.learnNewest(ctx, newest); err != nil {
				return err
			}
			continue
		}
		if len(late) == 0 {
			return nil
		}
		if err := s.learnLate(ctx, late); err != nil {
			return err
		}
	}
}

// unknown answers the series of which nothing is known yet, or else the times
// that have to be asked about.
func (s *SeriesStore) unknown(items []store.Item) (newest []*head, late []*wanted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	applied := s.journal.Applied()
	for _, h := range s.heads {
		h.asking = false
	}
	byHead := map[*head]*wanted{}
	want := func(h *head, ts int64) {
		if _, _, known := h.find(ts); known {
			return
		}
		w := byHead[h]
		if w == nil {
			w = &wanted{head: h, since: h.arrivals}
			byHead[h] = w
			late = append(late, w)
		}
		w.times = append(w.times, ts)
	}
	for i := range items {
		it := &items[i]
		if it.Seq <= applied {
			continue
		}
		h := s.head(it.Series)
		switch {
		case !h.asked:
			if !h.asking {
				h.asking = true
				newest = append(newest, h)
			}
		case it.Sample.TS > h.last:
		case it.Sample.Flags&store.FlagServerTS != 0:
			// Where it will end up depends on its neighbours in the batch.
			if t, known := h.freeTime(it.Sample.TS); !known {
				want(h, t)
			}
			for _, t := range [...]int64{it.Sample.TS - freeMargin, it.Sample.TS, it.Sample.TS + freeMargin} {
				want(h, t)
			}
		default:
			want(h, it.Sample.TS)
		}
	}
	if len(newest) > 0 {
		return newest, nil
	}
	var out []*wanted
	for _, w := range late {
		out = append(out, w.split()...)
	}
	return nil, out
}

// split cuts the times of one series into stretches of whole hours that are
// asked for at once.
func (w *wanted) split() (out []*wanted) {
	slices.Sort(w.times)
	w.times = slices.Compact(w.times)
	end := w.head.disk + 1
	for i := 0; i < len(w.times); {
		j := i + 1
		for j < len(w.times) && floorDiv(w.times[j], lookupHour) <= floorDiv(w.times[j-1], lookupHour)+1 {
			j++
		}
		part := &wanted{head: w.head, since: w.since, times: w.times[i:j]}
		part.from = floorDiv(w.times[i], lookupHour) * lookupHour
		part.to = min((floorDiv(w.times[j-1], lookupHour)+1)*lookupHour, end)
		out = append(out, part)
		i = j
	}
	return out
}

// learnNewest asks for the newest reading of each series.
func (s *SeriesStore) learnNewest(ctx context.Context, heads []*head) error {
	if err := s.db.Ready(ctx); err != nil {
		return err
	}
	series := make([]store.Series, len(heads))
	for i, h := range heads {
		series[i] = h.series
	}
	places, _ := s.places(series)
	samples, found := make([]store.Sample, len(series)), make([]bool, len(series))
	if len(places) > 0 {
		if err := s.newest(ctx, series, places, samples, found); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, h := range heads {
		h.foundNewest(samples[i].TS, samples[i].Raw, found[i])
	}
	return nil
}

// learnLate asks for what the database holds around late readings: the series
// that want the same stretch of time together.
func (s *SeriesStore) learnLate(ctx context.Context, all []*wanted) error {
	if err := s.db.Ready(ctx); err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b *wanted) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	var groups [][]*wanted
	for i := 0; i < len(all); {
		j := i + 1
		for j < len(all) && j-i < chunkSeries && all[j].from == all[i].from && all[j].to == all[i].to {
			j++
		}
		groups = append(groups, all[i:j])
		i = j
	}
	err := together(ctx, len(groups), func(ctx context.Context, k int) error { return s.lookUp(ctx, groups[k]) })
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range all {
		if w.since != w.head.arrivals {
			continue // a flush ended meanwhile: the question is put again
		}
		slices.SortFunc(w.found.points, func(a, b point) int { return cmp.Compare(a.ts, b.ts) })
		w.head.spans = append(w.head.spans, w.found)
		s.learnt += len(w.found.points)
		s.metrics.lookups.Inc()
	}
	return nil
}

// lookUp asks for one stretch of time of some series.
func (s *SeriesStore) lookUp(ctx context.Context, group []*wanted) error {
	series := make([]store.Series, len(group))
	for i, w := range group {
		series[i] = w.head.series
		w.found = lookup{from: w.from, to: w.to}
	}
	places, _ := s.places(series)
	for _, c := range chunks(places) {
		f := finder{c: &c}
		var d document
		filter := between(c.filter, group[0].from, group[0].to)
		err := s.find(ctx, filter, withMetadata(valueFields), 0, 0, func(b bson.Raw) (bool, error) {
			if err := d.read(b); err != nil {
				return false, err
			}
			if p := f.find(d.metadata); p != nil {
				group[p.index].add(point{d.sample.TS, d.sample.Raw})
			}
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// add keeps a reading that was found. Where there are very many, only those at
// the times that were asked for are kept.
func (w *wanted) add(p point) {
	f := &w.found
	if f.only == nil && len(f.points) >= lookupPoints {
		f.only = w.times
		f.points = slices.DeleteFunc(f.points, func(p point) bool { return !w.asked(p.ts) })
	}
	if f.only == nil || w.asked(p.ts) {
		f.points = append(f.points, p)
	}
}

func (w *wanted) asked(ts int64) bool {
	_, found := slices.BinarySearch(w.times, ts)
	return found
}

// memory implements waiting.
func (s *SeriesStore) memory(sr store.Series, from, to int64) []store.Sample {
	s.mu.RLock()
	defer s.mu.RUnlock()
	h := s.heads[sr]
	if h == nil || h.live.N+h.frozen.N == 0 {
		return nil
	}
	a, b := runs.Clip(h.frozen.List, from, to), runs.Clip(h.live.List, from, to)
	n := 0
	for _, list := range [...][][]store.Sample{a, b} {
		for _, run := range list {
			n += len(run)
		}
	}
	out := make([]store.Sample, 0, n)
	for len(a) > 0 && len(b) > 0 {
		first, other := &a, &b
		if b[0][0].TS < a[0][0].TS {
			first, other = &b, &a
		}
		run := (*first)[0]
		k := 1
		for k < len(run) && run[k].TS < (*other)[0][0].TS {
			k++
		}
		out = append(out, run[:k]...)
		if (*first)[0] = run[k:]; k == len(run) {
			*first = (*first)[1:]
		}
	}
	for _, run := range append(a, b...) {
		out = append(out, run...)
	}
	return out
}

// memoryNewest implements waiting.
func (s *SeriesStore) memoryNewest(sr store.Series) (store.Sample, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	h := s.heads[sr]
	if h == nil {
		return store.Sample{}, false
	}
	for _, r := range [...]*runs.Runs{&h.live, &h.frozen} {
		if r.N > 0 && r.Last() == h.last {
			run := r.List[len(r.List)-1]
			return run[len(run)-1], true
		}
	}
	return store.Sample{}, false
}
