package buffer

import (
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// So much is worth a commit before Linger has passed: load is not stalled.
	gatherRecords = 512
	gatherBytes   = 64 << 10
	// As many as came in the latest commits that lingered are worth one too:
	// then most likely everybody who waited for the acks has answered, and
	// waiting longer would only stall them. Fewer than sameLeast never are. After
	// earlyMost such commits one lingers all the same, to learn how many would
	// come: a steady flow that nobody waits for must not stay with small commits
	// because it began with small ones.
	sameCommits = 8
	sameLeast   = 16
	earlyMost   = 64
	// So much goes into one commit at most, a single larger entry excepted.
	commitBytes = 4 << 20

	retryFirst = 50 * time.Millisecond
	retryMost  = 2 * time.Second
)

// commitLoop is the committer: while one group is in its fsync the next
// gathers in the queue.
func (l *Log) commitLoop() {
	defer close(l.done)
	for {
		items, size := l.take()
		if items == nil {
			break
		}
		if err := l.commit(items, size); err != nil {
			for i := range items {
				items[i].Entry.Committed(0, err)
			}
		}
	}
	l.mu.Lock()
	rest, err := l.queue, l.failure
	l.queue, l.queued, l.unacked = nil, 0, 0
	l.mu.Unlock()
	if err == nil {
		err = ErrClosed
	}
	for i := range rest {
		rest[i].Entry.Committed(0, err)
	}
}

// take waits until there is something to commit, and leave to do so, and
// answers it with its bytes; nil: there will be nothing more.
func (l *Log) take() ([]Item, int64) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var waiting, lingered bool
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.failure != nil || l.stopping && len(l.queue) == 0 {
			return nil, 0
		}
		if len(l.queue) > 0 {
			linger := l.opts.Linger - time.Since(l.began)
			if l.stopping || l.enough {
				linger = 0
			}
			limit := int64(commitBytes)
			if linger <= 0 {
				limit = l.allowance()
			}
			switch {
			case linger > 0:
				lingered = true
				timer.Reset(linger)
			case limit > 0 || l.stopping:
				return l.cut(limit, lingered && !l.enough)
			case !waiting:
				waiting = true
				l.metrics.paced.Inc()
			}
		}
		closing := l.closing
		if l.stopping {
			closing = nil
		}
		l.mu.Unlock()
		select {
		case <-l.kicked:
		case <-timer.C:
		case <-closing:
		}
		l.mu.Lock()
	}
}

// allowance answers how many bytes may be committed now; 0: a reader must
// release something first.
func (l *Log) allowance() int64 {
	first := int64(l.queue[0].Entry.Size())
	need := max(first, min(l.queued, commitBytes, l.opts.Window/4))
	limit := int64(commitBytes)
	for r := range l.readers {
		switch {
		case r.away:
		case r.behind:
			if r.credit <= 0 {
				return 0
			}
		case r.held == 0: // one entry may be larger than the window
			limit = min(limit, max(l.opts.Window, first))
		case r.held+need > l.opts.Window:
			return 0
		default:
			limit = min(limit, l.opts.Window-r.held)
		}
	}
	return limit
}

// cut takes up to limit bytes from the queue, at least one entry. lingered:
// Linger has passed over them.
func (l *Log) cut(limit int64, lingered bool) ([]Item, int64) {
	l.began = time.Now()
	if l.stopping {
		limit = commitBytes
	}
	items, size := l.queue, l.queued
	l.pace.note(len(items), lingered)
	l.queue, l.queued, l.enough = nil, 0, false
	if size > limit {
		n, taken := 0, int64(0)
		for n == 0 || taken+int64(items[n].Entry.Size()) <= limit {
			taken += int64(items[n].Entry.Size())
			n++
		}
		l.queue = append(make([]Item, 0, 2*(len(items)-n)), items[n:]...)
		l.queued = size - taken
		l.enough = len(l.queue) > 0 // they have waited for the commit before
		clear(items[n:])
		return items[:n:n], taken
	}
	l.queue = make([]Item, 0, min(len(items), 4096))
	return items, size
}

// pace remembers how much came while the latest commits lingered.
type pace struct {
	sizes [sameCommits]int // of commits that lingered to the end
	last  int              // the newest of them
	early int              // so many more need not linger
	same  int              // entries that are worth a commit
}

// note takes the size of a commit and whether it lingered to the end.
func (p *pace) note(n int, lingered bool) {
	if lingered {
		p.last, p.early = (p.last+1)%sameCommits, earlyMost
		p.sizes[p.last] = n
	} else {
		p.early--
		p.sizes[p.last] = max(p.sizes[p.last], n)
	}
	p.same = max(sameLeast, slices.Max(p.sizes[:]))
}

// reached reports whether n entries are as many as the latest commits had.
func (p *pace) reached(n int) bool { return p.early > 0 && n >= p.same }

// commit writes a group, acks it and hands it on. It answers an error when the
// group will never be acked.
func (l *Log) commit(items []Item, size int64) error {
	l.mu.Lock()
	first, prev := l.head+1, l.prev
	l.mu.Unlock()
	for i := range items {
		items[i].Seq = first + uint64(i)
	}
	start := time.Now()
	g := l.codec.encode(first, prev, items)
	if err := l.write(g); err != nil {
		return err
	}
	l.metrics.commitSeconds.Observe(time.Since(start).Seconds())
	l.metrics.records.Add(float64(len(items)))
	l.metrics.written.Add(float64(g.stored))

	last := first + uint64(len(items)) - 1
	l.mu.Lock()
	l.head, l.prev = last, g.hash
	l.bytes += g.stored + int64(len(g.chunks))*chunkOverhead
	for i := range items {
		l.counts.add(items[i].Entry.Tally())
	}
	l.counts.mark(last)
	l.mu.Unlock()

	for i := range items {
		items[i].Entry.Committed(items[i].Seq, nil)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	l.unacked -= size
	l.room.Broadcast()
	l.handed = last
	for r := range l.readers {
		r.offer(handed{last: last, items: items, bytes: size}, int64(g.raw))
	}
	return nil
}

// write repeats the transaction while there is no room. The same chunks are
// written each time, so that one that took effect although it reported an
// error is not written twice.
func (l *Log) write(g *group) error {
	wait := retryFirst
	for {
		err := l.roomFor()
		if err == nil {
			err = l.update(func(tx *bolt.Tx) error {
				b := tx.Bucket(bucketLog)
				b.FillPercent = 1 // keys only grow
				for i := range g.chunks {
					if err := b.Put(key(g.chunks[i].first), g.chunks[i].value); err != nil {
						return fmt.Errorf("put records at %d: %w", g.chunks[i].first, err)
					}
				}
				return nil
			})
		}
		switch {
		case err == nil:
			if l.full.Swap(false) {
				l.logger.Info("log has room again", "path", l.opts.Path)
			}
			return nil
		case !errors.Is(err, ErrFull):
			return err
		}
		if !l.full.Swap(true) {
			l.logger.Warn("log is full; acks are withheld", "path", l.opts.Path, "cause", err)
		}
		l.mu.Lock()
		l.room.Broadcast() // who waits for room gets ErrFull
		l.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			wait = min(2*wait, retryMost)
		case <-l.freed:
			wait = retryFirst
		case <-l.closing:
			timer.Stop()
			return ErrClosed
		}
		timer.Stop()
	}
}

// roomFor answers ErrFull when the size limit is reached.
func (l *Log) roomFor() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bytes >= l.opts.MaxSize {
		return fmt.Errorf("%w: %d of %d bytes", ErrFull, l.bytes, l.opts.MaxSize)
	}
	return nil
}
