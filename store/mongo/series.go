package mongo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
	"tidegate/store/runs"
)

// SeriesOptions of a SeriesStore. Fields without a comment are needed.
type SeriesOptions struct {
	// Names answers how documents name a device, of every one that ever was.
	Names func(uid uint32) (orgID, deviceID string, ok bool)
	// Number is the inverse of Names, for ListSeries; else it may be nil.
	Number     func(orgID, deviceID string) (uid uint32, ok bool)
	Writers    int    // insert commands at once; 0: 2
	Holder     string // who writes, for people: host and folder
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: the time
}

// SeriesStore keeps readings in the collection values.
//
// Append judges readings and keeps them in memory. What judging needs to know of
// the database (the newest reading of each series, and what stands at a time
// that is not above it) is asked once and remembered within bounds. Flush sends
// them: see plan. Queries merge both.
//
// Locks are taken in this order: flushing, batching, committing, mu. None is
// held while the server is asked, but for flushing.
type SeriesStore struct {
	*queries
	journal store.Journal
	o       SeriesOptions
	metrics *seriesMetrics
	sender  *sender
	lease   *lease

	flushing   sync.Mutex   // a Flush, Recover or Close
	batching   sync.Mutex   // an Append, or the moment in which a flush freezes
	committing sync.RWMutex // the moment in which sums move from memory to the journal

	mu       sync.RWMutex
	heads    map[store.Series]*head
	dirty    []*head // with something to flush
	leaving  []*head // being flushed
	pool     runs.Pool
	live     sums
	frozen   sums
	learnt   int    // points of all heads' lookups
	through  uint64 // position of the last whole batch
	partial  []store.Item
	leavesAt uint64 // position that the frozen heads reach
	bound    bool

	payload         string // the one counted last
	payloads        int64  // bytes of whole messages beside live readings
	leavingPayloads int64  // and beside frozen ones

	idleSince map[int64]time.Time // old connections at a standalone, by id; held with flushing
	pending   *plan               // begun and not finished; held with flushing
	importing importing
	unflushed atomic.Int64
	cut       atomic.Int64 // tests: commands until the next flush is cut; 0: it is not
}

// sums are what the ledger says of readings in memory.
type sums struct {
	stored, duplicate           uint64
	storedHours, duplicateHours store.HourCounts
}

func newSums() sums {
	return sums{storedHours: store.HourCounts{}, duplicateHours: store.HourCounts{}}
}

// take moves all of o into s.
func (s *sums) take(o *sums) {
	s.stored, s.duplicate = s.stored+o.stored, s.duplicate+o.duplicate
	s.storedHours.AddAll(o.storedHours)
	s.duplicateHours.AddAll(o.duplicateHours)
	*o = newSums()
}

var (
	_ store.SeriesStore = (*SeriesStore)(nil)
	_ store.Refuser     = (*SeriesStore)(nil)
	_ store.Preparer    = (*SeriesStore)(nil)
)

// OpenSeries answers the readings of a database, of which j remembers what is
// under way. It needs no server. Close does not close j.
func OpenSeries(db *Database, j store.Journal, o SeriesOptions) (*SeriesStore, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Writers == 0 {
		o.Writers = 2
	}
	s := &SeriesStore{journal: j, o: o, heads: map[store.Series]*head{}, live: newSums(), frozen: newSums()}
	s.pool.Shared = func() bool { return false } // queries get copies
	var err error
	if s.queries, err = newQueries(db, o.Names, s, o.Registerer); err != nil {
		return nil, err
	}
	if s.metrics, err = newSeriesMetrics(o.Registerer, s); err != nil {
		s.queries.unregister()
		return nil, err
	}
	s.sender = newSender(db, o.Writers, s.metrics)
	s.lease = newLease(db, o.Holder, o.Logger)
	return s, nil
}

// Bind implements store.Follower.
func (s *SeriesStore) Bind(b store.Bounds) error {
	if err := s.journal.Bind(b); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lease.log = b.Log
	s.through, s.leavesAt = s.journal.Applied(), s.journal.Applied()
	s.bound = true
	return nil
}

// Applied implements store.Follower.
func (s *SeriesStore) Applied() uint64 { return s.journal.Applied() }

// Reached implements store.Appender: position and counters move together.
func (s *SeriesStore) Reached() uint64 { return s.journal.Applied() }

// Unflushed implements store.Appender.
func (s *SeriesStore) Unflushed() int64 { return s.unflushed.Load() }

// LeaseHolder answers who holds the lease to write, as far as it is known;
// empty: nobody knows.
func (s *SeriesStore) LeaseHolder() string { return s.lease.holderName() }

// Close ends the connections of the writer. What was not flushed is still in
// the log, and what is under way in the journal.
func (s *SeriesStore) Close() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.batching.Lock()
	defer s.batching.Unlock()
	s.mu.Lock()
	s.bound = false
	s.mu.Unlock()
	s.queries.unregister()
	s.metrics.unregister()
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	return errors.Join(s.lease.release(ctx), s.sender.close(ctx))
}

// closePatience bounds how long Close waits for the server.
const closePatience = 2 * time.Second

// Totals implements store.Counters.
func (s *SeriesStore) Totals(ctx context.Context) (stored, duplicate uint64, err error) {
	s.committing.RLock()
	defer s.committing.RUnlock()
	stored, duplicate, err = s.journal.Totals(ctx)
	s.mu.RLock() // a batch counts as one
	defer s.mu.RUnlock()
	return stored + s.live.stored + s.frozen.stored, duplicate + s.live.duplicate + s.frozen.duplicate, err
}

// Hours implements store.Counters.
func (s *SeriesStore) Hours(ctx context.Context, fromHour, toHour int64, stored, duplicate store.HourCounts) error {
	s.committing.RLock()
	defer s.committing.RUnlock()
	if err := s.journal.Hours(ctx, fromHour, toHour, stored, duplicate); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	add := func(into, from store.HourCounts) {
		for hour, counts := range from {
			if hour < fromHour || hour >= toHour {
				continue
			}
			for uid, n := range counts {
				into.Add(hour, uid, n)
			}
		}
	}
	for _, in := range []*sums{&s.live, &s.frozen} {
		add(stored, in.storedHours)
		add(duplicate, in.duplicateHours)
	}
	for _, h := range s.dirty {
		add(stored, store.HourCounts{h.hour: {h.owner: h.stored}})
		add(duplicate, store.HourCounts{h.hour: {h.owner: h.duplicate}})
	}
	return nil
}

// Refused implements store.Refuser.
func (s *SeriesStore) Refused(ctx context.Context) (uint64, error) { return s.journal.Refused(ctx) }

// RefusedHours implements store.Refuser.
func (s *SeriesStore) RefusedHours(ctx context.Context, fromHour, toHour int64, into store.HourCounts) error {
	return s.journal.RefusedHours(ctx, fromHour, toHour, into)
}

// ListRefused answers the newest readings that the server refused, for people.
func (s *SeriesStore) ListRefused(ctx context.Context, limit int) ([]store.Refusal, error) {
	return s.journal.ListRefused(ctx, limit)
}

func errUnbound(doing string) error {
	return fmt.Errorf("%s: %w: no log is bound", doing, store.ErrUnavailable)
}
