package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/cli/bench"
)

// TestBackup copies a server under load, restores the copy elsewhere and
// starts it: every reading that was acked before the backup began is there
// once, and the ledger adds up.
func TestBackup(t *testing.T) {
	s := newServer(t, "TIDEGATE_STORE_FLUSH_SIZE=512KiB", "TIDEGATE_STORE_FLUSH_INTERVAL=1s")
	s.start()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	s.tidegate("device", "add", "--org", "acme", "--id", "b0", "--secret", "secret-of-b0", "--ports", "2", "--accept-past", "60d")
	l := &bench.Load{
		Addr: s.mqtt, Clients: []bench.Login{{ClientID: "c", User: "b0", Password: "secret-of-b0"}},
		Topic:    func(int) string { return "org/acme/device/b0/telemetry" },
		Readings: 2, InFlight: 200, Messages: 20_000,
		Start: monthBorder().Add(-time.Minute), Step: 10 * time.Millisecond,
	}
	if _, err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	more := *l
	more.First, more.Messages = []int{20_000}, 0
	ended := make(chan error, 1)
	go func() {
		_, err := more.Run(ctx)
		ended <- err
	}()
	file := filepath.Join(t.TempDir(), "backup.tidegate")
	s.tidegate("backup", file)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}

	r := newServer(t, s.env...)
	r.tidegate("restore", file)
	r.start()
	sum := r.settled(t.Context())
	if n := verifyStored(t, r, l, []int{20_000}); int64(n) != sum.Stored || sum.Rejected != 0 {
		t.Errorf("queries answer %d readings, the ledger says %+v", n, sum)
	}
	// The device logs in with its old secret, and goes on.
	l.Addr, l.First, l.Messages = r.mqtt, []int{1_000_000}, 10
	l.Start = l.Start.Add(-20 * 24 * time.Hour) // where nothing is yet
	if _, err := l.Run(t.Context()); err != nil {
		t.Errorf("after the restore: %v", err)
	}

	t.Run("a damaged backup", func(t *testing.T) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		bad := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(bad, b, 0o600); err != nil {
			t.Fatal(err)
		}
		empty := newServer(t)
		empty.wantError(t, 1, []string{bad}, "restore", bad)
		if names, _ := os.ReadDir(empty.dir); len(names) != 0 {
			t.Errorf("a backup that was refused left %v behind", names)
		}
	})
	t.Run("a backup that was cut off", func(t *testing.T) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cut := filepath.Join(t.TempDir(), "cut")
		if err := os.WriteFile(cut, b[:len(b)*2/3], 0o600); err != nil {
			t.Fatal(err)
		}
		newServer(t).wantError(t, 1, []string{strings.TrimSpace(cut)}, "restore", cut)
	})
}
