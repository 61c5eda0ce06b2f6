package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidegate/store/mongo/mongotest"
)

// TestMigrateKill moves a folder into MongoDB and back. The program is killed
// at random moments on the way, and once so is the server; afterwards every
// reading, the ledger, the catalogue, the dead letters and the commands are what
// they were.
func TestMigrateKill(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	server := mongotest.Start(t, mongotest.Options{})
	proxy := mongotest.NewProxy(t, server.Addr())
	proxy.Delay(15 * time.Millisecond) // a network, and time to be killed in
	uri := proxy.URI(server.URI(t, "plant"))

	s := newServer(t)
	s.start()
	s.fillForMigration(rng)
	want := s.answers()
	s.stop()

	s.interruptMigration(uri, "mongo")
	s.migrateUnderKills(rng, uri, "mongo", server)
	s.env = []string{"MONGO_URI=" + uri}
	s.start()
	s.sameAnswers("in MongoDB", want)
	s.resend()
	want = s.answers()
	s.stop()

	s.migrateUnderKills(rng, uri, "embedded", server)
	s.env = nil
	s.start()
	s.sameAnswers("back in the folder", want)
	s.resend()
	s.stop()
}

// fillForMigration imports readings of a year: twelve ports, late and repeated
// ones, a calibration from the middle on, and what is refused.
func (s *server) fillForMigration(rng *rand.Rand) {
	s.t.Helper()
	if _, errOut, code := s.try("correct horse battery\n", "user", "add", "--email", "ann@example.org", "--role", "company-admin", "--password-stdin"); code != 0 {
		s.t.Fatal(errOut)
	}
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	var csv bytes.Buffer
	csv.WriteString("ts,device,port,value\n")
	start := time.Now().UTC().AddDate(-1, 0, 0).Truncate(time.Hour)
	for i := range 100_000 {
		at := start.Add(time.Duration(i) * 300 * time.Second)
		if rng.IntN(50) == 0 {
			at = at.Add(-time.Duration(rng.IntN(30*24)) * time.Hour)
		}
		fmt.Fprintf(&csv, "%s,m%d,%d,%d.%d\n", at.Format(time.RFC3339), i%4, 1+i/4%3, rng.IntN(900), rng.IntN(100))
	}
	csv.WriteString("2025-06-01T00:00:00Z,nobody,1,4\n")
	file := filepath.Join(s.t.TempDir(), "year.csv")
	if err := os.WriteFile(file, csv.Bytes(), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.tidegate("readings", "import", file, "--org", "acme", "--create")
	s.tidegate("port", "set", "--device", "m1", "--number", "1", "--scaling", "2", "--offset", "1", "--effective-from", start.AddDate(0, 6, 0).Format(time.RFC3339))
	s.tidegate("device", "add", "--org", "acme", "--id", "d1", "--secret", "S", "--ports", "1")
	s.tidegate("command", "send", "--device", "d1", "--name", "reboot", "--expires", "7d")
	s.resend()
}

// resend imports a few readings again, and one of now.
func (s *server) resend() {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "again.csv")
	rows := "ts,device,port,value\n2025-01-01T00:00:00Z,d1,1,5\n2025-01-01T00:00:00Z,d1,1,5\n2025-01-01T00:00:00Z,d1,1,6\n" + time.Now().UTC().Format(time.RFC3339Nano) + ",d1,1,7\n"
	if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
		s.t.Fatal(err)
	}
	var n struct{ Received, Stored, Duplicate, Rejected int }
	s.json(&n, "readings", "import", file)
	if n.Received != 4 || n.Rejected != 1 || n.Stored+n.Duplicate != 3 || n.Stored < 1 {
		s.t.Errorf("resent were %+v", n)
	}
}

// answers is what a served folder says of itself.
func (s *server) answers() map[string]string {
	s.t.Helper()
	s.settled(s.t.Context())
	v := map[string]string{}
	for _, args := range [][]string{
		{"readings", "export", "--from", "2000-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z"},
		{"ledger", "-o", "json"},
		{"ledger", "--by", "hour", "--from", "-48h", "-o", "json"},
		{"deadletter", "ls", "-o", "json"},
		{"command", "ls", "--device", "d1", "-o", "json"},
		{"user", "ls", "-o", "json"},
		{"device", "ls", "-o", "json"},
		{"port", "ls", "--device", "m1", "-o", "json"},
		{"calibration", "ls", "--device", "m1", "--port", "1", "-o", "json"},
	} {
		v[strings.Join(args, " ")] = s.tidegate(args...)
	}
	return v
}

func (s *server) sameAnswers(when string, want map[string]string) {
	s.t.Helper()
	got := s.answers()
	for what := range want {
		if got[what] != want[what] {
			s.t.Errorf("%s, %s: %d bytes, before %d\n%.1000s\nwas\n%.1000s", when, what, len(got[what]), len(want[what]), got[what], want[what])
		}
	}
}

// interruptMigration ends the verb as Ctrl-C does: it says how to go on, and the
// folder is served as before.
func (s *server) interruptMigration(uri, to string) {
	s.t.Helper()
	bin, err := binary()
	if err != nil {
		s.t.Fatalf("build the program: %v", err)
	}
	var out output
	cmd := exec.Command(bin, "migrate", "--to", to, "--data", s.dir)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append(os.Environ(), "MONGO_URI="+uri)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(s.dir, "migrate", "writer.db")); err == nil {
			break
		}
	}
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait() // the exit code says it
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(out.String(), "stopped: ") ||
		!strings.Contains(out.String(), "nothing is switched, the folder is served as before; run the same command again") {
		s.t.Errorf("interrupted: exit %d\n%s", code, out.String())
	}
	s.start()
	s.stop()
}

// migrateUnderKills repeats the verb, and kills it at random moments, until it
// has ended by itself after eight kills.
func (s *server) migrateUnderKills(rng *rand.Rand, uri, to string, db *mongotest.Server) {
	s.t.Helper()
	bin, err := binary()
	if err != nil {
		s.t.Fatalf("build the program: %v", err)
	}
	kills, runs, span := 0, 0, 700
	for {
		var out output
		cmd := exec.Command(bin, "migrate", "--to", to, "--data", s.dir)
		cmd.Stdout, cmd.Stderr = &out, &out
		cmd.Env = append(os.Environ(), "MONGO_URI="+uri)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		runs++
		wait := time.Hour
		if kills < 8 {
			wait = time.Duration(20+rng.IntN(span)) * time.Millisecond
		}
		if kills == 4 && runs == 5 {
			db.Kill()
			db.Launch()
		}
		select {
		case <-time.After(wait):
			kills++
			_ = cmd.Process.Kill()
			if err := <-done; err == nil {
				s.t.Log("it had just ended")
			}
		case err := <-done:
			if cmd.ProcessState.ExitCode() == 4 && runs == 5 { // the database was not there
				if !strings.Contains(out.String(), "run the same command again") {
					s.t.Errorf("it does not say how to go on: %s", out.String())
				}
				continue
			}
			if err != nil {
				s.t.Fatalf("migrate --to %s: %v\n%s", to, err, out.String())
			}
			if kills < 6 {
				s.t.Errorf("it ended after %d kills", kills)
			}
			s.t.Logf("to %s: %d runs, %d kills: %s", to, runs, kills, out.String())
			return
		}
	}
}
