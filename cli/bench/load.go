package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
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

// Login is how one client logs in.
type Login struct {
	ClientID, User, Password string
}

// LoadResult is what a Load did.
type LoadResult struct {
	Acked   int64 // messages
	Elapsed time.Duration
	// Latencies of acks, one in sixteen, ascending.
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
		clients[i] = &client{l: l, n: i, conn: conn, sent: make([]time.Time, 1<<16)}
		clients[i].cond = sync.NewCond(&clients[i].mu)
	}
	began := time.Now()
	var wg sync.WaitGroup
	errs := make(chan error, 2*len(clients))
	var total atomic.Int64
	for _, c := range clients {
		wg.Add(2)
		go func() { defer wg.Done(); errs <- c.publish(ctx) }()
		go func() { defer wg.Done(); errs <- c.readAcks(&total) }()
	}
	wg.Wait()
	res := &LoadResult{Acked: total.Load(), Elapsed: time.Since(began)}
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
	sent     []time.Time // by packet id, one in sixteen

	latencies []time.Duration
}

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
	buf := make([]byte, 0, 64<<10)
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
			if i%16 == 0 {
				c.sent[id] = now
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
			if acked%16 == 0 {
				c.latencies = append(c.latencies, now.Sub(c.sent[id]))
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

// Connect opens an MQTT 3.1.1 connection and logs in.
func Connect(addr string, in Login) (net.Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	body := appendString(nil, "MQTT")
	body = append(body, 4, 0xC2, 0, 0) // user, password, clean session; no keepalive
	body = appendString(body, in.ClientID)
	body = appendString(body, in.User)
	body = appendString(body, in.Password)
	pk := append([]byte{0x10}, remaining(len(body))...)
	if _, err := conn.Write(append(pk, body...)); err != nil {
		_ = conn.Close()
		return nil, err
	}
	var ack [4]byte
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.ReadFull(conn, ack[:]); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("read CONNACK: %w", err)
	}
	_ = conn.SetReadDeadline(time.Time{})
	if ack[0] != 0x20 || ack[3] != 0 {
		_ = conn.Close()
		return nil, fmt.Errorf("CONNACK % x", ack)
	}
	return conn, nil
}

func appendString(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...)
}

func remaining(n int) []byte {
	var out []byte
	for {
		b := byte(n & 0x7f)
		n >>= 7
		if n > 0 {
			b |= 0x80
		}
		out = append(out, b)
		if n == 0 {
			return out
		}
	}
}

// encoder makes PUBLISH packets by filling digits into a template.
type encoder struct {
	template []byte
	id, ts   int
	values   []int
	start    int64
	step     int64
}

// valueDigits is the width of each value: ddd.d.
const valueDigits = 5

func newEncoder(topic string, readings int, start time.Time, step time.Duration) *encoder {
	e := &encoder{start: start.UnixMilli(), step: step.Milliseconds()}
	body := appendString(nil, topic)
	e.id = len(body)
	body = append(body, 0, 0)
	body = append(body, `{"ts":`...)
	e.ts = len(body)
	body = append(body, `0000000000000,"readings":[`...)
	for i := range readings {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"port":`...)
		body = strconv.AppendInt(body, int64(i+1), 10)
		body = append(body, `,"value":`...)
		e.values = append(e.values, len(body))
		body = append(body, `000.0}`...)
	}
	body = append(body, `]}`...)
	head := append([]byte{0x32}, remaining(len(body))...)
	e.id += len(head)
	e.ts += len(head)
	for i := range e.values {
		e.values[i] += len(head)
	}
	e.template = append(head, body...)
	return e
}

func (e *encoder) size() int { return len(e.template) }

// Value answers what message i says for the reading at index k, in tenths.
func Value(i, k int) int { return 1000 + (i*7+k*131)%1500 + i%13 }

func (e *encoder) append(dst []byte, id uint16, i int) []byte {
	at := len(dst)
	dst = append(dst, e.template...)
	p := dst[at:]
	p[e.id], p[e.id+1] = byte(id>>8), byte(id)
	digits(p[e.ts:e.ts+13], e.start+int64(i)*e.step)
	for k, off := range e.values {
		v := Value(i, k)
		digits(p[off:off+3], int64(v/10))
		p[off+valueDigits-1] = byte('0' + v%10)
	}
	return dst
}

func digits(p []byte, n int64) {
	for i := len(p) - 1; i >= 0; i-- {
		p[i] = byte('0' + n%10)
		n /= 10
	}
}
