// Package live hands what was just stored, and what just happened, to whoever
// watches.
//
// It guarantees:
//
//   - Publish never waits for a subscriber and costs one atomic load while
//     there is none. Nothing here is durable: a restart forgets it, and what a
//     watcher missed is answered by a query.
//   - A subscriber sees the events of one port in the order of Publish. While
//     it keeps up it sees all of them.
//   - A subscriber that is slow loses readings in the middle, not the newest of
//     a port: when its queue is full, each port keeps its newest reading. Only
//     with more ports than half the queue do the oldest of those go, too.
//     Lifecycle events and rejections lose the oldest. All losses are told by
//     Batch.Skipped and counted.
//   - Memory is bounded: QueueLength readings and RingLength other events for
//     each of at most MaxSubscribers.
//   - All methods are safe for concurrent use; Next has one caller for each
//     subscription.
package live
