// Package alert decides what is an alarm.
//
// A Watch is one rule at one port: a state machine that takes readings and
// deadlines and answers what happened. A Plan is the rule made ready for that
// port. Backtest runs the same Watch over stored history.
// Engine is all watches of the box: it follows the log, lets deadlines pass, and
// keeps what happens.
//
// A watch guarantees:
//
//   - It is pure: no clock, no goroutine, no lock. All times are Unix ms and
//     come as arguments, so that the same readings and deadlines make the same
//     episodes, live, replayed after a crash, and back-tested.
//   - How often Advance is called changes nothing: a deadline bears its own time,
//     not the moment at which it was noticed.
//   - Time goes forward. A reading that is not later than the one evaluated
//     before is not evaluated, so a duplicate never is. Steps never go back: a
//     late reading that reverses a deadline does so at the deadline's time.
//   - A deadline at t passes before a reading with at >= t. Silence alone is
//     "for more than": a reading exactly at t keeps it quiet.
//   - A reading costs constant time, and no allocation unless a step comes of
//     it. Memory is constant: 128 bytes for levels, and a bounded part beside
//     for the kinds that look back.
//   - Its state is a versioned byte string. A watch that is stored and read back
//     at any point goes on as if nothing had been.
//
// What the kinds that look back can and cannot say:
//
//   - A condition holds until a reading says otherwise: what is missing, late or
//     bad contradicts nothing. So a For also passes while a port is silent.
//   - rate over a Window measures from the newest reading that is a Window old,
//     to a sixteenth of the Window, and says nothing before there is one.
//   - deviation weighs readings with a time constant of Window, the outlying ones
//     too, so that a step that lasts becomes the mean. It says nothing for a
//     Window after the first reading and after a longer gap. A port that was flat
//     deviates with any other value by infinitely many Sigmas: it needs Distance.
//   - stuck compares with the value with which a run began. It takes readings at
//     least once a Window.
//   - no_data by cadence follows the median of the intervals, of receipt, at a
//     twentieth for each. A port that sends bursts needs a SilentFor.
//   - Of a clock that jumps over active hours the last 400 days are gone through.
//
// The times of readings: of kinds that judge values, at is min(ts, receivedAt),
// and evaluate is false for a reading of bad quality and for one that is older
// than max_alert_age. Of no_data, at is receivedAt, see Plan.ByReceipt: a device
// whose clock is slow, or that sends what it gathered, is not silent.
//
// An engine guarantees:
//
//   - Once. Each watch is durable with the log position that it has seen, in the
//     transaction of the episodes and notifications that came of it. After any
//     crash the log is evaluated again from the last flush on, and makes the same
//     episodes and notifications, none twice. A step that was not durable yet
//     was told to nobody.
//   - In the order of the log, and each record before the clock goes beyond its
//     receipt: a deadline passes by the wall clock once all that was received
//     before it has been evaluated.
//   - Readings wait for nobody but a commit that is far behind. Evaluating one
//     costs a lookup and its watches.
//   - At most one episode of a rule and port goes on. One whose rule is changed
//     in what it looks for, or whose port is gone, ends.
//   - A change of rules, channels, devices, ports or silences holds from the next
//     reading on.
//   - Whom an episode concerns is decided with its step: of rule, channels and
//     silences as they are then.
//
// Bounds: memory is that of the watches and of episodes that go on. While
// notifications that are not durable are beyond a number, Evaluate waits, and
// acks are paced; while they cannot be made durable at all the log is not
// trimmed, and its limit holds.
package alert
