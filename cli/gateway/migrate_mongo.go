package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo"
	"tidegate/store/transfer"
)

// place names a database for people, without credentials.
func place(db *mongo.Database) string {
	if db == nil {
		return ""
	}
	s := db.Status()
	return strings.Join(s.Hosts, ",") + "/" + s.Database
}

// Readings a second, copied and verified, with a database on the same two cores:
// for an estimate.
const (
	rateToMongo    = 60_000
	rateToEmbedded = 150_000
)

// toMongo brings the folder's own readings and catalogue into the database.
func (m *migration) toMongo(ctx context.Context) (r MigrateResult, err error) {
	_, follows, err := m.local.Mark(ctx)
	if err != nil {
		return r, err
	}
	placed, err := m.exists(journalName)
	switch {
	case err != nil:
		return r, err
	case m.note != nil && m.note.Phase == phaseSwitch && placed:
		return m.finishMongo(ctx)
	case follows:
		r.Nothing = "the folder's readings and catalogue are in MongoDB already"
		return r, nil
	case placed:
		return r, refuseJournal(m.o.Dir)
	}
	opened := len(m.opened)
	from, err := m.openMonths()
	if err != nil {
		return r, err
	}
	j := m.job(from, nil)
	all, err := j.List(ctx, from)
	if err != nil {
		return r, err
	}
	r.sum(all)
	if err := m.known(all); err != nil {
		return r, err
	}
	if m.o.DryRun {
		r.Seconds = int64(r.Readings/rateToMongo) + 1
		return r, nil
	}
	if m.o.VerifyOnly && m.note == nil {
		return r, nothingCopied(m.o.Dir)
	}
	if err := m.db.Ready(ctx); err != nil {
		return r, err
	}
	if !m.o.VerifyOnly {
		if err := m.beginMongo(ctx); err != nil {
			return r, err
		}
	}
	report, err := m.copyIntoMongo(ctx, j, all)
	if r.Days = report.Days; err != nil || m.o.VerifyOnly {
		return r, err
	}
	if err := m.closeTo(opened); err != nil {
		return r, err
	}
	if err := m.beginSwitch(r); err != nil {
		return r, err
	}
	return m.finishMongo(ctx)
}

// beginMongo claims the database. One that is somebody else's leaves no trace in
// the folder.
func (m *migration) beginMongo(ctx context.Context) error {
	fresh := m.note == nil
	if err := m.beginNote(place(m.db)); err != nil {
		return err
	}
	err := mongo.BeginImport(ctx, m.db, m.claim())
	if err != nil && fresh {
		m.note = nil
		return errors.Join(err, os.Remove(m.file(noteName)))
	}
	return m.then("claimed", err)
}

// openMonths opens the folder's own readings, which must be all there is.
func (m *migration) openMonths() (*embedded.SeriesStore, error) {
	s, err := embedded.OpenSeries(m.o.Dir, embedded.SeriesOptions{Logger: m.log})
	if err != nil {
		return nil, err
	}
	m.keep(s.Close)
	return s, m.settled(s.Standings(), s.Applied(), fmt.Sprintf("Start it once without MONGO_URI, with `tidegate serve --data %s`", m.o.Dir))
}

// known refuses readings of devices that the catalogue does not have: documents
// carry their names.
func (m *migration) known(all []store.Extent) error {
	for _, e := range all {
		if _, ok := m.who.devices[e.Series.UID]; !ok {
			return store.Conflict("data folder", m.o.Dir, "it has %d readings of device number %d, which its catalogue does not know: catalog.db is older than the readings. Put the one back that belongs to them", e.Count, e.Series.UID)
		}
	}
	return nil
}

func nothingCopied(dir string) error {
	return store.Conflict("data folder", dir, "there is nothing to verify: no migration of it was begun, or it has ended, which it does only once everything was found the same")
}

func (m *migration) claim() mongo.Import { return mongo.Import{ID: m.note.ID, From: holder(m.o.Dir)} }

// openDatabase opens the readings of the database, with the journal in a folder
// within the data folder.
func (m *migration) openDatabase(in string) (*mongo.SeriesStore, *embedded.Journal, error) {
	journal, err := embedded.OpenJournal(filepath.Join(m.file(in), journalName), embedded.JournalOptions{Logger: m.log})
	if err != nil {
		return nil, nil, err
	}
	m.keep(journal.Close)
	s, err := mongo.OpenSeries(m.db, journal, mongo.SeriesOptions{
		Names: m.who.names, Number: m.who.number, Writers: m.o.Config.Mongo.Writers, Holder: holder(m.o.Dir) + " (migrate)", Logger: m.log, Now: time.Now,
	})
	if err != nil {
		return nil, nil, err
	}
	m.keep(s.Close)
	return s, journal, nil
}

// copyIntoMongo copies, or only verifies.
func (m *migration) copyIntoMongo(ctx context.Context, j *transfer.Job, all []store.Extent) (transfer.Report, error) {
	if err := m.makeFolder(stageName); err != nil {
		return transfer.Report{}, err
	}
	to, _, err := m.openDatabase(stageName)
	if err != nil {
		return transfer.Report{}, err
	}
	j.To = to
	if m.o.VerifyOnly {
		m.telling(j, MigrateVerify, transfer.Count(all))
		report, err := j.Verify(ctx)
		return report, errors.Join(err, report.Err())
	}
	return m.copyAll(ctx, j, all)
}

// finishMongo is the switch. Until the journal has its place the folder is its
// own; from then on it is refused without MONGO_URI, and with it as long as its
// own months are there.
func (m *migration) finishMongo(ctx context.Context) (MigrateResult, error) {
	r := m.note.Result
	if err := m.mustEnd(); err != nil {
		return r, err
	}
	if err := m.move(stageName, ".", journalName); err != nil {
		return r, err
	}
	j := m.job(nil, nil)
	m.telling(j, MigrateSwitch, 0)
	err := j.Wait(ctx, func() error { return mongo.AdoptImport(ctx, m.db, m.claim(), m.local) })
	if err != nil {
		return r, err
	}
	months, _, err := m.months(".")
	if err = m.then("catalogue adopted", err); err != nil {
		return r, err
	}
	if err := m.makeFolder(m.note.Aside); err != nil {
		return r, err
	}
	if err := errors.Join(m.own(m.note.Aside), m.move(".", m.note.Aside, append(months, indexName)...)); err != nil {
		return r, err
	}
	r.Kept = m.file(m.note.Aside)
	return r, m.end(ctx)
}
