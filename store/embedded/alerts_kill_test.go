package embedded

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

const alertsChildEnv = "TIDEGATE_TEST_ALERTS_CHILD"

// TestAlertsProcess is the process that TestAlertsKill kills, and nothing else:
// it commits for ever, beside a dispatcher and somebody who silences, and says
// each position that it was answered.
func TestAlertsProcess(t *testing.T) {
	dir := os.Getenv(alertsChildEnv)
	if dir == "" {
		return
	}
	a := bindTestAlerts(t, dir, AlertsOptions{})
	ctx := context.Background()
	go func() {
		for i := 0; ; i++ {
			s := store.Silence{ID: fmt.Sprint("sil-", i%50), OrgID: "acme", Comment: "c", EndsAt: new(store.Time)}
			*s.EndsAt = 1
			if err := a.PutSilence(ctx, s); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for pos := int(a.Applied()); ; pos++ {
		if pos > 0 && pos%3 == 0 { // the dispatcher has delivered it
			if err := a.PutNotifications(ctx, []store.Notification{testMessage(pos, store.NotificationDelivered)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Commit(ctx, killCommit(pos+1)); err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(os.Stdout, "\ncommitted %d\n", pos+1); err != nil {
			os.Exit(1) // nobody listens any more
		}
	}
}

// killCommit is what the rules keep at a position.
func killCommit(pos int) store.AlertCommit {
	c := store.AlertCommit{
		Applied: uint64(pos), Now: int64(pos),
		States:        []store.WatchState{{RuleID: "rule-hot", Series: store.Series{UID: 7, Port: 1}, Position: uint64(pos), Body: fmt.Append(nil, "state ", pos)}},
		Events:        []store.AlertEvent{testAlert(pos, store.AlertFiring)},
		Notifications: []store.Notification{testMessage(pos, store.NotificationQueued)},
	}
	if pos > 1 {
		c.Events = append(c.Events, testAlert(pos-1, store.AlertResolved))
	}
	return c
}

// TestAlertsKill kills a process with -9 while it commits: the file has all up
// to the position that was answered last, or to the one that was under way, and
// of each position all or nothing.
func TestAlertsKill(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	dir := t.TempDir()
	for round := range 6 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAlertsProcess$", "-test.timeout=2m")
		cmd.Env = append(os.Environ(), alertsChildEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		answered := 0
		var kill *time.Timer
		for lines := bufio.NewScanner(out); lines.Scan(); {
			digits, ok := strings.CutPrefix(lines.Text(), "committed ")
			if !ok {
				continue
			}
			if answered, err = strconv.Atoi(digits); err != nil {
				t.Fatal(err)
			}
			if kill == nil {
				kill = time.AfterFunc(time.Duration(10+37*round)*time.Millisecond, func() { _ = cmd.Process.Kill() })
			}
		}
		if err := cmd.Wait(); err == nil || answered == 0 {
			t.Fatalf("the child ended by itself at position %d: %v", answered, err)
		}
		checkAlertsFile(t, dir)
		checkKilledAlerts(t, dir, answered)
	}
}

func checkKilledAlerts(t *testing.T, dir string, answered int) {
	t.Helper()
	ctx := t.Context()
	a := openTestAlerts(t, dir, AlertsOptions{})
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	pos := int(a.Applied())
	if pos != answered && pos != answered+1 {
		t.Fatalf("answered %d, the file has applied %d", answered, pos)
	}
	now, err := a.EngineTime(ctx)
	if err != nil || now != int64(pos) {
		t.Errorf("the engine's time is %d at position %d: %v", now, pos, err)
	}
	var states []store.WatchState
	if err := a.WatchStates(ctx, func(w store.WatchState) error { states = append(states, w); return nil }); err != nil {
		t.Fatal(err)
	}
	if want := killCommit(pos).States; fmt.Sprint(states) != fmt.Sprint(want) {
		t.Errorf("states %v, want %v", states, want)
	}
	open, err := a.OpenEvents(ctx)
	if err != nil || len(open) != 1 || open[0].ID != testAlert(pos, "").ID {
		t.Errorf("position %d: open %+v, %v", pos, open, err)
	}
	if events, told := a.sizes(t); events != pos || told != pos {
		t.Errorf("position %d: %d events, %d notifications", pos, events, told)
	}
	for i := 3; i < answered; i += 3 {
		n, err := a.Notification(ctx, testMessage(i, "").ID)
		if err != nil || n.State != store.NotificationDelivered {
			t.Fatalf("position %d: notification of %d is %s, %v", pos, i, n.State, err)
		}
	}
}
