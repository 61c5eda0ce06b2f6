package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	mongodriver "go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo"
	"tidegate/store/mongo/mongotest"
	"tidegate/store/transfer"
)

const head = 500 // position of the log that everything was applied up to

func testLog() store.LogID { return store.LogID{4, 2} }

func newRand(t testing.TB) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 5))
}

// fill makes readings of some devices over three months: late ones,
// duplicates, several calibrations, from before 1970, and a day with one alone.
func fill(t testing.TB, dir string, rnd *rand.Rand) {
	t.Helper()
	s := openEmbedded(t, dir)
	if err := s.Bind(store.Bounds{Log: testLog(), Head: head}); err != nil {
		t.Fatal(err)
	}
	start := time.Date(2025, 5, 30, 22, 0, 0, 0, time.UTC).UnixMilli()
	b := store.Batch{}
	add := func(seq uint64, sr store.Series, ts int64, v float64) {
		b.Items = append(b.Items, store.Item{Series: sr, Seq: seq, Hour: ts/3_600_000 + int64(rnd.IntN(2)), Sample: store.Sample{
			TS: ts, Raw: v, IngestTS: ts + rnd.Int64N(90_000), Calibration: uint16(1 + rnd.IntN(3)), Quality: store.Quality(rnd.IntN(3)), Flags: store.Flags(rnd.IntN(8)) &^ store.FlagServerTS,
		}})
	}
	for i := range 12_000 {
		seq := 1 + uint64(i)*(head-10)/12_000
		ts := start + int64(i)*500_000
		if rnd.IntN(4) == 0 {
			ts -= rnd.Int64N(40 * 86_400_000)
		}
		sr := store.Series{UID: uint32(1 + rnd.IntN(4)), Port: uint16(rnd.IntN(3))}
		add(seq, sr, ts, float64(rnd.IntN(4000))/16)
		if rnd.IntN(10) == 0 {
			b.Items = append(b.Items, b.Items[len(b.Items)-1])
		}
	}
	add(head, store.Series{UID: 9, Port: 65535}, -5, math.Copysign(0, -1))
	add(head, store.Series{UID: 9, Port: 65535}, 1_000, math.MaxFloat64)
	b.Through = head
	if err := s.Append(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Flush(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func openEmbedded(t testing.TB, dir string) *embedded.SeriesStore {
	t.Helper()
	s, err := embedded.OpenSeries(dir, embedded.SeriesOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func names(uid uint32) (org, device string, ok bool) {
	return fmt.Sprintf("org-%d", uid%2), fmt.Sprintf("d%d", uid), uid < 1000
}

func number(org, device string) (uid uint32, ok bool) {
	if _, err := fmt.Sscanf(device, "d%d", &uid); err != nil {
		return 0, false
	}
	o, _, ok := names(uid)
	return uid, ok && o == org
}

// openMongo opens a database with a journal in dir, until the test ends.
func openMongo(t testing.TB, uri, dir string) *mongo.SeriesStore {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	db, err := mongo.Open(mongo.Options{URI: uri, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	j, err := embedded.OpenJournal(filepath.Join(dir, "writer.db"), embedded.JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := mongo.OpenSeries(db, j, mongo.SeriesOptions{Names: names, Number: number, Holder: "test", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(s.Close(), j.Close(), db.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	return s
}

func job(from transfer.Source, to transfer.Target) *transfer.Job {
	return &transfer.Job{
		From: from, To: to, Batch: 900, Patience: time.Minute,
		Calibrations: func(store.Series) []store.Calibration {
			return []store.Calibration{{Number: 1, Scaling: 2}, {Number: 2, Scaling: -0.5, Offset: 3}}
		},
		Name: func(sr store.Series) string { return fmt.Sprintf("device d%d, port %d", sr.UID, sr.Port) },
	}
}

// moved copies in pieces: it is stopped at random moments, and goes on from
// where it was noted to be.
func moved(t testing.TB, j *transfer.Job, rnd *rand.Rand) {
	t.Helper()
	all, err := j.List(t.Context(), j.From)
	if err != nil {
		t.Fatal(err)
	}
	var place transfer.Place
	for stops := 0; ; stops++ {
		ctx, cancel := context.WithCancel(t.Context())
		left := rnd.IntN(12)
		if stops == 5 {
			left = math.MaxInt
		}
		j.Tell = func(uint64, error) {
			if left--; left < 0 {
				cancel()
			}
		}
		err := j.Copy(ctx, all, place, func(p transfer.Place) error { place = p; return nil })
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if rnd.IntN(2) == 0 && place.TS > 0 {
			place.TS -= 86_400_000 // a note that was not written
		}
	}
	j.Tell = nil
	if err := j.CopyCounters(t.Context(), testLog(), head); err != nil {
		t.Fatal(err)
	}
}

func proven(t testing.TB, j *transfer.Job) transfer.Report {
	t.Helper()
	r, err := j.Verify(t.Context())
	if err == nil {
		err = errors.Join(r.Err(), j.VerifyCounters(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rows answers everything that a store has.
func rows(t testing.TB, s transfer.Source) map[store.Series][]store.Sample {
	t.Helper()
	all, err := s.ListSeries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[store.Series][]store.Sample{}
	for _, e := range all {
		got, err := s.Scan(t.Context(), store.Scan{Series: []store.Series{e.Series}, From: math.MinInt64, To: math.MaxInt64, Limit: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got {
			out[e.Series] = append(out[e.Series], r.Sample)
		}
	}
	return out
}

// TestThereAndBack moves readings into a database and back into a folder: they
// are the same to the bit, and so is the ledger, and a log goes on from there.
func TestThereAndBack(t *testing.T) {
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			rnd, origin, back := newRand(t), t.TempDir(), t.TempDir()
			fill(t, origin, rnd)
			from := openEmbedded(t, origin)
			there := openMongo(t, mongotest.Shared(t, kind).URI(t, mongotest.Database(t)), t.TempDir())
			j := job(from, there)
			moved(t, j, rnd)
			r := proven(t, j)
			if r.Series != 13 || r.Readings < 11_000 || r.Days < 600 {
				t.Errorf("compared were %+v", r)
			}
			to := openEmbedded(t, back)
			j = job(there, to)
			moved(t, j, rnd)
			if again := proven(t, j); again.Days != r.Days || again.Readings != r.Readings {
				t.Errorf("compared were %+v, before %+v", again, r)
			}
			if a, b := rows(t, from), rows(t, to); !maps.EqualFunc(a, b, slices.Equal) || len(b) != 13 {
				t.Error("there and back is not the same")
			}
			if v := rows(t, to)[store.Series{UID: 9, Port: 65535}][0].Raw; v != 0 || !math.Signbit(v) {
				t.Errorf("minus nought became %v", v)
			}
			if err := to.Bind(store.Bounds{Log: testLog(), After: head, Head: head}); err != nil || to.Applied() != head {
				t.Errorf("applied %d: %v", to.Applied(), err)
			}
			if err := errors.Join(from.Close(), to.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestVerifyFinds plants what a careless hand does in a database.
func TestVerifyFinds(t *testing.T) {
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	name := mongotest.Database(t)
	rnd, origin := newRand(t), t.TempDir()
	fill(t, origin, rnd)
	from := openEmbedded(t, origin)
	defer from.Close()
	j := job(from, openMongo(t, server.URI(t, name), t.TempDir()))
	moved(t, j, rnd)
	proven(t, j)
	sr := store.Series{UID: 2, Port: 1}
	mine := rows(t, from)[sr]
	victim := mine[rnd.IntN(len(mine))]
	day := time.UnixMilli(victim.TS).UTC().Format(time.DateOnly)
	for _, tt := range []struct {
		name  string
		plant func(docs []bson.M, at int) []bson.M
		says  []string
	}{
		{"nothing", func(d []bson.M, _ int) []bson.M { return d }, nil},
		{"deleted", func(d []bson.M, at int) []bson.M { return slices.Delete(d, at, at+1) }, []string{"device d2, port 1 on " + day, "in the source", "in the target"}},
		{"doubled", func(d []bson.M, at int) []bson.M { return append(d, d[at]) }, []string{"device d2, port 1 on " + day}},
		{"value", func(d []bson.M, at int) []bson.M { d[at]["rawValue"] = victim.Raw + 1e-9; return d }, []string{"device d2, port 1 on " + day, "on both sides, and they are not the same"}},
		{"quality", func(d []bson.M, at int) []bson.M {
			d[at]["quality"] = map[string]string{"good": "bad"}[d[at]["quality"].(string)]
			if d[at]["quality"] == "" {
				d[at]["quality"] = "good"
			}
			return d
		}, []string{"device d2, port 1 on " + day}},
		{"ingestTs", func(d []bson.M, at int) []bson.M { d[at]["ingestTs"] = bson.DateTime(victim.IngestTS + 1); return d }, []string{"device d2, port 1 on " + day}},
		{"calibration", func(d []bson.M, at int) []bson.M { d[at]["cal"] = int32(9); return d }, []string{"device d2, port 1 on " + day}},
		{"flags", func(d []bson.M, at int) []bson.M { d[at]["flags"] = int32(victim.Flags ^ 1); return d }, []string{"device d2, port 1 on " + day}},
		{"all of a port", func([]bson.M, int) []bson.M { return nil }, []string{"device d2, port 1 on ", " 0 in the target", "more"}},
		{"another port", func(d []bson.M, _ int) []bson.M {
			return append(d, bson.M{"ts": bson.DateTime(5000), "rawValue": 1.0, "quality": "good", "metadata": bson.M{"orgId": "org-0", "deviceId": "d2", "portNumber": int32(77)}})
		}, []string{"device d2, port 77 on 1970-01-01: 0 readings in the source, 1 in the target"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server.Admin(t, func(c *mongodriver.Client) error { return replant(t.Context(), c, name, victim.TS, tt.plant) })
			r, err := j.Verify(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			err = r.Err()
			if tt.says == nil {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, store.ErrConflict) {
				t.Fatalf("not found: %v", err)
			}
			for _, s := range tt.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%v does not say %q", err, s)
				}
			}
		})
	}
}

// replant writes the documents of a port anew, changed by plant; it puts back
// what the one before has left.
func replant(ctx context.Context, c *mongodriver.Client, database string, ts int64, plant func([]bson.M, int) []bson.M) error {
	values := c.Database(database).Collection("values")
	kept := c.Database(database).Collection("kept")
	port := bson.D{{Key: "metadata.deviceId", Value: "d2"}, {Key: "metadata.portNumber", Value: int32(1)}}
	var docs []bson.M
	read := func(from *mongodriver.Collection) error {
		cur, err := from.Find(ctx, port)
		if err != nil {
			return err
		}
		return cur.All(ctx, &docs)
	}
	if err := read(kept); err != nil {
		return err
	}
	if len(docs) == 0 {
		if err := read(values); err != nil {
			return err
		}
		if _, err := kept.InsertMany(ctx, docs); err != nil {
			return err
		}
	}
	at := slices.IndexFunc(docs, func(d bson.M) bool { return d["ts"] == bson.DateTime(ts) })
	docs = plant(docs, at)
	if _, err := values.DeleteMany(ctx, port); err != nil {
		return err
	}
	if _, err := values.DeleteMany(ctx, bson.D{{Key: "metadata.portNumber", Value: int32(77)}}); err != nil {
		return err
	}
	if len(docs) == 0 {
		return nil
	}
	_, err := values.InsertMany(ctx, docs)
	return err
}

// TestServerGoesAway kills the server in mid-copy and in mid-verification: both
// wait for it.
func TestServerGoesAway(t *testing.T) {
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			rnd, origin := newRand(t), t.TempDir()
			fill(t, origin, rnd)
			from := openEmbedded(t, origin)
			defer from.Close()
			server := mongotest.Start(t, mongotest.Options{Kind: kind})
			proxy := mongotest.NewProxy(t, server.Addr())
			j := job(from, openMongo(t, proxy.URI(server.URI(t, "away")), t.TempDir()))
			all, err := j.List(t.Context(), from)
			if err != nil {
				t.Fatal(err)
			}
			kill := func(command string) {
				proxy.OnReply(func(c string) bool { return c == command }, 1, server.Kill)
			}
			waited := 0
			j.Tell = func(_ uint64, waiting error) {
				if waiting != nil && server.PID() == 0 {
					waited++
					server.Launch()
				}
			}
			kill("insert")
			if err := j.Copy(t.Context(), all, transfer.Place{}, func(transfer.Place) error { return nil }); err != nil {
				t.Fatal(err)
			}
			if err := j.CopyCounters(t.Context(), testLog(), head); err != nil {
				t.Fatal(err)
			}
			kill("find")
			proven(t, j)
			if waited != 2 {
				t.Errorf("the server was killed twice, and waited for %d times", waited)
			}
			j.Patience = 0
			server.Kill()
			if _, err := j.Verify(t.Context()); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("a server that is gone: %v", err)
			}
			server.Launch()
			server.Writable()
		})
	}
}

// TestAfter leaves out what expires: it is neither copied nor compared.
func TestAfter(t *testing.T) {
	rnd, origin, target := newRand(t), t.TempDir(), t.TempDir()
	fill(t, origin, rnd)
	from, to := openEmbedded(t, origin), openEmbedded(t, target)
	defer from.Close()
	defer to.Close()
	j := job(from, to)
	edge := time.Date(2025, 7, 1, 12, 0, 0, 0, time.UTC)
	j.After = edge.UnixMilli()
	moved(t, j, rnd)
	proven(t, j)
	was, is := rows(t, from), rows(t, to)
	if len(is) != 12 {
		t.Errorf("%d series", len(is))
	}
	for sr, all := range was {
		all = slices.DeleteFunc(all, func(s store.Sample) bool { return s.TS < j.After })
		if !slices.Equal(is[sr], all) {
			t.Errorf("%v: %d readings, want %d", sr, len(is[sr]), len(all))
		}
	}
	j.After = edge.AddDate(0, 0, 1).UnixMilli() // a day later the edge has moved on
	proven(t, j)
	j.After = edge.AddDate(0, 0, -1).UnixMilli()
	if r, err := j.Verify(t.Context()); err != nil || r.Err() == nil {
		t.Errorf("what was not copied was not missed: %+v, %v", r, err)
	}
}
