// Package ingest takes a message from the door to the store.
//
//	door ─Submit─► decode ─► log (fsync) ─► Ack
//	                          │
//	                          └► validate · calibrate · dedupe ─► store.Append ─► dead letters, live
//
// It guarantees:
//
//   - A message is acked only after the transaction that holds it is fsynced,
//     and messages of one connection are acked in the order of Submit.
//   - Every reading of an acked message becomes exactly one of stored,
//     duplicate, rejected; until then it is pending. After any crash the counts
//     are exact, because each is kept in the transaction of the data it counts.
//   - A bad reading is rejected alone. Its neighbours are stored.
//   - Verdicts depend on the log record (its time of receipt, not the clock's)
//     and the catalogue. Once a rejection is durable, a replay repeats it even
//     if the catalogue has changed since.
//
// Bounds: the memory of messages that wait for their fsync is capped
// (ErrFull beyond it); with a healthy store the writer's backlog is capped in
// bytes and paces the acks; while the store is away the log takes the backlog,
// up to its size limit, and then acks are withheld. QoS 0 is shed first, and
// counted.
package ingest
