package embedded

import (
	"context"
	"fmt"
	"math"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// Latest implements store.Readings. It walks the months backwards.
func (s *SeriesStore) Latest(ctx context.Context, series []store.Series) ([]store.Sample, []bool, error) {
	samples, found := make([]store.Sample, len(series)), make([]bool, len(series))
	if len(series) == 0 {
		return samples, found, nil
	}
	r := s.newReader(ctx, series, math.MinInt64, math.MaxInt64)
	defer r.close()
	open := make([]int, len(series))
	for i := range open {
		open[i] = i
	}
	for k := len(r.months) - 1; k >= 0 && len(open) > 0; k-- {
		m := &r.months[k]
		for _, i := range open {
			if m.memory == nil {
				break
			}
			c := memoryCursor{side: m.memory[i], down: true}
			if side := c.pick(); side >= 0 {
				samples[i], found[i] = *c.front(side), true
			}
		}
		if m.exists {
			for from := 0; from < len(open); from += blocksAtOnce {
				if err := ctx.Err(); err != nil {
					return nil, nil, fmt.Errorf("read latest readings: %w", err)
				}
				if err := r.lastOf(m.Month, open[from:min(from+blocksAtOnce, len(open))], samples, found); err != nil {
					return nil, nil, fmt.Errorf("read latest readings: %w", err)
				}
			}
		}
		rest := open[:0]
		for _, i := range open {
			if !found[i] {
				rest = append(rest, i)
			}
		}
		open = rest
	}
	return samples, found, nil
}

// lastOf looks for newer samples of the series in a month's file.
func (r *reader) lastOf(m Month, open []int, samples []store.Sample, found []bool) error {
	return r.s.files.view(m, func(tx *bbolt.Tx) error {
		for _, i := range open {
			k, v := lastBlock(tx, r.series[i])
			if k == nil {
				continue
			}
			h, err := parseBlock(v)
			if err != nil {
				return blockError(tx, r.series[i], k, err)
			}
			if found[i] && samples[i].TS >= h.last {
				continue
			}
			if _, err := r.dec.decode(&r.block, v, columnsAll); err != nil {
				return blockError(tx, r.series[i], k, err)
			}
			samples[i], found[i] = r.block.sample(h.count-1), true
		}
		return nil
	})
}
