package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// TestCommandKill attacks "a command that was answered 201 reaches the device,
// and an answer that was acked is on disk": the server is killed at random
// moments while commands are sent, delivered and answered.
func TestCommandKill(t *testing.T) {
	cycles, rng := killCycles(t, 6)
	s := newServer(t)
	s.start()
	s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	// Not so many for a device that the oldest are forgotten.
	for round := 0; cycles > 0; round, cycles = round+1, cycles-8 {
		// One whose sessions end with its connections, and one whose sessions stay.
		devices := []*obedient{newObedient(fmt.Sprint("clean", round), true), newObedient(fmt.Sprint("kept", round), false)}
		for _, d := range devices {
			s.tidegate("device", "add", "--org", "acme", "--id", d.id, "--secret", "secret-of-"+d.id)
		}
		s.killCommanded(devices, min(cycles, 8), func() time.Duration { return time.Duration(50+rng.IntN(500)) * time.Millisecond })
	}
}

// killCommanded kills the server so often while commands are sent to devices, and
// wants all of them done in the end.
func (s *server) killCommanded(devices []*obedient, cycles int, pause func() time.Duration) {
	t, api := s.t, s.socketClient()
	t.Helper()
	for range cycles {
		var working sync.WaitGroup
		ctx, stop := context.WithCancel(t.Context())
		for _, d := range devices {
			d.connect(t, s.mqtt)
			working.Go(func() { d.order(ctx, api, 40) })
		}
		<-time.After(pause())
		s.kill()
		stop()
		working.Wait()
		for _, d := range devices {
			d.leave()
		}
		s.start()
		for _, d := range devices {
			d.verify(t, commandsOf(t, api, d.id))
		}
	}
	for _, d := range devices {
		d.connect(t, s.mqtt)
		d.order(t.Context(), api, 5) // and some that nothing happens to
	}
	for deadline := time.Now().Add(60 * time.Second); ; {
		left := 0
		for _, d := range devices {
			left += open(commandsOf(t, api, d.id))
		}
		if left == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d commands have not ended\n%s\n%s", left, s.tidegate("command", "ls", "--device", devices[0].id), s.tail())
		}
		<-time.After(50 * time.Millisecond)
	}
	for _, d := range devices {
		d.leave()
	}

	// And from the file alone.
	s.stop()
	s.start()
	for _, d := range devices {
		all := commandsOf(t, api, d.id)
		d.verify(t, all)
		if n := open(all); n != 0 || len(d.ordered) == 0 {
			t.Errorf("%s: of %d commands %d are open", d.id, len(d.ordered), n)
		}
		again := 0
		for _, n := range d.got {
			again += n - 1
		}
		t.Logf("%s: %d commands answered 201, %d kept, %d deliveries beyond the first", d.id, len(d.ordered), len(all), again)
	}
}

// sentCommand is a command as the server tells of it.
type sentCommand struct {
	ID, State, Detail string
	Result            json.RawMessage
}

// socketClient asks whichever server has the folder.
func (s *server) socketClient() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, // of a server that was killed
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(s.dir, "admin.sock"))
		},
	}}
}

func commandsURL(device string) string {
	return "http://box/api/v1/devices/" + device + "/commands"
}

// commandsOf answers all commands of a device by their ids.
func commandsOf(t testing.TB, api *http.Client, device string) map[string]sentCommand {
	t.Helper()
	resp, err := api.Get(commandsURL(device) + "?limit=1000")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var list struct {
		Items      []sentCommand
		NextCursor string
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || resp.StatusCode != http.StatusOK || list.NextCursor != "" {
		t.Fatalf("commands of %s: %d %v", device, resp.StatusCode, err)
	}
	all := map[string]sentCommand{}
	for _, c := range list.Items {
		all[c.ID] = c
	}
	return all
}

// obedient is a device that carries out each command once, answers it however
// often it comes, and sends an answer until it is acked, as a device should.
type obedient struct {
	id    string
	clean bool // its session ends with the connection
	conn  mqtt.Client

	mu      sync.Mutex
	ordered []string          // ids of commands that were answered 201
	results map[string]string // what became of each command, by id
	got     map[string]int    // how often each came
	acked   map[string]bool   // whose answer was acked
}

func newObedient(id string, clean bool) *obedient {
	return &obedient{id: id, clean: clean, results: map[string]string{}, got: map[string]int{}, acked: map[string]bool{}}
}

// connect begins to listen, and sends what is not acked.
func (d *obedient) connect(t testing.TB, addr string) {
	t.Helper()
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp://" + addr).SetClientID("board").SetUsername(d.id).SetPassword("secret-of-" + d.id).
		SetCleanSession(d.clean).SetAutoReconnect(false).SetOrderMatters(false).
		SetDefaultPublishHandler(func(c mqtt.Client, m mqtt.Message) { d.obey(c, m.Payload()) }))
	for _, begin := range []func() mqtt.Token{c.Connect, func() mqtt.Token { return c.Subscribe("org/acme/device/"+d.id+"/command", 1, nil) }} {
		token := begin()
		<-token.Done()
		if err := token.Error(); err != nil {
			t.Fatalf("%s: connect: %v", d.id, err)
		}
	}
	d.conn = c
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, result := range d.results {
		if !d.acked[id] {
			go d.answer(c, id, result)
		}
	}
}

func (d *obedient) leave() { d.conn.Disconnect(0) }

// obey carries out a command.
func (d *obedient) obey(c mqtt.Client, payload []byte) {
	var order struct {
		ID     string
		Params struct{ N int }
	}
	if json.Unmarshal(payload, &order) != nil || order.ID == "" {
		return // what was sent is judged by what is answered
	}
	d.mu.Lock()
	d.got[order.ID]++
	result, known := d.results[order.ID]
	if !known {
		result = fmt.Sprintf(`{"n":%d,"done":%d}`, order.Params.N, len(d.results)+1)
		d.results[order.ID] = result
	}
	d.mu.Unlock()
	d.answer(c, order.ID, result)
}

func (d *obedient) answer(c mqtt.Client, id, result string) {
	token := c.Publish("org/acme/device/"+d.id+"/cmdres", 1, false, `{"id":"`+id+`","status":"ok","result":`+result+`}`)
	<-token.Done()
	if token.Error() == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.acked[id] = true
	}
}

// order sends so many commands to the device, as long as the server is there.
func (d *obedient) order(ctx context.Context, api *http.Client, n int) {
	for range n {
		d.mu.Lock()
		body := fmt.Sprintf(`{"name":"work","params":{"n":%d},"expiresIn":"1h"}`, len(d.ordered))
		d.mu.Unlock()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, commandsURL(d.id), strings.NewReader(body))
		if err != nil {
			return
		}
		resp, err := api.Do(req)
		if err != nil {
			return // it was killed; nobody was told that the command is kept
		}
		var made sentCommand
		err = json.NewDecoder(resp.Body).Decode(&made)
		_ = resp.Body.Close()
		if err == nil && resp.StatusCode == http.StatusCreated {
			d.mu.Lock()
			d.ordered = append(d.ordered, made.ID)
			d.mu.Unlock()
		}
	}
}

// verify holds what is kept against what was promised: each command that was
// answered 201 is there, each whose answer was acked is done, and what is done
// has the device's own result.
func (d *obedient) verify(t testing.TB, all map[string]sentCommand) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range d.ordered {
		if _, ok := all[id]; !ok {
			t.Errorf("%s: command %s was answered 201, and is lost", d.id, id)
		}
	}
	for id := range d.acked {
		if c := all[id]; c.State != "done" {
			t.Errorf("%s: the answer to %s was acked, and it is %q", d.id, id, c.State)
		}
	}
	for id, c := range all {
		switch {
		case c.State == "failed" || c.State == "expired":
			t.Errorf("%s: command %s is %s: %s", d.id, id, c.State, c.Detail)
		case c.State == "done" && string(c.Result) != d.results[id]:
			t.Errorf("%s: command %s has the result %s, the device said %s", d.id, id, c.Result, d.results[id])
		}
	}
}

// open counts those that have not ended.
func open(all map[string]sentCommand) (n int) {
	for _, c := range all {
		if c.State != "done" {
			n++
		}
	}
	return n
}
