package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/store"
)

// bytesSource is a file whose content is made at the moment of the copy.
type bytesSource struct {
	name string
	read func() []byte
}

func (s bytesSource) Snapshot(_ context.Context, write func(string, int64, io.Reader) error) error {
	b := s.read()
	return write(s.name, int64(len(b)), bytes.NewReader(b))
}

// box is a data folder in use.
type box struct {
	dir     string
	catalog *Catalog
	state   *State
	audit   *Audit
	secrets *Secrets
	series  *SeriesStore
	journal *Journal
	alerts  *Alerts
	orders  *Commands
}

func openBox(t *testing.T, dir string) *box {
	t.Helper()
	b := &box{dir: dir}
	var err error
	b.catalog, b.state, b.audit = openTestCatalog(t, dir), openTestState(t, dir, StateOptions{}), openTestAudit(t, dir, AuditOptions{})
	b.journal, b.alerts = openTestJournal(t, dir), openTestAlerts(t, dir, AlertsOptions{})
	if b.secrets, err = OpenSecrets(filepath.Join(dir, "secrets")); err != nil {
		t.Fatal(err)
	}
	if b.series, err = OpenSeries(dir, SeriesOptions{}); err != nil {
		t.Fatal(err)
	}
	if b.orders, err = OpenCommands(filepath.Join(dir, "commands.db"), CommandsOptions{}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *box) sources(log Source) BackupSources {
	return BackupSources{
		Readings: b.series, Journal: b.journal, Alerts: b.alerts, State: b.state, Log: log, Commands: b.orders, Catalog: b.catalog, Audit: b.audit, Secrets: b.secrets,
		Others: []Source{FileSource(filepath.Join(b.dir, "config.yaml")), FileSource(filepath.Join(b.dir, "absent.yaml"))},
	}
}

func (b *box) close(t *testing.T) {
	t.Helper()
	if err := errors.Join(b.series.Close(), b.journal.Close(), b.alerts.Close(), b.state.Close(), b.catalog.Close(), b.audit.Close(), b.orders.Close()); err != nil {
		t.Fatal(err)
	}
}

func (b *box) bind(t *testing.T, bounds store.Bounds) {
	t.Helper()
	if err := errors.Join(b.state.Bind(bounds), b.series.Bind(bounds), b.journal.Bind(bounds), b.alerts.Bind(bounds)); err != nil {
		t.Fatal(err)
	}
}

// TestBackupRoundTrip backs a folder up while it is open and restores it.
func TestBackupRoundTrip(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	b := openBox(t, dir)
	bounds := store.Bounds{Log: stateLog, Head: 10}
	b.bind(t, bounds)
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte("http:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.catalog.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "Acme"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.audit.Record(ctx, store.AuditEntry{Actor: "uid:0", Action: "org.create"}); err != nil {
		t.Fatal(err)
	}
	reject(t, b.state, oneLetter(2, time.Now(), 10))
	flushState(t, b.state)
	at := time.Date(2025, 9, 6, 0, 0, 0, 0, time.UTC).UnixMilli()
	batch := store.Batch{Through: 1, Items: []store.Item{{Series: store.Series{UID: 1, Port: 1}, Sample: store.Sample{TS: at, Raw: 230.5, IngestTS: at}, Seq: 1, Hour: hourOf(at)}}}
	if err := b.series.Append(ctx, &batch); err != nil {
		t.Fatal(err)
	}
	if _, err := b.series.Flush(ctx, nil); err != nil {
		t.Fatal(err)
	}
	finish(t, b.journal, store.Outcome{Through: 1, Stored: store.HourCounts{5: {1: 3}}, Refused: []store.Refusal{{Hour: 5, Document: "{}"}}})
	begin(t, b.journal, 2, bytes.Repeat([]byte("under way "), 10_000))
	journal := journalText(t, b.journal)
	commitAlerts(t, b.alerts, store.AlertCommit{Applied: 2, Events: []store.AlertEvent{testAlert(1, store.AlertFiring)}})
	order := store.Command{ID: store.NewCommandID(store.Time(at)), UID: 1, OrgID: "acme", DeviceID: "d1", Name: "reboot", State: store.CommandQueued, CreatedAt: store.Time(at), ExpiresAt: store.Time(at + 1000)}
	if err := b.orders.PutCommands(ctx, []store.Command{order}); err != nil {
		t.Fatal(err)
	}
	var file, direct bytes.Buffer
	m, err := Backup(ctx, &file, b.sources(bytesSource{"buffer.db", func() []byte { return []byte("log") }}), BackupOptions{Version: "1.2.3", Spool: dir})
	if err != nil {
		t.Fatal(err)
	}
	withoutJournal := b.sources(nil)
	withoutJournal.Journal = nil
	d, err := Backup(ctx, &direct, withoutJournal, BackupOptions{})
	if err != nil || slices.ContainsFunc(d.Files, func(f BackupFile) bool { return f.Name == "writer.db" }) {
		t.Fatalf("without a journal: %+v %v", d, err)
	}
	key := bytes.Clone(b.secrets.Device)
	b.close(t)
	var names []string
	for _, f := range m.Files {
		names = append(names, f.Name)
	}
	want := "series-index.db series-2025-09.db writer.db alerts.db state.db buffer.db commands.db catalog.db audit.log secrets/device.key secrets/jwt.key config.yaml"
	if got := strings.Join(names, " "); got != want {
		t.Fatalf("the backup holds\n%s, want\n%s", got, want)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "backup-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}

	to := filepath.Join(t.TempDir(), "new")
	got, err := Restore(ctx, &file, to)
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != "1.2.3" || !slices.Equal(got.Files, m.Files) || RestoreUnfinished(to) != nil {
		t.Errorf("restored %+v", got)
	}
	r := openBox(t, to)
	defer r.close(t)
	r.bind(t, bounds)
	if !bytes.Equal(r.secrets.Device, key) || r.secrets.MadeDevice {
		t.Error("the keys are others")
	}
	if _, err := r.catalog.Organization(ctx, "acme"); err != nil {
		t.Error(err)
	}
	if n, err := r.audit.VerifyAudit(ctx); n != 1 || err != nil {
		t.Errorf("%d audit entries: %v", n, err)
	}
	if got := listIDs(t, r.state); got != "2-0" || r.state.Applied() != 2 || r.series.Applied() != 1 {
		t.Errorf("letters %s at %d, readings at %d", got, r.state.Applied(), r.series.Applied())
	}
	if rows, err := r.series.Scan(ctx, store.Scan{Series: []store.Series{{UID: 1, Port: 1}}, To: 1 << 50, Limit: 9}); err != nil || len(rows) != 1 || rows[0].Sample.Raw != 230.5 {
		t.Errorf("readings %v: %v", rows, err)
	}
	if open, err := r.orders.OpenCommands(ctx); err != nil || len(open) != 1 || open[0].ID != order.ID {
		t.Errorf("open commands %+v: %v", open, err)
	}
	if open, err := r.alerts.OpenEvents(ctx); err != nil || len(open) != 1 || r.alerts.Applied() != 2 {
		t.Errorf("%d open episodes at %d: %v", len(open), r.alerts.Applied(), err)
	}
	if got := journalText(t, r.journal); got != journal {
		t.Errorf("the journal answers %s, was %s", got, journal)
	}
	if log, err := os.ReadFile(filepath.Join(to, "buffer.db")); err != nil || string(log) != "log" {
		t.Errorf("log %q: %v", log, err)
	}
}

// toyLog is a log that is appended to and trimmed by a writer at full speed.
type toyLog struct {
	mu          sync.Mutex
	after, head uint64
	holds       int
}

func (l *toyLog) hold() (func(), error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.holds++
	return func() { l.mu.Lock(); l.holds--; l.mu.Unlock() }, nil
}

func (l *toyLog) write(through uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head = through
}

func (l *toyLog) trim(to uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holds == 0 {
		l.after = to
	}
}

func (l *toyLog) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Appendf(nil, "%d %d", l.after, l.head)
}

// TestBackupFitsTogether backs up beside a writer and checks in each copy what
// a restore rests on.
func TestBackupFitsTogether(t *testing.T) {
	ctx := t.Context()
	b := openBox(t, t.TempDir())
	defer b.close(t)
	log := &toyLog{}
	b.bind(t, store.Bounds{Log: stateLog})
	stop, done := make(chan struct{}), make(chan error, 1)
	written := make(chan struct{}, 1)
	go func() { done <- b.write(ctx, log, stop, written) }()
	for range 5 {
		src := withHold(b.sources(bytesSource{"buffer.db", log.bytes}), log)
		src.Readings, src.Journal, src.Log = outrun{src.Readings, written}, outrun{src.Journal, written}, outrun{src.Log, written}
		var file bytes.Buffer
		if _, err := Backup(ctx, &file, src, BackupOptions{Spool: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
		b.checkCopy(t, &file)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// outrun is a source before and behind whose copy the writer goes on and flushes.
type outrun struct {
	Source
	written chan struct{}
}

func (o outrun) Snapshot(ctx context.Context, write func(string, int64, io.Reader) error) error {
	o.wait()
	err := o.Source.Snapshot(ctx, write)
	o.wait()
	return err
}

func (o outrun) wait() {
	for range 2 { // the first may be of before
		<-o.written
	}
}

func withHold(s BackupSources, l *toyLog) BackupSources { s.HoldLog = l.hold; return s }

// write makes, of each record, one reading that is stored and one that is not,
// for a new device each.
func (b *box) write(ctx context.Context, log *toyLog, stop chan struct{}, written chan struct{}) error {
	if err := b.catalog.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "A"}); err != nil {
		return err
	}
	for seq := uint64(1); ; seq++ {
		d, err := b.catalog.CreateDevice(ctx, store.Device{ID: fmt.Sprint("d", seq), OrgID: "acme"}, nil)
		if err != nil {
			return err
		}
		log.write(seq)
		at := time.Date(2025, 1, 1, 0, 0, int(seq)*3600, 0, time.UTC).UnixMilli()
		batch := store.Batch{Through: seq, Items: []store.Item{{Series: store.Series{UID: d.UID, Port: 1}, Sample: store.Sample{TS: at, IngestTS: at}, Seq: seq, Hour: 1}}}
		r := oneLetter(seq, time.Now(), 10)
		r.UID, r.Letters[0].Index = d.UID, 1
		err = errors.Join(b.series.Append(ctx, &batch), b.state.Reject(ctx, seq, []store.Rejection{r}, nil))
		if err == nil && seq%5 == 0 {
			_, err = b.series.Flush(ctx, func(uint64) error { return b.state.Flush(ctx, b.applied()) })
			err = errors.Join(err,
				b.journal.Begin(ctx, store.Intent{Through: seq, Body: make([]byte, 5_000)}),
				b.journal.Finish(ctx, store.Outcome{Through: seq, Stored: store.HourCounts{1: {1: 5}}}))
			err = errors.Join(err, b.alerts.Commit(ctx, store.AlertCommit{Applied: seq, Events: []store.AlertEvent{testAlert(int(seq), store.AlertResolved)}}))
			log.trim(min(b.applied(), b.state.Applied(), b.alerts.Applied()))
			select {
			case written <- struct{}{}:
			default:
			}
		}
		if err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}

// applied is what the readings have everywhere: in the files, and elsewhere.
func (b *box) applied() uint64 { return min(b.series.Applied(), b.journal.Applied()) }

func (b *box) checkCopy(t *testing.T, file io.Reader) {
	t.Helper()
	ctx, to := t.Context(), t.TempDir()
	if _, err := Restore(ctx, file, to); err != nil {
		t.Fatal(err)
	}
	c := openBox(t, to)
	defer c.close(t)
	text, err := os.ReadFile(filepath.Join(to, "buffer.db"))
	if err != nil {
		t.Fatal(err)
	}
	var bounds store.Bounds
	bounds.Log = stateLog
	if _, err := fmt.Sscan(string(text), &bounds.After, &bounds.Head); err != nil {
		t.Fatal(err)
	}
	c.bind(t, bounds) // each follower is within the log
	if c.state.Applied() < max(c.series.Applied(), c.journal.Applied()) {
		t.Errorf("the state is at %d, behind the readings at %d, and %d elsewhere", c.state.Applied(), c.series.Applied(), c.journal.Applied())
	}
	if stored, _, err := c.journal.Totals(ctx); stored != c.journal.Applied() || err != nil {
		t.Errorf("the journal counts %d at %d: %v", stored, c.journal.Applied(), err)
	}
	for seq := c.applied() + 1; seq <= c.state.Applied(); seq++ {
		if c.state.Rejected(seq, 0) || !c.state.Rejected(seq, 1) {
			t.Errorf("the verdicts at %d are not held", seq)
		}
	}
	d, err := c.catalog.ListDevices(ctx, store.DeviceFilter{})
	if err != nil || uint64(len(d)) < bounds.Head {
		t.Errorf("%d devices, but the log goes up to %d: %v", len(d), bounds.Head, err)
	}
}
