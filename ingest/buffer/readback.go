package buffer

import (
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// readChunks calls fn for chunks that hold records after < seq <= through, in
// order and without gaps, until about limit stored bytes; at least for one.
// The values are copied out first: no transaction is open while fn works, so
// that pages can be reused and the file can grow.
func (l *Log) readChunks(after, through uint64, limit int, fn func(*chunk) error) error {
	var buf []byte
	type span struct {
		first uint64
		end   int
	}
	var spans []span
	err := l.db.View(func(tx *bolt.Tx) error {
		cur := tx.Bucket(bucketLog).Cursor()
		want := key(after + 1)
		k, v := cur.Seek(want)
		if k == nil {
			k, v = cur.Last()
		} else if string(k) != string(want) {
			if k, v = cur.Prev(); k == nil {
				k, v = cur.First()
			}
		}
		for ; k != nil && (len(spans) == 0 || len(buf)+len(v) <= limit); k, v = cur.Next() {
			first, err := parseKey(k)
			if err != nil {
				return err
			}
			if first > through {
				break
			}
			buf = append(buf, v...)
			spans = append(spans, span{first, len(buf)})
		}
		return nil
	})
	if errors.Is(err, berrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	if err != nil {
		return err
	}
	next, at := after+1, 0
	for _, s := range spans {
		c, err := parseChunk(s.first, buf[at:s.end:s.end])
		if err != nil {
			return err
		}
		at = s.end
		if c.first > next || c.last < next {
			break
		}
		next = c.last + 1
		if err := fn(&c); err != nil {
			return err
		}
	}
	if next > after+1 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if after < l.trimmed {
		return fmt.Errorf("%w: %d", ErrTrimmed, after+1)
	}
	return fmt.Errorf("record %d is missing: the log is %w", after+1, errDamaged)
}

// eachChunk calls fn for all chunks that hold records after < seq <= through.
func (l *Log) eachChunk(after, through uint64, fn func(*chunk) error) error {
	for after < through {
		err := l.readChunks(after, through, readBackBytes, func(c *chunk) error {
			after = c.last
			return fn(c)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Scan calls fn for every committed record behind after, in order. fn may keep
// record.
func (l *Log) Scan(after uint64, fn func(seq uint64, record []byte) error) error {
	l.mu.Lock()
	trimmed, head := l.trimmed, l.head
	l.mu.Unlock()
	if after < trimmed {
		return fmt.Errorf("scan log %s after %d: %w: it begins after %d", l.opts.Path, after, ErrTrimmed, trimmed)
	}
	return l.eachChunk(after, head, func(c *chunk) error {
		items, err := c.items(l.codec.zr, nil)
		if err != nil {
			return fmt.Errorf("scan log %s: %w", l.opts.Path, err)
		}
		for _, it := range items {
			if it.Seq <= after {
				continue
			}
			if err := fn(it.Seq, it.Record); err != nil {
				return err
			}
		}
		return nil
	})
}
