package api

import (
	"crypto/sha256"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"tidegate/ingest"
)

// Failed logins that are taken within a window: five minutes, for one user from
// everywhere an hour. Beyond it 429 answers, until the window ends; nothing is
// hashed.
//
// What is chosen, and why:
//
//   - One address for one user: a person who mistypes has ten attempts. An
//     attacker has as many, and keeps nobody else out: other addresses count by
//     themselves.
//   - One address for all users: enough for a plant behind one router, few for
//     whoever tries one password on many users.
//   - One user from all addresses, and the whole box: many addresses together
//     (a botnet, an IPv6 prefix) get no more guesses than that. This alone would
//     let an attacker lock a person out for good, therefore it does not count at
//     an address where the user is logged in; a reset link lets in all the same,
//     and the box's own socket is never throttled.
//
// A user that there is not is counted like one that there is.
const (
	throttleWindow  = 5 * time.Minute
	userWindow      = time.Hour
	pairFailures    = 10
	addressFailures = 50
	userFailures    = 100
	boxFailures     = 1000

	throttleKept = 4096 // counters of each kind; beyond it the oldest window goes
)

// throttle counts failed logins. An IPv6 address stands for its /64, which is
// what one customer has.
type throttle struct {
	now ingest.Clock

	mu      sync.Mutex
	pairs   counters[pairKey]
	address counters[netip.Prefix]
	users   counters[userKey]
	box     counters[struct{}]
}

// userKey stands for an email address of any length.
type userKey [16]byte

type pairKey struct {
	addr netip.Prefix
	user userKey
}

func newThrottle(now ingest.Clock) *throttle {
	return &throttle{
		now: now, pairs: newCounters[pairKey](pairFailures, throttleWindow), address: newCounters[netip.Prefix](addressFailures, throttleWindow),
		users: newCounters[userKey](userFailures, userWindow), box: newCounters[struct{}](boxFailures, throttleWindow),
	}
}

func userKeyOf(email string) (k userKey) {
	sum := sha256.Sum256([]byte(strings.ToLower(email)))
	copy(k[:], sum[:])
	return k
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

// attempt is one that was let through.
type attempt struct {
	t    *throttle // nil: nothing is counted
	pair pairKey
}

// begin lets an attempt of an address for a user through, or answers how long
// to wait. atHome says that the user is logged in at the address. What is let
// through counts as failed until it succeeded, so that attempts side by side do
// not slip through.
func (t *throttle) begin(addr, email string, atHome bool) (attempt, error) {
	if addr == "" {
		return attempt{}, nil
	}
	k := pairKey{prefixOf(addr), userKeyOf(email)}
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	wait := max(t.pairs.wait(k, now), t.address.wait(k.addr, now))
	if !atHome {
		wait = max(wait, t.users.wait(k.user, now), t.box.wait(struct{}{}, now))
	}
	if wait > 0 {
		p := problem(http.StatusTooManyRequests, "too_many_requests", fmt.Sprintf("too many failed logins; try again in %s", wait.Round(time.Second)))
		p.retryAfter = int(math.Ceil(wait.Seconds()))
		return attempt{}, p
	}
	t.pairs.add(k, now)
	t.address.add(k.addr, now)
	t.users.add(k.user, now)
	t.box.add(struct{}{}, now)
	return attempt{t, k}, nil
}

// succeeded takes the attempt back, and all earlier ones of the same pair. Those
// of the address for other users stay: a login of one's own buys no guesses.
func (a attempt) succeeded() {
	if a.t == nil {
		return
	}
	a.t.mu.Lock()
	defer a.t.mu.Unlock()
	n := a.t.pairs.seen[a.pair].count
	a.t.pairs.take(a.pair, n)
	a.t.address.take(a.pair.addr, n)
	a.t.users.take(a.pair.user, n)
	a.t.box.take(struct{}{}, n)
}

// counters are failures by what they are counted by, each in a window of its
// own that begins with the first.
type counters[K comparable] struct {
	allowed int
	window  time.Duration
	seen    map[K]failures
}

type failures struct {
	count int
	since time.Time
}

func newCounters[K comparable](allowed int, window time.Duration) counters[K] {
	return counters[K]{allowed, window, map[K]failures{}}
}

// wait answers how long until another is allowed; 0: it is.
func (c counters[K]) wait(k K, now time.Time) time.Duration {
	f := c.seen[k]
	if f.count < c.allowed {
		return 0
	}
	return max(0, c.window-now.Sub(f.since))
}

func (c counters[K]) add(k K, now time.Time) {
	f, ok := c.seen[k]
	if !ok || now.Sub(f.since) >= c.window {
		delete(c.seen, k)
		c.evict(now)
		f = failures{since: now}
	}
	f.count++
	c.seen[k] = f
}

func (c counters[K]) take(k K, n int) {
	f := c.seen[k]
	if f.count -= n; f.count > 0 {
		c.seen[k] = f
	} else {
		delete(c.seen, k)
	}
}

func (c counters[K]) evict(now time.Time) {
	if len(c.seen) < throttleKept {
		return
	}
	var oldest K
	first := true
	for k, f := range c.seen {
		if now.Sub(f.since) >= c.window {
			delete(c.seen, k)
			continue
		}
		if first || f.since.Before(c.seen[oldest].since) {
			oldest, first = k, false
		}
	}
	if len(c.seen) >= throttleKept {
		delete(c.seen, oldest)
	}
}
