package mongo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

// attack is an import into a server that is cut off and killed all the time.
type attack struct {
	t      *testing.T
	rnd    *rand.Rand
	server *mongotest.Server
	proxy  *mongotest.Proxy
	uri    string
	dir    string
	box    *seriesBox
	want   map[store.Series]map[int64]store.Sample
}

// TestImportUnderAttack: replies are swallowed, connections cut, the server is
// killed, and the process ends without a word; what is repeated until it
// answers no error is there exactly once.
func TestImportUnderAttack(t *testing.T) {
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			a := &attack{
				t: t, rnd: rand.New(rand.NewPCG(seed, 3)), dir: t.TempDir(), want: map[store.Series]map[int64]store.Sample{},
				server: mongotest.Start(t, mongotest.Options{Kind: kind}),
			}
			a.proxy = mongotest.NewProxy(t, a.server.Addr())
			a.uri = a.proxy.URI(a.server.URI(t, "attacked"))
			a.box = openBox(t, a.uri, a.dir, SeriesOptions{})
			for i := range 18 {
				a.hurt(i)
				a.piece()
			}
			if n := a.proxy.Swallowed(); n < 5 {
				t.Errorf("%d messages were swallowed: nothing was attacked", n)
			}
			a.proxy.Calm()
			a.check()
			if err := a.box.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// hurt does something to the next import.
func (a *attack) hurt(round int) {
	insert := func(c string) bool { return c == "insert" }
	any := func(c string) bool {
		return c == "insert" || c == "find" || c == "update" || c == "findAndModify" || c == "aggregate"
	}
	switch {
	case round == 6 || round == 14: // in mid-insert
		a.proxy.OnReply(insert, 1, func() { a.server.Kill(); a.server.Launch() })
		return
	case round == 10:
		a.server.Kill()
		a.server.Launch()
		return
	}
	switch a.rnd.IntN(6) {
	case 0, 1:
		a.proxy.SwallowReplies(insert, 1+a.rnd.IntN(4))
	case 2:
		a.proxy.SwallowRequests(any, 1+a.rnd.IntN(3))
	case 3:
		a.proxy.SwallowReplies(any, 1+a.rnd.IntN(3))
	case 4:
		a.proxy.OnReply(insert, 1, a.proxy.Cut)
	case 5: // the process ends, its connections with it, and another one begins
		sr := store.Series{UID: 1, Port: 1}
		samples := a.samples(sr)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		a.proxy.OnReply(insert, 1, cancel) // it never hears of it
		_, _ = a.box.ImportSamples(ctx, sr, attackCalibrations(), samples)
		cancel()
		if err := a.box.journal.Close(); err != nil {
			a.t.Fatal(err)
		}
		old := a.box.db
		a.t.Cleanup(func() { _ = old.Close(context.Background()) })
		a.box = openBox(a.t, a.uri, a.dir, SeriesOptions{})
		a.repeat(sr, samples)
	}
}

// samples makes some, a part of them at times that were there before, and takes
// them for what the database has to have.
func (a *attack) samples(sr store.Series) []store.Sample {
	had := a.want[sr]
	if had == nil {
		had = map[int64]store.Sample{}
		a.want[sr] = had
	}
	start := at(2025, 6, 30) + a.rnd.Int64N(3*86_400_000)
	var out []store.Sample
	for range 1 + a.rnd.IntN(7000) {
		start += a.rnd.Int64N(20_000)
		s := store.Sample{TS: start, Raw: float64(a.rnd.IntN(900)) / 8, IngestTS: start + 9, Calibration: uint16(1 + a.rnd.IntN(2)), Quality: store.Quality(a.rnd.IntN(3)), Flags: store.Flags(a.rnd.IntN(8))}
		if old, taken := had[start]; taken {
			s.Raw = old.Raw + 1 // which does not matter
		} else if len(out) == 0 || out[len(out)-1].TS != start {
			had[start] = s
		}
		out = append(out, s)
	}
	return out
}

func at(year int, month time.Month, day int) int64 {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC).UnixMilli()
}

func (a *attack) piece() {
	a.t.Helper()
	sr := store.Series{UID: uint32(1 + a.rnd.IntN(2)), Port: uint16(a.rnd.IntN(2))}
	a.repeat(sr, a.samples(sr))
}

// repeat imports until that answers no error.
func (a *attack) repeat(sr store.Series, samples []store.Sample) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		_, err := a.box.ImportSamples(ctx, sr, attackCalibrations(), samples)
		if err == nil {
			return
		}
		if !errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil {
			a.t.Fatal(err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func attackCalibrations() []store.Calibration {
	return []store.Calibration{{Number: 1, Scaling: 2, Offset: 1}, {Number: 2, Scaling: -0.5}}
}

// check compares every document with what it should be.
func (a *attack) check() {
	a.t.Helper()
	found := map[store.Series]map[int64]store.Sample{}
	a.server.Admin(a.t, func(c *mongo.Client) error {
		cur, err := c.Database("attacked").Collection(valuesCollection).Find(context.Background(), bson.D{})
		if err != nil {
			return err
		}
		var d document
		for cur.Next(context.Background()) {
			if err := d.read(cur.Current); err != nil {
				return err
			}
			org, _ := cur.Current.Lookup("metadata", "orgId").StringValueOK()
			device, _ := cur.Current.Lookup("metadata", "deviceId").StringValueOK()
			port, _ := cur.Current.Lookup("metadata", "portNumber").AsInt64OK()
			uid, _ := testNumber(org, device)
			sr := store.Series{UID: uid, Port: uint16(port)}
			if found[sr] == nil {
				found[sr] = map[int64]store.Sample{}
			}
			if _, twice := found[sr][d.sample.TS]; twice {
				a.t.Fatalf("%v has %s twice", sr, store.Time(d.sample.TS))
			}
			found[sr][d.sample.TS] = d.sample
			want := (&store.Port{Calibrations: attackCalibrations()}).CalibrationNumber(d.sample.Calibration)
			if v, _ := cur.Current.Lookup("calibratedValue").DoubleOK(); v != want.Apply(d.sample.Raw) {
				a.t.Fatalf("%v at %s: calibrated %v, want %v", sr, store.Time(d.sample.TS), v, want.Apply(d.sample.Raw))
			}
		}
		return cur.Err()
	})
	for sr, want := range a.want {
		if len(found[sr]) != len(want) {
			a.t.Errorf("%v: %d readings, want %d", sr, len(found[sr]), len(want))
		}
		for ts, s := range want {
			if found[sr][ts] != s {
				a.t.Fatalf("%v at %s: %+v, want %+v", sr, store.Time(ts), found[sr][ts], s)
			}
		}
	}
}

// TestImportInFlight cuts the connection while the server has not read yet what
// was sent, and may still do it later.
func TestImportInFlight(t *testing.T) {
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			a := &attack{
				t: t, rnd: rand.New(rand.NewPCG(1, 3)), dir: t.TempDir(), want: map[store.Series]map[int64]store.Sample{},
				server: mongotest.Start(t, mongotest.Options{Kind: kind}),
			}
			a.proxy = mongotest.NewProxy(t, a.server.Addr())
			a.uri = a.proxy.URI(a.server.URI(t, "attacked"))
			a.box = openBox(t, a.uri, a.dir, SeriesOptions{})
			for range 4 {
				a.piece() // all connections are there
				before := a.proxy.Commands("insert")
				a.proxy.OnReply(func(c string) bool { return c == "find" }, 1, a.server.Pause)
				done := make(chan struct{})
				go func() {
					defer close(done)
					a.piece()
				}()
				for deadline := time.Now().Add(10 * time.Second); a.proxy.Commands("insert") == before && time.Now().Before(deadline); {
					runtime.Gosched()
				}
				a.proxy.Cut()
				a.server.Resume()
				<-done
			}
			a.check()
			if err := a.box.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestImportTakenOver: of two imports into one database the first ends when the
// second begins, where the server can tell them apart.
func TestImportTakenOver(t *testing.T) {
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	uri := server.URI(t, mongotest.Database(t))
	first, second := openBox(t, uri, t.TempDir(), SeriesOptions{}), openBox(t, uri, t.TempDir(), SeriesOptions{})
	defer first.Close()
	defer second.Close()
	sr := store.Series{UID: 1, Port: 1}
	sample := func(ts int64) []store.Sample { return []store.Sample{{TS: ts, IngestTS: ts, Calibration: 1}} }
	for i, box := range []*seriesBox{first, second} {
		if n, err := box.ImportSamples(t.Context(), sr, nil, sample(int64(i+1)*1000)); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := first.ImportSamples(t.Context(), sr, nil, sample(9000)); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "taken over") {
		t.Errorf("the first goes on: %v", err)
	}
	if n, err := second.ImportSamples(t.Context(), sr, nil, sample(9000)); n != 1 || err != nil {
		t.Error(n, err)
	}
}

// TestImportForeign: readings of nobody are told, not left out; a device that
// the catalogue does not know is not written.
func TestImportForeign(t *testing.T) {
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	name := mongotest.Database(t)
	box := openBox(t, server.URI(t, name), t.TempDir(), SeriesOptions{})
	defer box.Close()
	samples := []store.Sample{{TS: 5000, IngestTS: 5000, Calibration: 1}, {TS: 6000, IngestTS: 5000, Calibration: 1}}
	if _, err := box.ImportSamples(t.Context(), store.Series{UID: 2_000_000, Port: 1}, nil, samples); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "2000000") {
		t.Errorf("a device without a name: %v", err)
	}
	if _, err := box.ImportSamples(t.Context(), store.Series{UID: 1, Port: 1}, nil, []store.Sample{samples[1], samples[0]}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("out of order: %v", err)
	}
	if n, err := box.ImportSamples(t.Context(), store.Series{UID: 1, Port: 1}, nil, slices.Concat(samples, samples[1:])); n != 2 || err != nil {
		t.Errorf("one of them twice: %d, %v", n, err)
	}
	server.Admin(t, func(c *mongo.Client) error {
		_, err := c.Database(name).Collection(valuesCollection).InsertOne(t.Context(), bson.D{
			{Key: "ts", Value: bson.DateTime(7000)},
			{Key: "rawValue", Value: 1.0},
			{Key: "metadata", Value: bson.D{{Key: "orgId", Value: "else"}, {Key: "deviceId", Value: "device.1"}, {Key: "portNumber", Value: int32(1)}}},
		})
		return err
	})
	if _, err := box.ListSeries(t.Context()); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), `1 readings of device "device.1" in organization "else", port 1`) {
		t.Errorf("readings of nobody: %v", err)
	}
}
