package api

import (
	"net/netip"
	"sync"
	"time"

	"tidegate/ingest"
)

const (
	throttleFailures  = 10              // failed logins of an address
	throttleWindow    = 5 * time.Minute // in this time
	throttleAddresses = 4096            // remembered at most; beyond it the oldest window goes
)

// throttle counts failed logins by address. An IPv6 address stands for its
// /64, which is what one customer has.
type throttle struct {
	now ingest.Clock

	mu   sync.Mutex
	seen map[netip.Prefix]failures
}

type failures struct {
	count int
	since time.Time
}

func newThrottle(now ingest.Clock) *throttle {
	return &throttle{now: now, seen: map[netip.Prefix]failures{}}
}

func prefixOf(addr string) netip.Prefix {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // the bits fit
	return p
}

// wait answers how long an address has to wait; 0: it may try. What is tried
// counts as failed until succeeded says otherwise, so that attempts side by
// side do not slip through.
func (t *throttle) wait(addr string) time.Duration {
	p := prefixOf(addr)
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	f, ok := t.seen[p]
	if !ok || now.Sub(f.since) >= throttleWindow {
		f = failures{since: now}
		t.evict(now)
	}
	if f.count >= throttleFailures {
		return throttleWindow - now.Sub(f.since)
	}
	f.count++
	t.seen[p] = f
	return 0
}

func (t *throttle) evict(now time.Time) {
	if len(t.seen) < throttleAddresses {
		return
	}
	var oldest netip.Prefix
	first := true
	for p, f := range t.seen {
		if now.Sub(f.since) >= throttleWindow {
			delete(t.seen, p)
			continue
		}
		if first || f.since.Before(t.seen[oldest].since) {
			oldest, first = p, false
		}
	}
	if len(t.seen) >= throttleAddresses {
		delete(t.seen, oldest)
	}
}

// succeeded forgets the failures of an address.
func (t *throttle) succeeded(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.seen, prefixOf(addr))
}
