package store

import "context"

// Verdict is what became of one reading.
type Verdict uint8

// The verdicts.
const (
	VerdictStored    Verdict = iota // new, or already applied by an earlier run at this log position
	VerdictDuplicate                // the same value was there
	VerdictConflict                 // another value was there; it stays
)

// Item is one accepted reading on its way into the store.
type Item struct {
	Series Series
	Sample Sample
	Seq    uint64 // log position of its record
	Hour   int64  // Unix hours (ms / 3,600,000) of receipt: the ledger's hour
	// Unregistered says that the ledger counts it under device 0: nobody was
	// registered when it was received, and it was brought back since.
	Unregistered bool
	// Calibration is what was in force at ingest, when the port is known: a
	// store that keeps calibrated values applies it. Nobody changes it.
	Calibration *Calibration
	// Payload is the whole message, where the store was asked to keep it.
	Payload string
	Verdict Verdict // set by Append
}

// Batch is a run of the log: all accepted readings of the records up to and
// including Through that earlier batches did not hold, in log order. Items may
// be empty: the position still moves.
type Batch struct {
	Through uint64
	Items   []Item
}

// Appender takes readings in log order.
//
// A sample with FlagServerTS never conflicts: when its millisecond is taken it
// moves to the next free one (Append changes Sample.TS), or, at the last
// millisecond of a UTC month, to the nearest free one before: it never leaves
// the month of its receipt.
//
// Applying is idempotent: an item whose Seq is at or below the position that
// the file of its month has applied is skipped with VerdictStored, and is
// not counted again.
type Appender interface {
	Follower
	// Recover finishes what a crash left half done in a store that is reached
	// over a network. It is called until it answers no error, before the first
	// Append. commit, when not nil, then makes Applied and the Counters move
	// together, quickly and locally: the caller calls it where the ledger is
	// not read meanwhile, and goes on behind Applied.
	Recover(ctx context.Context) (commit func() error, err error)
	// Append stores the items of b, sets each Verdict, and counts them. On
	// return queries see them; they are durable once Applied reaches
	// b.Through. An error leaves the batch unapplied as far as Verdicts were
	// not set; the caller repeats it.
	Append(ctx context.Context, b *Batch) error
	// Flush makes everything appended so far durable and answers the position
	// reached. It may run beside Append. before, when not nil, is called with
	// that position before the first byte is written: what must be durable first
	// is made so there. A flush that first finishes what a failed one left calls
	// it for either position.
	Flush(ctx context.Context, before func(through uint64) error) (uint64, error)
	// Reached is the furthest position of which some part is durable: Applied,
	// or beyond it after a crash between two commits. Until the log has been
	// applied again up to there, what Counters answer runs ahead.
	Reached() uint64
	// Unflushed is about how many bytes of memory wait for Flush.
	Unflushed() int64
}

// Refuser is the role of a store whose server may refuse single readings after
// their verdict: its neighbours stay stored, it is kept aside with the server's
// words, and it counts here instead of under stored.
type Refuser interface {
	// Refused answers all readings ever refused so.
	Refused(ctx context.Context) (total uint64, err error)
	// RefusedHours adds its counts for fromHour <= hour < toHour (Unix hours of
	// receipt) to into.
	RefusedHours(ctx context.Context, fromHour, toHour int64, into HourCounts) error
}

// Preparer is the role of a store that may have to ask a server before it can
// judge readings.
type Preparer interface {
	// Prepare learns what Append needs to know for b, so that Append itself is
	// quick: the ledger's lock is held meanwhile. It may be repeated, and left
	// out.
	Prepare(ctx context.Context, b *Batch) error
}
