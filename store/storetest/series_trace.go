package storetest

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"tidegate/store"
)

// Trace answers readings of a set of real sensor traces in order of arrival,
// from row skip on and at most limit of them, without those that have no value.
// They lie in TRACE_DIR, or else in ../shared/data beside the project; where
// they are absent the test is skipped.
func Trace(t testing.TB, set string, skip, limit int) []store.Item {
	t.Helper()
	dir := os.Getenv("TRACE_DIR")
	if dir == "" {
		dir = filepath.Join(projectRoot(t), "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(dir, set+".csv.gz"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no trace %s.csv.gz in %s; set TRACE_DIR", set, dir)
	}
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	r := csv.NewReader(z)
	r.ReuseRecord = true
	_, err = r.Read() // ts,device,port,value
	must(t, err)
	uids := map[string]uint32{}
	var out []store.Item
	for row := 0; len(out) < limit; row++ {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		if row < skip || rec[3] == "" {
			continue
		}
		ts, err := time.Parse(time.RFC3339Nano, rec[0])
		must(t, err)
		port, err := strconv.ParseUint(rec[2], 10, 16)
		must(t, err)
		v, err := strconv.ParseFloat(rec[3], 64)
		must(t, err)
		if uids[rec[1]] == 0 {
			uids[rec[1]] = uint32(len(uids) + 1)
		}
		out = append(out, store.Item{
			Series: store.Series{UID: uids[rec[1]], Port: uint16(port)}, Seq: uint64(len(out)/20 + 1), Hour: 480_000,
			Sample: store.Sample{TS: ts.UnixMilli(), Raw: v, Calibration: 1, IngestTS: 480_000*3_600_000 + int64(len(out)/20)*7},
		})
	}
	return out
}

func projectRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	must(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Skip("no go.mod above the test: where the traces are is not known; set TRACE_DIR")
		}
		dir = up
	}
}

// testSeriesTraces stores real readings, with their repeats, gaps and steps
// back in time, and compares what comes out.
func testSeriesTraces(t *testing.T, open func(testing.TB, string) store.SeriesStore) {
	for _, set := range []string{"household_power_2007h1", "campusiot_lorawan", "nab_known_cause"} {
		t.Run(set, func(t *testing.T) {
			items := Trace(t, set, 10_000, 25_000)
			dir := t.TempDir()
			s := openSeries(t, open, dir)
			m := newSeriesModel()
			series := map[store.Series]bool{}
			for i, part := range slices.Collect(slices.Chunk(items, 2000)) {
				want := make([]store.Item, len(part))
				for k, it := range part {
					want[k] = m.append(it)
					series[it.Series] = true
				}
				got := appendItems(t, s, slices.Clone(part)...)
				if !slices.Equal(got, want) {
					t.Fatalf("verdicts of part %d differ", i)
				}
				switch i % 5 {
				case 2:
					flush(t, s)
				case 4:
					flush(t, s)
					must(t, s.Close())
					s = openSeries(t, open, dir)
				}
			}
			defer s.Close()
			for sr := range series {
				q := store.Scan{Series: []store.Series{sr}, From: -1 << 60, To: 1 << 60, Limit: 1 << 20}
				got, err := s.Scan(context.Background(), q)
				must(t, err)
				if want := m.scan(q); !slices.Equal(got, want) {
					i := 0
					for i < min(len(got), len(want)) && got[i] == want[i] {
						i++
					}
					t.Fatalf("rows of %v differ from row %d on; %d rows, want %d: %v, want %v", sr, i, len(got), len(want), got[i:min(len(got), i+3)], want[i:min(len(want), i+3)])
				}
			}
			stored, duplicate, err := s.Totals(context.Background())
			must(t, err)
			if int64(stored) != m.stored.Sum() || int64(duplicate) != m.duplicate.Sum() {
				t.Fatalf("stored %d, duplicate %d; want %d, %d", stored, duplicate, m.stored.Sum(), m.duplicate.Sum())
			}
		})
	}
}
