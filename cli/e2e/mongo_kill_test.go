package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"tidegate/cli/bench"
	"tidegate/store/mongo/mongotest"
)

// TestMongoKill attacks "acked means on disk" and "stored once" with readings in
// MongoDB: tidegate, mongod or both are killed under a load with 1,000 messages
// in flight, at random moments and at the worst ones: when the server has
// executed an insert and nobody has heard of it. What was acked is in the
// collection exactly once, the ledger is exact, and its copies follow it.
func TestMongoKill(t *testing.T) {
	for _, c := range []struct {
		kind   mongotest.Kind
		cycles int
	}{{mongotest.ReplicaSet, 10}, {mongotest.Standalone, 3}} {
		t.Run(fmt.Sprint(c.kind), func(t *testing.T) {
			t.Parallel()
			cycles := c.cycles
			if n, err := strconv.Atoi(os.Getenv("TIDEGATE_KILL_CYCLES")); err == nil {
				cycles = n
			}
			k := newKilling(t, c.kind, "")
			for i := range cycles {
				k.cycle(i)
			}
			k.end()
			if k.again == 0 {
				t.Error("no command was sent again or read back: the run proves nothing")
			}
			t.Logf("commands sent again or read back: %.0f", k.again)
		})
	}
}

// TestMongoKillForgetful proves that TestMongoKill can fail: a program that takes
// what it has sent before for new doubles readings.
func TestMongoKillForgetful(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "tidegate-forgetful")
	out, err := exec.Command("go", "build", "-tags", "forgetful", "-o", bin, "tidegate").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			k := newKilling(t, kind, bin)
			k.strike(victims{tidegate: true}, onReply)
			k.s.flushed(t)
			twice := 0
			judge := newSent(k.load)
			k.d.values(func(device string, port int, ts time.Time, value float64) {
				if errors.Is(judge.take(device, port, ts, value), errTwice) {
					twice++
				}
			})
			if twice == 0 {
				t.Error("nothing is there twice although the program forgets what it has sent: the test proves nothing")
			}
		})
	}
}

// killing is a server under a load, whose processes are killed.
type killing struct {
	t     *testing.T
	rng   *rand.Rand
	d     *database
	s     *server
	load  *bench.Load
	bad   *bench.Load // its readings are all rejected
	acked []int
	fault int     // messages of bad that were acked
	again float64 // commands that were sent again or read back,
	now   float64 // and those of the present process
}

func newKilling(t *testing.T, kind mongotest.Kind, bin string) *killing {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	const clients, ports = 4, 2
	k := &killing{t: t, rng: rand.New(rand.NewPCG(seed, 1)), acked: make([]int, clients)}
	k.d = newDatabase(t, mongotest.Start(t, mongotest.Options{Kind: kind}))
	k.s = newServer(t, append(quickly, k.d.through())...)
	k.s.bin = bin
	k.s.start()
	k.s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	k.load = &bench.Load{
		Topic:    func(c int) string { return fmt.Sprintf("org/acme/device/k%d/telemetry", c) },
		Readings: ports, InFlight: 250, Messages: 12_000, First: make([]int, clients),
		Start: time.Now().UTC().AddDate(0, 0, -25).Truncate(time.Hour), Step: 20 * time.Millisecond,
		Acked: func(c, message int) { k.acked[c] = message + 1 },
	}
	for c := range clients {
		id := "k" + strconv.Itoa(c)
		k.s.tidegate("device", "add", "--org", "acme", "--id", id, "--secret", "secret-of-"+id, "--ports", strconv.Itoa(ports))
		k.load.Clients = append(k.load.Clients, bench.Login{ClientID: "c", User: id, Password: "secret-of-" + id})
	}
	k.s.tidegate("device", "add", "--org", "acme", "--id", "bad", "--secret", "secret-of-bad")
	k.bad = &bench.Load{
		Clients: []bench.Login{{ClientID: "c", User: "bad", Password: "secret-of-bad"}},
		Topic:   func(int) string { return "org/acme/device/bad/telemetry" }, Readings: 1, InFlight: 10, Rate: 50,
		Start: k.load.Start, Step: k.load.Step, First: []int{0},
		Acked: func(_, message int) { k.fault = message + 1 },
	}
	k.d.wantMirrored(k.s) // from here on inserts are of readings
	return k
}

// publish begins the loads; what it answers ends them.
func (k *killing) publish() (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	copy(k.load.First, k.acked)
	k.bad.First[0] = k.fault
	ended := make(chan struct{}, 2)
	for _, l := range []*bench.Load{k.load, k.bad} {
		l.Addr = k.s.mqtt
		go func() {
			_, _ = l.Run(ctx) // it ends with the server
			ended <- struct{}{}
		}()
	}
	return func() {
		cancel()
		<-ended
		<-ended
	}
}

type victims struct{ tidegate, mongod bool }

// moment is when they are killed.
type moment int

const (
	anytime   moment = iota
	onReply          // the server has executed an insert, and tidegate does not know
	onRequest        // tidegate has sent an insert, and the server does not know
)

// cycle kills whom chance says; the first ones are each kind of doubt.
func (k *killing) cycle(i int) {
	k.t.Helper()
	v := []victims{{tidegate: true}, {mongod: true}, {tidegate: true, mongod: true}}[k.rng.IntN(3)]
	at := moment(k.rng.IntN(3))
	if i < 2 {
		v, at = []victims{{tidegate: true}, {mongod: true}}[i], onReply
	}
	k.strike(v, at)
}

// insertPatience is how long an insert is waited for: when the load has been
// stored already there is none.
const insertPatience = 3 * time.Second

// strike kills under load, and starts again what was killed.
func (k *killing) strike(v victims, at moment) {
	k.t.Helper()
	end := k.publish()
	struck := make(chan struct{})
	kill := func() {
		if v.tidegate {
			_ = k.s.cmd.Process.Kill()
		}
		if v.mongod {
			_ = syscall.Kill(k.d.server.PID(), syscall.SIGKILL)
		}
	}
	inserts := func(command string) bool { return command == "insert" }
	switch <-time.After(k.upTo(50, 300)); at {
	case onReply:
		k.tally()
		k.d.proxy.OnReply(inserts, 1, func() {
			kill()
			k.d.proxy.Cut() // the reply goes nowhere
			close(struck)
		})
	case onRequest:
		k.tally()
		before := k.d.proxy.Swallowed()
		k.d.proxy.SwallowRequests(inserts, 1)
		for deadline := time.Now().Add(insertPatience); k.d.proxy.Swallowed() == before && time.Now().Before(deadline); {
			<-time.After(time.Millisecond)
		}
		kill()
		close(struck)
	default:
		k.tally()
		kill()
		close(struck)
	}
	select {
	case <-struck:
	case <-time.After(insertPatience):
		k.d.proxy.Calm()
		kill()
	}
	if v.mongod {
		k.d.server.Kill()
	}
	if !v.tidegate {
		<-time.After(k.upTo(0, 500)) // so long mongod is away
		k.d.server.Launch()
		<-time.After(k.upTo(0, 500))
		end()
		return
	}
	k.s.kill()
	k.again, k.now = k.again+k.now, 0
	end()
	first := k.rng.IntN(2) == 0 // who is there first
	if v.mongod && first {
		k.d.server.Launch()
	}
	k.s.start()
	if v.mongod && !first {
		k.d.server.Launch()
	}
}

func (k *killing) upTo(from, to int) time.Duration {
	return time.Duration(from+k.rng.IntN(to-from)) * time.Millisecond
}

// tally looks what the process that is about to be killed had to make sure of.
func (k *killing) tally() {
	k.now = k.s.metric("tidegate_mongo_resent_commands_total") + k.s.metric("tidegate_mongo_settled_commands_total")
}

// end lets everything arrive, and compares.
func (k *killing) end() {
	k.t.Helper()
	copy(k.load.First, k.acked)
	k.load.Addr, k.load.Messages = k.s.mqtt, 300
	if _, err := k.load.Run(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
	sum := k.s.flushed(k.t)
	k.tally()
	k.again += k.now
	stored := verifyStored(k.t, k.s, k.load, k.acked)
	if int64(stored) != sum.Stored || sum.Rejected < int64(k.fault) || k.fault == 0 {
		k.t.Errorf("queries answer %d readings, and %d bad ones were acked; the ledger says %+v", stored, k.fault, sum)
	}
	k.t.Logf("acked %v messages, ledger %+v", k.acked, sum)

	// And once more from the folder alone.
	k.s.stop()
	k.s.start()
	if again := k.s.flushed(k.t); again != sum {
		k.t.Errorf("after a clean restart the ledger is %+v, before %+v", again, sum)
	}
	k.s.wantHours(k.t, sum)
	k.d.wantMirrored(k.s)
	if n := k.d.verify(k.load, k.acked); n != stored {
		k.t.Errorf("the collection has %d readings, queries answered %d", n, stored)
	}
	k.s.tidegate("audit", "verify")
}
