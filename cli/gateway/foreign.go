package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"tidegate/store"
	"tidegate/store/embedded"
)

// The readings of a folder are in files of months, or in a database with a
// journal in the folder: never in both, and never in the one while the other is
// opened.
const (
	journalName = "writer.db"
	indexName   = "series-index.db"
	monthNames  = "series-[0-9]*.db"
)

// refuseJournal refuses to open a folder without a database whose readings are
// in one. The catalogue's copy says so as well, unless it was moved away.
func refuseJournal(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, journalName)); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return store.Conflict("data folder", dir, "its readings are in MongoDB (%s says how far). Set MONGO_URI to it, or bring everything back into this folder with `tidegate migrate --to embedded`", journalName)
}

// refuseMonths refuses to open a folder with a database while it has readings
// of its own: nobody would see them. An index that a start without MONGO_URI has
// left, before anything came in, is none.
func refuseMonths(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, monthNames))
	if err != nil {
		return err
	}
	if len(files) > 0 {
		return ownReadings(dir, fmt.Sprintf("in %d files, the first %s", len(files), filepath.Base(files[0])))
	}
	if _, err := os.Lstat(filepath.Join(dir, indexName)); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	s, err := embedded.OpenSeries(dir, embedded.SeriesOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	stored, duplicate, err := s.Totals(context.Background())
	applied := s.Applied()
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	if stored+duplicate+applied > 0 {
		return ownReadings(dir, "of which "+indexName+" keeps the counts")
	}
	return nil
}

// dropIndex removes an index that refuseMonths found empty: it follows the log,
// and a later migration back needs one that does not.
func dropIndex(dir string) error {
	if err := os.Remove(filepath.Join(dir, indexName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an index of no readings: %w", err)
	}
	return nil
}

func ownReadings(dir, where string) error {
	return store.Conflict("data folder", dir, "it has readings of its own, %s. Bring them into MongoDB with `tidegate migrate --to mongo`, or unset MONGO_URI", where)
}
