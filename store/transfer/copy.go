package transfer

import (
	"cmp"
	"context"
	"fmt"
	"sort"
	"time"

	"tidegate/store"
)

// Place is how far a copy has come: every series before Series, and of it what
// lies at or before TS.
type Place struct {
	Series store.Series `json:"series"`
	TS     int64        `json:"ts"`
}

// keepEvery is the time between two notes of the place.
const keepEvery = time.Second

// Copy brings what lies behind place into the target; the zero Place is all.
// keep is told every second, and at the end, how far everything is durable
// there.
func (j *Job) Copy(ctx context.Context, all []store.Extent, place Place, keep func(Place) error) error {
	next := sort.Search(len(all), func(i int) bool { return compare(all[i].Series, place.Series) >= 0 })
	behind := Count(all[:next])
	j.tell(behind, nil)
	kept := time.Now()
	for _, e := range all[next:] {
		first := e.First
		if e.Series == place.Series && place != (Place{}) {
			first = max(first, place.TS+1)
		}
		place = Place{Series: e.Series, TS: first - 1}
		n := behind
		err := j.pages(ctx, j.From, e.Series, first, e.Last, func() uint64 { return n }, func(samples []store.Sample) error {
			err := j.insist(ctx, n, func() error {
				_, err := j.To.ImportSamples(ctx, e.Series, j.Calibrations(e.Series), samples)
				return err
			})
			if err != nil {
				return err
			}
			place.TS = samples[len(samples)-1].TS
			n += uint64(len(samples))
			j.tell(n, nil)
			if time.Since(kept) < keepEvery {
				return nil
			}
			kept = time.Now()
			return keep(place)
		})
		if err != nil {
			return fmt.Errorf("copy %s: %w", j.Name(e.Series), err)
		}
		place.TS = e.Last
		behind += e.Count
		j.tell(behind, nil)
	}
	return keep(place)
}

// CopyCounters brings over what the ledger says, and with it the position in
// the log: the last step, behind which the target follows that log. It may be
// repeated.
func (j *Job) CopyCounters(ctx context.Context, log store.LogID, applied uint64) error {
	stored, duplicate, err := counters(ctx, j.From)
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	err = j.insist(ctx, 0, func() error { return j.To.SetCounters(ctx, log, applied, stored, duplicate) })
	if err != nil {
		return fmt.Errorf("copy the ledger: %w", err)
	}
	return nil
}

func compare(a, b store.Series) int {
	return cmp.Or(cmp.Compare(a.UID, b.UID), cmp.Compare(a.Port, b.Port))
}
