package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// alarm is an episode as `events ls` shows it.
type alarm struct {
	ID         string
	RuleID     string
	DeviceID   string
	PortNumber int
	State      string
	StartedAt  time.Time
	ResolvedAt *time.Time
	Worst      *float64
}

func (a alarm) String() string {
	end := "-"
	if a.ResolvedAt != nil {
		end = a.ResolvedAt.UTC().Format(time.RFC3339Nano)
	}
	worst := "-"
	if a.Worst != nil {
		worst = fmt.Sprint(*a.Worst)
	}
	return fmt.Sprintf("%s/%d %s %s %s %s", a.DeviceID, a.PortNumber, a.State, a.StartedAt.UTC().Format(time.RFC3339Nano), end, worst)
}

// hooks is a receiver of webhooks that keeps what it was told.
type hooks struct {
	*httptest.Server
	mu         sync.Mutex
	deliveries map[string]string // body by idempotency key
	said       map[string]string // delivery by notification
	causes     map[string][]string
	all        []string // causes, in order
	wrong      []string
}

func newHooks(t *testing.T) *hooks {
	h := &hooks{deliveries: map[string]string{}, said: map[string]string{}, causes: map[string][]string{}}
	h.Server = httptest.NewServer(http.HandlerFunc(h.take))
	t.Cleanup(h.Close)
	return h
}

func (h *hooks) take(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	var body struct {
		Events []struct{ NotificationID, ID, Cause string }
	}
	if err == nil {
		err = json.Unmarshal(b, &body)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil {
		return // the sender was killed in the middle
	}
	key := r.Header.Get("Idempotency-Key")
	if was, ok := h.deliveries[key]; ok {
		if was != string(b) {
			h.wrong = append(h.wrong, "delivery "+key+" came again as another")
		}
		return
	}
	h.deliveries[key] = string(b)
	for _, e := range body.Events {
		if was, ok := h.said[e.NotificationID]; ok {
			h.wrong = append(h.wrong, fmt.Sprintf("%s of %s came in %s and in %s", e.Cause, e.ID, was, key))
		}
		h.said[e.NotificationID] = key
		h.causes[e.ID] = append(h.causes[e.ID], e.Cause)
		h.all = append(h.all, e.Cause)
	}
}

// TestAlarmKill kills the server at random while readings go up and down: the
// episodes are those of the readings that are stored, each once, and each
// beginning and end was told once.
func TestAlarmKill(t *testing.T) {
	cycles, rng := killCycles(t, 6)
	h := newHooks(t)
	s := newServer(t, "TIDEGATE_NOTIFY_ALLOW=127.0.0.0/8", "TIDEGATE_ALERTS_MAX_AGE=24h", "TIDEGATE_STORE_FLUSH_INTERVAL=2s")
	s.start()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	s.tidegate("channel", "add", "--org", "acme", "--name", "ops", "--type", "webhook", "--url", h.URL, "--rate-per-hour", "100000")
	l := s.killedLoad(2, 2, time.Now().UTC().Add(-time.Hour).Truncate(time.Second))
	l.InFlight, l.Rate = 50, 1500
	const level = 225.0
	s.tidegate("rule", "add", "--org", "acme", "--name", "hot", "--above", fmt.Sprint(level), "--channel", "ops")
	acked := s.killUnder(l, cycles, func() time.Duration { return time.Duration(100+rng.IntN(1500)) * time.Millisecond })
	l.Messages = 300
	if _, err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s.settled(ctx)

	want := episodesOf(t, s, level)
	got := map[string]alarm{}
	for _, a := range s.alarms(t) {
		if _, twice := got[a.String()]; twice {
			t.Errorf("twice: %s", a)
		}
		got[a.String()] = a
	}
	if len(want) < 10 {
		t.Fatalf("%d episodes tell little", len(want))
	}
	for w := range want {
		if _, ok := got[w]; !ok {
			t.Errorf("missing: %s", w)
		}
	}
	for g := range got {
		if !want[g] {
			t.Errorf("nothing says so: %s", g)
		}
	}
	s.toldAll(t, h, got)
	t.Logf("acked %v messages, %d episodes, %d deliveries", acked, len(got), len(h.deliveries))
}

// alarms answers all episodes.
func (s *server) alarms(t *testing.T) (out []alarm) {
	t.Helper()
	cursor := ""
	for {
		var page struct {
			Items      []alarm
			NextCursor string
		}
		args := []string{"events", "ls", "--limit", "1000"}
		if cursor != "" {
			args = append(args, "--cursor", cursor)
		}
		s.json(&page, args...)
		out = append(out, page.Items...)
		if cursor = page.NextCursor; cursor == "" {
			return out
		}
	}
}

// episodesOf is the judge: what a rule that is met above the level makes of the
// readings that are stored.
func episodesOf(t *testing.T, s *server, level float64) map[string]bool {
	t.Helper()
	open := map[string]*alarm{}
	out := map[string]bool{}
	for i, line := range strings.Split(strings.TrimSpace(s.tidegate("readings", "export", "--from", "-48h", "--to", "now")), "\n") {
		f := strings.Split(line, ",")
		if i == 0 {
			if strings.Join(f[:5], ",") != "ts,device,port,rawValue,calibratedValue" {
				t.Fatalf("header %s", line)
			}
			continue
		}
		ts, err := time.Parse(time.RFC3339, f[0])
		if err != nil {
			t.Fatal(err)
		}
		port, err := strconv.Atoi(f[2])
		if err != nil {
			t.Fatal(err)
		}
		v, err := strconv.ParseFloat(f[4], 64)
		if err != nil {
			t.Fatal(err)
		}
		key := f[1] + "/" + f[2]
		a := open[key]
		switch {
		case v > level && a == nil:
			open[key] = &alarm{DeviceID: f[1], PortNumber: port, State: "firing", StartedAt: ts, Worst: &v}
		case v > level && v > *a.Worst:
			a.Worst = &v
		case v <= level && a != nil:
			a.State, a.ResolvedAt = "resolved", &ts
			out[a.String()] = true
			delete(open, key)
		}
	}
	for _, a := range open {
		out[a.String()] = true
	}
	return out
}

// toldAll waits until nothing is left to be said, and holds what the receiver
// got against the episodes.
func (s *server) toldAll(t *testing.T, h *hooks, episodes map[string]alarm) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		var queued struct{ Items []json.RawMessage }
		s.json(&queued, "notification", "ls", "--state", "queued")
		if len(queued.Items) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still to be said: %s", queued.Items)
		}
		<-time.After(50 * time.Millisecond)
	}
	var dead struct{ Items []json.RawMessage }
	s.json(&dead, "notification", "ls", "--state", "dead")
	if len(dead.Items) > 0 {
		t.Errorf("given up: %s", dead.Items)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range episodes {
		want := "[firing]"
		if a.State == "resolved" {
			want = "[firing resolved]"
		}
		if got := fmt.Sprint(h.causes[a.ID]); got != want {
			t.Errorf("of %s was said %s, want %s", a, got, want)
		}
	}
	for id := range h.causes {
		if !containsID(episodes, id) {
			t.Errorf("%s was said of %s, which is no episode", h.causes[id], id)
		}
	}
	for _, w := range h.wrong {
		t.Error(w)
	}
}

func containsID(episodes map[string]alarm, id string) bool {
	for _, a := range episodes {
		if a.ID == id {
			return true
		}
	}
	return false
}
