package buffer

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	bolt "go.etcd.io/bbolt"
)

// Errors of appending and reading. Those of opening are in file.go.
var (
	ErrClosed   = errors.New("the log is closed")
	ErrFull     = errors.New("the log is full")
	ErrShed     = errors.New("shed: the log is busy")
	ErrTooLarge = errors.New("the record is too large for the log")
	ErrTrimmed  = errors.New("the log no longer holds the position")
)

// MaxEntryBytes bounds Entry.Size; Append refuses a larger one.
const MaxEntryBytes = 32 << 20

// Entry is what is appended. It is opaque to the log.
type Entry interface {
	// AppendRecord appends the encoding of the entry. It is called once, by
	// the committer.
	AppendRecord(dst []byte) []byte
	// Size is about how many bytes the entry holds in memory. It must not
	// change.
	Size() int
	// Tally is what the entry adds to the received-counters; n may be 0.
	Tally() (hour int64, owner uint32, n int64)
	// Committed is called once: with the position after the fsync, in log
	// order, or with the reason why there will be none. It runs on the
	// committer's goroutine and must not block.
	Committed(seq uint64, err error)
}

// Item is a record as a Reader hands it on: as the Entry when it came through
// memory, else as the bytes that AppendRecord made.
type Item struct {
	Seq    uint64
	Entry  Entry
	Record []byte
}

// Options say where the log is and how far it may go.
type Options struct {
	Path string // the file; its folder must exist
	// MaxSize bounds the bytes of stored chunks. The file is a little larger:
	// pages and the durable counters. 0: 1 GiB.
	MaxSize int64
	// Linger is the least time between the beginnings of two commits, unless
	// enough entries wait. 0: none.
	Linger  time.Duration
	Window  int64 // bytes; 0: 16 MiB
	Unacked int64 // bytes; 0: 32 MiB
	// Fatal learns of the failed fsync, or of another write error that is not
	// a lack of room, on the goroutine that met it. The process should end.
	Fatal  func(error)
	NoSync bool // skip the fsync: for a test that must be able to fail

	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time

	bolt bolt.Options // the tests' own: OpenFile
}

// Log is an open log.
type Log struct {
	opts    Options
	logger  *slog.Logger
	id      [16]byte
	db      *bolt.DB
	codec   *codec
	metrics *metrics

	// writing serializes transactions with the verdict on their success: none
	// begins between a failed fsync and failure being set.
	writing sync.Mutex
	// folding keeps the durable counters and those in memory together.
	folding sync.RWMutex

	kicked  chan struct{} // the committer has something to look at
	freed   chan struct{} // Trim made room
	closing chan struct{}
	done    chan struct{} // the committer has ended
	full    atomic.Bool

	mu       sync.Mutex
	room     *sync.Cond // unacked shrank, or there is no point in waiting
	queue    []Item     // in order of Append
	queued   int64      // bytes of queue
	unacked  int64      // bytes of queue and of the commit under way
	enough   bool       // queue is worth a commit before Linger has passed
	began    time.Time  // of the last commit
	pace     pace
	failure  error
	closed   bool
	stopping bool
	head     uint64   // newest committed
	handed   uint64   // readers have been offered everything up to here
	trimmed  uint64   // everything up to here is gone
	prev     [32]byte // hash of the group that ends at head
	bytes    int64    // stored chunks, with what each costs in the file
	counts   counts
	readers  map[*Reader]struct{}

	once sync.Once // Close
}

// Open opens the log at o.Path, or makes one where there is none.
func Open(o Options) (*Log, error) {
	if o.MaxSize == 0 {
		o.MaxSize = 1 << 30
	}
	if o.Window == 0 {
		o.Window = 16 << 20
	}
	if o.Unacked == 0 {
		o.Unacked = 32 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		opts: o, logger: o.Logger,
		kicked: make(chan struct{}, 1), freed: make(chan struct{}, 1),
		closing: make(chan struct{}), done: make(chan struct{}),
		readers: make(map[*Reader]struct{}),
	}
	l.room = sync.NewCond(&l.mu)
	var err error
	if l.codec, err = newCodec(); err != nil {
		return nil, fmt.Errorf("open log %s: %w", o.Path, err)
	}
	if err = l.openFile(); err != nil {
		l.codec.close()
		return nil, fmt.Errorf("open log: %w", err)
	}
	if l.metrics, err = newMetrics(l, o.Registerer); err != nil {
		_ = l.db.Close()
		l.codec.close()
		return nil, fmt.Errorf("open log %s: %w", o.Path, err)
	}
	go l.commitLoop()
	return l, nil
}

// ID answers the log's UUID, made with the file.
func (l *Log) ID() [16]byte { return l.id }

// Bounds answers what the log holds: after < seq <= head.
func (l *Log) Bounds() (after, head uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trimmed, l.head
}

// Full reports whether acks are withheld for want of room.
func (l *Log) Full() bool { return l.full.Load() }

// Depth is how much the log holds.
type Depth struct {
	Records uint64 // untrimmed
	Bytes   int64  // of stored chunks, as MaxSize counts them
	Unacked int64  // bytes of entries that wait for their fsync
}

// Depth answers how much the log holds.
func (l *Log) Depth() Depth {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Depth{Records: l.head - l.trimmed, Bytes: l.bytes, Unacked: l.unacked}
}

// Append hands e to the committer. While Options.Unacked is reached it blocks,
// or answers ErrFull when the log is full. On an error Committed is not called.
func (l *Log) Append(e Entry) error { return l.append(e, false) }

// TryAppend is Append for what may be dropped: it never blocks, and answers
// ErrShed, and counts it, once half of Options.Unacked is reached or the log
// is full.
func (l *Log) TryAppend(e Entry) error { return l.append(e, true) }

func (l *Log) append(e Entry, droppable bool) error {
	size := int64(e.Size())
	if size > MaxEntryBytes {
		return ErrTooLarge
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		switch {
		case l.failure != nil:
			return l.failure
		case l.stopping:
			return ErrClosed
		case droppable && (l.full.Load() || l.unacked+size > l.opts.Unacked/2 && l.unacked > 0):
			l.metrics.shed.Inc()
			return ErrShed
		}
		if l.unacked == 0 || l.unacked+size <= l.opts.Unacked {
			break
		}
		if l.full.Load() {
			l.metrics.refused.Inc()
			return ErrFull
		}
		l.metrics.blocked.Inc()
		l.room.Wait()
	}
	l.queue = append(l.queue, Item{Entry: e})
	l.queued += size
	l.unacked += size
	if len(l.queue) == 1 {
		l.kick()
	} else if !l.enough && (len(l.queue) >= gatherRecords || l.queued >= gatherBytes || l.pace.reached(len(l.queue))) {
		l.enough = true
		l.kick()
	}
	return nil
}

// kick has the committer look again.
func (l *Log) kick() {
	select {
	case l.kicked <- struct{}{}:
	default:
	}
}

// Close commits and acks what waits, then closes the file. While the log is
// full what waits gets ErrClosed instead. Readers are woken with ErrClosed.
func (l *Log) Close() error {
	var err error
	l.once.Do(func() {
		l.mu.Lock()
		l.stopping = true
		l.room.Broadcast()
		l.mu.Unlock()
		close(l.closing)
		<-l.done
		l.mu.Lock()
		l.closed = true
		for r := range l.readers {
			r.kick()
		}
		l.mu.Unlock()
		l.metrics.unregister()
		// A read or a trim under way ends first: bbolt waits for it.
		if err = l.db.Close(); err != nil {
			err = fmt.Errorf("close log %s: %w", l.opts.Path, err)
		}
		l.codec.close()
	})
	return err
}
