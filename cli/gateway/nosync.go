//go:build nosync

package gateway

const noSync = true
