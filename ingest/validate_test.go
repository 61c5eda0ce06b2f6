package ingest

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

// receivedAt is when every message of the documents was received.
var receivedAt = time.Date(2025, 9, 6, 12, 0, 0, 0, time.UTC)

// testDevice is the device d1 of testdata/validate.txt.
func testDevice(t testing.TB, change func(*store.Device)) *Device {
	t.Helper()
	low, high := 100.0, 500.0
	cal := func(n uint16, scaling, offset float64) store.Calibration {
		return store.Calibration{Number: n, Scaling: scaling, Offset: offset}
	}
	later := cal(2, 3, 0)
	later.EffectiveFrom = receivedAt.Add(-time.Hour)
	d := store.Device{ID: "d1", UID: 7, OrgID: "acme", State: store.DeviceActive}
	if change != nil {
		change(&d)
	}
	n, err := newDevice(d, []store.Port{
		{DeviceID: "d1", Number: 1, Name: "Voltage", Calibrations: []store.Calibration{cal(1, 2, 1)}, ValidMin: &low, ValidMax: &high},
		{DeviceID: "d1", Number: 2, Calibrations: []store.Calibration{cal(1, 1, 0), later}},
		{DeviceID: "d1", Number: 3, Name: "Power", Calibrations: []store.Calibration{cal(1, 10, 0)}},
		{DeviceID: "d1", Number: 4, Calibrations: []store.Calibration{cal(1, 1, 0)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// circumstances answers device and message by the words of a document's line.
func circumstances(t *testing.T, words string) (*Device, *Message) {
	t.Helper()
	m := &Message{UID: 7, OrgID: "acme", DeviceID: "d1", ReceivedAt: receivedAt.UnixMilli()}
	d := testDevice(t, nil)
	for f := strings.Fields(words); len(f) > 0; f = f[1:] {
		switch f[0] {
		case "d1":
		case "import":
			m.AnyTime = true
		case "untrusted":
			m.ClockUntrusted = true
		case "zoned":
			d = testDevice(t, func(d *store.Device) { d.AssumeZone = "Europe/Berlin" })
		case "unregistered":
			d, m.UID, m.DeviceID = nil, 0, "d9"
		case "misnamed":
			d, m.UID, m.DeviceID = nil, 0, "$(reboot)"
		case "retired":
			d = testDevice(t, func(d *store.Device) { d.State = store.DeviceRetired })
		case "replay":
			m.Source, m.replay = SourceReplay, &replay{}
		case "use-received-at":
			m.replay.useReceivedAt = true
		case "zone":
			m.replay.zone, f = f[1], f[1:]
		default:
			t.Fatalf("unknown circumstance %q", f[0])
		}
	}
	return d, m
}

func TestValidate(t *testing.T) {
	document(t, "testdata/validate.txt", "as ", func(t *testing.T, line string) []string {
		words, payload, _ := strings.Cut(strings.TrimPrefix(line, "as "), ": ")
		d, m := circumstances(t, words)
		var in decoded
		decode(sent(t, payload), &in)
		if in.reason != "" {
			return in.lines()
		}
		var out []string
		for i := range in.items {
			it := &in.items[i]
			port, s, v := validate(d, m, it)
			again, s2, v2 := validate(d, m, it)
			if port != again || s != s2 || v != v2 {
				t.Errorf("%s: reading %d has another verdict the second time", line, i)
			}
			if v.reason != "" {
				out = append(out, rejectedLine(m.DeviceID, store.Letter{Reason: v.reason, Detail: v.detail, Port: it.portText()}))
				continue
			}
			if s.IngestTS != m.ReceivedAt {
				t.Errorf("%s: ingest time %s", line, store.Time(s.IngestTS))
			}
			c := port.CalibrationNumber(s.Calibration)
			line := fmt.Sprintf("port %d = %s → %s by calibration %d at %s", port.Number, strconv.FormatFloat(s.Raw, 'g', -1, 64),
				strconv.FormatFloat(c.Apply(s.Raw), 'g', -1, 64), s.Calibration, store.Time(s.TS))
			if s.Quality != store.Good {
				line += " " + s.Quality.String()
			}
			out = append(out, strings.Join(append([]string{line}, s.Flags.Names()...), " "))
		}
		return out
	})
}

// TestPinnedLine is the line that scripts look for.
func TestPinnedLine(t *testing.T) {
	d, m := circumstances(t, "d1")
	it := item{port: 9, hasPort: true, value: 1}
	_, _, v := validate(d, m, &it)
	const wantDetail = "port 9 is not registered on device d1; registered 1-4. Fix: tidegate port set --device d1 --number 9, then tidegate deadletter replay --device d1"
	if v.reason != store.ReasonUnknownPort || v.detail != wantDetail {
		t.Errorf("%s: %s", v.reason, v.detail)
	}
	const wantLine = "rejected: device d1 port 9 unknown_port; registered 1-4. Fix: tidegate port set --device d1 --number 9, then tidegate deadletter replay --device d1"
	if got := rejectedLine("d1", store.Letter{Reason: v.reason, Detail: v.detail, Port: it.portText()}); got != wantLine {
		t.Errorf("%s", got)
	}
}

func TestConflictDetail(t *testing.T) {
	port := testDevice(t, nil).Port(1)
	at := receivedAt.UnixMilli()
	for _, tt := range []struct {
		ts   int64
		want string
	}{
		{at, "port 1 has another value at 2025-09-06T12:00:00.000Z already, and the first one stays; two values within one second: send ts with milliseconds, or leave ts out"},
		{at + 5, "port 1 has another value at 2025-09-06T12:00:00.005Z already, and the first one stays"},
	} {
		if got := conflictDetail(port.Number, store.Sample{TS: tt.ts}); got != tt.want {
			t.Errorf("got %s", got)
		}
	}
}

// TestDetailsAreOneLine feeds details what could break a line, or a shell.
func TestDetailsAreOneLine(t *testing.T) {
	d, m := circumstances(t, "d1")
	for _, name := range []string{"a\nb", "\x1b[31m", "a'b", "a\"b", "`id`", "$(id)", "a b", "-x", strings.Repeat("ä", 300), "\u202e"} {
		it := item{portName: name, hasPort: true}
		_, _, v := validate(d, m, &it)
		line := rejectedLine(m.DeviceID, store.Letter{Reason: v.reason, Detail: v.detail, Port: it.portText()})
		for _, r := range line {
			if !strconv.IsPrint(r) {
				t.Errorf("%q holds %q", line, r)
			}
		}
		if _, fix, _ := strings.Cut(line, "Fix: "); fix != "tidegate port set --device d1 --number 5 --name NAME, then tidegate deadletter replay --device d1" {
			t.Errorf("fix of %q: %s", name, fix)
		}
		if len(line) > 1000 {
			t.Errorf("%d bytes", len(line))
		}
	}
}

func TestAbout(t *testing.T) {
	const s, m, h = 1000, 60_000, 3_600_000
	for _, tt := range []struct {
		ms   int64
		want string
	}{
		{0, "0 milliseconds"},
		{1, "1 milliseconds"},
		{s, "1 second"},
		{1999, "1999 milliseconds"},
		{2000, "2 seconds"},
		{5 * m, "5 minutes"},
		{m, "1 minute"},
		{90 * s, "90 seconds"},
		{h, "1 hour"},
		{2*h + 3*s, "2 hours"},
		{30 * dayMs, "30 days"},
		{dayMs, "1 day"},
		{55 * 365 * dayMs, "55 years"},
		{math.MaxInt64, "292471208 years"},
	} {
		if got := about(tt.ms); got != tt.want {
			t.Errorf("%d is %q, want %q", tt.ms, got, tt.want)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	d := testDevice(b, nil)
	m := &Message{UID: 7, OrgID: "acme", DeviceID: "d1", ReceivedAt: receivedAt.UnixMilli()}
	it := item{port: 1, hasPort: true, hasTS: true, ts: m.ReceivedAt, value: 100}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, v := validate(d, m, &it); v.reason != "" {
			b.Fatal(v.detail)
		}
	}
}
