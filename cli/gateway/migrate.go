package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"tidegate/cli/config"
	"tidegate/ingest/buffer"
	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo"
	"tidegate/store/transfer"
)

// The stores that Migrate knows.
const (
	StoreMongo    = "mongo"
	StoreEmbedded = "embedded"
)

// MigrateOptions say what is brought where. Fields without a comment are needed.
type MigrateOptions struct {
	Dir    string
	Config config.Config // MongoURI names the database, in either direction
	To     string        // StoreMongo or StoreEmbedded
	Actor  string        // for the audit trail: uid:0
	DryRun bool          // say what would be copied
	// VerifyOnly compares what an unfinished migration has copied so far.
	VerifyOnly bool
	Tell       func(MigrateStep) // how far it is; nil: nobody listens

	// cut, when not nil, is called behind each step; its error ends the
	// migration there, as a kill does. Tests cut it.
	cut func(step string) error
}

// MigrateStep is how far a migration is.
type MigrateStep struct {
	Doing       string // MigrateCopy, …
	Done, Total uint64 // readings
	Waiting     error  // why it waits; nil: it does not
}

// MigrateResult is what a migration has done, or would do.
type MigrateResult struct {
	To       string `json:"to"`
	Place    string `json:"database"` // hosts and name, without credentials
	Devices  int    `json:"devices"`  // deleted ones that have readings included
	Ports    int    `json:"ports"`    // that have readings
	Readings uint64 `json:"readings"`
	Days     int    `json:"days,omitempty"` // of all ports together, that were compared
	Kept     string `json:"kept,omitempty"` // folder with what was moved aside
	// From is the time before which readings are left out: the database removes
	// them by itself within a day; 0: none are.
	From    store.Time `json:"from,omitzero"`
	Seconds int64      `json:"estimatedSeconds,omitempty"`
	// Nothing says why there was nothing to do.
	Nothing string `json:"nothing,omitempty"`
}

// What MigrateStep.Doing may be.
const (
	MigrateCopy   = "copy"
	MigrateVerify = "verify"
	MigrateSwitch = "switch"
)

// migratePatience is how long a database that goes away in between is waited
// for.
const migratePatience = 2 * time.Minute

// migration moves a folder between the embedded store and MongoDB.
//
// The source is only read. What is copied grows beside it: in the database,
// which is claimed for it, or in the folder DIR/migrate. DIR/migrate.json says
// how far it is. So an end at any moment leaves a folder that is served as
// before, and the same command goes on.
//
// When everything is copied and was found the same, the switch begins: one
// rename makes migrate.json say so. What is left then are moves of files, and
// steps that may be repeated, in such an order that until the last of them the
// folder is refused both with MONGO_URI and without: nobody is served from half
// of it. The same command ends it.
type migration struct {
	o      MigrateOptions
	log    *slog.Logger
	bounds store.Bounds
	note   *migrateNote // nil: none was begun
	local  *embedded.Catalog
	whole  store.CatalogChange // of local
	who    people
	state  *embedded.State
	db     *mongo.Database

	opened []func() error
}

// Migrate brings readings, ledger and catalogue of a folder from one store into
// the other. No server may serve the folder meanwhile.
func Migrate(ctx context.Context, o MigrateOptions) (r MigrateResult, err error) {
	if _, err := os.Stat(filepath.Join(o.Dir, "buffer.db")); errors.Is(err, os.ErrNotExist) {
		return r, store.Conflict("data folder", o.Dir, "it has nothing to bring over: nobody has served it yet. To begin in MongoDB, set MONGO_URI and run `tidegate init --data %s`", o.Dir)
	}
	lock, err := lockFolder(o.Dir)
	if err != nil {
		return r, err
	}
	defer lock.unlock()
	if err := embedded.RestoreUnfinished(o.Dir); err != nil {
		return r, err
	}
	m := &migration{o: o, log: slog.New(slog.DiscardHandler)}
	defer func() { err = errors.Join(err, m.close()) }()
	if err := m.open(ctx); err != nil {
		return r, err
	}
	switch {
	case m.note != nil && m.note.To != o.To:
		return r, m.otherWay()
	case o.To == StoreMongo:
		r, err = m.toMongo(ctx)
	case o.To == StoreEmbedded:
		r, err = m.toEmbedded(ctx)
	default:
		return r, store.Invalid("migration", "to", "%q is none of mongo and embedded", o.To)
	}
	r.To, r.Place = o.To, place(m.db)
	return r, m.whereItStands(err)
}

// whereItStands tells beside an error what became of the folder, and how to go
// on.
func (m *migration) whereItStands(err error) error {
	switch {
	case m.note == nil && errors.Is(err, store.ErrUnavailable):
		return fmt.Errorf("%w\nnothing was changed; see that MongoDB runs, and that MONGO_URI names it, and run the same command again", err)
	case m.note == nil && errors.Is(err, context.Canceled):
		return fmt.Errorf("%w\nnothing was changed; run the same command again to begin anew", err)
	case err == nil || m.note == nil:
		return err
	case m.note.Phase == phaseSwitch:
		return fmt.Errorf("%w\nthe switch has begun, and everything is copied: run the same command again to end it; until then the folder is not served", err)
	}
	return fmt.Errorf("%w\nnothing is switched, the folder is served as before; run the same command again to go on from here", err)
}

// otherWay refuses to go back in the middle.
func (m *migration) otherWay() error {
	way := fmt.Sprintf("go on with `tidegate migrate --to %s`", m.note.To)
	if m.note.Phase == phaseCopy {
		way += fmt.Sprintf(", or give it up: remove %s and %s", m.file(noteName), m.file(stageName))
		if m.note.To == StoreMongo {
			way += ", and drop the database " + m.note.Place
		}
	}
	return store.Conflict("data folder", m.o.Dir, "a migration to %s was begun and did not end; %s", m.note.To, way)
}

// then is behind a step that ended with err.
func (m *migration) then(step string, err error) error {
	if err != nil || m.o.cut == nil {
		return err
	}
	return m.o.cut(step)
}

func (m *migration) file(name string) string { return filepath.Join(m.o.Dir, name) }

func (m *migration) keep(close func() error) { m.opened = append(m.opened, close) }

// close closes what was opened since, the last first.
func (m *migration) close() error { return m.closeTo(0) }

func (m *migration) closeTo(n int) error {
	var err error
	for len(m.opened) > n {
		last := len(m.opened) - 1
		err = errors.Join(err, m.opened[last]())
		m.opened = m.opened[:last]
	}
	return err
}

// open opens what either direction needs: where the log ends, the catalogue,
// the state, and the way to the database.
func (m *migration) open(ctx context.Context) (err error) {
	if m.note, err = readNote(m.o.Dir); err != nil {
		return err
	}
	log, err := buffer.Open(buffer.Options{Path: m.file("buffer.db"), Logger: m.log, Fatal: func(error) {}})
	if err != nil {
		return err
	}
	after, head := log.Bounds()
	m.bounds = store.Bounds{Log: store.LogID(log.ID()), After: after, Head: head}
	if err := log.Close(); err != nil {
		return err
	}
	if m.local, err = embedded.OpenCatalog(m.file("catalog.db"), embedded.CatalogOptions{Copy: true}); err != nil {
		return err
	}
	m.keep(m.local.Close)
	d := m.o.Config.DeadLetters
	m.state, err = embedded.OpenState(m.file("state.db"), embedded.StateOptions{
		KeepFor: time.Duration(d.KeepDays) * 24 * time.Hour, MaxBytes: d.MaxSize, Logger: m.log,
	})
	if err != nil {
		return err
	}
	m.keep(m.state.Close)
	if m.db, err = mongo.Open(mongo.Options{URI: m.o.Config.MongoURI, Logger: m.log}); err != nil {
		return err
	}
	m.keep(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		go func() {
			defer cancel()
			_ = m.db.Close(ctx) // nothing is under way; the driver may take its time
		}()
		<-ctx.Done()
		return nil
	})
	return m.readCatalog(ctx)
}

func (m *migration) readCatalog(ctx context.Context) (err error) {
	if m.whole, err = m.local.Dump(ctx); err == nil {
		m.who = peopleOf(m.whole)
	}
	return err
}

// settled refuses a folder whose log holds what is not applied yet: to apply it
// is what a server does.
func (m *migration) settled(readings []embedded.Standing, applied uint64, start string) error {
	for _, st := range append(readings, m.state.Standings()...) {
		if st.Log != (store.LogID{}) && !st.Follows(m.bounds) {
			return store.Conflict("data folder", m.o.Dir, "%s does not follow the log of this folder; `tidegate doctor --data %s` says what to do", st.File, m.o.Dir)
		}
	}
	if is := min(applied, m.state.Applied()); is != m.bounds.Head {
		return store.Conflict("data folder", m.o.Dir, "its log holds records that are not stored yet: they are up to %d of %d. %s, wait until `tidegate ledger` says pending 0, stop it, and run this again", is, m.bounds.Head, start)
	}
	return nil
}

// job answers how readings are copied and compared.
func (m *migration) job(from transfer.Source, to transfer.Target) *transfer.Job {
	return &transfer.Job{From: from, To: to, Calibrations: m.who.calibrations, Name: m.who.name, Patience: migratePatience}
}

// telling lets the listener hear of a part of the way.
func (m *migration) telling(j *transfer.Job, doing string, total uint64) {
	if m.o.Tell == nil {
		return
	}
	j.Tell = func(n uint64, waiting error) {
		m.o.Tell(MigrateStep{Doing: doing, Done: min(n, total), Total: total, Waiting: waiting})
	}
}

// copyAll brings all readings over that are not there yet, and the counters, and
// proves it.
func (m *migration) copyAll(ctx context.Context, j *transfer.Job, all []store.Extent) (transfer.Report, error) {
	m.telling(j, MigrateCopy, transfer.Count(all))
	err := j.Copy(ctx, all, m.note.Copied, func(p transfer.Place) error {
		m.note.Copied = p
		return m.saveNote()
	})
	if err = m.then("copied", err); err != nil {
		return transfer.Report{}, err
	}
	err = m.then("counted", j.CopyCounters(ctx, m.bounds.Log, m.bounds.Head))
	if err != nil {
		return transfer.Report{}, err
	}
	r, err := m.verify(ctx, j, transfer.Count(all))
	return r, m.then("verified", err)
}

// verify compares everything. What differs is copied again the next time.
func (m *migration) verify(ctx context.Context, j *transfer.Job, total uint64) (transfer.Report, error) {
	m.telling(j, MigrateVerify, total)
	r, err := j.Verify(ctx)
	if err == nil {
		err = j.VerifyCounters(ctx)
	}
	if err != nil {
		return r, err
	}
	if err := r.Err(); err != nil {
		m.note.Copied = transfer.Place{}
		again := "all is copied anew when this is run again"
		if m.o.To == StoreMongo {
			again = "what lacks there is copied when this is run again; if anything is too much or different, drop the database " + m.note.Place + " before"
		}
		return r, errors.Join(fmt.Errorf("the copy is not what the source is: %w\n%s", err, again), m.saveNote())
	}
	return r, nil
}

// sum fills in what is known of the readings.
func (r *MigrateResult) sum(all []store.Extent) {
	devices := map[uint32]bool{}
	for _, e := range all {
		devices[e.Series.UID] = true
	}
	r.Devices, r.Ports, r.Readings = len(devices), len(all), transfer.Count(all)
}
