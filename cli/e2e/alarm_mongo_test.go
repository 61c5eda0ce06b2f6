package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidegate/store/mongo/mongotest"
)

// TestAlarmMongoAway: alarms fire, are told of and acknowledged while the
// database is away, also across a kill and a start without it; nothing is said
// twice, and the database has the episodes once it is back.
func TestAlarmMongoAway(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, mongotest.Shared(t, mongotest.ReplicaSet))
	h := newHooks(t)
	s := newServer(t, d.through(), "TIDEGATE_NOTIFY_ALLOW=127.0.0.0/8")
	s.start()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	s.tidegate("device", "add", "--org", "acme", "--id", "d1", "--secret", "secret-of-d1", "--ports", "1")
	s.tidegate("channel", "add", "--org", "acme", "--name", "ops", "--type", "webhook", "--url", h.URL)
	s.tidegate("rule", "add", "--org", "acme", "--name", "hot", "--above", "80", "--channel", "ops")
	send := func(value float64) {
		t.Helper()
		body := fmt.Sprintf(`{"readings":[{"port":1,"value":%g}]}`, value)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.http+"/api/v1/telemetry", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("d1", "secret-of-d1")
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusAccepted {
			t.Fatalf("telemetry: %s", res.Status)
		}
	}
	told := func(want ...string) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; <-time.After(20 * time.Millisecond) {
			h.mu.Lock()
			got := fmt.Sprint(h.all)
			wrong := fmt.Sprint(h.wrong)
			h.mu.Unlock()
			if wrong != "[]" {
				t.Fatal(wrong)
			}
			if got == fmt.Sprint(want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("told %s, want %s\n%s", got, want, s.tail())
			}
		}
	}
	send(70)
	d.proxy.Refuse(true)
	send(99)
	told("firing")
	list := s.alarms(t)
	if len(list) != 1 || list[0].State != "firing" || *list[0].Worst != 99 {
		t.Fatalf("episodes %v", list)
	}
	s.tidegate("events", "ack", list[0].ID, "--comment", "on my way")
	told("firing", "acknowledged")
	s.kill()
	s.start()
	send(99.5)
	send(20)
	told("firing", "acknowledged", "resolved")
	d.proxy.Calm()
	want := list[0].ID + " | resolved | hot"
	for deadline := time.Now().Add(time.Minute); d.documents("alertevents", "_id", "status", "ruleName")[want] != 1; <-time.After(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the database has %v, want %s", d.documents("alertevents", "_id", "status", "ruleName"), want)
		}
	}
	if list := s.alarms(t); len(list) != 1 || list[0].State != "resolved" || *list[0].Worst != 99.5 {
		t.Errorf("episodes %v", list)
	}
	told("firing", "acknowledged", "resolved")
}
