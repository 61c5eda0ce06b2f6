package buffer

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"sync/atomic"
	"testing"
	"time"
)

const childEnv = "TIDEGATE_TEST_BUFFER_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		child(path)
	}
	os.Exit(m.Run())
}

// nth is the entry that a child appends as number seq: any process can tell
// what must be there.
func nth(seq uint64) *entry {
	r := rand.New(rand.NewPCG(seq, 7))
	n := r.IntN(6)
	e := &entry{hour: 480_000 + int64(seq/5000), owner: uint32(r.IntN(50)), n: int64(n), body: payload(r, n)}
	if r.IntN(500) == 0 {
		e.body = append(e.body, make([]byte, 20_000)...)
	}
	return e
}

// child appends until it is killed, trims behind itself, and writes the
// position of each ack and of each trim to its output.
func child(path string) {
	die := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	l, err := Open(Options{Path: path, Unacked: 200_000, Fatal: die})
	if err != nil {
		die(err)
	}
	say := func(kind byte, n uint64) {
		var b [9]byte
		b[0] = kind
		binary.BigEndian.PutUint64(b[1:], n)
		if _, err := os.Stdout.Write(b[:]); err != nil { // one write: whole or not at all
			os.Exit(1)
		}
	}
	var acked atomic.Uint64
	go func() {
		for {
			after, _ := l.Bounds()
			if through := acked.Load(); through > after+2000 {
				through -= rand.Uint64N(2000)
				if err := l.Trim(through); err != nil {
					die(err)
				}
				say('t', through)
			}
			<-time.After(time.Millisecond)
		}
	}()
	_, head := l.Bounds()
	say('o', head)
	for seq := head + 1; ; seq++ {
		e := nth(seq)
		e.done = func(_ *entry, got uint64, err error) {
			if err != nil || got != seq {
				die(fmt.Errorf("entry %d committed as %d: %v", seq, got, err))
			}
			acked.Store(got)
			say('a', got)
		}
		if err := l.Append(e); err != nil {
			die(err)
		}
	}
}

// TestKill kills a process with -9 while it appends and trims, many times over
// the same file: every acked record is there, in order, with its counts, and
// the chain is whole.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := testOptions(t)
	o.Registerer = nil
	r := newRand(t)
	total := int64(0)
	hours := hourCounts{}
	counted := uint64(0)
	for round := range 12 {
		acked, trimmed := runChild(t, exe, o.Path, time.Duration(20+r.IntN(250))*time.Millisecond)
		l, err := Open(o)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		after, head := l.Bounds()
		if head < acked || after < trimmed {
			t.Fatalf("round %d: acked %d and trimmed %d, the log holds %d to %d", round, acked, trimmed, after+1, head)
		}
		for counted < head {
			counted++
			e := nth(counted)
			total += e.n
			if e.n > 0 {
				hours.add(e.hour, e.owner, e.n)
			}
		}
		next := after
		err = l.Scan(after, func(seq uint64, record []byte) error {
			if next++; seq != next || string(record) != string(nth(seq).AppendRecord(nil)) {
				return fmt.Errorf("record %d at %d differs", seq, next)
			}
			return nil
		})
		if err != nil || next != head {
			t.Fatalf("round %d: scanned to %d of %d: %v", round, next, head, err)
		}
		got, pending := hourCounts{}, hourCounts{}
		if err := l.ReceivedHours(head, 0, 1<<40, got.add, pending.add); err != nil {
			t.Fatal(err)
		}
		if sum, _, err := l.Received(head); err != nil || sum != total || !reflect.DeepEqual(got, hours) || len(pending) != 0 {
			t.Fatalf("round %d: received %d of %d (%v), or by hour not what was appended", round, sum, total, err)
		}
		if _, err := l.Verify(t.Context()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		closeLog(t, l)
	}
	t.Logf("%d records, %d readings", counted, total)
}

// runChild answers what the child had reported when it was killed.
func runChild(t *testing.T, exe, path string, life time.Duration) (acked, trimmed uint64) {
	t.Helper()
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReaderSize(out, 1<<16)
	var b [9]byte
	var kill *time.Timer
	for {
		for n := range b {
			if b[n], err = in.ReadByte(); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
		switch n := binary.BigEndian.Uint64(b[1:]); b[0] {
		case 'a':
			acked = n
			if kill == nil {
				kill = time.AfterFunc(life, func() { _ = cmd.Process.Kill() })
			}
		case 't':
			trimmed = n
		}
	}
	if err := cmd.Wait(); err == nil || acked == 0 {
		t.Fatalf("the child ended by itself after %d acks: %v", acked, err)
	}
	return acked, trimmed
}
