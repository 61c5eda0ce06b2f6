package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

func testSpec() fileSpec { return fileSpec{kind: "test", format: 3, made: time.Unix(1, 0)} }

// makeTestFile answers a closed file with some hundred pages.
func makeTestFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := openFile(path, testSpec())
	if err != nil {
		t.Fatal(err)
	}
	err = update(db, func(tx *bbolt.Tx) error {
		for i := range 8 {
			b, err := tx.CreateBucketIfNotExists(fmt.Appendf(nil, "bucket %d", i))
			if err != nil {
				return err
			}
			for k := range 1 << i {
				if err := b.Put(binary.BigEndian.AppendUint64(nil, uint64(k)), make([]byte, 100*i)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func readAll(path string) error {
	db, err := openFile(path, fileSpec{kind: "test", format: 3})
	if err != nil {
		return err
	}
	err = view(db, func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			return b.ForEach(func(k, v []byte) error { _ = fmt.Sprint(len(k), len(v)); return nil })
		})
	})
	return errors.Join(err, db.Close())
}

func TestFileIsRefusedByName(t *testing.T) {
	write := func(f func(t *testing.T, path string, b []byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, f(t, path, b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	header := func(key, value []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := openBolt(path, false)
			if err != nil {
				t.Fatal(err)
			}
			err = update(db, func(tx *bbolt.Tx) error { return tx.Bucket(headerBucket).Put(key, value) })
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name  string
		spoil func(*testing.T, string)
		want  string
	}{
		{"empty", write(func(*testing.T, string, []byte) []byte { return nil }), "is empty"},
		{"text", write(func(*testing.T, string, []byte) []byte { return []byte(strings.Repeat("hello ", 5000)) }), "not a file of tidegate's"},
		{"both metas torn", write(func(_ *testing.T, _ string, b []byte) []byte { clear(b[:2*pageSize]); return b }), "is torn"},
		{"truncated", write(func(_ *testing.T, _ string, b []byte) []byte { return b[:5*pageSize] }), "is truncated"},
		{"one byte short", func(t *testing.T, path string) {
			db, err := openBolt(path, true)
			if err != nil {
				t.Fatal(err)
			}
			var size int64
			err = view(db, func(tx *bbolt.Tx) error { size = tx.Size(); return nil })
			if err := errors.Join(err, db.Close(), os.Truncate(path, size-1)); err != nil {
				t.Fatal(err)
			}
		}, "is truncated"},
		{"newer", header(headerFormat, []byte{0, 0, 0, 4}), "run a newer tidegate"},
		{"other kind", header(headerKind, []byte("series")), "holds series data"},
		{"no format", header(headerFormat, nil), "does not say its format"},
		{"foreign bolt", func(t *testing.T, path string) {
			db, err := openBolt(path, false)
			if err != nil {
				t.Fatal(err)
			}
			err = update(db, func(tx *bbolt.Tx) error { return tx.DeleteBucket(headerBucket) })
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
		}, "not one of tidegate's"},
		{"locked", func(t *testing.T, path string) {
			db, err := openBolt(path, false)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
		}, "another tidegate holds the folder"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := makeTestFile(t)
			tt.spoil(t, path)
			err := readAll(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v, want %q with the file's name", err, tt.want)
			}
		})
	}
}

func TestFileIsMadeWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.db")
	if _, err := openFile(path, fileSpec{kind: "test", format: 3}); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("an absent file without leave to make it: %v", err)
	}
	if err := os.WriteFile(path+".tmp", []byte("left by a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		db, err := openFile(path, testSpec())
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(path + ".tmp"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the temporary file is left: %v", err)
	}
}

// TestFileDamage overwrites random pages: whatever comes, it is an error or an
// answer, never the end of the process.
func TestFileDamage(t *testing.T) {
	path := makeTestFile(t)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	refused := 0
	for range 300 {
		b := append([]byte(nil), whole...)
		for range 1 + rnd.IntN(20) {
			page := rnd.IntN(len(b) / pageSize)
			off := rnd.IntN(64) // headers and elements are where it hurts
			if rnd.IntN(2) == 0 {
				off = rnd.IntN(pageSize)
			}
			b[page*pageSize+off] ^= byte(1 + rnd.IntN(255))
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := readAll(path); err != nil {
			refused++
			if !strings.Contains(err.Error(), path) {
				t.Fatalf("the error does not name the file: %v", err)
			}
		}
	}
	if refused == 0 {
		t.Fatal("no damage was noticed")
	}
}

func TestWriteErrors(t *testing.T) {
	tests := []struct {
		err  error
		want error
		sync bool
	}{
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, store.ErrFull, false},
		{&fs.PathError{Op: "write", Path: "x", Err: syscall.EIO}, store.ErrUnavailable, false},
		{errors.New("file resize error: truncate x: no space left on device"), store.ErrFull, false},
		{errors.New("file sync error: sync x: no space left on device"), store.ErrUnavailable, true},
		{syscall.EIO, store.ErrUnavailable, true},
		{syscall.ENOSPC, store.ErrUnavailable, true},
	}
	for _, tt := range tests {
		got := writeError("x", tt.err)
		if !errors.Is(got, tt.want) || errors.Is(got, errFsync) != tt.sync {
			t.Errorf("%v became %v", tt.err, got)
		}
	}
}
