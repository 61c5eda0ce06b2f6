package embedded

import (
	"fmt"
	"runtime"
	"slices"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

const (
	smallBlock = 1024              // a block below it is filled up by what comes behind it
	mostBlock  = fullBlock * 5 / 4 // so that a late reading does not cut a full block in two
)

// blockWriter merges samples into the blocks of one transaction.
type blockWriter struct {
	bucket  *bbolt.Bucket
	coder   *blockEncoder
	decoder *blockDecoder
	state   monthState
	written int // bytes of blocks written
	blocks  int // blocks written

	series  store.Series
	pending columns // in order, behind all that was written
	old     columns // a block being taken along
}

func (s *SeriesStore) newBlockWriter(tx *bbolt.Tx, state monthState) (*blockWriter, error) {
	b, err := tx.CreateBucketIfNotExists(blocksBucket)
	if err != nil {
		return nil, err
	}
	b.FillPercent = 0.9 // keys of one series ascend, those of others lie between
	return &blockWriter{bucket: b, coder: s.coder, decoder: s.decoders.Get().(*blockDecoder), state: state}, nil
}

// oldBlock is a block that is on disk.
type oldBlock struct {
	key, value []byte
	header     blockHeader
}

// merge adds the samples in runs, which ascend and none of which is on disk,
// to a series. A block is rewritten when samples fall into its span, when it
// is small and they follow it, or when what precedes it would stay small.
func (w *blockWriter) merge(series store.Series, runs [][]store.Sample) error {
	if len(runs) == 0 {
		return nil
	}
	w.series = series
	w.pending.reset()
	last := runs[len(runs)-1]
	old, err := w.touched(runs[0][0].TS, last[len(last)-1].TS)
	if err != nil {
		return err
	}
	in := sampleFeed{runs: runs}
	for i := range old {
		o := &old[i]
		in.until(&w.pending, o.header.first)
		next, ok := in.peek()
		inside := ok && next < o.header.last
		follows := ok && (i+1 == len(old) || next < old[i+1].header.first)
		if n := len(w.pending.ts); !inside && (n == 0 || n >= smallBlock) && !(follows && o.header.count < smallBlock) {
			if err := w.write(0); err != nil {
				return err
			}
			continue
		}
		if err := w.takeAlong(o, &in); err != nil {
			return err
		}
		if err := w.write(mostBlock); err != nil {
			return err
		}
	}
	for {
		more := in.some(&w.pending, fullBlock)
		if err := w.write(mostBlock); err != nil {
			return err
		}
		if !more {
			return w.write(0)
		}
	}
}

// touched answers the blocks of the series that hold or border on from to to.
func (w *blockWriter) touched(from, to int64) ([]oldBlock, error) {
	var out []oldBlock
	c := w.bucket.Cursor()
	k, v := c.Seek(blockKey(w.series, from))
	if start, ok := keyOf(k, w.series); !ok || start > from {
		pk, pv := c.Prev()
		if k == nil {
			pk, pv = c.Last()
		}
		if _, ok := keyOf(pk, w.series); ok {
			k, v = pk, pv
		} else {
			k, v = c.Seek(blockKey(w.series, from))
		}
	}
	for ; k != nil; k, v = c.Next() {
		start, ok := keyOf(k, w.series)
		if !ok {
			break
		}
		h, err := parseBlock(v)
		if err != nil {
			return nil, blockError(w.bucket.Tx(), w.series, k, err)
		}
		out = append(out, oldBlock{key: slices.Clone(k), value: v, header: h})
		if start > to {
			break // the one behind, which what precedes it may join
		}
	}
	return out, nil
}

// takeAlong moves a block into pending, and the new samples of its span.
func (w *blockWriter) takeAlong(o *oldBlock, in *sampleFeed) error {
	if _, err := w.decoder.decode(&w.old, o.value, columnsAll); err != nil {
		return blockError(w.bucket.Tx(), w.series, o.key, err)
	}
	for i := 0; i < len(w.old.ts); {
		next, ok := in.peek()
		j := len(w.old.ts)
		if ok && next <= w.old.ts[j-1] {
			j, _ = slices.BinarySearch(w.old.ts, next)
		}
		w.pending.addFrom(&w.old, i, j)
		if j < len(w.old.ts) {
			if w.old.ts[j] == next {
				return fmt.Errorf("%w: %s of device number %d, port %d is there already", store.ErrConflict, store.Time(next), w.series.UID, w.series.Port)
			}
			in.until(&w.pending, w.old.ts[j])
		}
		i = j
	}
	if err := w.bucket.Delete(o.key); err != nil {
		return err
	}
	w.state.blocks--
	w.state.samples -= uint64(o.header.count)
	w.state.bytes -= uint64(len(o.value))
	return nil
}

// write cuts full blocks off pending while it holds more than keep; with keep 0
// it writes all, the rest as one block of at most mostBlock.
func (w *blockWriter) write(keep int) error {
	from, n := 0, len(w.pending.ts)
	for n-from > keep {
		size := fullBlock
		if n-from <= mostBlock {
			size = n - from
		}
		part := w.pending.slice(from, from+size)
		b := w.coder.encode(part)
		if err := w.bucket.Put(blockKey(w.series, part.ts[0]), b); err != nil {
			return err
		}
		w.written += len(b)
		w.blocks++
		w.state.blocks++
		w.state.samples += uint64(size)
		w.state.bytes += uint64(len(b))
		from += size
		// A flush is tens of milliseconds of a core. Whoever waits for
		// microseconds of it, an ack for one, goes first.
		runtime.Gosched()
	}
	w.pending.cut(from)
	return nil
}

// cut drops the first n samples.
func (c *columns) cut(n int) {
	if n == 0 {
		return
	}
	c.ts = append(c.ts[:0], c.ts[n:]...)
	c.raw = append(c.raw[:0], c.raw[n:]...)
	c.ingest = append(c.ingest[:0], c.ingest[n:]...)
	c.calibration = append(c.calibration[:0], c.calibration[n:]...)
	c.marks = append(c.marks[:0], c.marks[n:]...)
}

// sampleFeed hands out the samples of runs in order.
type sampleFeed struct {
	runs [][]store.Sample
	run  int
	i    int
}

func (f *sampleFeed) peek() (ts int64, ok bool) {
	if f.run == len(f.runs) {
		return 0, false
	}
	return f.runs[f.run][f.i].TS, true
}

func (f *sampleFeed) next(into *columns) {
	into.add(&f.runs[f.run][f.i])
	if f.i++; f.i == len(f.runs[f.run]) {
		f.run, f.i = f.run+1, 0
	}
}

// until moves the samples before ts.
func (f *sampleFeed) until(into *columns, ts int64) {
	for {
		next, ok := f.peek()
		if !ok || next >= ts {
			return
		}
		f.next(into)
	}
}

// some moves at most n samples and reports whether there are more.
func (f *sampleFeed) some(into *columns, n int) bool {
	for range n {
		if _, ok := f.peek(); !ok {
			return false
		}
		f.next(into)
	}
	_, ok := f.peek()
	return ok
}
