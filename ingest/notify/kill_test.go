package notify

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/store"
	"tidegate/store/embedded"
)

const (
	killChildEnv = "TIDEGATE_TEST_NOTIFY_CHILD" // the folder
	killURLEnv   = "TIDEGATE_TEST_NOTIFY_URL"
	killRoundEnv = "TIDEGATE_TEST_NOTIFY_ROUND" // empty: nothing new, and an end when all is said
)

// TestKillProcess is the process that TestKill kills, and nothing else: it keeps
// notifications, says so, and delivers them.
func TestKillProcess(t *testing.T) {
	dir := os.Getenv(killChildEnv)
	if dir == "" {
		return
	}
	q := openQueue(t, dir)
	d, err := New(Options{
		Queue: q, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, GroupWait: 5 * time.Millisecond,
		patience: patience{header: 250 * time.Millisecond, body: 250 * time.Millisecond, whole: 10 * time.Second},
		Channels: ChannelsFunc(func(id string) (store.Channel, bool) {
			c := store.Channel{ID: id, OrgID: "acme", Name: id, Type: store.ChannelWebhook, Enabled: true, RatePerHour: 100_000, Secret: "secret"}
			c.URL = os.Getenv(killURLEnv) + "/" + id
			return c, true
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	d.pace = pace{first: 4 * time.Millisecond, longest: 30 * time.Millisecond}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	say := func(format string, args ...any) {
		if _, err := fmt.Fprintf(os.Stdout, "\n"+format+"\n", args...); err != nil {
			os.Exit(1) // nobody listens any more
		}
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	round := os.Getenv(killRoundEnv)
	for i := 0; round != "" || d.begins() || d.Waiting() > 0; i++ {
		<-tick.C
		if round == "" || d.Waiting() > 200 {
			continue
		}
		at := int64(4_000_000_000_000) + int64(i) // nothing expires
		var batch []store.Notification
		for _, channel := range []string{"ops", "gone"} {
			device := fmt.Sprintf("r%s-%d", round, i)
			batch = append(batch, alarm(channel, device, 1, store.CauseFiring, at), alarm(channel, device, 2, store.CauseFiring, at), alarm(channel, device, 1, store.CauseResolved, at))
		}
		if err := q.Commit(ctx, store.AlertCommit{Notifications: batch}); err != nil {
			t.Fatal(err)
		}
		for _, n := range batch {
			say("kept %s %s", n.ChannelID, n.ID)
		}
		d.Wake(batch)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	say("done")
}

// begins reports whether Run has yet to read the queue.
func (d *Dispatcher) begins() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.run == nil
}

func openQueue(t *testing.T, dir string) *embedded.Alerts {
	t.Helper()
	q, err := embedded.OpenAlerts(filepath.Join(dir, "alerts.db"), embedded.AlertsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// taker is a receiver that misbehaves by chance, and knows what it took.
type taker struct {
	t *testing.T

	mu    sync.Mutex
	r     *rand.Rand
	took  map[string][]string        // bodies by idempotency key
	keys  map[string]map[string]bool // of a notification
	order map[string]int             // of its first time
}

func (k *taker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if r.URL.Path == "/gone" {
		w.WriteHeader(http.StatusGone)
		return
	}
	k.mu.Lock()
	luck := k.r.IntN(10)
	k.mu.Unlock()
	take := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		key := r.Header.Get(headerIdempotency)
		k.took[key] = append(k.took[key], string(body))
		var v webhookBody
		if err := json.Unmarshal(body, &v); err != nil || v.DeliveryID != key {
			k.t.Errorf("%s of %s: %v", key, body, err)
		}
		for _, e := range v.Events {
			if k.keys[e.NotificationID] == nil {
				k.keys[e.NotificationID] = map[string]bool{}
				k.order[e.NotificationID] = len(k.order)
			}
			k.keys[e.NotificationID][key] = true
		}
	}
	hijack := func(text string, reset bool) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			k.t.Error(err)
			return
		}
		if reset {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		_, _ = io.WriteString(c, text)
		_ = c.Close()
	}
	switch luck {
	case 0:
		w.WriteHeader(http.StatusInternalServerError)
	case 1:
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
	case 2:
		hijack("", true)
	case 3:
		take() // and the answer is lost
		hijack("", true)
	case 4:
		take()
		hijack("HTTP/1.1 20", false)
	case 5:
		hijack("SSH-2.0-OpenSSH\r\n", false)
	case 6:
		take()
		<-r.Context().Done() // too late
	default:
		take()
		w.WriteHeader(http.StatusNoContent)
	}
}

// TestKill kills a process with -9 while it delivers to a receiver that
// misbehaves. Whatever it kept is delivered in the end, or dead where the receiver
// refused; each notification under one delivery id, whose content is ever the
// same; a resolved after its firing.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	dir := t.TempDir()
	k := &taker{t: t, r: rand.New(rand.NewPCG(1, 2)), took: map[string][]string{}, keys: map[string]map[string]bool{}, order: map[string]int{}}
	s := httptest.NewServer(k)
	defer s.Close()
	kept := map[string]string{} // channel by id
	run := func(round string, kill time.Duration) bool {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKillProcess$", "-test.timeout=5m")
		cmd.Env = append(os.Environ(), killChildEnv+"="+dir, killURLEnv+"="+s.URL, killRoundEnv+"="+round)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := false
		var text strings.Builder
		var timer *time.Timer
		for lines := bufio.NewScanner(out); lines.Scan(); {
			f := strings.Fields(lines.Text())
			switch {
			case len(f) == 3 && f[0] == "kept":
				kept[f[2]] = f[1]
				if timer == nil && kill > 0 {
					timer = time.AfterFunc(kill, func() { _ = cmd.Process.Kill() })
				}
			case len(f) == 1 && f[0] == "done":
				done = true
			default:
				fmt.Fprintln(&text, lines.Text())
			}
		}
		if err := cmd.Wait(); (err == nil) != done || !done && kill == 0 {
			t.Fatalf("round %q: %v\n%s", round, err, text.String())
		}
		return done
	}
	for round := range 6 {
		if run(fmt.Sprint(round), time.Duration(15+83*round)*time.Millisecond) {
			t.Fatal("a child ended by itself")
		}
	}
	run("", 0)

	q := openQueue(t, dir)
	refused := 0
	for id, channel := range kept {
		n, err := q.Notification(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if channel == "gone" {
			if refused++; n.State != store.NotificationDead || !strings.HasPrefix(n.LastError, "HTTP 410") {
				t.Errorf("%+v", n)
			}
			continue
		}
		if n.State != store.NotificationDelivered || len(k.keys[id]) != 1 || !k.keys[id][n.DeliveryID] {
			t.Errorf("%s %s is %s (%s); it came as %v", id, n.DeliveryID, n.State, n.LastError, k.keys[id])
		}
		if n.Cause == store.CauseResolved {
			if firing := store.NotificationID(n.Event.ID, channel, store.CauseFiring, 0); k.order[firing] > k.order[id] {
				t.Errorf("%s was said to be over before it began", n.Event.ID)
			}
		}
	}
	twice := 0
	for key, bodies := range k.took {
		for _, b := range bodies[1:] {
			twice++
			if b != bodies[0] {
				t.Errorf("%s was sent as\n%s\nand as\n%s", key, bodies[0], b)
			}
		}
	}
	if len(kept) < 6 {
		t.Errorf("%d kept", len(kept))
	}
	if queued, err := q.QueuedNotifications(t.Context()); err != nil || len(queued) != 0 {
		t.Errorf("%d wait: %v", len(queued), err)
	}
	t.Logf("%d notifications in %d messages, %d refused; %d messages came again, with the same id", len(kept), len(k.took), refused, twice)
}
