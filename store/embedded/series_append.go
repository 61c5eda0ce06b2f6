package embedded

import (
	"context"
	"fmt"
	"time"

	"tidegate/store"
	"tidegate/store/runs"
)

// lockItems is how many items are judged before waiting queries get their turn.
const lockItems = 1024

// Recover implements store.Appender: what a crash left half done is told again
// by the log.
func (s *SeriesStore) Recover(context.Context) (commit func() error, err error) { return nil, nil }

// Append implements store.Appender. Items are judged in order. When it fails
// in the middle of a batch it remembers the verdicts so far, and the repeated
// batch goes on behind them; until then no flush begins.
func (s *SeriesStore) Append(ctx context.Context, b *store.Batch) error {
	start := time.Now()
	s.batching.Lock()
	defer s.batching.Unlock()
	items := s.resume(b.Items)
	for len(items) > 0 {
		n := min(len(items), lockItems)
		if err := ctx.Err(); err != nil {
			s.remember(b.Items, len(b.Items)-len(items))
			return fmt.Errorf("append readings: %w", err)
		}
		done, err := s.appendItems(items[:n])
		items = items[done:]
		if err != nil {
			s.remember(b.Items, len(b.Items)-len(items))
			return fmt.Errorf("append readings: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.bound {
		return fmt.Errorf("append readings: %w: no log is bound", store.ErrUnavailable)
	}
	s.partial = s.partial[min(len(s.partial), len(b.Items)):]
	s.through = max(s.through, b.Through)
	s.m.appendSeconds.Observe(time.Since(start).Seconds())
	return nil
}

// remember keeps the items that were judged before an error.
func (s *SeriesStore) remember(items []store.Item, n int) {
	s.partial = append(s.partial[:0], items[:n]...)
}

// resume gives the items that an earlier, failed call judged their verdicts
// back and answers the rest. Batches follow the log, so that a repeated one
// begins with the same items, however it is cut.
func (s *SeriesStore) resume(items []store.Item) []store.Item {
	n := 0
	for n < len(s.partial) && n < len(items) && items[n].Seq == s.partial[n].Seq && items[n].Series == s.partial[n].Series {
		items[n].Verdict, items[n].Sample.TS = s.partial[n].Verdict, s.partial[n].Sample.TS
		n++
	}
	return items[n:]
}

// appendItems judges items under the lock and answers how many it judged.
func (s *SeriesStore) appendItems(items []store.Item) (done int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.bound {
		return 0, fmt.Errorf("%w: no log is bound", store.ErrUnavailable)
	}
	var stored, duplicate uint64
	m := s.cursor
	for i := range items {
		it := &items[i]
		if m == nil || it.Sample.TS < m.start || it.Sample.TS >= m.end {
			m = s.monthAt(it.Sample.TS)
		}
		if it.Seq <= m.state.applied {
			it.Verdict = store.VerdictStored
			done++
			continue
		}
		h := m.heads[it.Series]
		if h == nil {
			if h, err = s.newHead(m, it.Series); err != nil {
				break
			}
		}
		if it.Sample.TS > h.last {
			h.last = it.Sample.TS
			h.live.Push(&it.Sample, &s.pool)
			it.Verdict = store.VerdictStored
		} else if it.Verdict, err = s.judgeLate(m, h, it); err != nil {
			break
		}
		done++
		if it.Verdict == store.VerdictConflict {
			continue
		}
		owner := it.Series.UID
		if it.Unregistered {
			owner = 0
		}
		if !h.dirty {
			h.dirty = true
			h.hour, h.owner = it.Hour, owner
			m.dirty = append(m.dirty, h)
			m.touched = true
		}
		if h.hour != it.Hour || h.owner != owner {
			m.settleTallies(h)
			h.hour, h.owner = it.Hour, owner
		}
		if it.Verdict == store.VerdictStored {
			h.stored++
			stored++
		} else {
			h.duplicate++
			duplicate++
		}
	}
	s.cursor = m
	s.stored.Add(stored)
	s.duplicate.Add(duplicate)
	s.unflushed.Store(s.pool.Bytes())
	return done, err
}

// settleTallies moves the tallies of h to its month.
func (m *month) settleTallies(h *head) {
	if h.stored != 0 {
		m.tally[tallyStored].Add(h.hour, h.owner, h.stored)
	}
	if h.duplicate != 0 {
		m.tally[tallyDuplicate].Add(h.hour, h.owner, h.duplicate)
	}
	h.stored, h.duplicate = 0, 0
}

func (s *SeriesStore) monthAt(ts int64) *month {
	id := MonthOf(ts)
	m := s.months[id]
	if m == nil {
		m = newMonth(id)
		s.months[id] = m
	}
	return m
}

// newHead makes the head of a series and asks the disk for its newest sample.
func (s *SeriesStore) newHead(m *month, series store.Series) (*head, error) {
	h := &head{series: series, last: runs.NoTime, disk: runs.NoTime}
	if m.exists {
		last, ok, err := s.lastOnDisk(m.Month, series)
		if err != nil {
			return nil, err
		}
		if ok {
			h.last, h.disk = last, last
		}
	}
	m.heads[series] = h
	m.touched = true
	return h, nil
}

// judgeLate judges a sample that is not above all others of its series.
func (s *SeriesStore) judgeLate(m *month, h *head, it *store.Item) (store.Verdict, error) {
	s.m.late.Inc()
	if it.Sample.Flags&store.FlagServerTS != 0 {
		ts, err := s.freeTime(m, h, it.Sample.TS)
		if err != nil {
			return 0, err
		}
		it.Sample.TS = ts
	} else {
		raw, found, err := s.find(m, h, it.Sample.TS)
		switch {
		case err != nil:
			return 0, err
		case found && raw == it.Sample.Raw:
			return store.VerdictDuplicate, nil
		case found:
			return store.VerdictConflict, nil
		}
	}
	if it.Sample.TS > h.last {
		h.last = it.Sample.TS
	}
	if it.Sample.TS > h.live.Last() {
		h.live.Push(&it.Sample, &s.pool)
	} else {
		h.live.Insert(&it.Sample, &s.pool)
	}
	return store.VerdictStored, nil
}

// find looks a time up in memory and on disk.
func (s *SeriesStore) find(m *month, h *head, ts int64) (raw float64, found bool, err error) {
	for _, r := range [...]*runs.Runs{&h.live, &h.frozen} {
		if run, i, found := r.Search(ts); found {
			return r.List[run][i].Raw, true, nil
		}
	}
	if ts > h.disk {
		return 0, false, nil
	}
	c, err := s.cachedAt(m, h, ts)
	if err != nil {
		return 0, false, err
	}
	raw, found = c.find(ts)
	return raw, found, nil
}

// freeTime answers the first free millisecond at or above ts in its month, or
// else the first one below.
func (s *SeriesStore) freeTime(m *month, h *head, ts int64) (int64, error) {
	for t := ts; t < m.end; {
		next := h.frozen.Taken(h.live.Taken(t))
		if next == t && next <= h.disk {
			c, err := s.cachedAt(m, h, next)
			if err != nil {
				return 0, err
			}
			next = c.taken(next)
		}
		if next == t {
			return t, nil
		}
		t = next
	}
	for t := ts; ; {
		next := h.frozen.TakenBelow(h.live.TakenBelow(t))
		if next == t && next <= h.disk {
			_, found, err := s.find(m, h, next)
			if err != nil {
				return 0, err
			}
			if found {
				next--
			}
		}
		if next == t {
			return t, nil
		}
		t = next
	}
}
