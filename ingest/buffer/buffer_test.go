package buffer

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// entry is a record of the tests. Its encoding tells everything about it.
type entry struct {
	hour  int64
	owner uint32
	n     int64
	body  []byte
	size  int // 0: the length of the encoding
	seq   atomic.Uint64
	done  func(e *entry, seq uint64, err error)
}

func (e *entry) AppendRecord(dst []byte) []byte {
	dst = binary.AppendVarint(dst, e.hour)
	dst = binary.AppendUvarint(dst, uint64(e.owner))
	dst = binary.AppendVarint(dst, e.n)
	return append(dst, e.body...)
}

func (e *entry) Size() int {
	if e.size != 0 {
		return e.size
	}
	return len(e.body) + 16
}

func (e *entry) Tally() (int64, uint32, int64) { return e.hour, e.owner, e.n }

func (e *entry) Committed(seq uint64, err error) {
	e.seq.Store(seq)
	if e.done != nil {
		e.done(e, seq, err)
	}
}

// payload makes telemetry of n readings.
func payload(r *rand.Rand, n int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `{"ts":"2025-09-06T12:%02d:%02d.%03dZ","readings":[`, r.IntN(60), r.IntN(60), r.IntN(1000))
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"port":%d,"value":%.2f}`, i+1, 230+3*r.NormFloat64())
	}
	b.WriteString("]}")
	return []byte(b.String())
}

func randomEntry(r *rand.Rand) *entry {
	n := 1 + r.IntN(8)
	e := &entry{hour: 480_000 + r.Int64N(4), owner: uint32(r.IntN(20)), n: int64(n), body: payload(r, n)}
	switch r.IntN(200) {
	case 0:
		e.n = 0
	case 1: // does not compress
		e.body = make([]byte, r.IntN(40_000))
		for i := range e.body {
			e.body[i] = byte(r.Uint32())
		}
	case 2:
		e.body = nil
	}
	return e
}

func newRand(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func testOptions(t testing.TB) Options {
	return Options{
		Path:       filepath.Join(t.TempDir(), "buffer.db"),
		Registerer: prometheus.NewRegistry(),
		Fatal:      func(err error) { t.Errorf("fatal: %v", err) },
	}
}

func open(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// appendAll appends the entries and waits until all are acked.
func appendAll(t testing.TB, l *Log, entries ...*entry) {
	t.Helper()
	var wg sync.WaitGroup
	for _, e := range entries {
		wg.Add(1)
		was := e.done
		e.done = func(e *entry, seq uint64, err error) {
			if err != nil {
				t.Errorf("committed: %v", err)
			}
			if was != nil {
				was(e, seq, err)
			}
			wg.Done()
		}
		if err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	// The last ack comes before the group is offered to readers.
	waitFor(t, l, func() bool { return l.handed == l.head })
}

// waitFor waits until ok, which is called with the log's lock held.
func waitFor(t testing.TB, l *Log, ok func() bool) {
	t.Helper()
	waitUnlocked(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return ok()
	})
}

func waitUnlocked(t testing.TB, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("what was waited for did not happen")
		}
		<-time.After(100 * time.Microsecond) // the interval of a poll, not a guess
	}
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// recordOf answers an item's encoding, however it came.
func recordOf(it Item) string {
	if it.Entry != nil {
		return string(it.Entry.AppendRecord(nil))
	}
	return string(it.Record)
}

type hourCounts map[int64]map[uint32]int64

func (h hourCounts) add(hour int64, owner uint32, n int64) {
	addCount(h, hour, owner, n)
	if h[hour][owner] == 0 {
		delete(h[hour], owner)
	}
	if len(h[hour]) == 0 {
		delete(h, hour)
	}
}

func newNoise() *rand.Rand { return rand.New(rand.NewPCG(rand.Uint64(), 0)) }
