package ingest

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

// document runs a document of cases: unindented lines that begin with verb are
// a case, the indented ones below are what it must answer. Other lines that
// are not indented are comment. With UPDATE_TESTDATA set it is rewritten.
func document(t *testing.T, path, verb string, run func(t *testing.T, line string) []string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	var out []string
	cases := 0
	for i := 0; i < len(lines); {
		line := lines[i]
		i++
		out = append(out, line)
		if !strings.HasPrefix(line, verb) {
			continue
		}
		var want []string
		for ; i < len(lines) && strings.HasPrefix(lines[i], "\t"); i++ {
			want = append(want, lines[i][1:])
		}
		cases++
		got := run(t, line)
		for _, g := range got {
			out = append(out, "\t"+g)
		}
		if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b && os.Getenv("UPDATE_TESTDATA") == "" {
			t.Errorf("%s:%d: %s\n got:\n%s\nwant:\n%s", path, i, line, a, b)
		}
	}
	if cases == 0 {
		t.Fatalf("%s holds no case", path)
	}
	if os.Getenv("UPDATE_TESTDATA") != "" {
		if err := os.WriteFile(path, []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sent answers the payload of a line of a document: as it stands, or in Go
// quotes.
func sent(t *testing.T, s string) []byte {
	t.Helper()
	if strings.HasPrefix(s, `"`) {
		u, err := strconv.Unquote(s)
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		s = u
	}
	return []byte(s)
}

// lines says what was decoded.
func (d *decoded) lines() []string {
	if d.reason != "" {
		return []string{fmt.Sprintf("message %s: %s", d.reason, d.detail)}
	}
	var out []string
	for i := range d.items {
		it := &d.items[i]
		s := "-"
		switch {
		case it.portName != "":
			s = "port " + strconv.Quote(it.portText())
		case it.hasPort:
			s = "port " + it.portText()
		}
		if it.rejected() {
			out = append(out, fmt.Sprintf("%s %s: %s", s, it.odd.reason, it.odd.detail))
			continue
		}
		s += " = " + strconv.FormatFloat(it.value, 'g', -1, 64)
		if it.quality != store.Good {
			s += " " + it.quality.String()
		}
		switch {
		case it.zoneless() != "":
			s += " at local " + it.zoneless()
		case it.hasTS:
			s += " at " + store.Time(it.ts).String()
		}
		out = append(out, s)
	}
	return out
}

func TestDecode(t *testing.T) {
	document(t, "testdata/decode.txt", "send ", func(t *testing.T, line string) []string {
		var d decoded
		decode(sent(t, strings.TrimPrefix(line, "send ")), &d)
		if d.count() != len(d.lines()) {
			t.Errorf("%s: counts %d, has %d", line, d.count(), len(d.lines()))
		}
		return d.lines()
	})
}

func TestDecodeLimits(t *testing.T) {
	many := func(n int) string {
		return `{"readings":[` + strings.Repeat(`{"port":1,"value":1},`, n-1) + `{"port":1,"value":1}]}`
	}
	two := func(n int) string { return "[" + many(n) + "," + many(n) + "]" }
	pad := func(s string, n int) string { return s + strings.Repeat(" ", n-len(s)) }
	tests := []struct {
		name, payload string
		reason        store.Reason
		detail        string
		count         int
	}{
		{"10,000 readings", many(10_000), "", "", 10_000},
		{"10,001 readings", many(10_001), store.ReasonTooManyReadings, "10001 readings in one message; at most 10000: send several messages", 1},
		{"10,000 in two objects", two(5_000), "", "", 10_000},
		{"10,002 in two objects", two(5_001), store.ReasonTooManyReadings, "10002 readings in one message; at most 10000: send several messages", 1},
		{"an object that is one reading counts one", "[" + many(9_999) + `,{"ts":1,"ts":2,"readings":[{},{},{}]}]`, "", "", 10_000},
		{"too many, and no JSON", many(10_001) + "x", store.ReasonMalformedJSON, "not JSON at offset 210035: expected nothing behind the document, found x", 1},
		{"1 MiB", pad(many(1), 1<<20), "", "", 1},
		{"a byte more", pad(many(1), 1<<20+1), store.ReasonPayloadTooLarge, "the payload has 1048577 bytes, and at most 1 MiB (1048576) is taken: send several messages", 1},
		{"deep", `{"x":` + strings.Repeat("[", 256) + strings.Repeat("]", 256) + `,"readings":[{"port":1,"value":1}]}`, "", "", 1},
		{"too deep", `{"x":` + strings.Repeat("[", 257), store.ReasonMalformedJSON, "not JSON at offset 261: nested too deeply (at most 256 levels), found [", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var d decoded
			decode([]byte(tt.payload), &d)
			if d.reason != tt.reason || d.detail != tt.detail || d.count() != tt.count {
				t.Errorf("%s %q counts %d, want %s %q %d", d.reason, d.detail, d.count(), tt.reason, tt.detail, tt.count)
			}
		})
	}
}

// TestDecodeHostile decodes a megabyte of the worst that is known: each must
// cost time in proportion to its bytes, and little memory.
func TestDecodeHostile(t *testing.T) {
	rep := func(s string) string { return strings.Repeat(s, (1<<20)/len(s)) }
	for name, payload := range map[string]string{
		"open brackets":  rep("["),
		"open objects":   rep(`{"a":`),
		"empty arrays":   "[" + strings.TrimSuffix(rep("[],"), ",") + "]",
		"zeros":          `{"readings":[` + strings.TrimSuffix(rep("0,"), "0,")[:1<<20-20] + `0]}`,
		"digits":         `{"readings":[{"port":1,"value":` + rep("9")[:1<<20-40] + `}]}`,
		"digits of time": `{"ts":-0.` + rep("0")[:1<<20-60] + `1,"readings":[{"port":1,"value":1}]}`,
		"escapes":        `{"readings":[{"port":"` + rep(`\u00e9`)[:(1<<20-60)/6*6] + `","value":1}]}`,
		"backslashes":    `"` + rep(`\\`)[:1<<20-2] + `"`,
		"one string":     `"` + rep("a")[:1<<20-2] + `"`,
		"white space":    rep(" "),
	} {
		t.Run(name, func(t *testing.T) {
			if len(payload) > MaxPayloadBytes {
				t.Fatalf("%d bytes", len(payload))
			}
			var d decoded
			var before, after runtime.MemStats
			b := []byte(payload)
			runtime.ReadMemStats(&before)
			begin := time.Now()
			decode(b, &d)
			took := time.Since(begin)
			runtime.ReadMemStats(&after)
			kib := (after.TotalAlloc - before.TotalAlloc) >> 10
			t.Logf("%d readings, %s: %v, %d KiB", d.count(), d.reason, took, kib)
			if kib > 8<<10 {
				t.Errorf("%d KiB allocated", kib)
			}
			if took > time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	payload := telemetry(10)
	d := new(decoded)
	if n := testing.AllocsPerRun(100, func() { decode(payload, d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestDecodeMessage judges what the log kept of a payload by its size as
// received.
func TestDecodeMessage(t *testing.T) {
	d := getDecoded()
	defer putDecoded(d)
	decodeMessage(&Message{Payload: telemetry(2), size: 2 << 20}, d)
	if d.reason != store.ReasonPayloadTooLarge || d.count() != 1 {
		t.Errorf("%s, counts %d", d.reason, d.count())
	}
	decodeMessage(&Message{Payload: telemetry(2)}, d)
	if d.reason != "" || d.count() != 2 {
		t.Errorf("%s, counts %d", d.reason, d.count())
	}
}
