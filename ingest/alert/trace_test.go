package alert

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"tidegate/store"
)

// tracePath answers a file of real sensor traces: in TRACE_DIR, or else in
// ../shared/data beside the project. Where it is absent the test is skipped.
func tracePath(t testing.TB, name string) string {
	t.Helper()
	dir := os.Getenv("TRACE_DIR")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("no trace %s in %s; set TRACE_DIR", name, dir)
	} else if err != nil {
		t.Fatal(err)
	}
	return path
}

// traceRow is a row in the order of arrival; missing has no value.
type traceRow struct {
	ts      int64
	device  string
	port    int
	value   float64
	missing bool
}

func readTrace(t testing.TB, set string, fn func(traceRow)) {
	t.Helper()
	f, err := os.Open(tracePath(t, set+".csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Scan() // ts,device,port,value
	devices := map[string]string{}
	var lastTime []byte
	lastTS := int64(0)
	for lines.Scan() {
		field := bytes.Split(lines.Bytes(), []byte{','})
		if !bytes.Equal(field[0], lastTime) {
			at, err := time.Parse(time.RFC3339Nano, string(field[0]))
			if err != nil {
				t.Fatal(err)
			}
			lastTime, lastTS = append(lastTime[:0], field[0]...), at.UnixMilli()
		}
		device, ok := devices[string(field[1])]
		if !ok {
			device = string(field[1])
			devices[device] = device
		}
		r := traceRow{ts: lastTS, device: device, missing: len(field[3]) == 0}
		if r.port, err = strconv.Atoi(string(field[2])); err != nil {
			t.Fatal(err)
		}
		if !r.missing {
			if r.value, err = strconv.ParseFloat(string(field[3]), 64); err != nil {
				t.Fatal(err)
			}
		}
		fn(r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// asStored puts readings in order of time. Of several at one time the first
// stays, as in a store.
func asStored(list []PastReading) []PastReading {
	slices.SortStableFunc(list, func(a, b PastReading) int { return int(min(max(a.TS-b.TS, -1), 1)) })
	return slices.CompactFunc(list, func(a, b PastReading) bool { return a.TS == b.TS })
}

// TestFailuresOfRealMachines back-tests one rule for each of two machines whose
// failures are labelled. The levels are round numbers chosen with the data in
// sight: what it shows is that rules of this kind can say it, and that what they
// said stays the same, not how well they do with a machine that nobody has seen.
//
// A failure is found when an episode fires within its window; an alarm is false
// when its episode does not touch a window.
func TestFailuresOfRealMachines(t *testing.T) {
	hour := store.Duration(time.Hour)
	type window [2]time.Time
	var labels map[string]struct{ Windows []window }
	b, err := os.ReadFile(tracePath(t, "nab_known_cause.labels.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &labels); err != nil {
		t.Fatal(err)
	}
	history := map[string][]PastReading{}
	readTrace(t, "nab_known_cause", func(r traceRow) {
		history[r.device] = append(history[r.device], PastReading{TS: r.ts, Value: r.value})
	})
	for _, c := range []struct {
		device        string
		says          string
		rule          store.AlertRule
		found         int     // at least
		falsePerMonth float64 // at most
	}{
		{
			"machine_temperature_system_failure",
			"A machine that runs at some 90 °F and is below 60 for six hours has stopped, or is about to fail; it is over at 65.",
			store.AlertRule{
				Condition: store.Condition{Kind: store.CondBelow, Low: number(60), Clear: number(65)}, For: 6 * hour, JoinWithin: 12 * hour,
			},
			4, 0.8,
		},
		{
			"ambient_temperature_system_failure",
			"An office that is outside of 59 to 83 °F for two hours has a broken air conditioning; it is over a degree within.",
			store.AlertRule{
				Condition: store.Condition{Kind: store.CondOutside, Low: number(59), High: number(83), Hysteresis: 1}, For: 2 * hour, JoinWithin: 24 * hour,
			},
			2, 0.1,
		},
	} {
		t.Run(c.device, func(t *testing.T) {
			readings := asStored(history[c.device])
			windows := labels[c.device].Windows
			from, to := readings[0].TS, readings[len(readings)-1].TS+1
			o := BacktestOptions{Source: &listed{readings: readings, length: 1000}, Plans: []*Plan{plan(t, c.rule)}, From: from, To: to}
			episodes := backtest(t, o).Plans[0].Episodes
			found, wrong := 0, 0
			for _, w := range windows {
				if slices.ContainsFunc(episodes, func(e PastEpisode) bool {
					return e.FiredAt >= w[0].UnixMilli() && e.FiredAt <= w[1].UnixMilli()
				}) {
					found++
				}
			}
			for _, e := range episodes {
				touches := slices.ContainsFunc(windows, func(w window) bool {
					return e.StartedAt <= w[1].UnixMilli() && (e.Open() || e.ResolvedAt >= w[0].UnixMilli())
				})
				if !touches {
					wrong++
				}
				t.Logf("%s, fired %s, worst %.1f, at fault %v, %d points", store.Time(e.StartedAt), store.Time(e.FiredAt), e.Worst, touches, len(e.Curve))
				if len(e.Curve) < 20 || len(e.Curve) > DefaultCurvePoints {
					t.Errorf("a curve of %d points", len(e.Curve))
				}
				if !slices.ContainsFunc(e.Curve, func(p Point) bool { return p.TS == e.WorstAt && p.Value == e.Worst }) {
					t.Errorf("the worst, %g at %s, is not on the curve", e.Worst, store.Time(e.WorstAt))
				}
			}
			months := float64(to-from) / (30.44 * 86_400_000)
			perMonth := float64(wrong) / months
			t.Logf("%s\nrecall %d of %d, %d false alarms in %.1f months: %.2f per month", c.says, found, len(windows), wrong, months, perMonth)
			if found < c.found || perMonth > c.falsePerMonth {
				t.Errorf("%d found, at least %d are wanted; %.2f false alarms per month, at most %.2f", found, c.found, perMonth, c.falsePerMonth)
			}
		})
	}
}

// TestTheGapsOfAHousehold finds the minutes that a meter has no values for.
func TestTheGapsOfAHousehold(t *testing.T) {
	const minute = 60_000
	type gap struct{ from, to int64 }
	readings := map[int][]PastReading{}
	gaps := map[int][]gap{} // by the rows that are marked as missing
	readTrace(t, "household_power_2007h1", func(r traceRow) {
		if testing.Short() && r.port != 1 {
			return
		}
		if !r.missing {
			readings[r.port] = append(readings[r.port], PastReading{TS: r.ts, Value: r.value})
			return
		}
		g := gaps[r.port]
		if n := len(g); n > 0 && g[n-1].to == r.ts {
			g[n-1].to += minute
		} else {
			g = append(g, gap{r.ts, r.ts + minute})
		}
		gaps[r.port] = g
	})
	if len(readings) != 7 && !testing.Short() {
		t.Fatalf("%d ports", len(readings))
	}
	p := plan(t, store.AlertRule{Condition: store.Condition{Kind: store.CondNoData, SilentFor: store.Duration(time.Minute)}})
	for port, list := range readings {
		o := BacktestOptions{
			Source: &listed{readings: list, length: 4096}, Plans: []*Plan{p}, From: list[0].TS, To: list[len(list)-1].TS + minute,
		}
		out := backtest(t, o).Plans[0]
		var got []gap
		for _, e := range out.Episodes {
			if e.Open() {
				t.Errorf("port %d: %s goes on", port, store.Time(e.StartedAt))
			}
			got = append(got, gap{e.StartedAt, e.ResolvedAt})
		}
		if !slices.Equal(got, gaps[port]) {
			t.Errorf("port %d: gaps %v, want %v", port, got, gaps[port])
		}
		if out.Lasted != 3771*minute {
			t.Errorf("port %d: %d ms without data, want 3,771 minutes", port, out.Lasted)
		}
		if port == 1 {
			t.Logf("%d gaps, %d minutes", len(got), out.Lasted/minute)
		}
	}
}
