package e2e

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegate/cli/bench"
)

// TestKill attacks "acked means on disk" and "stored once": the server is
// killed at random moments under a load with 1,000 messages in flight; what
// was acked is in the store exactly once, and the ledger is exact.
func TestKill(t *testing.T) {
	cycles, rng := killCycles(t, 10)
	// Small limits, so that flushes and trims happen between the kills too.
	s := newServer(t, "TIDEGATE_STORE_FLUSH_SIZE=1MiB", "TIDEGATE_STORE_FLUSH_INTERVAL=1s")
	s.start()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	// Across the border of a month, so that batches span two files.
	l := s.killedLoad(4, 3, time.Now().UTC().AddDate(0, 0, -25).Truncate(time.Hour))
	l.InFlight = 250
	acked := s.killUnder(l, cycles, func() time.Duration { return time.Duration(100+rng.IntN(900)) * time.Millisecond })
	l.Messages = 500
	if _, err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sum := s.settled(ctx)
	stored := verifyStored(t, s, l, acked)
	if int64(stored) != sum.Stored || sum.Rejected != 0 {
		t.Errorf("queries answer %d readings, the ledger says %+v", stored, sum)
	}
	t.Logf("acked %v messages, ledger %+v", acked, sum)

	// And once more from the files alone.
	s.stop()
	s.start()
	if again := s.settled(ctx); again != sum {
		t.Errorf("after a clean restart the ledger is %+v, before %+v", again, sum)
	}
	if n := verifyStored(t, s, l, acked); n != stored {
		t.Errorf("after a clean restart %d readings, before %d", n, stored)
	}
}

// killCycles answers how often to kill, and by which dice.
func killCycles(t *testing.T, cycles int) (int, *rand.Rand) {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv("TIDEGATE_KILL_CYCLES")); err == nil {
		cycles = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d, %d cycles", seed, cycles)
	return cycles, rand.New(rand.NewPCG(seed, 1))
}

// killedLoad makes devices k0, k1, … of acme and answers what they send: a
// message each 20 ms from a time on.
func (s *server) killedLoad(clients, ports int, from time.Time) *bench.Load {
	s.t.Helper()
	l := &bench.Load{
		Topic:    func(c int) string { return fmt.Sprintf("org/acme/device/k%d/telemetry", c) },
		Readings: ports, Start: from, Step: 20 * time.Millisecond, First: make([]int, clients),
	}
	for c := range clients {
		id := "k" + strconv.Itoa(c)
		s.tidegate("device", "add", "--org", "acme", "--id", id, "--secret", "secret-of-"+id, "--ports", strconv.Itoa(ports))
		l.Clients = append(l.Clients, bench.Login{ClientID: "c", User: id, Password: "secret-of-" + id})
	}
	return l
}

// killUnder kills the server under a load, so often, and starts it again. It
// answers how many messages of each client are acked, those that are sent later
// too.
func (s *server) killUnder(l *bench.Load, cycles int, pause func() time.Duration) (acked []int) {
	s.t.Helper()
	acked = make([]int, len(l.Clients))
	l.Acked = func(c, message int) { acked[c] = message + 1 }
	for range cycles {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan struct{})
		l.Addr = s.mqtt
		go func() {
			defer close(ended)
			_, _ = l.Run(ctx) // it ends with the server
		}()
		<-time.After(pause())
		s.kill()
		cancel()
		<-ended
		copy(l.First, acked)
		s.start()
	}
	l.Addr = s.mqtt
	return acked
}

// sent judges readings by what a load has sent: every reading of an acked
// message once, none that was not sent, none twice.
type sent struct {
	load    *bench.Load
	clients map[string]int // by device
	seen    map[sentReading]bool
}

type sentReading struct{ client, message, port int }

func newSent(l *bench.Load) *sent {
	s := &sent{load: l, clients: map[string]int{}, seen: map[sentReading]bool{}}
	for c, in := range l.Clients {
		s.clients[in.User] = c
	}
	return s
}

var errTwice = errors.New("stored twice")

// take judges one reading of a store.
func (s *sent) take(device string, port int, ts time.Time, value float64) error {
	l := s.load
	c, ok := s.clients[device]
	k := sentReading{c, int(ts.Sub(l.Start) / l.Step), port}
	switch {
	case !ok || ts.Sub(l.Start)%l.Step != 0 || k.message < 0 || port < 1 || port > l.Readings:
		return errors.New("nobody sent it")
	case value != float64(bench.Value(k.message, port-1))/10:
		return fmt.Errorf("sent was %d tenths", bench.Value(k.message, port-1))
	case s.seen[k]:
		return errTwice
	}
	s.seen[k] = true
	return nil
}

// lost wants all that was acked among what was taken: messages of each client.
func (s *sent) lost(acked []int) error {
	for c, n := range acked {
		for m := range n {
			for p := 1; p <= s.load.Readings; p++ {
				if !s.seen[sentReading{c, m, p}] {
					return fmt.Errorf("acked and lost: client %d message %d port %d (acked %d)", c, m, p, n)
				}
			}
		}
	}
	return nil
}

// verifyStored compares an export with what was sent, and answers how many
// readings there are.
func verifyStored(t *testing.T, s *server, l *bench.Load, acked []int) int {
	t.Helper()
	judge := newSent(l)
	out := s.tidegate("readings", "export", "--from", "2000-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z")
	r := csv.NewReader(bufio.NewReader(strings.NewReader(out)))
	head, err := r.Read()
	if err != nil || strings.Join(head, ",") != "ts,device,port,rawValue,calibratedValue,quality,ingestTs" {
		t.Fatalf("header of the export: %v %v", head, err)
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		ts, err := time.Parse(time.RFC3339Nano, row[0])
		if err != nil {
			t.Fatal(err)
		}
		port, _ := strconv.Atoi(row[2])
		value, _ := strconv.ParseFloat(row[3], 64)
		if err := judge.take(row[1], port, ts, value); err != nil {
			t.Fatalf("row %v: %v", row, err)
		}
	}
	if err := judge.lost(acked); err != nil {
		t.Fatal(err)
	}
	return len(judge.seen)
}
