package storetest

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

// FlushCutter is what a store of readings may offer to be tested harder: the
// next Flush ends with an error after so many of its commits.
type FlushCutter interface {
	CutFlush(commits int)
}

// RunSeries is what every store of readings promises, judged by an in-memory
// model. open opens the readings in dir, which are made when there are none;
// a store that was closed without Flush, or whose process is gone, has lost
// what was not flushed and nothing else.
func RunSeries(t *testing.T, open func(t testing.TB, dir string) store.SeriesStore) {
	t.Run("first value wins", func(t *testing.T) { testSeriesFirstWins(t, open) })
	t.Run("server time moves", func(t *testing.T) { testSeriesServerTime(t, open) })
	t.Run("bind", func(t *testing.T) { testSeriesBind(t, open) })
	t.Run("flush", func(t *testing.T) { testSeriesFlush(t, open) })
	t.Run("pages", func(t *testing.T) { testSeriesPages(t, open) })
	t.Run("calibrations", func(t *testing.T) { testSeriesCalibrations(t, open) })
	t.Run("invalid questions", func(t *testing.T) { testSeriesInvalid(t, open) })
	t.Run("beside", func(t *testing.T) { testSeriesBeside(t, open) })
	t.Run("traces", func(t *testing.T) { testSeriesTraces(t, open) })
	t.Run("cuts", func(t *testing.T) { testSeriesCuts(t, open) })
	for _, c := range simShapes {
		t.Run("model "+c.name, func(t *testing.T) { testSeriesModel(t, open, c) })
	}
}

const (
	recoverAgain  = 20 * time.Millisecond
	recoverWithin = time.Minute
)

func seriesLog() store.LogID { return store.LogID{1, 2, 3, 15: 9} }

// openSeries opens a store and binds it to a log with plenty of records.
func openSeries(t testing.TB, open func(testing.TB, string) store.SeriesStore, dir string) store.SeriesStore {
	t.Helper()
	s := open(t, dir)
	bindSeries(t, s, store.Bounds{Log: seriesLog(), Head: math.MaxInt64})
	return s
}

// bindSeries binds a store and lets it finish what a crash left half done, as a
// writer does before its first batch.
func bindSeries(t testing.TB, s store.SeriesStore, b store.Bounds) {
	t.Helper()
	must(t, s.Bind(b))
	ctx, cancel := context.WithTimeout(context.Background(), recoverWithin)
	defer cancel()
	for {
		commit, err := s.Recover(ctx)
		if err == nil {
			if commit != nil {
				must(t, commit())
			}
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the store does not recover: %v", err)
		case <-time.After(recoverAgain):
		}
	}
}

func at(s string) int64 {
	ts, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return ts.UnixMilli()
}

func reading(seq uint64, port uint16, ts int64, v float64) store.Item {
	return store.Item{
		Series: store.Series{UID: 7, Port: port}, Seq: seq, Hour: ts / 3_600_000,
		Sample: store.Sample{TS: ts, Raw: v, IngestTS: ts + 50, Calibration: 1},
	}
}

func appendItems(t testing.TB, s store.SeriesStore, items ...store.Item) []store.Item {
	t.Helper()
	b := store.Batch{Items: items}
	for i := range items {
		b.Through = max(b.Through, items[i].Seq)
	}
	must(t, s.Append(context.Background(), &b))
	return b.Items
}

func flush(t testing.TB, s store.SeriesStore) {
	t.Helper()
	if _, err := s.Flush(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
}

func scanAll(t testing.TB, s store.SeriesStore, series ...store.Series) []store.Row {
	t.Helper()
	rows, err := s.Scan(context.Background(), store.Scan{Series: series, From: math.MinInt64, To: math.MaxInt64, Limit: 1 << 30})
	must(t, err)
	return rows
}

func testSeriesFirstWins(t *testing.T, open func(testing.TB, string) store.SeriesStore) {
	dir := t.TempDir()
	s := openSeries(t, open, dir)
	ts := at("2025-09-06T12:00:00Z")
	var seq uint64
	for _, where := range []string{"in the batch", "in memory", "on disk", "on disk after a restart"} {
		seq++
		var batch []store.Item
		if seq == 1 {
			batch = append(batch, reading(seq, 1, ts, 0), reading(seq, 1, ts+1000, 5))
		}
		batch = append(batch, reading(seq, 1, ts, math.Copysign(0, -1)), reading(seq, 1, ts, 1e-9), reading(seq, 1, ts+1000, 5))
		got := appendItems(t, s, batch...)
		want := []store.Verdict{store.VerdictDuplicate, store.VerdictConflict, store.VerdictDuplicate}
		for i, v := range want {
			if g := got[len(got)-3+i].Verdict; g != v {
				t.Errorf("%s: reading %d is %d, want %d", where, i, g, v)
			}
		}
		switch seq {
		case 2, 3:
			flush(t, s)
		}
		if seq == 3 {
			must(t, s.Close())
			s = openSeries(t, open, dir)
		}
	}
	defer s.Close()
	rows := scanAll(t, s, store.Series{UID: 7, Port: 1})
	if len(rows) != 2 || rows[0].Sample.Raw != 0 || math.Signbit(rows[0].Sample.Raw) || rows[1].Sample.Raw != 5 {
		t.Fatalf("stored are %+v", rows)
	}
	stored, duplicate, err := s.Totals(context.Background())
	must(t, err)
	if stored != 2 || duplicate != 8 {
		t.Fatalf("stored %d, duplicate %d; want 2, 8", stored, duplicate)
	}
}

func testSeriesServerTime(t *testing.T, open func(testing.TB, string) store.SeriesStore) {
	s := openSeries(t, open, t.TempDir())
	defer s.Close()
	serverTime := func(seq uint64, ts int64) store.Item {
		it := reading(seq, 1, ts, 5)
		it.Sample.Flags = store.FlagServerTS
		return it
	}
	ts, end := at("2025-09-06T12:00:00Z"), at("2025-09-30T23:59:59.999Z")
	got := appendItems(t, s, reading(1, 1, ts+1, 5), serverTime(1, ts), serverTime(1, ts), serverTime(1, ts))
	got = append(got, appendItems(t, s, reading(2, 1, end, 1), serverTime(2, end), serverTime(2, end))...)
	flush(t, s)
	got = append(got, appendItems(t, s, serverTime(3, ts), serverTime(3, end))...)
	want := []int64{ts + 1, ts, ts + 2, ts + 3, end, end - 1, end - 2, ts + 4, end - 3}
	for i, it := range got {
		if it.Verdict != store.VerdictStored || it.Sample.TS != want[i] {
			t.Errorf("reading %d: verdict %d at %s, want stored at %s", i, it.Verdict, store.Time(it.Sample.TS), store.Time(want[i]))
		}
	}
	slices.Sort(want)
	for i, r := range scanAll(t, s, store.Series{UID: 7, Port: 1}) {
		if r.Sample.TS != want[i] {
			t.Errorf("row %d is at %s, want %s", i, store.Time(r.Sample.TS), store.Time(want[i]))
		}
	}
}

func testSeriesBind(t *testing.T, open func(testing.TB, string) store.SeriesStore) {
	dir := t.TempDir()
	bind := func(b store.Bounds) error {
		s := open(t, dir)
		defer s.Close()
		return s.Bind(b)
	}
	if err := bind(store.Bounds{Log: seriesLog(), After: 5, Head: 10}); err == nil {
		t.Fatal("a new store took a log that has trimmed")
	}
	must(t, bind(store.Bounds{Log: seriesLog(), Head: 10}))
	s := openSeries(t, open, dir)
	appendItems(t, s, reading(20, 1, at("2025-09-06T12:00:00Z"), 1), reading(20, 1, at("2025-10-06T12:00:00Z"), 1))
	flush(t, s)
	if s.Applied() != 20 {
		t.Fatalf("applied %d, want 20", s.Applied())
	}
	must(t, s.Close())
	for name, b := range map[string]store.Bounds{
		"another log":          {Log: store.LogID{5}, Head: 100},
		"the log ends before":  {Log: seriesLog(), Head: 19},
		"the log has trimmed":  {Log: seriesLog(), After: 21, Head: 100},
		"another, shorter log": {Log: store.LogID{5}},
	} {
		err := bind(b)
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if !strings.Contains(err.Error(), "tidegate doctor --adopt-log") {
			t.Errorf("%s: no way out in %v", name, err)
		}
	}
	must(t, bind(store.Bounds{Log: seriesLog(), After: 20, Head: 20}))

	s = openSeries(t, open, dir)
	if c, ok := s.(FlushCutter); ok { // one file knows more than the rest
		appendItems(t, s, reading(30, 1, at("2025-09-07T12:00:00Z"), 1), reading(30, 1, at("2025-10-07T12:00:00Z"), 1))
		c.CutFlush(1)
		if _, err := s.Flush(context.Background(), nil); err == nil || s.Applied() != 20 {
			t.Fatalf("a flush that was cut brings %d: %v", s.Applied(), err)
		}
	}
	_, cut := s.(FlushCutter)
	must(t, s.Close())
	if err := bind(store.Bounds{Log: seriesLog(), Head: 25}); cut && err == nil {
		t.Error("a log was taken that ends before what one file has applied")
	}
	must(t, bind(store.Bounds{Log: seriesLog(), Head: 30}))
}

func testSeriesFlush(t *testing.T, open func(testing.TB, string) store.SeriesStore) {
	s := openSeries(t, open, t.TempDir())
	defer s.Close()
	ctx := context.Background()
	must(t, s.Append(ctx, &store.Batch{Through: 3}))
	if n, err := s.Flush(ctx, nil); err != nil || n != 3 || s.Applied() != 3 {
		t.Fatalf("an empty batch brings position %d, applied %d, %v; want 3", n, s.Applied(), err)
	}
	before := s.Unflushed()
	appendItems(t, s, reading(4, 1, at("2025-09-06T12:00:00Z"), 1))
	if s.Unflushed() <= before {
		t.Fatalf("unflushed is %d after a reading, was %d", s.Unflushed(), before)
	}
	boom := errors.New("no")
	if _, err := s.Flush(ctx, func(through uint64) error {
		if through != 4 || s.Applied() != 3 {
			t.Errorf("before is called with %d at applied %d", through, s.Applied())
		}
		return boom
	}); !errors.Is(err, boom) || s.Applied() != 3 {
		t.Fatalf("applied %d, %v", s.Applied(), err)
	}
	appendItems(t, s, reading(5, 1, at("2025-09-06T12:00:01Z"), 2), reading(5, 1, at("2025-09-06T11:00:01Z"), 0))
	calls := 0
	n, err := s.Flush(ctx, func(uint64) error { calls++; return nil })
	if err != nil || n != 5 || s.Applied() != 5 || calls != 1 {
		t.Fatalf("flushed to %d, applied %d, %d calls, %v", n, s.Applied(), calls, err)
	}
	if s.Unflushed() != before {
		t.Fatalf("unflushed is %d after a flush, was %d", s.Unflushed(), before)
	}
	if rows := scanAll(t, s, store.Series{UID: 7, Port: 1}); len(rows) != 3 {
		t.Fatalf("%d rows", len(rows))
	}
}

// testSeriesPages reads everything page by page, in both directions.
func testSeriesPages(t *testing.T, open func(testing.TB, string) store.SeriesStore) {
	s := openSeries(t, open, t.TempDir())
	defer s.Close()
	ctx := context.Background()
	start := at("2025-08-31T23:50:00Z")
	m := newSeriesModel()
	series := []store.Series{{UID: 7, Port: 3}, {UID: 7, Port: 1}, {UID: 7, Port: 2}, {UID: 8}}
	for i := range int64(900) {
		for port := range uint16(3) {
			if (i+int64(port))%7 == 0 {
				continue
			}
			it := reading(uint64(i+1), port+1, start+i*1000, float64(i))
			m.append(it)
			appendItems(t, s, it)
		}
		if i == 500 {
			flush(t, s)
		}
	}
	for size, span := range map[int]int64{1: 40_000, 37: 900_000} {
		for _, desc := range []bool{false, true} {
			samePages(t, s, m, store.Scan{Series: series, From: start, To: start + span, Desc: desc, Limit: 1 << 20}, size)
		}
	}
	q := store.Aggregation{From: start + 500, To: start + 900_000, Every: 7000, Limit: 1 << 20}
	for _, sr := range series {
		q.Series = append(q.Series, store.SeriesCalibrations{Series: sr})
	}
	want := m.aggregate(q)
	var got []store.Bucket
	for q.Limit = 11; ; {
		buckets, err := s.Aggregate(ctx, q)
		must(t, err)
		got = append(got, buckets...)
		if len(buckets) < q.Limit {
			break
		}
		q.After = &store.RowKey{TS: buckets[len(buckets)-1].Start, Series: buckets[len(buckets)-1].Series}
	}
	if !slices.EqualFunc(got, want, nearBucket) {
		t.Fatalf("pages of 11 give %d buckets, want %d", len(got), len(want))
	}
}

// samePages compares all that q asks for with what its pages give.
func samePages(t *testing.T, s store.SeriesStore, m *seriesModel, q store.Scan, size int) {
	t.Helper()
	want := m.scan(q)
	var got []store.Row
	for q.Limit = size; ; {
		rows, err := s.Scan(context.Background(), q)
		must(t, err)
		got = append(got, rows...)
		if len(rows) < q.Limit {
			break
		}
		q.After = &store.RowKey{TS: rows[len(rows)-1].Sample.TS, Series: rows[len(rows)-1].Series}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("desc %v: pages of %d give %d rows, want %d", q.Desc, size, len(got), len(want))
	}
}

func testSeriesCalibrations(t *testing.T, open func(testing.TB, string) store.SeriesStore) {
	s := openSeries(t, open, t.TempDir())
	defer s.Close()
	ts := at("2025-09-06T12:00:00Z")
	for i, v := range []float64{1, 3, 2, 10, 30, 20} {
		it := reading(uint64(i+1), 1, ts+int64(i)*1000, v)
		it.Sample.Calibration = uint16(i%2 + 1)
		appendItems(t, s, it)
	}
	cals := []store.Calibration{
		{Number: 1, Scaling: 2, Offset: 1},
		{Number: 2, Scaling: -1, EffectiveFrom: time.UnixMilli(ts + 3000)},
	}
	sr := store.Series{UID: 7, Port: 1}
	ask := func(ingested bool) store.Bucket {
		got, err := s.Aggregate(context.Background(), store.Aggregation{
			From: ts, To: ts + 60_000, Every: 60_000, Limit: 10,
			Series: []store.SeriesCalibrations{{Series: sr, Calibrations: cals, Ingested: ingested}},
		})
		must(t, err)
		if len(got) != 1 {
			t.Fatalf("%d buckets", len(got))
		}
		return got[0]
	}
	for range 2 {
		if got, want := ask(false), (store.Bucket{Start: ts, Count: 6, Sum: 3 + 7 + 5 - 10 - 30 - 20, Min: -30, Max: 7, First: 3, Last: -20}); got != want {
			t.Errorf("by today's calibrations %+v, want %+v", got, want)
		}
		if got, want := ask(true), (store.Bucket{Start: ts, Count: 6, Sum: 5 - 10 + 61 - 20, Min: -20, Max: 61, First: 3, Last: -20}); got != want {
			t.Errorf("as ingested %+v, want %+v", got, want)
		}
		flush(t, s)
	}
}

func testSeriesInvalid(t *testing.T, open func(testing.TB, string) store.SeriesStore) {
	s := openSeries(t, open, t.TempDir())
	defer s.Close()
	ctx := context.Background()
	sr := store.Series{UID: 7, Port: 1}
	if _, err := s.Scan(ctx, store.Scan{Series: []store.Series{sr}, To: 10}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a scan without limit: %v", err)
	}
	for _, q := range []store.Aggregation{{To: 10, Every: 1}, {To: 10, Limit: 1}} {
		q.Series = []store.SeriesCalibrations{{Series: sr}}
		if _, err := s.Aggregate(ctx, q); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("aggregate every %d limit %d: %v", q.Every, q.Limit, err)
		}
	}
	appendItems(t, s, reading(1, 1, 5, 1))
	for _, q := range []store.Scan{{From: 5, To: 5}, {From: 6, To: 5}, {From: 6, To: 600}, {From: 0, To: 5}} {
		q.Series, q.Limit = []store.Series{sr}, 5
		if rows, err := s.Scan(ctx, q); err != nil || len(rows) != 0 {
			t.Errorf("scan %d to %d: %d rows, %v", q.From, q.To, len(rows), err)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.Scan(cancelled, store.Scan{Series: []store.Series{sr}, To: 100, Limit: 5}); !errors.Is(err, context.Canceled) {
		t.Errorf("a scan whose caller has gone: %v", err)
	}
	samples, found, err := s.Latest(ctx, []store.Series{{UID: 1}, sr})
	if err != nil || found[0] || !found[1] || samples[1].TS != 5 {
		t.Errorf("latest %v %v %v", samples, found, err)
	}
}
