package embedded

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

func TestSeriesRefusesFiles(t *testing.T) {
	june := MonthOf(time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	tests := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string
	}{
		{"index gone", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, indexName)); err != nil {
				t.Fatal(err)
			}
		}, "is missing although there are readings"},
		{"month truncated", func(t *testing.T, dir string) {
			if err := os.Truncate(june.file(dir), 3*pageSize); err != nil {
				t.Fatal(err)
			}
		}, "series-2025-06.db\": is truncated"},
		{"index and month swapped", func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, indexName), june.file(dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, indexName), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "series-index.db\": is empty"},
		{"open elsewhere", func(t *testing.T, dir string) {
			s, err := OpenSeries(dir, SeriesOptions{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
		}, "another tidegate holds the folder"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openTestSeries(t, dir, SeriesOptions{})
			fillMonths(t, s)
			mustClose(t, s)
			tt.spoil(t, dir)
			s, err := OpenSeries(dir, SeriesOptions{})
			if err == nil {
				_ = s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestSeriesDamagedBlock flips a byte of a block: queries say where, and do not
// answer what is wrong.
func TestSeriesDamagedBlock(t *testing.T) {
	s := openTestSeries(t, t.TempDir(), SeriesOptions{})
	fillMonths(t, s)
	m := MonthOf(time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	damage(t, s, m)
	series := []store.Series{{UID: 3, Port: 1}}
	_, scanErr := s.Scan(context.Background(), store.Scan{Series: series, From: 0, To: math.MaxInt64, Limit: 1000})
	_, sumErr := s.Aggregate(context.Background(), store.Aggregation{Series: []store.SeriesCalibrations{{Series: series[0]}}, To: math.MaxInt64, Every: 1 << 40, Limit: 1000})
	_, _, lastErr := s.Latest(context.Background(), series)
	appendErr := s.Append(context.Background(), &store.Batch{Through: s.Applied() + 1, Items: []store.Item{item(s.Applied()+1, m.Start()+4*86_400_000, 1)}})
	for what, err := range map[string]error{"scan": scanErr, "aggregate": sumErr, "latest": lastErr, "append": appendErr} {
		if err == nil || !strings.Contains(err.Error(), "series-2025-06.db") || !strings.Contains(err.Error(), "device number 3, port 1") {
			t.Errorf("%s: %v", what, err)
		}
	}
	mustClose(t, s)
}

// damage flips a bit of the first block of a month.
func damage(t *testing.T, s *SeriesStore, m Month) {
	t.Helper()
	mf, err := s.files.acquire(m, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.files.release(mf)
	err = update(mf.db, func(tx *bbolt.Tx) error {
		b := tx.Bucket(blocksBucket)
		k, v := b.Cursor().First()
		v = bytes.Clone(v)
		v[len(v)/2] ^= 4
		return b.Put(bytes.Clone(k), v)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAppendGoesOn has a batch fail in its middle, and be repeated.
func TestAppendGoesOn(t *testing.T) {
	dir := t.TempDir()
	s := openTestSeries(t, dir, SeriesOptions{OpenFiles: 1})
	fillMonths(t, s)
	mustClose(t, s)
	s = openTestSeries(t, dir, SeriesOptions{OpenFiles: 1})
	stored, duplicate, _, _ := ledgerOf(t, s)
	february := MonthOf(time.Date(2025, 2, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	hidden := february.file(dir) + ".hidden"
	if err := os.Rename(february.file(dir), hidden); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(february.file(dir), []byte("not a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	seq := s.Applied() + 1
	start := time.Date(2025, 1, 20, 0, 0, 0, 0, time.UTC).UnixMilli()
	batch := func() *store.Batch {
		server := item(seq, start, 9)
		server.Sample.Flags = store.FlagServerTS
		return &store.Batch{Through: seq, Items: []store.Item{item(seq, start, 1), server, item(seq, start, 1), item(seq, start, 2), item(seq, february.Start(), 3), item(seq, february.Start(), 3)}}
	}
	if err := s.Append(context.Background(), batch()); err == nil {
		t.Fatal("appended to a file that cannot be read")
	}
	applied := s.Applied()
	if n, err := s.Flush(context.Background(), nil); err != nil || n != applied {
		t.Fatalf("flushed half a batch to %d: %v", n, err)
	}
	if err := os.Rename(hidden, february.file(dir)); err != nil {
		t.Fatal(err)
	}
	b := batch()
	if err := s.Append(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	want := []store.Verdict{store.VerdictStored, store.VerdictStored, store.VerdictDuplicate, store.VerdictConflict, store.VerdictStored, store.VerdictDuplicate}
	for i, v := range want {
		if b.Items[i].Verdict != v {
			t.Errorf("item %d: verdict %d, want %d", i, b.Items[i].Verdict, v)
		}
	}
	if b.Items[1].Sample.TS != start+1 {
		t.Errorf("the reading without time is at %d, want %d", b.Items[1].Sample.TS, start+1)
	}
	mustFlush(t, s)
	if a, d, _, _ := ledgerOf(t, s); a != stored+3 || d != duplicate+2 {
		t.Errorf("stored %d, duplicate %d; want %d, %d", a, d, stored+3, duplicate+2)
	}
	mustClose(t, s)
}

// TestSnapshot restores copies taken while readings are appended and flushed.
func TestSnapshot(t *testing.T) {
	s := openTestSeries(t, t.TempDir(), SeriesOptions{})
	fillMonths(t, s)
	to := t.TempDir()
	seq := s.Applied()
	names := 0
	err := s.Snapshot(context.Background(), func(name string, size int64, r io.Reader) error {
		b, err := io.ReadAll(r)
		if err != nil || int64(len(b)) != size {
			t.Fatalf("%s: %d bytes of %d: %v", name, len(b), size, err)
		}
		if names++; names == 3 { // the months that follow know more than the index
			for month := range 6 {
				seq++
				mustAppend(t, s, item(seq, time.Date(2025, time.Month(1+month), 9, 0, 0, 0, 0, time.UTC).UnixMilli(), 1))
			}
			mustFlush(t, s)
		}
		return os.WriteFile(filepath.Join(to, name), b, 0o600)
	})
	if err != nil || names != 7 {
		t.Fatalf("%d files: %v", names, err)
	}
	want := allRows(t, s)
	stored, duplicate, hours, duplicates := ledgerOf(t, s)
	mustClose(t, s)
	restored := openTestSeries(t, to, SeriesOptions{})
	if restored.Applied() != seq-6 {
		t.Fatalf("applied %d, want %d", restored.Applied(), seq-6)
	}
	for month := range 6 { // the replay
		mustAppend(t, restored, item(seq-5+uint64(month), time.Date(2025, time.Month(1+month), 9, 0, 0, 0, 0, time.UTC).UnixMilli(), 1))
	}
	sameLedger(t, restored, stored, duplicate, hours, duplicates)
	if got := allRows(t, restored); len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	stop := errors.New("stop")
	if err := restored.Snapshot(context.Background(), func(string, int64, io.Reader) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("a copy that is given up: %v", err)
	}
	mustClose(t, restored)
}

// TestFullDisk fills a small file system for real.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("no small file system can be mounted here: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	s := openTestSeries(t, dir, SeriesOptions{})
	defer func() { _ = s.Close() }() // whatever comes, or it cannot be unmounted
	rnd := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2025, 1, 5, 0, 0, 0, 0, time.UTC).UnixMilli()
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 150<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	var seq, n uint64
	fill := func() {
		var items []store.Item
		seq++
		for range 5000 {
			n++
			items = append(items, item(seq, start+int64(n)*100, rnd.Float64())) // nothing to compress
		}
		mustAppend(t, s, items...)
	}
	var err error
	for range 20 {
		fill()
		if _, err = s.Flush(context.Background(), nil); err != nil {
			break
		}
	}
	if !errors.Is(err, store.ErrFull) {
		t.Fatalf("a full disk says %v", err)
	}
	applied := s.Applied()
	fill()
	if _, err := s.Flush(context.Background(), nil); err != nil && (!errors.Is(err, store.ErrFull) || s.Applied() != applied) {
		t.Fatalf("still full, applied %d, was %d: %v", s.Applied(), applied, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	mustFlush(t, s)
	check := func() {
		t.Helper()
		if stored, duplicate, _, _ := ledgerOf(t, s); stored != n || duplicate != 0 {
			t.Fatalf("stored %d, duplicate %d; want %d, 0", stored, duplicate, n)
		}
		rows := allRows(t, s)
		if uint64(len(rows)) != n {
			t.Fatalf("%d rows, want %d", len(rows), n)
		}
	}
	check()
	mustClose(t, s)
	s = openTestSeries(t, dir, SeriesOptions{})
	if s.Applied() != seq {
		t.Fatalf("applied %d, want %d", s.Applied(), seq)
	}
	check()
}
