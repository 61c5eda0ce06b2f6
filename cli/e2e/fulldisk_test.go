package e2e

import (
	"path/filepath"
	"testing"
)

// TestFullDisk fills the disk under a load: acks stop and the server stays;
// when there is room again the acks come, and nothing that was acked is lost.
func TestFullDisk(t *testing.T) {
	dir := smallDisk(t, "12m")
	s := newServer(t)
	s.dir = filepath.Join(dir, "data")
	s.start()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	s.tidegate("device", "add", "--org", "acme", "--id", "f0", "--secret", "secret-of-f0", "--ports", "3")
	empty := fill(t, dir, 512<<10)
	load := newHeldLoad(s, "f0", 400_000)
	load.begin(t)
	load.waitHeld(t)
	var st struct{ Warnings []string }
	s.json(&st, "status")
	if len(st.Warnings) == 0 {
		t.Error("status does not say that the disk is full")
	}
	empty()
	if err := <-load.ended; err != nil {
		t.Fatalf("after there was room again: %v\n%s", err, s.tail())
	}
	sum := s.settled(t.Context())
	if n := verifyStored(t, s, load.Load, []int{load.Messages}); int64(n) != sum.Stored || n != 3*load.Messages {
		t.Errorf("queries answer %d readings, the ledger says %+v", n, sum)
	}
}
