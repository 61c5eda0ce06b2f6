//go:build !linux

package api

import (
	"net"
	"os"
)

// peerUID takes the peer for the owner: elsewhere than on Linux only the mode
// of the socket says who may open it.
func peerUID(c net.Conn) (uint32, bool) {
	_, ok := c.(*net.UnixConn)
	return uint32(max(os.Getuid(), 0)), ok
}
