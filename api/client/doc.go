// Package client speaks tidegate's HTTP API, over the owner-only socket of a
// data folder or to an address.
//
// It guarantees:
//
//   - An answer that is not a success is a *Problem, which matches the store's
//     sentinels with errors.Is; a server that cannot be reached is
//     ErrUnreachable.
//   - Nothing is retried: the caller knows whether that is safe. Importing is.
//   - Streams (export, import, backup, tail) hold one chunk in memory and end
//     with an error when they were cut off.
//   - A Client is safe for concurrent use.
package client
