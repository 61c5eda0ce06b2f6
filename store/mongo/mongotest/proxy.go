package mongotest

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Proxy stands before a server and does to its clients what networks do. It
// knows where a message of the wire protocol begins and ends, and which reply
// belongs to which command; messages must not be compressed, which is the
// driver's default.
//
// A driver that discovers a replica set goes to the members' own addresses, past
// the proxy; URI therefore asks for a direct connection, on which sessions and
// retryable writes work as ever.
type Proxy struct {
	t        testing.TB
	target   string
	listener net.Listener

	mu        sync.Mutex
	changed   *sync.Cond // hanging, closed
	refusing  bool
	hanging   bool
	closed    bool
	delay     time.Duration
	pipes     map[*pipe]bool
	rules     []*rule
	swallowed int
	seen      map[string]int // commands, by name
}

// rule is what happens to the next commands that match.
type rule struct {
	match func(command string) bool
	left  int
	act   action
	do    func()
}

type action int

const (
	dropReply   action = iota // cut once the server has answered
	dropRequest               // cut before the server hears of it
	callReply                 // call do once the server has answered, then pass the reply on
)

// NewProxy starts a proxy before target (host:port) that ends with the test. It
// needs no server behind it to start.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	p := &Proxy{t: t, target: target, listener: l, pipes: map[*pipe]bool{}, seen: map[string]int{}}
	p.changed = sync.NewCond(&p.mu)
	ended := make(chan struct{})
	go func() { defer close(ended); p.accept() }()
	t.Cleanup(func() {
		p.mu.Lock()
		p.closed = true
		p.changed.Broadcast()
		p.mu.Unlock()
		_ = l.Close()
		p.Cut()
		<-ended
	})
	return p
}

// Addr answers its own host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// URI answers a server's URI with the proxy in its place.
func (p *Proxy) URI(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		p.t.Fatalf("parse %q: %v", uri, err)
	}
	u.Host = p.Addr()
	q := u.Query()
	q.Set("directConnection", "true")
	u.RawQuery = q.Encode()
	return u.String()
}

// Cut closes all connections; new ones are taken.
func (p *Proxy) Cut() {
	for _, c := range p.all() {
		c.close()
	}
}

// HalfClose ends the server's direction of all connections: clients read an
// end of file, while what they write is still taken.
func (p *Proxy) HalfClose() {
	for _, c := range p.all() {
		if half, ok := c.client.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}
}

// Orphan lets all connections live on without an answer ever, as a firewall
// does that has forgotten them; new ones work.
func (p *Proxy) Orphan() {
	for _, c := range p.all() {
		c.orphan()
	}
}

// Refuse closes every connection, also new ones, until it is called with false.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	p.refusing = on
	p.mu.Unlock()
	if on {
		p.Cut()
	}
}

// Hang holds back everything in both directions until it is called with false.
// New connections are taken, and hang too.
func (p *Proxy) Hang(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hanging = on
	p.changed.Broadcast()
}

// Delay holds back each reply for d.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// SwallowReplies lets the next n commands that match through to the server,
// waits for its replies, drops them and cuts their connections.
func (p *Proxy) SwallowReplies(match func(command string) bool, n int) {
	p.add(&rule{match: match, left: n, act: dropReply})
}

// SwallowRequests cuts the connections of the next n commands that match,
// before the server hears of them.
func (p *Proxy) SwallowRequests(match func(command string) bool, n int) {
	p.add(&rule{match: match, left: n, act: dropRequest})
}

// OnReply calls do for the next n commands that match, once the server has
// answered them and before the client hears of it. do may kill the server, cut
// connections and the like.
func (p *Proxy) OnReply(match func(command string) bool, n int, do func()) {
	p.add(&rule{match: match, left: n, act: callReply, do: do})
}

// Calm ends everything that was asked for: replies pass, nothing hangs.
func (p *Proxy) Calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing, p.hanging, p.delay, p.rules = false, false, 0, nil
	p.changed.Broadcast()
}

// Swallowed answers how many replies and requests were swallowed.
func (p *Proxy) Swallowed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.swallowed
}

// Commands answers how many commands of a name came by, swallowed ones included.
func (p *Proxy) Commands(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[name]
}

func (p *Proxy) add(r *rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, r)
}

// judge counts a command and answers the rule that it falls under, if any.
func (p *Proxy) judge(command string) *rule {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[command]++
	for _, r := range p.rules {
		if r.left > 0 && r.match(command) {
			r.left--
			return r
		}
	}
	return nil
}

func (p *Proxy) all() []*pipe {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]*pipe, 0, len(p.pipes))
	for c := range p.pipes {
		out = append(out, c)
	}
	return out
}

func (p *Proxy) accept() {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		wg.Add(1)
		go func() { defer wg.Done(); p.serve(client) }()
	}
}

// pass waits while everything hangs. It answers how long a reply is held back,
// and false once the proxy has ended.
func (p *Proxy) pass() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.hanging && !p.closed {
		p.changed.Wait()
	}
	return p.delay, !p.closed
}
