// Package api is the HTTP interface: REST with OpenAPI, streams of CSV, and
// live events over WebSocket, on the network and on the owner-only socket.
//
// It guarantees:
//
//   - On the network every route below /api/v1 answers 401 without credentials
//     before its parameters are looked at, those that do not exist included.
//     auth/login is open; telemetry takes a device's credentials, live a token
//     as its first message. On the socket the actor is the peer's uid.
//   - An error is an RFC 9457 problem. What a part inside says never reaches a
//     client, except the texts of store.Error, which are made for people.
//   - An unknown query parameter is an error: a misspelt filter does not answer
//     everything.
//   - Every change is written to the audit trail before it is made, with
//     secrets blanked. A change that then fails is followed by an entry that
//     says so. After it the devices' registry is refreshed, so that the next
//     message is judged by it.
//   - 202 for telemetry means that the message is fsynced.
//   - Requests are bounded: bodies by size, streams by the time without
//     progress, imports by messages in flight, live clients by their queues,
//     logins by address and by how many hash at once.
//   - A stream that fails after its first byte breaks the connection, so that
//     half an answer is not taken for a whole one.
package api
