package buffer

import (
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Received answers how much all records since the log was made add up to, and
// how much of that the records behind after do: both of the same moment.
func (l *Log) Received(after uint64) (received, pending int64, err error) {
	upTo, err := l.through(after)
	if err != nil {
		return 0, 0, fmt.Errorf("count log %s behind %d: %w", l.opts.Path, after, err)
	}
	// What stands up to after does not change any more: no lock is needed
	// between the two.
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts.total, l.counts.total - upTo, nil
}

// through answers the total of all records up to and including seq.
func (l *Log) through(seq uint64) (int64, error) {
	l.mu.Lock()
	m, ok := l.counts.before(seq)
	head, trimmed := l.head, l.trimmed
	l.mu.Unlock()
	switch {
	case seq > head:
		return 0, fmt.Errorf("it ends at %d", head)
	case !ok:
		return 0, fmt.Errorf("%w: it begins after %d", ErrTrimmed, trimmed)
	}
	err := l.eachChunk(m.seq, seq, func(c *chunk) error {
		return c.eachTally(m.seq, seq, func(_ int64, _ uint32, n int64) { m.total += n })
	})
	return m.total, err
}

// ReceivedHours calls received with what all records since the log was made
// add up to in each hour from <= hour < to, and pending with what the records
// behind after do, both of the same moment. Either may be called more than
// once for an hour and owner: the calls add up. It reads the records behind
// after, or those before it, whichever are fewer; Trim waits for it.
func (l *Log) ReceivedHours(after uint64, from, to int64, received, pending func(hour int64, owner uint32, n int64)) error {
	l.folding.RLock()
	defer l.folding.RUnlock()
	l.mu.Lock()
	trimmed, head := l.trimmed, l.head
	untrimmed := map[int64]map[uint32]int64{}
	for hour, owners := range l.counts.hours {
		if hour >= from && hour < to {
			for owner, n := range owners {
				addCount(untrimmed, hour, owner, n)
			}
		}
	}
	l.mu.Unlock()
	if after < trimmed || after > head {
		return fmt.Errorf("count log %s behind %d: %w: it holds what is behind %d and up to %d",
			l.opts.Path, after, ErrTrimmed, trimmed, head)
	}
	if err := l.durableHours(from, to, received); err != nil {
		return fmt.Errorf("count log %s: %w", l.opts.Path, err)
	}
	eachCount(untrimmed, received)

	low, high, sign := after, head, int64(1)
	if after-trimmed < head-after {
		low, high, sign = trimmed, after, -1
		eachCount(untrimmed, pending)
	}
	err := l.eachChunk(low, high, func(c *chunk) error {
		return c.eachTally(low, high, func(hour int64, owner uint32, n int64) {
			if hour >= from && hour < to {
				pending(hour, owner, sign*n)
			}
		})
	})
	if err != nil {
		return fmt.Errorf("count log %s: %w", l.opts.Path, err)
	}
	return nil
}

func eachCount(hours map[int64]map[uint32]int64, fn func(hour int64, owner uint32, n int64)) {
	for hour, owners := range hours {
		for owner, n := range owners {
			fn(hour, owner, n)
		}
	}
}

// durableHours copies an hour at a time, so that no transaction is open while
// fn works.
func (l *Log) durableHours(from, to int64, fn func(hour int64, owner uint32, n int64)) error {
	for next := from; next < to; {
		var value []byte
		hour, found := int64(0), false
		err := l.db.View(func(tx *bolt.Tx) error {
			k, v := tx.Bucket(bucketHours).Cursor().Seek(hourKey(next))
			if k == nil {
				return nil
			}
			found, value = true, append(value, v...)
			var err error
			hour, err = parseHourKey(k)
			return err
		})
		if errors.Is(err, berrors.ErrDatabaseNotOpen) {
			return ErrClosed
		}
		if err != nil || !found || hour >= to {
			return err
		}
		if err := eachOwner(value, func(owner uint32, n int64) { fn(hour, owner, n) }); err != nil {
			return err
		}
		next = hour + 1
	}
	return nil
}
