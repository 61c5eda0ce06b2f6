package mongo

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo/mongotest"
	"tidegate/store/storetest"
)

// seriesBox is a SeriesStore with all it needs, which ends with it.
type seriesBox struct {
	*SeriesStore
	db      *Database
	journal *embedded.Journal
}

func (b *seriesBox) Close() error {
	err := b.SeriesStore.Close()
	if e := b.journal.Close(); err == nil {
		err = e
	}
	if e := b.db.Close(context.Background()); err == nil {
		err = e
	}
	return err
}

// openBox opens the readings of a folder in a database.
func openBox(t testing.TB, uri, dir string, o SeriesOptions) *seriesBox {
	t.Helper()
	db, err := Open(Options{URI: uri, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	j, err := embedded.OpenJournal(filepath.Join(dir, "writer.db"), embedded.JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if o.Names == nil {
		o.Names = testNames
	}
	o.Number = testNumber
	o.Holder = "test in " + dir
	o.Logger = discard()
	s, err := OpenSeries(db, j, o)
	if err != nil {
		t.Fatal(err)
	}
	return &seriesBox{s, db, j}
}

// testNumber is the inverse of testNames.
func testNumber(org, device string) (uid uint32, ok bool) {
	if _, err := fmt.Sscanf(device, "device.%d", &uid); err != nil {
		return 0, false
	}
	o, _, ok := testNames(uid)
	return uid, ok && o == org
}

// folderDatabase answers the database of a folder: the same for its copies.
func folderDatabase(t testing.TB, dir string) string {
	t.Helper()
	file := filepath.Join(dir, "database")
	if b, err := os.ReadFile(file); err == nil {
		return string(b)
	}
	name := mongotest.Database(t)
	if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestSeries: the store passes what every store of readings passes.
func TestSeries(t *testing.T) {
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			server := mongotest.Shared(t, kind)
			storetest.RunSeries(t, func(t testing.TB, dir string) store.SeriesStore {
				return openBox(t, server.URI(t, folderDatabase(t, dir)), dir, SeriesOptions{})
			})
		})
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
