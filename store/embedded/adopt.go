package embedded

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// Standing says which log a file follows, and how far.
type Standing struct {
	File    string
	Log     store.LogID // zero: none yet
	Applied uint64
	// Part says that the file is one of several, and applies only what belongs
	// into it: it may be further than the others, or far behind.
	Part bool
}

// Follows reports whether the file can go on with the log of b.
func (st Standing) Follows(b store.Bounds) bool {
	return st.Log == b.Log && st.Applied <= b.Head && (st.Part || st.Applied >= b.After)
}

// Standings answers where each file of the readings stands, before Bind.
func (s *SeriesStore) Standings() []Standing {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := []Standing{{File: s.index.path, Log: s.index.log, Applied: s.index.applied}}
	for _, m := range slices.Sorted(maps.Keys(s.months)) {
		st := s.months[m].state
		out = append(out, Standing{File: m.file(s.dir), Log: st.log, Applied: st.applied, Part: true})
	}
	return out
}

// Adopt gives the readings the log of b, from its beginning: the way out when
// the log that they followed is lost. Files that follow it already stay as they
// are, so that Adopt may be repeated, also after a crash. No reading and no
// tally changes. It is called before Bind, and the store is closed then.
// Readings of an import that did not end are refused.
func (s *SeriesStore) Adopt(b store.Bounds) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index.log == importLog {
		return fmt.Errorf("adopt log %s: %w", b.Log, importError(s.index.path))
	}
	for _, m := range slices.Sorted(maps.Keys(s.months)) {
		st := s.months[m].state
		if st.log == (store.LogID{}) || (Standing{Log: st.log, Applied: st.applied, Part: true}).Follows(b) {
			continue
		}
		if err := s.adoptMonth(m, b); err != nil {
			return fmt.Errorf("adopt log %s: %w", b.Log, err)
		}
	}
	// The index comes last: while it names the old log, Bind refuses.
	if (Standing{Log: s.index.log, Applied: s.index.applied}).Follows(b) {
		return nil
	}
	if err := s.index.setPosition(b.Log, b.After); err != nil {
		return fmt.Errorf("adopt log %s: %w", b.Log, err)
	}
	return nil
}

func (s *SeriesStore) adoptMonth(m Month, b store.Bounds) error {
	mf, err := s.files.acquire(m, false)
	if err != nil {
		return err
	}
	defer s.files.release(mf)
	return update(mf.db, func(tx *bbolt.Tx) error {
		state, err := readMonthState(tx)
		if err != nil {
			return err
		}
		state.log, state.applied = b.Log, b.After
		return writeMonthState(tx, &state)
	})
}

// CountedHours answers the first and the last hour of receipt of which anything
// is counted; last < first: nothing is.
func (s *SeriesStore) CountedHours() (first, last int64, err error) {
	first, last = maxHour, minHour
	s.mu.RLock()
	for _, m := range s.months {
		first, last = min(first, m.state.firstHour), max(last, m.state.lastHour)
	}
	s.mu.RUnlock()
	err = view(s.index.db, func(tx *bbolt.Tx) error {
		f, l := hourRange(tx.Bucket(hoursBucket))
		first, last = min(first, f), max(last, l)
		return nil
	})
	return first, last, err
}

// Standings answers where the file stands, before Bind.
func (s *State) Standings() []Standing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return []Standing{{File: s.db.Path(), Log: s.meta.Log, Applied: s.meta.Applied}}
}

// Adopt makes the file follow the log of b from its beginning, if it does not
// follow it already. Letters, counts and presence stay, and no id of a letter
// is given twice. It is called before Bind, and the state is closed then.
func (s *State) Adopt(b store.Bounds) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.meta.clone()
	if (Standing{Log: m.Log, Applied: m.Applied}).Follows(b) {
		return nil
	}
	err := update(s.db, func(tx *bbolt.Tx) error {
		if m.Log != b.Log {
			m.Log, m.Base = b.Log, m.Base+m.Applied
		}
		m.Applied = b.After
		// What they were remembered for is not replayed any more.
		if err := tx.DeleteBucket(verdictBucket); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(verdictBucket); err != nil {
			return err
		}
		return writeStateMeta(tx, m)
	})
	if err != nil {
		return fmt.Errorf("adopt log %s: %w", b.Log, err)
	}
	s.meta, s.wait, s.cache = m, newWave(m.Applied), verdictCache{}
	s.applied.Store(m.Applied)
	return nil
}

// CountedHours answers the first and the last hour of receipt of which anything
// is counted; last < first: nothing is.
func (s *State) CountedHours() (first, last int64, err error) {
	first, last = maxHour, minHour
	err = view(s.db, func(tx *bbolt.Tx) error {
		first, last = hourRange(tx.Bucket(hourBucket))
		return nil
	})
	return first, last, err
}

// CarryHours adds all that is counted, under whatever it is, of fromHour <= hour
// < toHour.
func (s *SeriesStore) CarryHours(ctx context.Context, fromHour, toHour int64, into store.HourCounts) error {
	return s.Hours(ctx, fromHour, toHour, into, into)
}

// Standings answers where the file stands, before Bind.
func (j *Journal) Standings() []Standing {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return []Standing{{File: j.db.Path(), Log: j.meta.Log, Applied: j.meta.Applied}}
}

// Adopt makes the file follow the log of b from its beginning, if it does not
// follow it already. Counts, refusals and the database stay, and so does what is
// on its way there: its readings are in it, and are sent at the next start. It is
// called before Bind, and the journal is closed then.
func (j *Journal) Adopt(b store.Bounds) error {
	ctx := context.Background()
	i, kept, err := j.Intent(ctx)
	if err != nil || (Standing{Log: j.meta.Log, Applied: j.meta.Applied}).Follows(b) {
		return err
	}
	return j.change(ctx, "adopt log "+b.Log.String(), func(tx *bbolt.Tx, m *journalMeta) error {
		if m.Import == importBegun {
			return importUnfinished(j.db.Path())
		}
		m.Log, m.Applied, m.Import = b.Log, b.After, ""
		if !kept {
			return nil
		}
		i.Through = b.After
		return m.keepIntent(tx, i)
	})
}

// CountedHours answers the first and the last hour of receipt of which anything
// is counted, or will be once what is on its way has arrived; last < first:
// nothing is.
func (j *Journal) CountedHours() (first, last int64, err error) {
	i, _, err := j.Intent(context.Background())
	if err != nil {
		return 0, 0, err
	}
	first, last = maxHour, minHour
	err = view(j.db, func(tx *bbolt.Tx) error {
		for _, name := range [...][]byte{hoursBucket, refusedHoursBucket} {
			f, l := hourRange(tx.Bucket(name))
			first, last = min(first, f), max(last, l)
		}
		return nil
	})
	for _, hour := range hoursOf(i.Stored, i.Duplicate) {
		first, last = min(first, hour), max(last, hour)
	}
	return first, last, err
}

// CarryHours adds all that is counted, under whatever it is, of fromHour <= hour
// < toHour, and what is on its way.
func (j *Journal) CarryHours(ctx context.Context, fromHour, toHour int64, into store.HourCounts) error {
	if err := j.Hours(ctx, fromHour, toHour, into, into); err != nil {
		return err
	}
	if err := j.RefusedHours(ctx, fromHour, toHour, into); err != nil {
		return err
	}
	i, _, err := j.Intent(ctx)
	for _, counts := range []store.HourCounts{i.Stored, i.Duplicate} {
		for hour, c := range counts {
			if hour < fromHour || hour >= toHour {
				continue
			}
			for uid, n := range c {
				into.Add(hour, uid, n)
			}
		}
	}
	return err
}

// hourRange answers the first and the last hour of a bucket, which may be nil.
func hourRange(b *bbolt.Bucket) (first, last int64) {
	if b == nil {
		return maxHour, minHour
	}
	c := b.Cursor()
	f, _ := c.First()
	l, _ := c.Last()
	if len(f) != 8 || len(l) != 8 {
		return maxHour, minHour
	}
	return int64(binary.BigEndian.Uint64(f) ^ 1<<63), int64(binary.BigEndian.Uint64(l) ^ 1<<63)
}

// MakeIndex makes the index of readings again where only their months are left,
// and reports whether it did. Which months were dropped, and their tallies, is
// not known any more.
func MakeIndex(dir string, now time.Time) (made bool, err error) {
	months, err := listMonths(dir)
	if err != nil || len(months) == 0 {
		return false, err
	}
	if _, err := os.Lstat(filepath.Join(dir, indexName)); !notExist(err) {
		return false, err
	}
	x, err := openIndex(dir, true, now)
	if err != nil {
		return false, err
	}
	return true, x.close()
}
