package mongo

import (
	"context"
	"fmt"
	"math"
	"time"

	"tidegate/store"
)

// lockItems is how many items are judged before waiting queries get their turn.
const lockItems = 1024

// Prepare implements store.Preparer: it asks the server for whatever judging b
// takes.
func (s *SeriesStore) Prepare(ctx context.Context, b *store.Batch) error {
	if err := s.learn(ctx, b.Items); err != nil {
		return fmt.Errorf("prepare readings: %w", err)
	}
	return nil
}

// Append implements store.Appender. Items are judged in order. It asks the
// server only for what Prepare did not. When it fails in the middle of a batch
// it remembers the verdicts so far, and the repeated batch goes on behind them;
// until then no flush begins.
func (s *SeriesStore) Append(ctx context.Context, b *store.Batch) error {
	s.batching.Lock()
	defer s.batching.Unlock()
	items := s.resume(b.Items)
	for len(items) > 0 {
		if err := ctx.Err(); err != nil {
			s.remember(b.Items, len(b.Items)-len(items))
			return fmt.Errorf("append readings: %w", err)
		}
		done, known, err := s.appendItems(items[:min(len(items), lockItems)])
		items = items[done:]
		if err == nil && !known {
			err = s.learn(ctx, items[:min(len(items), lockItems)])
		}
		if err != nil {
			s.remember(b.Items, len(b.Items)-len(items))
			return fmt.Errorf("append readings: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.bound {
		return errUnbound("append readings")
	}
	s.partial = s.partial[min(len(s.partial), len(b.Items)):]
	s.through = max(s.through, b.Through)
	return nil
}

// remember keeps the items that were judged before an error.
func (s *SeriesStore) remember(items []store.Item, n int) {
	s.partial = append(s.partial[:0], items[:n]...)
}

// resume gives the items that an earlier, failed call judged their verdicts
// back and answers the rest. A repeated batch begins with the same items,
// however it is cut.
func (s *SeriesStore) resume(items []store.Item) []store.Item {
	n := 0
	for n < len(s.partial) && n < len(items) && items[n].Seq == s.partial[n].Seq && items[n].Series == s.partial[n].Series {
		items[n].Verdict, items[n].Sample.TS = s.partial[n].Verdict, s.partial[n].Sample.TS
		n++
	}
	return items[n:]
}

// appendItems judges items under the lock and answers how many it judged; known
// is false when the next one needs the server.
func (s *SeriesStore) appendItems(items []store.Item) (done int, known bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.bound {
		return 0, true, errUnbound("append readings")
	}
	defer func() { s.unflushed.Store(s.pool.Bytes() + s.payloads + s.leavingPayloads) }()
	applied := s.journal.Applied()
	for i := range items {
		it := &items[i]
		if it.Seq <= applied {
			it.Verdict = store.VerdictStored
			done++
			continue
		}
		h := s.head(it.Series)
		if h.asked && it.Sample.TS > h.last {
			h.last = it.Sample.TS
			h.live.Push(&it.Sample, &s.pool)
			it.Verdict = store.VerdictStored
		} else if it.Verdict, known = s.judgeLate(h, it); !known {
			return done, false, nil
		}
		done++
		s.count(h, it)
	}
	return done, true, nil
}

// head answers the head of a series, and makes it.
func (s *SeriesStore) head(sr store.Series) *head {
	h := s.heads[sr]
	if h == nil {
		h = &head{series: sr}
		s.heads[sr] = h
	}
	return h
}

// count notes a verdict in the sums, and what a stored reading leaves beside
// its sample.
func (s *SeriesStore) count(h *head, it *store.Item) {
	if it.Verdict == store.VerdictConflict {
		return
	}
	owner := it.Series.UID
	if it.Unregistered {
		owner = 0
	}
	if !h.dirty {
		h.dirty = true
		h.hour, h.owner = it.Hour, owner
		s.dirty = append(s.dirty, h)
	}
	if h.hour != it.Hour || h.owner != owner {
		s.settleTallies(h)
		h.hour, h.owner = it.Hour, owner
	}
	if it.Verdict == store.VerdictDuplicate {
		h.duplicate++
		s.live.duplicate++
		return
	}
	h.stored++
	s.live.stored++
	if it.Calibration != nil || it.Sample.Calibration != 0 {
		h.calibration(it.Calibration, it.Sample.Calibration)
	}
	if it.Unregistered {
		if h.unregistered == nil {
			h.unregistered = map[int64]bool{}
		}
		h.unregistered[it.Sample.TS] = true
	}
	if it.Payload != "" {
		if h.payloads == nil {
			h.payloads = map[int64]string{}
		}
		h.payloads[it.Sample.TS] = it.Payload
		if it.Payload != s.payload { // the readings of a message share it
			s.payload = it.Payload
			s.payloads += int64(len(it.Payload))
		}
	}
}

// settleTallies moves the tallies of h to the sums.
func (s *SeriesStore) settleTallies(h *head) {
	if h.stored != 0 {
		s.live.storedHours.Add(h.hour, h.owner, h.stored)
	}
	if h.duplicate != 0 {
		s.live.duplicateHours.Add(h.hour, h.owner, h.duplicate)
	}
	h.stored, h.duplicate = 0, 0
}

// judgeLate judges a sample that is not above all others of its series.
func (s *SeriesStore) judgeLate(h *head, it *store.Item) (v store.Verdict, known bool) {
	if it.Sample.Flags&store.FlagServerTS != 0 {
		ts, known := h.freeTime(it.Sample.TS)
		if !known {
			return 0, false
		}
		it.Sample.TS = ts
	} else {
		raw, found, known := h.find(it.Sample.TS)
		switch {
		case !known:
			return 0, false
		case found && raw == it.Sample.Raw:
			return store.VerdictDuplicate, true
		case found:
			return store.VerdictConflict, true
		}
	}
	s.metrics.late.Inc()
	h.last = max(h.last, it.Sample.TS)
	if it.Sample.TS > h.live.Last() {
		h.live.Push(&it.Sample, &s.pool)
	} else {
		h.live.Insert(&it.Sample, &s.pool)
	}
	return store.VerdictStored, true
}

// freeTime answers the first free millisecond at or above ts in its UTC month,
// or else the first one below.
func (h *head) freeTime(ts int64) (free int64, known bool) {
	for t, end := ts, monthEnd(ts); t < end; t++ {
		switch _, found, known := h.find(t); {
		case !known:
			return t, false
		case !found:
			return t, true
		}
	}
	for t := ts - 1; t > math.MinInt64; t-- {
		switch _, found, known := h.find(t); {
		case !known:
			return t, false
		case !found:
			return t, true
		}
	}
	return ts, true // a month holds fewer readings than that
}

// monthEnd answers the first millisecond after the UTC month of ts.
func monthEnd(ts int64) int64 {
	t := time.UnixMilli(ts).UTC()
	return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
}
