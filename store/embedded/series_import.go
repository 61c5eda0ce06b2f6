package embedded

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sort"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

var _ store.Importer = (*SeriesStore)(nil)

// importError says that an import did not end.
func importError(path string) error {
	return fileError(store.ErrConflict, path, "says that readings were being brought in from another store, and that this did not end: run `tidegate migrate --to embedded` again, or begin anew with the series files moved away")
}

// beginImport keeps everything else away until end is called, and refuses
// readings that are in use: those of a log of which something is applied.
func (s *SeriesStore) beginImport() (end func(), err error) {
	s.copying.Lock()
	s.flushing.Lock()
	s.committing.Lock()
	s.batching.Lock()
	end = func() {
		s.batching.Unlock()
		s.committing.Unlock()
		s.flushing.Unlock()
		s.copying.Unlock()
	}
	if err = s.broken; err == nil {
		err = s.inUse()
	}
	if err != nil {
		end()
	}
	return end, err
}

// inUse answers why the readings are not to be imported into: they follow a log.
func (s *SeriesStore) inUse() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	reached := s.index.applied
	for _, m := range s.months {
		reached = max(reached, m.state.applied)
	}
	if s.bound || reached > 0 && !s.index.imported && s.index.log != importLog {
		return fileError(store.ErrConflict, s.index.path, "follows log %s and has applied it up to %d: readings of another store can only be brought into a folder without its own; name another with --data, or move the series files away", s.index.log, reached)
	}
	return nil
}

// ImportSamples implements store.Importer: one transaction a month. Before the
// first of them the index says that an import is under way, so that one that
// did not end cannot be bound to a log.
func (s *SeriesStore) ImportSamples(ctx context.Context, sr store.Series, _ []store.Calibration, samples []store.Sample) (added int, err error) {
	if !slices.IsSortedFunc(samples, func(a, b store.Sample) int { return cmp.Compare(a.TS, b.TS) }) {
		return 0, store.Invalid("samples", "ts", "must ascend")
	}
	end, err := s.beginImport()
	if err != nil {
		return 0, fmt.Errorf("import readings: %w", err)
	}
	defer end()
	for len(samples) > 0 {
		if err := ctx.Err(); err != nil {
			return added, fmt.Errorf("import readings: %w", err)
		}
		id := MonthOf(samples[0].TS)
		n := sort.Search(len(samples), func(i int) bool { return samples[i].TS >= id.End() })
		got, err := s.importMonth(id, sr, samples[:n])
		added += got
		if err != nil {
			return added, fmt.Errorf("import readings of %s: %w", id, s.noteBroken(err))
		}
		samples = samples[n:]
	}
	return added, nil
}

// importMonth adds those of samples, which lie in the month, that it lacks.
func (s *SeriesStore) importMonth(id Month, sr store.Series, samples []store.Sample) (added int, err error) {
	var missing []store.Sample
	read := false
	err = s.files.view(id, func(tx *bbolt.Tx) (err error) {
		read = true
		missing, err = s.missing(tx, sr, samples)
		return err
	})
	if !read {
		missing = slices.CompactFunc(slices.Clone(samples), func(a, b store.Sample) bool { return a.TS == b.TS })
	}
	if err != nil || len(missing) == 0 {
		return 0, err
	}
	if s.index.log != importLog {
		if err := s.index.setPosition(importLog, s.index.applied); err != nil {
			return 0, err
		}
	}
	var blocks, written int
	err = s.changeMonth(id, true, func(tx *bbolt.Tx, state *monthState) error {
		w, err := s.newBlockWriter(tx, *state)
		if err != nil {
			return err
		}
		defer s.decoders.Put(w.decoder)
		if err := w.merge(sr, [][]store.Sample{missing}); err != nil {
			return err
		}
		*state, blocks, written = w.state, w.blocks, w.written
		return nil
	})
	if err != nil {
		return 0, err
	}
	s.m.flushedBytes.Add(float64(written))
	s.m.blocks.Add(float64(blocks))
	return len(missing), nil
}

// missing answers those of samples, which ascend, whose time is free on disk.
func (s *SeriesStore) missing(tx *bbolt.Tx, sr store.Series, samples []store.Sample) ([]store.Sample, error) {
	b := tx.Bucket(blocksBucket)
	d := s.decoders.Get().(*blockDecoder)
	defer s.decoders.Put(d)
	var out []store.Sample
	var block columns // all there is up to hi
	var hi int64
	for i := range samples {
		ts := samples[i].TS
		if i > 0 && ts == samples[i-1].TS {
			continue
		}
		if b != nil && (i == 0 || ts > hi) {
			var k, v []byte
			block.reset()
			if k, v, _, hi = blockAround(b, sr, ts); k != nil {
				if _, err := d.decode(&block, v, columnTS); err != nil {
					return nil, blockError(tx, sr, k, err)
				}
			}
		}
		if _, taken := slices.BinarySearch(block.ts, ts); !taken {
			out = append(out, samples[i])
		}
	}
	return out, nil
}

// changeMonth is one transaction of a month's file, which is made when create
// says so, beside anything but queries.
func (s *SeriesStore) changeMonth(id Month, create bool, fn func(tx *bbolt.Tx, state *monthState) error) error {
	if s.o.beforeCommit != nil {
		if err := s.o.beforeCommit(id); err != nil {
			return err
		}
	}
	mf, err := s.files.acquire(id, create)
	if err != nil {
		return err
	}
	defer s.files.release(mf)
	var state monthState
	err = update(mf.db, func(tx *bbolt.Tx) (err error) {
		if state, err = readMonthState(tx); err != nil {
			return err
		}
		if err = fn(tx, &state); err != nil {
			return err
		}
		return writeMonthState(tx, &state)
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.monthAt(id.Start())
	s.stored.Add(state.stored - m.state.stored)
	s.duplicate.Add(state.duplicate - m.state.duplicate)
	m.state, m.exists, m.quietSince = state, true, s.o.Now()
	if info, err := os.Stat(mf.db.Path()); err == nil { // it only steers when to settle
		m.size = info.Size()
	}
	return nil
}

// SetCounters implements store.Importer. The months lose their tallies and get
// the position first; then one transaction of the index, which keeps the given
// counters as it keeps those of dropped months, ends the import. Until then no
// log can be bound, and repeating it goes the whole way again.
func (s *SeriesStore) SetCounters(ctx context.Context, log store.LogID, applied uint64, stored, duplicate store.HourCounts) error {
	if err := checkCounters(log, stored, duplicate); err != nil {
		return err
	}
	end, err := s.beginImport()
	if err != nil {
		return fmt.Errorf("set the counters of readings: %w", err)
	}
	defer end()
	if err := s.setCounters(ctx, log, applied, stored, duplicate); err != nil {
		return fmt.Errorf("set the counters of readings: %w", s.noteBroken(err))
	}
	return nil
}

func (s *SeriesStore) setCounters(ctx context.Context, log store.LogID, applied uint64, stored, duplicate store.HourCounts) error {
	if s.index.log != importLog {
		if err := s.index.setPosition(importLog, s.index.applied); err != nil {
			return err
		}
	}
	s.mu.RLock()
	months := slices.Sorted(maps.Keys(s.months))
	s.mu.RUnlock()
	for _, id := range months {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.changeMonth(id, false, func(tx *bbolt.Tx, state *monthState) error {
			state.log, state.applied, state.stored, state.duplicate = log, applied, 0, 0
			state.firstHour, state.lastHour = maxHour, minHour
			if tx.Bucket(hoursBucket) == nil {
				return nil
			}
			return tx.DeleteBucket(hoursBucket)
		})
		if err != nil && !notExist(err) { // a month without a file has nothing to say
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	if err := s.index.finishImport(log, applied, stored, duplicate); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied.Store(applied)
	s.through, s.frozenThrough = applied, applied
	s.stored.Store(uint64(stored.Sum()))
	s.duplicate.Store(uint64(duplicate.Sum()))
	return nil
}
