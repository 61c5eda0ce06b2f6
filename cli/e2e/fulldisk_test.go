package e2e

import (
	"os"
	"path/filepath"
	"slices"
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

// TestRetentionOnFullDisk: where no byte is left, old months make room, all but
// those with readings that wait for their flush; the trail has what went.
func TestRetentionOnFullDisk(t *testing.T) {
	dir := smallDisk(t, "24m")
	s := newServer(t)
	s.dir = filepath.Join(dir, "data")
	history := func(text string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "history.csv")
		if err := os.WriteFile(file, []byte("ts,device,port,value\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.tidegate("readings", "import", file, "--org", "acme", "--create")
	}
	s.start()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	history("2024-01-05T00:00:00Z,d1,1,1\n2024-02-05T00:00:00Z,d1,1,1\n2024-03-05T00:00:00Z,d1,1,1\n")
	s.stop() // they are in files from here on
	s.start()
	history("2024-02-06T00:00:00Z,d1,1,2\n2023-07-06T00:00:00Z,d1,1,2\n") // July needs a file, for which there will be no room
	empty := fill(t, dir, 64<<10)
	topUp(t, dir)
	drop := func() (all []string) {
		t.Helper()
		var r struct{ Months []struct{ Month string } }
		s.json(&r, "retention", "apply", "--keep-months", "12", "--yes")
		for _, m := range r.Months {
			all = append(all, m.Month)
		}
		return all
	}
	if got := drop(); !slices.Equal(got, []string{"2024-01", "2024-03"}) {
		t.Errorf("on a full disk %v went", got)
	}
	empty()
	if got := drop(); !slices.Equal(got, []string{"2023-07", "2024-02"}) {
		t.Errorf("once there was room %v went", got)
	}
	var trail struct{ Items []struct{ Action, ID string } }
	s.json(&trail, "audit", "ls")
	var told []string
	for _, e := range trail.Items {
		if e.Action == "readings.drop_month" {
			told = append(told, e.ID)
		}
	}
	if slices.Sort(told); !slices.Equal(told, []string{"2023-07", "2024-01", "2024-02", "2024-03"}) {
		t.Errorf("the trail has %v", told)
	}
	s.stop()
}
