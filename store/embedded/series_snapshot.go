package embedded

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
)

// Snapshot calls write with a consistent copy of each file, the index first:
// the others have applied as much as it says, or more, which is the state that
// a crash between two commits leaves and a replay mends. So a copy of the log
// taken afterwards completes it, if nothing is trimmed in between. What was not
// flushed is in the log only. Flushes go on meanwhile; months are not dropped.
func (s *SeriesStore) Snapshot(ctx context.Context, write func(name string, size int64, r io.Reader) error) error {
	s.copying.RLock()
	defer s.copying.RUnlock()
	if err := snapshotBolt(ctx, s.index.db, indexName, write); err != nil {
		return fmt.Errorf("copy readings: %w", err)
	}
	s.mu.RLock()
	months := slices.Sorted(maps.Keys(s.months))
	s.mu.RUnlock()
	for _, m := range months {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("copy readings: %w", err)
		}
		mf, err := s.files.acquire(m, false)
		if notExist(err) {
			continue // nothing was flushed to it yet
		}
		if err != nil {
			return fmt.Errorf("copy readings: %w", err)
		}
		err = snapshotBolt(ctx, mf.db, filepath.Base(m.file("")), write)
		s.files.release(mf)
		if err != nil {
			return fmt.Errorf("copy readings of %s: %w", m, err)
		}
	}
	return nil
}
