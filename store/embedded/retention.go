package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// ExpiredMonths answers which months DropMonths would drop, and how many bytes
// that frees.
func (s *SeriesStore) ExpiredMonths(keep int, now time.Time) (months []Month, bytes int64) {
	if keep < 1 {
		return nil, 0
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for id, m := range s.months {
		if m.exists && id <= MonthOf(now.UnixMilli())-Month(keep) {
			months = append(months, id)
			bytes += m.size
		}
	}
	slices.Sort(months)
	return months, bytes
}

// DropMonths removes the files of months before the keep newest ones, the
// current one included; keep below 1 drops none. The tallies move to the index
// first, in one transaction, so that Totals and Hours stay what they were. A
// month with readings that wait for their flush, or of which a replay is still
// due, is left for the next time. While a Snapshot runs it waits.
func (s *SeriesStore) DropMonths(ctx context.Context, keep int, now time.Time) (dropped []Month, err error) {
	expired, _ := s.ExpiredMonths(keep, now)
	if len(expired) == 0 {
		return nil, nil
	}
	s.copying.Lock()
	defer s.copying.Unlock()
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.committing.Lock()
	defer s.committing.Unlock()
	for _, id := range expired {
		if err := errors.Join(ctx.Err(), s.broken); err != nil {
			return dropped, fmt.Errorf("drop readings of %s: %w", id, err)
		}
		ok, err := s.drop(id)
		if err != nil {
			return dropped, fmt.Errorf("drop readings of %s: %w", id, err)
		}
		if ok {
			dropped = append(dropped, id)
		}
	}
	return dropped, nil
}

// drop removes one month. The lock is held for all of it, so that nobody
// appends to a month that goes.
func (s *SeriesStore) drop(id Month) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.months[id]
	if m == nil || !m.exists || len(m.dirty) > 0 || len(m.frozen) > 0 || m.state.applied > s.applied.Load() {
		return false, nil
	}
	stored, duplicate := store.HourCounts{}, store.HourCounts{}
	err := s.files.view(id, func(tx *bbolt.Tx) error {
		return readHours(tx.Bucket(hoursBucket), minHour, maxHour, stored, duplicate)
	})
	if err != nil {
		return false, err
	}
	if err := s.index.moveTallies(id, m.state, stored, duplicate); err != nil {
		return false, s.noteBroken(err)
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
		return false, s.broken
	}
	s.log.Info("readings dropped", "month", id.String(), "samples", m.state.samples, "bytes", m.size)
	return true, nil
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
