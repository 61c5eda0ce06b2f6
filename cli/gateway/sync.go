//go:build !nosync

package gateway

// noSync is set by the build tag nosync alone, for the test that proves that
// the power-cut test can fail.
const noSync = false
