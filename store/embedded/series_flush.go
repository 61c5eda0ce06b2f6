package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
	"tidegate/store/runs"
)

// Flush implements store.Appender. What was appended is frozen first, between
// two batches; then each month is one transaction; then the index says that
// the position is reached. A flush that fails leaves what it did not commit
// frozen, and the next one takes it along.
func (s *SeriesStore) Flush(ctx context.Context, before func(through uint64) error) (uint64, error) {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	start := time.Now()
	if s.broken != nil {
		return s.applied.Load(), fmt.Errorf("flush readings: %w", s.broken)
	}
	through, months, err := s.freeze()
	if err != nil {
		return s.applied.Load(), fmt.Errorf("flush readings: %w", err)
	}
	if before != nil {
		if err := before(through); err != nil {
			return s.applied.Load(), fmt.Errorf("flush readings: %w", err)
		}
	}
	for _, m := range months {
		if err := ctx.Err(); err != nil {
			return s.applied.Load(), fmt.Errorf("flush readings: %w", err)
		}
		if err := s.commit(m, through); err != nil {
			return s.applied.Load(), fmt.Errorf("flush readings of %s: %w", m, s.noteBroken(err))
		}
	}
	if through > s.applied.Load() {
		if err := s.index.setPosition(s.index.log, through); err != nil {
			return s.applied.Load(), fmt.Errorf("flush readings: %w", s.noteBroken(err))
		}
		s.applied.Store(through)
	}
	s.forgetQuiet()
	s.m.flushSeconds.Observe(time.Since(start).Seconds())
	return through, nil
}

// noteBroken remembers a failed fsync: after it nobody knows what is on disk,
// so nothing is written any more. The caller holds flushing.
func (s *SeriesStore) noteBroken(err error) error {
	if errors.Is(err, errFsync) {
		s.broken = err
	}
	return err
}

// freeze takes what was appended out of the way of Append and answers the
// position it reaches and the months that have something to commit, in order.
// While a failed batch waits to be repeated only what was frozen before is
// answered: its readings would stand beyond the position.
func (s *SeriesStore) freeze() (through uint64, months []*month, err error) {
	s.batching.Lock()
	defer s.batching.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.bound {
		return 0, nil, fmt.Errorf("%w: no log is bound", store.ErrUnavailable)
	}
	whole := len(s.partial) == 0
	for _, m := range s.months {
		if whole {
			m.freeze(&s.pool)
		}
		if len(m.frozen) > 0 {
			months = append(months, m)
		}
	}
	slices.SortFunc(months, func(a, b *month) int { return cmp.Compare(a.Month, b.Month) })
	if whole {
		s.frozenThrough = s.through
	}
	return s.frozenThrough, months, nil
}

func (m *month) freeze(p *runs.Pool) {
	for _, h := range m.dirty {
		if !h.leaving {
			h.leaving = true
			m.frozen = append(m.frozen, h)
		}
		h.frozen.Take(&h.live, p)
		h.dirty = false
		m.settleTallies(h)
	}
	clear(m.dirty)
	m.dirty = m.dirty[:0]
	for i := range m.tally {
		if m.frozenTally[i] == nil {
			m.frozenTally[i] = store.HourCounts{}
		}
		m.frozenTally[i].AddAll(m.tally[i])
		clear(m.tally[i])
	}
}

// commit writes a month's frozen heads in one transaction and drops them.
func (s *SeriesStore) commit(m *month, through uint64) error {
	if s.o.beforeCommit != nil {
		if err := s.o.beforeCommit(m.Month); err != nil {
			return err
		}
	}
	mf, err := s.files.acquire(m.Month, true)
	if err != nil {
		return err
	}
	defer s.files.release(mf)
	slices.SortFunc(m.frozen, func(a, b *head) int { return compareSeries(a.series, b.series) })
	s.committing.Lock()
	defer s.committing.Unlock()
	var w *blockWriter
	err = update(mf.db, func(tx *bbolt.Tx) error {
		state, err := readMonthState(tx)
		if err != nil {
			return err
		}
		if w, err = s.newBlockWriter(tx, state); err != nil {
			return err
		}
		defer s.decoders.Put(w.decoder)
		for _, h := range m.frozen {
			if err := w.merge(h.series, h.frozen.List); err != nil {
				return err
			}
		}
		hours, err := tx.CreateBucketIfNotExists(hoursBucket)
		if err != nil {
			return err
		}
		if err := addHours(hours, m.frozenTally[tallyStored], m.frozenTally[tallyDuplicate]); err != nil {
			return err
		}
		w.state.log, w.state.applied = s.index.log, through
		w.state.tally(m.frozenTally[tallyStored], m.frozenTally[tallyDuplicate])
		return writeMonthState(tx, &w.state)
	})
	if err != nil {
		return err
	}
	s.m.flushedBytes.Add(float64(w.written))
	s.m.blocks.Add(float64(w.blocks))
	size := m.size
	if info, err := os.Stat(mf.db.Path()); err == nil { // it only steers when to settle
		size = info.Size()
	}
	s.thaw(m, w.state, size)
	return nil
}

// thaw drops what was frozen of m, because the disk has it now.
func (s *SeriesStore) thaw(m *month, state monthState, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range m.frozen {
		h.leaving = false
		h.disk = max(h.disk, h.frozen.Last())
		h.frozen.Drop(&s.pool)
		s.cache.forget(h)
	}
	clear(m.frozen)
	m.frozen = m.frozen[:0]
	m.frozenTally = [2]store.HourCounts{}
	m.state, m.size, m.exists, m.quietSince = state, size, true, s.o.Now()
	s.unflushed.Store(s.pool.Bytes())
}

// forgetQuiet frees the heads of months that got nothing since the last flush.
func (s *SeriesStore) forgetQuiet() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, m := range s.months {
		switch {
		case m.touched:
			m.touched = false
		case len(m.dirty) > 0 || len(m.frozen) > 0:
		case !m.exists:
			if s.cursor == m {
				s.cursor = nil
			}
			delete(s.months, id)
		case len(m.heads) > 0:
			for _, h := range m.heads {
				s.cache.forget(h)
			}
			m.heads = map[store.Series]*head{}
		}
	}
}

func compareSeries(a, b store.Series) int {
	return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(a.Port, b.Port))
}
