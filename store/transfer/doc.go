// Package transfer brings all readings of one store into another, and proves
// that they are there.
//
// # What it guarantees
//
//   - Nothing is changed in the source; nothing is taken away in the target.
//   - Copy goes through the series in order, and through each in order of time.
//     It tells how far everything is durable in the target: an end at any moment
//     costs what came after that, and what is copied again is there once.
//   - Verify reads both sides anew and compares, for each port and UTC day, how
//     many readings there are and what they say, to the bit. It finds what lacks,
//     what is too much, and what differs, and names it.
//   - Memory is bounded by a batch, and by the days of one series.
//   - While a store is away both wait for it, as long as they are told to.
package transfer
