package runs

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"tidegate/store"
)

func TestSampleBytes(t *testing.T) {
	if size := unsafe.Sizeof(store.Sample{}); size > SampleBytes {
		t.Errorf("a sample takes %d bytes, not %d", size, SampleBytes)
	}
}

// reader holds what it took of runs at some moment.
type reader struct {
	taken [][]store.Sample
	want  []store.Sample
}

// sim is runs and their model: samples in order.
type sim struct {
	t       *testing.T
	rnd     *rand.Rand
	pool    Pool
	runs    [2]Runs
	model   [2][]store.Sample
	readers []reader
	n       float64 // values given
}

// TestRunsModel compares runs with a sorted slice. Readers keep what they took,
// whatever happens to the runs meanwhile.
func TestRunsModel(t *testing.T) {
	for name, shared := range map[string]func(*sim) bool{
		"shared":     func(*sim) bool { return true },
		"not shared": func(*sim) bool { return false },
		"at times":   func(s *sim) bool { return len(s.readers) > 0 },
	} {
		t.Run(name, func(t *testing.T) {
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			s := &sim{t: t, rnd: rand.New(rand.NewPCG(seed, 1))}
			s.pool.Shared = func() bool { return shared(s) }
			for range 800 {
				s.step(name != "not shared")
				s.check()
			}
			for i := range s.runs {
				s.runs[i].Drop(&s.pool)
				s.model[i] = nil
			}
			s.check()
			if s.pool.Bytes() != 0 {
				t.Errorf("%d bytes are given out although all was dropped", s.pool.Bytes())
			}
		})
	}
}

func (s *sim) step(read bool) {
	i := s.rnd.IntN(2)
	switch n := s.rnd.IntN(40); {
	case n < 10:
		for range 1 + s.rnd.IntN(200) {
			s.push(i)
		}
	case n < 24:
		for range 1 + s.rnd.IntN(100) {
			s.insert(i, s.moment(i))
		}
	case n < 26: // a dense stretch
		ts := s.moment(i)
		for k := range int64(s.rnd.IntN(100)) {
			s.insert(i, ts+k)
		}
	case n < 27:
		s.take(i)
	case n == 27 && len(s.model[i]) > 4*Max:
		s.runs[i].Drop(&s.pool)
		s.model[i] = nil
	case n < 33 && read && len(s.readers) < 5:
		s.read(i)
	case n < 36 && len(s.readers) > 0:
		k := s.rnd.IntN(len(s.readers))
		s.readers = slices.Delete(s.readers, k, k+1)
	default:
		s.ask(i)
	}
}

// moment answers a time among those that are there, or near them.
func (s *sim) moment(i int) int64 {
	if len(s.model[i]) == 0 || s.rnd.IntN(50) == 0 {
		return s.rnd.Int64N(100_000) - 50_000
	}
	return s.model[i][s.rnd.IntN(len(s.model[i]))].TS + s.rnd.Int64N(41) - 20
}

func (s *sim) sample(ts int64) *store.Sample {
	s.n++
	return &store.Sample{TS: ts, Raw: s.n, IngestTS: -ts}
}

func (s *sim) push(i int) {
	ts := s.rnd.Int64N(1000)
	if len(s.model[i]) > 0 {
		ts = s.model[i][len(s.model[i])-1].TS + 1 + s.rnd.Int64N(30)
	}
	sample := s.sample(ts)
	s.runs[i].Push(sample, &s.pool)
	s.model[i] = append(s.model[i], *sample)
}

func find(list []store.Sample, ts int64) (int, bool) {
	return slices.BinarySearchFunc(list, ts, func(s store.Sample, ts int64) int { return cmp.Compare(s.TS, ts) })
}

func (s *sim) insert(i int, ts int64) {
	at, found := find(s.model[i], ts)
	if found {
		return
	}
	sample := s.sample(ts)
	s.runs[i].Insert(sample, &s.pool)
	s.model[i] = slices.Insert(s.model[i], at, *sample)
}

// take moves the other runs into i: without the times that both have, or shifted
// behind i, or to its end.
func (s *sim) take(i int) {
	var other []store.Sample
	shift := s.rnd.IntN(2) == 0 && len(s.model[i]) > 0
	overlap := pick(s.rnd, 0, 0, 1, 50)
	for k, o := range s.model[1-i] {
		if shift {
			o.TS = s.model[i][len(s.model[i])-1].TS + 1 + int64(k) - overlap
		}
		if _, found := find(s.model[i], o.TS); !found {
			other = append(other, o)
		}
	}
	s.runs[1-i].Drop(&s.pool)
	for k := range other {
		s.runs[1-i].Push(&other[k], &s.pool)
	}
	s.runs[i].Take(&s.runs[1-i], &s.pool)
	s.model[i] = append(slices.Clone(s.model[i]), other...)
	slices.SortFunc(s.model[i], func(a, b store.Sample) int { return cmp.Compare(a.TS, b.TS) })
	s.model[1-i] = nil
}

func pick(rnd *rand.Rand, from ...int64) int64 { return from[rnd.IntN(len(from))] }

func (s *sim) read(i int) {
	from, to := s.span(i)
	s.readers = append(s.readers, reader{Clip(s.runs[i].List, from, to), s.between(i, from, to)})
}

func (s *sim) span(i int) (from, to int64) {
	from, to = s.moment(i), s.moment(i)
	switch s.rnd.IntN(5) {
	case 0:
		from = math.MinInt64
	case 1:
		to = math.MaxInt64
	case 2:
		from, to = math.MinInt64, math.MaxInt64
	case 3:
		to = from + s.rnd.Int64N(3) // none or few
	}
	return from, to
}

func (s *sim) between(i int, from, to int64) []store.Sample {
	if from >= to {
		return nil
	}
	a, _ := find(s.model[i], from)
	b, _ := find(s.model[i], to)
	return slices.Clone(s.model[i][a:b])
}

// ask compares the answers about one time and one span.
func (s *sim) ask(i int) {
	r, m, ts := &s.runs[i], s.model[i], s.moment(i)
	at, want := find(m, ts)
	run, k, found := r.Search(ts)
	if found != want || found && r.List[run][k] != m[at] {
		s.t.Fatalf("search of %d: %d, %d, %v; want %v", ts, run, k, found, want)
	}
	if !found {
		before := k
		for _, l := range r.List[:run] {
			before += len(l)
		}
		if before != at {
			s.t.Fatalf("%d would be behind %d samples, want %d", ts, before, at)
		}
	}
	up, down := ts, ts
	for _, taken := find(m, up); taken; _, taken = find(m, up) {
		up++
	}
	for _, taken := find(m, down); taken; _, taken = find(m, down) {
		down--
	}
	if got := r.Taken(ts); got != up {
		s.t.Fatalf("the first free time from %d on is %d, want %d", ts, got, up)
	}
	if got := r.TakenBelow(ts); got != down {
		s.t.Fatalf("the first free time down from %d is %d, want %d", ts, got, down)
	}
	from, to := s.span(i)
	part := Clip(r.List, from, to)
	if got := slices.Concat(part...); !slices.Equal(got, s.between(i, from, to)) {
		s.t.Fatalf("%d samples from %d to %d, want %d", len(got), from, to, len(s.between(i, from, to)))
	}
	if slices.ContainsFunc(part, func(l []store.Sample) bool { return len(l) == 0 }) {
		s.t.Fatalf("an empty slice from %d to %d", from, to)
	}
}

// check compares all, what readers hold, and the pool's books.
func (s *sim) check() {
	s.t.Helper()
	var bytes int64
	for i := range s.runs {
		r, m := &s.runs[i], s.model[i]
		if got := slices.Concat(r.List...); r.N != len(m) || !slices.Equal(got, m) {
			s.t.Fatalf("runs hold %d samples, say %d, want %d", len(got), r.N, len(m))
		}
		for _, l := range r.List {
			if len(l) == 0 || cap(l) > Max {
				s.t.Fatalf("a run of %d samples has room for %d", len(l), cap(l))
			}
			bytes += int64(cap(l)) * SampleBytes
		}
		first, last := int64(NoTime), int64(NoTime)
		if len(m) > 0 {
			first, last = r.First(), m[len(m)-1].TS
		}
		if r.Last() != last || len(m) > 0 && first != m[0].TS {
			s.t.Fatalf("runs go from %d to %d", first, r.Last())
		}
	}
	if s.pool.Bytes() != bytes {
		s.t.Fatalf("the pool has given %d bytes, the runs have %d", s.pool.Bytes(), bytes)
	}
	idle := 0
	for _, class := range s.pool.free {
		for _, l := range class {
			idle += cap(l) * SampleBytes
		}
	}
	if s.pool.idle != idle || idle > maxIdle {
		s.t.Fatalf("the pool keeps %d bytes, says %d", idle, s.pool.idle)
	}
	for _, r := range s.readers {
		if !slices.Equal(slices.Concat(r.taken...), r.want) {
			s.t.Fatalf("what a reader holds has changed")
		}
	}
}

// TestPoolIsBounded gives back more than the pool keeps.
func TestPoolIsBounded(t *testing.T) {
	p := Pool{Shared: func() bool { return false }}
	var r Runs
	for ts := range int64(2 * maxIdle / SampleBytes) {
		r.Push(&store.Sample{TS: ts}, &p)
	}
	r.Drop(&p)
	if p.idle > maxIdle || p.idle < maxIdle-2*Max*SampleBytes || p.Bytes() != 0 {
		t.Errorf("the pool keeps %d bytes of at most %d, and has given out %d", p.idle, maxIdle, p.Bytes())
	}
}

// TestRunsReadBeside reads, without the lock, slices that were taken under it,
// while samples are appended, inserted, moved and dropped. The race detector
// sees a run that is changed under a reader's eyes; so does the reader.
func TestRunsReadBeside(t *testing.T) {
	var (
		mu         sync.RWMutex
		live, kept Runs
		reading    atomic.Int64
		end        = make(chan struct{})
		done       sync.WaitGroup
	)
	pool := Pool{Shared: func() bool { return reading.Load() > 0 }}
	for range 3 {
		done.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				mu.RLock()
				reading.Add(1)
				parts := [][][]store.Sample{Clip(kept.List, math.MinInt64, math.MaxInt64), Clip(live.List, 500, math.MaxInt64)}
				mu.RUnlock()
				for _, part := range parts {
					last := int64(math.MinInt64)
					for _, run := range part {
						for i := range run {
							if run[i].TS <= last || run[i].Raw != float64(run[i].TS) {
								t.Errorf("%+v behind %d", run[i], last)
								reading.Add(-1)
								return
							}
							last = run[i].TS
						}
					}
				}
				reading.Add(-1)
			}
		})
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 600 {
		mu.Lock()
		for range 40 {
			ts := rnd.Int64N(30_000)
			_, _, there := kept.Search(ts)
			if _, _, found := live.Search(ts); found || there {
				continue
			}
			sample := store.Sample{TS: ts, Raw: float64(ts)}
			if ts > live.Last() {
				live.Push(&sample, &pool)
			} else {
				live.Insert(&sample, &pool)
			}
		}
		switch {
		case rnd.IntN(30) == 0:
			kept.Drop(&pool)
		case rnd.IntN(10) == 0:
			kept.Take(&live, &pool)
		}
		mu.Unlock()
	}
	close(end)
	done.Wait()
	if live.N+kept.N == 0 {
		t.Error("nothing was written")
	}
}
