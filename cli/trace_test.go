package cli

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTraceMessages(t *testing.T) {
	const file = "\ufeffts,device,port,value\n" +
		"2025-09-06T12:00:00Z,d1,1,230.50\n" +
		"2025-09-06T12:00:00Z,d1,2,\n" +
		"2025-09-06T12:00:00Z,d2,1,1e3\n" +
		"too,few,fields\n" +
		"2025-09-06T12:00:00Z,d1,Voltage,NaN\n" +
		"1757160060,d1,1,.5\n" +
		"1757160060,d1,70000,warm\n" +
		"noon,d1,1,+7\n"
	want := []string{
		`d1 {"ts":"2025-09-06T12:00:00Z","readings":[{"port":1,"value":230.50},{"port":2}]}`,
		`d2 {"ts":"2025-09-06T12:00:00Z","readings":[{"port":1,"value":1e3}]}`,
		`d1 {"ts":"2025-09-06T12:00:00Z","readings":[{"port":"Voltage","value":"NaN"}]}`,
		`d1 {"ts":1757160060,"readings":[{"port":1,"value":0.5},{"port":70000,"value":"warm"}]}`,
		`d1 {"ts":"noon","readings":[{"port":1,"value":7}]}`,
	}
	got, malformed := messages(t, strings.NewReader(file), false, 0)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !slices.Equal(malformed, []string{"5: 3 fields, want ts,device,port,value"}) {
		t.Errorf("malformed: %q", malformed)
	}

	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write([]byte(file)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if compressed, _ := messages(t, &z, true, 0); !slices.Equal(compressed, want) {
		t.Errorf("compressed: got %q", compressed)
	}

	shifted, _ := messages(t, strings.NewReader(file), false, 90*time.Second)
	if want := `d1 {"ts":"2025-09-06T12:01:30Z","readings":[{"port":1,"value":230.50},{"port":2}]}`; shifted[0] != want {
		t.Errorf("shifted %s, want %s", shifted[0], want)
	}
	if want := `d1 {"ts":"2025-09-06T12:02:30Z","readings":[{"port":1,"value":0.5},{"port":70000,"value":"warm"}]}`; shifted[3] != want {
		t.Errorf("shifted %s, want %s", shifted[3], want)
	}
	if want := `d1 {"ts":"noon","readings":[{"port":1,"value":7}]}`; shifted[4] != want {
		t.Errorf("a time that cannot be read went out as %s, want %s", shifted[4], want)
	}
}

// A message of many rows is cut well below the server's limits.
func TestTraceMessageBounds(t *testing.T) {
	var b strings.Builder
	for i := range 12_000 {
		fmt.Fprintf(&b, "2025-09-06T12:00:00Z,d1,%d,1\n", i)
	}
	got, _ := messages(t, strings.NewReader(b.String()), false, 0)
	if len(got) != 3 {
		t.Errorf("%d messages, want 3", len(got))
	}
}

func messages(t *testing.T, in io.Reader, compressed bool, shift time.Duration) (got, malformed []string) {
	t.Helper()
	r, err := newTraceReader(in, compressed, func(line uint64, detail string) {
		malformed = append(malformed, fmt.Sprintf("%d: %s", line, detail))
	})
	if err != nil {
		t.Fatal(err)
	}
	var m traceMessage
	for {
		row, err := r.next()
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if m.rows > 0 && (err != nil || !m.takes(row)) {
			got = append(got, m.device+" "+string(m.end()))
			m = traceMessage{}
		}
		if err != nil {
			return got, malformed
		}
		m.add(row, shift)
	}
}

func TestShiftToNow(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	r := replay{shift: true, scan: traceScan{oldest: start.Add(-10 * day), newest: start.Add(-9 * day)}}
	if got := r.shiftBy(start); got != 9*day {
		t.Errorf("at full speed the newest row moves by %s, want 216h", got)
	}
	r.speed = 24 // a day takes an hour
	if got := r.shiftBy(start); got != 9*day+time.Hour {
		t.Errorf("at 24x the newest row moves by %s, want 217h", got)
	}
	r.shift = false
	if got := r.shiftBy(start); got != 0 {
		t.Errorf("without a shift times move by %s", got)
	}
}

func TestSpeed(t *testing.T) {
	for text, want := range map[string]float64{"max": 0, "60x": 60, "1x": 1, "0.5x": 0.5, "60": 60} {
		if got, err := parseSpeed(text); err != nil || got != want {
			t.Errorf("%s is %g, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "fast", "0x", "-1x", "NaNx", "Infx"} {
		if got, err := parseSpeed(text); err == nil {
			t.Errorf("%q is %g, want an error", text, got)
		}
	}
}
