//go:build forgetful

package mongo

const forgetful = true
