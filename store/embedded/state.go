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

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/bbolt"

	"tidegate/store"
)

// The buckets of state.db. Letters and messages are keyed by the public
// position: that of the log plus stateMeta.Base.
var (
	stateMetaBucket = []byte("state")        // "meta" → stateMeta
	messageBucket   = []byte("messages")     // position → what its letters share
	letterBucket    = []byte("letters")      // position, index → letter
	spanBucket      = []byte("letter_hours") // hour → first and last position received in it
	hourBucket      = []byte("hours")        // hour → store.Counts
	verdictBucket   = []byte("verdicts")     // last log position → verdicts
	presenceBucket  = []byte("presence")     // UID → online, last seen
	lifecycleBucket = []byte("lifecycle")    // UID, time, number → what happened

	stateMetaKey = []byte("meta")
)

const (
	waitingLetters = 4096    // so many letters, or
	waitingBytes   = 4 << 20 // so many bytes, are made durable without being asked
)

// StateOptions of a State. Limits that are zero do not apply.
type StateOptions struct {
	KeepFor    time.Duration // letters received longer ago are dropped
	MaxBytes   int64         // of letters with their payloads; the oldest are dropped beyond it
	FlushAfter time.Duration // letters are durable so long after Reject; 0: one second
	// LifecycleAfter is how long comings and goings wait for a commit; 0: 10 s.
	LifecycleAfter time.Duration

	Now        func() time.Time      // nil: the time
	Logger     *slog.Logger          // nil: none
	Registerer prometheus.Registerer // nil: no metrics
}

// State keeps dead letters, the count of the rejected, presence, and the comings
// and goings of devices, in one file.
//
// What makes it exact, whenever the process ends:
//
//   - Reject only takes note. A commit writes letters, payloads, counts by hour
//     and reason, settlements, remembered verdicts, presence, lifecycles and
//     the position in one transaction. So the file is always the state after all records up
//     to Applied and of none behind it; a replay of the log begins there, and
//     what it brings again at or below it is skipped.
//   - Reads see the file and what waits together, from one moment.
//   - The verdict "rejected" of a reading is remembered while the store of
//     readings has not applied its record. Its replay is asked here first, so
//     that a reading which is counted as rejected is never stored as well, even
//     if the catalogue would accept it now.
//   - A replay of a letter is a record of the log too. It must Claim the letter
//     before it may store it. The claim is refused when the letter is gone, and
//     the refusal is remembered like a rejection. So of two replays one brings
//     the letter back; and once a letter is deleted, nothing does, and it stays
//     counted as rejected.
//   - A letter deleted, or dropped by a limit, between its claim and its
//     settlement has been stored: the claim kept its hour and device, and its
//     count is taken back all the same. If the process ends in between, the
//     replayed claim is refused, and the store of readings has not kept the
//     reading: it never makes durable what was not told to Flush before.
//   - Deleting and dropping letters change no count by hour and no total.
//
// Bounds: at most about waitingLetters letters or waitingBytes bytes wait in
// memory, and one call of Reject on top; when they cannot be written Reject
// answers the error and takes nothing. Memory does not grow with the file.
type State struct {
	db      *bbolt.DB
	o       StateOptions
	metrics stateMetrics
	applied atomic.Uint64

	mu     sync.Mutex // held over a commit, so that reads see one moment
	meta   stateMeta  // as the file has it
	wait   *wave      // what Reject was told and the file does not have
	claims map[store.LetterID]claim
	voids  []verdict // claims refused at positions that Reject was not told of
	series uint64    // what the store of readings has applied
	holds  int       // of HoldVerdicts
	held   uint64    // series when the first hold began
	cache  verdictCache
	timer  *time.Timer
	broken error // after it nothing is written any more
	closed bool

	life lifecycles

	presenceMu sync.Mutex
	presence   map[uint32]store.Presence
	seen       map[uint32]struct{} // presence that the file does not have
}

var _ store.State = (*State)(nil)

// stateMeta is what a commit keeps beside the data.
type stateMeta struct {
	Log     store.LogID `json:"log"` // zero: never bound
	Base    uint64      `json:"base"`
	Applied uint64      `json:"applied"`
	Total   int64       `json:"rejected"`
	Letters int64       `json:"letters"`
	Bytes   int64       `json:"bytes"`
	Added   string      `json:"added,omitempty"` // of the last AddRejected
	// Lifecycle is the number of the last event of a device's lifecycle.
	Lifecycle uint64 `json:"lifecycle,omitempty"`
	// Reasons counts the letters that are kept.
	Reasons map[store.Reason]int64 `json:"reasons"`
}

func (m stateMeta) clone() stateMeta {
	reasons := make(map[store.Reason]int64, len(m.Reasons))
	for r, n := range m.Reasons {
		if n != 0 {
			reasons[r] = n
		}
	}
	m.Reasons = reasons
	return m
}

func stateSpec(made time.Time) fileSpec { return fileSpec{kind: "state", format: 1, made: made} }

// OpenState opens the file, or makes it.
func OpenState(path string, o StateOptions) (*State, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FlushAfter <= 0 {
		o.FlushAfter = time.Second
	}
	if o.LifecycleAfter <= 0 {
		o.LifecycleAfter = lifecycleAfter
	}
	db, err := openFile(path, stateSpec(o.Now()))
	if err != nil {
		return nil, err
	}
	s := &State{
		db: db, o: o, claims: map[store.LetterID]claim{},
		presence: map[uint32]store.Presence{}, seen: map[uint32]struct{}{},
	}
	err = ensureBuckets(db, stateMetaBucket, messageBucket, letterBucket, spanBucket, hourBucket, verdictBucket, presenceBucket, lifecycleBucket)
	if err == nil {
		err = view(db, s.load)
	}
	if err == nil {
		err = s.metrics.register(o.Registerer)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	s.applied.Store(s.meta.Applied)
	s.wait = newWave(s.meta.Applied)
	s.metrics.kept(s.meta)
	return s, nil
}

func (s *State) load(tx *bbolt.Tx) error {
	var err error
	if s.meta, err = readStateMeta(tx); err != nil {
		return err
	}
	s.life.load(s.meta)
	return tx.Bucket(presenceBucket).ForEach(func(k, v []byte) error {
		uid, p, err := decodePresence(k, v)
		s.presence[uid] = p
		return err
	})
}

func readStateMeta(tx *bbolt.Tx) (m stateMeta, err error) {
	if b := tx.Bucket(stateMetaBucket).Get(stateMetaKey); b != nil {
		if err := json.Unmarshal(b, &m); err != nil {
			return m, fileError(store.ErrInvalid, tx.DB().Path(), "does not say its position (%v); %s", err, wayOut)
		}
	}
	return m.clone(), nil
}

func writeStateMeta(tx *bbolt.Tx, m stateMeta) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return tx.Bucket(stateMetaBucket).Put(stateMetaKey, b)
}

// Applied implements store.Follower.
func (s *State) Applied() uint64 { return s.applied.Load() }

// Bind implements store.Follower.
func (s *State) Bind(b store.Bounds) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := position{s.meta.Log, s.meta.Applied}
	if err := at.check(s.db.Path(), b, "whose dead letters and counts it lacks: put the old file back"); err != nil || at.log == b.Log {
		return err
	}
	next := s.meta.clone()
	next.Log = b.Log
	if err := update(s.db, func(tx *bbolt.Tx) error { return writeStateMeta(tx, next) }); err != nil {
		return fmt.Errorf("bind to log %s: %w", b.Log, err)
	}
	s.meta = next
	return nil
}

// usable answers why nothing may be asked or told any more.
func (s *State) usable() error {
	if s.closed {
		return fileError(store.ErrUnavailable, s.db.Path(), "is closed")
	}
	return s.broken
}

// Close makes durable what waits and closes the file.
func (s *State) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	var err error
	if s.broken == nil && s.dirty() {
		err = s.commit(nil)
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.life.stop()
	s.closed = true
	return errors.Join(err, s.db.Close())
}

// HoldVerdicts keeps every verdict that is remembered now, whatever Flush is
// told, until release is called. A backup holds it from before it copies the
// readings until it has copied this file.
func (s *State) HoldVerdicts() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds == 0 {
		s.held = s.series
	}
	s.holds++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.holds--
	})
}

// forgettable is the position up to which verdicts need not be remembered.
func (s *State) forgettable() uint64 {
	if s.holds > 0 {
		return s.held
	}
	return s.series
}

// Snapshot implements Source.
func (s *State) Snapshot(ctx context.Context, write func(name string, size int64, r io.Reader) error) error {
	return snapshotBolt(ctx, s.db, filepath.Base(s.db.Path()), write)
}
