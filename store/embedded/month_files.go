package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

const (
	monthKind   = "series"
	monthFormat = 1
)

// monthFiles are the open files of months: at most limit, those in use apart.
// A file that is replaced or dropped while it is in use stays readable until
// it is released.
type monthFiles struct {
	dir   string
	limit int
	now   func() time.Time

	mu     sync.Mutex
	open   map[Month]*monthFile
	tick   uint64
	closed bool
}

// monthFile is an open file in use.
type monthFile struct {
	month Month
	db    *bbolt.DB
	refs  int
	used  uint64
	gone  bool // no longer the month's file: closed by the last release
}

// acquire opens the month's file, or makes it. Absent and not to be made it
// answers an error that matches fs.ErrNotExist. The caller releases it.
func (f *monthFiles) acquire(m Month, create bool) (*monthFile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, fmt.Errorf("open readings of %s: %w: the store is closed", m, store.ErrUnavailable)
	}
	mf := f.open[m]
	if mf == nil {
		spec := fileSpec{kind: monthKind, format: monthFormat}
		if create {
			spec.made = f.now()
		}
		db, err := openFile(m.file(f.dir), spec)
		if err != nil {
			return nil, fmt.Errorf("open readings of %s: %w", m, err)
		}
		mf = &monthFile{month: m, db: db}
		f.open[m] = mf
		f.evict()
	}
	f.tick++
	mf.used = f.tick
	mf.refs++
	return mf, nil
}

// evict closes what was not used for longest, as far as nobody uses it.
func (f *monthFiles) evict() {
	for len(f.open) > f.limit {
		var oldest *monthFile
		for _, mf := range f.open {
			if mf.refs == 0 && mf.db != nil && (oldest == nil || mf.used < oldest.used) && mf.used != 0 {
				oldest = mf
			}
		}
		if oldest == nil {
			return
		}
		delete(f.open, oldest.month)
		_ = oldest.db.Close() // all is committed; an error here loses nothing
	}
}

func (f *monthFiles) release(mf *monthFile) {
	f.mu.Lock()
	defer f.mu.Unlock()
	mf.refs--
	if mf.refs == 0 && mf.gone {
		_ = mf.db.Close()
	}
}

// replace makes db the month's file; forget (db nil) only lets go of the old
// one.
func (f *monthFiles) replace(m Month, db *bbolt.DB) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old := f.open[m]; old != nil {
		delete(f.open, m)
		if old.gone = true; old.refs == 0 {
			_ = old.db.Close()
		}
	}
	if db != nil {
		f.tick++
		f.open[m] = &monthFile{month: m, db: db, used: f.tick}
		f.evict()
	}
}

func (f *monthFiles) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	var errs []error
	for m, mf := range f.open {
		delete(f.open, m)
		if mf.gone = true; mf.refs == 0 {
			errs = append(errs, mf.db.Close())
		}
	}
	return errors.Join(errs...)
}

// view reads in the month's file; without one fn is not called.
func (f *monthFiles) view(m Month, fn func(tx *bbolt.Tx) error) error {
	mf, err := f.acquire(m, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.release(mf)
	return view(mf.db, fn)
}
