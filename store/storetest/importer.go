package storetest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"

	"tidegate/store"
)

// SeriesImporter is a store of readings that takes those of another store.
type SeriesImporter interface {
	store.SeriesStore
	store.Importer
	store.Lister
}

// RunImporter is what every importer promises, judged by an in-memory model.
// open opens the readings in dir, which are made when there are none. Queries
// are asked once a log is bound, counters before that too.
func RunImporter(t *testing.T, open func(t testing.TB, dir string) SeriesImporter) {
	t.Run("adds what is missing", func(t *testing.T) { testImporterAdds(t, open) })
	t.Run("counters", func(t *testing.T) { testImporterCounters(t, open) })
	t.Run("bind", func(t *testing.T) { testImporterBind(t, open) })
	t.Run("in use", func(t *testing.T) { testImporterInUse(t, open) })
	for _, shape := range simShapes {
		t.Run("model "+shape.name, func(t *testing.T) { testImporterModel(t, open, shape) })
	}
}

// importedThrough is the position that the suite's imports end with.
const importedThrough = 40

func importedCalibrations() []store.Calibration {
	return []store.Calibration{{Number: 1, Scaling: 2, Offset: 1}, {Number: 2, Scaling: -0.5}}
}

func samplesOf(first, step int64, values ...float64) (out []store.Sample) {
	for i, v := range values {
		ts := first + int64(i)*step
		out = append(out, store.Sample{TS: ts, Raw: v, IngestTS: ts + 7, Calibration: 1})
	}
	return out
}

// importSamples imports and checks how many were added.
func importSamples(t testing.TB, s store.Importer, sr store.Series, samples []store.Sample, want int) {
	t.Helper()
	n, err := s.ImportSamples(context.Background(), sr, importedCalibrations(), samples)
	must(t, err)
	if n != want {
		t.Fatalf("%d of %d samples were added, want %d", n, len(samples), want)
	}
}

func setCounters(t testing.TB, s store.Importer, stored, duplicate store.HourCounts) {
	t.Helper()
	must(t, s.SetCounters(context.Background(), seriesLog(), importedThrough, stored, duplicate))
}

// wantCounters compares all counters.
func wantCounters(t testing.TB, s store.SeriesStore, stored, duplicate store.HourCounts) {
	t.Helper()
	ctx := context.Background()
	hours, duplicates := store.HourCounts{}, store.HourCounts{}
	a, b, err := s.Totals(ctx)
	must(t, err)
	must(t, s.Hours(ctx, math.MinInt64, 0, hours, duplicates))
	must(t, s.Hours(ctx, 0, math.MaxInt64, hours, duplicates))
	if int64(a) != stored.Sum() || int64(b) != duplicate.Sum() || !equalHours(hours, stored) || !equalHours(duplicates, duplicate) {
		t.Fatalf("totals %d %d, hours %v %v; want %d %d, %v %v", a, b, hours, duplicates, stored.Sum(), duplicate.Sum(), stored, duplicate)
	}
}

// testImporterAdds imports around the turn of a month: what is there stays,
// what is missing comes between, and nothing counts.
func testImporterAdds(t *testing.T, open func(testing.TB, string) SeriesImporter) {
	dir := t.TempDir()
	s := open(t, dir)
	sr, other := store.Series{UID: 7, Port: 1}, store.Series{UID: 7, Port: 2}
	turn := at("2025-09-01T00:00:00Z")
	importSamples(t, s, sr, nil, 0)
	importSamples(t, s, sr, samplesOf(turn-2000, 1000, 1, 2, 3, 4), 4)
	importSamples(t, s, sr, samplesOf(turn-2000, 1000, 1, 2, 3, 4), 0)
	importSamples(t, s, other, samplesOf(turn-2000, 1000, 9), 1)
	importSamples(t, s, sr, samplesOf(turn-3000, 500, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59), 6) // each second one from the third on is taken
	must(t, s.Close())
	s = open(t, dir)
	importSamples(t, s, sr, samplesOf(turn-3000, 500, 50, 51, 52), 0)
	many, all := store.Series{UID: 8}, samplesOf(turn, 1000, make([]float64, 5000)...)
	importSamples(t, s, many, all[1000:], 4000)
	importSamples(t, s, many, all, 1000)
	importSamples(t, s, many, all, 0)
	importSamples(t, s, sr, samplesOf(at("1969-12-31T23:59:59.5Z"), 1000, -1, -2), 2)
	wantCounters(t, s, store.HourCounts{}, store.HourCounts{})
	if s.Applied() != 0 {
		t.Errorf("applied %d before the counters are set", s.Applied())
	}
	setCounters(t, s, store.HourCounts{1: {7: 13}}, nil)
	must(t, s.Close())
	s = openImported(t, open, dir)
	var got []float64
	for _, r := range scanAll(t, s, sr) {
		got = append(got, r.Sample.Raw)
		if want := r.Sample.TS + 7; r.Sample.IngestTS != want || r.Sample.Calibration != 1 {
			t.Errorf("sample %+v", r.Sample)
		}
	}
	if want := []float64{-1, -2, 50, 51, 1, 53, 2, 55, 3, 57, 4, 59}; !slices.Equal(got, want) {
		t.Errorf("values %v, want %v", got, want)
	}
	if rows := scanAll(t, s, many); len(rows) != 5000 || rows[4999].Sample != all[4999] {
		t.Errorf("%d rows of many", len(rows))
	}
	if rows := scanAll(t, s, other); len(rows) != 1 || rows[0].Sample.Raw != 9 {
		t.Errorf("the other series: %+v", rows)
	}
	buckets, err := s.Aggregate(t.Context(), store.Aggregation{
		From: turn, To: turn + 2000, Every: 2000, Limit: 9,
		Series: []store.SeriesCalibrations{{Series: sr, Calibrations: importedCalibrations(), Ingested: true}},
	})
	if err != nil || len(buckets) != 1 || buckets[0].Count != 4 || !near(buckets[0].Sum, 2*(3+57+4+59)+4) {
		t.Errorf("what was said at ingest: %+v %v", buckets, err)
	}
	must(t, s.Close())
}

// openImported opens what an import left, and binds the log that it named.
func openImported(t testing.TB, open func(testing.TB, string) SeriesImporter, dir string) SeriesImporter {
	t.Helper()
	s := open(t, dir)
	bindSeries(t, s, store.Bounds{Log: seriesLog(), After: importedThrough, Head: math.MaxInt64})
	return s
}

// testImporterCounters sets counters that have nothing to do with the readings,
// more than once: the last ones are answered, and added to.
func testImporterCounters(t *testing.T, open func(testing.TB, string) SeriesImporter) {
	for name, samples := range map[string][]store.Sample{
		"no readings": nil,
		"readings":    samplesOf(at("2025-01-15T00:00:00Z"), 10*24*3_600_000, 1, 2, 3, 4, 5, 6, 7, 8, 9),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			importSamples(t, s, store.Series{UID: 7, Port: 1}, samples, len(samples))
			setCounters(t, s, store.HourCounts{1: {1: 1}, 3: {1: 1}}, store.HourCounts{2: {2: 2}})
			stored := store.HourCounts{-5: {0: 3}, 2: {7: 1, 1 << 31: 70_000}, 480_000: {7: 4}}
			duplicate := store.HourCounts{480_000: {7: 1}, 480_001: {8: 1 << 40}}
			for round := range 3 {
				setCounters(t, s, stored, duplicate)
				if round == 1 {
					dir = crashImage(t, dir)
				}
				if round > 0 {
					must(t, s.Close())
					s = open(t, dir)
				}
				wantCounters(t, s, stored, duplicate)
				if s.Applied() != importedThrough || s.Reached() != importedThrough {
					t.Fatalf("applied %d, reached %d, want %d", s.Applied(), s.Reached(), importedThrough)
				}
			}
			importSamples(t, s, store.Series{UID: 7, Port: 1}, samples, 0) // a last look changes nothing
			must(t, s.Close())
			s = openImported(t, open, dir)
			wantCounters(t, s, stored, duplicate)
			it := reading(importedThrough+1, 1, at("2025-03-01T00:00:00Z"), 5)
			it.Hour = 480_000
			appendItems(t, s, it, it)
			stored.Add(480_000, 7, 1)
			duplicate.Add(480_000, 7, 1)
			wantCounters(t, s, stored, duplicate)
			flush(t, s)
			must(t, s.Close())
			s = openImported(t, open, dir)
			wantCounters(t, s, stored, duplicate)
			if s.Applied() != importedThrough+1 {
				t.Errorf("applied %d", s.Applied())
			}
			must(t, s.Close())
		})
	}
}

func testImporterBind(t *testing.T, open func(testing.TB, string) SeriesImporter) {
	dir := t.TempDir()
	s := open(t, dir)
	if err := s.SetCounters(t.Context(), store.LogID{}, 1, nil, nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("counters of no log: %v", err)
	}
	if err := s.SetCounters(t.Context(), seriesLog(), 1, store.HourCounts{1: {1: -1}}, nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("negative counters: %v", err)
	}
	importSamples(t, s, store.Series{UID: 7, Port: 1}, samplesOf(at("2025-08-31T23:59:59Z"), 1000, 1, 2), 2)
	setCounters(t, s, store.HourCounts{1: {7: 2}}, nil)
	must(t, s.Close())
	for _, tt := range []struct {
		name string
		b    store.Bounds
		ok   bool
	}{
		{"another log", store.Bounds{Log: store.LogID{5}, Head: 100}, false},
		{"the log ends before", store.Bounds{Log: seriesLog(), Head: importedThrough - 1}, false},
		{"the log has trimmed", store.Bounds{Log: seriesLog(), After: importedThrough + 1, Head: 100}, false},
		{"the log", store.Bounds{Log: seriesLog(), After: importedThrough, Head: importedThrough}, true},
		{"the log again", store.Bounds{Log: seriesLog(), Head: 100}, true},
	} {
		s := open(t, dir)
		if err := s.Bind(tt.b); (err == nil) != tt.ok || !tt.ok && !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: %v", tt.name, err)
		}
		must(t, s.Close())
	}
}

// testImporterInUse: readings that follow a log are not imported into.
func testImporterInUse(t *testing.T, open func(testing.TB, string) SeriesImporter) {
	for name, imported := range map[string]bool{"of its own": false, "after an import": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			if imported {
				setCounters(t, s, nil, nil)
			}
			b := store.Bounds{Log: seriesLog(), Head: math.MaxInt64}
			bindSeries(t, s, b)
			it := reading(importedThrough+5, 1, at("2025-09-06T12:00:00Z"), 1)
			appendItems(t, s, it)
			flush(t, s)
			stored := store.HourCounts{it.Hour: {7: 1}}
			for round := range 2 {
				_, err := s.ImportSamples(t.Context(), it.Series, nil, samplesOf(it.Sample.TS+1, 1, 5))
				if !errors.Is(err, store.ErrConflict) {
					t.Errorf("round %d: samples: %v", round, err)
				}
				if err := s.SetCounters(t.Context(), seriesLog(), 90, nil, nil); !errors.Is(err, store.ErrConflict) {
					t.Errorf("round %d: counters: %v", round, err)
				}
				wantCounters(t, s, stored, store.HourCounts{})
				must(t, s.Close())
				s = open(t, dir)
			}
			bindSeries(t, s, b)
			if rows := scanAll(t, s, it.Series); len(rows) != 1 || s.Applied() != importedThrough+5 {
				t.Errorf("%d rows, applied %d", len(rows), s.Applied())
			}
			must(t, s.Close())
		})
	}
}

// testImporterModel imports overlapping pieces over reopening and crashes, sets
// counters, and goes on as a writer does: late and repeated readings are judged
// against what was imported.
func testImporterModel(t *testing.T, open func(testing.TB, string) SeriesImporter, shape simShape) {
	// What comes after an import is tested elsewhere: some of it is enough.
	shape.steps, shape.items = shape.steps/3, min(shape.items, 500)
	s := &sim{
		t: t, rnd: newRand(t), shape: shape, dir: t.TempDir(), model: newSeriesModel(),
		open: func(t testing.TB, dir string) store.SeriesStore { return open(t, dir) },
	}
	s.setClock()
	im := open(t, s.dir)
	reopen := func() {
		dir := s.dir
		if s.rnd.IntN(2) == 0 {
			dir = crashImage(t, dir)
		}
		must(t, im.Close())
		s.dir, im = dir, open(t, dir)
	}
	for range 15 {
		i := s.rnd.IntN(shape.series)
		piece := s.piece(i)
		missing := s.take(s.series(i), piece)
		importSamples(t, im, s.series(i), piece, missing)
		switch s.rnd.IntN(5) {
		case 0:
			importSamples(t, im, s.series(i), piece, 0)
		case 1:
			reopen()
		}
	}
	for range 1 + s.rnd.IntN(2) {
		s.model.stored, s.model.duplicate = s.hours(), s.hours()
		setCounters(t, im, s.model.stored, s.model.duplicate)
		if s.rnd.IntN(2) == 0 {
			reopen()
		}
	}
	s.seq, s.trimmed = importedThrough, importedThrough
	bindSeries(t, im, store.Bounds{Log: seriesLog(), After: importedThrough, Head: importedThrough})
	s.s = im
	wantExtents(t, im, s.model)
	s.compare(8)
	s.run()
}

// wantExtents compares what a store says that it has.
func wantExtents(t testing.TB, s store.Lister, m *seriesModel) {
	t.Helper()
	var want []store.Extent
	for sr, samples := range m.samples {
		if len(samples) > 0 {
			ts := slices.Sorted(maps.Keys(samples))
			want = append(want, store.Extent{Series: sr, First: ts[0], Last: ts[len(ts)-1], Count: uint64(len(ts))})
		}
	}
	slices.SortFunc(want, func(a, b store.Extent) int {
		return cmp.Or(cmp.Compare(a.Series.UID, b.Series.UID), cmp.Compare(a.Series.Port, b.Series.Port))
	})
	got, err := s.ListSeries(context.Background())
	must(t, err)
	if !slices.Equal(got, want) {
		t.Fatalf("series %+v\nwant %+v", got, want)
	}
}

// piece makes samples of a series in ascending order, some at times that were
// imported before.
func (s *sim) piece(i int) []store.Sample {
	var out []store.Sample
	ts := s.clock[i] - s.rnd.Int64N(40*s.shape.step)
	old := s.model.sorted(s.series(i), ts, math.MaxInt64)
	for range 1 + s.rnd.IntN(2*s.shape.items) {
		ts += 1 + s.rnd.Int64N(2*s.shape.step)
		sample := store.Sample{
			TS: ts, Raw: float64(s.rnd.IntN(600)) / 10, IngestTS: ts + s.rnd.Int64N(100_000),
			Calibration: uint16(1 + s.rnd.IntN(2)), Quality: store.Quality(s.rnd.IntN(3)), Flags: store.Flags(s.rnd.IntN(8)),
		}
		for len(old) > 0 && old[0].TS < ts {
			old = old[1:]
		}
		if len(old) > 0 && old[0].TS < ts+s.shape.step && s.rnd.IntN(2) == 0 {
			ts = old[0].TS
			sample.TS = ts
		}
		out = append(out, sample)
	}
	s.clock[i] = max(s.clock[i], ts)
	return out
}

// take adds the samples to the model, and to the log as what lies behind it,
// and answers how many were missing.
func (s *sim) take(sr store.Series, samples []store.Sample) (missing int) {
	series := s.model.samples[sr]
	if series == nil {
		series = map[int64]store.Sample{}
		s.model.samples[sr] = series
	}
	for _, sample := range samples {
		if _, taken := series[sample.TS]; taken {
			continue
		}
		series[sample.TS] = sample
		missing++
		it := store.Item{Series: sr, Seq: 1, Sample: sample}
		s.log, s.judged = append(s.log, it), append(s.judged, it)
	}
	return missing
}

func (s *sim) hours() store.HourCounts {
	c := store.HourCounts{}
	for range s.rnd.IntN(40) {
		c.Add(at("2024-03-01T00:00:00Z")/3_600_000+int64(s.rnd.IntN(9))-4, uint32(s.rnd.IntN(4)), int64(s.rnd.IntN(900)))
	}
	return c
}
