package buffer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"

	bolt "go.etcd.io/bbolt"
)

// Verified is how much of the chain was found whole.
type Verified struct {
	Groups, Records uint64
	First, Last     uint64 // Last is First-1 when the log holds nothing
}

// errMoved says that a trim overtook a walk.
var errMoved = errors.New("the log was trimmed meanwhile")

// Verify walks the chain of what the log holds: every chunk's checksum, every
// group's link to the one before, and decompression. An error names the first
// record of what does not fit.
func (l *Log) Verify(ctx context.Context) (Verified, error) {
	for {
		v, err := l.verify(ctx)
		switch {
		case err == nil:
			return v, nil
		case !errors.Is(err, errMoved):
			return v, fmt.Errorf("verify log %s: %w", l.opts.Path, err)
		}
	}
}

func (l *Log) verify(ctx context.Context) (Verified, error) {
	t, head, err := l.readTail()
	if err != nil {
		return Verified{}, err
	}
	res := Verified{First: t.deleted + 1, Last: t.deleted}
	c := chain{prev: t.prev, sum: sha256.New(), next: t.deleted + 1}
	for c.next <= head {
		if err := ctx.Err(); err != nil {
			return res, err
		}
		err := l.readStored(c.next, head, func(first uint64, value []byte) error {
			ch, err := c.add(first, value)
			if err != nil {
				return err
			}
			if ch.opens {
				res.Groups++
			}
			items, err := ch.items(l.codec.zr, nil)
			res.Records += uint64(len(items))
			res.Last = ch.last
			return err
		})
		if err != nil {
			if now, _, terr := l.readTail(); terr == nil && now.deleted != t.deleted {
				return res, errMoved
			}
			return res, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.head == head && c.end() != l.prev {
		return res, fmt.Errorf("the newest group, at record %d, is %w: its hash is not the one written", c.opened, errDamaged)
	}
	return res, nil
}

// readTail answers the file's trim position, and the newest record of that
// moment or a later one.
func (l *Log) readTail() (t tail, head uint64, err error) {
	err = l.db.View(func(tx *bolt.Tx) error {
		t, err = parseTail(tx.Bucket(bucketMeta).Get(keyTail))
		return err
	})
	_, head = l.Bounds()
	return t, head, err
}

// readStored calls fn for a piece of the stored chunks from the one at first.
func (l *Log) readStored(first, through uint64, fn func(first uint64, value []byte) error) error {
	var firsts []uint64
	var values [][]byte
	err := l.db.View(func(tx *bolt.Tx) error {
		cur := tx.Bucket(bucketLog).Cursor()
		bytes := 0
		for k, v := cur.Seek(key(first)); k != nil && bytes < readBackBytes; k, v = cur.Next() {
			at, err := parseKey(k)
			if err != nil {
				return err
			}
			if at > through {
				break
			}
			firsts, values = append(firsts, at), append(values, append([]byte(nil), v...))
			bytes += len(v)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(firsts) == 0 {
		return fmt.Errorf("record %d is missing: the log is %w", first, errDamaged)
	}
	for i := range firsts {
		if err := fn(firsts[i], values[i]); err != nil {
			return err
		}
	}
	return nil
}

// chain checks chunks in order: no gaps, and each group linked to the one
// before.
type chain struct {
	prev   [sha256.Size]byte // hash of the group before the open one
	sum    hash.Hash         // of the open one
	opened uint64            // its first record; 0: none
	next   uint64
}

func (c *chain) add(first uint64, value []byte) (chunk, error) {
	ch, err := parseChunk(first, value)
	if err != nil {
		return ch, err
	}
	switch {
	case first != c.next:
		return ch, fmt.Errorf("records %d to %d are missing: the log is %w", c.next, first-1, errDamaged)
	case c.opened == 0 && !ch.opens:
		return ch, damaged(first, "no group begins here")
	}
	if ch.opens {
		c.prev = c.end()
		c.sum.Reset()
		c.opened = first
		if ch.prev != c.prev {
			return ch, damaged(first, "the chain is broken: it is not linked to the group before")
		}
	}
	c.sum.Write(value)
	c.next = ch.last + 1
	return ch, nil
}

// end answers the hash of the newest group.
func (c *chain) end() (sum [sha256.Size]byte) {
	if c.opened == 0 {
		return c.prev
	}
	c.sum.Sum(sum[:0])
	return sum
}
