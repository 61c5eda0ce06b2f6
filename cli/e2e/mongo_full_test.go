package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tidegate/cli/bench"
	"tidegate/store/mongo/mongotest"
)

// smallDisk mounts a file system of so many MiB in a folder of the test's own,
// and removes it after everything that began later has ended.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Skipf("no small disk to fill: mounting a tmpfs needs root (%v)", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fill leaves so many bytes of a disk free; what it answers gives them back.
func fill(t *testing.T, dir string, free int64) (empty func()) {
	t.Helper()
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, max(int64(disk.Bavail)*disk.Bsize-free, 0)), 0o600); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
	}
}

// topUp takes what has become free since fill: a server gives room back, too.
func topUp(t *testing.T, dir string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, "filler"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for page := make([]byte, 4096); ; {
		if _, err := f.Write(page); err != nil {
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			return
		}
	}
}

// heldLoad is a device that publishes until it is no longer acked.
type heldLoad struct {
	*bench.Load
	acked atomic.Int64
	ended chan error
}

func newHeldLoad(s *server, device string, messages int) *heldLoad {
	h := &heldLoad{ended: make(chan error, 1)}
	h.Load = &bench.Load{
		Addr: s.mqtt, Clients: []bench.Login{{ClientID: "c", User: device, Password: "secret-of-" + device}},
		Topic:    func(int) string { return "org/acme/device/" + device + "/telemetry" },
		Readings: 3, InFlight: 500, Messages: messages,
		Start: time.Now().UTC().AddDate(0, 0, -25).Truncate(time.Second), Step: 4 * time.Millisecond,
		Acked: func(_, message int) { h.acked.Store(int64(message) + 1) },
	}
	return h
}

func (h *heldLoad) begin(t *testing.T) {
	go func() {
		_, err := h.Run(t.Context())
		h.ended <- err
	}()
}

// waitHeld waits until acks have stopped for two seconds.
func (h *heldLoad) waitHeld(t *testing.T) {
	t.Helper()
	for last, still := int64(-1), 0; still < 20; {
		select {
		case err := <-h.ended:
			t.Fatalf("the load ended with %d of %d acks, nothing was ever full: %v", h.acked.Load(), h.Messages, err)
		case <-time.After(100 * time.Millisecond):
		}
		if n := h.acked.Load(); n != last {
			last, still = n, 0
		} else {
			still++
		}
	}
	t.Logf("full after %d acks", h.acked.Load())
}

// TestMongoLogFull lets the log fill up while the database is away: acks stop
// and devices hold what they have, QoS 0 is shed and counted; when the database
// is back everything arrives.
func TestMongoLogFull(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, mongotest.Shared(t, mongotest.ReplicaSet))
	s := newServer(t, append(quickly, d.through(), "TIDEGATE_LOG_MAX_SIZE=2MiB", "TIDEGATE_LOG_WINDOW=1MiB")...)
	s.start()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	s.tidegate("device", "add", "--org", "acme", "--id", "f0", "--secret", "secret-of-f0", "--ports", "3")
	s.tidegate("device", "add", "--org", "acme", "--id", "f1", "--secret", "secret-of-f1", "--ports", "1")
	d.proxy.Refuse(true)
	load := newHeldLoad(s, "f0", 250_000)
	load.begin(t)
	for deadline := time.Now().Add(2 * time.Minute); ; {
		said := strings.Join(s.status().Warnings, "\n")
		if strings.Contains(said, "the log is full") && strings.Contains(said, "MongoDB is away") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %d acks the status warns of\n%s", load.acked.Load(), said)
		}
		<-time.After(50 * time.Millisecond)
	}
	load.waitHeld(t)
	var before, after struct {
		ledger
		Shed int64
	}
	s.json(&before, "ledger")
	s.publish(t, "f1", "secret-of-f1", "org/acme/device/f1/telemetry", `{"readings":[{"port":1,"value":1}]}`, 0)
	for deadline := time.Now().Add(time.Minute); ; {
		if s.json(&after, "ledger"); after.Shed == before.Shed+1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a message with QoS 0 came to a full log, and the ledger says %+v", after)
		}
		<-time.After(50 * time.Millisecond)
	}
	if after.ledger != before.ledger || after.Received < 3*load.acked.Load() {
		t.Errorf("%d messages were acked; the ledger was %+v, and is %+v", load.acked.Load(), before, after)
	}
	d.proxy.Refuse(false)
	if err := <-load.ended; err != nil {
		t.Fatalf("after the database was back: %v\n%s", err, s.tail())
	}
	sum := s.flushed(t)
	if n := d.verify(load.Load, []int{load.Messages}); n != 3*load.Messages || sum != (ledger{Received: int64(n), Stored: int64(n)}) {
		t.Errorf("the collection has %d readings of %d, the ledger says %+v", n, 3*load.Messages, sum)
	}
}

// TestMongoDiskFull fills the disk of the server, which ends then: what is acked
// waits in the log, and everything arrives once there is room and it was started
// again.
func TestMongoDiskFull(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "500m")
	d := newDatabase(t, mongotest.Start(t, mongotest.Options{Dir: dir, Log: filepath.Join(t.TempDir(), "mongod.log")}))
	p := newPatient(t, d, 2, d.direct())
	var empty func()
	p.goThrough(outage{"out of disk space", func() {
		empty = fill(t, dir, 1<<20)
		p.publish(2, 40_000, 500)
		// It goes on for a while with what room it has. That it is slow to answer
		// on the way there is not its end.
		p.until("the server has run out of space and is away", func() bool {
			topUp(t, dir)
			said, err := os.ReadFile(d.server.LogFile())
			if err != nil {
				t.Fatal(err)
			}
			return strings.Contains(string(said), "No space left on device") && !p.s.status().Database.Reachable
		})
	}, func() {
		empty()
		d.server.Restart()
	}, true})
	p.verify()
}
