package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// ExpiredMonth is one that retention may drop. Bytes are those of its file; 0:
// all that it has waits for its flush.
type ExpiredMonth struct {
	Month Month
	Bytes int64
}

// ExpiredMonths answers the months before the keep newest ones, the current one
// included, in order. keep below 1: there are none.
func (s *SeriesStore) ExpiredMonths(keep int, now time.Time) (months []ExpiredMonth) {
	if keep < 1 {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for id, m := range s.months {
		if (m.exists || m.waits()) && id <= MonthOf(now.UnixMilli())-Month(keep) {
			months = append(months, ExpiredMonth{id, m.size})
		}
	}
	slices.SortFunc(months, func(a, b ExpiredMonth) int { return cmp.Compare(a.Month, b.Month) })
	return months
}

// waits reports whether it has readings that wait for their flush.
func (m *month) waits() bool { return len(m.dirty)+len(m.frozen) > 0 }

// DropMonths removes the files of expired months. before is called for each that
// goes, and keeps it from going with an error. The tallies move to the index
// first, in one transaction, so that Totals and Hours stay what they were. A
// month with readings that wait for their flush, or of which a replay is still
// due, is left for the next time. While a Snapshot runs it waits.
func (s *SeriesStore) DropMonths(ctx context.Context, keep int, now time.Time, before func(ExpiredMonth) error) (dropped []ExpiredMonth, err error) {
	expired := s.ExpiredMonths(keep, now)
	if len(expired) == 0 {
		return nil, nil
	}
	s.copying.Lock()
	defer s.copying.Unlock()
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.committing.Lock()
	defer s.committing.Unlock()
	for _, e := range expired {
		if err := errors.Join(ctx.Err(), s.broken); err != nil {
			return dropped, fmt.Errorf("drop readings of %s: %w", e.Month, err)
		}
		e, ok, err := s.drop(e.Month, before)
		if err != nil {
			return dropped, fmt.Errorf("drop readings of %s: %w", e.Month, err)
		}
		if ok {
			dropped = append(dropped, e)
		}
	}
	return dropped, nil
}

// drop removes one month. The lock is held for all of it, so that nobody
// appends to a month that goes.
func (s *SeriesStore) drop(id Month, before func(ExpiredMonth) error) (e ExpiredMonth, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.months[id]
	if m == nil || !m.exists || m.waits() || m.state.applied > s.applied.Load() {
		return e, false, nil
	}
	stored, duplicate := store.HourCounts{}, store.HourCounts{}
	e = ExpiredMonth{id, m.size}
	err = s.files.view(id, func(tx *bbolt.Tx) error {
		return readHours(tx.Bucket(hoursBucket), minHour, maxHour, stored, duplicate)
	})
	if err == nil {
		err = before(e)
	}
	if err != nil {
		return e, false, err
	}
	if err := s.index.moveTallies(id, m.state, stored, duplicate); err != nil {
		return e, false, s.noteBroken(err)
	}
	s.files.replace(id, nil)
	for _, h := range m.heads {
		s.cache.forget(h)
	}
	delete(s.months, id)
	s.cursor = nil
	if err := errors.Join(removeMonth(s.dir, id), s.index.gone(id)); err != nil {
		// The next start finishes it; until then no new file may take its name.
		s.broken = fmt.Errorf("%w: a month is half dropped; restart tidegate: %w", store.ErrUnavailable, err)
		return e, false, s.broken
	}
	s.log.Info("readings dropped", "month", id.String(), "samples", m.state.samples, "bytes", m.size)
	return e, true, nil
}

const (
	minHour = -1 << 63
	maxHour = 1<<63 - 1
)

// SeriesUsage is what readings take on disk.
type SeriesUsage struct {
	Bytes          int64 // all files
	Months         int
	Oldest, Newest Month // when Months is above 0
	Samples        uint64
	BytesPerDay    int64 // over the time that the files cover
}

// Usage answers what the readings take on disk.
func (s *SeriesStore) Usage(now time.Time) SeriesUsage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var u SeriesUsage
	days := 0.0
	for id, m := range s.months {
		if !m.exists {
			continue
		}
		if u.Months == 0 || id < u.Oldest {
			u.Oldest = id
		}
		if u.Months == 0 || id > u.Newest {
			u.Newest = id
		}
		u.Months++
		u.Bytes += m.size
		u.Samples += m.state.samples
		end := m.end
		if t := now.UnixMilli(); t > m.start && t < end {
			end = t
		}
		days += max(1, float64(end-m.start)/86_400_000)
	}
	if u.Months > 0 {
		u.BytesPerDay = int64(float64(u.Bytes) / days)
	}
	return u
}
