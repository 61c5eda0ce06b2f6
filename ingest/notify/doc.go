// Package notify tells people of alarms: what waits in the durable queue is
// gathered into messages and sent until the receiver has said that it took it.
//
//	engine ─commit─► queue (fsync) ─Wake─► lane of the channel ─► message ─► email, webhook, …
//	                   ▲                                            │
//	                   └────────── delivered, dead, obsolete ◄──────┘
//
// It guarantees:
//
//   - At least once. A notification is in the queue before this package hears of
//     it, and is marked delivered only after the receiver has said so. Nothing is
//     lost in a kill -9: Run begins with what the queue still has.
//   - Each notification ends in exactly one final state, once: delivered, dead
//     (refused for good, expired, too many waited: LastError says which) or
//     obsolete (its channel was deleted or disabled). What the queue says is
//     final is not sent again, whoever wakes it.
//   - Every try of a message bears the same delivery id, with the same
//     notifications in the same order. The id is durable before the first try,
//     so that a receiver that keeps ids takes each message once.
//   - What is said of one episode is said in its order: nothing of it goes out
//     while an earlier message about it is neither delivered nor given up.
//   - A failure that may pass is tried again after 2 s, 4 s, … up to 10 minutes,
//     each shortened by chance by up to a third, or as Retry-After says, up to an
//     hour. A refusal for good (HTTP 4xx but 408, 425 and 429, and 401 and the
//     like included; SMTP 5xx to sender, recipient or text) is dead at once, with
//     the receiver's words. What makes the login at the mail server fail is the
//     box's own fault and is tried again.
//   - A receiver that is slow or away delays nobody else: each channel has one
//     worker, and channels that failed last time share places of their own.
//   - No request leaves for an address that is not public, unless Options.Allow
//     lists it, whatever a name resolves to and wherever a redirect points.
//
// Grouping: what waits for one channel and device goes in one message; the first
// goes at once. Episodes of no_data and stuck wait GroupWait for company. The
// severities of a channel's digest wait for the next multiple of DigestEvery
// since 1970 UTC and go in one message for the channel; escalations and what was
// asked for by hand do not wait. PagerDuty gets a message for each episode.
//
// Bounds: MaxWaiting notifications for each channel; beyond it those of the
// lowest severity, and of these the oldest, are dead with "too many waited", and
// counted. A message has at most 100 notifications. RatePerHour is a bucket of
// ten minutes' worth: when it is empty, what waits for several devices goes in
// one message with the next token; retries take none. The bucket is full again
// after a restart.
//
// All methods are safe for concurrent use.
package notify
