package embedded

import (
	"context"
	"fmt"

	"tidegate/store"
)

// AddRejected counts readings as rejected that somebody else has counted so
// until now: a database that is given up. once names what adds them: adding
// under the name of the last call changes nothing. It is durable on return.
// There are no letters of them.
func (s *State) AddRejected(ctx context.Context, once string, hours store.HourCounts) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for hour, counts := range hours {
		for uid, n := range counts {
			if n < 0 {
				return store.Invalid("rejected", "", "device number %d has %d readings in hour %d", uid, n, hour)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if s.meta.Added == once {
		return nil
	}
	err := s.commit(func(c *commitTx) error {
		c.meta.Added = once
		c.meta.Total += hours.Sum()
		return addCounts(c.tx.Bucket(hourBucket), hours)
	})
	if err != nil {
		return fmt.Errorf("count what was rejected elsewhere: %w", err)
	}
	return nil
}
