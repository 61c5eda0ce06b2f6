// Package buffer is the log: an append-only queue of opaque records in one
// bbolt file, between the doors and whatever applies them.
//
// It guarantees:
//
//   - Durability. Entry.Committed(seq, nil) is called only after the
//     transaction that holds the record is fsynced, in log order. A failed
//     fsync is never retried: Options.Fatal is called once, nothing is acked
//     from then on, and the log refuses everything.
//   - Order. Sequence numbers begin at 1 and have no gaps. A Reader sees every
//     record behind its position once, in order, whether it comes through
//     memory or is read back, and however often that changes.
//   - Exact counts. What records add to the received-counters is kept beside
//     them; Trim moves it into the durable counters in the transaction that
//     deletes the records. After any crash, durable counters plus untrimmed
//     records is what was acked, and what was on its way to be.
//   - Evidence. Each group of records that was committed together carries the
//     SHA-256 of the group before; each chunk has a CRC-32C that is checked on
//     every read.
//
// Bounds, and what happens at each:
//
//   - Options.Unacked, bytes of entries that wait for their fsync: Append
//     blocks, or answers ErrFull while the log is full; TryAppend answers
//     ErrShed, from half of it on.
//   - Options.Window, bytes handed on to a reader and not released: commits
//     wait, so that acks are paced to the drain. A reader that is away is not
//     waited for and is given nothing through memory: it reads back from the
//     file. One that has come back and lags may be outrun by a window; from
//     then on commits proceed at half the pace of its reading, until it has
//     caught up.
//   - Options.MaxSize, bytes of stored chunks, and the disk itself: the log is
//     full. Nothing is acked and nothing that was acked is dropped; the commit
//     is repeated until Trim, or somebody else, makes room.
//
// All methods are safe for concurrent use; Reader.Next has one caller at a
// time.
package buffer
