package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegate/cli/bench"
)

// TestPowerCut attacks "acked means on disk" where kill -9 cannot: the page
// cache outlives a process, but not the power. The system calls of a server
// under load are recorded; for many moments the files are rebuilt as a power
// cut could have left them, each write without a completed sync behind it
// dropped, kept or torn; and the program is started on them. Every reading
// whose ack had begun to leave must be there.
func TestPowerCut(t *testing.T) {
	needProgram(t, "strace")
	cuts := 25
	if n, err := strconv.Atoi(os.Getenv("TIDEGATE_POWER_CUTS")); err == nil {
		cuts = n
	}
	r := record(t, "")
	if lost := r.cut(t, cuts); lost > 0 {
		t.Errorf("%d of %d power cuts lost acked readings", lost, cuts)
	}
}

// TestPowerCutNoSync proves that TestPowerCut can fail: a program built
// without fsync of the log loses what it has acked.
func TestPowerCutNoSync(t *testing.T) {
	needProgram(t, "strace")
	bin := filepath.Join(t.TempDir(), "tidegate-nosync")
	out, err := exec.Command("go", "build", "-tags", "nosync", "-o", bin, "tidegate").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	r := record(t, bin)
	if lost := r.cut(t, 4); lost == 0 {
		t.Error("no power cut lost anything although nothing is synced: the test proves nothing")
	}
}

// recording is a server's life: its folder before, and every call since.
type recording struct {
	before string // copy of the folder
	dir    string
	events []event
	acks   []int // for each ack in order the line at which it began to leave
	load   *bench.Load
	env    []string
}

func record(t *testing.T, bin string) *recording {
	t.Helper()
	env := []string{"TIDEGATE_STORE_FLUSH_SIZE=256KiB", "TIDEGATE_STORE_FLUSH_INTERVAL=1s"}
	s := newServer(t, env...)
	s.start()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	s.tidegate("device", "add", "--org", "acme", "--id", "p0", "--secret", "secret-of-p0", "--ports", "2", "--accept-past", "60d")
	s.stop()
	r := &recording{dir: s.dir, before: t.TempDir(), env: env}
	copyFolder(t, s.dir, r.before)
	trace := filepath.Join(t.TempDir(), "trace")
	s.wrap = []string{
		"strace", "-f", "-yy", "-xx", "-s", "20000000", "-o", trace, "-e",
		"trace=openat,pwrite64,write,fdatasync,fsync,ftruncate,rename,renameat,renameat2,unlink,unlinkat",
	}
	if bin != "" {
		s.bin = bin
	}
	s.start()
	r.load = &bench.Load{
		Addr: s.mqtt, Clients: []bench.Login{{ClientID: "c", User: "p0", Password: "secret-of-p0"}},
		Topic:    func(int) string { return "org/acme/device/p0/telemetry" },
		Readings: 2, InFlight: 100, Messages: 12_000,
		// Across the border of a month: two files take part.
		Start: monthBorder().Add(-time.Minute), Step: 10 * time.Millisecond,
	}
	if _, err := r.load.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.kill()
	events, err := parseTrace(trace)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.call == "write" && strings.Contains(e.path, "TCP") {
			for b := e.data; len(b) >= 4 && b[0] == 0x40 && b[1] == 2; b = b[4:] {
				r.acks = append(r.acks, e.began)
			}
		}
		if (e.call == "write" || e.call == "pwrite64" || e.call == "sync" || e.call == "ftruncate") && strings.HasPrefix(e.path, s.dir) ||
			(e.call == "create" || e.call == "rename" || e.call == "unlink") && strings.HasPrefix(e.path, s.dir) {
			r.events = append(r.events, e)
		}
	}
	slices.SortStableFunc(r.events, func(a, b event) int { return a.began - b.began })
	if len(r.acks) != 12_000 {
		t.Fatalf("the trace shows %d acks of 12000", len(r.acks))
	}
	t.Logf("recorded %d calls on files", len(r.events))
	return r
}

// monthBorder answers when this month began: on its last day longer ago than the
// default of accept-past.
func monthBorder() time.Time {
	now := time.Now().UTC()
	return time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// copyFolder copies the regular files of a folder with their modes.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		switch {
		case d.IsDir():
			return errors.Join(os.MkdirAll(target, 0o700), os.Chmod(target, info.Mode().Perm()))
		case info.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(target, b, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// cut rebuilds the folder for n moments and answers how many lost something.
func (r *recording) cut(t *testing.T, n int) (lost int) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	for range n {
		// Most cuts fall right behind an ack: there nothing may be missing.
		at := r.acks[rng.IntN(len(r.acks))] + rng.IntN(3)
		acked, _ := slices.BinarySearch(r.acks, at)
		dir := t.TempDir()
		r.rebuild(t, dir, at, rng)
		if msg := r.check(t, dir, acked); msg != "" {
			t.Logf("cut at line %d, %d messages acked: %s", at, acked, msg)
			lost++
		}
		_ = os.RemoveAll(dir)
	}
	return lost
}

// rebuild makes dir what the disk may hold when the power goes at a line.
func (r *recording) rebuild(t *testing.T, dir string, at int, rng *rand.Rand) {
	t.Helper()
	copyFolder(t, r.before, dir)
	// The last sync of each path that had ended by then; it covers what had
	// ended before it began.
	synced := map[string]int{}
	for _, e := range r.events {
		if e.call == "sync" && e.ended < at {
			synced[e.path] = max(synced[e.path], e.began)
		}
	}
	for _, e := range r.events {
		if e.began >= at || e.call == "sync" {
			continue
		}
		path := dir + strings.TrimPrefix(e.path, r.dir)
		durable := e.ended < synced[e.path]
		switch e.call {
		case "create", "rename", "unlink": // an entry of a folder is durable with the folder
			durable = e.ended < synced[filepath.Dir(e.path)]
			if e.call == "create" && e.ended < synced[e.path] {
				durable = true // and on the common file systems with its file
			}
		}
		keep, torn := durable || rng.IntN(2) == 0, false
		if !durable && keep {
			torn = rng.IntN(3) == 0
		}
		if !keep {
			continue
		}
		var err error
		switch e.call {
		case "create":
			var f *os.File
			if f, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600); err == nil {
				err = f.Close()
			}
		case "rename":
			err = os.Rename(path, dir+strings.TrimPrefix(e.to, r.dir))
		case "unlink":
			err = os.Remove(path)
		case "ftruncate":
			err = os.Truncate(path, e.off)
		case "pwrite64", "write":
			data := e.data
			if torn { // a prefix of whole sectors reached the disk
				data = data[:rng.IntN(len(data)/512+1)*512]
			}
			err = writeAt(path, data, e.off, e.call == "write")
		}
		if err != nil && !os.IsNotExist(err) {
			t.Fatalf("rebuild %s: %v", e.call, err)
		}
	}
}

func writeAt(path string, data []byte, off int64, appending bool) error {
	flag := os.O_WRONLY
	if appending {
		flag |= os.O_APPEND
	}
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if appending {
		_, err = f.Write(data)
	} else {
		_, err = f.WriteAt(data, off)
	}
	return err
}

// check starts the program on a rebuilt folder and answers what is missing.
func (r *recording) check(t *testing.T, dir string, acked int) (missing string) {
	t.Helper()
	s := newServer(t, r.env...)
	s.dir = dir
	if msg := s.tryStart(); msg != "" {
		return msg
	}
	defer s.kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sum := s.settled(ctx)
	var out struct {
		Items []struct {
			TS         time.Time
			PortNumber int
			RawValue   float64
		}
	}
	type key struct{ message, port int }
	seen := map[key]bool{}
	for port := 1; port <= 2; port++ {
		s.json(&out, "readings", "query", "--device", "p0", "--port", strconv.Itoa(port), "--limit", "100000",
			"--from", r.load.Start.Format(time.RFC3339Nano), "--to", r.load.Start.Add(time.Hour).Format(time.RFC3339Nano))
		for _, it := range out.Items {
			k := key{int(it.TS.Sub(r.load.Start) / r.load.Step), it.PortNumber}
			if seen[k] {
				return fmt.Sprintf("message %d port %d stored twice", k.message, k.port)
			}
			seen[k] = true
			if it.RawValue != float64(bench.Value(k.message, k.port-1))/10 {
				return fmt.Sprintf("message %d port %d has another value", k.message, k.port)
			}
		}
		out.Items = nil
	}
	for m := range acked {
		for port := 1; port <= 2; port++ {
			if !seen[key{m, port}] {
				return fmt.Sprintf("message %d of %d acked, port %d, is lost", m, acked, port)
			}
		}
	}
	if sum.Stored != int64(len(seen)) {
		return fmt.Sprintf("%d readings, the ledger says %+v", len(seen), sum)
	}
	return ""
}
