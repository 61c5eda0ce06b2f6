package embedded

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"sort"

	"tidegate/store"
)

const (
	maxRun      = 1024 // samples of a full run
	minRun      = 16
	sampleBytes = 32
	noTime      = math.MinInt64
)

// head is what is known in memory of one series in one month: the samples that
// wait for their flush, and enough of the disk to judge a reading in order
// without a look-up.
type head struct {
	series store.Series
	last   int64 // the largest ts of all, on disk or in memory; noTime: none
	disk   int64 // the largest ts on disk
	live   runs  // appended since the last flush began
	frozen runs  // being flushed; nobody changes them

	dirty     bool  // in its month's list of dirty ones
	leaving   bool  // in its month's list of frozen ones
	hour      int64 // of the tallies below; others are with the month
	owner     uint32
	stored    int64
	duplicate int64
	cached    []*cachedBlock // blocks looked up for late readings
}

// runs are samples in ascending order of ts, cut into pieces of at most maxRun
// so that one out of order moves little.
//
// A reader takes the slices of a moment: what is appended later lies beyond
// their ends. Anything else that changes a run while there are readers changes
// a copy (see runPool.shared).
type runs struct {
	list [][]store.Sample
	n    int
}

func (r *runs) first() int64 { return r.list[0][0].TS }

func (r *runs) last() int64 {
	if r.n == 0 {
		return noTime
	}
	run := r.list[len(r.list)-1]
	return run[len(run)-1].TS
}

// push appends a sample whose ts is above all others.
func (r *runs) push(s *store.Sample, p *runPool) {
	i := len(r.list) - 1
	if i < 0 || len(r.list[i]) == cap(r.list[i]) {
		r.list = append(r.list, p.get(r.n/2))
		i++
	}
	r.list[i] = append(r.list[i], *s)
	r.n++
}

// search answers where ts is, or would be: the run, and the place in it.
func (r *runs) search(ts int64) (run, i int, found bool) { return searchRuns(r.list, ts) }

func searchRuns(list [][]store.Sample, ts int64) (run, i int, found bool) {
	run = sort.Search(len(list), func(k int) bool { return list[k][len(list[k])-1].TS >= ts })
	if run == len(list) {
		return run, 0, false
	}
	i, found = slices.BinarySearchFunc(list[run], ts, func(s store.Sample, ts int64) int { return cmp.Compare(s.TS, ts) })
	return run, i, found
}

// taken answers the first free millisecond at or above ts, as far as r is
// concerned; below answers the first one at or below it.
func (r *runs) taken(ts int64) int64 {
	for {
		run, i, found := r.search(ts)
		if !found {
			return ts
		}
		rest := r.list[run][i:]
		ts += int64(sort.Search(len(rest), func(k int) bool { return rest[k].TS != ts+int64(k) }))
	}
}

func (r *runs) takenBelow(ts int64) int64 {
	for {
		_, _, found := r.search(ts)
		if !found {
			return ts
		}
		ts--
	}
}

// insert puts a sample, whose ts is not there, in its place.
func (r *runs) insert(s *store.Sample, p *runPool) {
	run, i, _ := r.search(s.TS)
	if run == len(r.list) {
		r.push(s, p)
		return
	}
	old := r.list[run]
	if len(old) < cap(old) && !p.shared() {
		r.list[run] = slices.Insert(old, i, *s)
		r.n++
		return
	}
	if len(old) < maxRun {
		grown := p.get(len(old) + 1)
		grown = append(append(append(grown, old[:i]...), *s), old[i:]...)
		r.list[run] = grown
	} else {
		half := len(old) / 2
		a := append(p.get(maxRun), old[:half]...)
		b := append(p.get(maxRun), old[half:]...)
		if i <= half {
			a = slices.Insert(a, i, *s)
		} else {
			b = slices.Insert(b, i-half, *s)
		}
		r.list[run] = a
		r.list = slices.Insert(r.list, run+1, b)
	}
	p.put(old)
	r.n++
}

// take moves all of o into r.
func (r *runs) take(o *runs, p *runPool) {
	switch {
	case r.n == 0:
		*r, *o = *o, runs{list: r.list[:0]}
	case o.n == 0:
	case r.last() < o.first():
		r.list, r.n = append(r.list, o.list...), r.n+o.n
		*o = runs{}
	default:
		for _, run := range o.list {
			for i := range run {
				r.insert(&run[i], p)
			}
		}
		o.drop(p)
	}
}

// drop gives the runs back.
func (r *runs) drop(p *runPool) {
	for i, run := range r.list {
		p.put(run)
		r.list[i] = nil
	}
	r.list, r.n = r.list[:0], 0
}

// clipRuns answers the samples with from <= ts < to as slices of their own,
// oldest first; none is empty.
func clipRuns(list [][]store.Sample, from, to int64) [][]store.Sample {
	a, i, _ := searchRuns(list, from)
	b, j, _ := searchRuns(list, to)
	if j > 0 {
		b++ // a part of run b belongs to it
	}
	if a >= b {
		return nil
	}
	out := slices.Clone(list[a:b])
	if j > 0 {
		out[len(out)-1] = out[len(out)-1][:j]
	}
	if out[0] = out[0][i:]; len(out[0]) == 0 {
		return nil // there is none between from and to
	}
	return out
}

// runPool gives out the memory of runs and takes it back. The store's lock
// guards it.
type runPool struct {
	free   [7][][]store.Sample // by size: 16, 32, … 1024
	idle   int                 // bytes in free
	bytes  int64               // bytes given out
	shared func() bool         // a reader may hold any of it
}

const maxIdle = 16 << 20

// get answers an empty run for about n samples.
func (p *runPool) get(n int) []store.Sample {
	n = min(max(n, minRun), maxRun)
	class := bits.Len(uint(n-1)) - 4
	size := minRun << class
	p.bytes += int64(size * sampleBytes)
	if f := p.free[class]; len(f) > 0 {
		run := f[len(f)-1]
		f[len(f)-1] = nil
		p.free[class] = f[:len(f)-1]
		p.idle -= size * sampleBytes
		return run
	}
	return make([]store.Sample, 0, size)
}

func (p *runPool) put(run []store.Sample) {
	size := cap(run)
	p.bytes -= int64(size * sampleBytes)
	if p.shared() || p.idle+size*sampleBytes > maxIdle {
		return // left to the garbage collector
	}
	class := bits.Len(uint(size-1)) - 4
	p.free[class] = append(p.free[class], run[:0])
	p.idle += size * sampleBytes
}
