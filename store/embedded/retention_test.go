package embedded

import (
	"context"
	"errors"
	"maps"
	"math"
	"os"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

func testLogID() store.LogID { return store.LogID{1, 15: 2} }

// openTestSeries opens and binds; the test closes it.
func openTestSeries(t testing.TB, dir string, o SeriesOptions) *SeriesStore {
	t.Helper()
	s, err := OpenSeries(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bind(store.Bounds{Log: testLogID(), Head: math.MaxInt64}); err != nil {
		t.Fatal(err)
	}
	return s
}

func mustFlush(t testing.TB, s *SeriesStore) {
	t.Helper()
	if _, err := s.Flush(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
}

func mustAppend(t testing.TB, s *SeriesStore, items ...store.Item) []store.Item {
	t.Helper()
	b := store.Batch{Through: items[len(items)-1].Seq, Items: items}
	if err := s.Append(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.Items
}

func mustClose(t testing.TB, s *SeriesStore) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func item(seq uint64, ts int64, v float64) store.Item {
	return store.Item{Series: store.Series{UID: 3, Port: 1}, Seq: seq, Hour: ts / 3_600_000, Sample: store.Sample{TS: ts, Raw: v, IngestTS: ts, Calibration: 1}}
}

// ledgerOf answers all counts of a store.
func ledgerOf(t testing.TB, s *SeriesStore) (stored, duplicate uint64, hours, duplicates store.HourCounts) {
	t.Helper()
	stored, duplicate, err := s.Totals(context.Background())
	hours, duplicates = store.HourCounts{}, store.HourCounts{}
	if err := errors.Join(err, s.Hours(context.Background(), math.MinInt64, math.MaxInt64, hours, duplicates)); err != nil {
		t.Fatal(err)
	}
	return stored, duplicate, hours, duplicates
}

func sameLedger(t *testing.T, s *SeriesStore, stored, duplicate uint64, hours, duplicates store.HourCounts) {
	t.Helper()
	a, b, c, d := ledgerOf(t, s)
	if a != stored || b != duplicate || !maps.EqualFunc(c, hours, maps.Equal[store.Counts, store.Counts]) || !maps.EqualFunc(d, duplicates, maps.Equal[store.Counts, store.Counts]) {
		t.Fatalf("the ledger is %d %d %v %v, was %d %d %v %v", a, b, c, d, stored, duplicate, hours, duplicates)
	}
}

// fillMonths stores 100 readings and 10 duplicates in each of the six months
// from January 2025.
func fillMonths(t testing.TB, s *SeriesStore) {
	t.Helper()
	seq := s.Applied()
	for month := range 6 {
		start := time.Date(2025, time.Month(1+month), 5, 0, 0, 0, 0, time.UTC).UnixMilli()
		for i := range int64(110) {
			seq++
			mustAppend(t, s, item(seq, start+(i%100)*60_000, float64(i%100)))
		}
	}
	mustFlush(t, s)
}

// unasked lets every month go.
func unasked(ExpiredMonth) error { return nil }

func monthsOf(expired []ExpiredMonth) (months []Month) {
	for _, e := range expired {
		months = append(months, e.Month)
	}
	return months
}

func TestDropMonths(t *testing.T) {
	dir := t.TempDir()
	s := openTestSeries(t, dir, SeriesOptions{})
	fillMonths(t, s)
	stored, duplicate, hours, duplicates := ledgerOf(t, s)
	if stored != 600 || duplicate != 60 {
		t.Fatalf("stored %d, duplicate %d", stored, duplicate)
	}
	now := time.Date(2025, 6, 20, 0, 0, 0, 0, time.UTC)
	if months := s.ExpiredMonths(0, now); len(months) != 0 {
		t.Fatalf("keep 0 would drop %v", months)
	}
	want := []Month{MonthOf(now.UnixMilli()) - 5, MonthOf(now.UnixMilli()) - 4, MonthOf(now.UnixMilli()) - 3}
	if months := s.ExpiredMonths(3, now); !slices.Equal(monthsOf(months), want) || months[0].Bytes < pageSize {
		t.Fatalf("keep 3 would drop %v", months)
	}
	late := time.Date(2025, 2, 7, 0, 0, 0, 0, time.UTC).UnixMilli()
	mustAppend(t, s, item(s.Applied()+1, late, 1)) // February waits for its flush
	boom := errors.New("no")
	if dropped, err := s.DropMonths(context.Background(), 3, now, func(ExpiredMonth) error { return boom }); !errors.Is(err, boom) || len(dropped) != 0 {
		t.Fatalf("dropped %v against a no: %v", dropped, err)
	}
	var told []ExpiredMonth
	dropped, err := s.DropMonths(context.Background(), 3, now, func(e ExpiredMonth) error {
		told = append(told, e)
		return nil
	})
	if err != nil || !slices.Equal(monthsOf(dropped), []Month{want[0], want[2]}) || !slices.Equal(told, dropped) || dropped[0].Bytes < pageSize {
		t.Fatalf("dropped %v, told of %v: %v", dropped, told, err)
	}
	mustFlush(t, s)
	if dropped, err = s.DropMonths(context.Background(), 3, now, unasked); err != nil || !slices.Equal(monthsOf(dropped), want[1:2]) {
		t.Fatalf("dropped %v: %v", dropped, err)
	}
	stored++
	hours.Add(late/3_600_000, 3, 1)
	sameLedger(t, s, stored, duplicate, hours, duplicates)
	rows, err := s.Scan(context.Background(), store.Scan{Series: []store.Series{{UID: 3, Port: 1}}, From: 0, To: math.MaxInt64, Limit: 1000})
	if err != nil || len(rows) != 300 || MonthOf(rows[0].Sample.TS) != want[2]+1 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	if u := s.Usage(now); u.Months != 3 || u.Oldest != want[2]+1 || u.Samples != 300 || u.Bytes < 3*pageSize || u.BytesPerDay < 1 {
		t.Fatalf("usage %+v", u)
	}

	// A reading of a dropped month begins it anew, and it can be dropped again.
	mustAppend(t, s, item(s.Applied()+1, late, 2))
	if months := s.ExpiredMonths(3, now); !slices.Equal(months, []ExpiredMonth{{want[1], 0}}) {
		t.Fatalf("of what waits in memory %v would go", months)
	}
	mustFlush(t, s)
	stored++
	hours.Add(late/3_600_000, 3, 1)
	mustClose(t, s)
	s = openTestSeries(t, dir, SeriesOptions{})
	sameLedger(t, s, stored, duplicate, hours, duplicates)
	if dropped, err = s.DropMonths(context.Background(), 3, now, unasked); err != nil || !slices.Equal(monthsOf(dropped), want[1:2]) {
		t.Fatalf("dropped %v: %v", dropped, err)
	}
	sameLedger(t, s, stored, duplicate, hours, duplicates)
	mustClose(t, s)
}

// TestDropIsFinished has the process end after the tallies moved and before
// the file went, or before that was noted.
func TestDropIsFinished(t *testing.T) {
	for _, removed := range []bool{false, true} {
		dir := t.TempDir()
		s := openTestSeries(t, dir, SeriesOptions{})
		fillMonths(t, s)
		stored, duplicate, hours, duplicates := ledgerOf(t, s)
		m := MonthOf(time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
		fileHours, fileDuplicates := store.HourCounts{}, store.HourCounts{}
		err := s.files.view(m, func(tx *bbolt.Tx) error {
			return readHours(tx.Bucket(hoursBucket), minHour, maxHour, fileHours, fileDuplicates)
		})
		if err := errors.Join(err, s.index.moveTallies(m, s.months[m].state, fileHours, fileDuplicates)); err != nil {
			t.Fatal(err)
		}
		mustClose(t, s)
		if removed {
			if err := os.Remove(m.file(dir)); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			s = openTestSeries(t, dir, SeriesOptions{})
			sameLedger(t, s, stored, duplicate, hours, duplicates)
			if _, err := os.Stat(m.file(dir)); !notExist(err) {
				t.Fatalf("the file of the dropped month: %v", err)
			}
			mustClose(t, s)
		}
	}
}
