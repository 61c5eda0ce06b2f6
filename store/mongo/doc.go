// Package mongo keeps the catalogue and the readings in MongoDB, behind the
// same contract as the embedded store.
//
// # What it guarantees
//
//   - Exactly once. A reading is in the collection values once, whatever is cut
//     off, killed or sent again: before a command leaves, an intent with the
//     session (lsid), the number (txnNumber) and the documents is fsynced in the
//     data folder; on any doubt the very same command is sent again, and the
//     server executes a (lsid, txnNumber, statement) once. What is older than
//     the server's memory of sessions, or was sent to a standalone server, is
//     settled by reading back and inserting what is missing.
//   - The position in the log and the counters of the ledger move in one local
//     transaction, after the server has answered that all is written.
//   - One writer: a lease in the database, keyed by the log's UUID. A second
//     instance refuses to write; a fenced one finds out before it can double.
//   - Queries answer what was appended also while it waits in memory.
//   - Everything that needs the server fails with store.ErrUnavailable while it
//     is away, and works again by itself. Opening does not need the server.
//   - The catalogue is written to the server first and then to a copy in the
//     data folder; reads are answered by the copy, also while it is away.
package mongo
