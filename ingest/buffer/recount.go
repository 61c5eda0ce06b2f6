package buffer

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// Recount replaces what the trimmed records add to the received-counters by
// what fill puts: each hour once, in one transaction. It is for a log that takes
// the place of a lost one: whatever the files behind it have counted was
// received. Records that are still here count as before. Nobody asks for the
// counters meanwhile. When fill answers an error nothing has changed.
func (l *Log) Recount(fill func(put func(hour int64, owners map[uint32]int64) error) error) error {
	l.folding.Lock()
	defer l.folding.Unlock()
	var was, is int64
	err := l.update(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		t, err := parseTail(meta.Get(keyTail))
		if err != nil {
			return err
		}
		if err := tx.DeleteBucket(bucketHours); err != nil {
			return err
		}
		hours, err := tx.CreateBucket(bucketHours)
		if err != nil {
			return err
		}
		was, is = t.total, 0
		err = fill(func(hour int64, owners map[uint32]int64) error {
			counted := map[uint32]int64{}
			for owner, n := range owners {
				switch {
				case n < 0:
					return fmt.Errorf("hour %d has %d readings of device number %d", hour, n, owner)
				case n > 0:
					counted[owner] = n
					is += n
				}
			}
			if hours.Get(hourKey(hour)) != nil {
				return fmt.Errorf("hour %d is put twice", hour)
			}
			if len(counted) == 0 {
				return nil
			}
			return hours.Put(hourKey(hour), appendOwners(nil, counted))
		})
		if err != nil {
			return err
		}
		t.total = is
		return meta.Put(keyTail, t.append(nil))
	})
	if err != nil {
		return fmt.Errorf("recount log %s: %w", l.opts.Path, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.shift(is - was)
	return nil
}
