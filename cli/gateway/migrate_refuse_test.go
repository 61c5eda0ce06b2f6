package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo/mongotest"
)

// TestMigrateRefuses says why nothing is moved, and what to do.
func TestMigrateRefuses(t *testing.T) {
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	uri := func() string { return server.URI(t, mongotest.Database(t)) }
	refused := func(t *testing.T, b *box, to, uri string, says ...string) {
		t.Helper()
		c := b.config()
		c.MongoURI = uri
		_, err := Migrate(t.Context(), MigrateOptions{Dir: b.dir, Config: c, To: to})
		if err == nil {
			t.Fatal("migrated")
		}
		for _, s := range says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%v\ndoes not say %q", err, s)
			}
		}
		if strings.Contains(err.Error(), "@") {
			t.Errorf("shows credentials: %v", err)
		}
	}
	b := newBox(t, "")
	refused(t, b, StoreMongo, uri(), "nobody has served it yet")
	b.start()
	b.sample()
	b.publish(0, 4)
	refused(t, b, StoreMongo, uri(), "is in use by", "stop it")
	b.stop()

	taken := newBox(t, uri())
	taken.start()
	taken.sample()
	taken.stop()
	refused(t, b, StoreMongo, taken.uri, "it has a catalogue already", "Name an empty database")
	if _, err := os.Stat(b.path(noteName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refusal leaves a note: %v", err)
	}
	refused(t, taken, StoreEmbedded, uri(), "copies the catalogue of another database")
	gone := mongotest.NewProxy(t, "127.0.0.1:1")
	gone.Refuse(true)
	refused(t, b, StoreMongo, gone.URI(taken.uri), "unavailable")

	// A log that holds more than the readings do: as after a kill.
	image := t.TempDir()
	b.start()
	b.publish(4, 8)
	for _, name := range []string{"buffer.db", "catalog.db", "state.db", indexName} {
		content, err := os.ReadFile(b.path(name))
		if err == nil {
			err = os.WriteFile(filepath.Join(image, name), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	b.stop()
	crashed := &box{t: t, dir: image}
	refused(t, crashed, StoreMongo, uri(), "records that are not stored yet", "Start it once without MONGO_URI", "pending 0")

	// Half way there, and another folder, or another direction.
	half := uri()
	c := b.config()
	c.MongoURI = half
	_, err := Migrate(t.Context(), MigrateOptions{Dir: b.dir, Config: c, To: StoreMongo, cut: func(step string) error {
		if step == "copied" {
			return errCutHere
		}
		return nil
	}})
	if !errors.Is(err, errCutHere) || !strings.Contains(err.Error(), "nothing is switched") || !strings.Contains(err.Error(), "run the same command again") {
		t.Fatalf("cut: %v", err)
	}
	refused(t, b, StoreEmbedded, half, "a migration to mongo was begun", "go on with `tidegate migrate --to mongo`", "or give it up")
	other := newBox(t, "")
	other.start()
	other.sample()
	other.stop()
	refused(t, other, StoreMongo, half, "a migration into it was begun from", "Finish that one")
	fresh := newBox(t, half)
	if err := fresh.tryStart(); err == nil || !strings.Contains(err.Error(), "tidegate migrate --to mongo") {
		t.Errorf("a new folder takes a database that is half migrated: %v", err)
	}
	if _, err := Migrate(t.Context(), MigrateOptions{Dir: b.dir, Config: c, To: StoreMongo}); err != nil {
		t.Fatal(err)
	}
	r, err := Migrate(t.Context(), MigrateOptions{Dir: b.dir, Config: c, To: StoreMongo})
	if err != nil || r.Nothing == "" {
		t.Errorf("once more: %+v, %v", r, err)
	}
}

// TestMigrateVerifies: what somebody has changed behind its back stops the
// switch, by name, and the next run mends what lacks.
func TestMigrateVerifies(t *testing.T) {
	server, name := mongotest.Shared(t, mongotest.ReplicaSet), mongotest.Database(t)
	uri := server.URI(t, name)
	b := newBox(t, "")
	b.start()
	b.sample()
	b.publish(0, 20)
	b.stop()
	want := b.look()
	c := b.config()
	c.MongoURI = uri
	o := MigrateOptions{Dir: b.dir, Config: c, To: StoreMongo}
	if r, err := Migrate(t.Context(), MigrateOptions{Dir: b.dir, Config: c, To: StoreMongo, DryRun: true}); err != nil || r.Readings != 20 || r.Devices != 1 || r.Ports != 1 || r.Seconds == 0 {
		t.Errorf("what would be copied: %+v, %v", r, err)
	}
	verifyOnly := o
	verifyOnly.VerifyOnly = true
	if _, err := Migrate(t.Context(), verifyOnly); err == nil || !strings.Contains(err.Error(), "nothing to verify") {
		t.Errorf("verified nothing: %v", err)
	}
	o.cut = func(step string) error {
		if step == "counted" {
			server.Admin(t, func(c *driver.Client) error {
				_, err := c.Database(name).Collection("values").DeleteMany(t.Context(), bson.D{{Key: "metadata.portNumber", Value: 1}})
				return err
			})
		}
		return nil
	}
	_, err := Migrate(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "the copy is not what the source is") || !strings.Contains(err.Error(), "device d1, port 1 on ") || !strings.Contains(err.Error(), ": 20 readings in the source, 0 in the target") && !strings.Contains(err.Error(), "2 differ") {
		t.Fatalf("not found: %v", err)
	}
	if _, err := Migrate(t.Context(), verifyOnly); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "device d1, port 1 on ") {
		t.Errorf("not found by a look alone: %v", err)
	}
	b.start() // it is served as before
	b.stop()
	o.cut = nil
	if r, err := Migrate(t.Context(), o); err != nil || r.Readings != 20 || !strings.HasSuffix(r.Kept, "embedded-before-migrate") {
		t.Fatalf("again: %+v, %v", r, err)
	}
	b.uri = uri
	sameKept(t, "mended", b.look(), want)
	if files, err := filepath.Glob(b.path("embedded-before-migrate/series-*.db")); err != nil || len(files) < 2 {
		t.Errorf("kept are %v, %v", files, err)
	}
}

// TestMigrateKeepsRefused: readings that the database refused stay counted as
// rejected when the folder leaves it.
func TestMigrateKeepsRefused(t *testing.T) {
	uri := mongotest.Shared(t, mongotest.ReplicaSet).URI(t, mongotest.Database(t))
	b := newBox(t, uri)
	b.start()
	b.sample()
	b.publish(0, 10)
	b.until("all is stored", func() bool { return b.ledger().Pending == 0 })
	b.stop()
	j, err := embedded.OpenJournal(b.path(journalName), embedded.JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hour := time.Now().UnixMilli() / 3_600_000
	err = j.Finish(t.Context(), store.Outcome{
		Through: j.Applied(), Stored: store.HourCounts{hour: {1: -2}},
		Refused: []store.Refusal{{Hour: hour, UID: 1, Document: "{}", Reason: "no"}, {Hour: hour, UID: 1, Document: "{}", Reason: "no"}},
	})
	if err = errors.Join(err, j.Close()); err != nil {
		t.Fatal(err)
	}
	b.start()
	want := b.ledger()
	b.stop()
	b.migrate(StoreEmbedded, uri, func(string) {})
	b.uri = ""
	b.start()
	if got := b.ledger(); got != want || got.Rejected != 7 || got.Stored != 8 {
		t.Errorf("ledger %+v, before %+v", got, want)
	}
}

// TestMigrateAgain goes there, back and there again, without a server in
// between: nothing that was kept is overwritten, and what root has moved belongs
// to whom the folder does.
func TestMigrateAgain(t *testing.T) {
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	b := newBox(t, "")
	b.start()
	b.sample()
	b.publish(0, 20)
	b.stop()
	want := b.look()
	owner := uint32(os.Geteuid())
	if owner == 0 {
		owner = 4711
		if err := os.Chown(b.dir, int(owner), int(owner)); err != nil {
			t.Fatal(err)
		}
	}
	first, second := server.URI(t, mongotest.Database(t)), server.URI(t, mongotest.Database(t))
	for _, step := range []struct{ to, uri, kept, file string }{
		{StoreMongo, first, "embedded-before-migrate", journalName},
		{StoreEmbedded, first, "mongo-before-migrate", indexName},
		{StoreMongo, second, "embedded-before-migrate-2", journalName},
		{StoreEmbedded, second, "mongo-before-migrate-2", indexName},
	} {
		c := b.config()
		c.MongoURI = step.uri
		r, err := Migrate(t.Context(), MigrateOptions{Dir: b.dir, Config: c, To: step.to})
		if err != nil || filepath.Base(r.Kept) != step.kept || r.Readings != 20 {
			t.Fatalf("%+v: %+v, %v", step, r, err)
		}
		for _, name := range []string{step.file, step.kept} {
			info, err := os.Stat(b.path(name))
			if err != nil {
				t.Fatal(err)
			}
			if uid := info.Sys().(*syscall.Stat_t).Uid; uid != owner {
				t.Errorf("%+v: %s belongs to %d, the folder to %d", step, name, uid, owner)
			}
		}
		if b.uri = ""; step.to == StoreMongo {
			b.uri = step.uri
		}
		sameKept(t, step.kept, b.look(), want)
	}
	b.start()
	b.publish(0, 20)
	b.until("all is stored", func() bool { return b.ledger().Pending == 0 })
	if l := b.ledger(); l.Stored != 20 || l.Duplicate != 20 || l.Rejected != 20 {
		t.Errorf("ledger %+v", l)
	}
}
