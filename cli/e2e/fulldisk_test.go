package e2e

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tidegate/cli/bench"
)

// TestFullDisk fills the disk under a load: acks stop and the server stays;
// when there is room again the acks come, and nothing that was acked is lost.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=12m"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Skipf("no small disk to fill: mounting a tmpfs needs root (%v)", err)
	}
	s := newServer(t)
	t.Cleanup(func() {
		s.kill()
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	s.dir = filepath.Join(dir, "data")
	s.start()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	s.tidegate("device", "add", "--org", "acme", "--id", "f0", "--secret", "secret-of-f0", "--ports", "3")
	filler := filepath.Join(dir, "filler")
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filler, make([]byte, int64(disk.Bavail)*disk.Bsize-512<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	var acked atomic.Int64
	const messages = 400_000
	l := &bench.Load{
		Addr: s.mqtt, Clients: []bench.Login{{ClientID: "c", User: "f0", Password: "secret-of-f0"}},
		Topic:    func(int) string { return "org/acme/device/f0/telemetry" },
		Readings: 3, InFlight: 500, Messages: messages,
		Start: time.Now().UTC().AddDate(0, 0, -25).Truncate(time.Second), Step: 4 * time.Millisecond,
		Acked: func(_, message int) { acked.Store(int64(message) + 1) },
	}
	ended := make(chan error, 1)
	go func() {
		_, err := l.Run(t.Context())
		ended <- err
	}()
	for last, still := int64(-1), 0; still < 20; {
		select {
		case err := <-ended:
			t.Fatalf("the load ended with %d of %d acks, the disk never was full: %v", acked.Load(), messages, err)
		case <-time.After(100 * time.Millisecond):
		}
		if n := acked.Load(); n != last {
			last, still = n, 0
		} else {
			still++
		}
	}
	t.Logf("the disk is full after %d acks", acked.Load())
	var st struct{ Warnings []string }
	s.json(&st, "status")
	if len(st.Warnings) == 0 {
		t.Error("status does not say that the disk is full")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatalf("after there was room again: %v\n%s", err, s.tail())
	}
	sum := s.settled(t.Context())
	if n := verifyStored(t, s, l, []int{messages}); int64(n) != sum.Stored || n != 3*messages {
		t.Errorf("queries answer %d readings, the ledger says %+v", n, sum)
	}
}
