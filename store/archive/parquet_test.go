package archive

import (
	"bytes"
	"errors"
	"io"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"tidegate/store"
)

// readingAt makes a reading that is another for each i.
func readingAt(i int) store.Reading {
	ids := [...]string{"d1", "ölpumpe", "温度計-7", "🌡", "a.B_c:d-9"}
	hard := [...]float64{
		math.Copysign(0, -1), 0, 1e300, -1e300, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1,
		math.Inf(1), math.Inf(-1), math.NaN(), 1<<53 + 1,
	}
	times := [...]store.Time{0, -1, -62_167_219_200_000, 253_402_300_799_999, 1_757_160_000_123}
	r := store.Reading{
		TS: store.Time(1_757_160_000_000 + int64(i)*997), DeviceID: ids[i%len(ids)], PortNumber: uint16(i * 7), RawValue: math.Sin(float64(i)),
		CalibratedValue: math.Cos(float64(i)) * 1e6, Quality: store.Quality(i % 3).String(), Flags: store.Flags(i % 8).Names(),
		IngestTS: store.Time(1_757_160_000_000 + int64(i)*1001),
	}
	if i < len(hard) {
		r.RawValue, r.CalibratedValue = hard[i], hard[len(hard)-1-i]
	}
	if i < len(times) {
		r.TS, r.IngestTS = times[i], times[len(times)-1-i]
	}
	return r
}

func writeParquet(t *testing.T, n, piece int) []byte {
	t.Helper()
	var out bytes.Buffer
	f := Parquet(&out)
	var readings []store.Reading
	for i := range n {
		readings = append(readings, readingAt(i))
		if len(readings) == piece || i == n-1 {
			if err := f.Write(readings); err != nil {
				t.Fatal(err)
			}
			clear(readings) // it keeps none
			readings = readings[:0]
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestParquetReadsBack compares each number by its bits.
func TestParquetReadsBack(t *testing.T) {
	for _, c := range []struct{ rows, piece, groups int }{
		{0, 1, 0}, {1, 1, 1}, {1000, 7, 1}, {groupRows, 5000, 1}, {2*groupRows + 5, groupRows + 9, 3},
	} {
		b := writeParquet(t, c.rows, c.piece)
		file, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatalf("%d rows: %v", c.rows, err)
		}
		groups := file.RowGroups()
		if file.NumRows() != int64(c.rows) || len(groups) != c.groups {
			t.Errorf("%d rows in %d groups, want %d in %d", file.NumRows(), len(groups), c.rows, c.groups)
		}
		for _, g := range groups {
			if g.NumRows() > groupRows {
				t.Errorf("a row group of %d rows", g.NumRows())
			}
		}
		for _, g := range file.Metadata().RowGroups {
			for _, column := range g.Columns {
				if got := column.MetaData.Codec.String(); got != "ZSTD" {
					t.Errorf("%v is compressed with %s", column.MetaData.PathInSchema, got)
				}
			}
		}
		rows, err := parquet.Read[parquetRow](bytes.NewReader(b), int64(len(b)))
		if err != nil || len(rows) != c.rows {
			t.Fatalf("%d of %d rows: %v", len(rows), c.rows, err)
		}
		for i := range rows {
			got, want := &rows[i], readingAt(i)
			if got.TS != int64(want.TS) || got.IngestTS != int64(want.IngestTS) || got.DeviceID != want.DeviceID || got.PortNumber != want.PortNumber ||
				math.Float64bits(got.RawValue) != math.Float64bits(want.RawValue) ||
				math.Float64bits(got.CalibratedValue) != math.Float64bits(want.CalibratedValue) ||
				got.Quality != want.Quality || !slices.Equal(got.Flags, want.Flags) {
				t.Fatalf("row %d of %d\n%+v\nwant\n%+v", i, c.rows, *got, want)
			}
		}
	}
}

// TestParquetColumns pins what other programs rely on.
func TestParquetColumns(t *testing.T) {
	const want = `message parquetRow {
	required int64 ts (TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS));
	required binary deviceId (STRING);
	required int32 portNumber (INT(16,false));
	required double rawValue;
	required double calibratedValue;
	required binary quality (STRING);
	required group flags (LIST) {
		repeated group list {
			required binary element (STRING);
		}
	}
	required int64 ingestTs (TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS));
}`
	if got := parquet.SchemaOf(parquetRow{}).String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestParquetWithoutEnd: what was not closed is not read as a file.
func TestParquetWithoutEnd(t *testing.T) {
	var out bytes.Buffer
	f := Parquet(&out)
	for i := range 2 * groupRows {
		if err := f.Write([]store.Reading{readingAt(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.HasPrefix(out.Bytes(), []byte("PAR1")) {
		t.Fatalf("%d bytes, of a group that is full", out.Len())
	}
	if _, err := parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len())); err == nil {
		t.Error("a part is read as a whole")
	}
}

type failingWriter struct{ left int }

var errFull = errors.New("the disk is full")

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestParquetErrors: what w says comes back, with the write or at the end.
func TestParquetErrors(t *testing.T) {
	whole := len(writeParquet(t, groupRows+1024, 1024))
	readings := make([]store.Reading, 1024)
	for _, left := range []int{0, whole / 3, whole - 1} {
		f := Parquet(&failingWriter{left})
		var err error
		for i := 0; i < groupRows+1024 && err == nil; i += len(readings) {
			for j := range readings {
				readings[j] = readingAt(i + j)
			}
			err = f.Write(readings)
		}
		if err == nil {
			err = f.Close()
		}
		if !errors.Is(err, errFull) {
			t.Errorf("with room for %d of %d bytes: %v", left, whole, err)
		}
	}
}

type sized struct{ n int }

func (s *sized) Write(p []byte) (int, error) { s.n += len(p); return len(p), nil }

// TestParquetMemory: a million readings take no more memory than a row group.
func TestParquetMemory(t *testing.T) {
	const rows, bound = 1_000_000, 32 << 20
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	w := &sized{}
	readings := make([]store.Reading, 0, 4096)
	before := heap()
	f := Parquet(w)
	var most uint64
	for i := 0; i < rows; i += cap(readings) {
		readings = readings[:0]
		for j := range min(cap(readings), rows-i) {
			readings = append(readings, readingAt(i+j))
		}
		if err := f.Write(readings); err != nil {
			t.Fatal(err)
		}
		if i/cap(readings)%15 == 14 { // a group is nearly full, or just empty
			most = max(most, heap())
		}
	}
	open := w.n
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %d before the end; %d bytes of heap before, at most %d", w.n, open, before, most)
	if most > before+bound {
		t.Errorf("%d bytes of heap over %d", most-before, bound)
	}
	if open < w.n*9/10 {
		t.Errorf("%d of %d bytes waited for the end", w.n-open, w.n)
	}
}

func BenchmarkParquet(b *testing.B) {
	readings := make([]store.Reading, 1024)
	for i := range readings {
		readings[i] = readingAt(i + 100)
	}
	f := Parquet(io.Discard)
	for b.Loop() {
		if err := f.Write(readings); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*float64(len(readings))/b.Elapsed().Seconds(), "readings/s")
}
