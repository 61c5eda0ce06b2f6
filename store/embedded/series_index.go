package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// The buckets of series-index.db.
var (
	indexBucket   = []byte("index")
	indexPosition = []byte("position") // log id, applied
	indexImported = []byte("imported") // the position of an import that ended, until a log is bound
	droppedBucket = []byte("dropped")  // month → monthState, as it was; droppedImport
	goingBucket   = []byte("going")    // months whose tallies moved and whose file is being removed

	// droppedImport → monthState with the totals that came with an import.
	droppedImport = []byte("import")
)

// importLog stands in the place of the log while an import is under way: no
// log is bound to it, not even by a tidegate that knows no imports.
var importLog = store.LogID([]byte("tidegate import "))

const (
	indexKind   = "series index"
	indexFormat = 1
	indexName   = "series-index.db"
)

// seriesIndex is the small file beside the months: the position of the last
// whole flush, and the tallies of months that were dropped. While it is open
// no other process can open the readings.
type seriesIndex struct {
	path string
	db   *bbolt.DB

	mu      sync.Mutex
	log     store.LogID
	applied uint64
	// imported says that an import ended, and no log was bound since.
	imported bool
}

func openIndex(dir string, create bool, now time.Time) (*seriesIndex, error) {
	x := &seriesIndex{path: filepath.Join(dir, indexName)}
	spec := fileSpec{kind: indexKind, format: indexFormat}
	if create {
		spec.made = now
	}
	db, err := openFile(x.path, spec)
	if notExist(err) {
		return nil, fileError(store.ErrInvalid, x.path, "is missing although there are readings: restore it from a backup, or run `tidegate doctor --adopt-log`, which makes it again without the tallies of dropped months")
	}
	if err != nil {
		return nil, err
	}
	x.db = db
	err = view(db, func(tx *bbolt.Tx) error {
		b := tx.Bucket(indexBucket)
		if b == nil {
			return nil
		}
		v := b.Get(indexPosition)
		if len(v) != 24 {
			return fileError(store.ErrInvalid, x.path, "is damaged: position has %d bytes; %s", len(v), wayOut)
		}
		copy(x.log[:], v)
		x.applied = binary.BigEndian.Uint64(v[16:])
		x.imported = bytes.Equal(b.Get(indexImported), v)
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return x, nil
}

func (x *seriesIndex) close() error { return x.db.Close() }

// setPosition makes durable that the log has been applied up to applied.
func (x *seriesIndex) setPosition(log store.LogID, applied uint64) error {
	err := update(x.db, func(tx *bbolt.Tx) error { return putPosition(tx, log, applied) })
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.log, x.applied, x.imported = log, applied, false
	x.mu.Unlock()
	return nil
}

// putPosition ends what an import said of itself.
func putPosition(tx *bbolt.Tx, log store.LogID, applied uint64) error {
	b, err := tx.CreateBucketIfNotExists(indexBucket)
	if err != nil {
		return err
	}
	return errors.Join(b.Delete(indexImported), b.Put(indexPosition, encodePosition(log, applied)))
}

func encodePosition(log store.LogID, applied uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), log[:]...), applied)
}

// finishImport ends an import: it replaces the position and all tallies.
func (x *seriesIndex) finishImport(log store.LogID, applied uint64, stored, duplicate store.HourCounts) error {
	err := update(x.db, func(tx *bbolt.Tx) error {
		for _, name := range [...][]byte{hoursBucket, droppedBucket} {
			if tx.Bucket(name) != nil {
				if err := tx.DeleteBucket(name); err != nil {
					return err
				}
			}
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		hours := tx.Bucket(hoursBucket)
		hours.FillPercent = 1 // keys ascend
		totals := monthState{firstHour: maxHour, lastHour: minHour}
		totals.tally(stored, duplicate)
		return errors.Join(
			addHours(hours, stored, duplicate),
			tx.Bucket(droppedBucket).Put(droppedImport, totals.encode()),
			putPosition(tx, log, applied),
			tx.Bucket(indexBucket).Put(indexImported, encodePosition(log, applied)),
		)
	})
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.log, x.applied, x.imported = log, applied, true
	x.mu.Unlock()
	return nil
}

func monthKey(m Month) []byte { return binary.BigEndian.AppendUint64(nil, uint64(m)^1<<63) }

// moveTallies takes over the tallies of a month whose file goes.
func (x *seriesIndex) moveTallies(m Month, state monthState, stored, duplicate store.HourCounts) error {
	return update(x.db, func(tx *bbolt.Tx) error {
		dropped, err := tx.CreateBucketIfNotExists(droppedBucket)
		if err != nil {
			return err
		}
		if v := dropped.Get(monthKey(m)); v != nil { // dropped before, and come back with late readings
			var old monthState
			if err := old.decode(v); err != nil {
				return fileError(store.ErrInvalid, x.path, "is damaged: dropped month %s: %v; %s", m, err, wayOut)
			}
			state.stored += old.stored
			state.duplicate += old.duplicate
		}
		hours, err := tx.CreateBucketIfNotExists(hoursBucket)
		if err != nil {
			return err
		}
		going, err := tx.CreateBucketIfNotExists(goingBucket)
		if err != nil {
			return err
		}
		return errors.Join(dropped.Put(monthKey(m), state.encode()), addHours(hours, stored, duplicate), going.Put(monthKey(m), []byte{}))
	})
}

// gone says that the month's file has been removed.
func (x *seriesIndex) gone(m Month) error {
	return update(x.db, func(tx *bbolt.Tx) error { return tx.Bucket(goingBucket).Delete(monthKey(m)) })
}

// finishDrops removes the files of months that were being dropped when the
// process ended, and answers the months that stay.
func (x *seriesIndex) finishDrops(dir string, months []Month) ([]Month, error) {
	going := map[Month]bool{}
	err := view(x.db, func(tx *bbolt.Tx) error {
		if b := tx.Bucket(goingBucket); b != nil {
			return b.ForEach(func(k, _ []byte) error {
				going[Month(binary.BigEndian.Uint64(k)^1<<63)] = true
				return nil
			})
		}
		return nil
	})
	if err != nil || len(going) == 0 {
		return months, err
	}
	for m := range going {
		if err := removeMonth(dir, m); err != nil {
			return nil, err
		}
		if err := x.gone(m); err != nil {
			return nil, err
		}
	}
	var stay []Month
	for _, m := range months {
		if !going[m] {
			stay = append(stay, m)
		}
	}
	return stay, nil
}

func removeMonth(dir string, m Month) error {
	if err := os.Remove(m.file(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop readings of %s: %w", m, err)
	}
	return syncDir(dir)
}

// droppedTotals answers the sums over all dropped months, and over what came
// with an import.
func (x *seriesIndex) droppedTotals() (stored, duplicate uint64, err error) {
	err = view(x.db, func(tx *bbolt.Tx) error {
		b := tx.Bucket(droppedBucket)
		if b == nil {
			return nil
		}
		return b.ForEach(func(_, v []byte) error {
			var s monthState
			if err := s.decode(v); err != nil {
				return fileError(store.ErrInvalid, x.path, "is damaged: dropped month: %v; %s", err, wayOut)
			}
			stored += s.stored
			duplicate += s.duplicate
			return nil
		})
	})
	return stored, duplicate, err
}

func (x *seriesIndex) hours(fromHour, toHour int64, stored, duplicate store.HourCounts) error {
	return view(x.db, func(tx *bbolt.Tx) error {
		return readHours(tx.Bucket(hoursBucket), fromHour, toHour, stored, duplicate)
	})
}
