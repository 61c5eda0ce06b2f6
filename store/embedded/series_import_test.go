package embedded

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/store"
	"tidegate/store/storetest"
)

func TestImporterContract(t *testing.T) {
	storetest.RunImporter(t, func(t testing.TB, dir string) storetest.SeriesImporter {
		return openCuttable(t, dir, SeriesOptions{})
	})
}

// TestImporterContractStarved runs the suite with one open file.
func TestImporterContractStarved(t *testing.T) {
	storetest.RunImporter(t, func(t testing.TB, dir string) storetest.SeriesImporter {
		return openCuttable(t, dir, SeriesOptions{OpenFiles: 1, CacheBlocks: 1})
	})
}

func openUnbound(t testing.TB, dir string, o SeriesOptions) *SeriesStore {
	t.Helper()
	s, err := OpenSeries(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// yearSamples are samples of one series over the year 2025, every so many hours.
func yearSamples(hours int64) (out []store.Sample) {
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	for i := int64(0); i < 365*24/hours; i++ {
		ts := start + i*hours*3_600_000
		out = append(out, store.Sample{TS: ts, Raw: float64(i), IngestTS: ts, Calibration: 1})
	}
	return out
}

func mustImport(t testing.TB, s *SeriesStore, samples []store.Sample, want int) {
	t.Helper()
	if n, err := s.ImportSamples(context.Background(), store.Series{UID: 3, Port: 1}, nil, samples); err != nil || n != want {
		t.Fatalf("%d samples were added, want %d: %v", n, want, err)
	}
}

// refuseHalf checks that readings of an import that did not end are not taken
// for whole.
func refuseHalf(t *testing.T, dir string) {
	t.Helper()
	s := openUnbound(t, dir, SeriesOptions{})
	err := s.Bind(store.Bounds{Log: testLogID(), Head: math.MaxInt64})
	if !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "`tidegate migrate --to embedded` again") {
		t.Fatalf("half an import is bound to a log: %v", err)
	}
	if err := s.Adopt(store.Bounds{Log: store.LogID{9}}); !errors.Is(err, store.ErrConflict) {
		t.Fatalf("half an import adopts a log: %v", err)
	}
	mustClose(t, s)
}

// TestImportCutOff ends an import before one of its commits, as a kill does:
// no log is bound to what is there, and the whole, repeated, is as if nothing
// had happened. It begins with readings of a lost log, whose tallies it
// replaces, those of a dropped month included.
func TestImportCutOff(t *testing.T) {
	origin := t.TempDir()
	s := openTestSeries(t, origin, SeriesOptions{})
	fillMonths(t, s)
	if dropped, err := s.DropMonths(context.Background(), 4, time.Date(2025, 6, 20, 0, 0, 0, 0, time.UTC), unasked); err != nil || len(dropped) != 2 {
		t.Fatalf("dropped %v: %v", dropped, err)
	}
	want := map[int64]store.Sample{}
	for _, r := range allRows(t, s) {
		want[r.Sample.TS] = r.Sample
	}
	mustClose(t, s)
	s = openUnbound(t, origin, SeriesOptions{})
	if err := s.Adopt(store.Bounds{Log: store.LogID{8}}); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	for _, sample := range yearSamples(12) {
		if _, taken := want[sample.TS]; !taken {
			want[sample.TS] = sample
		}
	}
	// The readings of twelve months, their positions, and the index.
	for _, cut := range []int{0, 1, 6, 11, 12, 13, 18, 23, 24} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(origin)); err != nil {
			t.Fatal(err)
		}
		cutImport(t, dir, cut, want)
	}
}

// cutImport imports into dir, and goes on from where that was cut off.
func cutImport(t *testing.T, dir string, cut int, want map[int64]store.Sample) {
	t.Helper()
	var s *SeriesStore
	done, over := 0, false
	s = openUnbound(t, dir, SeriesOptions{beforeCommit: func(Month) error {
		switch done++; {
		case over:
		case done == cut+1:
			return errors.New("cut off")
		case done == cut && cut == 24:
			return s.index.db.Close() // behind the last month
		}
		return nil
	}})
	before, _, _, _ := ledgerOf(t, s)
	if err := wholeImport(s); err == nil {
		t.Fatalf("cut %d: nothing was cut", cut)
	}
	over = true
	image := t.TempDir()
	if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	refuseHalf(t, image)
	for _, s := range []*SeriesStore{openUnbound(t, image, SeriesOptions{}), s} { // after a kill, and in the same process
		if s.dir == dir && cut == 24 {
			_ = s.Close() // its index is closed already
			continue
		}
		total, duplicates, hours, duplicateHours := ledgerOf(t, s)
		if total != uint64(hours.Sum()) || duplicates != uint64(duplicateHours.Sum()) || cut < 12 && total != before {
			t.Fatalf("cut %d: totals %d %d, hours %d %d; stored were %d", cut, total, duplicates, hours.Sum(), duplicateHours.Sum(), before)
		}
		if err := wholeImport(s); err != nil {
			t.Fatalf("cut %d: %v", cut, err)
		}
		checkImport(t, s)
		mustClose(t, s)
		s = openUnbound(t, s.dir, SeriesOptions{})
		checkImport(t, s)
		if err := s.Bind(store.Bounds{Log: testLogID(), After: 90, Head: 90}); err != nil || s.Applied() != 90 || s.Reached() != 90 {
			t.Fatalf("cut %d: applied %d: %v", cut, s.Applied(), err)
		}
		rows := allRows(t, s)
		for _, r := range rows {
			if r.Sample != want[r.Sample.TS] {
				t.Fatalf("cut %d: row %+v, want %+v", cut, r.Sample, want[r.Sample.TS])
			}
		}
		if len(rows) != len(want) {
			t.Fatalf("cut %d: %d rows, want %d", cut, len(rows), len(want))
		}
		for month := range Month(12) {
			state, _, _ := monthStats(t, s, MonthOf(yearSamples(12)[0].TS)+month)
			if state.log != testLogID() || state.applied != 90 || state.firstHour <= state.lastHour {
				t.Fatalf("cut %d: month %d says %+v", cut, month, state)
			}
		}
		goOn(t, s)
		mustClose(t, s)
	}
}

// goOn appends to a month in an hour of which it once had tallies.
func goOn(t *testing.T, s *SeriesStore) {
	t.Helper()
	next := item(91, time.Date(2025, 3, 20, 0, 0, 0, 1, time.UTC).UnixMilli()+1, 1)
	next.Hour = time.Date(2025, 3, 5, 0, 0, 0, 0, time.UTC).UnixMilli() / 3_600_000
	mustAppend(t, s, next)
	mustFlush(t, s)
	stored, duplicate := importedHours()
	stored.Add(next.Hour, 3, 1)
	sameLedger(t, s, 15, 7, stored, duplicate)
}

func importedHours() (stored, duplicate store.HourCounts) {
	return store.HourCounts{400_000: {3: 11, 4: 2}, -1: {0: 1}}, store.HourCounts{400_001: {3: 7}}
}

func wholeImport(s *SeriesStore) error {
	if _, err := s.ImportSamples(context.Background(), store.Series{UID: 3, Port: 1}, nil, yearSamples(12)); err != nil {
		return err
	}
	stored, duplicate := importedHours()
	return s.SetCounters(context.Background(), testLogID(), 90, stored, duplicate)
}

func checkImport(t *testing.T, s *SeriesStore) {
	t.Helper()
	stored, duplicate := importedHours()
	sameLedger(t, s, 14, 7, stored, duplicate)
}

// TestImportCountersCutOff sets other counters after an import, and is cut off
// on the way: that is half an import too.
func TestImportCountersCutOff(t *testing.T) {
	c := openCuttable(t, t.TempDir(), SeriesOptions{})
	if err := wholeImport(c.SeriesStore); err != nil {
		t.Fatal(err)
	}
	c.CutFlush(3)
	if err := c.SetCounters(context.Background(), store.LogID{9}, 95, nil, nil); err == nil {
		t.Fatal("nothing was cut")
	}
	mustClose(t, c.SeriesStore)
	refuseHalf(t, c.dir)
	s := openUnbound(t, c.dir, SeriesOptions{})
	if err := s.SetCounters(context.Background(), store.LogID{9}, 95, nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Bind(store.Bounds{Log: store.LogID{9}, After: 95, Head: 95}); err != nil {
		t.Fatal(err)
	}
	sameLedger(t, s, 0, 0, store.HourCounts{}, store.HourCounts{})
	mustClose(t, s)
}

// TestImportOnlySamples: readings without their counters are half an import,
// seen by queries all the same.
func TestImportOnlySamples(t *testing.T) {
	dir := t.TempDir()
	s := openUnbound(t, dir, SeriesOptions{})
	mustImport(t, s, yearSamples(24), 365)
	if rows := allRows(t, s); len(rows) != 365 || rows[364].Sample.Raw != 364 {
		t.Errorf("%d rows", len(rows))
	}
	err := s.Append(context.Background(), &store.Batch{Through: 1, Items: []store.Item{item(1, 1, 1)}})
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("appended without a log: %v", err)
	}
	mustClose(t, s)
	refuseHalf(t, dir)
}

// TestImportIntoABoundStore: once a log is bound nothing is imported, also
// when nothing is applied yet, or the first flush was cut.
func TestImportIntoABoundStore(t *testing.T) {
	dir := t.TempDir()
	c := openCuttable(t, dir, SeriesOptions{})
	if err := c.Bind(store.Bounds{Log: testLogID(), Head: math.MaxInt64}); err != nil {
		t.Fatal(err)
	}
	refused := func(s *SeriesStore) {
		t.Helper()
		_, err := s.ImportSamples(context.Background(), store.Series{UID: 3, Port: 1}, nil, yearSamples(24))
		if !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "name another with --data") {
			t.Errorf("samples: %v", err)
		}
		if err := s.SetCounters(context.Background(), testLogID(), 1, nil, nil); !errors.Is(err, store.ErrConflict) {
			t.Errorf("counters: %v", err)
		}
	}
	refused(c.SeriesStore)
	mustAppend(t, c.SeriesStore, item(1, 5, 1), item(1, time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), 1))
	c.CutFlush(1)
	if _, err := c.Flush(context.Background(), nil); err == nil || c.Applied() != 0 {
		t.Fatalf("applied %d: %v", c.Applied(), err)
	}
	mustClose(t, c.SeriesStore)
	s := openUnbound(t, dir, SeriesOptions{})
	refused(s) // one month has applied position 1
	mustClose(t, s)

	dir = t.TempDir()
	mustClose(t, openTestSeries(t, dir, SeriesOptions{})) // bound once, and never used
	s = openUnbound(t, dir, SeriesOptions{})
	if err := wholeImport(s); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	mustClose(t, openTestSeries(t, dir, SeriesOptions{})) // in use from here on
	s = openUnbound(t, dir, SeriesOptions{})
	refused(s)
	mustClose(t, s)
}

// TestImportGrowsBlocks imports in small pieces, out of order and overlapping:
// the blocks are as they should be, and are settled like others.
func TestImportGrowsBlocks(t *testing.T) {
	now := time.Date(2026, 6, 10, 0, 0, 0, 0, time.UTC)
	s := openUnbound(t, t.TempDir(), SeriesOptions{Now: func() time.Time { return now }})
	all := yearSamples(1)[:4*31*24]
	rnd := rand.New(rand.NewPCG(7, 7))
	left := map[int64]bool{}
	for _, sample := range all {
		left[sample.TS] = true
	}
	for len(left) > 0 {
		from := rnd.IntN(len(all))
		piece := all[from:min(len(all), from+1+rnd.IntN(700))]
		want := 0
		for _, sample := range piece {
			if left[sample.TS] {
				want++
				delete(left, sample.TS)
			}
		}
		mustImport(t, s, piece, want)
	}
	doubled := slices.Concat(all[:3], all[2:4])
	mustImport(t, s, doubled, 0)
	check := func() {
		t.Helper()
		rows := allRows(t, s)
		if len(rows) != len(all) {
			t.Fatalf("%d rows, want %d", len(rows), len(all))
		}
		for i := range rows {
			if rows[i].Sample != all[i] {
				t.Fatalf("row %d is %+v, want %+v", i, rows[i].Sample, all[i])
			}
		}
		for m := MonthOf(all[0].TS); m < MonthOf(all[0].TS)+4; m++ {
			monthStats(t, s, m)
		}
	}
	check()
	if err := s.SetCounters(context.Background(), testLogID(), 5, store.HourCounts{1: {3: 2976}}, nil); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Hour)
	if err := s.Settle(context.Background(), time.Minute); err != nil {
		t.Fatal(err)
	}
	check()
	if err := s.Bind(store.Bounds{Log: testLogID(), After: 5, Head: 9}); err != nil {
		t.Fatal(err)
	}
	if dropped, err := s.DropMonths(context.Background(), 1, now, unasked); err != nil || len(dropped) < 4 {
		t.Fatalf("dropped %v: %v", dropped, err)
	}
	sameLedger(t, s, 2976, 0, store.HourCounts{1: {3: 2976}}, store.HourCounts{})
	mustClose(t, s)
	s = openTestSeries(t, s.dir, SeriesOptions{})
	sameLedger(t, s, 2976, 0, store.HourCounts{1: {3: 2976}}, store.HourCounts{})
	mustClose(t, s)
}

func TestImportRefusesSamples(t *testing.T) {
	s := openUnbound(t, t.TempDir(), SeriesOptions{})
	defer mustClose(t, s)
	samples := yearSamples(24)
	samples[7], samples[8] = samples[8], samples[7]
	if n, err := s.ImportSamples(context.Background(), store.Series{UID: 3, Port: 1}, nil, samples); !errors.Is(err, store.ErrInvalid) || n != 0 {
		t.Errorf("out of order: %d, %v", n, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.ImportSamples(ctx, store.Series{UID: 3, Port: 1}, nil, yearSamples(24)); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits for it: %v", err)
	}
	mustImport(t, s, slices.Insert(yearSamples(24), 5, yearSamples(24)[5]), 365) // one of them twice
	shifted := yearSamples(24)
	for i := range shifted {
		shifted[i].TS += 1000
	}
	mustImport(t, s, slices.Insert(shifted, 5, shifted[5]), 365) // and into a file
	damage(t, s, MonthOf(samples[0].TS))
	n, err := s.ImportSamples(context.Background(), store.Series{UID: 3, Port: 1}, nil, yearSamples(12))
	if err == nil || n != 0 || !strings.Contains(err.Error(), "series-2025-01.db") || !strings.Contains(err.Error(), "device number 3, port 1") {
		t.Errorf("into a damaged block: %d, %v", n, err)
	}
}
