package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"tidegate/api/client"
	"tidegate/store"
)

// endless answers scans with as many readings as it is told, made from their
// place: all qualities, flags, and numbers that are hard to write.
type endless struct {
	store.Readings
	rows    int64
	failsAt int64  // 0: never
	fails   error  // nil: one that nobody foresaw
	asked   func() // by each scan; may be nil
}

const (
	endlessFirst = 1_757_160_000_000
	endlessStep  = 997 // ms
)

func (e *endless) Scan(ctx context.Context, q store.Scan) ([]store.Row, error) {
	if e.asked != nil {
		e.asked()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	at, step, end := int64(0), int64(1), e.rows
	if q.Desc {
		at, step, end = e.rows-1, -1, -1
	}
	if q.After != nil {
		at = (q.After.TS-endlessFirst)/endlessStep + step
	}
	var rows []store.Row
	for ; at != end && len(rows) < q.Limit; at += step {
		if e.failsAt > 0 && at >= e.failsAt {
			return nil, cmp.Or(e.fails, errors.New("it fails later"))
		}
		if ts := endlessFirst + at*endlessStep; ts >= q.From && ts < q.To {
			rows = append(rows, store.Row{Series: int(at) % len(q.Series), Sample: store.Sample{
				TS: ts, IngestTS: ts + at%5000, Raw: hardNumber(at), Calibration: uint16(at % 2), Quality: store.Quality(at % 3), Flags: store.Flags(at % 8),
			}})
		}
	}
	return rows, nil
}

func hardNumber(i int64) float64 {
	hard := [...]float64{math.Copysign(0, -1), 0, 1e300, -1e300, math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1, math.Pi}
	if int(i) < len(hard) {
		return hard[i]
	}
	return math.Sin(float64(i)) * 1000
}

// parquetReading is a row as another program declares it: by the columns' names.
type parquetReading struct {
	TS              int64    `parquet:"ts,timestamp(millisecond)"`
	DeviceID        string   `parquet:"deviceId"`
	PortNumber      uint16   `parquet:"portNumber"`
	RawValue        float64  `parquet:"rawValue"`
	CalibratedValue float64  `parquet:"calibratedValue"`
	Quality         string   `parquet:"quality"`
	Flags           []string `parquet:"flags,list"`
	IngestTS        int64    `parquet:"ingestTs,timestamp(millisecond)"`
}

func (r *parquetReading) csv() []string {
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	return []string{
		store.Time(r.TS).String(), r.DeviceID, strconv.Itoa(int(r.PortNumber)), number(r.RawValue), number(r.CalibratedValue), r.Quality,
		store.Time(r.IngestTS).String(),
	}
}

func readParquet(t *testing.T, file []byte) []parquetReading {
	t.Helper()
	rows, err := parquet.Read[parquetReading](bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatalf("read %d bytes: %v", len(file), err)
	}
	return rows
}

// TestParquetAsCSV compares each value of both exports, for every parameter.
func TestParquetAsCSV(t *testing.T) {
	b := newBox(t, func(o *Options) { o.Readings = &endless{Readings: o.Readings, rows: 150_000} }).withSample(t)
	must[client.Device](t)(b.local.CreateDevice(t.Context(), client.NewDevice{ID: "a.B_c:d-9", OrgID: "acme", PortCount: 2}))
	for _, scaling := range []float64{2, -1e10} { // which lets some leave the range of numbers
		b.do(t, "POST", "/api/v1/devices/d1/ports/1/calibrations", b.ann(t).AccessToken, "application/json", fmt.Sprintf(`{"scaling":%g}`, scaling))
	}
	token := b.ann(t).AccessToken
	for _, c := range []struct {
		query string
		rows  int
	}{
		{"?deviceId=d1&portNumber=1", 150_000}, // three row groups
		{"?deviceId=d1&portNumber=1&to=1757160010000", 11},
		{"?order=desc&from=1757169970000", 0}, // counted below
		{"?deviceId=d1&to=1757161000000&calibration=ingested", 1004},
		{"?from=2001-01-01T00:00:00Z&to=2001-01-01T00:00:00Z", 0},
	} {
		_, text := b.do(t, "GET", "/api/v1/exports/readings.csv"+c.query, token, "", "")
		resp, file := b.do(t, "GET", "/api/v1/exports/readings.parquet"+c.query, token, "", "")
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(file, "PAR1") || !strings.HasSuffix(file, "PAR1") {
			t.Fatalf("%s: %d, %d bytes", c.query, resp.StatusCode, len(file))
		}
		want := must[[][]string](t)(csv.NewReader(strings.NewReader(text)).ReadAll())[1:]
		got := readParquet(t, []byte(file))
		if len(got) != len(want) || c.rows > 0 && len(got) != c.rows {
			t.Fatalf("%s: %d rows, as CSV %d, expected %d", c.query, len(got), len(want), c.rows)
		}
		for i := range got {
			if g, w := strings.Join(got[i].csv(), ","), strings.Join(want[i], ","); g != w {
				t.Fatalf("%s, row %d:\n%s\nas CSV\n%s", c.query, i, g, w)
			}
			at := (got[i].TS - endlessFirst) / endlessStep
			if g, w := fmt.Sprint(got[i].Flags), fmt.Sprint(store.Flags(at%8).Names()); g != w {
				t.Fatalf("%s, row %d: flags %s, want %s", c.query, i, g, w)
			}
			if math.Float64bits(got[i].RawValue) != math.Float64bits(hardNumber(at)) {
				t.Fatalf("%s, row %d: %g, want %g", c.query, i, got[i].RawValue, hardNumber(at))
			}
		}
	}
	for _, wrong := range []string{"?from=x", "?order=up", "?deviceId=nobody", "?portNumber=70000", "?limit=1"} {
		csv, _ := b.do(t, "GET", "/api/v1/exports/readings.csv"+wrong, token, "", "")
		resp, body := b.do(t, "GET", "/api/v1/exports/readings.parquet"+wrong, token, "", "")
		if resp.StatusCode < 400 || resp.StatusCode != csv.StatusCode {
			t.Errorf("%s: %d %s; the CSV %d", wrong, resp.StatusCode, body, csv.StatusCode)
		}
	}
}

// TestParquetBreaksOff: a store that fails in the middle breaks the connection,
// and what came is not taken for a file.
func TestParquetBreaksOff(t *testing.T) {
	b := newBox(t, func(o *Options) { o.Readings = &endless{Readings: o.Readings, rows: 1 << 40, failsAt: 200_000} }).withSample(t)
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), "GET", b.url+"/api/v1/exports/readings.parquet", nil))
	req.Header.Set("Authorization", "Bearer "+b.ann(t).AccessToken)
	resp := must[*http.Response](t)(http.DefaultClient.Do(req))
	defer func() { _ = resp.Body.Close() }()
	file, err := io.ReadAll(resp.Body)
	if err == nil || !bytes.HasPrefix(file, []byte("PAR1")) {
		t.Fatalf("%d bytes without an error", len(file))
	}
	if _, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file))); err == nil {
		t.Error("a part is read as a whole")
	}
}

// TestParquetFailsEarly: a store that fails before the first row group is full is
// told as a problem, whichever piece it fails at; and so is one at the last moment.
func TestParquetFailsEarly(t *testing.T) {
	store503 := fmt.Errorf("scan: %w", store.ErrUnavailable)
	const group = 65_536
	for _, c := range []struct {
		failsAt int64
		fails   error
		status  int
		code    string
	}{
		{1, store503, 503, "unavailable"}, // in the first piece
		{scanPiece + 1, store503, 503, "unavailable"},
		{scanPiece + 1, nil, 500, "internal"},
		{group - 1, store503, 503, "unavailable"},
	} {
		b := newBox(t, func(o *Options) {
			o.Readings = &endless{Readings: o.Readings, rows: 1 << 40, failsAt: c.failsAt, fails: c.fails}
		}).withSample(t)
		resp, body := b.do(t, "GET", "/api/v1/exports/readings.parquet", b.ann(t).AccessToken, "", "")
		var p client.Problem
		if err := json.Unmarshal([]byte(body), &p); err != nil || resp.StatusCode != c.status || p.Status != c.status || p.Code != c.code || p.RequestID == "" {
			t.Errorf("it fails at %d with %v: %d, %+v: %v", c.failsAt, c.fails, resp.StatusCode, p, err)
		}
		if ct := resp.Header.Get("Content-Type"); ct != "application/problem+json" {
			t.Errorf("it fails at %d: %s", c.failsAt, ct)
		}
		if retry := resp.Header.Get("Retry-After"); (retry == "") != (c.status == 500) {
			t.Errorf("it fails at %d with %v: Retry-After %q", c.failsAt, c.fails, retry)
		}
	}
}

// TestParquetToNobody: an export ends when its client goes away.
func TestParquetToNobody(t *testing.T) {
	b := newBox(t, func(o *Options) { o.Readings = &endless{Readings: o.Readings, rows: 1 << 40} }).withSample(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req := must[*http.Request](t)(http.NewRequestWithContext(ctx, "GET", b.url+"/api/v1/exports/readings.parquet", nil))
	req.Header.Set("Authorization", "Bearer "+b.ann(t).AccessToken)
	resp := must[*http.Response](t)(http.DefaultClient.Do(req))
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.ReadFull(resp.Body, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	leave()
	waitFor(t, func() bool { return strings.Contains(b.logged.String(), "answer broke off") })
}

// nowhere takes an answer and keeps its size.
type nowhere struct {
	header http.Header
	bytes  int
}

func (n *nowhere) Header() http.Header { return n.header }
func (n *nowhere) WriteHeader(int)     {}
func (n *nowhere) Write(p []byte) (int, error) {
	n.bytes += len(p)
	return len(p), nil
}

// TestParquetMemory: a million readings take no more memory than some thousand.
func TestParquetMemory(t *testing.T) {
	const bound = 48 << 20
	var first, most uint64
	scans, w := 0, &nowhere{header: http.Header{}}
	early := 0 // bytes sent with half of the readings read
	b := newBox(t, func(o *Options) {
		o.Readings = &endless{Readings: o.Readings, rows: 1_000_000, asked: func() {
			if scans++; scans%4 != 1 {
				return
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			if first == 0 {
				first = m.HeapAlloc
			}
			most = max(most, m.HeapAlloc)
			if scans < 32 {
				early = w.bytes
			}
		}}
	}).withSample(t)
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/exports/readings.parquet", nil)
	r = r.WithContext(WithActor(r.Context(), Actor{Name: "test", Access: store.Everything()}))
	b.Server.Handler().ServeHTTP(w, r)
	t.Logf("%d scans, %d bytes, %d of them early; at first %d bytes of heap, at most %d", scans, w.bytes, early, first, most)
	if scans < 1_000_000/scanPiece || early < w.bytes/4 {
		t.Errorf("%d scans, %d bytes of %d were sent early", scans, early, w.bytes)
	}
	if most > first+bound {
		t.Errorf("%d bytes of heap over %d", most-first, bound)
	}
}
