package mongo

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
	"tidegate/store/embedded"
)

// shelf is what a writer holds in memory, as queries see it.
type shelf struct {
	mu     sync.Mutex
	held   map[store.Series][]store.Sample // ascending
	newest map[store.Series]store.Sample   // known to be
	asked  func()                          // called after each look into memory
}

func newShelf() *shelf {
	return &shelf{held: map[store.Series][]store.Sample{}, newest: map[store.Series]store.Sample{}}
}

func (s *shelf) memory(sr store.Series, from, to int64) []store.Sample {
	s.mu.Lock()
	var out []store.Sample
	for _, x := range s.held[sr] {
		if x.TS >= from && x.TS < to {
			out = append(out, x)
		}
	}
	s.mu.Unlock()
	if s.asked != nil {
		s.asked()
	}
	return out
}

func (s *shelf) memoryNewest(sr store.Series) (store.Sample, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.newest[sr]
	return x, ok
}

func testNames(uid uint32) (org, device string, ok bool) {
	return fmt.Sprintf("org-%d", uid%3), fmt.Sprintf("device.%d", uid), uid < 1_000_000
}

// testQueries answers queries over the database that uri names.
func testQueries(t testing.TB, uri string) (*queries, *shelf) {
	t.Helper()
	db, err := Open(Options{URI: uri, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = db.Close(ctx) // the server may have gone before
	})
	if err := db.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	s := newShelf()
	q, err := newQueries(db, testNames, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return q, s
}

// placed is a sample of a series.
type placed struct {
	series store.Series
	sample store.Sample
}

func testDocument(p placed) bson.D {
	org, device, _ := testNames(p.series.UID)
	d := bson.D{
		{Key: "ts", Value: bson.DateTime(p.sample.TS)},
		{Key: "metadata", Value: bson.D{{Key: "orgId", Value: org}, {Key: "deviceId", Value: device}, {Key: "portNumber", Value: int32(p.series.Port)}}},
		{Key: "rawValue", Value: p.sample.Raw},
		{Key: "calibratedValue", Value: p.sample.Raw},
		{Key: "quality", Value: p.sample.Quality.String()},
		{Key: "ingestTs", Value: bson.DateTime(p.sample.IngestTS)},
		{Key: "cal", Value: int32(p.sample.Calibration)},
	}
	if p.sample.Flags != 0 {
		d = append(d, bson.E{Key: "flags", Value: int32(p.sample.Flags)})
	}
	return d
}

func insert(t testing.TB, q *queries, all []placed) {
	t.Helper()
	for part := range slices.Chunk(all, 5000) {
		docs := make([]any, len(part))
		for i := range part {
			docs[i] = testDocument(part[i])
		}
		if _, err := q.values().InsertMany(context.Background(), docs, options.InsertMany().SetOrdered(false)); err != nil {
			t.Fatal(err)
		}
	}
}

// judge is the embedded store with the same samples: its answers are right.
func judge(t testing.TB, all []placed) *embedded.SeriesStore {
	t.Helper()
	s, err := embedded.OpenSeries(t.TempDir(), embedded.SeriesOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Bind(store.Bounds{Log: store.LogID{1}, Head: math.MaxInt64}); err != nil {
		t.Fatal(err)
	}
	b := store.Batch{Through: 1}
	for _, p := range all {
		b.Items = append(b.Items, store.Item{Series: p.series, Sample: p.sample, Seq: 1})
	}
	if err := s.Append(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return s
}

// era says what a world is like.
type era struct {
	replicaSet      bool  // else a standalone server
	series, samples int   // samples of a series, at most
	start, step     int64 // ms: of the first sample, and between two, about
	windows         bool  // read by windows, however few the series
	// unflushed says that what is older than this waits in memory alone.
	unflushed int64
	// beside are years in which a series has a document that nobody asks for:
	// it changes how the server reckons with all the others.
	beside []int
	// among are years in which the series have samples too.
	among []int
}

// world is random samples of a few series, in the database, in memory, or both,
// as they are in the middle of a flush.
type world struct {
	t      *testing.T
	rnd    *rand.Rand
	q      *queries
	right  store.Readings
	series []store.Series
	times  []int64
	step   int64
}

func yearMS(y int) int64 { return time.Date(y, 6, 1, 12, 0, 0, 0, time.UTC).UnixMilli() }

func newWorld(t *testing.T, uri string, e era) *world {
	seed := rand.Uint64()
	if s := os.Getenv("SEED"); s != "" {
		if _, err := fmt.Sscan(s, &seed); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SEED=%d", seed)
	w := &world{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), step: e.step}
	var shelf *shelf
	w.q, shelf = testQueries(t, uri)
	if e.windows {
		w.q.few = 0
	}
	var all, inDatabase []placed
	for i, y := range e.beside {
		inDatabase = append(inDatabase, placed{store.Series{UID: uint32(900 + i)}, store.Sample{TS: yearMS(y)}})
	}
	for i := range e.series {
		sr := store.Series{UID: uint32(i/3 + 1), Port: uint16(i%3) * 300}
		w.series = append(w.series, sr)
		samples := w.samples(e)
		for k, s := range samples {
			p := placed{sr, s}
			all = append(all, p)
			w.times = append(w.times, s.TS)
			where := w.rnd.IntN(20)
			if k > len(samples)*9/10 {
				where += 10
			}
			if e.unflushed != 0 && s.TS < e.unflushed {
				where = 20
			}
			if where < 18 {
				inDatabase = append(inDatabase, p)
			}
			if where >= 16 {
				shelf.held[sr] = append(shelf.held[sr], s)
			}
		}
		if w.rnd.IntN(2) == 0 {
			shelf.newest[sr] = samples[len(samples)-1]
		}
	}
	// Late ones come last, into buckets that overlap others.
	w.rnd.Shuffle(len(inDatabase)/3, func(i, j int) { inDatabase[i], inDatabase[j] = inDatabase[j], inDatabase[i] })
	insert(t, w.q, inDatabase)
	w.right = judge(t, all)
	if w.rnd.IntN(2) == 0 { // else all is in the past
		now := time.UnixMilli(w.moment())
		w.q.now = func() time.Time { return now }
	}
	return w
}

// samples answers those of one series, ascending.
func (w *world) samples(e era) []store.Sample {
	seen := map[int64]bool{}
	ts := e.start + w.rnd.Int64N(100*e.step)
	for range e.samples/2 + w.rnd.IntN(e.samples/2+1) {
		if ts += 1 + w.rnd.Int64N(2*e.step); w.rnd.IntN(200) == 0 {
			ts += 1000 * e.step
		}
		seen[ts] = true
	}
	for _, y := range e.among {
		for range w.rnd.IntN(5) {
			seen[yearMS(y)+w.rnd.Int64N(10*e.step)] = true
		}
	}
	var out []store.Sample
	for _, ts := range slices.Sorted(maps.Keys(seen)) {
		out = append(out, store.Sample{
			TS: ts, Raw: float64(200+w.rnd.IntN(60)) / 10, IngestTS: ts + w.rnd.Int64N(1000),
			Calibration: uint16(1 + w.rnd.IntN(2)), Quality: store.Quality(w.rnd.IntN(3)), Flags: store.Flags(w.rnd.IntN(8)),
		})
	}
	return out
}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

func (w *world) moment() int64 { return pick(w.rnd, w.times) + w.rnd.Int64N(3) - 1 }

func (w *world) span() (from, to int64) {
	switch w.rnd.IntN(6) {
	case 0:
		return math.MinInt64, math.MaxInt64
	case 1:
		return math.MinInt64, w.moment()
	case 2:
		return w.moment(), math.MaxInt64
	case 3: // around the edges of what the server reckons with
		from, to = pick(w.rnd, edges), pick(w.rnd, edges)
	default:
		from, to = w.moment(), w.moment()
	}
	return min(from, to), max(from, to) + w.rnd.Int64N(2)
}

var edges = []int64{earliest, yearMS(1900), -bucketExcess, -1, 0, 1, oldBuckets, 1 << 31 * 1000, bucketIDEnd, latest}

func (w *world) someSeries() []store.Series {
	all := append(slices.Clone(w.series), store.Series{UID: 99}, store.Series{UID: 2_000_000})
	if w.rnd.IntN(4) == 0 {
		all = append(all, w.series[0]) // twice
	}
	w.rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+w.rnd.IntN(len(all))]
}

func (w *world) compare(rounds int) {
	w.t.Helper()
	for range rounds {
		w.compareScan()
		w.compareAggregate()
		w.compareLatest()
	}
}

func (w *world) compareScan() {
	w.t.Helper()
	s := store.Scan{Series: w.someSeries(), Desc: w.rnd.IntN(2) == 0, Limit: pick(w.rnd, []int{1, 2, 10, 100, 1500, 1 << 30})}
	s.From, s.To = w.span()
	if w.rnd.IntN(3) == 0 {
		s.After = &store.RowKey{TS: w.moment(), Series: w.rnd.IntN(len(s.Series))}
	}
	want, err := w.right.Scan(context.Background(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := w.q.Scan(context.Background(), s)
	if err != nil || !slices.Equal(got, want) {
		w.t.Fatalf("scan %+v (after %+v): %d rows, want %d: %v\n%v\n%v", s, s.After, len(got), len(want), err, got[:min(5, len(got))], want[:min(5, len(want))])
	}
}

func (w *world) compareAggregate() {
	w.t.Helper()
	a := store.Aggregation{Limit: pick(w.rnd, []int{1, 2, 10, 100, 1500, 1 << 30}), Every: 1 + w.rnd.Int64N(100*w.step)}
	if w.rnd.IntN(3) == 0 {
		a.Every *= 1000
	}
	a.From, a.To = w.span()
	for _, sr := range w.someSeries() {
		c := store.SeriesCalibrations{Series: sr, Ingested: w.rnd.IntN(3) == 0}
		for n := range w.rnd.IntN(4) {
			cal := store.Calibration{Number: uint16(n + 1), Scaling: pick(w.rnd, []float64{1, 2, -1, 0.0037}), Offset: pick(w.rnd, []float64{0, 0, 0.13, -40})}
			if n > 0 {
				cal.EffectiveFrom = time.UnixMilli(w.moment())
			}
			c.Calibrations = append(c.Calibrations, cal)
		}
		a.Series = append(a.Series, c)
	}
	if w.rnd.IntN(3) == 0 {
		a.After = &store.RowKey{TS: floorDiv(w.moment(), a.Every) * a.Every, Series: w.rnd.IntN(len(a.Series))}
	}
	want, err := w.right.Aggregate(context.Background(), a)
	if err != nil {
		w.t.Fatal(err)
	}
	got, err := w.q.Aggregate(context.Background(), a)
	if err != nil || !slices.EqualFunc(got, want, nearBucket) {
		w.t.Fatalf("aggregate %+v (after %+v): %d buckets, want %d: %v\n%v\n%v", a, a.After, len(got), len(want), err, got[:min(3, len(got))], want[:min(3, len(want))])
	}
}

func nearBucket(a, b store.Bucket) bool {
	sum := a.Sum == b.Sum || math.Abs(a.Sum-b.Sum) <= 1e-12*max(math.Abs(a.Sum), math.Abs(b.Sum))
	a.Sum, b.Sum = 0, 0
	return sum && a == b
}

func (w *world) compareLatest() {
	w.t.Helper()
	series := w.someSeries()
	want, wantFound, err := w.right.Latest(context.Background(), series)
	if err != nil {
		w.t.Fatal(err)
	}
	got, found, err := w.q.Latest(context.Background(), series)
	if err != nil || !slices.Equal(got, want) || !slices.Equal(found, wantFound) {
		w.t.Fatalf("latest of %v: %v %v, want %v %v: %v", series, got, found, want, wantFound, err)
	}
}
