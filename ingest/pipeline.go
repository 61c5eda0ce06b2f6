package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/ingest/buffer"
	"tidegate/ingest/live"
	"tidegate/store"
)

// Options are what a Pipeline is made of.
type Options struct {
	Log      *buffer.Log
	Series   store.SeriesStore
	State    store.State
	Registry *Registry
	Live     *live.Hub // may be nil
	Rules    Rules     // may be nil

	FlushInterval time.Duration // the longest that readings wait in memory
	// FlushSoonest, when not 0, is how long they wait while flushes are quick:
	// the wait grows with what a flush costs, up to FlushInterval.
	FlushSoonest time.Duration
	FlushSize    int64 // bytes that may wait in memory
	LogSize      int64 // size limit of the log: a flush begins at half of it
	RawPayload   bool  // hand each reading's whole message to the store
	// LastFlush, when not 0, bounds the flush with which Run ends: a store over
	// a network may not answer, and the log keeps what it does not take.
	LastFlush time.Duration

	// BuildDate: a clock before it is not trusted.
	BuildDate time.Time
	// LastReceived is the newest time of receipt known from earlier runs.
	LastReceived time.Time
	// Rejected takes one line for people about a rejected reading: cause and
	// fix, rate-limited by device and reason.
	Rejected func(orgID, deviceID string, line string)

	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        Clock
}

// Pipeline takes messages from Submit through the log to the store.
type Pipeline struct {
	o       Options
	log     *slog.Logger
	metrics *metrics
	lines   *rejectionLines

	lastReceived atomic.Int64 // Unix ms of the newest trusted record

	// applied guards the moment at which a batch moves from pending to its
	// verdicts, so that the ledger never sees half of it.
	applied sync.Mutex
	cursor  atomic.Uint64 // every record up to here has its verdicts
	told    toldBefore

	pace pace          // how fast the log is drained
	turn chan struct{} // held by the writer for a batch, or by a change of the catalogue

	// waiting holds Message.Done by log position, for messages that the writer
	// gets to see as records read back from disk. Its owners bound it: whoever
	// waits for results has few messages under way.
	waiting sync.Map

	pulses *pulses

	shed         atomic.Uint64
	flushing     sync.Mutex    // one flush at a time
	rulesFlushed time.Time     // under flushing
	holds        int           // of HoldLog, under flushing
	wake         chan struct{} // asks the flusher
	roomMu       sync.Mutex
	room         *sync.Cond // signalled when a flush ended
	// Why the store takes no batch, or makes none durable; nil: it does.
	appendFails, flushFails atomic.Pointer[string]
}

// NewPipeline binds the store and the state to the log. It fails when one of
// them belongs to another log.
func NewPipeline(o Options) (*Pipeline, error) {
	after, head := o.Log.Bounds()
	bounds := store.Bounds{Log: store.LogID(o.Log.ID()), After: after, Head: head}
	if err := o.State.Bind(bounds); err != nil {
		return nil, err
	}
	if err := o.Series.Bind(bounds); err != nil {
		return nil, err
	}
	p := &Pipeline{o: o, log: o.Logger, wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), pulses: newPulses()}
	p.room = sync.NewCond(&p.roomMu)
	p.metrics = newMetrics(o.Registerer, p)
	p.lines = newRejectionLines(o.Now, o.Rejected)
	if !o.LastReceived.IsZero() {
		p.lastReceived.Store(o.LastReceived.UnixMilli())
	}
	// The store of readings decides where to begin: what it has not made
	// durable is told again, and the state skips what it knows.
	p.cursor.Store(max(o.Series.Applied(), after))
	p.told.through = o.State.Applied()
	return p, nil
}

// Submit hands m to the log. It returns once m is queued for its commit; m.Ack
// tells the rest. It may block while acks are paced to the store, which holds
// up the caller's connection alone. Errors: store.ErrFull when the log is full
// and so is the memory for messages without ack, store.ErrUnavailable while
// stopping. A Droppable message is shed instead of either.
func (p *Pipeline) Submit(m *Message) error {
	if m.replay == nil {
		p.stamp(m)
	}
	m.log = store.LogID(p.o.Log.ID())
	m.waiting, m.pulses = &p.waiting, p.pulses
	m.size = len(m.Payload)
	m.decoded = getDecoded()
	decodeMessage(m, m.decoded)
	m.count = m.decoded.count()
	if m.size > MaxPayloadBytes {
		m.Payload = append([]byte(nil), m.Payload[:KeptBytes]...)
	}
	m.bytes = messageBytes + len(m.Payload) + itemBytes*len(m.decoded.items)
	if m.Droppable {
		if err := p.o.Log.TryAppend(m); err != nil {
			p.shed.Add(uint64(m.count))
			p.metrics.shed.Add(float64(m.count))
			putDecoded(m.decoded)
		}
		return nil
	}
	if err := p.o.Log.Append(m); err != nil {
		putDecoded(m.decoded)
		return logError(err)
	}
	return nil
}

// clockTolerance is how far the clock may be behind the newest record and
// still be trusted: connections read it side by side, and time daemons step by
// milliseconds.
const clockTolerance = 1000 // ms

func (p *Pipeline) stamp(m *Message) {
	now := p.o.Now()
	m.ReceivedAt = now.UnixMilli()
	last := p.lastReceived.Load()
	m.ClockUntrusted = now.Before(p.o.BuildDate) || m.ReceivedAt < last-clockTolerance
	if m.ReceivedAt > last {
		p.lastReceived.CompareAndSwap(last, m.ReceivedAt) // losing a race costs a millisecond
	}
}

// What a message and a decoded reading hold in memory.
const (
	messageBytes = 320
	itemBytes    = 112
)

// Size implements buffer.Entry.
func (m *Message) Size() int { return m.bytes }

// Tally implements buffer.Entry: what the message adds to received.
func (m *Message) Tally() (hour int64, owner uint32, n int64) {
	if m.replay != nil {
		return hourOf(m.ReceivedAt), m.UID, 0
	}
	return hourOf(m.ReceivedAt), m.UID, int64(m.count)
}

// Committed implements buffer.Entry.
func (m *Message) Committed(seq uint64, err error) {
	m.seq = seq
	if err == nil && m.replay == nil {
		m.pulses.beat(m)
	}
	if m.Done != nil && err == nil {
		m.waiting.Store(seq, m.Done)
	}
	if m.Ack != nil {
		m.Ack.Acked(m, err)
	}
}

const msPerHour = 3_600_000

// hourOf answers the Unix hour of a time in ms, rounded down also before 1970.
func hourOf(ms int64) int64 {
	h := ms / msPerHour
	if ms%msPerHour < 0 {
		h--
	}
	return h
}

// Run applies the log to the store until ctx ends; then it makes durable what
// it has applied, or leaves it in the log when the store is away. The caller
// stops the doors first.
func (p *Pipeline) Run(ctx context.Context) error {
	beside, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { p.flushLoop(beside) })
	wg.Go(func() { p.watchPace(beside) })
	err := p.writeLoop(ctx)
	stop()
	wg.Wait()
	return errors.Join(err, p.lastFlush(context.WithoutCancel(ctx)))
}

func (p *Pipeline) lastFlush(ctx context.Context) error {
	if p.o.LastFlush > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.o.LastFlush)
		defer cancel()
	}
	err := p.Flush(ctx)
	if err != nil && (ctx.Err() != nil || errors.Is(err, store.ErrUnavailable)) {
		p.log.Warn("the store did not take the last readings; the log keeps them for the next start", "error", err)
		return nil
	}
	return err
}

// logError translates the log's errors to the store's.
func logError(err error) error {
	switch {
	case errors.Is(err, buffer.ErrFull):
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case errors.Is(err, buffer.ErrClosed):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// CatchUp waits until the log has been applied again as far as a crash left any
// file: before that its counts are in the files and pending as well. It is a
// flush's worth of log at most. Run must be running.
func (p *Pipeline) CatchUp(ctx context.Context) error {
	_, head := p.o.Log.Bounds()
	for to := min(head, max(p.o.Series.Reached(), p.o.State.Applied())); p.cursor.Load() < to; {
		if !sleep(ctx, 2*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

// Cursor answers the position up to which every record has its verdicts.
func (p *Pipeline) Cursor() uint64 { return p.cursor.Load() }

// Trouble answers why the store does not take readings at present; empty when
// it does.
func (p *Pipeline) Trouble() string {
	for _, at := range []*atomic.Pointer[string]{&p.appendFails, &p.flushFails} {
		if s := at.Load(); s != nil {
			return *s
		}
	}
	return ""
}
