package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/store"
)

// network is one in memory, so that time can be made up. Its names have
// addresses, and the guard sees them as it does real ones.
type network struct {
	mu    sync.Mutex
	names map[string]string // host: address
	hosts map[string]chan net.Conn
	guard *guard
}

func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	ip := n.names[host]
	conns := n.hosts[host]
	n.mu.Unlock()
	if a, err := netip.ParseAddr(host); err == nil {
		ip = a.String()
	}
	if ip == "" {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	if err := n.guard.control("tcp", net.JoinHostPort(ip, port), nil); err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	if conns == nil {
		return nil, refusals()[0]
	}
	ours, theirs := net.Pipe()
	select {
	case conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// got is a request that a receiver has read.
type got struct {
	at     time.Time
	key    string
	method string
	header http.Header
	body   []byte
	events []string // what a webhook's body says, as device/port cause
}

// receiver is a host of the network that serves HTTP.
type receiver struct {
	mu     sync.Mutex
	got    []got
	answer func(w http.ResponseWriter, r *http.Request)
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	g := got{at: time.Now(), key: req.Header.Get(headerIdempotency), method: req.Method, header: req.Header, body: body}
	var v webhookBody
	if json.Unmarshal(body, &v) == nil {
		for _, e := range v.Events {
			g.events = append(g.events, e.DeviceID+"/"+e.PortName+" "+string(e.Cause))
		}
	}
	r.mu.Lock()
	r.got = append(r.got, g)
	answer := r.answer
	r.mu.Unlock()
	answer(w, req)
}

// take answers what came since the last take.
func (r *receiver) take() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.got
	r.got = nil
	return out
}

// last reports whether the last request has a text in it.
func (r *receiver) last(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(r.got[len(r.got)-1].body, []byte(text))
}

func (r *receiver) answers(f http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// box is a dispatcher in made-up time.
type box struct {
	t        *testing.T
	d        *Dispatcher
	q        *memory
	net      *network
	mu       sync.Mutex
	channels map[string]store.Channel
	stop     func()
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// inTime runs f in a bubble of made-up time.
func inTime(t *testing.T, f func(t *testing.T, b *box)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &box{t: t, q: newMemory(t), channels: map[string]store.Channel{}, net: &network{names: map[string]string{}, hosts: map[string]chan net.Conn{}}}
		f(t, b)
		if b.stop != nil {
			b.stop()
		}
	})
}

func (b *box) options() Options {
	return Options{
		Queue: b.q, dial: b.net.dial, BaseURL: "https://box.example.org",
		Channels: ChannelsFunc(func(id string) (store.Channel, bool) {
			b.mu.Lock()
			defer b.mu.Unlock()
			c, ok := b.channels[id]
			return c, ok
		}),
	}
}

// start makes the dispatcher run; a second one is after a restart.
func (b *box) start(change ...func(*Options)) {
	o := b.options()
	for _, c := range change {
		c(&o)
	}
	d, err := New(o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.d, b.net.guard = d, &d.http.guard
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			b.t.Error(err)
		}
		b.stop = nil
	}
	synctest.Wait()
}

// webhook makes a channel and its receiver.
func (b *box) webhook(id string, change ...func(*store.Channel)) *receiver {
	c := store.Channel{ID: id, OrgID: "acme", Name: id, Type: store.ChannelWebhook, Enabled: true, URL: "http://" + id + ".example/in", Secret: "hunter2hunter2"}
	for _, f := range change {
		f(&c)
	}
	b.mu.Lock()
	b.channels[id] = c
	b.mu.Unlock()
	r := &receiver{answer: status(http.StatusNoContent)}
	b.host(id+".example", "8.8.8.8", r)
	return r
}

// host serves HTTP on a name of the network until the test ends.
func (b *box) host(name, address string, h http.Handler) {
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	s := &http.Server{Handler: h}
	b.net.mu.Lock()
	b.net.names[name], b.net.hosts[name] = address, l.conns
	b.net.mu.Unlock()
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			b.t.Error(err)
		}
	}()
	b.t.Cleanup(func() { _ = s.Close() })
}

// comes commits notifications and wakes the dispatcher.
func (b *box) comes(n ...store.Notification) {
	b.keeps(n...)
	b.d.Wake(n)
}

func (b *box) keeps(n ...store.Notification) {
	if err := b.q.PutNotifications(b.t.Context(), n); err != nil {
		b.t.Fatal(err)
	}
}

// after lets time pass and what is to happen in it.
func (b *box) after(d time.Duration) {
	pass(d)
	synctest.Wait()
}

// pass lets time pass.
func pass(d time.Duration) { <-time.After(d) }

func ms() int64 { return time.Now().UnixMilli() }
