package gateway

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/api/client"
	"tidegate/store"
)

// TestForeignFolders: a folder is opened as what it is, or refused with the way
// out, and refusing it changes nothing.
func TestForeignFolders(t *testing.T) {
	_, uri := mongod(t)
	refused := func(b *box, says ...string) {
		t.Helper()
		err := b.tryStart()
		if err == nil {
			b.stop()
			t.Errorf("it started, and should say %v", says)
			return
		}
		for _, s := range says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("the error does not say %q: %v", s, err)
			}
		}
		if !errors.Is(err, store.ErrConflict) {
			t.Errorf("not a conflict: %v", err)
		}
	}

	own := newBox(t, "")
	own.start()
	own.sample()
	own.publish(0, 4)
	own.stop()
	own.uri = uri
	refused(own, "readings of its own", "migrate --to mongo", "unset MONGO_URI")
	checks, err := Doctor(t.Context(), DoctorOptions{Dir: own.dir, Config: own.config()})
	if err != nil {
		t.Fatal(err)
	}
	failed := ""
	for _, c := range checks {
		if c.State == "failed" {
			failed += c.Name + ": " + c.Detail + "\n"
		}
	}
	if !strings.Contains(failed, "catalogue: it is the folder's own") || !strings.Contains(failed, "files: ") {
		t.Errorf("doctor finds %q", failed)
	}
	// Without the file of readings the catalogue is its own still, and the log
	// may hold what was acked.
	moved := filepath.Join(t.TempDir(), "series")
	months, err := filepath.Glob(own.path("series-*.db"))
	if err != nil || len(months) < 2 {
		t.Fatalf("files of readings: %v, %v", months, err)
	}
	for _, m := range months {
		if err := os.Rename(m, moved+filepath.Base(m)); err != nil {
			t.Fatal(err)
		}
	}
	refused(own, "catalogue of its own", "migrate --to mongo")
	for _, m := range months {
		if err := os.Rename(moved+filepath.Base(m), m); err != nil {
			t.Fatal(err)
		}
	}
	own.uri = ""
	own.start()
	if n := own.values(); n != 4 {
		t.Errorf("%d readings after the refusals", n)
	}
	own.stop()

	theirs := newBox(t, uri)
	theirs.start()
	theirs.sample()
	theirs.publish(0, 4)
	theirs.stop()
	theirs.uri = ""
	refused(theirs, "MONGO_URI", "migrate --to embedded")
	if err := os.Rename(theirs.path("catalog.db"), moved+"catalog.db"); err != nil {
		t.Fatal(err)
	}
	refused(theirs, "writer.db", "MONGO_URI", "migrate --to embedded")
	if err := os.Rename(moved+"catalog.db", theirs.path("catalog.db")); err != nil {
		t.Fatal(err)
	}
	_, elsewhere := mongod(t)
	theirs.uri = elsewhere
	refused(theirs, "another database")
	theirs.uri = uri
	theirs.start()
	theirs.until("it goes on", func() bool { return theirs.ledger().Pending == 0 && theirs.values() == 4 })

	// A start without MONGO_URI that took nothing is no obstacle.
	empty := newBox(t, "")
	empty.start()
	empty.stop()
	_, empty.uri = mongod(t)
	empty.start()
	empty.sample()
}

// TestAnotherDatabaseAppears: when a box began without its database, and another
// one answers then, it goes on acking, changes and stores nothing there, and
// says so.
func TestAnotherDatabaseAppears(t *testing.T) {
	_, uri := mongod(t)
	b := newBox(t, uri)
	b.start()
	b.sample()
	b.publish(0, 4)
	b.until("the readings are stored", func() bool { return b.ledger().Pending == 0 })
	b.stop()
	p, wrong := mongod(t)
	p.Refuse(true)
	b.uri = wrong
	b.start()
	p.Refuse(false)
	b.until("it says so", func() bool { return strings.Contains(b.status().Database.Error, "another database") })
	b.publish(4, 8)
	if l := b.ledger(); l.Received != 12 || l.Pending != 6 {
		t.Errorf("ledger: %+v", l)
	}
	_, err := b.cl.CreateOrganization(t.Context(), client.NewOrganization{ID: "new", Name: "New"})
	if pr := problem(t, err); pr.Status != http.StatusConflict || !strings.Contains(pr.Detail, "another database") {
		t.Errorf("a change: %v", err)
	}
	b.stop()
	if err := b.tryStart(); err == nil || !strings.Contains(err.Error(), "another database") {
		t.Errorf("a start while it is there: %v", err)
	}
	b.uri = uri
	b.start()
	b.until("it goes on with its own", func() bool { return b.ledger().Pending == 0 && b.values() == 8 })
}
