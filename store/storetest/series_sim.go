package storetest

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"tidegate/store"
)

// simShape is a kind of load that the model is compared under.
type simShape struct {
	name   string
	series int
	items  int // a batch, at most
	late   float64
	step   int64 // ms between readings of a series, about
	steps  int
}

var simShapes = []simShape{
	{"in order", 5, 400, 0.002, 1000, 60},
	{"late", 4, 120, 0.4, 60_000, 80},
	{"sparse over months", 12, 60, 0.1, 8 * 3_600_000, 80},
	{"dense", 2, 3000, 0.05, 3, 30},
}

// sim is a writer over a store and its model: it keeps the log, so that it can
// replay it.
type sim struct {
	t     *testing.T
	rnd   *rand.Rand
	shape simShape
	open  func(testing.TB, string) store.SeriesStore
	dir   string
	s     store.SeriesStore
	model *seriesModel

	log     []store.Item // as sent, in log order
	judged  []store.Item // as the model left them
	seq     uint64
	clock   []int64 // of each series
	trimmed uint64
	begun   uint64 // position of a flush that was cut, and may be finished by the next
}

func newSim(t *testing.T, open func(testing.TB, string) store.SeriesStore, shape simShape) *sim {
	s := &sim{t: t, rnd: newRand(t), shape: shape, open: open, dir: t.TempDir(), model: newSeriesModel()}
	s.s = openSeries(t, open, s.dir)
	s.setClock()
	return s
}

func testSeriesModel(t *testing.T, open func(testing.TB, string) store.SeriesStore, shape simShape) {
	newSim(t, open, shape).run()
}

// testSeriesCuts cuts a flush, its repetitions while more is appended, and the
// flush after it, at each of their first commits.
func testSeriesCuts(t *testing.T, open func(testing.TB, string) store.SeriesStore) {
	s := newSim(t, open, simShapes[0])
	defer func() { must(t, s.s.Close()) }()
	if _, ok := s.s.(FlushCutter); !ok {
		t.Skip("its flushes cannot be cut")
	}
	for first := range 3 {
		for second := range 3 {
			for third := range 3 {
				s.append()
				s.cutFlush(first)
				s.append()
				s.cutFlush(second)
				s.append()
				s.cutFlush(third)
				s.cutFlush(second)
				s.compare(1)
			}
		}
		s.reopen()
	}
	s.flush()
	s.compare(10)
}

// setClock sets the time at which each series begins.
func (s *sim) setClock() {
	for i := range s.shape.series {
		start := at("2024-02-26T00:00:00Z")
		if i == 0 {
			start = at("1969-12-31T23:00:00Z")
		}
		s.clock = append(s.clock, start)
	}
}

// run writes, asks, closes and crashes by chance, and closes the store.
func (s *sim) run() {
	for range s.shape.steps {
		switch n := s.rnd.IntN(20); {
		case n < 12:
			s.append()
		case n < 15:
			s.flush()
		case n == 15:
			s.failFlush()
		case n == 16:
			s.cutFlush(s.rnd.IntN(3))
			if s.rnd.IntN(2) == 0 {
				s.reopen()
			}
		case n == 17:
			s.reopen()
		default:
			s.compare(3)
		}
	}
	s.compare(30)
	s.flush()
	s.compare(30)
	s.reopen()
	s.compare(10)
	must(s.t, s.s.Close())
}

func (s *sim) series(i int) store.Series {
	return store.Series{UID: uint32(i/3 + 1), Port: uint16(i%3) * 300}
}

func (s *sim) allSeries() (out []store.Series) {
	for i := range s.shape.series {
		out = append(out, s.series(i))
	}
	return out
}

// make makes the next record's items.
func (s *sim) make() []store.Item {
	s.seq += 1 + uint64(s.rnd.IntN(2))
	hour := at("2024-03-01T00:00:00Z")/3_600_000 + int64(s.rnd.IntN(5))
	n := 1 + s.rnd.IntN(s.shape.items)/(1+s.rnd.IntN(4))
	var out []store.Item
	for range n {
		i := s.rnd.IntN(s.shape.series)
		it := store.Item{Series: s.series(i), Seq: s.seq, Hour: hour, Unregistered: s.rnd.IntN(16) == 0, Sample: store.Sample{
			Raw: float64(200+s.rnd.IntN(60)) / 10, IngestTS: hour*3_600_000 + s.rnd.Int64N(1000),
			Calibration: uint16(1 + s.rnd.IntN(2)), Quality: store.Quality(s.rnd.IntN(20) / 18),
		}}
		switch p := s.rnd.Float64(); {
		case p < s.shape.late/2 && len(s.log) > 0: // sent before, perhaps with another value
			old := s.log[s.rnd.IntN(len(s.log))]
			it.Series, it.Sample.TS = old.Series, old.Sample.TS
			if s.rnd.IntN(3) > 0 {
				it.Sample.Raw = old.Sample.Raw
			}
			it.Sample.Flags = old.Sample.Flags
		case p < s.shape.late: // late
			it.Sample.TS = s.clock[i] - s.rnd.Int64N(50*s.shape.step)
		default:
			s.clock[i] += 1 + s.rnd.Int64N(2*s.shape.step)
			it.Sample.TS = s.clock[i]
			if s.rnd.IntN(50) == 0 {
				it.Sample.Flags = store.FlagServerTS
			}
		}
		out = append(out, it)
		s.log = append(s.log, it)
	}
	return out
}

func (s *sim) append() {
	b := store.Batch{}
	for range 1 + s.rnd.IntN(3) {
		b.Items = append(b.Items, s.make()...)
	}
	b.Through = s.seq
	var want []store.Item
	for _, it := range b.Items {
		want = append(want, s.model.append(it))
	}
	s.judged = append(s.judged, want...)
	must(s.t, s.s.Append(context.Background(), &b))
	for i := range want {
		if b.Items[i] != want[i] {
			s.t.Fatalf("item %d of %d: %+v, want %+v", i, len(want), b.Items[i], want[i])
		}
	}
}

func (s *sim) flush() {
	n, err := s.s.Flush(context.Background(), nil)
	if err != nil || n != s.seq || s.s.Applied() != s.seq {
		s.t.Fatalf("flushed to %d, applied %d, want %d: %v", n, s.s.Applied(), s.seq, err)
	}
	s.trimmed = s.rnd.Uint64N(s.seq + 1)
}

func (s *sim) failFlush() {
	was, boom := s.s.Applied(), errors.New("no")
	if _, err := s.s.Flush(context.Background(), func(uint64) error { return boom }); !errors.Is(err, boom) || s.s.Applied() != was {
		s.t.Fatalf("a flush that may not begin: applied %d, was %d, %v", s.s.Applied(), was, err)
	}
}

// cutFlush ends a flush after so many commits. A store may go on, at the next
// flush, with the very one that was cut before it begins another: the position
// is then that one's, whatever was appended since.
func (s *sim) cutFlush(commits int) {
	c, ok := s.s.(FlushCutter)
	if !ok {
		return
	}
	was := s.s.Applied()
	c.CutFlush(commits)
	n, err := s.s.Flush(context.Background(), nil)
	if err == nil {
		c.CutFlush(math.MaxInt)
		s.trimmed = 0
		if n != s.seq {
			s.t.Fatalf("flushed to %d, want %d", n, s.seq)
		}
		return
	}
	if at := s.s.Applied(); at != was && at != s.begun {
		s.t.Fatalf("applied %d after a flush that was cut, was %d, or %d when one was cut before", at, was, s.begun)
	}
	if s.begun <= s.s.Applied() { // else it is still under way
		s.begun = s.seq
	}
}

// reopen drops what was not flushed and replays the log.
func (s *sim) reopen() {
	if s.rnd.IntN(2) == 0 { // as a kill leaves it
		dir := crashImage(s.t, s.dir)
		must(s.t, s.s.Close())
		s.dir = dir
	} else {
		must(s.t, s.s.Close())
	}
	s.s = s.open(s.t, s.dir)
	bindSeries(s.t, s.s, store.Bounds{Log: seriesLog(), After: min(s.trimmed, s.s.Applied()), Head: s.seq})
	applied := s.s.Applied()
	b := store.Batch{Through: applied}
	var want []store.Verdict
	send := func() {
		must(s.t, s.s.Append(context.Background(), &b))
		for i := range b.Items {
			if got := b.Items[i].Verdict; got != want[i] && got != store.VerdictStored {
				s.t.Fatalf("replayed item of %d: verdict %d, was %d", b.Items[i].Seq, got, want[i])
			}
		}
		b.Items, want = nil, nil
		if s.rnd.IntN(4) == 0 {
			if _, err := s.s.Flush(context.Background(), nil); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	for i, it := range s.log {
		if it.Seq <= applied {
			continue
		}
		if it.Seq != b.Through && s.rnd.IntN(3) == 0 {
			send()
		}
		b.Through = it.Seq
		b.Items, want = append(b.Items, it), append(want, s.judged[i].Verdict)
	}
	b.Through = s.seq
	send()
	s.compare(2)
}

// testSeriesBeside asks while readings are appended and flushed: whatever was
// there before a question began is in its answer, in order and once.
func testSeriesBeside(t *testing.T, open func(testing.TB, string) store.SeriesStore) {
	s := openSeries(t, open, t.TempDir())
	defer s.Close()
	const count = 8_000
	start := at("2025-08-31T23:59:00Z")
	var done sync.WaitGroup
	appended, end := make(chan int64, count/40+2), make(chan struct{})
	ask := func(desc bool) {
		defer done.Done()
		last := int64(-1)
		for running := true; running; {
			select {
			case n, ok := <-appended:
				if running = ok; ok {
					last = max(last, n)
				}
			default:
			}
			rows, err := s.Scan(context.Background(), store.Scan{Series: []store.Series{{UID: 7, Port: 1}}, From: start, To: start + 2*count*10, Limit: 1 << 20, Desc: desc})
			if err != nil {
				t.Error(err)
				return
			}
			next := 0
			for i := range rows {
				r := rows[i]
				if desc {
					r = rows[len(rows)-1-i]
				}
				if k := int((r.Sample.TS - start) / 10); k == next && r.Sample.Raw == float64(k) {
					next++
				} else if k < next || k <= int(last) {
					t.Errorf("row %d is reading %d, want %d", i, k, next)
					return
				}
			}
			if int64(next) <= last {
				t.Errorf("%d rows in order after reading %d was appended", next, last)
				return
			}
		}
	}
	done.Add(4)
	go func() { // the hours are as exact as the totals, at every moment
		defer done.Done()
		for {
			select {
			case <-end:
				return
			default:
			}
			hours := store.HourCounts{}
			before, _, err1 := s.Totals(context.Background())
			err2 := s.Hours(context.Background(), math.MinInt64, math.MaxInt64, hours, store.HourCounts{})
			after, _, err3 := s.Totals(context.Background())
			if sum := hours.Sum(); sum < int64(before) || sum > int64(after) || err1 != nil || err2 != nil || err3 != nil {
				t.Errorf("hours hold %d readings, totals %d before and %d after: %v %v %v", sum, before, after, err1, err2, err3)
				return
			}
		}
	}()
	go ask(false)
	go ask(true)
	go func() {
		defer done.Done()
		for {
			select {
			case <-end:
				return
			default:
			}
			if _, err := s.Flush(context.Background(), nil); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	var seq uint64
	for i := int64(0); i < count+80; i += 40 { // a quarter comes two batches late, between what queries look at
		seq++
		b := store.Batch{Through: seq}
		for k := range int64(40) {
			n := i + k
			if k%4 == 3 {
				n -= 80
			}
			if n >= 0 && n < count {
				b.Items = append(b.Items, reading(seq, 1, start+n*10, float64(n)))
			}
		}
		if err := s.Append(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
		appended <- i - 80 + 39
	}
	close(appended)
	close(end)
	done.Wait()
	stored, _, err := s.Totals(context.Background())
	if err != nil || stored != count {
		t.Fatalf("stored %d, want %d: %v", stored, count, err)
	}
}
