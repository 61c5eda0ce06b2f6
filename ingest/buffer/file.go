package buffer

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// The file's buckets: records, durable counters by hour, and what the file is.
var (
	bucketLog   = []byte("log")
	bucketHours = []byte("hours")
	bucketMeta  = []byte("meta")

	keyFormat  = []byte("format")  // magic, then the version as 4 bytes
	keyID      = []byte("id")      // the log's UUID
	keyCreated = []byte("created") // Unix ms, 8 bytes
	keyTail    = []byte("tail")    // see trim.go
)

const (
	magic   = "tidegate log"
	version = 1

	// Pages of 1 KiB: a commit of few records writes a quarter of what it does
	// with 4 KiB. Figures: docs/adr/0002-log-format.md.
	pageBytes = 1 << 10
	// The file grows by so much, at the price of an fsync.
	growBytes = 1 << 20

	lockWait = 200 * time.Millisecond
)

// Why a file cannot be opened.
var (
	ErrLocked  = errors.New("in use by another tidegate process")
	ErrForeign = errors.New("not a tidegate log")
	ErrNewer   = errors.New("from a newer tidegate")
	ErrDamaged = errDamaged
)

// FileError says why the file at Path cannot be opened, and the way out.
type FileError struct {
	Path   string
	Kind   error // one of the sentinels above
	Detail string
}

func (e *FileError) Error() string {
	s := e.Path + " is " + e.Kind.Error()
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	switch e.Kind {
	case ErrLocked:
		return s + "; stop it, or give another folder with --data"
	case ErrForeign:
		return s + "; move it away, or give another folder with --data"
	case ErrNewer:
		return s + "; run that version, or restore a backup made by this one"
	}
	return s + "; restore a backup, or move the file away: what was acked and not yet stored is lost with it"
}

func (e *FileError) Unwrap() error { return e.Kind }

// openFile opens the file, or makes one, and recovers the log's state from it.
func (l *Log) openFile() error {
	path := l.opts.Path
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		err = l.create()
	case err != nil:
	case info.Size() == 0: // nothing was ever in it
		err = l.create()
	}
	if err != nil {
		return err
	}
	if err := inspect(path); err != nil {
		return err
	}
	db, err := openBolt(path, l.boltOptions())
	if err != nil {
		return err
	}
	rec, err := recoverState(db, path)
	if err != nil {
		_ = db.Close()
		return err
	}
	db.AllocSize = growBytes
	l.db = db
	l.id = rec.id
	l.head, l.handed, l.trimmed = rec.head, rec.head, rec.tail.trimmed
	l.prev, l.bytes, l.counts = rec.prev, rec.bytes, rec.counts
	return nil
}

func (l *Log) boltOptions() *bolt.Options {
	o := l.opts.bolt
	o.Timeout = lockWait
	o.PageSize = pageBytes
	o.NoFreelistSync = true
	o.FreelistType = bolt.FreelistMapType
	o.NoSync = l.opts.NoSync
	return &o
}

// openBolt answers a lock, a panic and bbolt's own errors as what they mean.
func openBolt(path string, o *bolt.Options) (db *bolt.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &FileError{Path: path, Kind: ErrDamaged, Detail: fmt.Sprint(p)}
		}
	}()
	db, err = bolt.Open(path, 0o600, o)
	switch {
	case err == nil:
		return db, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, &FileError{Path: path, Kind: ErrLocked}
	case errors.Is(err, berrors.ErrInvalid), errors.Is(err, berrors.ErrChecksum), errors.Is(err, berrors.ErrVersionMismatch):
		return nil, &FileError{Path: path, Kind: ErrDamaged, Detail: err.Error()}
	}
	return nil, fmt.Errorf("open %s: %w", path, err)
}

// create makes the file under another name first: whenever the power goes, the
// name stands for a whole log or for none.
func (l *Log) create() error {
	path := l.opts.Path
	tmp := path + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the rest of an earlier start: %w", err)
	}
	o := l.boltOptions()
	db, err := openBolt(tmp, o)
	if err != nil {
		return err
	}
	var id [16]byte
	_, _ = rand.Read(id[:])   // never fails: see crypto/rand
	id[6] = id[6]&0x0f | 0x40 // RFC 9562: version 4,
	id[8] = id[8]&0x3f | 0x80 // variant 10
	created := l.opts.Now().UnixMilli()
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range [][]byte{bucketLog, bucketHours} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		b, err := tx.CreateBucket(bucketMeta)
		if err != nil {
			return err
		}
		t := tail{}
		return errors.Join(
			b.Put(keyFormat, binary.BigEndian.AppendUint32([]byte(magic), version)),
			b.Put(keyID, id[:]),
			b.Put(keyCreated, binary.BigEndian.AppendUint64(nil, uint64(created))),
			b.Put(keyTail, t.append(nil)))
	})
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	l.logger.Info("new log", "path", path, "id", hex.EncodeToString(id[:]))
	return nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
