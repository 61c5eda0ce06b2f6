package api

import (
	"bufio"
	"encoding/binary"
	"net"
)

// opClose is the first byte of a close frame, which is always a frame of its own.
const opClose = 0x88

// closesOnce is a connection on which a close frame is the last that is
// written. The library answers the client's answer to a close frame with a
// second one, which RFC 6455, section 5.5.1, does not allow: browsers call the
// connection broken then, and hide the reason for which it was closed.
//
// Only one goroutine at a time may write, as the library sees to.
type closesOnce struct {
	net.Conn
	left   uint64 // bytes of the payload that is being written
	closed bool
}

// newClosesOnce returns what takes the place of a connection that was taken
// over from the HTTP server, with nothing written yet.
func newClosesOnce(c net.Conn, rw *bufio.ReadWriter) (net.Conn, *bufio.ReadWriter) {
	once := &closesOnce{Conn: c}
	return once, bufio.NewReadWriter(rw.Reader, bufio.NewWriter(once))
}

// Write implements io.Writer. What follows a close frame is dropped.
func (c *closesOnce) Write(b []byte) (int, error) {
	if c.closed {
		return len(b), nil
	}
	whole := len(b)
	b = b[:c.scan(b)]
	if n, err := c.Conn.Write(b); err != nil {
		return n, err
	}
	return whole, nil
}

// scan returns how much of b is to be written: all, or what ends with a close
// frame. The library's buffer is empty when a frame begins, so that headers are
// never cut in two.
func (c *closesOnce) scan(b []byte) int {
	at := uint64(0)
	for size := uint64(len(b)); at < size; {
		if c.left == 0 {
			header, payload := frameHeader(b[at:])
			c.closed = b[at] == opClose
			c.left = payload
			at += header
		}
		step := min(c.left, size-at)
		c.left -= step
		at += step
		if c.closed {
			return int(at)
		}
	}
	return len(b)
}

// frameHeader returns the lengths of a frame's header and payload, as a server
// writes them: without a mask.
func frameHeader(b []byte) (header, payload uint64) {
	const short, long = 126, 127 // lengths that say that two or eight bytes of length follow
	switch n := b[1]; {
	case n == short && len(b) >= 4:
		return 4, uint64(binary.BigEndian.Uint16(b[2:]))
	case n == long && len(b) >= 10:
		return 10, binary.BigEndian.Uint64(b[2:])
	default:
		return 2, uint64(n)
	}
}
