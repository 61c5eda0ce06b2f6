package broker

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// listener accepts sockets, at one door or two, and serves each on a goroutine
// that survives a panic.
type listener struct {
	serve        func(*conn) error  // until the connection ends
	ended        func(*conn, error) // after serve, or its panic
	log          *slog.Logger
	metrics      *metrics
	max          int
	maxPending   int
	connectWait  time.Duration
	writeTimeout time.Duration
	large        *budget

	doors    []door
	draining atomic.Bool
	stopped  chan struct{} // closed with draining
	hurry    chan struct{} // closed when the grace of draining is over
	hurried  sync.Once
	wg       sync.WaitGroup

	mu      sync.Mutex
	conns   map[*conn]struct{}
	pending *list.List // of *conn without login, oldest first
}

// door is where sockets come in.
type door struct {
	net.Listener
	tls *tls.Config // nil: there is none
}

// errPanic is what serving a connection came to when it panicked.
var errPanic = errors.New("panic while serving the connection")

// open serves what comes in at the doors.
func (l *listener) open(doors []door) {
	l.doors = doors
	for _, d := range doors {
		l.wg.Go(func() { l.run(d) })
	}
}

func (l *listener) run(d door) {
	const first, longest = 5 * time.Millisecond, time.Second
	wait := first
	for {
		c, err := d.Accept()
		if err == nil {
			wait = first
			l.admit(c, d.tls)
			continue
		}
		if l.draining.Load() {
			return
		}
		// EMFILE, ECONNABORTED and their like pass; giving up would not.
		l.log.Error("accept MQTT connection", "error", err, "retry_in", wait)
		select {
		case <-l.stopped:
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, longest)
	}
}

// admit serves a new socket. When there are too many without a login the oldest
// of them gives way: a client that means to log in has done so by then. It never
// waits for a client: a handshake is part of being served.
func (l *listener) admit(raw net.Conn, secure *tls.Config) {
	c := newConn(l, raw, secure)
	l.mu.Lock()
	if l.draining.Load() {
		l.mu.Unlock()
		_ = raw.Close()
		return
	}
	var evicted *conn
	if l.pending.Len() >= l.maxPending || (len(l.conns) >= l.max && l.pending.Len() > 0) {
		evicted = l.pending.Remove(l.pending.Front()).(*conn)
		evicted.pending = nil
		delete(l.conns, evicted)
	}
	if len(l.conns) >= l.max {
		l.mu.Unlock()
		l.metrics.socketsClosed.WithLabelValues("full").Inc()
		_ = raw.Close()
		return
	}
	l.conns[c] = struct{}{}
	c.pending = l.pending.PushBack(c)
	l.wg.Add(1)
	l.metrics.sockets.Set(float64(len(l.conns)))
	l.mu.Unlock()
	if evicted != nil {
		l.metrics.socketsClosed.WithLabelValues("crowded").Inc()
		evicted.closeFor("crowded")
	}
	_ = raw.SetReadDeadline(time.Now().Add(l.connectWait))
	go l.handle(c)
}

func (l *listener) handle(c *conn) {
	defer l.wg.Done()
	err := l.survive(c)
	_ = c.Close()
	c.releaseHeld()
	l.ended(c, err)
	l.mu.Lock()
	delete(l.conns, c)
	if c.pending != nil {
		l.pending.Remove(c.pending)
		c.pending = nil
	}
	l.metrics.sockets.Set(float64(len(l.conns)))
	l.mu.Unlock()
	if c.session == nil && err != nil && isTimeout(err) {
		l.metrics.socketsClosed.WithLabelValues("no_connect").Inc()
	}
}

// survive serves c and turns a panic into an error: mochi v2.7.9 panics on a
// truncated MQTT 5 SUBSCRIBE.
func (l *listener) survive(c *conn) (err error) {
	defer func() {
		if r := recover(); r != nil {
			l.metrics.panics.Inc()
			l.log.Error("serving an MQTT connection panicked", "panic", r, "remote", c.RemoteAddr().String(), "stack", string(debug.Stack()))
			err = errPanic
		}
	}()
	if err := c.handshake(); err != nil {
		return err
	}
	return l.serve(c)
}

// login takes c out of the sockets without login, unless it had to give way
// already and is closed.
func (l *listener) login(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.pending != nil {
		l.pending.Remove(c.pending)
		c.pending = nil
		c.loggedIn.Store(true)
	}
}

// close stops accepting, lets sessions send their pending acks until ctx is
// done, and closes what is left.
func (l *listener) close(ctx context.Context) error {
	if l.draining.Swap(true) {
		return nil
	}
	close(l.stopped)
	for _, d := range l.doors {
		_ = d.Close()
	}
	l.mu.Lock()
	for c := range l.conns {
		if c.pending != nil {
			c.closeFor("shutdown")
		} else {
			c.wake()
		}
	}
	l.mu.Unlock()
	done := make(chan struct{})
	go func() { l.wg.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	l.hurried.Do(func() { close(l.hurry) })
	l.mu.Lock()
	for c := range l.conns {
		c.closeFor("shutdown")
	}
	l.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-time.After(2 * time.Second):
		l.mu.Lock()
		defer l.mu.Unlock()
		return fmt.Errorf("close the broker: %d connections do not end", len(l.conns))
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
