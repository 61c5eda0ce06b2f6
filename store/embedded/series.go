package embedded

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/bbolt"

	"tidegate/store"
	"tidegate/store/runs"
)

// SeriesOptions are the needs of a SeriesStore; the zero value works.
type SeriesOptions struct {
	Logger      *slog.Logger          // nil: silent
	Registerer  prometheus.Registerer // nil: no metrics
	Now         func() time.Time      // nil: time.Now
	OpenFiles   int                   // months kept open at once; 0: 24
	CacheBlocks int                   // blocks kept decoded for late readings, 64 kB each; 0: 128

	// beforeCommit, when not nil, is called before each month's commit of a
	// flush or an import; its error ends it there. Tests cut them with it.
	beforeCommit func(Month) error
}

// SeriesStore keeps readings in one file a month. See the package comment.
type SeriesStore struct {
	dir   string
	o     SeriesOptions
	log   *slog.Logger
	m     *seriesMetrics
	index *seriesIndex
	files *monthFiles
	coder *blockEncoder // of Flush and Settle, under flushing

	// flushing is held by whatever changes files: Flush, Settle, DropMonths.
	flushing sync.Mutex
	// committing is write-held while a month's commit and its effect on the
	// memory are one step for the counters.
	committing sync.RWMutex
	// copying is read-held by Snapshot; files are not dropped meanwhile.
	copying sync.RWMutex
	// batching is held for a whole batch, so that a flush begins between two.
	batching sync.Mutex

	// mu guards the months and their heads. Lock order: copying, flushing,
	// committing, batching, mu; never taken within a transaction.
	mu            sync.RWMutex
	months        map[Month]*month
	pool          runs.Pool
	cache         blockCache
	through       uint64 // position of the last whole batch
	partial       []store.Item
	frozenThrough uint64 // position that the frozen heads reach
	bound         bool
	broken        error // a failed fsync: nothing is written any more

	readers   atomic.Int64
	decoders  sync.Pool // *blockDecoder
	stored    atomic.Uint64
	duplicate atomic.Uint64
	unflushed atomic.Int64
	applied   atomic.Uint64
	cursor    *month // of the last reading
}

// month is what is known in memory of one month. Its file exists once
// state.log is set.
type month struct {
	Month
	start, end  int64
	state       monthState // as committed last
	exists      bool       // there is a file
	size        int64      // of the file, as known
	heads       map[store.Series]*head
	dirty       []*head // with something to flush
	frozen      []*head // being flushed
	tally       [2]store.HourCounts
	frozenTally [2]store.HourCounts
	touched     bool // since the last flush began
	quietSince  time.Time
}

// Places in a month's tallies.
const (
	tallyStored = iota
	tallyDuplicate
)

// OpenSeries opens the readings in dir, which exists, or begins them.
func OpenSeries(dir string, o SeriesOptions) (*SeriesStore, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OpenFiles == 0 {
		o.OpenFiles = 24
	}
	if o.CacheBlocks == 0 {
		o.CacheBlocks = 128
	}
	coder, err := newBlockEncoder()
	if err != nil {
		return nil, fmt.Errorf("open readings: %w", err)
	}
	if _, err := newBlockDecoder(); err != nil { // the pool cannot answer errors
		return nil, fmt.Errorf("open readings: %w", err)
	}
	s := &SeriesStore{
		dir: dir, o: o, log: o.Logger, coder: coder,
		files:  &monthFiles{dir: dir, limit: o.OpenFiles, now: o.Now, open: map[Month]*monthFile{}},
		months: map[Month]*month{},
	}
	s.pool.Shared = func() bool { return s.readers.Load() > 0 }
	s.cache.limit = o.CacheBlocks
	s.decoders.New = func() any {
		d, _ := newBlockDecoder() // fails for wrong options only: see above
		return d
	}
	if s.m, err = newSeriesMetrics(o.Registerer, s); err != nil {
		return nil, fmt.Errorf("open readings: %w", err)
	}
	if err := s.load(); err != nil {
		if s.index != nil {
			err = errors.Join(err, s.index.close())
		}
		s.m.unregister()
		return nil, err
	}
	return s, nil
}

// load opens the index and reads the state of every month.
func (s *SeriesStore) load() error {
	months, err := listMonths(s.dir)
	if err != nil {
		return fmt.Errorf("list readings: %w", err)
	}
	if s.index, err = openIndex(s.dir, len(months) == 0, s.o.Now()); err != nil {
		return err
	}
	months, err = s.index.finishDrops(s.dir, months)
	if err != nil {
		return err
	}
	for _, m := range months {
		state, size, err := peekMonth(s.dir, m)
		if err != nil {
			return err
		}
		mo := newMonth(m)
		mo.state, mo.size, mo.exists, mo.quietSince = state, size, true, s.o.Now()
		s.months[m] = mo
		s.stored.Add(state.stored)
		s.duplicate.Add(state.duplicate)
	}
	stored, duplicate, err := s.index.droppedTotals()
	if err != nil {
		return err
	}
	s.stored.Add(stored)
	s.duplicate.Add(duplicate)
	s.applied.Store(s.index.applied)
	s.through, s.frozenThrough = s.index.applied, s.index.applied
	return nil
}

func newMonth(m Month) *month {
	return &month{
		Month: m, start: m.Start(), end: m.End(), heads: map[store.Series]*head{},
		tally: [2]store.HourCounts{{}, {}},
	}
}

// listMonths answers the months that have a file in dir, in order, and removes
// what a crash left behind.
func listMonths(dir string) ([]Month, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var months []Month
	for _, e := range entries {
		if m, ok := monthFileName(e.Name()); ok {
			months = append(months, m)
		}
		if name, ok := strings.CutSuffix(e.Name(), ".tmp"); ok {
			if _, ok := monthFileName(name); ok {
				if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
					return nil, err
				}
			}
		}
	}
	slices.Sort(months)
	return months, nil
}

// peekMonth reads the state of a month's file without the cost of opening it
// for writing.
func peekMonth(dir string, m Month) (state monthState, size int64, err error) {
	path := m.file(dir)
	db, err := openFile(path, fileSpec{kind: monthKind, format: monthFormat, peek: true})
	if err != nil {
		return state, 0, err
	}
	err = view(db, func(tx *bbolt.Tx) (err error) {
		state, err = readMonthState(tx)
		return err
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return state, 0, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return state, 0, err
	}
	return state, info.Size(), nil
}

// Bind implements store.Follower.
func (s *SeriesStore) Bind(b store.Bounds) error {
	s.batching.Lock()
	defer s.batching.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.index.log == importLog {
		return importError(s.index.path)
	}
	at := position{s.index.log, s.index.applied}
	if err := at.check(s.index.path, b, "which were stored elsewhere: restore the readings from a backup, or point at their folder"); err != nil {
		return err
	}
	for _, m := range slices.Sorted(maps.Keys(s.months)) {
		st := &s.months[m].state
		if st.log == (store.LogID{}) {
			continue // made, then cut off before its first commit
		}
		if err := (position{st.log, st.applied}).within(m.file(s.dir), b); err != nil {
			return err
		}
	}
	if s.index.log != b.Log || s.index.imported {
		if err := s.index.setPosition(b.Log, s.index.applied); err != nil {
			return err
		}
	}
	s.bound = true
	return nil
}

// Applied implements store.Follower.
func (s *SeriesStore) Applied() uint64 { return s.applied.Load() }

// Reached implements store.Appender.
func (s *SeriesStore) Reached() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	reached := s.applied.Load()
	for _, m := range s.months {
		reached = max(reached, m.state.applied)
	}
	return reached
}

// Unflushed implements store.Appender.
func (s *SeriesStore) Unflushed() int64 { return s.unflushed.Load() }

// Close closes the files. What was not flushed is still in the log.
func (s *SeriesStore) Close() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.batching.Lock()
	defer s.batching.Unlock()
	s.mu.Lock()
	s.bound = false
	s.mu.Unlock()
	s.m.unregister()
	return errors.Join(s.files.close(), s.index.close())
}

// Totals implements store.Counters.
func (s *SeriesStore) Totals(context.Context) (stored, duplicate uint64, err error) {
	s.mu.RLock() // a batch counts as one
	defer s.mu.RUnlock()
	return s.stored.Load(), s.duplicate.Load(), nil
}

// Hours implements store.Counters.
func (s *SeriesStore) Hours(ctx context.Context, fromHour, toHour int64, stored, duplicate store.HourCounts) error {
	s.committing.RLock()
	defer s.committing.RUnlock()
	s.mu.RLock()
	var onDisk []Month
	for _, m := range s.months {
		if m.exists && m.state.firstHour < toHour && m.state.lastHour >= fromHour {
			onDisk = append(onDisk, m.Month)
		}
		m.hours(fromHour, toHour, stored, duplicate)
	}
	s.mu.RUnlock()
	for _, m := range onDisk {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.files.view(m, func(tx *bbolt.Tx) error {
			return readHours(tx.Bucket(hoursBucket), fromHour, toHour, stored, duplicate)
		})
		if err != nil {
			return fmt.Errorf("read tallies of %s: %w", m, err)
		}
	}
	return s.index.hours(fromHour, toHour, stored, duplicate)
}

// hours adds the tallies that wait in memory.
func (m *month) hours(fromHour, toHour int64, stored, duplicate store.HourCounts) {
	add := func(into, from store.HourCounts) {
		for hour, c := range from {
			if hour < fromHour || hour >= toHour {
				continue
			}
			for uid, n := range c {
				into.Add(hour, uid, n)
			}
		}
	}
	for _, t := range [...][2]store.HourCounts{m.tally, m.frozenTally} {
		add(stored, t[tallyStored])
		add(duplicate, t[tallyDuplicate])
	}
	for _, h := range m.dirty {
		if h.hour < fromHour || h.hour >= toHour {
			continue
		}
		if h.stored != 0 {
			stored.Add(h.hour, h.owner, h.stored)
		}
		if h.duplicate != 0 {
			duplicate.Add(h.hour, h.owner, h.duplicate)
		}
	}
}

// monthsBetween answers the months that may hold samples of from <= ts < to,
// in order. The caller holds mu.
func (s *SeriesStore) monthsBetween(from, to int64) []*month {
	var out []*month
	for _, m := range s.months {
		if m.start < to && m.end > from {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b *month) int { return cmp.Compare(a.Month, b.Month) })
	return out
}

func notExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
