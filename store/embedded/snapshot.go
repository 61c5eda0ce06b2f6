package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"go.etcd.io/bbolt"
)

// Source is what a backup copies: one file or several. Snapshot calls write
// for each with its name (relative to the data folder, with slashes), its exact
// size and its content, as it is at one moment of the call.
type Source interface {
	Snapshot(ctx context.Context, write func(name string, size int64, r io.Reader) error) error
}

// snapshotBolt copies a bbolt file while it is in use.
func snapshotBolt(ctx context.Context, db *bbolt.DB, name string, write func(name string, size int64, r io.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return view(db, func(tx *bbolt.Tx) error {
		r, w := io.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = w.CloseWithError(copyBolt(tx, w)) // never fails, by its contract
		}()
		err := write(name, tx.Size(), r)
		_ = r.CloseWithError(errors.New("copy was given up")) // ends the goroutine when write left early; never fails
		<-done
		if err != nil {
			return fmt.Errorf("copy %s: %w", db.Path(), err)
		}
		return nil
	})
}

func copyBolt(tx *bbolt.Tx, w io.Writer) (err error) {
	defer damaged(tx.DB().Path(), &err)
	_, err = tx.WriteTo(w)
	return err
}

// snapshotFile copies the first size bytes of a file that is only appended to;
// a negative size is all of it.
func snapshotFile(ctx context.Context, path, name string, size int64, write func(name string, size int64, r io.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("copy %s: %w", path, err)
	}
	if size < 0 {
		info, err := f.Stat()
		if err != nil {
			return errors.Join(err, f.Close())
		}
		size = info.Size()
	}
	if err := errors.Join(write(name, size, io.LimitReader(f, size)), f.Close()); err != nil {
		return fmt.Errorf("copy %s: %w", path, err)
	}
	return nil
}
