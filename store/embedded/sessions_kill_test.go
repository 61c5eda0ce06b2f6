package embedded

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const sessionsChildEnv = "TIDEGATE_TEST_SESSIONS_CHILD"

// TestSessionsProcess is the process that TestSessionsKill kills, and nothing
// else: it rotates one session for ever and says each generation that it was
// answered.
func TestSessionsProcess(t *testing.T) {
	dir := os.Getenv(sessionsChildEnv)
	if dir == "" {
		return
	}
	s := openTestSessions(t, dir)
	id := ""
	for _, n := range s.ListSessions("ann", sessionsBegan) {
		id = n.ID
	}
	if id == "" {
		id = beginSession(t, s, "ann", sessionsBegan).ID
	}
	for {
		n, _ := s.Session(id)
		n, err := s.RotateSession(context.Background(), id, n.Generation, useAt(sessionsBegan))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(os.Stdout, "\nrotated %d\n", n.Generation); err != nil {
			os.Exit(1) // nobody listens any more
		}
	}
}

// TestSessionsKill kills a process with -9 while it rotates: the file has the
// generation that was answered last, or the one that was under way.
func TestSessionsKill(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	dir := t.TempDir()
	for round := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestSessionsProcess$", "-test.timeout=2m")
		cmd.Env = append(os.Environ(), sessionsChildEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var answered uint64
		var kill *time.Timer
		for lines := bufio.NewScanner(out); lines.Scan(); {
			digits, ok := strings.CutPrefix(lines.Text(), "rotated ")
			if !ok {
				continue
			}
			if answered, err = strconv.ParseUint(digits, 10, 64); err != nil {
				t.Fatal(err)
			}
			if kill == nil {
				kill = time.AfterFunc(time.Duration(10+37*round)*time.Millisecond, func() { _ = cmd.Process.Kill() })
			}
		}
		if err := cmd.Wait(); err == nil || answered == 0 {
			t.Fatalf("the child ended by itself at generation %d: %v", answered, err)
		}
		s, err := OpenSessions(filepath.Join(dir, "sessions.db"), SessionsOptions{})
		if err != nil {
			t.Fatal(err)
		}
		list := s.ListSessions("ann", sessionsBegan)
		if len(list) != 1 || list[0].Generation != answered && list[0].Generation != answered+1 {
			t.Fatalf("round %d: answered %d, the file has %+v", round, answered, list)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
