package embedded

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// scatter appends readings of some series out of order, over many flushes.
func scatter(t testing.TB, s *SeriesStore, start int64, flushes int) {
	t.Helper()
	seq := s.Applied()
	rnd := rand.New(rand.NewPCG(5, seq))
	for range flushes {
		var items []store.Item
		for range 500 {
			seq++
			it := item(seq, start+rnd.Int64N(20*86_400_000), float64(rnd.IntN(1000))/10)
			it.Series.Port = uint16(rnd.IntN(3))
			items = append(items, it)
		}
		mustAppend(t, s, items...)
		mustFlush(t, s)
	}
}

func allRows(t testing.TB, s *SeriesStore) []store.Row {
	t.Helper()
	rows, err := s.Scan(context.Background(), store.Scan{Series: []store.Series{{UID: 3}, {UID: 3, Port: 1}, {UID: 3, Port: 2}}, From: math.MinInt64, To: math.MaxInt64, Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func monthStats(t testing.TB, s *SeriesStore, m Month) (state monthState, series, blocks int) {
	t.Helper()
	err := s.files.view(m, func(tx *bbolt.Tx) (err error) {
		last := store.Series{UID: math.MaxUint32}
		samples, bytes := 0, 0
		err = tx.Bucket(blocksBucket).ForEach(func(k, v []byte) error {
			if sr := seriesOf(k); sr != last {
				last = sr
				series++
			}
			h, err := parseBlock(v)
			blocks++
			samples += h.count
			bytes += len(v)
			return err
		})
		if err != nil {
			return err
		}
		if state, err = readMonthState(tx); state.samples != uint64(samples) || state.blocks != uint64(blocks) || state.bytes != uint64(bytes) {
			t.Errorf("state says %+v; there are %d samples in %d blocks of %d bytes", state, samples, blocks, bytes)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return state, series, blocks
}

func TestSettle(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2025, 6, 10, 0, 0, 0, 0, time.UTC)
	s := openTestSeries(t, dir, SeriesOptions{Now: func() time.Time { return now }})
	start := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	scatter(t, s, start, 25)
	m := MonthOf(start)
	before := allRows(t, s)
	stored, duplicate, hours, duplicates := ledgerOf(t, s)
	_, _, blocksBefore := monthStats(t, s, m)
	sizeBefore := s.Usage(now).Bytes

	if err := s.Settle(context.Background(), time.Hour); err != nil || s.Usage(now).Bytes != sizeBefore {
		t.Fatalf("settled although not quiet: %v", err)
	}
	now = now.Add(2 * time.Hour)
	if err := os.WriteFile(m.file(dir)+".tmp", []byte("left by a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := s.newReader(context.Background(), []store.Series{{UID: 3}}, math.MinInt64, math.MaxInt64) // in use meanwhile
	old, err := s.files.acquire(m, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(context.Background(), time.Hour); err != nil {
		t.Fatal(err)
	}
	s.files.release(old)
	r.close()
	state, series, blocks := monthStats(t, s, m)
	if want := int(state.samples)/fullBlock + series; blocks > want || blocks > blocksBefore {
		t.Errorf("%d blocks for %d samples of %d series, were %d", blocks, state.samples, series, blocksBefore)
	}
	size := s.Usage(now).Bytes
	t.Logf("%d samples: %d blocks and %d bytes, then %d blocks and %d bytes; blocks alone have %d", state.samples, blocksBefore, sizeBefore, blocks, size, state.bytes)
	if size >= sizeBefore || float64(size) > 1.3*float64(state.bytes)+8*pageSize {
		t.Errorf("%d bytes, were %d", size, sizeBefore)
	}
	check := func() {
		t.Helper()
		if !slices.Equal(before, allRows(t, s)) {
			t.Fatal("rows have changed")
		}
		sameLedger(t, s, stored, duplicate, hours, duplicates)
	}
	check()
	settled, err := os.Stat(m.file(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Settle(context.Background(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if again, err := os.Stat(m.file(dir)); err != nil || !os.SameFile(settled, again) {
		t.Fatalf("a settled month was rewritten: %v", err)
	}
	mustClose(t, s)
	s = openTestSeries(t, dir, SeriesOptions{})
	check()
	scatter(t, s, start, 3)
	if got := len(allRows(t, s)); got <= len(before) {
		t.Fatalf("%d rows after more were appended, were %d", got, len(before))
	}
	monthStats(t, s, m)
	mustClose(t, s)
}

// TestSettleOnce has small files settled, which is worth it once.
func TestSettleOnce(t *testing.T) {
	s := openTestSeries(t, t.TempDir(), SeriesOptions{})
	fillMonths(t, s)
	before := s.Usage(time.Now()).Bytes
	if err := s.Settle(context.Background(), -time.Hour); err != nil {
		t.Fatal(err)
	}
	if after := s.Usage(time.Now()).Bytes; after >= before {
		t.Errorf("%d bytes, were %d", after, before)
	}
	if again := s.unsettled(-time.Hour); len(again) != 0 {
		t.Errorf("%v would be settled again", again)
	}
	mustClose(t, s)
	s = openTestSeries(t, s.dir, SeriesOptions{})
	if again := s.unsettled(-time.Hour); len(again) != 0 {
		t.Errorf("after a restart %v would be settled again", again)
	}
	mustClose(t, s)
}

// TestSettleGivesWay has a flush come in while a month is rewritten.
func TestSettleGivesWay(t *testing.T) {
	s := openTestSeries(t, t.TempDir(), SeriesOptions{})
	start := time.Date(2025, 5, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	scatter(t, s, start, 15)
	m := MonthOf(start)
	before, err := os.Stat(m.file(s.dir))
	if err != nil {
		t.Fatal(err)
	}
	old, err := s.files.acquire(m, false)
	if err != nil {
		t.Fatal(err)
	}
	tmp := m.file(s.dir) + ".tmp"
	size, err := s.rewrite(context.Background(), old.db, tmp)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, item(s.Applied()+1, start-1+20*86_400_000, 5))
	mustFlush(t, s)
	if err := s.swap(m, old.db, tmp, size); err != nil {
		t.Fatal(err)
	}
	s.files.release(old)
	after, err := os.Stat(m.file(s.dir))
	if err != nil || !os.SameFile(before, after) {
		t.Fatalf("the month was replaced although it was flushed to: %v", err)
	}
	if _, err := os.Stat(m.file(s.dir) + ".tmp"); !notExist(err) {
		t.Fatalf("the temporary file is left: %v", err)
	}
	monthStats(t, s, m)
	mustClose(t, s)
}
