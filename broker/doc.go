// Package broker is the MQTT door: devices and service accounts log in here and
// publish their telemetry. It is the only importer of mochi-mqtt.
//
// It guarantees:
//
//   - A PUBACK for telemetry is written only after Submitter has called the
//     message's Ack with nil, that is after the fsync. The PUBACKs of one
//     connection leave in the order of its PUBLISHes, whatever their topics.
//   - Nothing else depends on an ack: a socket that does not take its PUBACKs
//     delays no other connection and never the caller of Ack.
//   - At most ReceiveMaximum (MQTT 5) or Window (MQTT 3) messages of one
//     connection wait for their ack. Beyond it an MQTT 5 client is disconnected
//     with 0x93; an MQTT 3 client is not read until one is free, and is closed
//     when none becomes free for WindowWait. Until then pings are answered,
//     also while acks are withheld.
//   - A message that is resent (DUP) while its ack is pending is stored once. A
//     message resent on a new connection is submitted again.
//   - QoS 2 publishes are refused, never downgraded in silence. QoS 0 telemetry
//     is submitted as droppable.
//   - A device reaches its own subtree org/{org}/device/{id}/ and no other; a
//     service account publishes telemetry of the devices that its store.Access
//     sees, and reads below what it sees, as its scopes say. Wills, shared
//     subscriptions, topic aliases and inherited sessions are judged by the same
//     rule. What is refused is counted, and told in a few lines, then one a
//     minute, for each user and kind.
//   - A service account whose login has lapsed (an API key that was deleted,
//     changed or expired) is disconnected: at once with DisconnectKey, else
//     within ReviewInterval.
//   - A session belongs to {device id}/{client id}: nobody takes over, or
//     disturbs, the session of another device.
//   - Storage never depends on a subscription. Subscribers get a copy after
//     Submit has taken the message; a slow one loses messages, counted.
//   - A command to a device is on disk before SendCommand answers. It goes to the
//     device's connections that subscribe to its command topic, in order, again on
//     later ones until one has acked it or it has ended, and never after its end.
//     The device's answer is acked once it is on disk.
//   - A certificate that the door with TLS has verified logs in the device that
//     it names, and no other. A changed client CA ends the connections that it
//     does not vouch for.
//   - No packet of a client ends the process or another's connection. A panic
//     while one is served closes that connection alone. A client that is slow to
//     shake hands holds up nobody, and is closed as one that does not log in.
//
// Bounds: sockets (at most half of them without a login, the oldest of those
// gives way), bytes of a CONNECT, bytes of large packets being read in the whole
// process, connections, stored sessions and retained messages of a principal,
// subscriptions of a session, messages waiting for a subscriber, open commands.
//
// Sessions, retained messages and subscriptions live in memory and end with the
// process; commands do not.
package broker
