package buffer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

// Snapshot calls write with the log's file as it is at one moment: its name,
// its exact size and its content. Commits and trims go on meanwhile; the pages
// that they free are used again only afterwards.
func (l *Log) Snapshot(ctx context.Context, write func(name string, size int64, r io.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := l.db.View(func(tx *bolt.Tx) error {
		r, w := io.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, err := tx.WriteTo(w)
			_ = w.CloseWithError(err) // never fails, by its contract
		}()
		err := write(filepath.Base(l.opts.Path), tx.Size(), r)
		_ = r.CloseWithError(errors.New("the copy was given up")) // ends the goroutine when write left early
		<-done
		return err
	})
	if err != nil {
		return fmt.Errorf("copy log %s: %w", l.opts.Path, err)
	}
	return nil
}
