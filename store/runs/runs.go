// Package runs keeps samples of one series in memory in ascending order of
// time, cheap to append to and cheap enough to insert into. Every store keeps
// so what waits for its flush.
//
// Nothing here locks: the store's lock guards its runs and their pool. Readers
// may go on without it on slices that they took under it; see Runs.
package runs

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"tidegate/store"
)

// The measures of runs.
const (
	Max         = 1024          // samples of a full run
	SampleBytes = 32            // of memory
	NoTime      = math.MinInt64 // the Last of none
)

// Runs are samples in ascending order of ts, cut into pieces of at most Max
// so that one out of order moves little.
//
// A reader takes the slices of a moment: what is appended later lies beyond
// their ends. Anything else that changes a run while there are readers changes
// a copy (see Pool.Shared).
type Runs struct {
	List [][]store.Sample // none is empty
	N    int              // samples in all
}

// First answers the smallest ts; r is not empty.
func (r *Runs) First() int64 { return r.List[0][0].TS }

// Last answers the largest ts, or NoTime.
func (r *Runs) Last() int64 {
	if r.N == 0 {
		return NoTime
	}
	run := r.List[len(r.List)-1]
	return run[len(run)-1].TS
}

// Push appends a sample whose ts is above all others.
func (r *Runs) Push(s *store.Sample, p *Pool) {
	i := len(r.List) - 1
	if i < 0 || len(r.List[i]) == cap(r.List[i]) {
		r.List = append(r.List, p.get(r.N/2))
		i++
	}
	r.List[i] = append(r.List[i], *s)
	r.N++
}

// Search answers where ts is, or would be: the run, and the place in it.
func (r *Runs) Search(ts int64) (run, i int, found bool) { return search(r.List, ts) }

func search(list [][]store.Sample, ts int64) (run, i int, found bool) {
	run = sort.Search(len(list), func(k int) bool { return list[k][len(list[k])-1].TS >= ts })
	if run == len(list) {
		return run, 0, false
	}
	i, found = slices.BinarySearchFunc(list[run], ts, func(s store.Sample, ts int64) int { return cmp.Compare(s.TS, ts) })
	return run, i, found
}

// Taken answers the first free millisecond at or above ts, as far as r is
// concerned.
func (r *Runs) Taken(ts int64) int64 {
	for {
		run, i, found := r.Search(ts)
		if !found {
			return ts
		}
		rest := r.List[run][i:]
		ts += int64(sort.Search(len(rest), func(k int) bool { return rest[k].TS != ts+int64(k) }))
	}
}

// TakenBelow answers the first free millisecond at or below ts.
func (r *Runs) TakenBelow(ts int64) int64 {
	for {
		_, _, found := r.Search(ts)
		if !found {
			return ts
		}
		ts--
	}
}

// Insert puts a sample, whose ts is not there, in its place.
func (r *Runs) Insert(s *store.Sample, p *Pool) {
	run, i, _ := r.Search(s.TS)
	if run == len(r.List) {
		r.Push(s, p)
		return
	}
	old := r.List[run]
	if len(old) < cap(old) && !p.Shared() {
		r.List[run] = slices.Insert(old, i, *s)
		r.N++
		return
	}
	if len(old) < Max {
		grown := p.get(len(old) + 1)
		grown = append(append(append(grown, old[:i]...), *s), old[i:]...)
		r.List[run] = grown
	} else {
		half := len(old) / 2
		a := append(p.get(Max), old[:half]...)
		b := append(p.get(Max), old[half:]...)
		if i <= half {
			a = slices.Insert(a, i, *s)
		} else {
			b = slices.Insert(b, i-half, *s)
		}
		r.List[run] = a
		r.List = slices.Insert(r.List, run+1, b)
	}
	p.put(old)
	r.N++
}

// Take moves all of o into r.
func (r *Runs) Take(o *Runs, p *Pool) {
	switch {
	case r.N == 0:
		*r, *o = *o, Runs{List: r.List[:0]}
	case o.N == 0:
	case r.Last() < o.First():
		r.List, r.N = append(r.List, o.List...), r.N+o.N
		*o = Runs{}
	default:
		for _, run := range o.List {
			for i := range run {
				r.Insert(&run[i], p)
			}
		}
		o.Drop(p)
	}
}

// Drop gives the memory back and leaves r empty.
func (r *Runs) Drop(p *Pool) {
	for i, run := range r.List {
		p.put(run)
		r.List[i] = nil
	}
	r.List, r.N = r.List[:0], 0
}

// Clip answers the samples with from <= ts < to as slices of their own,
// oldest first; none is empty.
func Clip(list [][]store.Sample, from, to int64) [][]store.Sample {
	if from >= to {
		return nil
	}
	a, i, _ := search(list, from)
	b, j, _ := search(list, to)
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
