// Package api is the HTTP interface: REST with OpenAPI, streams of CSV, and
// live events over WebSocket, on the network and on the owner-only socket.
//
// It guarantees:
//
//   - On the network every route below /api/v1 answers 401 without credentials
//     before its parameters are looked at, those that do not exist included.
//     auth/login, auth/refresh, auth/accept and setup are open; telemetry takes
//     a device's credentials or an API key, live a token as its first message.
//     On the socket the actor is the peer's uid.
//   - An access token is refused from the moment that its session ends, or its
//     user is deleted, or changes password, role or organization; live
//     connections are closed. A refresh token is good once; one that comes again
//     ends its session.
//   - Nobody makes a user or a key that may do more than they may themselves.
//   - An error is an RFC 9457 problem. What a part inside says never reaches a
//     client, except the texts of store.Error, which are made for people.
//   - An unknown query parameter is an error: a misspelt filter does not answer
//     everything.
//   - Every answer is guarded: it is not shown within another page, not taken for
//     another type, and not kept by a cache. Pages of other origins see none of
//     them unless the operator has named theirs, and never with the browser's
//     credentials.
//   - What an operation may answer is in its description, which the tests hold
//     each answer against.
//   - Every change is written to the audit trail before it is made, with
//     secrets blanked. A change that then fails is followed by an entry that
//     says so. After it the devices' registry is refreshed, so that the next
//     message is judged by it.
//   - 202 for telemetry means that the message is fsynced.
//   - Requests are bounded: addresses, headers and bodies by size, callers and
//     strangers by rate, streams by the time without progress, imports by
//     messages in flight, live clients by their queues, logins by address, by
//     user and by how many hash at once. A limit that is met names itself and
//     the way out.
//   - JSON that two readers may understand differently is refused, and so are
//     paths.
//   - A stream that fails after its first byte breaks the connection, so that
//     half an answer is not taken for a whole one.
package api
