//go:build !forgetful

package mongo

// forgetful is set by the build tag of that name alone, for the test that proves
// that the kill test can fail: what was sent before is sent as if it were new.
const forgetful = false
