package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/store"
	"tidegate/store/storetest"
)

func openTestAudit(t testing.TB, dir string, o AuditOptions) *Audit {
	t.Helper()
	a, err := OpenAudit(filepath.Join(dir, "audit.log"), o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAudit(t *testing.T) {
	storetest.RunAudit(t, func(t testing.TB, dir string) storetest.Audit { return openTestAudit(t, dir, AuditOptions{}) })
}

// trail answers the lines of a closed trail with n entries.
func trail(t *testing.T, n int) (path string, lines [][]byte) {
	t.Helper()
	a := openTestAudit(t, t.TempDir(), AuditOptions{})
	for i := range n {
		e := store.AuditEntry{At: 1, Actor: "uid:0", Action: "device.create", Noun: "device", ID: fmt.Sprint("d", i+1)}
		if _, err := a.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(a.path)
	if err != nil {
		t.Fatal(err)
	}
	return a.path, bytes.SplitAfter(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
}

func TestAuditTampering(t *testing.T) {
	tests := []struct {
		name   string
		tamper func(l [][]byte) [][]byte // l[0] is the first line, l[n] entry n
		want   string
	}{
		{"untouched", func(l [][]byte) [][]byte { return l }, ""},
		{"another actor", func(l [][]byte) [][]byte {
			l[3] = bytes.Replace(l[3], []byte("uid:0"), []byte("uid:1"), 1)
			return l
		}, "line 4, where entry 3 belongs: it was changed"},
		{"another hash", func(l [][]byte) [][]byte {
			l[3] = bytes.Replace(l[3], []byte(`"hash":"`), []byte(`"hash":"0`), 1)
			return l
		}, "line 4, where entry 3 belongs: it was changed"},
		{"a field more", func(l [][]byte) [][]byte {
			l[3] = bytes.Replace(l[3], []byte(`{"seq"`), []byte(`{"x":1,"seq"`), 1)
			return l
		}, "line 4, where entry 3 belongs: it was changed"},
		{"a field behind", func(l [][]byte) [][]byte {
			l[3] = bytes.Replace(l[3], []byte("\"}\n"), []byte("\",\"x\":1}\n"), 1)
			return l
		}, "line 4, where entry 3 belongs: it does not end with its hash"},
		{"removed", func(l [][]byte) [][]byte { return append(l[:3], l[4:]...) }, "line 4, where entry 3 belongs: entry 4 stands there"},
		{"doubled", func(l [][]byte) [][]byte { return append(l[:4], l[3:]...) }, "line 5, where entry 4 belongs: entry 3 stands there"},
		{"swapped", func(l [][]byte) [][]byte { l[2], l[3] = l[3], l[2]; return l }, "line 3, where entry 2 belongs: entry 3 stands there"},
		{"not JSON", func(l [][]byte) [][]byte { l[4] = []byte("hello\n"); return l }, "line 5, where entry 4 belongs: it is not an entry"},
		{"another beginning", func(l [][]byte) [][]byte {
			l[0] = bytes.Replace(l[0], []byte(`"created":"2`), []byte(`"created":"3`), 1)
			return l
		}, "line 2, where entry 1 belongs: it does not follow the line before"},
		{"forged link", func(l [][]byte) [][]byte {
			e := store.AuditEntry{Seq: 3, At: 1, Actor: "uid:7", Prev: strings.Repeat("0", 64)}
			line, _, err := auditLine(e)
			if err != nil {
				t.Fatal(err)
			}
			l[3] = append(line, '\n')
			return l
		}, "line 4, where entry 3 belongs: it does not follow the line before"},
		{"replaced with a sound one", func(l [][]byte) [][]byte {
			prev := strings.Split(string(l[3]), `"prev":"`)[1][:64]
			line, _, err := auditLine(store.AuditEntry{Seq: 3, At: 1, Actor: "uid:7", Prev: prev})
			if err != nil {
				t.Fatal(err)
			}
			l[3] = append(line, '\n')
			return l
		}, "line 5, where entry 4 belongs: it does not follow the line before"},
		{"of a newer version", func(l [][]byte) [][]byte {
			l[0] = bytes.Replace(l[0], []byte(`"format":1`), []byte(`"format":2`), 1)
			return l
		}, "run a newer tidegate"},
		{"not ours", func(l [][]byte) [][]byte { return l[1:] }, "is not an audit trail"},
		{"empty", func([][]byte) [][]byte { return nil }, "is not an audit trail"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, lines := trail(t, 5)
			if err := os.WriteFile(path, append(bytes.Join(tt.tamper(lines), nil), '\n'), 0o600); err != nil {
				t.Fatal(err)
			}
			n, err := VerifyAuditFile(t.Context(), path)
			if tt.want == "" {
				if err != nil || n != 5 {
					t.Fatalf("%d entries: %v", n, err)
				}
				return
			}
			if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// TestAuditTornLine cuts the file at every byte of the last line: the entry is
// gone, or there, and the chain goes on.
func TestAuditTornLine(t *testing.T) {
	path, lines := trail(t, 3)
	whole := bytes.Join(lines, nil)
	whole = append(whole, '\n')
	last := len(lines[3]) + 1
	for cut := 0; cut <= last; cut++ {
		if err := os.WriteFile(path, whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		a := openTestAudit(t, filepath.Dir(path), AuditOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		want := uint64(3)
		if cut > 0 {
			want = 2
		}
		if torn := cut > 0 && cut < last; torn != strings.Contains(log.String(), "torn last line") {
			t.Fatalf("cut by %d: the log says %q", cut, log.String())
		}
		e, err := a.Record(t.Context(), store.AuditEntry{Actor: "uid:0"})
		if err != nil || e.Seq != want+1 {
			t.Fatalf("cut by %d: entry %d, want %d: %v", cut, e.Seq, want+1, err)
		}
		if n, err := a.VerifyAudit(t.Context()); err != nil || n != want+1 {
			t.Fatalf("cut by %d: %d entries: %v", cut, n, err)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAuditCutWhileOpen: while tidegate runs even the end is watched.
func TestAuditCutWhileOpen(t *testing.T) {
	path, lines := trail(t, 3)
	a := openTestAudit(t, filepath.Dir(path), AuditOptions{})
	defer func() { _ = a.Close() }()
	if err := os.Truncate(path, int64(len(bytes.Join(lines[:3], nil)))); err != nil {
		t.Fatal(err)
	}
	if _, err := a.VerifyAudit(t.Context()); err == nil || !strings.Contains(err.Error(), "cut off its end") {
		t.Fatal(err)
	}
}

// TestAuditFailedWrite: an entry that could not be written leaves no trace, and
// the next one takes its place.
func TestAuditFailedWrite(t *testing.T) {
	path, _ := trail(t, 1)
	a := openTestAudit(t, filepath.Dir(path), AuditOptions{})
	defer func() { _ = a.Close() }()
	good := a.f
	readOnly, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	a.f = readOnly
	if _, err := a.Record(t.Context(), store.AuditEntry{Actor: "uid:0"}); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("written to a file that is read-only: %v", err)
	}
	a.f, a.broken = good, nil // truncating failed as well, so it had given up
	if err := readOnly.Close(); err != nil {
		t.Fatal(err)
	}
	if e, err := a.Record(t.Context(), store.AuditEntry{Actor: "uid:0"}); err != nil || e.Seq != 2 {
		t.Fatalf("entry %d: %v", e.Seq, err)
	}
	if n, err := a.VerifyAudit(t.Context()); err != nil || n != 2 {
		t.Fatalf("%d entries: %v", n, err)
	}
}
