package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// The buckets of writer.db, beside hoursBucket with the stored and duplicate
// readings.
var (
	journalBucket      = []byte("journal")       // "meta" → journalMeta
	intentBucket       = []byte("intent")        // number → piece of the intent; absent: none is kept
	refusedHoursBucket = []byte("refused_hours") // hourKey → store.Counts
	refusalBucket      = []byte("refusals")      // number, from 1 → refusal

	journalMetaKey = []byte("meta")
)

// JournalOptions of a Journal; the zero value works.
type JournalOptions struct {
	Now    func() time.Time // nil: the time
	Logger *slog.Logger     // nil: none
}

// Journal is what a writer into a database over a network remembers in the data
// folder, in one file.
//
//   - Each change is one fsynced transaction: when a method returns nil it
//     survives a power cut, and when it returns an error nothing has changed.
//     After a failed fsync nothing is written or answered any more.
//   - Position, counters, refusals and the end of the intent move together, so
//     that the ledger is exact whenever the process ends.
//   - Totals and Refused answer from memory and never wait for the disk. Hours
//     wait for a Finish that is under way, so that they agree with them.
//   - An intent carries a checksum: what is damaged is an error that names the
//     file, never sent.
//   - The file grows to what two of the largest intents take, and to the bounds
//     of the refusals; the pages of an intent that went are used again.
type Journal struct {
	db      *bbolt.DB
	log     *slog.Logger
	applied atomic.Uint64

	// writing is held by whatever changes the file; committing is write-held
	// while a change of counters and its effect on meta are one step. Lock
	// order: writing, committing, mu.
	writing    sync.Mutex
	committing sync.RWMutex

	mu     sync.RWMutex // guards what follows; meta changes under writing too
	meta   journalMeta  // as the file has it
	broken error        // a failed fsync
	closed bool
}

var _ store.Journal = (*Journal)(nil)

// journalMeta is what the file says of itself, in the transaction of its data.
type journalMeta struct {
	Log        store.LogID `json:"log"` // zero: never bound
	Applied    uint64      `json:"applied"`
	Stored     uint64      `json:"stored"`
	Duplicate  uint64      `json:"duplicate"`
	Refused    uint64      `json:"refused"`          // ever
	Kept       uint64      `json:"kept"`             // refusals: the newest so many
	KeptBytes  int64       `json:"keptBytes"`        // of them
	Target     string      `json:"target"`           // id of the database; empty: none yet
	TargetName string      `json:"targetName"`       // for people
	Intent     *intentMeta `json:"intent,omitempty"` // what is kept
	Import     importState `json:"import,omitempty"`
}

func journalSpec(made time.Time) fileSpec { return fileSpec{kind: "journal", format: 1, made: made} }

// OpenJournal opens the file, or makes it.
func OpenJournal(path string, o JournalOptions) (*Journal, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	db, err := openFile(path, journalSpec(o.Now()))
	if err != nil {
		return nil, err
	}
	j := &Journal{db: db, log: o.Logger}
	err = ensureBuckets(db, journalBucket, hoursBucket, refusedHoursBucket, refusalBucket)
	if err == nil {
		err = view(db, func(tx *bbolt.Tx) (err error) { j.meta, err = readJournalMeta(tx); return err })
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	j.applied.Store(j.meta.Applied)
	return j, nil
}

func readJournalMeta(tx *bbolt.Tx) (m journalMeta, err error) {
	if b := tx.Bucket(journalBucket).Get(journalMetaKey); b != nil {
		if err := json.Unmarshal(b, &m); err != nil {
			return m, fileError(store.ErrInvalid, tx.DB().Path(), "does not say its position (%v); %s", err, wayOut)
		}
	}
	return m, nil
}

func writeJournalMeta(tx *bbolt.Tx, m journalMeta) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return tx.Bucket(journalBucket).Put(journalMetaKey, b)
}

// change makes durable what fn does to the file and to the meta.
func (j *Journal) change(ctx context.Context, what string, fn func(tx *bbolt.Tx, m *journalMeta) error) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	return j.commit(ctx, what, fn)
}

// changeCounters is change for what Hours answer too.
func (j *Journal) changeCounters(ctx context.Context, what string, fn func(tx *bbolt.Tx, m *journalMeta) error) error {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.committing.Lock()
	defer j.committing.Unlock()
	return j.commit(ctx, what, fn)
}

// commit is one transaction. The caller holds writing.
func (j *Journal) commit(ctx context.Context, what string, fn func(tx *bbolt.Tx, m *journalMeta) error) error {
	next, err := j.read(ctx)
	if err != nil {
		return err
	}
	err = update(j.db, func(tx *bbolt.Tx) error {
		if err := fn(tx, &next); err != nil {
			return err
		}
		return writeJournalMeta(tx, next)
	})
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		if errors.Is(err, errFsync) {
			j.broken = err
		}
		return fmt.Errorf("%s: %w", what, err)
	}
	j.meta = next
	j.applied.Store(next.Applied)
	return nil
}

// read answers the meta, or why nothing may be asked any more.
func (j *Journal) read(ctx context.Context) (journalMeta, error) {
	if err := ctx.Err(); err != nil {
		return journalMeta{}, err
	}
	j.mu.RLock()
	defer j.mu.RUnlock()
	if j.closed {
		return journalMeta{}, fileError(store.ErrUnavailable, j.db.Path(), "is closed")
	}
	return j.meta, j.broken
}

// Applied implements store.Follower.
func (j *Journal) Applied() uint64 { return j.applied.Load() }

// Bind implements store.Follower.
func (j *Journal) Bind(b store.Bounds) error {
	m, err := j.read(context.Background())
	if err != nil {
		return err
	}
	if m.Import == importBegun {
		return importUnfinished(j.db.Path())
	}
	at := position{m.Log, m.Applied}
	if err := at.check(j.db.Path(), b, "which were stored elsewhere: bring the readings over with `tidegate migrate --to mongo`, or restore all files from one backup"); err != nil {
		return err
	}
	if m.Intent != nil && m.Intent.Through > b.Head {
		return fileError(store.ErrConflict, j.db.Path(), "has sent the log up to position %d, the log ends at %d: an older buffer.db was put in place; bring back the newer one, or %s", m.Intent.Through, b.Head, backupWayOut)
	}
	if at.log == b.Log && m.Import == "" {
		return nil
	}
	return j.change(context.Background(), "bind to log "+b.Log.String(), func(_ *bbolt.Tx, m *journalMeta) error {
		m.Log, m.Import = b.Log, ""
		return nil
	})
}

// Target implements store.Journal.
func (j *Journal) Target(ctx context.Context) (string, error) {
	m, err := j.read(ctx)
	return m.Target, err
}

// SetTarget implements store.Journal.
func (j *Journal) SetTarget(ctx context.Context, id, name string) error {
	if id == "" {
		return store.Invalid("database", "id", "must not be empty")
	}
	m, err := j.read(ctx)
	if err != nil || m.Target == id && m.TargetName == name {
		return err
	}
	return j.change(ctx, "note the database", func(_ *bbolt.Tx, m *journalMeta) error {
		if m.Target != "" && m.Target != id {
			return fileError(store.ErrConflict, j.db.Path(), "belongs to the database %s (%s), this is %s (%s). "+
				"Set MONGO_URI to the former, or bring everything back into this folder with `tidegate migrate --to embedded`", m.TargetName, m.Target, name, id)
		}
		m.Target, m.TargetName = id, name
		return nil
	})
}

// Snapshot implements Source.
func (j *Journal) Snapshot(ctx context.Context, write func(name string, size int64, r io.Reader) error) error {
	return snapshotBolt(ctx, j.db, filepath.Base(j.db.Path()), write)
}

// Close implements store.Journal.
func (j *Journal) Close() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	return j.db.Close()
}
