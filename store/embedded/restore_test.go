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
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"tidegate/store"
)

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
