package storetest

import (
	"cmp"
	"math"
	"slices"

	"tidegate/store"
)

// seriesModel is the judge of stores of readings: plain maps, and every answer
// worked out from scratch.
type seriesModel struct {
	samples   map[store.Series]map[int64]store.Sample
	stored    store.HourCounts
	duplicate store.HourCounts
}

func newSeriesModel() *seriesModel {
	return &seriesModel{samples: map[store.Series]map[int64]store.Sample{}, stored: store.HourCounts{}, duplicate: store.HourCounts{}}
}

// append judges one item and answers it as a store has to leave it.
func (m *seriesModel) append(it store.Item) store.Item {
	series := m.samples[it.Series]
	if series == nil {
		series = map[int64]store.Sample{}
		m.samples[it.Series] = series
	}
	if it.Sample.Flags&store.FlagServerTS != 0 {
		it.Sample.TS = freeTime(series, it.Sample.TS)
	}
	old, taken := series[it.Sample.TS]
	switch {
	case !taken:
		it.Verdict = store.VerdictStored
		series[it.Sample.TS] = it.Sample
		m.stored.Add(it.Hour, owner(&it), 1)
	case old.Raw == it.Sample.Raw:
		it.Verdict = store.VerdictDuplicate
		m.duplicate.Add(it.Hour, owner(&it), 1)
	default:
		it.Verdict = store.VerdictConflict
	}
	return it
}

func freeTime(series map[int64]store.Sample, ts int64) int64 {
	month := store.Time(ts).Time().Month()
	for t := ts; store.Time(t).Time().Month() == month; t++ {
		if _, taken := series[t]; !taken {
			return t
		}
	}
	for t := ts; ; t-- {
		if _, taken := series[t]; !taken {
			return t
		}
	}
}

// sorted answers the samples of a series with from <= ts < to.
func (m *seriesModel) sorted(s store.Series, from, to int64) []store.Sample {
	var out []store.Sample
	for ts, sample := range m.samples[s] {
		if ts >= from && ts < to {
			out = append(out, sample)
		}
	}
	slices.SortFunc(out, func(a, b store.Sample) int { return cmp.Compare(a.TS, b.TS) })
	return out
}

func (m *seriesModel) scan(q store.Scan) []store.Row {
	var rows []store.Row
	for i, s := range q.Series {
		for _, sample := range m.sorted(s, q.From, q.To) {
			rows = append(rows, store.Row{Series: i, Sample: sample})
		}
	}
	order := func(a, b store.Row) int {
		c := cmp.Or(cmp.Compare(a.Sample.TS, b.Sample.TS), cmp.Compare(a.Series, b.Series))
		if q.Desc {
			return -c
		}
		return c
	}
	slices.SortFunc(rows, order)
	if q.After != nil {
		after := store.Row{Series: q.After.Series, Sample: store.Sample{TS: q.After.TS}}
		rows = slices.DeleteFunc(rows, func(r store.Row) bool { return order(r, after) <= 0 })
	}
	return rows[:min(len(rows), q.Limit)]
}

func (m *seriesModel) aggregate(q store.Aggregation) []store.Bucket {
	type key struct {
		start  int64
		series int
	}
	sums := map[key]*store.Accumulator{}
	for i, s := range q.Series {
		port := store.Port{Calibrations: s.Calibrations}
		for _, sample := range m.sorted(s.Series, q.From, q.To) {
			k := key{int64(math.Floor(float64(sample.TS)/float64(q.Every))) * q.Every, i}
			if sums[k] == nil {
				sums[k] = new(store.Accumulator)
			}
			cal := port.CalibrationAt(sample.TS)
			if s.Ingested {
				cal = port.CalibrationNumber(sample.Calibration)
			}
			sums[k].Add(cal.Apply(sample.Raw))
		}
	}
	var out []store.Bucket
	for k, sum := range sums {
		if a := q.After; a != nil && (k.start < a.TS || k.start == a.TS && k.series <= a.Series) {
			continue
		}
		b := sum.Bucket()
		b.Start, b.Series = k.start, k.series
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b store.Bucket) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Series, b.Series))
	})
	return out[:min(len(out), q.Limit)]
}

func (m *seriesModel) latest(s store.Series) (store.Sample, bool) {
	all := m.sorted(s, math.MinInt64, math.MaxInt64)
	if len(all) == 0 {
		return store.Sample{}, false
	}
	return all[len(all)-1], true
}

// near reports whether two sums agree to 1e-12 of the largest of them.
func near(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-12*max(math.Abs(a), math.Abs(b))
}

func nearBucket(a, b store.Bucket) bool {
	sum := near(a.Sum, b.Sum)
	a.Sum, b.Sum = 0, 0
	return sum && a == b
}

// owner answers whom the ledger counts it under.
func owner(it *store.Item) uint32 {
	if it.Unregistered {
		return 0
	}
	return it.Series.UID
}
