package mongo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

// attacked is a writer that is interrupted in every way, and the log that it
// follows: what was not applied is told again.
type attacked struct {
	t      *testing.T
	rnd    *rand.Rand
	dir    string
	uri    string // of the proxy
	box    *seriesBox
	log    []store.Item
	seq    uint64
	clock  [7]int64
	stored map[store.Series]map[int64]float64
	dups   int
}

var attackedLog = store.LogID{7, 7}

func newAttacked(t *testing.T, uri string) *attacked {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	a := &attacked{t: t, rnd: rand.New(rand.NewPCG(seed, 3)), dir: t.TempDir(), uri: uri, stored: map[store.Series]map[int64]float64{}}
	for i := range a.clock {
		a.clock[i] = 1_756_684_800_000
	}
	a.open()
	return a
}

// open opens the folder as a new process would, however long that takes.
func (a *attacked) open() {
	a.t.Helper()
	a.box = openBox(a.t, a.uri, a.dir, SeriesOptions{})
	if err := a.box.Bind(store.Bounds{Log: attackedLog, Head: a.seq}); err != nil {
		a.t.Fatal(err)
	}
	a.insist("recover", func(ctx context.Context) error {
		commit, err := a.box.Recover(ctx)
		if err == nil && commit != nil {
			err = commit()
		}
		return err
	})
	// What was appended and not applied.
	b := store.Batch{Through: a.seq}
	for _, it := range a.log {
		if it.Seq > a.box.Applied() {
			b.Items = append(b.Items, it)
		}
	}
	a.append(&b)
}

// insist repeats step while the database is away.
func (a *attacked) insist(doing string, step func(context.Context) error) {
	a.t.Helper()
	for tries, deadline := 0, time.Now().Add(time.Minute); ; tries++ {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		err := step(ctx)
		cancel()
		switch {
		case err == nil:
			return
		case !errors.Is(err, store.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled):
			a.t.Fatalf("%s: %v", doing, err)
		case time.Now().After(deadline):
			a.t.Fatalf("%s, try %d: %v", doing, tries, err)
		}
	}
}

func (a *attacked) append(b *store.Batch) {
	a.t.Helper()
	a.insist("append", func(ctx context.Context) error {
		if err := a.box.Prepare(ctx, b); err != nil {
			return err
		}
		return a.box.Append(ctx, b)
	})
}

// feed appends some readings: new, late, and again.
func (a *attacked) feed() {
	a.t.Helper()
	var b store.Batch
	for range 1 + a.rnd.IntN(4000) {
		if a.rnd.IntN(10) == 0 {
			a.seq++
		}
		i := a.rnd.IntN(len(a.clock))
		sr := store.Series{UID: uint32(i/2 + 1), Port: uint16(i % 2)}
		a.clock[i] += 1 + a.rnd.Int64N(2000)
		ts, raw := a.clock[i], float64(a.rnd.IntN(1000))/10
		if a.rnd.IntN(50) == 0 && len(a.log) > 0 { // sent again
			old := a.log[a.rnd.IntN(len(a.log))]
			sr, ts, raw = old.Series, old.Sample.TS, old.Sample.Raw
		}
		if _, again := a.stored[sr][ts]; again {
			a.dups++
		} else {
			if a.stored[sr] == nil {
				a.stored[sr] = map[int64]float64{}
			}
			a.stored[sr][ts] = raw
		}
		it := store.Item{Series: sr, Seq: a.seq + 1, Hour: ts / 3_600_000, Sample: store.Sample{TS: ts, Raw: raw, IngestTS: ts + 5, Calibration: 1}}
		b.Items = append(b.Items, it)
		a.log = append(a.log, it)
	}
	a.seq++
	b.Through = a.seq
	a.append(&b)
}

func (a *attacked) flush() {
	a.t.Helper()
	a.insist("flush", func(ctx context.Context) error { _, err := a.box.Flush(ctx, nil); return err })
}

// crash leaves everything as it is, alive, and goes on with a copy of the folder.
func (a *attacked) crash() {
	a.t.Helper()
	dir := a.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(a.dir)); err != nil {
		a.t.Fatal(err)
	}
	left := a.box
	a.t.Cleanup(func() { _ = left.Close() })
	a.dir = dir
	a.open()
}

// verify compares the collection and the ledger with what was fed.
func (a *attacked) verify(s *mongotest.Server, database string) {
	a.t.Helper()
	want := 0
	for _, m := range a.stored {
		want += len(m)
	}
	stored, duplicate, err := a.box.Totals(context.Background())
	if err != nil || int(stored) != want || int(duplicate) != a.dups {
		a.t.Errorf("the ledger says %d stored and %d duplicates, want %d and %d: %v", stored, duplicate, want, a.dups, err)
	}
	seen := 0
	s.Admin(a.t, func(c *mongo.Client) error {
		cur, err := c.Database(database).Collection(valuesCollection).Find(context.Background(), bson.D{})
		if err != nil {
			return err
		}
		count := map[store.Series]map[int64]int{}
		for cur.Next(context.Background()) {
			var d struct {
				TS       time.Time `bson:"ts"`
				Metadata struct {
					DeviceID   string `bson:"deviceId"`
					PortNumber int32  `bson:"portNumber"`
				} `bson:"metadata"`
				RawValue float64 `bson:"rawValue"`
			}
			if err := cur.Decode(&d); err != nil {
				return err
			}
			var uid uint32
			if _, err := fmt.Sscanf(d.Metadata.DeviceID, "device.%d", &uid); err != nil {
				return err
			}
			sr := store.Series{UID: uid, Port: uint16(d.Metadata.PortNumber)}
			if count[sr] == nil {
				count[sr] = map[int64]int{}
			}
			ts := d.TS.UnixMilli()
			if count[sr][ts]++; count[sr][ts] > 1 {
				a.t.Errorf("%v at %d is there %d times", sr, ts, count[sr][ts])
			}
			if raw, fed := a.stored[sr][ts]; !fed || raw != d.RawValue {
				a.t.Errorf("%v at %d is %v, was %v (%v)", sr, ts, d.RawValue, raw, fed)
			}
			seen++
		}
		return cur.Err()
	})
	if seen != want {
		a.t.Errorf("%d readings are there, want %d", seen, want)
	}
}

// TestInterruptedWriter: whatever becomes of connections, replies, requests and
// processes, every reading is in the collection once and the ledger is exact.
func TestInterruptedWriter(t *testing.T) {
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			server := mongotest.Shared(t, kind)
			database := mongotest.Database(t)
			proxy := mongotest.NewProxy(t, server.Addr())
			a := newAttacked(t, proxy.URI(server.URI(t, database)))
			faults := []func(){
				func() { proxy.SwallowReplies(inserts, 1) },
				func() { proxy.SwallowRequests(inserts, 1) },
				func() { proxy.OnReply(inserts, 1, proxy.Cut) },
				func() { proxy.OnReply(inserts, 1, proxy.HalfClose) },
				func() { proxy.Delay(time.Duration(a.rnd.IntN(40)) * time.Millisecond) },
				proxy.Cut,
				func() { // the caller gives up in the middle
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+a.rnd.IntN(25))*time.Millisecond)
					defer cancel()
					_, _ = a.box.Flush(ctx, nil)
				},
				func() {
					a.box.CutFlush(a.rnd.IntN(3))
					_, _ = a.box.Flush(context.Background(), nil)
					a.box.CutFlush(math.MaxInt)
				},
				func() {},
			}
			for round := range 30 {
				a.feed()
				fault, then := a.rnd.IntN(len(faults)), a.rnd.IntN(4)
				if round < 2 { // each kind of swallowing at least once
					fault, then = round, 2
				}
				faults[fault]()
				switch then {
				case 0:
				case 1:
					a.crash()
				default:
					a.flush()
				}
				proxy.Calm()
			}
			a.flush()
			a.verify(server, database)
			if proxy.Swallowed() == 0 {
				t.Error("nothing was swallowed")
			}
			if err := a.box.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestForgottenConnections: connections that live on without an answer, as behind
// a firewall that has forgotten them, hold no flush for longer than its patience,
// whoever calls it with however much time; the next one goes by others.
func TestForgottenConnections(t *testing.T) {
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel() // most of it is waiting
			server := mongotest.Shared(t, kind)
			database := mongotest.Database(t)
			proxy := mongotest.NewProxy(t, server.Addr())
			a := newAttacked(t, proxy.URI(server.URI(t, database)))
			for range 3 {
				a.feed()
				a.flush()
				a.feed()
				proxy.Orphan()
				ended := make(chan error, 1)
				go func() { _, err := a.box.Flush(context.Background(), nil); ended <- err }()
				select {
				case err := <-ended:
					if err != nil && !errors.Is(err, store.ErrUnavailable) {
						t.Fatal(err)
					}
				case <-time.After(4 * sendPatience):
					t.Fatal("a flush waits for an answer that never comes")
				}
				a.flush()
			}
			a.verify(server, database)
			if err := a.box.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestKilledServer: the server is killed at any moment of a flush, and started
// again.
func TestKilledServer(t *testing.T) {
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			server := mongotest.Start(t, mongotest.Options{Kind: kind})
			database := mongotest.Database(t)
			proxy := mongotest.NewProxy(t, server.Addr())
			a := newAttacked(t, proxy.URI(server.URI(t, database)))
			for i := range 6 {
				a.feed()
				if i%2 == 0 { // it has happened, and nobody heard of it
					proxy.OnReply(inserts, 1, func() { server.Kill() })
					_, _ = a.box.Flush(context.Background(), nil)
				} else { // it may have happened
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(a.rnd.IntN(20))*time.Millisecond)
					_, _ = a.box.Flush(ctx, nil)
					cancel()
					server.Kill()
				}
				server.Launch()
				server.Writable()
				if a.rnd.IntN(2) == 0 {
					a.crash()
				}
				a.flush()
			}
			a.verify(server, database)
			if err := a.box.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestIntentRoundTrip: what the journal keeps is the same plan.
func TestIntentRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	s := &SeriesStore{heads: map[store.Series]*head{}}
	s.pool.Shared = func() bool { return false }
	var heads []*head
	for i := range 9 {
		h := s.head(store.Series{UID: uint32(i + 1), Port: uint16(i * 1000)})
		h.calibration(&store.Calibration{Number: 3, Scaling: 0.1, Offset: -4}, 3)
		h.payloads, h.unregistered = map[int64]string{}, map[int64]bool{}
		ts := int64(-5_000_000)
		for range 1 + rnd.IntN(4000) {
			ts += 1 + rnd.Int64N(1_000_000)
			h.frozen.Push(&store.Sample{
				TS: ts, Raw: rnd.NormFloat64(), IngestTS: rnd.Int64N(1 << 40), Calibration: uint16(rnd.IntN(4)),
				Quality: store.Quality(rnd.IntN(3)), Flags: store.Flags(rnd.IntN(8)),
			}, &s.pool)
			if rnd.IntN(5) == 0 {
				h.payloads[ts] = fmt.Sprintf(`{"n":%d}`, ts/10)
			}
			if rnd.IntN(7) == 0 {
				h.unregistered[ts] = true
			}
		}
		heads = append(heads, h)
	}
	number := int64(0)
	p, err := newPlan(heads, 3, testNames, func() int64 { number++; return number })
	if err != nil {
		t.Fatal(err)
	}
	p.through, p.begun, p.principal, p.numbered = 77, time.UnixMilli(1_756_684_800_123), "ann@admin ", true
	got, err := decodePlan(p.encode(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got.through != p.through || !got.begun.Equal(p.begun) || got.principal != p.principal || !got.numbered || len(got.lanes) != len(p.lanes) {
		t.Fatalf("%+v, want %+v", got, p)
	}
	total := 0
	for l, lane := range p.lanes {
		if len(lane) != len(got.lanes[l]) {
			t.Fatalf("lane %d has %d commands, want %d", l, len(got.lanes[l]), len(lane))
		}
		for i, c := range lane {
			g := got.lanes[l][i]
			var a, b documents
			a.fill(c)
			b.fill(g)
			if g.number != c.number || g.lane != c.lane || g.docs != c.docs || string(a.section()) != string(b.section()) || len(a.ends) != c.docs {
				t.Fatalf("command %d of lane %d differs", i, l)
			}
			if c.docs > commandDocs {
				t.Errorf("a command has %d documents", c.docs)
			}
			total += c.docs
		}
	}
	want := 0
	for _, h := range heads {
		want += h.frozen.N
	}
	if total != want {
		t.Errorf("%d documents, want %d", total, want)
	}
}

// FuzzDecodePlan: no body of an intent brings the process down, and what is read
// is written the same.
func FuzzDecodePlan(f *testing.F) {
	h := &head{series: store.Series{UID: 1, Port: 2}}
	s := &SeriesStore{}
	s.pool.Shared = func() bool { return false }
	for i := range 3 {
		h.frozen.Push(&store.Sample{TS: int64(i) * 1000, Raw: math.Pi, IngestTS: 5, Calibration: 1, Flags: store.FlagServerTS}, &s.pool)
	}
	h.payloads, h.unregistered = map[int64]string{1000: "{}"}, map[int64]bool{2000: true}
	p, err := newPlan([]*head{h}, 2, testNames, func() int64 { return 9 })
	if err != nil {
		f.Fatal(err)
	}
	p.begun = time.UnixMilli(0)
	whole := p.encode(nil)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{intentVersion})
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := decodePlan(body)
		if err != nil {
			return
		}
		again, err := decodePlan(p.encode(nil))
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range p.commands() {
			var a, b documents
			a.fill(c)
			b.fill(again.commands()[i])
			if string(a.section()) != string(b.section()) {
				t.Fatal("another document")
			}
		}
	})
}
