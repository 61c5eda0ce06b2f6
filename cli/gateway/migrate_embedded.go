package gateway

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo"
	"tidegate/store/transfer"
)

// expiryMargin is how much younger readings must be than those that the server
// removes by itself, to be copied: it goes on doing that meanwhile.
const expiryMargin = 24 * time.Hour

// toEmbedded brings the readings of the database into the folder, and makes the
// folder's copy of the catalogue its own.
func (m *migration) toEmbedded(ctx context.Context) (r MigrateResult, err error) {
	if m.note != nil && m.note.Phase == phaseSwitch {
		switch ready, err := m.switchable(); {
		case err != nil:
			return r, err
		case ready:
			return m.finishEmbedded(ctx)
		}
	}
	mark, follows, err := m.local.Mark(ctx)
	switch {
	case err != nil:
		return r, err
	case !follows:
		r.Nothing = "the folder's readings and catalogue are in the embedded store already"
		return r, nil
	}
	if err := refuseMonths(m.o.Dir); err != nil {
		return r, err
	}
	if err := dropIndex(m.o.Dir); err != nil {
		return r, err
	}
	if err := m.db.Ready(ctx); err != nil {
		return r, err
	}
	opened := len(m.opened)
	from, err := m.openSource(ctx)
	if err != nil {
		return r, err
	}
	j := m.job(from, nil)
	expiry, err := from.Expiry(ctx)
	if err != nil {
		return r, err
	}
	if expiry > 0 {
		j.After = time.Now().Add(-expiry).Add(expiryMargin).UnixMilli()
		r.From = store.Time(j.After)
	}
	all, err := j.List(ctx, from)
	if err != nil {
		return r, err
	}
	r.sum(all)
	if m.o.DryRun {
		r.Seconds = int64(r.Readings/rateToEmbedded) + 1
		return r, nil
	}
	if m.o.VerifyOnly && m.note == nil {
		return r, nothingCopied(m.o.Dir)
	}
	if !m.o.VerifyOnly {
		if err := m.beginNote(mark.Name); err != nil {
			return r, err
		}
	}
	report, err := m.copyIntoFolder(ctx, j, all)
	if r.Days = report.Days; err != nil || m.o.VerifyOnly {
		return r, err
	}
	if err := m.closeTo(opened); err != nil {
		return r, err
	}
	if err := m.beginSwitch(r); err != nil {
		return r, err
	}
	return m.finishEmbedded(ctx)
}

// switchable reports whether a switch that was begun goes on. While nothing of
// it was done the folder may have been served, and have more than was copied.
func (m *migration) switchable() (bool, error) {
	placed, index, err := m.months(".")
	if err != nil || index || len(placed) > 0 {
		return true, err
	}
	_, staged, err := m.months(stageName)
	return staged && m.unchanged(), err
}

// openSource brings the folder's copy of the catalogue up to date, and opens the
// readings of the database, of which the folder must have applied all.
func (m *migration) openSource(ctx context.Context) (*mongo.SeriesStore, error) {
	c, err := mongo.OpenCatalog(m.db, m.local, mongo.CatalogOptions{Logger: m.log})
	if err != nil {
		return nil, err
	}
	if _, err := c.Sync(ctx); err != nil {
		return nil, err
	}
	if err := m.readCatalog(ctx); err != nil {
		return nil, err
	}
	s, journal, err := m.openDatabase(".")
	if err != nil {
		return nil, err
	}
	start := fmt.Sprintf("Start it once with MONGO_URI, with `tidegate serve --data %s`", m.o.Dir)
	if _, underWay, err := journal.Intent(ctx); err != nil {
		return nil, err
	} else if underWay {
		return nil, store.Conflict("data folder", m.o.Dir, "readings are still on their way into MongoDB. %s, wait until `tidegate ledger` says pending 0, stop it, and run this again", start)
	}
	return s, m.settled(journal.Standings(), journal.Applied(), start)
}

// copyIntoFolder copies, or only verifies.
func (m *migration) copyIntoFolder(ctx context.Context, j *transfer.Job, all []store.Extent) (transfer.Report, error) {
	if m.note.Copied == (transfer.Place{}) && !m.o.VerifyOnly {
		// What is there belongs to another source, or was found to be wrong.
		if err := os.RemoveAll(m.file(stageName)); err != nil {
			return transfer.Report{}, err
		}
	}
	if err := m.makeFolder(stageName); err != nil {
		return transfer.Report{}, err
	}
	to, err := embedded.OpenSeries(m.file(stageName), embedded.SeriesOptions{Logger: m.log})
	if err != nil {
		return transfer.Report{}, err
	}
	m.keep(to.Close)
	j.To = to
	if m.o.VerifyOnly {
		m.telling(j, MigrateVerify, transfer.Count(all))
		report, err := j.Verify(ctx)
		return report, errors.Join(err, report.Err())
	}
	return m.copyAll(ctx, j, all)
}

// finishEmbedded is the switch. From the first month on the folder is refused
// with MONGO_URI; and without, until the catalogue is its own and the journal is
// away.
func (m *migration) finishEmbedded(ctx context.Context) (MigrateResult, error) {
	r := m.note.Result
	if err := m.mustEnd(); err != nil {
		return r, err
	}
	months, _, err := m.months(stageName)
	if err == nil {
		err = m.move(stageName, ".", append(months, indexName)...)
	}
	if err != nil {
		return r, err
	}
	if err := m.then("refused counted", m.keepRefused(ctx)); err != nil {
		return r, err
	}
	if err := m.then("catalogue detached", m.local.Detach(ctx)); err != nil {
		return r, err
	}
	if err := m.makeFolder(m.note.Aside); err != nil {
		return r, err
	}
	if err := errors.Join(m.own(m.note.Aside), m.move(".", m.note.Aside, journalName)); err != nil {
		return r, err
	}
	r.Kept = m.file(m.note.Aside)
	return r, m.end(ctx)
}

// keepRefused lets the state count what the database refused: the journal, which
// did, goes.
func (m *migration) keepRefused(ctx context.Context) error {
	if there, err := m.exists(journalName); err != nil || !there {
		return err // it went, and was counted before
	}
	journal, err := embedded.OpenJournal(m.file(journalName), embedded.JournalOptions{Logger: m.log})
	if err != nil {
		return err
	}
	refused := store.HourCounts{}
	err = journal.RefusedHours(ctx, math.MinInt64, math.MaxInt64, refused)
	if err = errors.Join(err, journal.Close()); err != nil || refused.Sum() == 0 {
		return err
	}
	return m.state.AddRejected(ctx, "migrate "+m.note.ID, refused)
}
