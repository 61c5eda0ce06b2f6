// Package archive writes readings as files that other programs read.
//
// What it guarantees of a Parquet file:
//
//   - It says all that the API says of a reading, each number to its last bit.
//     The columns, in their order: ts, deviceId, portNumber, rawValue,
//     calibratedValue, quality, flags, ingestTs.
//   - Rows stay in the order in which they were written.
//   - Memory is bounded by one row group (65,536 rows), however long the file is;
//     beside it, the place of each earlier group is kept until the file ends.
//   - Only a file that was closed has an end: one that broke off is not read by
//     anything as a whole one. A file without rows is one too.
//
// A file has at most 32,767 row groups (2.1 billion rows); the write beyond that
// is an error.
package archive
