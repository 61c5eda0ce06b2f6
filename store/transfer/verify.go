package transfer

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"tidegate/store"
)

// Difference is a port's day on which the two sides do not have the same.
type Difference struct {
	Port string `json:"port"`
	Day  string `json:"day"` // of UTC
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

func (d Difference) String() string {
	if d.From == d.To {
		return fmt.Sprintf("%s on %s: %d readings on both sides, and they are not the same", d.Port, d.Day, d.From)
	}
	return fmt.Sprintf("%s on %s: %d readings in the source, %d in the target", d.Port, d.Day, d.From, d.To)
}

// Report is what Verify found.
type Report struct {
	Series      int          `json:"series"`
	Days        int          `json:"days"` // of all ports together
	Readings    uint64       `json:"readings"`
	Different   int          `json:"different"`
	Differences []Difference `json:"differences,omitempty"` // the first of them
}

const mostDifferences = 20

// Err answers what is wrong by name; nil: nothing.
func (r *Report) Err() error {
	if r.Different == 0 {
		return nil
	}
	var names []string
	for _, d := range r.Differences {
		names = append(names, d.String())
	}
	if more := r.Different - len(r.Differences); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Errorf("%w: of %d days of ports %d differ:\n%s", store.ErrConflict, r.Days, r.Different, strings.Join(names, "\n"))
}

// Verify compares all readings of both sides.
func (j *Job) Verify(ctx context.Context) (r Report, err error) {
	from, err := j.List(ctx, j.From)
	if err != nil {
		return r, err
	}
	to, err := j.List(ctx, j.To)
	if err != nil {
		return r, err
	}
	spans := join(from, to)
	r.Series = len(spans)
	listed := map[store.Series][2]uint64{}
	for i, side := range [...][]store.Extent{from, to} {
		for _, e := range side {
			n := listed[e.Series]
			n[i] = e.Count
			listed[e.Series] = n
		}
	}
	for _, e := range spans {
		a, err := j.days(ctx, j.From, e, &r)
		if err != nil {
			return r, fmt.Errorf("verify %s in the source: %w", j.Name(e.Series), err)
		}
		b, err := j.days(ctx, j.To, e, nil)
		if err != nil {
			return r, fmt.Errorf("verify %s in the target: %w", j.Name(e.Series), err)
		}
		if different := r.Different; j.compareDays(e.Series, a, b, &r) == different && j.After == 0 {
			// Two readings of one time may pass for one where a page ends.
			j.compareCounts(e.Series, listed[e.Series], a, &r)
		}
		j.tell(r.Readings, nil)
	}
	return r, nil
}

// join answers the series of either side, with the times of both.
func join(a, b []store.Extent) []store.Extent {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(a, b store.Extent) int { return compare(a.Series, b.Series) })
	var out []store.Extent
	for _, e := range all {
		if n := len(out); n > 0 && out[n-1].Series == e.Series {
			out[n-1].First, out[n-1].Last = min(out[n-1].First, e.First), max(out[n-1].Last, e.Last)
			continue
		}
		out = append(out, e)
	}
	return out
}

// day is what a port has on one.
type day struct {
	count uint64
	sum   uint64 // of the digests of its readings, in whatever order
}

// days answers what a series has on each day. What r counts, it counts there.
func (j *Job) days(ctx context.Context, of store.Readings, e store.Extent, r *Report) (map[int64]day, error) {
	days := map[int64]day{}
	readings := func() uint64 {
		if r == nil {
			return 0
		}
		return r.Readings
	}
	err := j.pages(ctx, of, e.Series, e.First, e.Last, readings, func(samples []store.Sample) error {
		for i := range samples {
			k := floorDay(samples[i].TS)
			d := days[k]
			d.count++
			d.sum += digest(&samples[i])
			days[k] = d
		}
		if r != nil {
			r.Readings += uint64(len(samples))
			j.tell(r.Readings, nil)
		}
		return nil
	})
	return days, err
}

// compareDays answers how many differences there are now.
func (j *Job) compareDays(sr store.Series, a, b map[int64]day, r *Report) int {
	all := maps.Clone(a)
	for k := range b {
		all[k] = a[k]
	}
	r.Days += len(all)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if a[k] == b[k] {
			continue
		}
		r.add(Difference{Port: j.Name(sr), Day: time.UnixMilli(k * msPerDay).UTC().Format(time.DateOnly), From: a[k].count, To: b[k].count})
	}
	return r.Different
}

// compareCounts compares what both sides say that they have with what was read.
func (j *Job) compareCounts(sr store.Series, listed [2]uint64, read map[int64]day, r *Report) {
	var n uint64
	for _, d := range read {
		n += d.count
	}
	if listed != [2]uint64{n, n} {
		r.add(Difference{Port: j.Name(sr), Day: "all days", From: listed[0], To: listed[1]})
	}
}

func (r *Report) add(d Difference) {
	r.Different++
	if len(r.Differences) < mostDifferences {
		r.Differences = append(r.Differences, d)
	}
}

const msPerDay = 86_400_000

func floorDay(ts int64) int64 {
	d := ts / msPerDay
	if ts%msPerDay < 0 {
		d--
	}
	return d
}

// digest answers 64 bits that every bit of a reading has a part in.
func digest(s *store.Sample) uint64 {
	h := mix(uint64(s.TS))
	h = mix(h ^ math.Float64bits(s.Raw))
	h = mix(h ^ uint64(s.IngestTS))
	return mix(h ^ (uint64(s.Calibration)<<16 | uint64(s.Quality)<<8 | uint64(s.Flags)))
}

// mix is the finalizer of SplitMix64 behind its increment (Steele, Lea and
// Flood, 2014): one to one, and every bit of x changes about half of the result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// VerifyCounters compares what the ledger says of both sides.
func (j *Job) VerifyCounters(ctx context.Context) error {
	stored, duplicate, err := counters(ctx, j.From)
	if err != nil {
		return fmt.Errorf("read the ledger: %w", err)
	}
	storedTo, duplicateTo, err := counters(ctx, j.To)
	if err != nil {
		return fmt.Errorf("read the ledger of the target: %w", err)
	}
	if !same(stored, storedTo) || !same(duplicate, duplicateTo) {
		return fmt.Errorf("%w: the ledger says %d stored and %d duplicate in the source, %d and %d in the target, or counts them under other hours or devices",
			store.ErrConflict, stored.Sum(), duplicate.Sum(), storedTo.Sum(), duplicateTo.Sum())
	}
	return nil
}

// counters answers all counts by hour, which must make up the totals.
func counters(ctx context.Context, of store.Counters) (stored, duplicate store.HourCounts, err error) {
	stored, duplicate = store.HourCounts{}, store.HourCounts{}
	if err := of.Hours(ctx, math.MinInt64, math.MaxInt64, stored, duplicate); err != nil {
		return nil, nil, err
	}
	a, b, err := of.Totals(ctx)
	if err != nil {
		return nil, nil, err
	}
	if uint64(stored.Sum()) != a || uint64(duplicate.Sum()) != b {
		return nil, nil, fmt.Errorf("%w: its hours add up to %d stored and %d duplicate, its totals are %d and %d", store.ErrConflict, stored.Sum(), duplicate.Sum(), a, b)
	}
	return stored, duplicate, nil
}

// same compares counts; a count of none is no count.
func same(a, b store.HourCounts) bool {
	for _, pair := range [...][2]store.HourCounts{{a, b}, {b, a}} {
		for hour, counts := range pair[0] {
			for uid, n := range counts {
				if pair[1][hour][uid] != n {
					return false
				}
			}
		}
	}
	return true
}
