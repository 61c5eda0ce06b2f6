package store

import "context"

// Intent is what a writer is about to send to a database over a network.
type Intent struct {
	Through uint64 // log position that it brings
	// What the ledger says once it is there.
	Stored, Duplicate HourCounts
	Body              []byte // the writer's own: all that it needs to send the very same again
}

// Outcome is what became of an intent, or of batches that needed none.
type Outcome struct {
	Through           uint64
	Stored, Duplicate HourCounts // without what was refused
	Refused           []Refusal
}

// Refusal is one reading that the server refused after its verdict.
type Refusal struct {
	Hour     int64  // Unix hours of receipt
	UID      uint32 // whom the ledger counts it under; 0: no registered device
	At       Time   // when it was refused
	Document string // the reading, as JSON
	Reason   string // the server's words
}

// Journal is what a writer into a database over a network remembers in the data
// folder: how far the log is applied there, the ledger's sums of it, and what is
// under way. Counters answer what Finish was told, and nothing of an Intent.
//
// Its methods have one caller, the writer; Counters, Refuser and Applied are
// safe for concurrent use.
type Journal interface {
	Follower
	Counters
	Refuser
	// Target answers the id of the database that the journal is of; empty: of
	// none yet.
	Target(ctx context.Context) (id string, err error)
	// SetTarget makes it one of database id, durably; name is for people. One
	// that is another's already is ErrConflict with the way out.
	SetTarget(ctx context.Context, id, name string) error
	// Begin keeps an intent, in place of one that is kept. It is durable on
	// return. Bind then refuses a log that ends before i.Through: the database
	// may have it.
	Begin(ctx context.Context, i Intent) error
	// Intent answers what Begin kept and Finish has not ended; false: nothing.
	Intent(ctx context.Context) (Intent, bool, error)
	// Finish makes durable, in one transaction, that the log is applied up to
	// o.Through and what the ledger says of it; the intent goes.
	Finish(ctx context.Context, o Outcome) error
	// ListRefused answers the newest refusals, newest first, at most limit of
	// them; older ones may be gone, their count stays.
	ListRefused(ctx context.Context, limit int) ([]Refusal, error)
	// Importable answers ErrConflict with the way out when the position follows
	// a log: readings of elsewhere do not belong between those that it brings. A
	// Reset that no Bind has followed does not stand in the way.
	Importable(ctx context.Context) error
	// Import makes durable that readings are being brought in from elsewhere:
	// until Reset says that all are there Bind refuses. It asks Importable first.
	Import(ctx context.Context) error
	// Reset replaces position and counters: the readings were brought in from
	// elsewhere. What was refused stays, and its count. It is ErrConflict while
	// an intent is kept.
	Reset(ctx context.Context, log LogID, applied uint64, stored, duplicate HourCounts) error
	Close() error
}
