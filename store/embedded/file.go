package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"tidegate/store"
)

// Every file is a bbolt database with a bucket "tidegate" that says what it is.
var (
	headerBucket = []byte("tidegate")
	headerMagic  = []byte("magic")   // fileMagic
	headerKind   = []byte("kind")    // series, catalog, …
	headerFormat = []byte("format")  // big-endian uint32
	headerMade   = []byte("created") // RFC 3339
)

const (
	fileMagic = "tidegate file"
	pageSize  = 4096 // below it both meta pages would share a disk sector, and one torn write could take both
	allocSize = 64 << 10

	lockPatience = 250 * time.Millisecond
	wayOut       = "restore it from a backup with `tidegate restore`, or move it away"
)

// errFsync says that the kernel could not say what is on disk. Nothing may be
// written to the file any more by this process.
var errFsync = errors.New("fsync failed; restart tidegate once the disk is well, nothing that was acked is lost")

// fileError names a file, what is wrong with it, and the way out.
func fileError(kind error, path, format string, args ...any) error {
	return &store.Error{Kind: kind, Noun: "file", ID: path, Msg: fmt.Sprintf(format, args...)}
}

// fileSpec is what a file must be.
type fileSpec struct {
	kind   string // "series", "catalog", …
	format uint32 // the newest format this program reads and writes
	// made is the time written into a file that does not exist yet; the zero
	// time: such a file is an error that matches fs.ErrNotExist.
	made time.Time
	// peek opens for reading alone: quick, because the free pages are not
	// looked for, and with a shared lock.
	peek bool
}

// openFile opens the bbolt file at path, or makes it. A new one appears under
// its name only once it is complete and on disk. It refuses, by name and with
// the way out, what is locked by another process, empty, truncated, damaged in
// its tree, not tidegate's, of another kind, or of a newer format.
func openFile(path string, spec fileSpec) (*bbolt.DB, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) && !spec.made.IsZero() {
		if err := makeFile(path, spec); err != nil {
			return nil, fmt.Errorf("make %s: %w", path, err)
		}
	}
	db, err := openBolt(path, spec.peek)
	if err != nil {
		return nil, err
	}
	if err := view(db, func(tx *bbolt.Tx) error { return checkHeader(tx, path, spec) }); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func makeFile(path string, spec fileSpec) error {
	tmp := path + ".tmp"
	if err := removeIfThere(tmp); err != nil {
		return err
	}
	db, err := bbolt.Open(tmp, 0o600, boltOptions(false))
	if err != nil {
		return errors.Join(writeError(tmp, err), removeIfThere(tmp))
	}
	db.AllocSize = allocSize
	err = update(db, func(tx *bbolt.Tx) error { return putHeader(tx, spec) })
	if err = errors.Join(err, db.Close()); err != nil {
		return errors.Join(err, removeIfThere(tmp))
	}
	return moveFile(tmp, path)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func putHeader(tx *bbolt.Tx, spec fileSpec) error {
	b, err := tx.CreateBucketIfNotExists(headerBucket)
	if err != nil {
		return err
	}
	return errors.Join(
		b.Put(headerMagic, []byte(fileMagic)),
		b.Put(headerKind, []byte(spec.kind)),
		b.Put(headerFormat, binary.BigEndian.AppendUint32(nil, spec.format)),
		b.Put(headerMade, []byte(spec.made.UTC().Format(time.RFC3339))),
	)
}

func checkHeader(tx *bbolt.Tx, path string, spec fileSpec) error {
	b := tx.Bucket(headerBucket)
	if b == nil || string(b.Get(headerMagic)) != fileMagic {
		return fileError(store.ErrInvalid, path, "is a bbolt database, but not one of tidegate's; move it away")
	}
	if kind := string(b.Get(headerKind)); kind != spec.kind {
		return fileError(store.ErrInvalid, path, "holds %s data where %s data belongs; %s", kind, spec.kind, wayOut)
	}
	format := b.Get(headerFormat)
	if len(format) != 4 {
		return fileError(store.ErrInvalid, path, "does not say its format; %s", wayOut)
	}
	if f := binary.BigEndian.Uint32(format); f > spec.format {
		return fileError(store.ErrInvalid, path, "has format %d, this tidegate knows up to %d; run a newer tidegate", f, spec.format)
	}
	return nil
}

// moveFile gives the file tmp its final name, durably. tmp is synced already.
func moveFile(tmp, path string) error {
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func boltOptions(peek bool) *bbolt.Options {
	return &bbolt.Options{
		Timeout: lockPatience, ReadOnly: peek, PageSize: pageSize, NoStatistics: false,
		NoFreelistSync: true, FreelistType: bbolt.FreelistMapType,
	}
}

// openBolt opens an existing file after its pages were checked under its lock:
// bbolt walks them in a goroutine of its own, where a damaged page would end
// the process.
func openBolt(path string, peek bool) (db *bbolt.DB, err error) {
	var file *os.File
	defer func() {
		if err != nil && file != nil {
			_ = file.Close() // bbolt does not when it panics, and the lock would stay; else it is closed already
		}
	}()
	defer damaged(path, &err)
	o := boltOptions(peek)
	o.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag&^os.O_CREATE, mode)
		if err != nil {
			return nil, err
		}
		if err := lockFile(f, !peek); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if err := checkPages(f, !peek); err != nil {
			return nil, errors.Join(fileError(store.ErrInvalid, name, "%v; %s", err, wayOut), f.Close())
		}
		file = f
		return f, nil
	}
	db, err = bbolt.Open(path, 0o600, o)
	switch {
	case err == nil:
		db.AllocSize = allocSize // bbolt's 16 MiB would leave small files mostly empty
		return db, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, lockedError(path)
	case errors.As(err, new(*store.Error)):
		return nil, err
	}
	return nil, fmt.Errorf("open %s: %w", path, err)
}

func lockFile(f *os.File, exclusive bool) error {
	how := syscall.LOCK_SH
	if exclusive {
		how = syscall.LOCK_EX
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(lockPatience / 10) {
		err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if time.Now().After(end) {
			return lockedError(f.Name())
		}
	}
}

func lockedError(path string) error {
	return fileError(store.ErrUnavailable, path, "is in use by another process: another tidegate holds the folder; stop it, or give this one a folder of its own with --data")
}

// damaged turns a panic of bbolt, or a fault on its mapped file, into an error
// that names the file.
func damaged(path string, err *error) {
	if p := recover(); p != nil {
		*err = fileError(store.ErrInvalid, path, "is damaged (%v); %s", p, wayOut)
	}
}

// view is db.View that survives a damaged file.
func view(db *bbolt.DB, fn func(*bbolt.Tx) error) (err error) {
	defer damaged(db.Path(), &err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	return db.View(fn)
}

// update is db.Update that survives a damaged file and tells errors apart: a
// full disk is store.ErrFull, a failed fsync errFsync, all else that happens
// while writing store.ErrUnavailable. Errors of fn are answered as they are.
func update(db *bbolt.DB, fn func(*bbolt.Tx) error) (err error) {
	path := db.Path()
	defer damaged(path, &err)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	tx, err := db.Begin(true)
	if err != nil {
		return fmt.Errorf("begin in %s: %w", path, err)
	}
	defer func() {
		if tx.DB() != nil { // neither committed nor rolled back: fn failed or panicked
			_ = tx.Rollback() // the only error is that there is nothing to roll back
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return writeError(path, err)
	}
	return nil
}

// writeError classifies an error of bbolt's Commit. Writing answers a
// *fs.PathError and growing the text "file resize error"; all that is left
// comes from fdatasync (a bare errno) or fsync ("file sync error").
func writeError(path string, err error) error {
	var errno syscall.Errno
	var perr *fs.PathError
	text := err.Error()
	switch {
	case strings.Contains(text, "file sync error"),
		errors.As(err, &errno) && !errors.As(err, &perr):
		return fmt.Errorf("write %s: %w: %w: %w", path, store.ErrUnavailable, errFsync, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG),
		strings.Contains(text, syscall.ENOSPC.Error()), strings.Contains(text, syscall.EDQUOT.Error()), strings.Contains(text, syscall.EFBIG.Error()):
		return fmt.Errorf("write %s: %w: %w", path, store.ErrFull, err)
	}
	return fmt.Errorf("write %s: %w: %w", path, store.ErrUnavailable, err)
}
