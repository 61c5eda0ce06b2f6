package embedded

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

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
}

func openBox(t *testing.T, dir string) *box {
	t.Helper()
	b := &box{dir: dir}
	var err error
	b.catalog, b.state, b.audit = openTestCatalog(t, dir), openTestState(t, dir, StateOptions{}), openTestAudit(t, dir, AuditOptions{})
	if b.secrets, err = OpenSecrets(filepath.Join(dir, "secrets")); err != nil {
		t.Fatal(err)
	}
	if b.series, err = OpenSeries(dir, SeriesOptions{}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *box) sources(log Source) BackupSources {
	return BackupSources{Readings: b.series, State: b.state, Log: log, Catalog: b.catalog, Audit: b.audit, Secrets: b.secrets,
		Others: []Source{FileSource(filepath.Join(b.dir, "config.yaml")), FileSource(filepath.Join(b.dir, "absent.yaml"))}}
}

func (b *box) close(t *testing.T) {
	t.Helper()
	if err := errors.Join(b.series.Close(), b.state.Close(), b.catalog.Close(), b.audit.Close()); err != nil {
		t.Fatal(err)
	}
}

func (b *box) bind(t *testing.T, bounds store.Bounds) {
	t.Helper()
	if err := errors.Join(b.state.Bind(bounds), b.series.Bind(bounds)); err != nil {
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
	var file, direct bytes.Buffer
	m, err := Backup(ctx, &file, b.sources(bytesSource{"buffer.db", func() []byte { return []byte("log") }}), BackupOptions{Version: "1.2.3", Spool: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(ctx, &direct, b.sources(nil), BackupOptions{}); err != nil {
		t.Fatal(err)
	}
	key := bytes.Clone(b.secrets.Device)
	b.close(t)
	var names []string
	for _, f := range m.Files {
		names = append(names, f.Name)
	}
	want := "series-index.db series-2025-09.db state.db buffer.db catalog.db audit.log secrets/device.key secrets/jwt.key config.yaml"
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
	for range 4 {
		<-written // the writer has flushed and trimmed since the last copy
		var file bytes.Buffer
		if _, err := Backup(ctx, &file, withHold(b.sources(bytesSource{"buffer.db", log.bytes}), log), BackupOptions{Spool: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
		b.checkCopy(t, &file)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
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
			_, err = b.series.Flush(ctx, func(uint64) error { return b.state.Flush(ctx, b.series.Applied()) })
			log.trim(min(b.series.Applied(), b.state.Applied()))
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
	if c.state.Applied() < c.series.Applied() {
		t.Errorf("the state is at %d, behind the readings at %d", c.state.Applied(), c.series.Applied())
	}
	for seq := c.series.Applied() + 1; seq <= c.state.Applied(); seq++ {
		if c.state.Rejected(seq, 0) || !c.state.Rejected(seq, 1) {
			t.Errorf("the verdicts at %d are not held", seq)
		}
	}
	d, err := c.catalog.ListDevices(ctx, store.DeviceFilter{})
	if err != nil || uint64(len(d)) < bounds.Head {
		t.Errorf("%d devices, but the log goes up to %d: %v", len(d), bounds.Head, err)
	}
}

// smallBackup answers a backup of few bytes.
func smallBackup(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	a := bytesSource{"state.db", func() []byte { return []byte("state") }}
	s := bytesSource{"secrets/device.key", func() []byte { return bytes.Repeat([]byte("k"), 32) }}
	if _, err := Backup(t.Context(), &b, BackupSources{Readings: a, Secrets: s}, BackupOptions{Version: "1"}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// refuse restores what must not be taken and checks that nothing is left of it.
func refuse(t *testing.T, name string, b []byte, want string) {
	t.Helper()
	dir := t.TempDir()
	_, err := Restore(t.Context(), bytes.NewReader(b), dir)
	if err == nil || !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", name, err, want)
	}
	left, rerr := os.ReadDir(dir)
	if rerr != nil || len(left) > 0 {
		t.Errorf("%s left %v: %v", name, left, rerr)
	}
}

func TestRestoreRefusesDamage(t *testing.T) {
	whole := smallBackup(t)
	for n := range whole {
		refuse(t, fmt.Sprintf("cut off at %d of %d", n, len(whole)), whole[:n], "")
	}
	dir := t.TempDir()
	m, err := Restore(t.Context(), bytes.NewReader(whole), dir)
	if err != nil {
		t.Fatal(err)
	}
	harmless := 0
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 0x10
		to := t.TempDir()
		got, err := Restore(t.Context(), bytes.NewReader(b), to)
		if err != nil {
			refuse(t, fmt.Sprintf("byte %d changed", i), b, "")
			continue
		}
		harmless++ // bits that say nothing, such as padding: the content must be the same
		if !reflect.DeepEqual(got, m) || !reflect.DeepEqual(contents(t, to), contents(t, dir)) {
			t.Errorf("byte %d changed: %+v", i, got)
		}
	}
	if harmless > len(whole)/20 {
		t.Errorf("%d of %d bytes do not matter", harmless, len(whole))
	}
	refuse(t, "something behind", append(bytes.Clone(whole), "more"...), "")
	refuse(t, "two in one", append(bytes.Clone(whole), whole...), "something follows")
	refuse(t, "a text", []byte("hello"), "not a backup of tidegate's")
}

// contents answers the files below dir.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, path))
		out[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRestoreRefusesForgery(t *testing.T) {
	type entry struct {
		h    tar.Header
		body string
	}
	file := func(name, body string) entry { return entry{tar.Header{Name: name, Typeflag: tar.TypeReg}, body} }
	manifest := func(format int, files ...BackupFile) string {
		b, err := json.Marshal(Manifest{Format: format, Version: "9.9", Files: files})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	state := BackupFile{"state.db", 1, sha256Hex([]byte("x"))}
	head := file(backupHead, manifest(1))
	for _, tt := range []struct {
		name    string
		entries []entry
		want    string
	}{
		{"newer", []entry{file(backupHead, manifest(2))}, "written by tidegate 9.9; this tidegate knows up to 1: run a newer one"},
		{"no head", []entry{file("state.db", "x")}, `begins with "state.db"`},
		{"parent", []entry{head, file("../state.db", "x")}, "does not belong into a data folder"},
		{"parent of a folder", []entry{head, file("a/../../state.db", "x")}, "does not belong into a data folder"},
		{"absolute", []entry{head, file("/etc/passwd", "x")}, "does not belong into a data folder"},
		{"hidden", []entry{head, file(".restore/x", "x")}, "does not belong into a data folder"},
		{"deep", []entry{head, file("a/b/c", "x")}, "does not belong into a data folder"},
		{"lock", []entry{head, file("tidegate.lock", "x")}, "does not belong into a data folder"},
		{"link", []entry{head, {tar.Header{Name: "state.db", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, ""}}, "no plain file"},
		{"folder", []entry{head, {tar.Header{Name: "state.db/", Typeflag: tar.TypeDir}, ""}}, "no plain file"},
		{"twice", []entry{head, file("state.db", "x"), file("state.db", "x")}, "holds state.db twice"},
		{"without manifest", []entry{head, file("state.db", "x")}, "ends before its manifest"},
		{"file of the manifest missing", []entry{head, file(backupManifest, manifest(1, state))}, "holds 0 files, its manifest says 1"},
		{"one more", []entry{head, file("state.db", "x"), file("b", "x"), file(backupManifest, manifest(1, state))}, "holds 2 files"},
		{"other content", []entry{head, file("state.db", "y"), file(backupManifest, manifest(1, state))}, "state.db is damaged"},
		{"behind the manifest", []entry{head, file("state.db", "x"), file(backupManifest, manifest(1, state)), file("b", "x")}, "something follows its manifest"},
	} {
		var b bytes.Buffer
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w := tar.NewWriter(z)
		for _, e := range tt.entries {
			e.h.Size = int64(len(e.body))
			werr := w.WriteHeader(&e.h)
			if werr == nil && e.body != "" {
				_, werr = io.WriteString(w, e.body)
			}
			err = errors.Join(err, werr)
		}
		if err := errors.Join(err, w.Close(), z.Close()); err != nil {
			t.Fatal(err)
		}
		refuse(t, tt.name, b.Bytes(), tt.want)
	}
}

func TestRestoreFolders(t *testing.T) {
	whole := smallBackup(t)
	restore := func(dir string) error { _, err := Restore(t.Context(), bytes.NewReader(whole), dir); return err }
	touch := func(path string) string {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	used := t.TempDir()
	touch(filepath.Join(used, "state.db"))
	if err := restore(used); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "it holds state.db") {
		t.Errorf("a folder in use: %v", err)
	}
	begun := t.TempDir() // a crash while it was unpacked
	touch(filepath.Join(begun, restoreFolder, "state.db"))
	if err := RestoreUnfinished(begun); !errors.Is(err, store.ErrConflict) {
		t.Errorf("begun: %v", err)
	}
	if err := restore(begun); err != nil || RestoreUnfinished(begun) != nil {
		t.Errorf("begun and repeated: %v", err)
	}
	half := t.TempDir() // a crash while the files got their names
	touch(filepath.Join(half, restoreFolder, "catalog.db"))
	touch(filepath.Join(half, "state.db"))
	if err := restore(half); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("half: %v", err)
	}
	locked := t.TempDir()
	touch(filepath.Join(locked, "tidegate.lock"))
	if err := restore(locked); err != nil {
		t.Errorf("a folder with our own lock: %v", err)
	}
	if info, err := os.Stat(filepath.Join(locked, "secrets")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the keys: %v %v", info.Mode(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Restore(ctx, bytes.NewReader(whole), t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits: %v", err)
	}
}
