package broker

import "sync"

// budget bounds the bytes that large packets take while they are read, for the
// whole process. It is handed out in the order of asking.
type budget struct {
	total int64
	turn  chan struct{} // held by the one that is next
	freed chan struct{}

	mu   sync.Mutex
	free int64
}

func newBudget(total int64) *budget {
	return &budget{total: total, free: total, turn: make(chan struct{}, 1), freed: make(chan struct{}, 1)}
}

// acquire waits for n bytes, or for everything when n is more. It answers what
// to release, or false when stop was closed first.
func (b *budget) acquire(n int64, stop <-chan struct{}) (int64, bool) {
	n = min(n, b.total)
	select {
	case b.turn <- struct{}{}:
	case <-stop:
		return 0, false
	}
	defer func() { <-b.turn }()
	for {
		b.mu.Lock()
		if b.free >= n {
			b.free -= n
			b.mu.Unlock()
			return n, true
		}
		b.mu.Unlock()
		select {
		case <-b.freed:
		case <-stop:
			return 0, false
		}
	}
}

func (b *budget) release(n int64) {
	b.mu.Lock()
	b.free += n
	b.mu.Unlock()
	select {
	case b.freed <- struct{}{}:
	default:
	}
}
