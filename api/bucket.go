package api

import (
	"container/list"
	"math"
	"sync"
	"time"

	"tidegate/ingest"
)

// buckets are token buckets by key: each holds burst tokens at most, and gets
// rate a second. What is remembered is bounded: of more than bucketsKept keys
// the one that was asked for the longest time ago is forgotten, and is full when
// it comes again.
type buckets struct {
	rate, burst float64
	now         ingest.Clock

	mu     sync.Mutex
	byKey  map[string]*list.Element // of *bucket
	recent *list.List               // the newest first
}

const bucketsKept = 8192 // about 2 MiB

type bucket struct {
	key    string
	tokens float64
	at     time.Time // when it had so many
}

// newBuckets answers nil for a rate of 0, which limits nothing.
func newBuckets(rate int, now ingest.Clock) *buckets {
	if rate <= 0 {
		return nil
	}
	return &buckets{rate: float64(rate), burst: 2 * float64(rate), now: now, byKey: map[string]*list.Element{}, recent: list.New()}
}

// allowance says whether a token was there, and how it is now.
type allowance struct {
	ok    bool
	left  int           // tokens
	full  time.Duration // until there are burst again
	retry time.Duration // until there is one; 0: there is
}

// take takes a token; peek only looks whether there is one.
func (b *buckets) take(key string) allowance { return b.ask(key, 1) }
func (b *buckets) peek(key string) allowance { return b.ask(key, 0) }

func (b *buckets) ask(key string, tokens float64) allowance {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.find(key)
	ok := k.tokens >= 1
	if ok {
		k.tokens -= tokens
	}
	g := allowance{ok: ok, left: int(k.tokens), full: b.until(k, b.burst)}
	if k.tokens < 1 {
		g.retry = b.until(k, 1)
	}
	return g
}

func (b *buckets) until(k *bucket, tokens float64) time.Duration {
	return time.Duration(math.Ceil((tokens - k.tokens) / b.rate * float64(time.Second)))
}

// find answers a bucket as it is now; the caller holds the lock.
func (b *buckets) find(key string) *bucket {
	now := b.now()
	if e := b.byKey[key]; e != nil {
		b.recent.MoveToFront(e)
		k, _ := e.Value.(*bucket)
		if passed := now.Sub(k.at); passed > 0 { // a clock that was set back gives nothing, and takes nothing
			k.tokens = min(b.burst, k.tokens+passed.Seconds()*b.rate)
		}
		k.at = now
		return k
	}
	if len(b.byKey) >= bucketsKept {
		oldest := b.recent.Back()
		k, _ := oldest.Value.(*bucket)
		delete(b.byKey, k.key)
		b.recent.Remove(oldest)
	}
	k := &bucket{key, b.burst, now}
	b.byKey[key] = b.recent.PushFront(k)
	return k
}
