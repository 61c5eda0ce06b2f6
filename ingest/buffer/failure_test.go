package buffer

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// metric answers the value of a counter.
func metric(t testing.TB, l *Log, name string) float64 {
	t.Helper()
	families, err := l.opts.Registerer.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "tidegate_buffer_"+name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestLacksRoom(t *testing.T) {
	write := func(e syscall.Errno) error { return &fs.PathError{Op: "write", Path: "/d/buffer.db", Err: e} }
	for _, c := range []struct {
		err  error
		want bool
	}{
		{write(syscall.ENOSPC), true},
		{write(syscall.EDQUOT), true},
		{write(syscall.EFBIG), true},
		{write(syscall.EIO), false},
		{write(syscall.EBADF), false},
		{&fs.PathError{Op: "sync", Path: "/d/buffer.db", Err: syscall.ENOSPC}, false},
		{fmt.Errorf("file resize error: %s", &fs.PathError{Op: "truncate", Path: "/d/buffer.db", Err: syscall.ENOSPC}), true},
		{fmt.Errorf("file resize error: %s", &fs.PathError{Op: "truncate", Path: "/d/buffer.db", Err: syscall.EFBIG}), true},
		{fmt.Errorf("file resize error: %s", &fs.PathError{Op: "truncate", Path: "/d/buffer.db", Err: syscall.EIO}), false},
		{fmt.Errorf("file sync error: %s", &fs.PathError{Op: "sync", Path: "/d/buffer.db", Err: syscall.ENOSPC}), false},
		{fmt.Errorf("file sync error: %s", &fs.PathError{Op: "sync", Path: "/d/buffer.db", Err: syscall.EIO}), false},
		{syscall.ENOSPC, false}, // fdatasync answers a bare errno
		{syscall.EIO, false},
		{errors.New("mmap allocate error: cannot allocate memory"), false},
		{errors.New("file size too small 0"), false},
	} {
		if got := lacksRoom(c.err); got != c.want {
			t.Errorf("%q: %v, want %v", c.err, got, c.want)
		}
	}
}

// TestFailedSync has the log's descriptor point to /dev/null, where a write
// succeeds and fdatasync does not: nothing is acked, then or later.
func TestFailedSync(t *testing.T) {
	o := testOptions(t)
	var calls, acks, refusals atomic.Int32
	var cause atomic.Value
	o.Fatal = func(err error) {
		calls.Add(1)
		cause.Store(err)
	}
	var file *os.File
	o.bolt.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag, mode)
		file = f
		return f, err
	}
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, fixed(3)...)
	reader, err := l.Reader(3)
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	kept, err := syscall.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(kept)
	if err := syscall.Dup3(int(null.Fd()), int(file.Fd()), syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	for _, e := range fixed(3) {
		e.done = func(_ *entry, _ uint64, err error) {
			if err == nil {
				acks.Add(1)
			} else {
				refusals.Add(1)
			}
		}
		if err := l.Append(e); err != nil && calls.Load() == 0 {
			t.Fatal(err)
		} else if err != nil {
			refusals.Add(1)
		}
	}
	if _, err := reader.Next(testContext(t)); err == nil {
		t.Error("a reader got what was not synced")
	}
	if err := l.Append(fixed(1)[0]); err == nil {
		t.Error("append after a failed fsync")
	}
	if err := l.Trim(2); err == nil {
		t.Error("trim after a failed fsync")
	}
	<-l.done
	if calls.Load() != 1 || acks.Load() != 0 || refusals.Load() != 3 {
		t.Errorf("fatal %d times, %d acked, %d refused; want 1, 0, 3", calls.Load(), acks.Load(), refusals.Load())
	}
	if err, _ := cause.Load().(error); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("cause: %v", err)
	}
	// Let Close unlock the true file.
	if err := syscall.Dup3(kept, int(file.Fd()), syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	closeLog(t, l)
}

// noise makes an entry that does not compress.
func noise(done func(*entry, uint64, error)) *entry {
	e := fixed(1)[0]
	r := newNoise()
	for i := range e.body {
		e.body[i] = byte(r.Uint32())
	}
	e.done = done
	return e
}

// TestFull reaches the size limit: nothing is acked and nothing is lost until
// a trim makes room.
func TestFull(t *testing.T) {
	o := testOptions(t)
	o.MaxSize, o.Unacked = 20_000, 30_000
	l := open(t, o)
	var acked atomic.Int32
	n := fill(t, l, &acked)
	if err := l.TryAppend(noise(nil)); !errors.Is(err, ErrShed) {
		t.Errorf("droppable while full: %v", err)
	}
	_, head := l.Bounds()
	if int32(head) != acked.Load() || n <= int(head) {
		t.Fatalf("head %d, acked %d, appended %d", head, acked.Load(), n)
	}
	for _, head := l.Bounds(); int(head) < n; _, head = l.Bounds() {
		if err := l.Trim(head); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, l, func() bool { return int(acked.Load()) == n && !l.full.Load() })
	if err := l.Trim(uint64(n)); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, fixed(1)...)
}

// fill appends until the log is full and refuses, and answers how many it took.
func fill(t *testing.T, l *Log, acked *atomic.Int32) int {
	t.Helper()
	for n := 0; ; n++ {
		err := l.Append(noise(func(_ *entry, _ uint64, err error) {
			if err != nil {
				t.Errorf("committed: %v", err)
			}
			acked.Add(1)
		}))
		if errors.Is(err, ErrFull) {
			if !l.Full() {
				t.Error("refused, and not full")
			}
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestCloseFull gives up what waits.
func TestCloseFull(t *testing.T) {
	o := testOptions(t)
	o.MaxSize, o.Unacked = 20_000, 30_000
	l := open(t, o)
	var acked, given atomic.Int32
	n := 0
	for ; ; n++ {
		err := l.Append(noise(func(_ *entry, _ uint64, err error) {
			if errors.Is(err, ErrClosed) {
				given.Add(1)
			} else if err == nil {
				acked.Add(1)
			}
		}))
		if err != nil {
			break
		}
	}
	closeLog(t, l)
	if given.Load() == 0 || int(acked.Load()+given.Load()) != n {
		t.Fatalf("appended %d, acked %d, given up %d", n, acked.Load(), given.Load())
	}
	l = open(t, o)
	if _, head := l.Bounds(); head != uint64(acked.Load()) {
		t.Fatalf("head %d, acked %d", head, acked.Load())
	}
}

// TestDiskFull fills a real file system.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tidegate-test", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("a small tmpfs cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	o := testOptions(t)
	o.Path = filepath.Join(dir, "buffer.db")
	o.Unacked = 100_000
	l := open(t, o)
	var acked atomic.Int32
	n := fill(t, l, &acked)

	// Somebody else makes room: a ballast is not needed for that.
	_, head := l.Bounds()
	if int(head) != int(acked.Load()) || head == 0 {
		t.Fatalf("head %d, acked %d", head, acked.Load())
	}
	for round := 0; int(acked.Load()) < n; round++ {
		_, head := l.Bounds()
		if err := l.Trim(head); err != nil {
			t.Fatalf("trim on a full disk: %v", err)
		}
		waitFor(t, l, func() bool { return l.head > head || int(acked.Load()) == n })
	}
	if _, err := l.Verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, l, func() bool { return !l.full.Load() && l.unacked == 0 })
	closeLog(t, l)
	l = open(t, o)
	if total, _, err := l.Received(uint64(n)); err != nil || total != int64(n) {
		t.Fatalf("received %d of %d: %v", total, n, err)
	}
	closeLog(t, l)
}

// TestTooLarge keeps what cannot be read back out of the log, and takes the
// largest that can.
func TestTooLarge(t *testing.T) {
	o := testOptions(t)
	l := open(t, o)
	if err := l.Append(&entry{size: MaxEntryBytes + 1}); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("too large: %v", err)
	}
	big := &entry{n: 1, body: make([]byte, 16<<20)}
	r := newNoise()
	for i := range big.body {
		big.body[i] = byte(r.Uint32())
	}
	appendAll(t, l, fixed(1)[0], big, fixed(1)[0])
	found := false
	err := l.Scan(1, func(seq uint64, record []byte) error {
		found = found || seq == 2 && bytes.Equal(record, big.AppendRecord(nil))
		return nil
	})
	if err != nil || !found {
		t.Fatalf("16 MiB read back: %v, %v", found, err)
	}
}
