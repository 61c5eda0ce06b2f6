package embedded

import (
	"compress/gzip"
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

// trace answers the rows of a set of real sensor traces in order of arrival,
// at most limit (0: all), without those that have no value.
func trace(t testing.TB, set string, limit int) []store.Item {
	t.Helper()
	dir := os.Getenv("TRACE_DIR")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	f, err := os.Open(filepath.Join(dir, set+".csv.gz"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no trace %s.csv.gz in %s; set TRACE_DIR", set, dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	r.ReuseRecord = true
	uids := map[string]uint32{}
	var out []store.Item
	for first := true; limit == 0 || len(out) < limit; first = false {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if first || rec[3] == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, rec[0])
		if err != nil {
			t.Fatal(err)
		}
		port, err := strconv.ParseUint(rec[2], 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		v, err := strconv.ParseFloat(rec[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		uid, ok := uids[rec[1]]
		if !ok {
			uid = uint32(len(uids) + 1)
			uids[rec[1]] = uid
		}
		out = append(out, store.Item{Series: store.Series{UID: uid, Port: uint16(port)},
			Sample: store.Sample{TS: at.UnixMilli(), Raw: v, Calibration: 1}})
	}
	return out
}

// traceColumns answers the series of a trace, sorted and without repeats, as
// they would be had they been received ingest ms later.
func traceColumns(items []store.Item, ingest func(ts int64) int64) []columns {
	by := map[store.Series][]store.Sample{}
	for i := range items {
		s := items[i].Sample
		s.IngestTS = ingest(s.TS)
		by[items[i].Series] = append(by[items[i].Series], s)
	}
	var out []columns
	for _, s := range by {
		slices.SortStableFunc(s, func(a, b store.Sample) int { return int(a.TS - b.TS) })
		var c columns
		for i := range s {
			if i == 0 || s[i].TS != s[i-1].TS {
				c.add(&s[i])
			}
		}
		out = append(out, c)
	}
	return out
}
