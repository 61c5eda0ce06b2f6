package embedded

import (
	"context"
	"fmt"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// Finish implements store.Journal.
func (j *Journal) Finish(ctx context.Context, o store.Outcome) error {
	dropped := 0
	err := j.changeCounters(ctx, "note what the database has", func(tx *bbolt.Tx, m *journalMeta) (err error) {
		if err := m.mayReach(tx, o.Through); err != nil {
			return err
		}
		if err := m.count(tx, o.Stored, o.Duplicate); err != nil {
			return err
		}
		if dropped, err = m.refuse(tx, o.Refused); err != nil {
			return err
		}
		m.Applied, m.Import = o.Through, ""
		return dropIntent(tx, m)
	})
	if err == nil && dropped > 0 {
		j.log.Warn("refused readings dropped by their limits, their count stays", "dropped", dropped)
	}
	return err
}

// count adds to the counters.
func (m *journalMeta) count(tx *bbolt.Tx, stored, duplicate store.HourCounts) error {
	if err := addHours(tx.Bucket(hoursBucket), stored, duplicate); err != nil {
		return fileError(store.ErrInvalid, tx.DB().Path(), "is damaged: %v; %s", err, wayOut)
	}
	m.Stored += uint64(stored.Sum())
	m.Duplicate += uint64(duplicate.Sum())
	return nil
}

// Reset implements store.Journal.
func (j *Journal) Reset(ctx context.Context, log store.LogID, applied uint64, stored, duplicate store.HourCounts) error {
	if err := checkCounters(log, stored, duplicate); err != nil {
		return err
	}
	return j.changeCounters(ctx, "replace the counters", func(tx *bbolt.Tx, m *journalMeta) error {
		if m.Intent != nil {
			return fileError(store.ErrConflict, j.db.Path(), "is still sending the log up to position %d; run `tidegate serve` with the MONGO_URI of %s until it has", m.Intent.Through, m.TargetName)
		}
		if err := tx.DeleteBucket(hoursBucket); err != nil {
			return err
		}
		if _, err := tx.CreateBucket(hoursBucket); err != nil {
			return err
		}
		m.Log, m.Applied, m.Stored, m.Duplicate = log, applied, 0, 0
		m.Import = importEnded
		return m.count(tx, stored, duplicate)
	})
}

// checkCounters refuses counters that no store can have come to.
func checkCounters(log store.LogID, counts ...store.HourCounts) error {
	if log == (store.LogID{}) {
		return store.Invalid("counters", "log", "is missing")
	}
	for _, hours := range counts {
		for hour, c := range hours {
			for uid, n := range c {
				if n < 0 {
					return store.Invalid("counters", "", "device number %d has %d readings in hour %d", uid, n, hour)
				}
			}
		}
	}
	return nil
}

// Totals implements store.Counters.
func (j *Journal) Totals(ctx context.Context) (stored, duplicate uint64, err error) {
	m, err := j.read(ctx)
	return m.Stored, m.Duplicate, err
}

// Hours implements store.Counters.
func (j *Journal) Hours(ctx context.Context, fromHour, toHour int64, stored, duplicate store.HourCounts) error {
	return j.hours(ctx, func(tx *bbolt.Tx) error {
		return readHours(tx.Bucket(hoursBucket), fromHour, toHour, stored, duplicate)
	})
}

// Refused implements store.Refuser.
func (j *Journal) Refused(ctx context.Context) (uint64, error) {
	m, err := j.read(ctx)
	return m.Refused, err
}

// RefusedHours implements store.Refuser.
func (j *Journal) RefusedHours(ctx context.Context, fromHour, toHour int64, into store.HourCounts) error {
	return j.hours(ctx, func(tx *bbolt.Tx) error {
		return readCounts(tx.Bucket(refusedHoursBucket), fromHour, toHour, into)
	})
}

// hours reads counts by hour at a moment when they are what the totals say.
func (j *Journal) hours(ctx context.Context, fn func(tx *bbolt.Tx) error) error {
	j.committing.RLock()
	defer j.committing.RUnlock()
	if _, err := j.read(ctx); err != nil {
		return err
	}
	if err := view(j.db, fn); err != nil {
		return fmt.Errorf("read the counters of %s: %w", j.db.Path(), err)
	}
	return nil
}
