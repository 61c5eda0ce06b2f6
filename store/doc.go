// Package store holds the nouns of tidegate: organizations, users, devices,
// ports, calibrations, readings, dead letters and the ledger; the errors that
// travel between its parts; and the roles that a store plays.
//
// It imports nothing of ours. Each technology (store/embedded, store/mongo)
// translates to these types, and store/storetest is the suite that each of
// them passes.
//
// What every implementation guarantees:
//
//   - A reading is identified by (device, port, ts in milliseconds). The first
//     value stored under that key wins: the same value again is a duplicate, a
//     different one a conflict. Neither changes what is stored.
//   - Writing is idempotent by log position. A batch that is applied twice, or
//     whose application was cut off and is repeated, leaves the same readings
//     and the same counters.
//   - Queries answer every reading whose Append has returned, durable or not:
//     what is not on disk yet is still in the log.
//   - All methods are safe for concurrent use, Append and Flush excepted: they
//     have one caller each, the writer.
package store
