package buffer

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"

	bolt "go.etcd.io/bbolt"
)

// trimChunks bounds the chunks that one transaction deletes, so that a trim
// does not hold up commits.
const trimChunks = 1024

// tail is what the file knows of what it no longer holds.
type tail struct {
	trimmed uint64            // counted in the durable counters through
	deleted uint64            // the chunks of whole groups are gone through; at most trimmed
	total   int64             // of the durable counters
	prev    [sha256.Size]byte // hash of the group that ends at deleted
}

func (t *tail) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, t.trimmed)
	dst = binary.BigEndian.AppendUint64(dst, t.deleted)
	dst = binary.BigEndian.AppendUint64(dst, uint64(t.total))
	return append(dst, t.prev[:]...)
}

func parseTail(b []byte) (t tail, err error) {
	if len(b) != 24+sha256.Size {
		return t, fmt.Errorf("trim position is %w: %d bytes", errDamaged, len(b))
	}
	t.trimmed = binary.BigEndian.Uint64(b)
	t.deleted = binary.BigEndian.Uint64(b[8:])
	t.total = int64(binary.BigEndian.Uint64(b[16:]))
	copy(t.prev[:], b[24:])
	if t.deleted > t.trimmed {
		return t, fmt.Errorf("trim position is %w: %d behind %d", errDamaged, t.trimmed, t.deleted)
	}
	return t, nil
}

// Trim gives up the records up to and including through: in one transaction
// their counts become durable and they are deleted, in pieces of bounded size.
// A group stays in the file until all of it is trimmed, so that the chain
// holds. That every reader has passed through is the caller's business.
//
// It answers ErrFull when a full disk has no page left for it; to repeat it
// does no harm.
func (l *Log) Trim(through uint64) error {
	if _, head := l.Bounds(); through > head {
		return fmt.Errorf("trim log %s through %d: it ends at %d", l.opts.Path, through, head)
	}
	for {
		done, err := l.trimPiece(through)
		if err != nil {
			return fmt.Errorf("trim log %s through %d: %w", l.opts.Path, through, err)
		}
		select {
		case l.freed <- struct{}{}:
		default:
		}
		if done {
			return nil
		}
	}
}

// trimPiece trims up to trimChunks chunks, and more to reach the end of a
// group.
func (l *Log) trimPiece(through uint64) (done bool, err error) {
	l.folding.Lock()
	defer l.folding.Unlock()
	if after, _ := l.Bounds(); through <= after {
		return true, nil
	}
	var p trimming
	err = l.update(func(tx *bolt.Tx) error {
		p = trimming{through: through, delta: map[int64]map[uint32]int64{}, sum: sha256.New()}
		if err := p.walk(tx); err != nil {
			return err
		}
		return p.apply(tx)
	})
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trimmed = p.tail.trimmed
	l.bytes -= p.bytes
	l.counts.trim(mark{p.tail.trimmed, p.tail.total}, p.delta)
	return p.tail.trimmed >= through, nil
}

// trimming is one piece of a trim.
type trimming struct {
	through uint64
	tail    tail
	delta   map[int64]map[uint32]int64
	doomed  []uint64 // keys of whole groups
	bytes   int64    // what they cost
	sum     hash.Hash
}

// walk finds what to count and what to delete. The position is read in the
// transaction: a repeated trim counts nothing twice.
func (p *trimming) walk(tx *bolt.Tx) error {
	var err error
	if p.tail, err = parseTail(tx.Bucket(bucketMeta).Get(keyTail)); err != nil {
		return err
	}
	was := p.tail.trimmed
	var group []uint64
	var groupBytes int64
	var groupEnd uint64
	settle := func() { // all of group has been seen
		if len(group) > 0 && groupEnd <= p.through {
			p.doomed = append(p.doomed, group...)
			p.bytes += groupBytes
			p.tail.deleted = groupEnd
			p.sum.Sum(p.tail.prev[:0])
		}
		group, groupBytes = group[:0], 0
		p.sum.Reset()
	}
	cur := tx.Bucket(bucketLog).Cursor()
	k, v := cur.First()
	for ; k != nil; k, v = cur.Next() {
		first, err := parseKey(k)
		if err != nil {
			return err
		}
		c, err := parseChunk(first, v)
		if err != nil {
			return err
		}
		if c.opens {
			settle()
			if first > p.through || len(p.doomed) >= trimChunks {
				break
			}
		}
		err = c.eachTally(was, p.through, func(hour int64, owner uint32, n int64) {
			addCount(p.delta, hour, owner, n)
			p.tail.total += n
		})
		if err != nil {
			return err
		}
		group = append(group, first)
		groupBytes += int64(len(v)) + chunkOverhead
		groupEnd = c.last
		p.sum.Write(v)
		p.tail.trimmed = max(was, min(c.last, p.through))
	}
	if k == nil {
		settle()
	}
	return nil
}

func (p *trimming) apply(tx *bolt.Tx) error {
	log, hours := tx.Bucket(bucketLog), tx.Bucket(bucketHours)
	for _, first := range p.doomed {
		if err := log.Delete(key(first)); err != nil {
			return fmt.Errorf("delete records at %d: %w", first, err)
		}
	}
	for hour, owners := range p.delta {
		sum := make(map[uint32]int64, len(owners))
		for owner, n := range owners {
			sum[owner] = n
		}
		if err := eachOwner(hours.Get(hourKey(hour)), func(owner uint32, n int64) { sum[owner] += n }); err != nil {
			return err
		}
		if err := hours.Put(hourKey(hour), appendOwners(nil, sum)); err != nil {
			return fmt.Errorf("put counters of hour %d: %w", hour, err)
		}
	}
	return tx.Bucket(bucketMeta).Put(keyTail, p.tail.append(nil))
}

// hourKey orders negative hours before positive ones.
func hourKey(hour int64) []byte { return key(uint64(hour) ^ 1<<63) }

func parseHourKey(k []byte) (int64, error) {
	v, err := parseKey(k)
	return int64(v ^ 1<<63), err
}
