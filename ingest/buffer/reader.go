package buffer

import (
	"context"
	"fmt"
)

const (
	// So much is read back at once, in stored bytes; at least one chunk.
	readBackBytes = 256 << 10
	// So much of what waits in memory goes into one batch, a single group
	// excepted.
	batchBytes = 4 << 20
)

// Batch is a run of the log without gaps. It is shared between readers: do not
// change it.
type Batch struct {
	First, Last uint64
	Items       []Item
}

// Reader follows the log from a position. While it keeps up it gets the very
// entries that were appended; else it gets their records, read back.
type Reader struct {
	log  *Log
	wake chan struct{}

	// Guarded by log.mu.
	pos    uint64   // handed out through
	queue  []handed // committed, not handed out; empty while behind
	out    []handed // handed out, not released; items nil
	held   int64    // bytes of both
	away   bool
	behind bool  // what follows pos must be read back
	credit int64 // while behind, bytes that may yet be committed
	closed bool
}

// handed is a group on its way through a reader.
type handed struct {
	last  uint64
	items []Item
	bytes int64
	back  bool // was read back
}

// Reader answers a reader of everything behind after, which the log must still
// hold. The log's pace follows it until it is closed.
func (l *Log) Reader(after uint64) (*Reader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed || l.stopping:
		return nil, ErrClosed
	case after < l.trimmed:
		return nil, fmt.Errorf("read log %s after %d: %w: it begins after %d", l.opts.Path, after, ErrTrimmed, l.trimmed)
	case after > l.handed:
		return nil, fmt.Errorf("read log %s after %d: it ends at %d", l.opts.Path, after, l.handed)
	}
	r := &Reader{log: l, wake: make(chan struct{}, 1), pos: after, behind: after < l.handed, credit: l.opts.Window}
	l.readers[r] = struct{}{}
	return r, nil
}

// Close ends the reader: the log no longer waits for it.
func (r *Reader) Close() {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.readers, r)
	r.closed, r.queue = true, nil
	r.kick()
	l.kick()
}

// Next waits for records behind the last batch and answers all that wait, up
// to a bound. What it answered counts against the window until Release;
// waiting for another batch before releasing may wait for ever.
func (r *Reader) Next(ctx context.Context) (Batch, error) {
	l := r.log
	for {
		l.mu.Lock()
		if r.behind && !r.away && r.pos == l.handed {
			r.behind = false // from here on through memory: offer runs under the same lock
			r.credit = l.opts.Window
			l.kick()
		}
		pos, through := r.pos, l.handed
		var err error
		switch {
		case l.failure != nil:
			err = l.failure
		case l.closed || r.closed:
			err = ErrClosed
		}
		behind := r.behind && pos < through
		if err == nil && !behind && len(r.queue) > 0 {
			b := r.pop()
			l.mu.Unlock()
			return b, nil
		}
		l.mu.Unlock()
		if err != nil {
			return Batch{}, err
		}
		if behind {
			return r.readBack(pos, through)
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		}
	}
}

// pop answers what waits in memory. The slice of a single group is handed on
// as it is.
func (r *Reader) pop() Batch {
	n, bytes := 1, r.queue[0].bytes
	for n < len(r.queue) && bytes+r.queue[n].bytes <= batchBytes {
		bytes += r.queue[n].bytes
		n++
	}
	items := r.queue[0].items
	if n > 1 {
		count := 0
		for _, h := range r.queue[:n] {
			count += len(h.items)
		}
		items = make([]Item, 0, count)
		for _, h := range r.queue[:n] {
			items = append(items, h.items...)
		}
	}
	last := r.queue[n-1].last
	clear(r.queue[:n])
	if r.queue = r.queue[n:]; len(r.queue) == 0 {
		r.queue = nil
	}
	b := Batch{First: r.pos + 1, Last: last, Items: items}
	r.out = append(r.out, handed{last: last, bytes: bytes})
	r.pos = last
	return b
}

// readBack answers a piece of pos < seq <= through from the file.
func (r *Reader) readBack(pos, through uint64) (Batch, error) {
	l := r.log
	b := Batch{First: pos + 1, Last: pos}
	bytes := int64(0)
	err := l.readChunks(pos, through, readBackBytes, func(c *chunk) error {
		from := len(b.Items)
		var err error
		if b.Items, err = c.items(l.codec.zr, b.Items); err != nil {
			return err
		}
		if skip := pos + 1 - min(c.first, pos+1); skip > 0 {
			b.Items = append(b.Items[:from], b.Items[from+int(skip):]...)
		}
		for _, it := range b.Items[from:] {
			bytes += int64(len(it.Record))
		}
		b.Last = c.last
		return nil
	})
	if err != nil {
		return Batch{}, fmt.Errorf("read log %s: %w", l.opts.Path, err)
	}
	l.metrics.readBack.Add(float64(len(b.Items)))
	l.mu.Lock()
	defer l.mu.Unlock()
	r.out = append(r.out, handed{last: b.Last, bytes: bytes, back: true})
	r.held += bytes
	r.pos = b.Last
	return b, nil
}

// Release says that everything through is processed. It frees the bytes of the
// batches that it covers wholly.
func (r *Reader) Release(through uint64) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for n < len(r.out) && r.out[n].last <= through {
		r.held -= r.out[n].bytes
		if r.out[n].back {
			// Half of what is drained may be added: the backlog shrinks.
			r.credit = min(r.credit+r.out[n].bytes/2, l.opts.Window)
		}
		n++
	}
	if n > 0 {
		if r.out = r.out[n:]; len(r.out) == 0 {
			r.out = nil
		}
		l.kick()
	}
}

// SetAway says whether the store behind this reader is away. While it is, the
// log does not wait for the reader, and frees the memory of what it has not
// handed out.
func (r *Reader) SetAway(away bool) {
	l := r.log
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.away == away {
		return
	}
	r.away = away
	if away {
		for _, h := range r.queue {
			r.held -= h.bytes
		}
		r.queue, r.behind = nil, true
	}
	r.credit = l.opts.Window
	r.kick()
	l.kick()
}

// offer hands a committed group on; raw is the length of its records. The
// log's lock is held.
func (r *Reader) offer(h handed, raw int64) {
	if r.behind {
		r.credit -= raw
	} else {
		r.queue = append(r.queue, h)
		r.held += h.bytes
	}
	r.kick()
}

func (r *Reader) kick() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
