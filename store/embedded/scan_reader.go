package embedded

import (
	"context"
	"slices"

	"go.etcd.io/bbolt"

	"tidegate/store"
	"tidegate/store/runs"
)

// blocksAtOnce is how many blocks one transaction reads.
const blocksAtOnce = 64

// reader answers the samples of some series as they were at one moment, or a
// little later: the memory is looked at first and the disk then, so that what
// is flushed meanwhile is seen twice, and merged, rather than not at all.
type reader struct {
	s      *SeriesStore
	ctx    context.Context
	series []store.Series
	months []monthView
	dec    *blockDecoder

	block  columns // as decoded
	merged columns // with what was in memory
	fresh  columns // of memory alone
	take   []store.Sample
}

// monthView is a month as a reader sees it.
type monthView struct {
	Month
	start, end int64
	exists     bool
	memory     [][2][][]store.Sample // by series; nil: none
}

// newReader looks at the memory. The caller closes the reader.
func (s *SeriesStore) newReader(ctx context.Context, series []store.Series, from, to int64) *reader {
	r := &reader{s: s, ctx: ctx, series: series, dec: s.decoders.Get().(*blockDecoder)}
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.readers.Add(1)
	for _, m := range s.monthsBetween(from, to) {
		v := monthView{Month: m.Month, start: m.start, end: m.end, exists: m.exists}
		if len(m.dirty) > 0 || len(m.frozen) > 0 {
			v.memory = make([][2][][]store.Sample, len(series))
			for i, sr := range series {
				if h := m.heads[sr]; h != nil {
					v.memory[i] = [2][][]store.Sample{runs.Clip(h.frozen.List, from, to), runs.Clip(h.live.List, from, to)}
				}
			}
		}
		r.months = append(r.months, v)
	}
	return r
}

func (r *reader) close() {
	r.s.readers.Add(-1)
	r.s.decoders.Put(r.dec)
}

// ascend calls fn with the samples of series i with from <= ts < to, the
// columns in want at least, in ascending order, until it answers false. What
// it gets is valid until it returns. whole, when not nil, may take a block that
// lies wholly inside and that no memory touches by its header alone: then it
// answers true.
func (r *reader) ascend(i int, from, to int64, want int, fn func(*columns) bool, whole func(*blockHeader) bool) error {
	for k := range r.months {
		m := &r.months[k]
		lo, hi := max(from, m.start), min(to, m.end)
		if lo >= hi {
			continue
		}
		w := walk{reader: r, series: r.series[i], lo: lo, hi: hi, want: want, fn: fn, whole: whole}
		if m.memory != nil {
			w.memory = newMemoryCursor(m.memory[i], lo, hi, false)
		}
		if m.exists {
			if err := w.month(m.Month); err != nil {
				return err
			}
		}
		if w.stopped || !w.memoryBefore(hi) {
			return nil
		}
	}
	return r.ctx.Err()
}

// descend is ascend from the newest to the oldest: the columns of each call
// ascend, each call is before the last.
func (r *reader) descend(i int, from, to int64, want int, fn func(*columns) bool) error {
	for k := len(r.months) - 1; k >= 0; k-- {
		m := &r.months[k]
		lo, hi := max(from, m.start), min(to, m.end)
		if lo >= hi {
			continue
		}
		w := walk{reader: r, series: r.series[i], lo: lo, hi: hi, want: want, fn: fn, down: true}
		if m.memory != nil {
			w.memory = newMemoryCursor(m.memory[i], lo, hi, true)
		}
		if m.exists {
			if err := w.month(m.Month); err != nil {
				return err
			}
		}
		if w.stopped || !w.memoryBefore(lo-1) {
			return nil
		}
	}
	return r.ctx.Err()
}

// walk goes through one series in one month. What is left to answer is lo <=
// ts < hi; down, it shrinks from above.
type walk struct {
	*reader
	series  store.Series
	lo, hi  int64
	want    int
	down    bool
	memory  memoryCursor
	fn      func(*columns) bool
	whole   func(*blockHeader) bool
	stopped bool
}

func (w *walk) month(m Month) error {
	mf, err := w.s.files.acquire(m, false)
	if notExist(err) {
		return nil // dropped meanwhile
	}
	if err != nil {
		return err
	}
	defer w.s.files.release(mf)
	for done := false; !done && !w.stopped; {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		err := view(mf.db, func(tx *bbolt.Tx) (err error) {
			b := tx.Bucket(blocksBucket)
			if b == nil {
				done = true
				return nil
			}
			if w.down {
				done, err = w.blocksDown(tx, b.Cursor())
			} else {
				done, err = w.blocksUp(tx, b.Cursor())
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) blocksUp(tx *bbolt.Tx, c *bbolt.Cursor) (done bool, err error) {
	k, v := c.Seek(blockKey(w.series, w.lo))
	if start, ok := keyOf(k, w.series); !ok || start > w.lo {
		pk, pv := before(c, k)
		if _, ok := keyOf(pk, w.series); ok {
			k, v = pk, pv
		} else {
			k, v = c.Seek(blockKey(w.series, w.lo))
		}
	}
	for range blocksAtOnce {
		start, ok := keyOf(k, w.series)
		if !ok || start >= w.hi {
			return true, nil
		}
		h, err := parseBlock(v)
		if err != nil {
			return true, blockError(tx, w.series, k, err)
		}
		if h.last >= w.lo {
			if err := w.blockUp(&h, v); err != nil {
				return true, blockError(tx, w.series, k, err)
			}
			if w.stopped || h.last >= w.hi-1 {
				w.lo = w.hi
				return true, nil
			}
			w.lo = h.last + 1
		}
		k, v = c.Next()
	}
	return false, nil
}

func (w *walk) blockUp(h *blockHeader, b []byte) error {
	if !w.memoryBefore(max(h.first, w.lo)) {
		return nil
	}
	next, ok := w.memory.peek()
	if inside := ok && next <= h.last; w.whole != nil && !inside && h.first >= w.lo && h.last < w.hi {
		if err := w.dec.check(b); err != nil {
			return err
		}
		if w.whole(h) {
			return nil
		}
	}
	return w.answer(h, b)
}

func (w *walk) blocksDown(tx *bbolt.Tx, c *bbolt.Cursor) (done bool, err error) {
	k, _ := c.Seek(blockKey(w.series, w.hi))
	k, v := before(c, k)
	for range blocksAtOnce {
		if _, ok := keyOf(k, w.series); !ok {
			return true, nil
		}
		h, err := parseBlock(v)
		if err != nil {
			return true, blockError(tx, w.series, k, err)
		}
		if h.last < w.lo {
			return true, nil
		}
		if w.memoryBefore(min(h.last, w.hi-1)) {
			if err := w.answer(&h, v); err != nil {
				return true, blockError(tx, w.series, k, err)
			}
		}
		if w.hi = max(h.first, w.lo); w.stopped || w.hi == w.lo {
			return true, nil
		}
		k, v = c.Prev()
	}
	return false, nil
}

// before answers the entry before k, where c stands; k nil: the last one.
func before(c *bbolt.Cursor, k []byte) (key, value []byte) {
	if k == nil {
		return c.Last()
	}
	return c.Prev()
}

// answer decodes a block, merges what memory has in its span, and passes it on.
func (w *walk) answer(h *blockHeader, b []byte) error {
	edge := min(h.last, w.hi-1)
	if w.down {
		edge = max(h.first, w.lo)
	}
	w.take = w.memory.until(w.take[:0], edge)
	want := w.want | columnTS
	if len(w.take) > 0 {
		want = columnsAll
	}
	if err := w.dec.check(b); err != nil {
		return err
	}
	if err := w.dec.columns(&w.block, *h, want); err != nil {
		return err
	}
	i, j := 0, h.count
	if h.first < w.lo {
		i, _ = slices.BinarySearch(w.block.ts, w.lo)
	}
	if h.last >= w.hi {
		j, _ = slices.BinarySearch(w.block.ts, w.hi)
	}
	c := &w.block
	if len(w.take) > 0 {
		if w.down {
			slices.Reverse(w.take)
		}
		w.merged.merge(&w.block, i, j, w.take)
		c, i, j = &w.merged, 0, len(w.merged.ts)
	}
	if i >= j {
		return nil
	}
	if i > 0 || j < len(c.ts) {
		part := c.slice(i, j)
		c = &part
	}
	w.stopped = !w.fn(c)
	return nil
}

// memoryBefore passes on what memory has before edge (down: above it). It
// answers false when fn wants no more.
func (w *walk) memoryBefore(edge int64) bool {
	for !w.stopped {
		last := edge - 1
		if w.down {
			last = edge + 1
		}
		w.take = w.memory.some(w.take[:0], last)
		if len(w.take) == 0 {
			return true
		}
		if w.down {
			slices.Reverse(w.take)
		}
		w.fresh.reset()
		for i := range w.take {
			w.fresh.add(&w.take[i])
		}
		w.stopped = !w.fn(&w.fresh)
	}
	return false
}

// merge sets c to samples i to j of o with those of memory put in their
// places; of equal times the block's stays.
func (c *columns) merge(o *columns, i, j int, memory []store.Sample) {
	c.reset()
	for k := range memory {
		s := &memory[k]
		at, found := slices.BinarySearch(o.ts[i:j], s.TS)
		c.addFrom(o, i, i+at)
		i += at
		if !found {
			c.add(s)
		}
	}
	c.addFrom(o, i, j)
}
