// Package certificate keeps what the box proves itself with over TLS, and whom
// it believes.
//
// It guarantees:
//
//   - What is in force is a certificate and its key that were read whole and
//     belong together. A pair that is half written, unreadable or mismatched
//     never takes its place; it is told once, with the reason.
//   - A new pair is taken over while connections go on: established ones keep
//     theirs, the next handshake sees the new one. Files are compared by their
//     content, so that it does not matter whether they were written in place,
//     renamed, or are links that now lead elsewhere. A change is taken over once
//     two looks in a row have seen the same, or at once when the operator says
//     so.
//   - The same holds for the CA that devices' certificates are verified against.
//     With such a CA no session of TLS is resumed: each handshake is judged by
//     the CA of its moment.
//   - Without files the box has an authority of its own, made once for twenty
//     years, and from it a certificate for a year that is renewed by itself.
//     Clients trust the authority, and do not notice the renewal. No clock, which
//     may be wrong, makes the authority anew.
//   - TLS is 1.2 or newer, with Go's choice of suites.
package certificate
