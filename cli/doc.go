// Package cli is the command line: each verb is one file.
//
// It promises scripts:
//
//   - Exit codes: 0 ok, 1 failed, 2 usage, 3 configuration, 4 no server is
//     reachable.
//   - With -o json standard output is exactly one JSON document (tail: one a
//     line); progress and warnings go to standard error.
//   - Tables show local time with its offset; JSON and CSV show UTC.
//   - Nothing is retried that is not safe to do twice.
package cli
