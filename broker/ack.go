package broker

import "sync"

// acks is the queue of the PUBACKs that a connection owes, in the order of its
// PUBLISHes. An entry leaves the queue when it and all before it are settled;
// that frees its place in the window, and only then is the ack written: a
// client that has seen a PUBACK may send the next PUBLISH at once.
//
// Whoever settles never writes: a goroutine does, which exists while there is
// something to write, and puts all that has gathered into one Write.
type acks struct {
	write func([]byte) error
	wrote func(n int, oldest int64) // n acks, the oldest of which was queued at oldest

	mu      sync.Mutex
	queue   []owed
	head    int    // queue[:head] is gone
	base    uint64 // token of queue[head]
	out     []byte // to be written
	count   int    // acks in out
	oldest  int64  // of the first in out
	writing bool
	broken  bool          // the connection is gone: settle, do not write
	room    chan struct{} // when not nil, closed as places become free
	quiet   chan struct{} // when not nil, closed when nothing is owed
}

// owed is one PUBACK.
type owed struct {
	at   int64 // when it was queued, in the caller's time
	id   uint16
	code byte
	done bool
}

// keptOwed is how large an empty queue may stay in memory.
const keptOwed = 64

// push queues an ack and answers its token. When done, the ack is not waited
// for.
func (a *acks) push(id uint16, at int64, done bool, code byte) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.head > 0 && len(a.queue) == cap(a.queue) {
		a.queue = a.queue[:copy(a.queue, a.queue[a.head:])]
		a.head = 0
	}
	a.queue = append(a.queue, owed{at: at, id: id, code: code, done: done})
	token := a.base + uint64(len(a.queue)-a.head) - 1
	if done {
		a.advance()
	}
	return token
}

// settle says that the message of the token is on disk.
func (a *acks) settle(token uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := token - a.base
	if i >= uint64(len(a.queue)-a.head) {
		return
	}
	a.queue[a.head+int(i)].done = true
	a.advance()
}

// advance moves what is settled at the head of the queue to out.
func (a *acks) advance() {
	moved := false
	for a.head < len(a.queue) && a.queue[a.head].done {
		o := a.queue[a.head]
		a.head++
		a.base++
		moved = true
		if a.broken {
			continue
		}
		if a.count == 0 {
			a.oldest = o.at
		}
		a.count++
		if o.code == 0 {
			a.out = append(a.out, 0x40, 2, byte(o.id>>8), byte(o.id)) // valid in 3.1.1 and 5
		} else {
			a.out = append(a.out, 0x40, 3, byte(o.id>>8), byte(o.id), o.code)
		}
	}
	if !moved {
		return
	}
	if a.room != nil {
		close(a.room)
		a.room = nil
	}
	if a.head == len(a.queue) {
		a.head, a.queue = 0, a.queue[:0]
		if cap(a.queue) > keptOwed {
			a.queue = nil
		}
	}
	if len(a.out) > 0 && !a.writing {
		a.writing = true
		go a.drain()
		return
	}
	a.hush()
}

func (a *acks) drain() {
	for {
		a.mu.Lock()
		b, n, oldest := a.out, a.count, a.oldest
		a.out, a.count = nil, 0
		if len(b) == 0 {
			a.writing = false
			a.hush()
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		if a.write(b) == nil {
			a.wrote(n, oldest)
		}
	}
}

// hush wakes who waits until nothing is owed.
func (a *acks) hush() {
	if a.quiet != nil && !a.writing && a.head == len(a.queue) {
		close(a.quiet)
		a.quiet = nil
	}
}

// breakOff says that the connection is gone: what is still settled is dropped.
func (a *acks) breakOff() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = true
	a.out, a.count = nil, 0
}

// owes reports whether the ack of packet id is pending.
func (a *acks) owes(id uint16) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.queue[a.head:] {
		if o.id == id {
			return true
		}
	}
	return false
}

// full answers nil while fewer than limit acks are owed, else a channel that is
// closed when that may have changed.
func (a *acks) full(limit int) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.queue)-a.head < limit {
		return nil
	}
	if a.room == nil {
		a.room = make(chan struct{})
	}
	return a.room
}

// idle answers a channel that is closed when no ack is owed.
func (a *acks) idle() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := make(chan struct{})
	if !a.writing && a.head == len(a.queue) {
		close(c)
		return c
	}
	a.quiet = c
	return c
}
