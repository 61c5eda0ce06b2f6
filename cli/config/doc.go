// Package config says how tidegate is set up: defaults, then a file, then the
// environment, then flags; what comes later wins.
//
// It is strict:
//
//   - An unknown key, a key given twice, a value of the wrong kind or out of
//     range stops the start. The error names the file, the line, what is
//     allowed and, for a misspelt key, the nearest one. All faults of a source
//     are told at once.
//   - A size or a duration carries its unit; a bare number is an error.
//   - An unknown TIDEGATE_ variable warns, because orchestrators inject some.
//   - A variable of a part that is not in this version warns: never silence.
//   - A file of a newer format is refused.
package config
