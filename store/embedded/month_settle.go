package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

const (
	settleGrowth = 24 << 10 // bytes that a file may grow unsettled, beside a fifth of its size
	settleBatch  = 8 << 20  // bytes of blocks a transaction
)

// Settle rewrites the files of months that got nothing for idle and have grown
// by a fifth since they were last rewritten: blocks are filled up, free pages
// go. Queries and appends go on meanwhile. The new file takes the old one's
// name once it is whole and on disk; a crash leaves one or the other. A month
// that is written to meanwhile stays as it is and has another chance later.
func (s *SeriesStore) Settle(ctx context.Context, idle time.Duration) error {
	for _, m := range s.unsettled(idle) {
		if err := s.settle(ctx, m); err != nil {
			return fmt.Errorf("settle readings of %s: %w", m, err)
		}
	}
	return nil
}

func (s *SeriesStore) unsettled(idle time.Duration) []Month {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Month
	now := s.o.Now()
	for id, m := range s.months {
		grown := uint64(m.size) > m.state.settled+m.state.settled/5+settleGrowth
		if m.exists && grown && len(m.dirty) == 0 && len(m.frozen) == 0 && now.Sub(m.quietSince) >= idle {
			out = append(out, id)
		}
	}
	return out
}

func (s *SeriesStore) settle(ctx context.Context, id Month) error {
	tmp := id.file(s.dir) + ".tmp"
	old, err := s.files.acquire(id, false)
	if notExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer s.files.release(old)
	if err := removeIfThere(tmp); err != nil {
		return err
	}
	size, err := s.rewrite(ctx, old.db, tmp)
	if err != nil {
		return errors.Join(err, removeIfThere(tmp))
	}
	return s.swap(id, old.db, tmp, size)
}

// swap puts the rewritten file of a month in the place of the old one, if that
// is still what was copied.
func (s *SeriesStore) swap(id Month, old *bbolt.DB, tmp string, size int64) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.months[id]
	var now, then monthState
	err := errors.Join(
		view(old, func(tx *bbolt.Tx) (err error) { now, err = readMonthState(tx); return err }),
		stateOf(tmp, &then))
	if err != nil {
		return errors.Join(err, removeIfThere(tmp))
	}
	if m == nil || !m.exists || now.applied != then.applied || now.stored != then.stored || s.broken != nil {
		return removeIfThere(tmp) // it was flushed to or dropped meanwhile
	}
	if err := moveFile(tmp, id.file(s.dir)); err != nil {
		return errors.Join(err, removeIfThere(tmp))
	}
	s.files.replace(id, nil)
	m.state, m.size = then, size
	s.log.Info("readings settled", "month", id.String(), "bytes", size, "blocks", then.blocks, "samples", then.samples)
	return nil
}

func stateOf(path string, into *monthState) error {
	db, err := openFile(path, fileSpec{kind: monthKind, format: monthFormat, peek: true})
	if err != nil {
		return err
	}
	err = view(db, func(tx *bbolt.Tx) (err error) { *into, err = readMonthState(tx); return err })
	return errors.Join(err, db.Close())
}

// rewrite writes the month in old to a new file at path, with full blocks and
// without free pages, syncs it, and answers its size. Each of its transactions
// reads a little; the caller finds out whether old has changed meanwhile.
func (s *SeriesStore) rewrite(ctx context.Context, old *bbolt.DB, path string) (int64, error) {
	db, err := openFile(path, fileSpec{kind: monthKind, format: monthFormat, made: s.o.Now()})
	if err != nil {
		return 0, err
	}
	db.NoSync = true // one sync at the end: until then nobody knows the file
	coder, err := newBlockEncoder()
	if err == nil {
		r := rewriter{src: old, dst: db, coder: coder, decoder: s.decoders.Get().(*blockDecoder)}
		defer s.decoders.Put(r.decoder)
		err = r.run(ctx)
	}
	var pages int64
	if err == nil {
		err = view(db, func(tx *bbolt.Tx) error { pages = tx.Size(); return nil })
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return 0, err
	}
	return pages, trim(path, pages)
}

// trim cuts the space that the file was given in advance, and syncs it.
func trim(path string, size int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}

// rewriter copies a month series by series.
type rewriter struct {
	src, dst *bbolt.DB
	coder    *blockEncoder
	decoder  *blockDecoder
	state    monthState
	at       []byte // the key behind which to go on
	block    columns
	pending  columns
	series   store.Series
	full     [][2][]byte // key and block
	bytes    int
}

func (r *rewriter) run(ctx context.Context) error {
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := view(r.src, func(tx *bbolt.Tx) (err error) { done, err = r.read(tx); return err }); err != nil {
			return err
		}
		if r.bytes >= settleBatch && !done {
			if err := update(r.dst, r.write); err != nil {
				return err
			}
		}
	}
	r.cut(0)
	var hours [][2][]byte
	var state monthState
	err := view(r.src, func(tx *bbolt.Tx) (err error) {
		if b := tx.Bucket(hoursBucket); b != nil {
			err = b.ForEach(func(k, v []byte) error {
				hours = append(hours, [2][]byte{bytes.Clone(k), bytes.Clone(v)})
				return nil
			})
		}
		if err == nil {
			state, err = readMonthState(tx)
		}
		return err
	})
	if err != nil {
		return err
	}
	state.blocks, state.bytes, state.samples = r.state.blocks, r.state.bytes, r.state.samples
	if err := update(r.dst, func(tx *bbolt.Tx) error { return r.finish(tx, &state, hours) }); err != nil {
		return err
	}
	return update(r.dst, func(tx *bbolt.Tx) error {
		state.settled = uint64(tx.Size()) // known once all else has its pages
		return writeMonthState(tx, &state)
	})
}

// finish writes what is left, the tallies and the state.
func (r *rewriter) finish(tx *bbolt.Tx, state *monthState, hours [][2][]byte) error {
	if err := r.write(tx); err != nil {
		return err
	}
	b, err := tx.CreateBucketIfNotExists(hoursBucket)
	if err != nil {
		return err
	}
	b.FillPercent = 1
	for _, kv := range hours {
		if err := b.Put(kv[0], kv[1]); err != nil {
			return err
		}
	}
	return writeMonthState(tx, state)
}

// read takes the next blocks along and answers whether they were the last.
func (r *rewriter) read(tx *bbolt.Tx) (done bool, err error) {
	b := tx.Bucket(blocksBucket)
	if b == nil {
		return true, nil
	}
	c := b.Cursor()
	k, v := c.First()
	if r.at != nil {
		if k, v = c.Seek(r.at); string(k) == string(r.at) {
			k, v = c.Next()
		}
	}
	for range blocksAtOnce {
		if k == nil {
			return true, nil
		}
		if len(k) != blockKeyBytes {
			return false, fileError(store.ErrInvalid, tx.DB().Path(), "is damaged: a key has %d bytes; %s", len(k), wayOut)
		}
		if series := seriesOf(k); series != r.series {
			r.cut(0)
			r.series = series
		}
		if _, err := r.decoder.decode(&r.block, v, columnsAll); err != nil {
			return false, blockError(tx, r.series, k, err)
		}
		r.pending.addFrom(&r.block, 0, len(r.block.ts))
		r.cut(mostBlock)
		r.at = append(r.at[:0], k...)
		k, v = c.Next()
	}
	return false, nil
}

// cut makes full blocks of pending while it holds more than keep.
func (r *rewriter) cut(keep int) {
	from, n := 0, len(r.pending.ts)
	for n-from > keep {
		size := fullBlock
		if n-from <= mostBlock {
			size = n - from
		}
		part := r.pending.slice(from, from+size)
		b := r.coder.encode(part)
		r.full = append(r.full, [2][]byte{blockKey(r.series, part.ts[0]), b})
		r.bytes += len(b)
		r.state.blocks++
		r.state.bytes += uint64(len(b))
		r.state.samples += uint64(size)
		from += size
	}
	r.pending.cut(from)
}

func (r *rewriter) write(tx *bbolt.Tx) error {
	b, err := tx.CreateBucketIfNotExists(blocksBucket)
	if err != nil {
		return err
	}
	b.FillPercent = 1 // keys ascend
	for _, kv := range r.full {
		if err := b.Put(kv[0], kv[1]); err != nil {
			return err
		}
	}
	r.full, r.bytes = r.full[:0], 0
	return nil
}
