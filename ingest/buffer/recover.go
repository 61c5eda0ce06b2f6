package buffer

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// recovered is the log's state as the file tells it.
type recovered struct {
	id     [16]byte
	tail   tail
	head   uint64
	prev   [sha256.Size]byte
	bytes  int64
	counts counts
}

// recoverState reads the whole log, checks each chunk and the links between
// groups, and counts what is not trimmed.
func recoverState(db *bolt.DB, path string) (rec *recovered, err error) {
	rec = &recovered{counts: counts{hours: map[int64]map[uint32]int64{}}}
	err = db.View(func(tx *bolt.Tx) error {
		if err := rec.meta(tx); err != nil {
			return err
		}
		return errors.Join(rec.hours(tx), rec.log(tx))
	})
	var fileErr *FileError
	switch {
	case err == nil:
		return rec, nil
	case errors.As(err, &fileErr):
		fileErr.Path = path
		return nil, fileErr
	}
	return nil, &FileError{Path: path, Kind: ErrDamaged, Detail: err.Error()}
}

// meta checks that the file is a log of a version that this one reads.
func (rec *recovered) meta(tx *bolt.Tx) error {
	b := tx.Bucket(bucketMeta)
	if b == nil {
		return &FileError{Kind: ErrForeign, Detail: "a bbolt file of something else"}
	}
	format := b.Get(keyFormat)
	if len(format) != len(magic)+4 || string(format[:len(magic)]) != magic {
		return &FileError{Kind: ErrForeign, Detail: "a bbolt file of something else"}
	}
	if v := binary.BigEndian.Uint32(format[len(magic):]); v != version {
		return &FileError{Kind: ErrNewer, Detail: fmt.Sprintf("format %d, this version reads %d", v, version)}
	}
	if copy(rec.id[:], b.Get(keyID)) != len(rec.id) || tx.Bucket(bucketLog) == nil || tx.Bucket(bucketHours) == nil {
		return fmt.Errorf("its id or a bucket is missing")
	}
	var err error
	rec.tail, err = parseTail(b.Get(keyTail))
	return err
}

func (rec *recovered) hours(tx *bolt.Tx) error {
	total := int64(0)
	err := tx.Bucket(bucketHours).ForEach(func(k, v []byte) error {
		if _, err := parseHourKey(k); err != nil {
			return err
		}
		return eachOwner(v, func(_ uint32, n int64) { total += n })
	})
	if err == nil && total != rec.tail.total {
		err = fmt.Errorf("the counters add up to %d, not to %d", total, rec.tail.total)
	}
	return err
}

func (rec *recovered) log(tx *bolt.Tx) error {
	rec.counts.total = rec.tail.total
	rec.counts.mark(rec.tail.trimmed)
	c := chain{prev: rec.tail.prev, sum: sha256.New(), next: rec.tail.deleted + 1}
	err := tx.Bucket(bucketLog).ForEach(func(k, v []byte) error {
		first, err := parseKey(k)
		if err != nil {
			return err
		}
		ch, err := c.add(first, v)
		if err != nil {
			return err
		}
		rec.bytes += int64(len(v)) + chunkOverhead
		if ch.last <= rec.tail.trimmed {
			return nil
		}
		err = ch.eachTally(rec.tail.trimmed, ch.last, rec.counts.add)
		rec.counts.mark(ch.last)
		return err
	})
	rec.head, rec.prev = c.next-1, c.end()
	if err == nil && rec.head < rec.tail.trimmed {
		err = fmt.Errorf("it ends at record %d and says that %d was trimmed", rec.head, rec.tail.trimmed)
	}
	return err
}
