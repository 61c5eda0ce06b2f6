package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/ingest"
	"tidegate/ingest/alert"
	"tidegate/ingest/buffer"
	"tidegate/ingest/live"
	"tidegate/store"
	"tidegate/store/embedded"
)

// box is a folder and the parts that work on it.
type box struct {
	t       *testing.T
	dir     string
	catalog *embedded.Catalog
	state   *embedded.State
	series  *embedded.SeriesStore
	log     *buffer.Log
	devices *ingest.Registry
	flow    *ingest.Pipeline
	lines   chan string
	wrap    func(store.SeriesStore) store.SeriesStore
	live    *live.Hub
	alarmed bool // with rules
	memory  *embedded.Alerts
	rules   *alert.Engine
	early   bool // open does not wait until the log has been applied again
	// lastFlush bounds the flush at the end of Run.
	lastFlush time.Duration

	stop func()
	done chan error
	now  func() time.Time
	// built is the build date: a clock before it is not trusted.
	built time.Time
}

func newBox(t *testing.T) *box {
	b := &box{t: t, dir: t.TempDir(), lines: make(chan string, 1000), now: time.Now}
	b.open()
	t.Cleanup(func() {
		if b.stop != nil {
			b.close()
		}
	})
	if err := b.catalog.CreateOrganization(t.Context(), store.Organization{ID: "acme", Name: "Acme", CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *box) open() {
	b.t.Helper()
	must := func(err error) {
		b.t.Helper()
		if err != nil {
			b.t.Fatal(err)
		}
	}
	var err error
	b.catalog, err = embedded.OpenCatalog(filepath.Join(b.dir, "catalog.db"), embedded.CatalogOptions{})
	must(err)
	b.state, err = embedded.OpenState(filepath.Join(b.dir, "state.db"), embedded.StateOptions{})
	must(err)
	b.series, err = embedded.OpenSeries(b.dir, embedded.SeriesOptions{})
	must(err)
	b.log, err = buffer.Open(buffer.Options{Path: filepath.Join(b.dir, "buffer.db"), Fatal: func(err error) { panic(err) }})
	must(err)
	b.devices, err = ingest.NewRegistry(context.Background(), b.catalog, []byte("key"), b.now)
	must(err)
	var series store.SeriesStore = b.series
	if b.wrap != nil {
		series = b.wrap(series)
	}
	var rules ingest.Rules
	if b.alarmed {
		b.openRules()
		rules = b.rules
	}
	b.flow, err = ingest.NewPipeline(ingest.Options{
		Rules: rules, Log: b.log, Series: series, State: b.state, Registry: b.devices, Live: b.live,
		FlushInterval: time.Hour, FlushSize: 1 << 20, LogSize: 1 << 30, LastFlush: b.lastFlush,
		Rejected: func(_, _, line string) { b.lines <- line },
		Logger:   slog.New(slog.DiscardHandler), Now: b.now, BuildDate: b.built,
	})
	must(err)
	ctx, cancel := context.WithCancel(context.Background())
	b.stop, b.done = cancel, make(chan error, 1)
	go func() { b.done <- b.flow.Run(ctx) }()
	if b.early {
		return
	}
	// From here on the ledger adds up, also where a crash left one file ahead of
	// another.
	must(b.flow.CatchUp(ctx))
}

// close stops in order.
func (b *box) close() {
	b.t.Helper()
	b.stop()
	if err := <-b.done; err != nil {
		b.t.Errorf("run: %v", err)
	}
	b.closeFiles()
}

// watchable closes the box, and gives it a hub for when it is opened again.
func (b *box) watchable() {
	b.t.Helper()
	b.close()
	var err error
	if b.live, err = live.New(live.Options{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) closeFiles() {
	b.t.Helper()
	b.stop = nil
	if b.alarmed {
		if err := b.memory.Close(); err != nil {
			b.t.Error(err)
		}
	}
	for _, err := range []error{b.log.Close(), b.series.Close(), b.state.Close(), b.catalog.Close()} {
		if err != nil {
			b.t.Error(err)
		}
	}
}

func (b *box) device(id string, ports int) {
	b.t.Helper()
	var list []store.Port
	for n := 1; n <= ports; n++ {
		list = append(list, store.Port{DeviceID: id, Number: uint16(n), Calibrations: []store.Calibration{store.Identity(time.Now())}})
	}
	_, err := b.catalog.CreateDevice(b.t.Context(), store.Device{ID: id, OrgID: "acme", State: store.DeviceActive, CreatedAt: time.Now()}, list)
	if err != nil {
		b.t.Fatal(err)
	}
	b.refresh(id)
}

func (b *box) port(id string, n uint16) {
	b.t.Helper()
	err := b.catalog.PutPort(b.t.Context(), store.Port{DeviceID: id, Number: n, Calibrations: []store.Calibration{store.Identity(time.Now())}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.refresh(id)
}

func (b *box) refresh(id string) {
	b.t.Helper()
	if err := b.devices.Refresh(b.t.Context(), id); err != nil {
		b.t.Fatal(err)
	}
}

// send submits a payload of a device and waits for its result.
func (b *box) send(device, payload string) ingest.Result {
	b.t.Helper()
	got := make(chan ingest.Result, 1)
	uid, _ := b.devices.Lookup("acme", device)
	m := &ingest.Message{
		Principal: "device:" + device, UID: uid, OrgID: "acme", DeviceID: device, Payload: []byte(payload),
		Done: func(r *ingest.Result) {
			c := *r
			c.Rejected = append([]store.Letter(nil), r.Rejected...)
			got <- c
		},
	}
	if err := b.flow.Submit(m); err != nil {
		b.t.Fatal(err)
	}
	return <-got
}

func (b *box) ledger() store.Ledger {
	b.t.Helper()
	l, err := b.flow.Ledger(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if l.Received != l.Stored+l.Duplicate+l.Rejected+l.Pending {
		b.t.Fatalf("the ledger does not add up: %+v", l)
	}
	return l
}

func (b *box) wantLedger(received, stored, duplicate, rejected uint64) {
	b.t.Helper()
	want := store.Ledger{Received: received, Stored: stored, Duplicate: duplicate, Rejected: rejected}
	if got := b.ledger(); got != want {
		b.t.Errorf("ledger %+v, want %+v", got, want)
	}
	hours, err := b.flow.LedgerHours(b.t.Context(), -1<<40, 1<<40)
	if err != nil {
		b.t.Fatal(err)
	}
	var sum store.Ledger
	for _, h := range hours {
		if h.Received != h.Stored+h.Duplicate+h.Rejected+h.Pending {
			b.t.Errorf("the ledger of %s at %s does not add up: %+v", h.DeviceID, h.Hour, h.Ledger)
		}
		sum.Received += h.Received
		sum.Stored += h.Stored
		sum.Duplicate += h.Duplicate
		sum.Rejected += h.Rejected
		sum.Pending += h.Pending
	}
	if sum != want {
		b.t.Errorf("the ledger's hours add up to %+v, want %+v", sum, want)
	}
}

func (b *box) letters() []store.DeadLetter {
	b.t.Helper()
	l, err := b.state.ListDeadLetters(b.t.Context(), store.LetterFilter{Limit: 100})
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

func (b *box) replay(ids ...string) (stored, duplicate, rejected int) {
	b.t.Helper()
	var list []store.LetterID
	for _, s := range ids {
		id, err := store.ParseLetterID(s)
		if err != nil {
			b.t.Fatal(err)
		}
		list = append(list, id)
	}
	stored, duplicate, rejected, err := b.flow.ReplayLetters(b.t.Context(), list, ingest.ReplayOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return stored, duplicate, rejected
}

func TestBadNeverBlocksGood(t *testing.T) {
	b := newBox(t)
	b.device("d1", 2)
	ts := time.Now().UnixMilli()
	r := b.send("d1", fmt.Sprintf(`{"ts":%d,"readings":[{"port":1,"value":1},{"port":9,"value":2},{"port":2,"value":"x"},{"port":2,"value":3}]}`, ts))
	if r.Stored != 2 || len(r.Rejected) != 2 {
		t.Errorf("result %+v", r)
	}
	b.wantLedger(4, 2, 0, 2)
	r = b.send("d1", fmt.Sprintf(`{"ts":%d,"readings":[{"port":1,"value":1},{"port":2,"value":4}]}`, ts))
	if r.Duplicate != 1 || len(r.Rejected) != 1 || r.Rejected[0].Reason != store.ReasonConflict {
		t.Errorf("result %+v", r)
	}
	b.wantLedger(6, 2, 1, 3)
	b.send("d1", `{`)
	b.wantLedger(7, 2, 1, 4)
	var reasons []string
	for _, l := range b.letters() {
		reasons = append(reasons, string(l.Reason))
	}
	if got, want := strings.Join(reasons, " "), "malformed_json conflict wrong_type unknown_port"; got != want {
		t.Errorf("letters %s, want %s", got, want)
	}
	if line := <-b.lines; !strings.Contains(line, "port 9 unknown_port") {
		t.Errorf("line %q", line)
	}
}

// TestReplayUnknownPort is the case that users have: a port was forgotten, its
// readings wait as dead letters, the port is made, and they come back.
func TestReplayUnknownPort(t *testing.T) {
	b := newBox(t)
	b.device("d1", 1)
	ts := time.Now().UnixMilli()
	b.send("d1", fmt.Sprintf(`{"ts":%d,"readings":[{"port":1,"value":1},{"port":9,"value":2}]}`, ts))
	id := b.letters()[0].ID
	if stored, _, rejected := b.replay(id); stored != 0 || rejected != 1 {
		t.Errorf("before the port was made: %d stored, %d rejected", stored, rejected)
	}
	b.wantLedger(2, 1, 0, 1)
	b.port("d1", 9)
	if stored, duplicate, rejected := b.replay(id, id); stored != 1 || duplicate != 0 || rejected != 0 {
		t.Errorf("replay: %d stored, %d duplicate, %d rejected", stored, duplicate, rejected)
	}
	b.wantLedger(2, 2, 0, 0)
	if n := len(b.letters()); n != 0 {
		t.Errorf("%d letters are left", n)
	}
	if stored, duplicate, rejected := b.replay(id); stored+duplicate+rejected != 0 {
		t.Error("a letter came back twice")
	}
	b.close()
	b.open()
	b.wantLedger(2, 2, 0, 0)
}

// TestRacingReplays: however many replay the same letters at once, each comes
// back once.
func TestRacingReplays(t *testing.T) {
	b := newBox(t)
	b.device("d1", 1)
	var ids []string
	for i := range 20 {
		b.send("d1", fmt.Sprintf(`{"ts":%d,"readings":[{"port":9,"value":2}]}`, time.Now().UnixMilli()-int64(i)*1000))
	}
	for _, l := range b.letters() {
		ids = append(ids, l.ID)
	}
	b.port("d1", 9)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { b.replay(ids...) })
	}
	wg.Wait()
	b.wantLedger(20, 20, 0, 0)
}

// TestRestartKeepsVerdicts: what was rejected durably stays rejected when the
// log is applied again, although the port exists by then; and no reading is
// counted twice.
func TestRestartKeepsVerdicts(t *testing.T) {
	b := newBox(t)
	b.device("d1", 1)
	b.send("d1", fmt.Sprintf(`{"ts":%d,"readings":[{"port":1,"value":1},{"port":9,"value":2}]}`, time.Now().UnixMilli()))
	if err := b.state.Flush(t.Context(), b.series.Applied()); err != nil { // as a list of the letters would
		t.Fatal(err)
	}
	b.crash()
	b.open()
	b.wantLedger(2, 1, 0, 1)
	b.port("d1", 9)
	b.send("d1", fmt.Sprintf(`{"ts":%d,"readings":[{"port":9,"value":3}]}`, time.Now().UnixMilli()))
	b.wantLedger(3, 2, 0, 1)
	b.close()
	b.open()
	b.wantLedger(3, 2, 0, 1)
}

// crash leaves what is in memory behind: the files are copied as they are and
// opened from the copy.
func (b *box) crash() {
	b.t.Helper()
	copied := b.t.TempDir()
	for _, pattern := range []string{"*.db"} {
		names, err := filepath.Glob(filepath.Join(b.dir, pattern))
		if err != nil {
			b.t.Fatal(err)
		}
		for _, n := range names {
			copyFile(b.t, n, filepath.Join(copied, filepath.Base(n)))
		}
	}
	b.close()
	b.dir = copied
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestClockUntrusted: a clock before the newest record is not believed.
func TestClockUntrusted(t *testing.T) {
	b := newBox(t)
	at := time.Now()
	b.close()
	b.now = func() time.Time { return at }
	b.open()
	b.device("d1", 1)
	b.send("d1", `{"readings":[{"port":1,"value":1}]}`)
	at = at.Add(-48 * time.Hour)
	b.send("d1", `{"readings":[{"port":1,"value":2}]}`)
	uid, _ := b.devices.Lookup("acme", "d1")
	rows, err := b.series.Scan(t.Context(), store.Scan{Series: []store.Series{{UID: uid, Port: 1}}, To: 1 << 50, Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var flags []string
	for _, r := range rows {
		flags = append(flags, strings.Join(r.Sample.Flags.Names(), "+"))
	}
	if got := strings.Join(flags, " "); got != "server_ts+clock_unsynced server_ts" {
		t.Errorf("flags in order of time: %s", got)
	}
}

// TestReplayUnknownDevice: what came before its device was registered is
// counted where it was received, also once it is stored.
func TestReplayUnknownDevice(t *testing.T) {
	b := newBox(t)
	b.send("late", fmt.Sprintf(`{"ts":%d,"readings":[{"port":1,"value":1}]}`, time.Now().UnixMilli()))
	b.wantLedger(1, 0, 0, 1)
	b.device("late", 1)
	if stored, _, rejected := b.replay(b.letters()[0].ID); stored != 1 || rejected != 0 {
		t.Errorf("%d stored, %d rejected", stored, rejected)
	}
	b.wantLedger(1, 1, 0, 0)
	b.close()
	b.open()
	b.wantLedger(1, 1, 0, 0)
}

// TestReplayAfterUntrustedClock: a box that woke up in 1970 takes any later
// time; a replay still knows that.
func TestReplayAfterUntrustedClock(t *testing.T) {
	b := newBox(t)
	at := time.Unix(1000, 0)
	b.close()
	b.now, b.built = func() time.Time { return at }, time.Now()
	b.open()
	b.device("d1", 1)
	b.send("d1", `{"ts":"2026-01-02T03:04:05Z","readings":[{"port":1,"value":1},{"port":9,"value":2}]}`)
	b.wantLedger(2, 1, 0, 1)
	b.port("d1", 9)
	if stored, _, rejected := b.replay(b.letters()[0].ID); stored != 1 || rejected != 0 {
		t.Errorf("%d stored, %d rejected: %+v", stored, rejected, b.letters())
	}
	b.wantLedger(2, 2, 0, 0)
}
