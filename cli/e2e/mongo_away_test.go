package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/cli/bench"
	"tidegate/store/mongo/mongotest"
)

// outage is something that happens to the database.
type outage struct {
	name       string
	begin, end func() // end may be nil
	lasts      bool   // until end; else it passes by itself
}

// networkOutages are what networks do.
func networkOutages(p *mongotest.Proxy) []outage {
	inserts := func(command string) bool { return command == "insert" }
	often := func(fn func()) func() {
		return func() {
			for range 5 {
				fn()
				<-time.After(100 * time.Millisecond)
			}
		}
	}
	return []outage{
		// What was under way then is given up half a minute later, in the middle of
		// the others.
		{"connections orphaned", p.Orphan, nil, false},
		{"refused", func() { p.Refuse(true) }, func() { p.Refuse(false) }, true},
		{"hanging", func() { p.Hang(true) }, func() { p.Hang(false) }, true},
		{"slow", func() { p.Delay(300 * time.Millisecond) }, func() { p.Delay(0) }, false},
		{"cut", often(p.Cut), nil, false},
		{"half closed", often(p.HalfClose), nil, false},
		{"replies swallowed", func() { p.SwallowReplies(inserts, 5) }, nil, false},
		{"requests swallowed", func() { p.SwallowRequests(inserts, 5) }, nil, false},
	}
}

// TestMongoAway attacks "the database may be away": whatever becomes of the
// network between, in the middle of things or while tidegate starts, devices
// are acked and everything arrives once.
func TestMongoAway(t *testing.T) {
	rounds, _ := strconv.Atoi(os.Getenv("TIDEGATE_OUTAGES")) // beyond one of each kind
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			d := newDatabase(t, mongotest.Shared(t, kind))
			outages := networkOutages(d.proxy)
			p := newPatient(t, d, len(outages)+2+rounds, d.through())
			for _, o := range outages {
				p.goThrough(o)
			}
			for _, o := range outages[1:3] {
				p.startIn(o)
			}
			for range rounds {
				p.goThrough(outages[rand.N(len(outages))])
			}
			p.verify()
		})
	}
}

// TestMongoServerAway is TestMongoAway for what happens to the server itself.
func TestMongoServerAway(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, mongotest.Start(t, mongotest.Options{}))
	admin := func(command bson.D) func() {
		return func() {
			d.server.Admin(t, func(c *mongo.Client) error {
				return c.Database("admin").RunCommand(context.Background(), command).Err()
			})
		}
	}
	outages := []outage{
		{"stepped down", admin(bson.D{{Key: "replSetStepDown", Value: 300}, {Key: "force", Value: true}}), admin(bson.D{{Key: "replSetFreeze", Value: 0}}), true},
		{"paused", d.server.Pause, d.server.Resume, true},
		{"killed", d.server.Kill, d.server.Launch, true},
	}
	p := newPatient(t, d, len(outages)+1, d.direct())
	for _, o := range outages {
		p.goThrough(o)
	}
	p.startIn(outages[2])
	p.verify()
}

// TestMongoDrain: what waits in the log drains by itself once the database is
// back, at a rate and with an end that the status shows.
func TestMongoDrain(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, mongotest.Shared(t, mongotest.ReplicaSet))
	p := newPatient(t, d, 1, d.through())
	d.proxy.Refuse(true)
	p.publish(1, 60_000, 500)
	p.until("the log is behind", func() bool { return p.s.status().Log.Depth > 10_000 })
	d.proxy.Calm()
	d.proxy.Delay(300 * time.Millisecond) // so that there is something to see
	p.until("the status shows a rate and an end", func() bool {
		l := p.s.status().Log
		return l.Depth > 1_000 && l.DrainPerSecond > 100 && l.ETASeconds != nil && *l.ETASeconds > 1 && strings.Contains(p.s.tidegate("status"), "/s, drained in ")
	})
	d.proxy.Delay(0)
	p.until("it is drained", func() bool { l := p.s.status().Log; return l.Depth < 1_000 && l.ETASeconds == nil })
	p.verify()
}

// patient is a server with devices, whose database goes away.
type patient struct {
	t    *testing.T
	d    *database
	s    *server
	load *bench.Load // of all devices: the first publishes all the time, each other one once
	next int         // device that has not published yet
	// usual are the warnings of one that has its database: about variables that
	// are set where the tests run.
	usual []string

	acked  []atomic.Int64 // messages
	cancel context.CancelFunc
	ended  chan error // the first device has ended
	live   *program   // tail
}

func newPatient(t *testing.T, d *database, newcomers int, env ...string) *patient {
	t.Helper()
	p := &patient{t: t, d: d, next: 1, acked: make([]atomic.Int64, 1+newcomers)}
	// So little waits in memory that an outage reaches the log.
	p.s = newServer(t, append(env, "TIDEGATE_MONGO_FLUSH_INTERVAL=200ms", "TIDEGATE_MONGO_FLUSH_SIZE=64KiB")...)
	p.s.start()
	p.s.tidegate("org", "add", "--id", "acme", "--name", "Acme")
	list := "id,org,serial,secret,ports\n"
	p.load = &bench.Load{Readings: 2, Start: time.Now().UTC().AddDate(0, 0, -25).Truncate(time.Hour), Step: 20 * time.Millisecond}
	for c := range p.acked {
		id := "d" + strconv.Itoa(c)
		list += id + ",acme,,secret-of-" + id + ",2\n"
		p.load.Clients = append(p.load.Clients, bench.Login{ClientID: "c", User: id, Password: "secret-of-" + id})
	}
	file := filepath.Join(t.TempDir(), "devices.csv")
	if err := os.WriteFile(file, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	p.s.tidegate("device", "import", file)
	p.usual = p.s.status().Warnings
	p.begin()
	return p
}

// of is the load of one device from where it stands.
func (p *patient) of(c int) *bench.Load {
	l := *p.load
	l.Addr, l.Clients, l.First = p.s.mqtt, p.load.Clients[c:c+1], []int{int(p.acked[c].Load())}
	l.Topic = func(int) string { return "org/acme/device/" + l.Clients[0].User + "/telemetry" }
	l.Acked = func(_, message int) { p.acked[c].Store(int64(message) + 1) }
	return &l
}

// publish lets a device publish, which must be acked within bounds.
func (p *patient) publish(c, messages, inFlight int) {
	p.t.Helper()
	l := p.of(c)
	l.Messages, l.InFlight = messages, inFlight
	ended := make(chan error, 1)
	go func() { _, err := l.Run(context.Background()); ended <- err }()
	select {
	case err := <-ended:
		if err != nil {
			p.t.Fatalf("%s: %v\n%s", l.Clients[0].User, err, p.s.tail())
		}
	case <-time.After(time.Minute):
		p.t.Fatalf("%s has %d acks of %d\n%s", l.Clients[0].User, p.acked[c].Load(), messages, p.s.tail())
	}
}

// begin lets the first device publish, and somebody watch.
func (p *patient) begin() {
	p.t.Helper()
	bin, err := binary()
	if err != nil {
		p.t.Fatal(err)
	}
	args := []string{"tail", "--data", p.s.dir, "-o", "json", "--kind", "readings", "--port", "1"}
	for _, in := range p.load.Clients {
		args = append(args, "--device", in.User)
	}
	p.live = run(p.t, bin, args...)
	l := p.of(0)
	l.Rate, l.InFlight = 100, 1000
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	p.ended = make(chan error, 1)
	go func() { _, err := l.Run(ctx); p.ended <- err }()
	p.t.Cleanup(p.cancel)
	p.until("live values flow", func() bool { return len(p.shown()) > 0 })
}

// finish ends what begin began. The device has an ack for all that it sent, and
// nothing was shown twice.
func (p *patient) finish() {
	p.t.Helper()
	p.cancel()
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Fatalf("the device that publishes all the time: %v\n%s", err, p.s.tail())
		}
	case <-time.After(time.Minute):
		p.t.Fatalf("acks do not come\n%s", p.s.tail())
	}
	for reading, n := range p.shown() {
		if n > 1 {
			p.t.Errorf("%s was shown %d times", reading, n)
		}
	}
	p.live.end()
}

// shown answers how often each reading was shown, by device and ts.
func (p *patient) shown() map[string]int {
	p.t.Helper()
	seen := map[string]int{}
	for _, line := range p.live.payloads() {
		var r struct{ Type, DeviceID, TS string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			p.t.Fatalf("tail says %s: %v", line, err)
		}
		if r.Type == "reading" { // else it says that more came at once than it shows
			seen[r.DeviceID+" "+r.TS]++
		}
	}
	return seen
}

func (p *patient) isShown(c int, message int64) bool {
	p.t.Helper()
	ts := p.load.Start.Add(time.Duration(message) * p.load.Step)
	return p.shown()[p.load.Clients[c].User+" "+ts.Format("2006-01-02T15:04:05.000Z")] > 0
}

func (p *patient) until(what string, cond func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !cond(); {
		if time.Now().After(deadline) {
			p.t.Fatalf("it did not come to that: %s\n%s", what, p.s.tail())
		}
		<-time.After(50 * time.Millisecond)
	}
}

// goThrough lets the database go away in the middle of things.
func (p *patient) goThrough(o outage) {
	p.t.Helper()
	began := time.Now()
	o.begin()
	p.endure(o)
	p.t.Logf("%s: %.1f s", o.name, time.Since(began).Seconds())
}

// startIn starts while the database is away already.
func (p *patient) startIn(o outage) {
	p.t.Helper()
	began := time.Now()
	p.finish()
	p.s.stop()
	o.begin()
	p.s.start()
	p.begin()
	p.endure(o)
	p.t.Logf("started while it is %s: %.1f s", o.name, time.Since(began).Seconds())
}

// endure tries what must go on, ends the outage, and waits until all is well.
func (p *patient) endure(o outage) {
	p.t.Helper()
	before := p.acked[0].Load()
	newcomer := p.next
	p.next++
	p.publish(newcomer, 5, 5)
	in := p.load.Clients[newcomer]
	in.Password = "wrong"
	if c, err := bench.Connect(p.s.mqtt, in); err == nil {
		_ = c.Close()
		p.t.Error("a device logs in with a wrong secret")
	} else if !strings.Contains(err.Error(), "CONNACK 20 02 00 04") {
		p.t.Errorf("a device with a wrong secret: %v", err)
	}
	p.until("acks keep coming", func() bool { return p.acked[0].Load() > before+50 })
	p.until("live values flow", func() bool { return p.isShown(newcomer, 4) && p.isShown(0, before+50) })
	if o.lasts {
		p.wantAway(in.User)
		o.end()
	}
	p.until("what came meanwhile is stored", func() bool {
		code, _, body := p.s.ask("GET", "/api/v1/readings?deviceId="+in.User, "")
		var list struct{ Items []struct{} }
		return code == 200 && json.Unmarshal([]byte(body), &list) == nil && len(list.Items) == 10
	})
	if !o.lasts && o.end != nil {
		o.end()
	}
	p.until("the status says that all is well", func() bool {
		st := p.s.status()
		return st.Database.Reachable && st.Database.Error == "" && slices.Equal(st.Warnings, p.usual) && st.Ledger.Pending < 1000
	})
}

// wantAway wants the server to say that its database is away, to answer what it
// can without, and to refuse the rest.
func (p *patient) wantAway(newcomer string) {
	p.t.Helper()
	s := p.s
	p.until("the status says so", func() bool {
		st := s.status()
		return !st.Database.Reachable && st.Database.Error != "" && st.Log.Depth > 0 && st.Ready && strings.Contains(strings.Join(st.Warnings, " "), "MongoDB is away")
	})
	if said := s.tidegate("status"); !strings.Contains(said, "away") || !strings.Contains(said, "messages behind") {
		p.t.Errorf("the status says\n%s", said)
	}
	if l := s.ledger(); l.Received != l.Stored+l.Duplicate+l.Rejected+l.Pending || l.Pending == 0 {
		p.t.Errorf("ledger %+v", l)
	}
	s.tidegate("device", "get", newcomer)
	entries := s.tidegate("audit", "ls", "-o", "json")
	var refused sync.WaitGroup
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/api/v1/readings?deviceId=" + newcomer, ""},
		{"GET", "/api/v1/readings?deviceId=d0&every=1m", ""},
		{"GET", "/api/v1/exports/readings.csv", ""},
		{"POST", "/api/v1/organizations", `{"id":"new","name":"New"}`},
		{"PATCH", "/api/v1/devices/d0", `{"name":"x"}`},
	} {
		refused.Go(func() {
			code, header, body := s.ask(c.method, c.path, c.body)
			if code != 503 || header.Get("Retry-After") == "" || !strings.Contains(body, `"unavailable"`) {
				p.t.Errorf("%s %s: %d, Retry-After %q, %s", c.method, c.path, code, header.Get("Retry-After"), body)
			}
		})
	}
	refused.Wait()
	if _, said, code := s.try("", "org", "add", "--id", "new", "--name", "New"); code != 1 || !strings.Contains(said, "MongoDB is away") {
		p.t.Errorf("a change: exit %d, %s", code, said)
	}
	if after := s.tidegate("audit", "ls", "-o", "json"); after != entries {
		p.t.Errorf("nothing was changed, and the trail has\n%s", after)
	}
	if code, _, body := s.ask("GET", "/api/v1/organizations/new", ""); code != 404 {
		p.t.Errorf("an organization that was not made: %d %s", code, body)
	}
}

// verify ends everything, and wants each acked reading in the collection once,
// and nothing else.
func (p *patient) verify() {
	p.t.Helper()
	p.finish()
	sum := p.s.flushed(p.t)
	acked := make([]int, len(p.acked))
	want := int64(0)
	for c := range acked {
		acked[c] = int(p.acked[c].Load())
		want += int64(acked[c] * p.load.Readings)
	}
	if n := p.d.verify(p.load, acked); int64(n) != want || sum != (ledger{Received: want, Stored: want}) {
		p.t.Errorf("%d readings were acked, the collection has %d, the ledger says %+v", want, n, sum)
	}
	if n := verifyStored(p.t, p.s, p.load, acked); int64(n) != want {
		p.t.Errorf("queries answer %d readings of %d", n, want)
	}
	// And once more from the folder alone: the copies are made sure of at a start.
	p.s.stop()
	p.s.start()
	if again := p.s.flushed(p.t); again != sum {
		p.t.Errorf("after a restart the ledger is %+v, before %+v", again, sum)
	}
	p.d.wantMirrored(p.s)
}

type status struct {
	Ready    bool
	Store    string
	Warnings []string
	Ledger   ledger
	Database struct {
		Reachable             bool
		Kind, Error, Writer   string
		Refused, MirrorBehind int64
	}
	Log struct {
		Depth          int64
		DrainPerSecond float64
		ETASeconds     *float64
	}
}

func (s *server) status() (st status) {
	s.t.Helper()
	code, _, body := s.ask("GET", "/api/v1/status", "")
	if err := json.Unmarshal([]byte(body), &st); err != nil || code != 200 {
		s.t.Fatalf("status: %d %s", code, body)
	}
	return st
}
