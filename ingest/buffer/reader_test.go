package buffer

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestHandOver moves readers between memory and file at random, while the log
// grows and is trimmed behind them: each sees every record once, in order, and
// the window holds.
func TestHandOver(t *testing.T) {
	o := testOptions(t)
	o.Window = 64 << 10
	o.Unacked = 256 << 10
	l := open(t, o)
	const total, readers = 30_000, 3
	seed := newRand(t)

	var mu sync.Mutex
	want := make(map[uint64]string, total)
	var wg sync.WaitGroup
	for range 4 {
		r := rand.New(rand.NewPCG(seed.Uint64(), 0))
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range total / 4 {
				e := randomEntry(r)
				e.done = func(e *entry, seq uint64, err error) {
					if err != nil {
						t.Errorf("committed: %v", err)
					}
					mu.Lock()
					defer mu.Unlock()
					want[seq] = string(e.AppendRecord(nil))
				}
				if err := l.Append(e); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	var positions [readers]uint64
	trim := func(i int, pos uint64) {
		mu.Lock()
		positions[i] = pos
		least := min(positions[0], positions[1], positions[2])
		mu.Unlock()
		if err := l.Trim(least); err != nil {
			t.Error(err)
		}
	}
	for i := range readers {
		r := rand.New(rand.NewPCG(seed.Uint64(), 0))
		reader, err := l.Reader(0)
		if err != nil {
			t.Fatal(err)
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer reader.Close()
			away, memory, file, pos := false, 0, 0, uint64(0)
			for pos < total {
				if r.IntN(6) == 0 {
					away = !away
					reader.SetAway(away)
				}
				b, err := reader.Next(testContext(t))
				if err != nil {
					t.Errorf("reader %d at %d: %v", i, pos, err)
					return
				}
				if b.First != pos+1 || b.Last != pos+uint64(len(b.Items)) {
					t.Errorf("reader %d: %d to %d after %d, %d items", i, b.First, b.Last, pos, len(b.Items))
					return
				}
				mu.Lock()
				for _, it := range b.Items {
					if pos++; it.Seq != pos || recordOf(it) != want[pos] {
						t.Errorf("reader %d: item %d at %d differs", i, it.Seq, pos)
					}
					if it.Entry != nil {
						memory++
					} else {
						file++
					}
				}
				mu.Unlock()
				l.mu.Lock()
				if !reader.away && !reader.behind && reader.held > o.Window && len(reader.out)+len(reader.queue) > 1 {
					t.Errorf("reader %d holds %d bytes, window %d", i, reader.held, o.Window)
				}
				l.mu.Unlock()
				reader.Release(b.Last)
				if r.IntN(30) == 0 {
					trim(i, pos)
				}
			}
			trim(i, pos)
			if memory == 0 || file == 0 {
				t.Errorf("reader %d: %d through memory, %d from the file: the hand-over was not tried", i, memory, file)
			}
		}()
	}
	wg.Wait()
	waitFor(t, l, func() bool { return l.head == total && l.unacked == 0 })
	if n, _, err := l.Received(total); err != nil || n == 0 {
		t.Fatalf("received %d: %v", n, err)
	}
}

// fixed makes n entries of 1,000 bytes.
func fixed(n int) []*entry {
	out := make([]*entry, n)
	for i := range out {
		out[i] = &entry{hour: 1, owner: 1, n: 1, body: make([]byte, 984), size: 1000}
	}
	return out
}

// TestPacing fills the window of a reader that does not release: commits wait,
// then appends do, and a release lets both go on.
func TestPacing(t *testing.T) {
	o := testOptions(t)
	o.Window, o.Unacked = 10_000, 20_000
	l := open(t, o)
	reader, err := l.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, fixed(10)...)
	for _, e := range fixed(20) {
		if err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.TryAppend(fixed(1)[0]); !errors.Is(err, ErrShed) {
		t.Fatalf("a droppable entry beyond half: %v", err)
	}
	blocked := make(chan error, 1)
	go func() { blocked <- l.Append(fixed(1)[0]) }()
	// The committer has met the window; nothing moves any more.
	waitUnlocked(t, func() bool {
		return metric(t, l, "paced_commits_total") > 0 && metric(t, l, "blocked_appends_total") > 0
	})
	if _, head := l.Bounds(); head != 10 {
		t.Fatalf("head %d: the window of 10 records was not waited for", head)
	}
	ctx := testContext(t)
	for pos := uint64(0); pos < 31; {
		b, err := reader.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		pos = b.Last
		reader.Release(pos)
	}
	if err := <-blocked; err != nil {
		t.Fatal(err)
	}
}

// TestAway gives up the memory of a reader that is away, goes on committing,
// and paces again, at half the drain, once it has come back.
func TestAway(t *testing.T) {
	o := testOptions(t)
	o.Window = 10_000
	l := open(t, o)
	reader, err := l.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, fixed(5)...)
	reader.SetAway(true)
	waitFor(t, l, func() bool { return reader.held == 0 && reader.queue == nil })
	appendAll(t, l, fixed(2000)...)
	reader.SetAway(false)

	// One window may yet come in, then half of what is read.
	for _, e := range fixed(2000) {
		if err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, l, func() bool { return reader.credit <= 0 })
	for _, e := range fixed(5) {
		if err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	waitUnlocked(t, func() bool { return metric(t, l, "paced_commits_total") > 0 })
	ctx := testContext(t)
	pos, lag, caughtUp := uint64(0), uint64(1<<62), false
	for pos < 4010 {
		b, err := reader.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if b.First != pos+1 {
			t.Fatalf("batch begins at %d after %d", b.First, pos)
		}
		pos = b.Last
		reader.Release(pos)
		if _, head := l.Bounds(); !caughtUp && head-pos > lag {
			t.Fatalf("the reader fell back from %d to %d records behind", lag, head-pos)
		} else if !caughtUp {
			// What the release has just allowed may still come in.
			lag = head - pos + uint64(o.Window/1000) + uint64(len(b.Items))/2
		}
		caughtUp = caughtUp || b.Items[0].Entry != nil
	}
	if !caughtUp {
		t.Fatal("the reader never returned to memory")
	}
}

func TestReaderBounds(t *testing.T) {
	o := testOptions(t)
	l := open(t, o)
	appendAll(t, l, fixed(20)...)
	if err := l.Trim(10); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Reader(9); !errors.Is(err, ErrTrimmed) {
		t.Fatalf("a reader before the trimmed: %v", err)
	}
	if _, err := l.Reader(21); err == nil {
		t.Fatal("a reader behind the end")
	}
	if err := l.Trim(21); err == nil {
		t.Fatal("a trim behind the end")
	}
	behind, err := l.Reader(10)
	if err != nil {
		t.Fatal(err)
	}
	b, err := behind.Next(t.Context())
	if err != nil || b.First != 11 || b.Last != 20 || b.Items[0].Record == nil {
		t.Fatalf("read back %d to %d: %v", b.First, b.Last, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := behind.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("next with an ended context: %v", err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := behind.Next(context.Background())
		waiting <- err
	}()
	closeLog(t, l)
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Fatalf("next on a closed log: %v", err)
	}
	for name, err := range map[string]error{
		"append": l.Append(fixed(1)[0]), "try": l.TryAppend(fixed(1)[0]), "trim": l.Trim(20),
		"scan": l.Scan(10, func(uint64, []byte) error { return nil }),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s on a closed log: %v", name, err)
		}
	}
}

// TestLinger counts commits in a bubble of fake time: entries that come one by
// one share a commit, load does not wait.
func TestLinger(t *testing.T) {
	o := testOptions(t)
	o.Linger = 100 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		l, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 { // one each 10 ms: 1 s
			if err := l.Append(fixed(1)[0]); err != nil {
				t.Fatal(err)
			}
			<-time.After(10 * time.Millisecond) // of the bubble
		}
		synctest.Wait()
		v, err := l.Verify(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if v.Groups < 9 || v.Groups > 12 {
			t.Errorf("%d commits in a second of linger 100 ms", v.Groups)
		}
		// So do those of a steady flow that began slowly.
		before := v.Groups
		for range 5000 { // one each ms: 5 s
			if err := l.Append(fixed(1)[0]); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Millisecond)
		}
		synctest.Wait()
		if v, err = l.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := v.Groups - before; n > 130 { // most have 66, of 64 KiB
			t.Errorf("%d commits in five seconds of a steady flow", n)
		}
		// Clients that wait for each ack are not held to one round a linger.
		const clients, rounds = 50, 100
		start := time.Now()
		var wg sync.WaitGroup
		for range clients {
			wg.Add(1)
			go func() {
				defer wg.Done()
				acked := make(chan error, 1)
				for range rounds {
					e := fixed(1)[0]
					e.done = func(_ *entry, _ uint64, err error) { acked <- err }
					if err := l.Append(e); err != nil {
						t.Error(err)
						return
					}
					if err := <-acked; err != nil {
						t.Error(err)
						return
					}
				}
			}()
		}
		wg.Wait()
		if d := time.Since(start); d > rounds*o.Linger/4 {
			t.Errorf("%d rounds took %v", rounds, d)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
