package embedded

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

var _ store.Lister = (*SeriesStore)(nil)

// ListSeries implements store.Lister: it reads the head of every block.
func (s *SeriesStore) ListSeries(ctx context.Context) ([]store.Extent, error) {
	s.mu.RLock()
	months := slices.Sorted(maps.Keys(s.months))
	s.mu.RUnlock()
	all := map[store.Series]*store.Extent{}
	for _, m := range months {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.files.view(m, func(tx *bbolt.Tx) error { return listBlocks(tx, all) }); err != nil {
			return nil, fmt.Errorf("list the series of %s: %w", m, err)
		}
	}
	out := make([]store.Extent, 0, len(all))
	for _, e := range all {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b store.Extent) int { return compareSeries(a.Series, b.Series) })
	return out, nil
}

// listBlocks adds what the blocks of a month say of themselves.
func listBlocks(tx *bbolt.Tx, all map[store.Series]*store.Extent) error {
	b := tx.Bucket(blocksBucket)
	if b == nil {
		return nil
	}
	return b.ForEach(func(k, v []byte) error {
		series := seriesOf(k)
		h, err := parseBlock(v)
		if err != nil {
			return blockError(tx, series, k, err)
		}
		e := all[series]
		if e == nil {
			e = &store.Extent{Series: series, First: h.first, Last: h.last}
			all[series] = e
		}
		e.First, e.Last = min(e.First, h.first), max(e.Last, h.last)
		e.Count += uint64(h.count)
		return nil
	})
}
