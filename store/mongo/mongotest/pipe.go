package mongotest

import (
	"net"
	"sync"
	"time"
)

// pipe is one connection through a Proxy.
type pipe struct {
	p              *Proxy
	client, server net.Conn
	ended          chan struct{}
	once           sync.Once

	mu     sync.Mutex
	rules  map[int32]*rule // by the id of the request whose reply is waited for
	silent bool            // orphaned
}

// serve connects a client through until one side ends.
func (p *Proxy) serve(client net.Conn) {
	if _, ok := p.pass(); !ok {
		_ = client.Close()
		return
	}
	p.mu.Lock()
	refusing := p.refusing
	p.mu.Unlock()
	if refusing {
		_ = client.Close()
		return
	}
	server, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil {
		_ = client.Close() // the server is away; so are we
		return
	}
	c := &pipe{p: p, client: client, server: server, ended: make(chan struct{}), rules: map[int32]*rule{}}
	p.mu.Lock()
	p.pipes[c] = true
	late := p.closed || p.refusing
	p.mu.Unlock()
	if late {
		c.close()
	}
	var wg sync.WaitGroup
	wg.Go(c.requests)
	wg.Go(c.replies)
	wg.Wait()
	p.mu.Lock()
	delete(p.pipes, c)
	p.mu.Unlock()
}

func (c *pipe) close() {
	c.once.Do(func() {
		close(c.ended)
		_ = c.client.Close()
		_ = c.server.Close()
	})
}

func (c *pipe) orphan() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = true
}

func (c *pipe) orphaned() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.silent
}

// requests passes on what the client says.
func (c *pipe) requests() {
	defer c.close()
	var m message
	for {
		var err error
		if m, err = readMessage(c.client, m); err != nil {
			return
		}
		if _, ok := c.p.pass(); !ok {
			return
		}
		if c.orphaned() {
			continue
		}
		if r := c.p.judge(m.command()); r != nil {
			if r.act == dropRequest {
				c.p.count()
				return
			}
			c.mu.Lock()
			c.rules[m.requestID()] = r
			c.mu.Unlock()
		}
		if _, err := c.server.Write(m); err != nil {
			return
		}
	}
}

// replies passes on what the server says.
func (c *pipe) replies() {
	defer c.close()
	var m message
	for {
		var err error
		if m, err = readMessage(c.server, m); err != nil {
			return
		}
		c.mu.Lock()
		r := c.rules[m.responseTo()]
		delete(c.rules, m.responseTo())
		c.mu.Unlock()
		if r != nil {
			if r.act == dropReply {
				c.p.count()
				return
			}
			r.do()
		}
		delay, ok := c.p.pass()
		if !ok {
			return
		}
		if delay > 0 {
			select {
			case <-time.After(delay):
			case <-c.ended:
				return
			}
		}
		if c.orphaned() {
			continue
		}
		if _, err := c.client.Write(m); err != nil {
			return
		}
	}
}

func (p *Proxy) count() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallowed++
}
