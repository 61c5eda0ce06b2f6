package e2e

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// traceDir answers where the real sensor traces are.
func traceDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("TRACE_DIR")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(dir, "README.md")); err != nil {
		t.Skipf("no sensor traces: set TRACE_DIR to the folder that holds household_power_2007h1.csv.gz and its neighbours")
	}
	return dir
}

type traceKey struct {
	device string
	port   int
	ts     int64
}

// trace is a part of a file and what must become of it.
type trace struct {
	file    string // the part, as CSV
	stored  map[traceKey]float64
	ports   map[string]int // highest port of each device
	want    ledger
	devices []string
}

// readTrace takes at most limit rows of a trace and judges them by the plainest
// of models: a map that keeps the first value.
func readTrace(t *testing.T, name string, limit int) *trace {
	t.Helper()
	if os.Getenv("TIDEGATE_WHOLE_TRACES") != "" { // make bench
		limit = math.MaxInt
	}
	f, err := os.Open(filepath.Join(traceDir(t), name+".csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	tr := &trace{file: filepath.Join(t.TempDir(), name+".csv"), stored: map[traceKey]float64{}, ports: map[string]int{}}
	out, err := os.Create(tr.file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	w := bufio.NewWriter(out)
	fmt.Fprintln(w, "ts,device,port,value")
	r := csv.NewReader(bufio.NewReader(z))
	r.ReuseRecord = true
	if _, err := r.Read(); err != nil {
		t.Fatal(err)
	}
	for range limit {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(w, strings.Join(row, ","))
		tr.want.Received++
		ts, err := time.Parse(time.RFC3339Nano, row[0])
		if err != nil {
			t.Fatal(err)
		}
		port, _ := strconv.Atoi(row[2])
		device := strings.Clone(row[1])
		if _, ok := tr.ports[device]; !ok {
			tr.devices = append(tr.devices, device)
		}
		tr.ports[device] = max(tr.ports[device], port)
		if row[3] == "" {
			tr.want.Rejected++
			continue
		}
		v, err := strconv.ParseFloat(row[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		k := traceKey{device, port, ts.UnixMilli()}
		switch old, ok := tr.stored[k]; {
		case !ok:
			tr.stored[k] = v
			tr.want.Stored++
		case old == v:
			tr.want.Duplicate++
		default:
			tr.want.Rejected++
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return tr
}

// verify compares the export with the model, value by value.
func (tr *trace) verify(t *testing.T, s *server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if got := s.settled(ctx); got != tr.want {
		t.Errorf("ledger %+v, want %+v", got, tr.want)
	}
	n := s.export(t, func(e exported) {
		if want, ok := tr.stored[traceKey{e.device, e.port, e.ts.UnixMilli()}]; !ok || e.value != want {
			t.Fatalf("reading %+v: want %v (there: %v)", e, want, ok)
		}
	})
	if n != len(tr.stored) {
		t.Errorf("%d readings come out, %d went in", n, len(tr.stored))
	}
}

var traces = []struct {
	name  string
	limit int
}{
	{"household_power_2007h1", 200_000},
	{"campusiot_lorawan", 200_000},
	{"nab_known_cause", 1 << 30},
}

// TestImportTraces: each value comes out as the file has it, duplicates once,
// conflicts and empty values as dead letters, the ledger exact.
func TestImportTraces(t *testing.T) {
	for _, set := range traces {
		t.Run(set.name, func(t *testing.T) {
			tr := readTrace(t, set.name, set.limit)
			s := newServer(t)
			s.start()
			s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
			s.tidegate("readings", "import", tr.file, "--org", "acme", "--create")
			tr.verify(t, s)
			// Once more: nothing is stored twice.
			s.tidegate("readings", "import", tr.file, "--org", "acme", "--create")
			tr.want.Received *= 2
			tr.want.Duplicate = tr.want.Received - tr.want.Stored - 2*tr.want.Rejected
			tr.want.Rejected *= 2
			s.stop()
			s.start()
			tr.verify(t, s)
		})
	}
}

// TestReplayTraces sends them through real MQTT, with accepted times widened.
func TestReplayTraces(t *testing.T) {
	for _, set := range traces {
		t.Run(set.name, func(t *testing.T) {
			tr := readTrace(t, set.name, min(set.limit, 60_000))
			s := newServer(t)
			s.start()
			s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
			for _, d := range tr.devices {
				s.tidegate("device", "add", "--org", "acme", "--id", d, "--ports", strconv.Itoa(tr.ports[d]), "--accept-past", "300000h")
			}
			s.tidegate("replay", tr.file, "--org", "acme", "--speed", "max")
			tr.verify(t, s)
		})
	}
}
