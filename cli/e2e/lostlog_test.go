package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/cli/bench"
)

// TestLostLog kills a server under load and takes its log away. The start is
// refused and names the way out; once that was taken every reading that the
// files have is accounted for, by device and hour too, and so is what comes
// later.
func TestLostLog(t *testing.T) {
	s := newServer(t, "TIDEGATE_STORE_FLUSH_SIZE=512KiB", "TIDEGATE_STORE_FLUSH_INTERVAL=1s")
	s.start()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	s.tidegate("device", "add", "--org", "acme", "--id", "d1", "--secret", "secret-of-d1", "--ports", "2", "--accept-past", "60d")
	l := &bench.Load{
		Addr: s.mqtt, Clients: []bench.Login{{ClientID: "c", User: "d1", Password: "secret-of-d1"}},
		Topic:    func(int) string { return "org/acme/device/d1/telemetry" },
		Readings: 3, InFlight: 200, Messages: 5_000, // port 3 is rejected
		Start: monthBorder().Add(-time.Minute), Step: 10 * time.Millisecond,
	}
	run := func(first int) {
		t.Helper()
		l.Addr, l.First = s.mqtt, []int{first}
		if _, err := l.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run(0)
	run(0) // all duplicates, and rejected again
	ctx, cancel := context.WithCancel(t.Context())
	more := *l
	more.First, more.Messages = []int{5_000}, 0
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = more.Run(ctx) // it ends with the server
	}()
	for deadline := time.Now().Add(time.Minute); s.ledger().Received < 60_000; {
		if time.Now().After(deadline) {
			t.Fatalf("the load does not come: %+v", s.ledger())
		}
		<-time.After(20 * time.Millisecond)
	}
	s.kill()
	cancel()
	<-ended
	if err := os.Remove(filepath.Join(s.dir, "buffer.db")); err != nil {
		t.Fatal(err)
	}

	if msg := s.tryStart(); !strings.Contains(msg, "tidegate doctor --adopt-log") {
		t.Fatalf("a start without the log says %q", msg)
	}
	said := s.tidegate("doctor", "--adopt-log")
	if !strings.Contains(said, "count as received") || !strings.Contains(said, "nobody can say") {
		t.Errorf("the doctor says %s", said)
	}
	if said := s.tidegate("doctor", "--adopt-log"); !strings.Contains(said, "nothing was changed") {
		t.Errorf("the doctor says at once again %s", said)
	}
	s.start()
	was := s.settled(t.Context())
	if was.Stored < 10_000 || was.Duplicate < 10_000 || was.Rejected < 10_000 {
		t.Errorf("ledger %+v", was)
	}
	if n := verifyStored(t, s, &bench.Load{Clients: l.Clients, Readings: 2, Start: l.Start, Step: l.Step}, []int{5_000}); int64(n) != was.Stored {
		t.Errorf("queries answer %d readings, the ledger says %+v", n, was)
	}
	s.wantHours(t, was)

	l.Start = l.Start.Add(-72 * time.Hour) // where nothing is yet
	run(0)
	sum := s.settled(t.Context())
	if want := (ledger{Received: was.Received + 15_000, Stored: was.Stored + 10_000, Duplicate: was.Duplicate, Rejected: was.Rejected + 5_000}); sum != want {
		t.Errorf("after more the ledger is %+v, want %+v", sum, want)
	}
	s.wantHours(t, sum)
	s.stop()
	if said := s.tidegate("doctor", "--adopt-log"); !strings.Contains(said, "nothing was changed") {
		t.Errorf("the doctor says later %s", said)
	}
	s.start()
	if again := s.settled(t.Context()); again != sum {
		t.Errorf("after a restart the ledger is %+v, before %+v", again, sum)
	}
	var trail struct {
		Items []struct{ Action, Actor string }
	}
	s.json(&trail, "audit", "ls")
	if last := trail.Items[len(trail.Items)-1]; last.Action != "log.adopt" || last.Actor != fmt.Sprint("uid:", os.Getuid()) {
		t.Errorf("the audit trail ends with %+v", last)
	}
	s.tidegate("audit", "verify")
}

func (s *server) ledger() (l ledger) {
	s.t.Helper()
	s.json(&l, "ledger")
	return l
}

// wantHours wants the ledger of each device and hour to add up, and all of them
// to the sum.
func (s *server) wantHours(t *testing.T, want ledger) {
	t.Helper()
	var hours struct {
		Items []struct {
			DeviceID string
			ledger
		}
	}
	s.json(&hours, "ledger", "--by", "hour")
	var sum ledger
	for _, h := range hours.Items {
		if h.Received != h.Stored+h.Duplicate+h.Rejected+h.Pending {
			t.Errorf("an hour of %s does not add up: %+v", h.DeviceID, h.ledger)
		}
		sum.Received += h.Received
		sum.Stored += h.Stored
		sum.Duplicate += h.Duplicate
		sum.Rejected += h.Rejected
		sum.Pending += h.Pending
	}
	if sum != want {
		t.Errorf("the hours add up to %+v, want %+v", sum, want)
	}
}
