package broker

import (
	"container/list"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/ingest"
)

// What the framing of a connection can do wrong, before mochi allocates for it.
var (
	errNotConnect   = errors.New("the first packet is not a CONNECT")
	errHello        = errors.New("the first packet is a handshake of TLS")
	errConnectBytes = errors.New("CONNECT is larger than 64 KiB")
	errPacketBytes  = errors.New("packet is larger than 16 MiB")
	errLength       = errors.New("remaining length has more than four bytes")
	errClosed       = errors.New("connection closed")
	errShutdown     = errors.New("server is shutting down")
)

// conn is a socket that reads along: it knows where packets begin, so that no
// packet is allocated that is too large, and it keeps deadlines itself (mochi
// computes them in 16 bits, and gives none before CONNECT).
type conn struct {
	net.Conn // with TLS, when it came in at that door
	raw      net.Conn
	l        *listener
	pending  *list.Element // among the sockets without login; guarded by l.mu

	// The fields of the goroutine that serves the connection.
	session *session
	peer    []*x509.Certificate // of the client, verified; its own first
	frame   frame
	held    int64         // of the budget of large packets
	idle    time.Duration // allowed silence; 0 is forever
	bad     error         // what Read answers from now on

	loggedIn atomic.Bool
	once     sync.Once
	closed   chan struct{}
	cause    atomic.Pointer[string] // why we closed it, when it was us
}

// frame is the place within a stream of MQTT packets.
type frame struct {
	first  bool // a packet has begun
	length int  // being decoded
	shift  int  // -1: a packet begins with the next byte
	body   int  // bytes until the next packet
}

func newConn(l *listener, raw net.Conn, secure *tls.Config) *conn {
	c := &conn{Conn: raw, raw: raw, l: l, frame: frame{shift: -1}, closed: make(chan struct{})}
	if secure != nil {
		c.Conn = tls.Server(patient{raw, l.writeTimeout}, secure)
	}
	return c
}

// Read implements net.Conn. When the broker drains it waits until what was
// read before is acked, says goodbye and ends.
func (c *conn) Read(p []byte) (int, error) {
	if c.bad != nil {
		return 0, c.bad
	}
	if c.held > 0 && c.frame.body == 0 {
		c.releaseHeld()
	}
	n, err := c.Conn.Read(p)
	if err != nil {
		if c.l.draining.Load() {
			c.farewell()
			c.bad = errShutdown
			return 0, errShutdown
		}
		return n, err
	}
	n, c.bad = c.advance(p[:n])
	if c.bad == nil {
		return n, nil
	}
	if c.bad == errPacketBytes && c.session != nil {
		c.session.goodbye(0x95)
	}
	if n > 0 {
		return n, nil // what came before is still good
	}
	return 0, c.bad
}

// advance follows the packets in p and answers how many bytes may be passed on.
func (c *conn) advance(p []byte) (int, error) {
	f := &c.frame
	for i := 0; i < len(p); i++ {
		if f.body > 0 {
			n := min(f.body, len(p)-i)
			f.body -= n
			i += n - 1
			continue
		}
		if f.shift < 0 {
			if !f.first && p[i] != 0x10 {
				if p[i] == helloByte {
					return i, errHello
				}
				return i, errNotConnect
			}
			f.length, f.shift = 0, 0
			continue
		}
		f.length |= int(p[i]&0x7f) << f.shift
		f.shift += 7
		if p[i] >= 0x80 {
			if f.shift > 21 {
				return i, errLength
			}
			continue
		}
		limit, fault := ingest.MaxPacketBytes, errPacketBytes
		if !f.first {
			limit, fault = maxConnectBytes, errConnectBytes
		}
		if f.length > limit {
			return i, fault
		}
		if f.length > largePacketBytes && !c.holdLarge(int64(f.length)) {
			return i, errClosed
		}
		f.first, f.body, f.shift = true, f.length, -1
	}
	return len(p), nil
}

// holdLarge waits until the memory for a large packet is free. mochi copies a
// packet once while it decodes it.
func (c *conn) holdLarge(length int64) bool {
	c.releaseHeld()
	n, ok := c.l.large.acquire(2*length, c.closed)
	if !ok {
		return false
	}
	c.held = n
	_ = c.Conn.SetReadDeadline(time.Now().Add(largePacketPeriod))
	return true
}

func (c *conn) releaseHeld() {
	if c.held > 0 {
		c.l.large.release(c.held)
		c.held = 0
	}
}

// Write implements net.Conn. A socket that takes nothing for long is closed:
// after half a packet the stream is of no use.
func (c *conn) Write(p []byte) (int, error) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(c.l.writeTimeout))
	n, err := c.Conn.Write(p)
	if err != nil {
		c.closeFor("write_failed")
	}
	return n, err
}

// SetDeadline implements net.Conn. mochi calls it before each packet; what is
// set is the allowed silence of the session, and before the login nothing: the
// deadline of the connect stands.
func (c *conn) SetDeadline(time.Time) error {
	if !c.loggedIn.Load() {
		return nil
	}
	var t time.Time
	if c.idle > 0 {
		t = time.Now().Add(c.idle)
	}
	err := c.Conn.SetReadDeadline(t)
	if c.l.draining.Load() {
		c.wake()
	}
	return err
}

// wake ends a Read that waits for the peer.
func (c *conn) wake() { _ = c.Conn.SetReadDeadline(time.Unix(1, 0)) }

// Close implements net.Conn. With TLS it says goodbye first, and waits some
// seconds for a socket that takes nothing: mochi calls it, and the goroutine
// that serves the connection.
func (c *conn) Close() error {
	err := errClosed
	c.once.Do(func() {
		close(c.closed)
		err = c.Conn.Close()
	})
	return err
}

// closeFor closes the connection at once and remembers why. mochi's own Stop may
// lose the client's will; an error from Read does not.
func (c *conn) closeFor(cause string) {
	c.cause.CompareAndSwap(nil, &cause)
	c.cut()
}

// cut is Close that waits for nobody, and ends one that does.
func (c *conn) cut() {
	c.once.Do(func() { close(c.closed) })
	_ = c.raw.Close() // a second time it says that it is closed
}

// farewell lets pending acks out and says that the server goes.
func (c *conn) farewell() {
	s := c.session
	if s == nil {
		return
	}
	cause := "shutdown"
	c.cause.CompareAndSwap(nil, &cause)
	select {
	case <-s.acks.idle():
		s.goodbye(0x8B)
	case <-c.l.hurry:
	case <-c.closed:
	}
}
