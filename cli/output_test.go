package cli

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

func list(t *testing.T, output, cursor string, items ...store.Reading) (stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	p := &program{Process: Process{Stdout: &out, Stderr: &errOut}, output: output}
	l := newLister(p, readingColumns()...)
	for _, r := range items {
		if err := l.item(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.end(cursor); err != nil {
		t.Fatal(err)
	}
	return out.String(), errOut.String()
}

func TestLists(t *testing.T) {
	ts := time.Date(2025, 9, 6, 12, 0, 0, 7e6, time.UTC)
	r := store.Reading{TS: store.Time(ts.UnixMilli()), DeviceID: "d1", PortNumber: 1, RawValue: 0.1, CalibratedValue: 1e21, Quality: "good", Flags: []string{"server_ts", "out_of_range"}}
	for _, c := range []struct {
		items  int
		cursor string
		next   any
	}{{0, "", nil}, {1, "", nil}, {2, "c\"1", "c\"1"}} {
		items := []store.Reading{r, r}[:c.items]
		out, _ := list(t, "json", c.cursor, items...)
		var doc struct {
			Items      []store.Reading
			NextCursor any
		}
		d := json.NewDecoder(strings.NewReader(out))
		if err := d.Decode(&doc); err != nil || d.More() {
			t.Fatalf("not one document: %v\n%s", err, out)
		}
		if len(doc.Items) != c.items || doc.Items == nil || doc.NextCursor != c.next {
			t.Errorf("%d items: %s", c.items, out)
		}
	}
	out, errOut := list(t, "csv", "c1", r)
	want := "ts,deviceId,portNumber,rawValue,calibratedValue,quality,flags,ingestTs\n" +
		"2025-09-06T12:00:00.007Z,d1,1,0.1,1e+21,good,server_ts out_of_range,1970-01-01T00:00:00.000Z\n"
	if out != want {
		t.Errorf("CSV\n%s\nwant\n%s", out, want)
	}
	if !strings.Contains(errOut, "--cursor c1") {
		t.Errorf("what is left is not told: %q", errOut)
	}
	out, _ = list(t, "table", "", r)
	if local := ts.Local().Format("2006-01-02 15:04:05.000 -07:00"); !strings.Contains(out, local) || !strings.HasPrefix(out, "TS ") {
		t.Errorf("table without local time %s:\n%s", local, out)
	}
	if out, errOut := list(t, "table", ""); out != "" || errOut != "none\n" {
		t.Errorf("an empty table: %q %q", out, errOut)
	}
}

// What devices send cannot steer the terminal of who looks at it.
func TestTableCellsAreHarmless(t *testing.T) {
	if got := tableCell(230.60000000000002) + " " + csvCell(230.60000000000002); got != "230.6 230.60000000000002" {
		t.Errorf("a number is shown as %s", got)
	}
	if got := tableCell("a\x1b[2Jb\nc\td"); got != "a [2Jb c d" {
		t.Errorf("%q", got)
	}
}

func TestQuantitiesArePlausible(t *testing.T) {
	for _, q := range plantQuantities() {
		rng := rand.New(rand.NewPCG(1, 1))
		lowest, highest := q.max, q.min
		now := time.Date(2025, 9, 6, 0, 0, 0, 0, time.UTC)
		for range 86_400 {
			now = now.Add(time.Second)
			v := q.next(now, rng)
			lowest, highest = min(lowest, v), max(highest, v)
		}
		if lowest < q.min || highest > q.max || highest-lowest < 10*q.step {
			t.Errorf("%s goes from %g to %g in a day", q.name, lowest, highest)
		}
	}
}
