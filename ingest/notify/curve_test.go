package notify

import (
	"bytes"
	"image"
	"image/png"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

// TestCurve: a small picture in which the threshold, the episode and the worst
// reading are seen, whatever the readings are.
func TestCurve(t *testing.T) {
	const now = int64(1_795_000_000_000)
	flat := func(v float64) (p []Point) {
		for i := range int64(100) {
			p = append(p, Point{now - (100-i)*60_000, v})
		}
		return p
	}
	wave := func(amplitude, around float64) (p []Point) {
		for i := range int64(600) {
			p = append(p, Point{now - (600-i)*5_000, around + amplitude*math.Sin(float64(i)/40)})
		}
		return p
	}
	for name, c := range map[string]struct {
		curve Curve
		none  bool
	}{
		"wave":         {curve: Curve{wave(20, 70), []float64{80}}},
		"two levels":   {curve: Curve{wave(1e-6, 0), []float64{-5e-7, 5e-7}}},
		"huge":         {curve: Curve{wave(1e12, 3e12), []float64{3.5e12}}},
		"negative":     {curve: Curve{wave(3, -40), nil}},
		"flat":         {curve: Curve{flat(0), nil}},
		"flat high":    {curve: Curve{flat(1e9), []float64{1e9}}},
		"far level":    {curve: Curve{flat(5), []float64{5000}}},
		"with gaps":    {curve: Curve{append(flat(1), Point{now, math.NaN()}, Point{now + 1000, math.Inf(1)}), nil}},
		"no number":    {curve: Curve{flat(math.NaN()), nil}, none: true},
		"at one time":  {curve: Curve{[]Point{{now, 1}, {now, 2}}, nil}, none: true},
		"extremes":     {curve: Curve{[]Point{{0, -math.MaxFloat64 / 4}, {now, math.MaxFloat64 / 4}}, nil}},
		"two readings": {curve: Curve{[]Point{{now - 1, 1}, {now, 2}}, []float64{1.5}}},
	} {
		worst, at := 0.0, store.Time(now-100_000)
		e := alarm("ops", "d1", 1, store.CauseFiring, now-200_000).Event
		e.Worst, e.WorstAt = &worst, &at
		if len(c.curve.Points) > 150 {
			worst = c.curve.Points[580].Value
		}
		b, err := c.curve.draw(&e)
		if err != nil || (b == nil) != c.none {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
			continue
		}
		if c.none {
			continue
		}
		if dir := os.Getenv("CURVES"); dir != "" { // to look at them
			if err := os.WriteFile(dir+"/"+strings.ReplaceAll(name, " ", "-")+".png", b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		img, err := png.Decode(bytes.NewReader(b))
		if err != nil || len(b) > 8<<10 {
			t.Errorf("%s: %v, %d bytes", name, err, len(b))
			continue
		}
		seen := map[uint8]int{}
		for _, ink := range img.(*image.Paletted).Pix {
			seen[ink]++
		}
		if seen[inkLine] < 50 && name != "with gaps" || seen[inkText] < 50 || len(c.curve.Levels) > 0 && seen[inkLevel] < 100 && name != "flat high" {
			t.Errorf("%s: %v", name, seen)
		}
		if alt := c.curve.alt(&e); !strings.HasPrefix(alt, "d1 T1 from ") || len(c.curve.Levels) > 0 && !strings.Contains(alt, "threshold") {
			t.Errorf("%s: %s", name, alt)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 1500 * time.Millisecond: "1.5s", 59 * time.Second: "59s", time.Minute: "1m", 605 * time.Second: "10m5s",
		90 * time.Minute: "1h30m", 25 * time.Hour: "1d1h", 240 * time.Hour: "10d",
	} {
		if got := span(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

// TestShort: one text message, also when names are long or not of the phone's
// alphabet.
func TestShort(t *testing.T) {
	d := dispatcher(t)
	c := channelOf(store.ChannelSMS)
	for _, names := range [][2]string{{"hot", "T"}, {strings.Repeat("long ", 38), "T"}, {"жара в котельной", "Температура"}, {strings.Repeat("ж", 100), "T"}, {"{[]}~^|€", "T"}} {
		n := alarm("ops", "boiler-1", 1, store.CauseFiring, 1_795_000_020_000)
		n.Event.RuleName, n.Event.PortName = names[0], names[1]
		m := alarm("ops", "boiler-1", 2, store.CauseFiring, 1_795_000_020_000)
		m.Event.Severity = store.SeverityInfo
		text := d.story(&c, messageOf(n, m)).short()
		if !fits(text) || !strings.HasPrefix(text, "WARNING boiler-1 ") || !strings.Contains(text, "(and 1 more)") {
			t.Errorf("%d: %q", len(text), text)
		}
	}
	n := alarm("ops", "boiler-1", 1, store.CauseFiring, 1_795_000_020_000)
	if text := d.story(&c, messageOf(n)).short(); text != "WARNING boiler-1 T1: hot 93.5 C 11:07:00 UTC https://box.example.org/alarms/"+n.Event.ID {
		t.Error(text)
	}
	for text, want := range map[string]bool{
		strings.Repeat("a", 160): true, strings.Repeat("a", 161): false, strings.Repeat("€", 80): true, strings.Repeat("€", 81): false,
		strings.Repeat("ж", 70): true, strings.Repeat("ж", 71): false, strings.Repeat("😀", 35): true, strings.Repeat("😀", 36): false,
	} {
		if fits(text) != want {
			t.Errorf("%.10q… fits: %t", text, !want)
		}
	}
}

func TestWords(t *testing.T) {
	for said, want := range map[string]string{
		"":                                 "",
		"  no \r\n such\tthing\x00 ":       "no such thing",
		"key sesame-sesame is no good":     "key [secret] is no good",
		"\xff\xfe":                         "\uFFFD",
		"\u202eevil":                       "evil",
		strings.Repeat("a", 300):           strings.Repeat("a", 197) + "…",
		strings.Repeat("é", 150):           strings.Repeat("é", 98) + "…",
		"<html><title>502</title></html>x": "<html><title>502</title></html>x",
	} {
		if got := words(said, "sesame-sesame", "", "no"); got != want || len(got) > maxWords {
			t.Errorf("%.40q is %q, want %q", said, got, want)
		}
	}
}
