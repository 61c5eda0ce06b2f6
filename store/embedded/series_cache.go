package embedded

import (
	"container/list"
	"fmt"
	"math"
	"slices"
	"sort"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// cachedBlock is what the disk says of a span of one series: for lo <= ts <=
// hi it holds all there is. The store's lock guards it.
type cachedBlock struct {
	head   *head
	lo, hi int64
	ts     []int64
	raw    []float64
	place  *list.Element
}

func (c *cachedBlock) find(ts int64) (raw float64, found bool) {
	i, found := slices.BinarySearch(c.ts, ts)
	if !found {
		return 0, false
	}
	return c.raw[i], true
}

// taken answers the first free time at or above ts, as far as c knows: hi+1
// when all up to there are taken.
func (c *cachedBlock) taken(ts int64) int64 {
	i, found := slices.BinarySearch(c.ts, ts)
	if !found {
		return ts
	}
	rest := c.ts[i:]
	return ts + int64(sort.Search(len(rest), func(k int) bool { return rest[k] != ts+int64(k) }))
}

// blockCache bounds the cached blocks; the least recently used goes first.
type blockCache struct {
	limit int
	order list.List // of *cachedBlock, the most recently used in front
	spare []*cachedBlock
}

func (c *blockCache) add(b *cachedBlock) {
	b.place = c.order.PushFront(b)
	b.head.cached = append(b.head.cached, b)
	for c.order.Len() > c.limit {
		last := c.order.Back().Value.(*cachedBlock)
		last.head.cached = slices.DeleteFunc(last.head.cached, func(o *cachedBlock) bool { return o == last })
		c.order.Remove(last.place)
		c.spare = append(c.spare, last)
	}
}

// forget drops what was cached of h, because the disk has changed.
func (c *blockCache) forget(h *head) {
	for _, b := range h.cached {
		c.order.Remove(b.place)
		c.spare = append(c.spare, b)
	}
	h.cached = nil
}

func (c *blockCache) fresh() *cachedBlock {
	if n := len(c.spare); n > 0 {
		b := c.spare[n-1]
		c.spare = c.spare[:n-1]
		if n > 8 {
			c.spare = c.spare[:8]
		}
		return b
	}
	return new(cachedBlock)
}

// cachedAt answers what the disk says around ts. The caller holds mu.
func (s *SeriesStore) cachedAt(m *month, h *head, ts int64) (*cachedBlock, error) {
	for _, c := range h.cached {
		if c.lo <= ts && ts <= c.hi {
			s.cache.order.MoveToFront(c.place)
			s.m.cacheHits.Inc()
			return c, nil
		}
	}
	s.m.cacheMisses.Inc()
	c := s.cache.fresh()
	*c = cachedBlock{head: h, lo: m.start, hi: m.end - 1, ts: c.ts[:0], raw: c.raw[:0]}
	err := s.files.view(m.Month, func(tx *bbolt.Tx) error {
		b := tx.Bucket(blocksBucket)
		if b == nil {
			return nil
		}
		k, v, lo, hi := blockAround(b, h.series, ts)
		c.lo, c.hi = max(c.lo, lo), min(c.hi, hi)
		if k == nil {
			return nil
		}
		d := s.decoders.Get().(*blockDecoder)
		defer s.decoders.Put(d)
		cols := columns{ts: c.ts, raw: c.raw}
		if _, err := d.decode(&cols, v, columnTS|columnRaw); err != nil {
			return blockError(tx, h.series, k, err)
		}
		c.ts, c.raw = cols.ts, cols.raw
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look up late reading: %w", err)
	}
	s.cache.add(c)
	return c, nil
}

// blockAround answers the block of a series that holds ts, if any does. It says
// all there is of lo <= ts <= hi; without a block, nothing is there.
func blockAround(b *bbolt.Bucket, series store.Series, ts int64) (k, v []byte, lo, hi int64) {
	hi = math.MaxInt64
	c := b.Cursor()
	k, v = c.Seek(blockKey(series, ts))
	if start, ok := keyOf(k, series); ok && start == ts {
		if next, _ := c.Next(); next != nil {
			if after, ok := keyOf(next, series); ok {
				hi = after - 1
			}
		}
		return k, v, ts, hi
	} else if ok { // the block before holds ts, or none does
		hi = start - 1
	}
	if k == nil {
		k, v = c.Last()
	} else {
		k, v = c.Prev()
	}
	lo, ok := keyOf(k, series)
	if !ok {
		return nil, nil, math.MinInt64, hi
	}
	return k, v, lo, hi
}

// lastOnDisk answers the newest ts of a series in a month's file.
func (s *SeriesStore) lastOnDisk(m Month, series store.Series) (ts int64, ok bool, err error) {
	err = s.files.view(m, func(tx *bbolt.Tx) error {
		k, v := lastBlock(tx, series)
		if k == nil {
			return nil
		}
		h, err := parseBlock(v)
		if err != nil {
			return blockError(tx, series, k, err)
		}
		ts, ok = h.last, true
		return nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("look up newest reading: %w", err)
	}
	return ts, ok, nil
}

// lastBlock answers the last block of a series, or nil.
func lastBlock(tx *bbolt.Tx, series store.Series) (k, v []byte) {
	b := tx.Bucket(blocksBucket)
	if b == nil {
		return nil, nil
	}
	c := b.Cursor()
	k, v = c.Seek(blockKey(series, math.MaxInt64))
	if _, ok := keyOf(k, series); ok { // a block that starts at the end of time
		return k, v
	}
	if k == nil {
		k, v = c.Last()
	} else {
		k, v = c.Prev()
	}
	if _, ok := keyOf(k, series); !ok {
		return nil, nil
	}
	return k, v
}

// blockError names the file and the block that is damaged.
func blockError(tx *bbolt.Tx, series store.Series, key []byte, err error) error {
	ts, _ := keyOf(key, series)
	return fileError(store.ErrInvalid, tx.DB().Path(), "is damaged: device number %d, port %d, block of %s: %v; %s",
		series.UID, series.Port, store.Time(ts), err, wayOut)
}
