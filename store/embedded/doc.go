// Package embedded keeps tidegate's data in files of its own, without a
// server: readings, catalogue, dead letters and the audit trail. Where readings
// and catalogue live in a database elsewhere, it keeps what the folder remembers
// of them.
//
// # Files
//
// Each file but audit.log is a bbolt database that says what it is: kind and
// format version. A file that is empty, torn, truncated, foreign, locked by
// another process or of a newer format is refused with an error that names it
// and the way out. A new file gets its name once it is whole and on disk.
//
//	series-YYYY-MM.db   readings of one month of UTC, by their ts
//	series-index.db     the position of the last whole flush; tallies of dropped months
//	catalog.db          organizations, users, devices, ports, API keys, alert rules, channels
//	state.db            dead letters, rejected counts, presence
//	alerts.db           what the rules remember, episodes, silences, notifications
//	commands.db         what devices are told to do, and what became of it
//	sessions.db         logins of people, last use of API keys; in no backup
//	writer.db           of a writer into a database elsewhere: position, counts, what is under way
//	audit.log           the audit trail
//
// # Readings
//
// A SeriesStore guarantees:
//
//   - The first value of (device, port, ts) stays. What comes later is judged
//     against memory and disk alike, however late it is.
//   - Queries see a reading when its Append has returned. It waits in memory,
//     about 32 bytes, backed by the log, until a Flush writes well-filled
//     blocks: one transaction a month.
//   - A query answers all that was there when it began, in order and once; of
//     what is appended meanwhile it may answer some. It holds no transaction
//     longer than 64 blocks take, and none between calls.
//   - Append and Flush may run beside each other and beside any number of
//     queries; each of the two has one caller.
//   - A failed Flush loses nothing and counts nothing twice: what it did not
//     commit stays in memory, is seen by queries, and goes with the next one.
//     After a failed fsync nothing is written any more.
//   - Blocks give back every bit of a sample, and carry a checksum: damage is
//     an error that names file, series and time, never a wrong number.
//
// Memory is bounded by what the caller lets wait (Unflushed), 16 MiB of spare
// memory for it, the decoded blocks kept for late readings, and about a hundred
// bytes for each series of the months that were written to of late.
//
// # Positions
//
// Each month's file keeps, in the transaction of its readings, the log position
// up to which it has applied them, and its tallies of stored and duplicate
// readings by hour of receipt. A Flush freezes what was appended between two
// batches, so that all of it lies at or below a position P, commits each month
// that has something with applied = P, and at last writes P to the index.
// Applied is what the index says. From that follows:
//
//   - Killed between the commits of two months, one file says P and the other
//     less, the index still names the flush before. The log is replayed from
//     there. The first file skips what it has, and does not count it again; the
//     second applies it. So a replay may begin anywhere at or before the true
//     position.
//   - A month that nothing is written to any more keeps its old position. That
//     is right: no record up to the index's position is missing in any file,
//     and later ones lie above the old position.
//   - A month's file that does not exist has applied nothing. One that was
//     dropped would forget its position, therefore a month is dropped only when
//     the index has reached it: nothing at or below will be replayed.
//   - The index must never run ahead of a month. It is written last, and a copy
//     (Snapshot) takes it first.
//
// An import (ImportSamples, SetCounters) puts an id that no log has in the place
// of the log's, before anything else, and the log's id there in its last
// transaction, with the counters that it was given. One that was cut off in
// between cannot be bound, and is repeated.
//
// Bind refuses a log that is another one, that ends before what the index or
// any month has applied (new records would be taken for applied ones), or that
// has trimmed what the index has not reached. All months are asked, which costs
// about 0.1 ms each, because it does not load their free pages.
//
// A dropped month's tallies move to the index in one transaction that also
// notes the drop; the file goes then, and a start finishes what was cut off. So
// Totals and Hours are exact over any crash and any retention.
package embedded
