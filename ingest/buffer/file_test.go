package buffer

import (
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// sample makes a closed log of a few hundred records, some of them trimmed.
func sample(t testing.TB) (o Options, file []byte) {
	t.Helper()
	o = testOptions(t)
	o.Registerer = nil
	l := open(t, o)
	r := newRand(t)
	for range 6 {
		batch := make([]*entry, 100)
		for i := range batch {
			batch[i] = randomEntry(r)
		}
		appendAll(t, l, batch...)
	}
	if err := l.Trim(130); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	file, err := os.ReadFile(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	return o, file
}

func writeFile(t testing.TB, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// edit changes the file behind the log's back.
func edit(t testing.TB, path string, fn func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait, NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(fn); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	o, whole := sample(t)
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		kind error
		text string
	}{
		{"a few bytes", func(t *testing.T, p string) { writeFile(t, p, []byte{0, 0}) }, ErrDamaged, "2 bytes of nothing"},
		{"zeros", func(t *testing.T, p string) { writeFile(t, p, make([]byte, 32<<10)) }, ErrDamaged, "32768 bytes of nothing"},
		{"text", func(t *testing.T, p string) { writeFile(t, p, []byte(strings.Repeat("hello\n", 2000))) }, ErrForeign, "not a bbolt file"},
		{"another bbolt file", func(t *testing.T, p string) {
			if err := os.Remove(p); err != nil {
				t.Fatal(err)
			}
			edit(t, p, func(tx *bolt.Tx) error {
				_, err := tx.CreateBucket([]byte("users"))
				return err
			})
		}, ErrForeign, "a bbolt file of something else"},
		{"a newer format", func(t *testing.T, p string) {
			edit(t, p, func(tx *bolt.Tx) error {
				return tx.Bucket(bucketMeta).Put(keyFormat, binary.BigEndian.AppendUint32([]byte(magic), version+1))
			})
		}, ErrNewer, "format 2, this version reads 1"},
		{"a newer container", func(t *testing.T, p string) {
			b := append([]byte(nil), whole...)
			b[pageHeaderBytes+4], b[pageBytes+pageHeaderBytes+4] = 3, 3
			writeFile(t, p, b)
		}, ErrNewer, "container"},
		{"both meta pages torn", func(t *testing.T, p string) {
			b := append([]byte(nil), whole...)
			b[metaTx]++
			b[pageBytes+metaTx]++
			writeFile(t, p, b)
		}, ErrDamaged, "neither of its meta pages"},
		{"cut off in the middle", func(t *testing.T, p string) { writeFile(t, p, whole[:len(whole)/4]) }, ErrDamaged, "cut off"},
		{"cut off behind the meta pages", func(t *testing.T, p string) { writeFile(t, p, whole[:2*pageBytes]) }, ErrDamaged, "cut off"},
		{"a folder", func(t *testing.T, p string) {
			if err := errors.Join(os.Remove(p), os.Mkdir(p, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, ErrForeign, "not a regular file"},
		{"a rotten chunk", func(t *testing.T, p string) {
			edit(t, p, func(tx *bolt.Tx) error {
				cur := tx.Bucket(bucketLog).Cursor()
				cur.First()
				k, v := cur.Next()
				v = append([]byte(nil), v...)
				v[len(v)/2] ^= 4
				return tx.Bucket(bucketLog).Put(k, v)
			})
		}, ErrDamaged, "checksum"},
		{"a missing chunk", func(t *testing.T, p string) {
			edit(t, p, func(tx *bolt.Tx) error {
				cur := tx.Bucket(bucketLog).Cursor()
				cur.First()
				k, _ := cur.Next()
				return tx.Bucket(bucketLog).Delete(k)
			})
		}, ErrDamaged, "missing"},
		{"a forged record", func(t *testing.T, p string) {
			edit(t, p, func(tx *bolt.Tx) error { // a valid chunk in the place of another
				cur := tx.Bucket(bucketLog).Cursor()
				k, v := cur.First()
				v = append([]byte(nil), v...)
				v[len(v)-1] ^= 1
				first, _ := parseKey(k)
				binary.LittleEndian.PutUint32(v[2:], chunkSum(first, v))
				return tx.Bucket(bucketLog).Put(k, v)
			})
		}, ErrDamaged, "the chain is broken"},
		{"forged counters", func(t *testing.T, p string) {
			edit(t, p, func(tx *bolt.Tx) error {
				return tx.Bucket(bucketHours).Put(hourKey(480_000), appendOwners(nil, map[uint32]int64{1: 1}))
			})
		}, ErrDamaged, "add up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o.Path = t.TempDir() + "/buffer.db"
			writeFile(t, o.Path, whole)
			c.make(t, o.Path)
			l, err := Open(o)
			if err == nil {
				closeLog(t, l)
				t.Fatal("opened")
			}
			var fileErr *FileError
			if !errors.As(err, &fileErr) || !errors.Is(err, c.kind) {
				t.Fatalf("%v: not %v", err, c.kind)
			}
			for _, part := range []string{c.text, o.Path, ";"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestOpenLocked(t *testing.T) {
	o := testOptions(t)
	open(t, o)
	o.Registerer = nil
	if _, err := Open(o); !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "another tidegate process") {
		t.Fatalf("a second opening: %v", err)
	}
}

// TestOpenAccepts what a power cut may leave.
func TestOpenAccepts(t *testing.T) {
	o, whole := sample(t)
	older := func(b []byte) int { // offset of the older meta page
		a := binary.NativeEndian.Uint64(b[metaTx:])
		if c := binary.NativeEndian.Uint64(b[pageBytes+metaTx:]); c < a {
			return pageBytes
		}
		return 0
	}
	for name, fn := range map[string]func(b []byte) []byte{
		"empty":            func([]byte) []byte { return nil },
		"as it was":        func(b []byte) []byte { return b },
		"a torn meta page": func(b []byte) []byte { b[older(b)+metaTx]++; return b },
		"room at the end":  func(b []byte) []byte { return append(b, make([]byte, 100_000)...) },
	} {
		t.Run(name, func(t *testing.T) {
			o.Path = t.TempDir() + "/buffer.db"
			writeFile(t, o.Path, fn(append([]byte(nil), whole...)))
			writeFile(t, o.Path+".new", []byte("the rest of a start that was cut off"))
			l := open(t, o)
			appendAll(t, l, fixed(1)...)
			if _, err := l.Verify(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestRot damages the file at random. It opens and verifies, or says that it
// is damaged; it never panics or faults, and never answers a record that was
// not written.
func TestRot(t *testing.T) {
	o, whole := sample(t)
	l := open(t, o)
	written := map[uint64]string{}
	if err := l.Scan(130, func(seq uint64, record []byte) error {
		written[seq] = string(record)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
	r := newRand(t)
	refused := 0
	for range 300 {
		b := append([]byte(nil), whole...)
		at := r.IntN(len(b))
		switch r.IntN(4) {
		case 0:
			b[at] ^= 1 << r.IntN(8)
		case 1:
			clear(b[at:min(len(b), at+1+r.IntN(2*pageBytes))])
		case 2:
			page := r.IntN(len(b)/pageBytes) * pageBytes
			from := r.IntN(len(b)/pageBytes) * pageBytes
			copy(b[page:page+pageBytes], whole[from:])
		case 3:
			for i := range min(8, len(b)-at) {
				b[at+i] = byte(r.Uint32())
			}
		}
		writeFile(t, o.Path, b)
		l, err := Open(o)
		if err != nil {
			refused++
			var fileErr *FileError
			if !errors.As(err, &fileErr) {
				t.Fatalf("not a FileError: %v", err)
			}
			continue
		}
		after, _ := l.Bounds()
		if err := l.Scan(after, func(seq uint64, record []byte) error {
			if want, ok := written[seq]; ok && want != string(record) {
				t.Errorf("record %d is another", seq)
			}
			return nil
		}); err != nil && !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
		closeLog(t, l)
	}
	if refused == 0 {
		t.Error("no damage was met")
	}
	t.Logf("%d of 300 refused", refused)
}
