package mongo

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

// question is one of each kind, about some series.
type question struct {
	name string
	ask  func(ctx context.Context, q *queries, series []store.Series) (rows int, err error)
}

func questions() []question {
	return []question{
		{"scan", func(ctx context.Context, q *queries, series []store.Series) (int, error) {
			rows, err := q.Scan(ctx, store.Scan{Series: series, From: autumn2025, To: autumn2025 + 24*hour, Limit: 1 << 20})
			return len(rows), err
		}},
		{"aggregate", func(ctx context.Context, q *queries, series []store.Series) (int, error) {
			a := store.Aggregation{From: autumn2025, To: autumn2025 + 24*hour, Every: 1, Limit: 1 << 30}
			for _, sr := range series {
				a.Series = append(a.Series, store.SeriesCalibrations{Series: sr})
			}
			buckets, err := q.Aggregate(ctx, a)
			return len(buckets), err
		}},
		{"latest", func(ctx context.Context, q *queries, series []store.Series) (int, error) {
			_, found, err := q.Latest(ctx, series)
			return len(slices.DeleteFunc(found, func(f bool) bool { return !f })), err
		}},
	}
}

// manyRows are so many that a cursor over them has several batches.
const manyRows = 2*queryBatch + 5_000

// fillMany puts manyRows of one series into the database.
func fillMany(t *testing.T, q *queries) []store.Series {
	t.Helper()
	sr := store.Series{UID: 1, Port: 1}
	all := make([]placed, manyRows)
	for i := range all {
		all[i] = placed{sr, store.Sample{TS: autumn2025 + int64(i)*100, Raw: float64(i)}}
	}
	insert(t, q, all)
	return []store.Series{sr}
}

// noOpenCursors waits until the server has no cursor open on q's readings, and
// says so where that takes too long.
func noOpenCursors(t *testing.T, server *mongotest.Server, q *queries) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		ids := openCursors(t, server, q)
		if len(ids) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("cursors are still open: %v", ids)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// openCursors answers the cursors that wait for their next batch.
func openCursors(t *testing.T, server *mongotest.Server, q *queries) (ids []int64) {
	t.Helper()
	server.Admin(t, func(c *mongo.Client) error {
		cur, err := c.Database("admin").Aggregate(t.Context(), bson.A{
			bson.D{{Key: "$currentOp", Value: bson.D{{Key: "allUsers", Value: true}, {Key: "idleCursors", Value: true}}}},
			bson.D{{Key: "$match", Value: bson.D{{Key: "type", Value: "idleCursor"}, {Key: "ns", Value: bson.D{{Key: "$regex", Value: "^" + q.db.db.Name() + "\\."}}}}}},
		})
		if err != nil {
			return err
		}
		for cur.Next(t.Context()) {
			if id, ok := cur.Current.Lookup("cursor", "cursorId").AsInt64OK(); ok {
				ids = append(ids, id)
			}
		}
		return cur.Err()
	})
	return ids
}

func isCommand(names ...string) func(string) bool {
	return func(command string) bool { return slices.Contains(names, command) }
}

// ward is queries that reach their server, and many rows of one series, through
// a proxy.
type ward struct {
	server *mongotest.Server
	proxy  *mongotest.Proxy
	q      *queries
	series []store.Series
}

func newWard(t *testing.T) *ward {
	t.Helper()
	w := &ward{server: mongotest.Shared(t, mongotest.Standalone)}
	w.proxy = mongotest.NewProxy(t, w.server.Addr())
	w.q, _ = testQueries(t, w.proxy.URI(w.server.URI(t, mongotest.Database(t))))
	w.series = fillMany(t, w.q)
	if !w.q.sortsInPassing(t.Context()) {
		t.Fatal("the server does not sort in passing")
	}
	return w
}

// TestQueryFaults: what goes wrong around a question, and what it comes to.
func TestQueryFaults(t *testing.T) {
	w := newWard(t)
	t.Run("cursors are closed", w.cursorsAreClosed)
	t.Run("a cursor is killed", w.cursorIsKilled)
	t.Run("many at once", w.manyAtOnce)
	t.Run("the caller ends it", w.callerEnds) // and an answer on its way, which nobody reads
}

// TestQueriesWhileTheServerIsAway: a server that is away, or falls silent, makes
// every question fail with ErrUnavailable by itself, and the next one works.
func TestQueriesWhileTheServerIsAway(t *testing.T) {
	for _, x := range questions() {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			w := newWard(t)
			proxy, q, series := w.proxy, w.q, w.series
			want, err := x.ask(t.Context(), q, series)
			if err != nil || want == 0 {
				t.Fatalf("%d, %v", want, err)
			}
			for _, f := range []struct {
				name string
				do   func()
			}{
				{"refused", func() { proxy.Refuse(true) }},
				{"silent", func() { proxy.Hang(true) }},
				{"silent after the first batch", func() {
					proxy.OnReply(isCommand("find", "aggregate"), 1, func() { proxy.Hang(true) })
				}},
				{"cut in the first batch", func() { proxy.SwallowReplies(isCommand("find", "aggregate"), 1<<30) }},
				{"cut in the second batch", func() { proxy.SwallowReplies(isCommand("getMore"), 1) }},
			} {
				q.patience = 300 * time.Millisecond
				f.do()
				// The time is far longer than the store's own patience: reaching it
				// would be another error.
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				n, err := x.ask(ctx, q, series)
				cancel()
				oneBatch := x.name == "latest" && strings.Contains(f.name, "second")
				if oneBatch && (err != nil || n != want) || !oneBatch && !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("%s: %d, %v", f.name, n, err)
				}
				proxy.Calm()
				q.patience = queryPatience
				again(t, func() error {
					if n, err = x.ask(t.Context(), q, series); err == nil && n != want {
						t.Errorf("after %s: %d, want %d", f.name, n, want)
					}
					return err
				})
			}
		})
	}
}

// again tries until fn works.
func again(t *testing.T, fn func() error) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := fn()
		if err == nil {
			return
		}
		if time.Now().After(deadline) || !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// callerEnds: what the caller ends is the caller's own error.
func (w *ward) callerEnds(t *testing.T) {
	proxy, q, series := w.proxy, w.q, w.series
	for _, x := range questions() {
		ended, end := context.WithCancel(t.Context())
		end()
		if _, err := x.ask(ended, q, series); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s by nobody: %v", x.name, err)
		}
		// Every reply: what hung in the proxy before may come by first. And none
		// goes on: an answer that arrives in spite of its caller is an answer.
		given, giveUp := context.WithCancel(t.Context())
		proxy.OnReply(isCommand("find", "aggregate"), 1<<30, func() {
			proxy.Hang(true)
			giveUp()
		})
		if _, err := x.ask(given, q, series); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s, given up: %v", x.name, err)
		}
		proxy.Calm()
		proxy.Hang(true)
		brief, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := x.ask(brief, q, series); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s, out of the caller's time: %v", x.name, err)
		}
		cancel()
		proxy.Calm()
	}
}

// cursorsAreClosed: a question that ends before its answer does leaves
// no cursor open.
func (w *ward) cursorsAreClosed(t *testing.T) {
	server, proxy, q, series := w.server, w.proxy, w.q, w.series
	for _, x := range questions()[:2] {
		ctx, cancel := context.WithCancel(t.Context())
		proxy.OnReply(isCommand("getMore"), 1, cancel)
		if _, err := x.ask(ctx, q, series); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, given up in the middle: %v", x.name, err)
		}
		proxy.Calm()
	}
	boom := errors.New("no more")
	for _, end := range []error{nil, boom} {
		err := q.find(t.Context(), bson.D{}, valueFields, 0, 0, func(bson.Raw) (bool, error) { return false, end })
		if !errors.Is(err, end) {
			t.Error(err)
		}
	}
	noOpenCursors(t, server, q)
}

// cursorIsKilled: an operator, or a server that was started
// again, ends a cursor; the same question may be asked again.
func (w *ward) cursorIsKilled(t *testing.T) {
	server, proxy, q, series := w.server, w.proxy, w.q, w.series
	for _, x := range questions()[:2] {
		killed := 0
		proxy.OnReply(isCommand("getMore"), 1, func() { // one more is to come
			ids := openCursors(t, server, q)
			killed += len(ids)
			server.Admin(t, func(c *mongo.Client) error {
				return c.Database(q.db.db.Name()).RunCommand(t.Context(), bson.D{{Key: "killCursors", Value: valuesCollection}, {Key: "cursors", Value: ids}}).Err()
			})
		})
		if _, err := x.ask(t.Context(), q, series); !errors.Is(err, store.ErrUnavailable) || killed == 0 {
			t.Errorf("%s: %v; %d cursors were killed", x.name, err, killed)
		}
		proxy.Calm()
		if n, err := x.ask(t.Context(), q, series); err != nil || n != manyRows {
			t.Errorf("%s again: %d, %v", x.name, n, err)
		}
	}
}

// manyAtOnce: however many questions are asked, the server has
// queryCursors to do for them at a time; the others wait and are answered.
func (w *ward) manyAtOnce(t *testing.T) {
	proxy, q, series := w.proxy, w.q, w.series
	defer proxy.Calm()
	var mu sync.Mutex
	now, most, full := 0, 0, make(chan struct{})
	proxy.OnReply(isCommand("find"), 1<<30, func() {
		mu.Lock()
		if now++; now > most {
			if most = now; most == queryCursors {
				close(full)
			}
		}
		mu.Unlock()
		select { // until there are as many as there may be
		case <-full:
		case <-t.Context().Done():
		}
		mu.Lock()
		now--
		mu.Unlock()
	})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			rows, err := q.Scan(t.Context(), store.Scan{Series: series, From: autumn2025, To: math.MaxInt64, Limit: 100})
			if err != nil || len(rows) != 100 {
				t.Errorf("%d rows, %v", len(rows), err)
			}
		})
	}
	all.Wait()
	if most != queryCursors {
		t.Errorf("%d cursors were opened at once, want %d", most, queryCursors)
	}
}

// TestQueriesAndForeignDocuments: a document that is not ours is an error that
// names it, not an answer that is wrong.
func TestQueriesAndForeignDocuments(t *testing.T) {
	server := mongotest.Shared(t, mongotest.Standalone)
	q, _ := testQueries(t, server.URI(t, mongotest.Database(t)))
	for i, c := range []struct{ field, says string }{
		{"rawValue", "rawValue is not a number"},
		{"no rawValue", "ts or rawValue is missing"},
		{"quality", "quality is none of"},
		{"cal", "cal is not the number of a calibration"},
		{"flags", "flags is not a set of flags"},
		{"ingestTs", "ingestTs is not a date"},
	} {
		p := placed{store.Series{UID: uint32(i), Port: 4242}, store.Sample{TS: autumn2025 + 7*60_000, Raw: 1.5}}
		d := slices.DeleteFunc(testDocument(p), func(e bson.E) bool { return "no "+e.Key == c.field || e.Key == c.field })
		if !strings.HasPrefix(c.field, "no ") {
			d = append(d, bson.E{Key: c.field, Value: "odd " + strings.Repeat("and long ", 1000)})
		}
		if _, err := q.values().InsertOne(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		for _, windows := range []bool{false, true} {
			q.few = fewSeries
			if windows {
				q.few = 0
			}
			for _, x := range questions() {
				_, err := x.ask(t.Context(), q, []store.Series{p.series})
				if x.name == "aggregate" && !strings.Contains(c.field, "rawValue") {
					if err != nil { // it does not ask for the others
						t.Errorf("%s with %s: %v", x.name, c.field, err)
					}
					continue
				}
				if err == nil || errors.Is(err, store.ErrUnavailable) {
					t.Errorf("%s with %s: %v", x.name, c.field, err)
					continue
				}
				for _, want := range []string{"collection values", c.says, "4242", "device", "1756685220000"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s with %s does not say %q: %v", x.name, c.field, want, err)
					}
				}
				if len(err.Error()) > 2*malformedText {
					t.Errorf("%s with %s: an error of %d bytes", x.name, c.field, len(err.Error()))
				}
			}
		}
	}
}
