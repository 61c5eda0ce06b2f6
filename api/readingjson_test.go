package api

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"tidegate/ingest"
	"tidegate/store"
)

func testSelection() *selection {
	p := store.Port{DeviceID: "d1", Number: 7, Calibrations: []store.Calibration{
		{Number: 1, Scaling: 2, Offset: 1}, {Number: 2, Scaling: -1, EffectiveFrom: time.UnixMilli(1_000_000)},
	}}
	return &selection{series: []store.Series{{UID: 1, Port: 7}}, ports: []*ingest.Port{{Port: p}}}
}

// TestReadingsAsTheStandardLibrary holds the fast encoder against
// encoding/json.
func TestReadingsAsTheStandardLibrary(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	sel := testSelection()
	e := newReadingEncoder(sel, false)
	special := []float64{0, math.Copysign(0, -1), 1e-7, 1e21, 1e-9, 123456789.123, math.MaxFloat64, math.SmallestNonzeroFloat64, -1e-6, 0.1}
	times := []int64{0, -1, -86_400_001, 1_000_000, 999_999, 1_757_160_000_123, minTime, maxTime - 1}
	for i := range 5000 {
		s := store.Sample{
			TS: r.Int64N(4e12) - 1e12, IngestTS: r.Int64N(4e12), Raw: r.NormFloat64() * math.Pow(10, float64(r.IntN(40)-20)),
			Quality: store.Quality(r.IntN(3)), Flags: store.Flags(r.IntN(8)),
		}
		if i < len(special) {
			s.Raw = special[i]
		}
		if i < len(times) {
			s.TS = times[i]
		}
		cal := sel.ports[0].CalibrationAt(s.TS).Apply(s.Raw)
		if math.IsInf(cal, 0) {
			continue
		}
		want, err := json.Marshal(store.Reading{
			TS: store.Time(s.TS), DeviceID: "d1", PortNumber: 7, RawValue: s.Raw, CalibratedValue: cal,
			Quality: s.Quality.String(), Flags: s.Flags.Names(), IngestTS: store.Time(s.IngestTS),
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := e.appendJSON(nil, 0, &s); string(got) != string(want) {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	}
}

func TestNumbersThatJSONCannotSay(t *testing.T) {
	for _, v := range []float64{math.Inf(1), math.Inf(-1), math.NaN()} {
		if got := appendNumber(nil, v); string(got) != "null" {
			t.Errorf("%g becomes %s", v, got)
		}
	}
}

func TestIngestedCalibration(t *testing.T) {
	e := newReadingEncoder(testSelection(), true)
	s := store.Sample{TS: 2_000_000, Raw: 10, Calibration: 1}
	if got := e.calibrated(e.sel.ports[0], &s); got != 21 {
		t.Errorf("as said at ingest %g, want 21", got)
	}
	e.ingested = false
	if got := e.calibrated(e.sel.ports[0], &s); got != -10 {
		t.Errorf("by today's knowledge %g, want -10", got)
	}
}

func TestCursor(t *testing.T) {
	sel := &selection{}
	for _, p := range []store.Port{{DeviceID: "a", Number: 1}, {DeviceID: "a", Number: 3}, {DeviceID: "c", Number: 1}} {
		sel.ports = append(sel.ports, &ingest.Port{Port: p})
	}
	for i := range sel.ports {
		for _, desc := range []bool{false, true} {
			k, err := sel.rowKey(sel.cursorOf(-5, i), desc)
			if err != nil || k.TS != -5 || k.Series != i {
				t.Errorf("series %d comes back as %+v, %v", i, k, err)
			}
		}
	}
	gone := &selection{ports: []*ingest.Port{{Port: store.Port{DeviceID: "b", Number: 2}}}}
	cursor := gone.cursorOf(9, 0)
	if k, _ := sel.rowKey(cursor, false); k.Series != 1 {
		t.Errorf("ascending behind a port that is gone: series %d, want 1", k.Series)
	}
	if k, _ := sel.rowKey(cursor, true); k.Series != 2 {
		t.Errorf("descending behind a port that is gone: series %d, want 2", k.Series)
	}
	for _, bad := range []string{"!", "AAAA", "MS8y"} {
		if _, err := sel.rowKey(bad, false); err == nil {
			t.Errorf("cursor %q is accepted", bad)
		}
	}
}

func BenchmarkReadingJSON(b *testing.B) {
	e := newReadingEncoder(testSelection(), false)
	s := store.Sample{TS: 1_757_160_000_123, IngestTS: 1_757_160_001_000, Raw: 230.5}
	var buf []byte
	for b.Loop() {
		s.TS += 1000
		buf = e.appendJSON(buf[:0], 0, &s)
	}
	b.SetBytes(int64(len(buf)))
}
