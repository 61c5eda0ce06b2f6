package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidegate/ingest"
	"tidegate/ingest/buffer"
	"tidegate/store"
)

// box is a data folder at work: its files, its log and the flow between them.
type flowBox struct {
	t     *testing.T
	files *files
	log   *buffer.Log
	flow  *ingest.Pipeline
	stop  context.CancelFunc
	done  chan error
	at    atomic.Int64 // the clock, Unix ms
}

func openFlowBox(t *testing.T, dir string) *flowBox {
	t.Helper()
	b, err := tryOpenFlowBox(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tryOpenFlowBox(t *testing.T, dir string) (*flowBox, error) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	b := &flowBox{t: t, done: make(chan error, 1)}
	b.at.Store(time.Now().UnixMilli())
	var err error
	if b.files, err = openFiles(Options{Dir: dir, Logger: quiet}, nil); err != nil {
		return nil, err
	}
	if b.log, err = buffer.Open(buffer.Options{Path: filepath.Join(dir, "buffer.db"), Fatal: func(err error) { panic(err) }}); err != nil {
		return nil, errors.Join(err, b.files.close())
	}
	devices, err := ingest.NewRegistry(t.Context(), b.files.catalog, b.files.secrets.Device, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	b.flow, err = ingest.NewPipeline(ingest.Options{
		Log: b.log, Series: b.files.series, State: b.files.state, Registry: devices,
		FlushInterval: time.Hour, FlushSize: 1 << 20, LogSize: 1 << 30, Logger: quiet,
		Now: func() time.Time { return time.UnixMilli(b.at.Load()) }, Rejected: func(string, string, string) {},
	})
	if err != nil {
		return nil, errors.Join(err, b.log.Close(), b.files.close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.stop = cancel
	go func() { b.done <- b.flow.Run(ctx) }()
	return b, b.flow.CatchUp(t.Context())
}

func (b *flowBox) close() {
	b.t.Helper()
	b.stop()
	if err := errors.Join(<-b.done, b.log.Close(), b.files.close()); err != nil {
		b.t.Error(err)
	}
}

// send has a device say a payload, and waits for what became of it.
func (b *flowBox) send(uid uint32, device, payload string) {
	b.t.Helper()
	done := make(chan struct{})
	m := &ingest.Message{
		Principal: "device:" + device, UID: uid, OrgID: "acme", DeviceID: device, Payload: []byte(payload), AnyTime: true,
		Done: func(*ingest.Result) { close(done) },
	}
	if err := b.flow.Submit(m); err != nil {
		b.t.Fatal(err)
	}
	<-done
}

// raise keeps an episode that goes on, as of all that the log has.
func (b *flowBox) raise(n int) {
	b.t.Helper()
	after, head := b.log.Bounds()
	err := b.files.alerts.Bind(store.Bounds{Log: store.LogID(b.log.ID()), After: after, Head: head})
	at := store.Time(1_757_160_000_000 + n)
	e := store.AlertEvent{
		ID: store.AlertEventID("rule-hot", store.Series{UID: 1, Port: 1}, int64(at)), RuleID: "rule-hot", OrgID: "acme", DeviceID: "d1", UID: 1, PortNumber: 1,
		Severity: store.SeverityWarning, State: store.AlertFiring, StartedAt: at, Position: head,
	}
	if err := errors.Join(err, b.files.alerts.Commit(b.t.Context(), store.AlertCommit{Applied: head, Events: []store.AlertEvent{e}})); err != nil {
		b.t.Fatal(err)
	}
}

// goesOn reports how many episodes go on in a folder, whose files must fit its
// log.
func goesOn(t *testing.T, dir string) (n int) {
	t.Helper()
	b := openFlowBox(t, dir)
	defer b.close()
	after, head := b.log.Bounds()
	err := b.files.alerts.Bind(store.Bounds{Log: store.LogID(b.log.ID()), After: after, Head: head})
	open, err2 := b.files.alerts.OpenEvents(t.Context())
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return len(open)
}

// ledger answers the sums, which must be right, also by device and hour.
func (b *flowBox) ledger() (store.Ledger, string) {
	b.t.Helper()
	l, err := b.flow.Ledger(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if l.Received != l.Stored+l.Duplicate+l.Rejected+l.Pending {
		b.t.Errorf("the ledger does not add up: %+v", l)
	}
	rows, err := b.flow.LedgerHours(b.t.Context(), -1<<40, 1<<40)
	if err != nil {
		b.t.Fatal(err)
	}
	var received uint64
	var all strings.Builder
	for _, r := range rows {
		if r.Received != r.Stored+r.Duplicate+r.Rejected+r.Pending {
			b.t.Errorf("the ledger of %q at %s does not add up: %+v", r.DeviceID, r.Hour, r.Ledger)
		}
		received += r.Received
		fmt.Fprintf(&all, "%s %q %+v\n", r.Hour, r.DeviceID, r.Ledger)
	}
	if received != l.Received {
		b.t.Errorf("the hours received %d, the total is %d", received, l.Received)
	}
	return l, all.String()
}

// fill makes a folder whose ledger has every kind of count, in hours of receipt
// years apart, and readings of several months.
func fill(t *testing.T, dir string) {
	t.Helper()
	f, err := openFiles(Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = f.catalog.CreateOrganization(t.Context(), store.Organization{ID: "acme", Name: "Acme", CreatedAt: time.Now()})
	for _, id := range []string{"d1", "d2"} {
		port := store.Port{DeviceID: id, Number: 1, Calibrations: []store.Calibration{store.Identity(time.Now())}}
		if err == nil {
			_, err = f.catalog.CreateDevice(t.Context(), store.Device{ID: id, OrgID: "acme", State: store.DeviceActive, CreatedAt: time.Now()}, []store.Port{port})
		}
	}
	if err = errors.Join(err, f.close()); err != nil {
		t.Fatal(err)
	}
	b := openFlowBox(t, dir)
	defer b.close()
	for _, year := range []int{1996, 2025} {
		b.at.Store(time.Date(year, 7, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
		for i := range 40 {
			b.at.Add((20 * time.Minute).Milliseconds())
			b.send(1, "d1", fmt.Sprintf(`[{"ts":"%d-0%d-01T00:00:00Z","readings":[{"port":1,"value":%d},{"port":9,"value":1}]}]`, year, 1+i%6, i%12))
			b.send(2, "d2", fmt.Sprintf(`{"readings":[{"port":1,"value":%d}]}`, i))
			b.send(0, "nobody", `{"readings":[{"port":1,"value":1}]}`)
		}
		if err := b.flow.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	b.raise(1)
	if l, _ := b.ledger(); l.Received != 320 || l.Stored == 0 || l.Duplicate == 0 || l.Rejected == 0 {
		t.Fatalf("ledger %+v", l)
	}
}

func copyFolder(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	secrets := filepath.Join(to, "secrets")
	err := errors.Join(os.CopyFS(to, os.DirFS(from)), os.Chmod(secrets, 0o700)) // CopyFS asks the umask
	keys, _ := os.ReadDir(secrets)
	for _, key := range keys {
		err = errors.Join(err, os.Chmod(filepath.Join(secrets, key.Name()), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// adoptLog runs the doctor, and answers what it said of the adoption.
func adoptLog(t *testing.T, dir string) string {
	t.Helper()
	checks, err := Doctor(t.Context(), DoctorOptions{Dir: dir, AdoptLog: true})
	if err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, c := range checks {
		if c.State == "failed" {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
		if c.Name == "adopt-log" {
			said += c.Detail + "\n"
		}
	}
	return said
}

// TestAdoptLostLog loses the log, and cuts the way out off after each step: the
// start is refused until it is done, and then the ledger is what it was.
func TestAdoptLostLog(t *testing.T) {
	whole := t.TempDir()
	fill(t, whole)
	b := openFlowBox(t, whole)
	was, hoursWere := b.ledger()
	b.close()
	if err := os.Remove(filepath.Join(whole, "buffer.db")); err != nil {
		t.Fatal(err)
	}
	checks, err := Doctor(t.Context(), DoctorOptions{Dir: whole})
	if last := checks[len(checks)-1]; err != nil || last.State != "failed" || !strings.Contains(last.Detail, "--adopt-log") {
		t.Fatalf("the doctor says %+v: %v", last, err)
	}
	for cut := range 6 {
		dir := copyFolder(t, whole)
		refused(t, dir)
		adoptPart(t, dir, cut)
		if cut < 4 {
			refused(t, dir)
		}
		first := adoptLog(t, dir)
		if cut < 4 != strings.Contains(first, "320 readings that they have counted count as received") || cut == 4 != strings.Contains(first, "alerts.db follows log") {
			t.Fatalf("cut off after %d steps: %q", cut, first)
		}
		if n := goesOn(t, dir); n != 1 {
			t.Errorf("%d episodes go on", n)
		}
		if again := adoptLog(t, dir); !strings.Contains(again, "already; nothing was changed") {
			t.Fatalf("adopted twice: %q", again)
		}
		b := openFlowBox(t, dir)
		is, hours := b.ledger()
		if is != was || hours != hoursWere {
			t.Fatalf("cut off after %d steps the ledger is %+v\n%s\nit was %+v\n%s", cut, is, hours, was, hoursWere)
		}
		b.send(1, "d1", `[{"ts":"2025-01-01T00:00:00Z","readings":[{"port":1,"value":0}]},{"readings":[{"port":1,"value":9},{"port":9,"value":1}]}]`)
		more, hoursMore := b.ledger()
		if want := (store.Ledger{Received: was.Received + 3, Stored: was.Stored + 1, Duplicate: was.Duplicate + 1, Rejected: was.Rejected + 1}); more != want {
			t.Fatalf("ledger %+v, want %+v", more, want)
		}
		b.raise(2)
		b.close()
		if again := adoptLog(t, dir); !strings.Contains(again, "nothing was changed") {
			t.Fatalf("adopted once more: %q", again)
		}
		b = openFlowBox(t, dir)
		if is, hours := b.ledger(); is != more || hours != hoursMore {
			t.Fatalf("after all the ledger is %+v, want %+v", is, more)
		}
		b.close()
	}
}

// refused wants a start that names the way out.
func refused(t *testing.T, dir string) {
	t.Helper()
	b, err := tryOpenFlowBox(t, dir)
	if err == nil {
		b.close()
	}
	if err == nil || !strings.Contains(err.Error(), "--adopt-log") {
		t.Fatalf("the start answers %v", err)
	}
}

// adoptPart makes the first steps of an adoption.
func adoptPart(t *testing.T, dir string, steps int) {
	t.Helper()
	d := &doctor{o: DoctorOptions{Dir: dir}}
	log, err := d.openLog()
	if err != nil {
		t.Fatal(err)
	}
	f, r, err := d.openForDoctor(Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	a, err := planAdoption(log, f, r, d.logPath())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(a.steps()); n != 5 {
		t.Fatalf("%d steps: cut after each of them", n)
	}
	for _, step := range a.steps()[:steps] {
		if err := step.do(t.Context()); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
	}
	if err := errors.Join(f.close(), log.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestAdoptLostFile loses another file, or has an older copy of one: what it had
// counted is in no count afterwards, and the ledger adds up.
func TestAdoptLostFile(t *testing.T) {
	whole := t.TempDir()
	fill(t, whole)
	older := copyFolder(t, whole)
	b := openFlowBox(t, whole)
	for range 30 {
		b.send(1, "d1", `{"readings":[{"port":1,"value":5},{"port":9,"value":1}]}`)
	}
	was, _ := b.ledger()
	b.close()
	tests := []struct {
		name string
		lose func(dir string) error
		want store.Ledger
	}{
		{
			"state lost", func(dir string) error { return os.Remove(filepath.Join(dir, "state.db")) },
			store.Ledger{Received: was.Stored + was.Duplicate, Stored: was.Stored, Duplicate: was.Duplicate},
		},
		{
			"state older", func(dir string) error { return copyFile(older, dir, "state.db") },
			store.Ledger{Received: was.Received - 30, Stored: was.Stored, Duplicate: was.Duplicate, Rejected: was.Rejected - 30},
		},
		{"index lost", func(dir string) error { return os.Remove(filepath.Join(dir, "series-index.db")) }, was},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := copyFolder(t, whole)
			if err := tt.lose(dir); err != nil {
				t.Fatal(err)
			}
			refused(t, dir)
			if said := adoptLog(t, dir); !strings.Contains(said, "count as received") {
				t.Fatalf("the doctor says %q", said)
			}
			b := openFlowBox(t, dir)
			if is, _ := b.ledger(); is != tt.want {
				t.Errorf("ledger %+v, want %+v", is, tt.want)
			}
			b.send(2, "d2", `{"readings":[{"port":1,"value":5},{"port":9,"value":1}]}`)
			if is, _ := b.ledger(); is.Received != tt.want.Received+2 {
				t.Errorf("ledger %+v, want 2 more than %+v", is, tt.want)
			}
			b.close()
		})
	}
}

// TestAdoptAlerts: an older alerts.db follows a log that the others have counted
// already; a lost one begins anew by itself.
func TestAdoptAlerts(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	older := copyFolder(t, dir)
	b := openFlowBox(t, dir)
	for n := range 30 {
		b.send(1, "d1", `{"readings":[{"port":1,"value":5},{"port":9,"value":1}]}`)
		b.raise(2 + n)
	}
	was, _ := b.ledger()
	if err := b.flow.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.log.Trim(b.files.alerts.Applied()); err != nil {
		t.Fatal(err)
	}
	b.close()

	if err := copyFile(older, dir, "alerts.db"); err != nil {
		t.Fatal(err)
	}
	checks, err := Doctor(t.Context(), DoctorOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	failed := ""
	for _, c := range checks {
		if c.State == "failed" {
			failed += c.Name + ": " + c.Detail + "\n"
		}
	}
	if strings.Count(failed, "\n") != 1 || !strings.Contains(failed, "alerts: ") || !strings.Contains(failed, "doctor --adopt-log") || !strings.Contains(failed, "alarms begin anew") {
		t.Fatalf("the doctor says %q", failed)
	}
	if said := adoptLog(t, dir); !strings.Contains(said, "alerts.db follows log") {
		t.Errorf("the doctor says %q", said)
	}
	if said := adoptLog(t, dir); !strings.Contains(said, "nothing was changed") {
		t.Errorf("adopted twice: %q", said)
	}
	if n := goesOn(t, dir); n != 1 {
		t.Errorf("%d episodes go on in the older file", n)
	}
	if err := os.Remove(filepath.Join(dir, "alerts.db")); err != nil {
		t.Fatal(err)
	}
	if said := adoptLog(t, dir); !strings.Contains(said, "nothing was changed") {
		t.Errorf("without the file: %q", said)
	}
	if n := goesOn(t, dir); n != 0 {
		t.Errorf("%d episodes go on in a new file", n)
	}
	b = openFlowBox(t, dir)
	if is, _ := b.ledger(); is != was {
		t.Errorf("ledger %+v, want %+v", is, was)
	}
	b.close()
}

// TestAdoptRefuses does not guess: a log that is an older copy, and one of which
// some files have counted a part.
func TestAdoptRefuses(t *testing.T) {
	whole := t.TempDir()
	fill(t, whole)
	older := copyFolder(t, whole)
	b := openFlowBox(t, whole)
	b.send(1, "d1", `{"readings":[{"port":1,"value":5},{"port":9,"value":1}]}`)
	if err := b.files.state.Flush(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	killed := copyFolder(t, whole) // the state is flushed, the readings are not
	b.close()

	if err := copyFile(older, whole, "buffer.db"); err != nil {
		t.Fatal(err)
	}
	_, err := Doctor(t.Context(), DoctorOptions{Dir: whole, AdoptLog: true})
	if err == nil || !strings.Contains(err.Error(), "older copy") || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("an older log: %v", err)
	}

	if err := os.Remove(filepath.Join(killed, "series-index.db")); err != nil {
		t.Fatal(err)
	}
	_, err = Doctor(t.Context(), DoctorOptions{Dir: killed, AdoptLog: true})
	if err == nil || !strings.Contains(err.Error(), "state.db already") || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("a log that is counted in part: %v", err)
	}
	if err := os.Remove(filepath.Join(killed, "buffer.db")); err != nil {
		t.Fatal(err)
	}
	adoptLog(t, killed)
	b = openFlowBox(t, killed)
	if l, _ := b.ledger(); l.Received != 321 { // 320, and the rejected one; the stored one is lost with its log
		t.Errorf("ledger %+v", l)
	}
	b.close()
}

func copyFile(from, to, name string) error {
	b, err := os.ReadFile(filepath.Join(from, name))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(to, name), b, 0o600)
}
