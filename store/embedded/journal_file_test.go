package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

func TestJournalRefusesFiles(t *testing.T) {
	change := func(fn func(tx *bbolt.Tx) error) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := openBolt(path, false)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(update(db, fn), db.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		spoil func(*testing.T, string)
		want  string
	}{
		{"newer format", change(func(tx *bbolt.Tx) error {
			return tx.Bucket(headerBucket).Put(headerFormat, binary.BigEndian.AppendUint32(nil, 2))
		}), "run a newer tidegate"},
		{"state.db in its place", change(func(tx *bbolt.Tx) error { return tx.Bucket(headerBucket).Put(headerKind, []byte("state")) }), "holds state data where journal data belongs"},
		{"of another program", change(func(tx *bbolt.Tx) error { return tx.DeleteBucket(headerBucket) }), "not one of tidegate's"},
		{"position damaged", change(func(tx *bbolt.Tx) error { return tx.Bucket(journalBucket).Put(journalMetaKey, []byte(`{"log":`)) }), "does not say its position"},
		{"empty", func(t *testing.T, path string) { truncate(t, path, 0) }, "is empty"},
		{"truncated", func(t *testing.T, path string) { truncate(t, path, 3*pageSize) }, "is truncated"},
		{"text", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("hello ", 9000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "not a file of tidegate's"},
		{"in use", func(t *testing.T, path string) {
			j := openTestJournal(t, filepath.Dir(path))
			t.Cleanup(func() { _ = j.Close() })
		}, "another tidegate holds the folder"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "writer.db")
			j := bindTestJournal(t, dir)
			begin(t, j, 5, make([]byte, 50_000))
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			tt.spoil(t, path)
			j, err := OpenJournal(path, JournalOptions{})
			if err == nil {
				_ = j.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v, want %q with the file's name", err, tt.want)
			}
		})
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// TestJournalDamagedIntent damages what is kept: it is an error that names the
// file, and no other intent than the one that was begun.
func TestJournalDamagedIntent(t *testing.T) {
	piece := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	meta := func(fn func(*intentMeta)) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			m, err := readJournalMeta(tx)
			if err != nil {
				return err
			}
			fn(m.Intent)
			return writeJournalMeta(tx, m)
		}
	}
	for name, spoil := range map[string]func(*bbolt.Tx) error{
		"a bit of the beginning": func(tx *bbolt.Tx) error { return flipBit(tx.Bucket(intentBucket), piece(0)) },
		"a bit of the body":      func(tx *bbolt.Tx) error { return flipBit(tx.Bucket(intentBucket), piece(3)) },
		"a piece gone":           func(tx *bbolt.Tx) error { return tx.Bucket(intentBucket).Delete(piece(2)) },
		"a piece more":           func(tx *bbolt.Tx) error { return tx.Bucket(intentBucket).Put(piece(99), []byte("x")) },
		"all gone":               func(tx *bbolt.Tx) error { return tx.DeleteBucket(intentBucket) },
		"another position":       meta(func(m *intentMeta) { m.Through++ }),
		"shorter beginning":      meta(func(m *intentMeta) { m.Head-- }),
		"longer beginning":       meta(func(m *intentMeta) { m.Head = m.Bytes + 1 }),
		"negative beginning":     meta(func(m *intentMeta) { m.Head = -1 }),
		"absurd size":            meta(func(m *intentMeta) { m.Bytes = math.MaxInt }),
		"negative size":          meta(func(m *intentMeta) { m.Bytes = -5 }),
	} {
		t.Run(name, func(t *testing.T) {
			j := bindTestJournal(t, t.TempDir())
			defer func() { _ = j.Close() }()
			begin(t, j, 5, bytes.Repeat([]byte("body"), 3000))
			if err := update(j.db, spoil); err != nil {
				t.Fatal(err)
			}
			i, kept, err := j.Intent(t.Context())
			if !errors.Is(err, store.ErrInvalid) || kept || i.Body != nil || !strings.Contains(err.Error(), j.db.Path()) {
				t.Fatalf("intent of %d bytes, %v: %v", len(i.Body), kept, err)
			}
			begin(t, j, 6, []byte("another")) // it is replaced, and all is well
			if i, kept, err = j.Intent(t.Context()); err != nil || !kept || string(i.Body) != "another" || i.Stored[7][1] != 2 {
				t.Fatalf("the next one: %+v %v %v", i, kept, err)
			}
		})
	}
}

func flipBit(b *bbolt.Bucket, key []byte) error {
	v := bytes.Clone(b.Get(key))
	v[len(v)/2] ^= 1
	return b.Put(key, v)
}

// TestJournalPowerCut cuts the power within each commit: some of its pages are
// on disk, and the page that makes them count is not, or is torn. The file is
// as it was before.
func TestJournalPowerCut(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	dir := t.TempDir()
	j := bindTestJournal(t, dir)
	defer func() { _ = j.Close() }()
	read := func() []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, "writer.db"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	before, was := read(), journalText(t, j)
	for step := range uint64(60) {
		switch step % 3 {
		case 0, 1: // the second replaces the first
			body := make([]byte, rnd.IntN(60_000))
			for i := range body {
				body[i] = byte(rnd.Uint32())
			}
			begin(t, j, step+2, body)
		default:
			finish(t, j, store.Outcome{
				Through: step + 2, Stored: store.HourCounts{int64(step): {1: 5}}, Duplicate: store.HourCounts{1: {2: 1}},
				Refused: []store.Refusal{{Hour: 3, Document: strings.Repeat("d", rnd.IntN(3000))}},
			})
		}
		after, is := read(), journalText(t, j)
		for range 6 {
			if got := reopenedText(t, cutPower(rnd, before, after)); got != was {
				t.Fatalf("step %d: after a power cut\n%s, was\n%s", step, got, was)
			}
		}
		if got := reopenedText(t, after); got != is {
			t.Fatalf("step %d: once committed\n%s, want\n%s", step, got, is)
		}
		before, was = after, is
	}
}

// cutPower answers the file before with some pages of the one after.
func cutPower(rnd *rand.Rand, before, after []byte) []byte {
	size := len(after)
	if rnd.IntN(2) == 0 {
		size = len(before)
	}
	b := append(bytes.Clone(before), make([]byte, max(0, size-len(before)))...)
	for off := 2 * pageSize; off+pageSize <= min(size, len(after)); off += pageSize {
		if rnd.IntN(2) == 0 {
			copy(b[off:off+pageSize], after[off:])
		}
	}
	for off := 0; off < 2*pageSize; off += pageSize { // a torn meta page
		copy(b[off:off+pageHeader+rnd.IntN(metaBytes-8)], after[off:])
	}
	return b
}

func reopenedText(t *testing.T, file []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "writer.db"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	j := openTestJournal(t, dir)
	defer func() { _ = j.Close() }()
	return journalText(t, j)
}

// journalText is all that a journal answers.
func journalText(t *testing.T, j *Journal) string {
	t.Helper()
	ctx := t.Context()
	hours, duplicates, refused := store.HourCounts{}, store.HourCounts{}, store.HourCounts{}
	i, kept, err1 := j.Intent(ctx)
	stored, duplicate, err2 := j.Totals(ctx)
	n, err3 := j.Refused(ctx)
	list, err4 := j.ListRefused(ctx, 1000)
	err := errors.Join(err1, err2, err3, err4, j.Hours(ctx, minHour, maxHour, hours, duplicates), j.RefusedHours(ctx, minHour, maxHour, refused))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(j.Applied(), stored, duplicate, n, hours, duplicates, refused, sha256Hex([]byte(fmt.Sprint(list))), kept, i.Through, i.Stored, i.Duplicate, sha256Hex(i.Body))
}

// TestJournalFileIsBounded begins and ends intents of all sizes: the file does
// not grow beyond what two of the largest take.
func TestJournalFileIsBounded(t *testing.T) {
	dir := t.TempDir()
	j := bindTestJournal(t, dir)
	rnd := rand.New(rand.NewPCG(1, 2))
	const largest = 1 << 20
	body := make([]byte, largest)
	size := func() int64 {
		t.Helper()
		info, err := os.Stat(filepath.Join(dir, "writer.db"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	written := 0
	for n := uint64(1); n <= 120; n++ {
		part := body[:rnd.IntN(largest)]
		if n%10 == 0 {
			part = body
		}
		written += len(part)
		begin(t, j, n, part)
		if n%4 == 0 {
			begin(t, j, n, part) // once more, in place of the first
		}
		if n%30 == 0 {
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			j = bindTestJournal(t, dir)
		}
		finish(t, j, store.Outcome{Through: n, Stored: store.HourCounts{int64(n % 24): {1: 5}}})
		if s := size(); s > 2*largest+largest/4 {
			t.Fatalf("%d bytes after %d intents of at most %d bytes", s, n, largest)
		}
	}
	t.Logf("%d bytes after intents of %d bytes", size(), written)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
