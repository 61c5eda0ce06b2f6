package transfer

import (
	"context"
	"errors"
	"time"

	"tidegate/store"
)

// Source is a store of readings that nobody writes into.
type Source interface {
	store.Readings
	store.Counters
	store.Lister
}

// Target is a store of readings that another one's are brought into.
type Target interface {
	Source
	store.Importer
}

// Job says what is brought where. Fields without a comment are needed.
type Job struct {
	From Source
	To   Target
	// Calibrations answers those of a port; none of one that is no longer known.
	Calibrations func(store.Series) []store.Calibration
	Name         func(store.Series) string // for people
	// Tell takes how many readings are behind, and what is waited for; nil:
	// nobody listens.
	Tell func(readings uint64, waiting error)
	// Patience is how long a store that is away is waited for; 0: not at all.
	Patience time.Duration
	Batch    int // readings at a time; 0: 20,000
	// After leaves out what is before it, Unix ms: readings that the source may
	// remove by itself meanwhile. 0: nothing is left out.
	After int64
}

const defaultBatch = 20_000

func (j *Job) batch() int {
	if j.Batch == 0 {
		return defaultBatch
	}
	return j.Batch
}

func (j *Job) tell(readings uint64, waiting error) {
	if j.Tell != nil {
		j.Tell(readings, waiting)
	}
}

// Waits between two tries.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 5 * time.Second
)

// insist repeats step while a store is away. It must be safe to repeat.
func (j *Job) insist(ctx context.Context, readings uint64, step func() error) error {
	var since time.Time
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := step()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.Is(err, store.ErrUnavailable):
			return err
		case since.IsZero():
			since = time.Now()
		}
		if time.Since(since) >= j.Patience {
			return err
		}
		j.tell(readings, err)
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// Wait repeats step while a store is away.
func (j *Job) Wait(ctx context.Context, step func() error) error { return j.insist(ctx, 0, step) }

// Count answers how many readings the series have.
func Count(all []store.Extent) (n uint64) {
	for i := range all {
		n += all[i].Count
	}
	return n
}

// List answers the series of a store. The counts are those of all readings, also
// of those before After.
func (j *Job) List(ctx context.Context, of store.Lister) (all []store.Extent, err error) {
	err = j.insist(ctx, 0, func() (err error) {
		all, err = of.ListSeries(ctx)
		return err
	})
	if j.After == 0 {
		return all, err
	}
	late := all[:0]
	for _, e := range all {
		if e.Last >= j.After {
			e.First = max(e.First, j.After)
			late = append(late, e)
		}
	}
	return late, err
}

// pages calls fn with all readings of a series between two times, both
// included, in order of time, a batch at a time.
func (j *Job) pages(ctx context.Context, from store.Readings, sr store.Series, first, last int64, behind func() uint64, fn func([]store.Sample) error) error {
	q := store.Scan{Series: []store.Series{sr}, From: first, To: last + 1, Limit: j.batch()}
	var samples []store.Sample
	for {
		var rows []store.Row
		err := j.insist(ctx, behind(), func() (err error) {
			rows, err = from.Scan(ctx, q)
			return err
		})
		if err != nil {
			return err
		}
		samples = samples[:0]
		for i := range rows {
			samples = append(samples, rows[i].Sample)
		}
		if len(samples) > 0 {
			if err := fn(samples); err != nil {
				return err
			}
		}
		if len(rows) < q.Limit {
			return nil
		}
		q.After = &store.RowKey{TS: rows[len(rows)-1].Sample.TS}
	}
}
