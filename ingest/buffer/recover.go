package buffer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
)

// recovered is the log's state as the file tells it.
type recovered struct {
	tx     int
	id     [16]byte
	tail   tail
	head   uint64
	prev   [sha256.Size]byte
	bytes  int64
	counts counts
}

// recoverFile reads every page of the file, in order, checks each chunk and
// the links between groups, and counts what is not trimmed.
func (l *Log) recoverFile() (rec *recovered, err error) {
	path := l.opts.Path
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // a page that points outside the file
	defer func() {
		if p := recover(); p != nil {
			err = &FileError{Path: path, Kind: ErrDamaged, Detail: fmt.Sprint(p)}
		}
	}()
	db, err := openBolt(path, l.boltOptions(true))
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	rec = &recovered{counts: counts{hours: map[int64]map[uint32]int64{}}}
	// Not View: after a panic it would wait for its own transaction.
	tx, err := db.Begin(false)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer func() { _ = tx.Rollback() }() // ends a read, also after a panic
	rec.tx = tx.ID()
	if err := rec.meta(tx); err != nil {
		var fileErr *FileError
		if errors.As(err, &fileErr) {
			fileErr.Path = path
			return nil, fileErr
		}
		return nil, &FileError{Path: path, Kind: ErrDamaged, Detail: err.Error()}
	}
	if err := errors.Join(rec.hours(tx), rec.log(tx)); err != nil {
		return nil, &FileError{Path: path, Kind: ErrDamaged, Detail: err.Error()}
	}
	return rec, nil
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
	err := inOrder(tx.Bucket(bucketHours), func(k, v []byte) error {
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
	err := inOrder(tx.Bucket(bucketLog), func(k, v []byte) error {
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

// inOrder calls fn for each key and fails when they do not ascend: then a page
// is where it does not belong.
func inOrder(b *bolt.Bucket, fn func(k, v []byte) error) error {
	var last []byte
	cur := b.Cursor()
	for k, v := cur.First(); k != nil; k, v = cur.Next() {
		if last != nil && bytes.Compare(k, last) <= 0 {
			return fmt.Errorf("keys out of order at %x", k)
		}
		last = append(last[:0], k...)
		if err := fn(k, v); err != nil {
			return err
		}
	}
	return nil
}
