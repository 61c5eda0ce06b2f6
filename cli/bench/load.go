package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Load is a number of devices that publish telemetry with QoS 1 as fast as
// they are acked.
type Load struct {
	Addr     string
	Clients  []Login
	Topic    func(client int) string
	Readings int // a message
	InFlight int // messages without ack, a client
	// Start is the ts of the first message of each client; each further one is
	// Step later.
	Start time.Time
	Step  time.Duration
	// Messages a client; 0: until the context ends.
	Messages int
	// First is the number of each client's first message; nil: 0.
	First []int
	// Rate is messages a second over all clients; 0: as fast as they are acked.
	Rate int
	// Acked, when not nil, is called for each ack, in order, with the number of
	// the client's message.
	Acked func(client, message int)
}

// sampled is how many messages share one measured ack.
const sampled = 16

// LoadResult is what a Load did.
type LoadResult struct {
	Acked   int64     // messages
	Began   time.Time // once all clients were connected
	Elapsed time.Duration
	// Latencies of acks, one in sampled, ascending.
	Latencies []time.Duration
}

// Percentile answers the latency below which p (0 to 1) of the acks were.
func (r *LoadResult) Percentile(p float64) time.Duration {
	if len(r.Latencies) == 0 {
		return 0
	}
	return r.Latencies[min(int(p*float64(len(r.Latencies))), len(r.Latencies)-1)]
}

// Run connects all clients, and then publishes until each has sent Messages,
// or ctx ends. What is in flight at the end is waited for.
func (l *Load) Run(ctx context.Context) (*LoadResult, error) {
	clients := make([]*client, len(l.Clients))
	defer func() {
		for _, c := range clients {
			if c != nil {
				_ = c.conn.Close()
			}
		}
	}()
	for i := range clients {
		conn, err := Connect(l.Addr, l.Clients[i])
		if err != nil {
			return nil, fmt.Errorf("connect client %d: %w", i, err)
		}
		clients[i] = newClient(l, i, conn)
	}
	res := &LoadResult{Began: time.Now()}
	var wg sync.WaitGroup
	errs := make(chan error, 2*len(clients))
	var total atomic.Int64
	for _, c := range clients {
		wg.Add(2)
		go func() { defer wg.Done(); errs <- c.publish(ctx) }()
		go func() { defer wg.Done(); errs <- c.readAcks(&total) }()
	}
	wg.Wait()
	res.Acked, res.Elapsed = total.Load(), time.Since(res.Began)
	for _, c := range clients {
		res.Latencies = append(res.Latencies, c.latencies...)
	}
	slices.Sort(res.Latencies)
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	return res, err
}

// client is one connection of a Load.
type client struct {
	l    *Load
	n    int
	conn net.Conn

	mu       sync.Mutex
	cond     *sync.Cond
	inFlight int
	done     bool // everything was sent
	broken   bool
	// sent is when each message in flight left, one in sampled, in a ring. Its
	// size follows what is in flight: a thousand clients must not need so much
	// memory that the machine is busy with making it while they connect.
	sent []time.Time

	latencies []time.Duration
}

func newClient(l *Load, n int, conn net.Conn) *client {
	c := &client{l: l, n: n, conn: conn, sent: make([]time.Time, l.InFlight/sampled+2)}
	c.cond = sync.NewCond(&c.mu)
	return c
}

// left is where the time is kept at which message i left.
func (c *client) left(i int) *time.Time { return &c.sent[i/sampled%len(c.sent)] }

func (c *client) publish(ctx context.Context) error {
	defer func() {
		c.mu.Lock()
		c.done = true
		idle := c.inFlight == 0
		c.mu.Unlock()
		if idle {
			_ = c.conn.SetReadDeadline(time.Now())
		}
	}()
	l := c.l
	enc := newEncoder(l.Topic(c.n), l.Readings, l.Start, l.Step)
	buf := make([]byte, 0, min(max(l.InFlight, 1)*enc.size(), 64<<10))
	interval := time.Duration(0)
	if l.Rate > 0 {
		interval = time.Duration(len(l.Clients)) * time.Second / time.Duration(l.Rate)
	}
	next := time.Now().Add(interval * time.Duration(c.n) / time.Duration(len(l.Clients)))
	first := 0
	if l.First != nil {
		first = l.First[c.n]
	}
	for i := first; l.Messages == 0 || i < first+l.Messages; {
		c.mu.Lock()
		for c.inFlight >= l.InFlight && !c.broken {
			c.cond.Wait()
		}
		room, broken := l.InFlight-c.inFlight, c.broken
		if l.Messages > 0 {
			room = min(room, first+l.Messages-i)
		}
		if interval > 0 {
			room = min(room, 1)
		}
		room = min(room, cap(buf)/enc.size())
		c.inFlight += room
		c.mu.Unlock()
		if broken || ctx.Err() != nil {
			c.mu.Lock()
			c.inFlight -= room
			c.mu.Unlock()
			return nil
		}
		if interval > 0 {
			if d := time.Until(next); d > 0 {
				time.Sleep(d)
			}
			next = next.Add(interval)
		}
		buf = buf[:0]
		now := time.Now()
		for range room {
			id := uint16(i%65535) + 1
			if i%sampled == 0 {
				*c.left(i) = now
			}
			buf = enc.append(buf, id, i)
			i++
		}
		if _, err := c.conn.Write(buf); err != nil {
			return fmt.Errorf("client %d: %w", c.n, err)
		}
	}
	return nil
}

func (c *client) readAcks(total *atomic.Int64) error {
	r := bufio.NewReaderSize(c.conn, 16<<10)
	first := 0
	if c.l.First != nil {
		first = c.l.First[c.n]
	}
	acked := first
	defer func() { total.Add(int64(acked - first)) }()
	for {
		if _, err := r.Peek(4); err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.broken = true
			c.cond.Broadcast()
			if c.done && c.inFlight == 0 {
				return nil
			}
			return fmt.Errorf("client %d: %d messages without ack: %w", c.n, c.inFlight, err)
		}
		n := r.Buffered() / 4
		b, _ := r.Peek(4 * n)
		now := time.Now()
		for k := range n {
			p := b[4*k:]
			if p[0] != 0x40 || p[1] != 2 {
				return fmt.Errorf("client %d: packet % x is not a PUBACK", c.n, p[:4])
			}
			id := binary.BigEndian.Uint16(p[2:])
			if want := uint16(acked%65535) + 1; id != want {
				return fmt.Errorf("client %d: ack of %d where %d was due", c.n, id, want)
			}
			if acked%sampled == 0 {
				c.latencies = append(c.latencies, now.Sub(*c.left(acked)))
			}
			if c.l.Acked != nil {
				c.l.Acked(c.n, acked)
			}
			acked++
		}
		_, _ = r.Discard(4 * n)
		c.mu.Lock()
		c.inFlight -= n
		finished := c.done && c.inFlight == 0
		c.cond.Signal()
		c.mu.Unlock()
		if finished {
			return nil
		}
	}
}
