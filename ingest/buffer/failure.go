package buffer

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// noRoom lists what a write or a growing file meets when there is no room for
// it: the disk, the quota, the largest file allowed.
var noRoom = [...]syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG}

// lacksRoom reports whether a transaction failed for want of room before
// anything was synced: it may be repeated. Everything else is not to be
// trusted again.
//
// bbolt's Tx.Commit answers, in this order: from growing the file "file resize
// error: …" (truncate) or "file sync error: …", both as text alone; from
// writing pages and the meta page the *fs.PathError of WriteAt; from fdatasync
// the bare errno. A file system may report a lack of room only at the sync;
// then pages may be lost, and it counts as a failed sync.
func lacksRoom(err error) bool {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		for _, errno := range noRoom {
			if pathErr.Op == "write" && errors.Is(pathErr.Err, errno) {
				return true
			}
		}
		return false
	}
	text := err.Error()
	if !strings.HasPrefix(text, "file resize error: ") {
		return false
	}
	for _, errno := range noRoom {
		if strings.HasSuffix(text, errno.Error()) {
			return true
		}
	}
	return false
}

// update runs fn in a transaction. It answers ErrFull when there is no room,
// fn's own error, or the log's failure.
func (l *Log) update(fn func(*bolt.Tx) error) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	failure, closed := l.failure, l.closed
	l.mu.Unlock()
	if failure != nil {
		return failure
	}
	if closed {
		return ErrClosed
	}
	var own error
	err := l.updateOrPanic(func(tx *bolt.Tx) error {
		own = fn(tx)
		return own
	})
	switch {
	case err == nil:
		return nil
	case own != nil:
		return own
	case errors.Is(err, berrors.ErrDatabaseNotOpen):
		return ErrClosed
	case lacksRoom(err):
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return l.fail(fmt.Errorf("write log %s: %w", l.opts.Path, err))
}

// updateOrPanic answers a panic of bbolt, which asserts, as an error.
func (l *Log) updateOrPanic(fn func(*bolt.Tx) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return l.db.Update(fn)
}

// fail ends the log's life: nothing is written or acked any more.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	l.failure = err
	l.room.Broadcast()
	for r := range l.readers {
		r.kick()
	}
	l.kick()
	l.mu.Unlock()
	if l.opts.Fatal != nil {
		l.opts.Fatal(err)
	} else {
		l.logger.Error("log has failed; nothing is acked any more", "path", l.opts.Path, "cause", err)
	}
	return err
}
