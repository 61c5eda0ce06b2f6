// Package live hands what was just stored, and what just happened, to whoever
// watches.
//
// It guarantees:
//
//   - Publish never waits for a subscriber. While nobody watches, and nobody has
//     within the last Linger, it costs one atomic load. Readings are made, numbered
//     and kept of the devices that a subscription asks for, of all where one names
//     none, and for Linger after: see Wants.
//   - Events are numbered, without gaps for who sees all, as long as the hub is
//     awake; a number means something within one Stream only, which is another
//     at each start. A subscriber gets them in this order, each at most once.
//     While it keeps up it gets all that it chose.
//   - Subscribe answers a number as of which nothing is left out: an event is in
//     the subscription, or its publisher had begun to tell of it before. Whoever
//     reads the newest state of things after Subscribe, from where they are
//     stored before they are published, misses nothing; what comes after Seq as
//     read behind that is not in it.
//   - With Since a subscription begins with what was missed, as long as the hub
//     still has it: the last RecentLength events, for at most RecentBytes, and
//     none of before it fell asleep. Otherwise Sub.Resumed is false, and it
//     begins with now. Nothing is given that the Access of now does not see.
//   - A subscriber that is slow loses readings in the middle, not the newest of
//     a port: when its queue is full, each port keeps its newest reading. Only
//     with more ports than half the queue do the oldest of those go, too. Of all
//     other events it loses the oldest. All losses are told by Batch and counted.
//   - Memory is bounded: QueueLength readings, and RingLength other events of at
//     most RingBytes, for each of at most MaxSubscribers; an event is there once,
//     whoever waits for it.
//   - Messages of devices are made for those alone that somebody names: Wants.
//   - All methods are safe for concurrent use; Next and Take have one caller for
//     each subscription.
package live
