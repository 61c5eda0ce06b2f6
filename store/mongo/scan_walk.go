package mongo

import (
	"context"
	"fmt"
	"math"
	"sync"
)

// walk goes forward through from <= x < to in windows that fit what is found:
// wider where there is little, narrower where there is more than is needed. So
// a page of many series reads about a page, and a question without bounds gets
// over centuries in a few steps.
type walk struct {
	from, to int64
	span     int64      // of the first window
	need     func() int // how much is still missing; the walk ends at 0
}

const (
	wider    = 8  // times, at most, from a window with too little to the next
	leap     = 64 // times, from a window with nothing to the next
	narrower = 16 // times, from a window with too much to the next

	windowMargin = 1.05 // times what is expected to be enough
)

// run calls try with one window after the other. It answers how much the window
// held, or over: that there was more than is wise to read, so that it counts as
// not read at all.
func (w *walk) run(try func(lo, hi int64) (found int, over bool, err error)) error {
	span, wall := max(w.span, 1), int64(math.MinInt64) // the last window with too much ended at wall
	for lo := w.from; lo < w.to && w.need() > 0; {
		hi := w.to
		if span < hi-lo {
			hi = lo + span
		}
		if lo < 0 && hi > 0 {
			hi = 0 // where bounds are best: between
		}
		width := hi - lo
		found, over, err := try(lo, hi)
		switch {
		case err != nil:
			return err
		case over && width == 1:
			return fmt.Errorf("the database holds more than one reading of a port at one time; run tidegate doctor")
		case over:
			wall, span = hi, max(1, width/narrower)
		case found > 0:
			lo, span = hi, saturated(min(windowMargin*float64(w.need())/float64(found), wider)*float64(width), w.to-w.from)
		default:
			lo, span = hi, saturated(leap*float64(width), w.to-w.from)
			if lo < wall { // half the way, or it would be run into again and again
				span = max(1, min(span, (wall-lo)/2))
			}
		}
	}
	return nil
}

// together runs n tasks, queryParallel at a time. The first error ends them
// all.
func together(ctx context.Context, n int, task func(ctx context.Context, k int) error) error {
	if n == 1 {
		return task(ctx, 0)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var first error
	next := 0
	var all sync.WaitGroup
	for range min(n, queryParallel) {
		all.Go(func() {
			for {
				mu.Lock()
				k := next
				next++
				stop := first != nil || k >= n
				mu.Unlock()
				if stop {
					return
				}
				if err := task(ctx, k); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
					cancel()
					return
				}
			}
		})
	}
	all.Wait()
	return first
}

// stretch is what one cursor reads of a window.
type stretch struct {
	chunk    *chunk
	from, to int64
}

// stretches cuts a window for the cursors that read it. What is wide, and would
// be read by one cursor, is cut in time, so that the server gives it more cores.
func stretches(chunks []chunk, from, to int64, wide bool) []stretch {
	parts := int64(1)
	if wide && len(chunks) < queryParallel && to-from >= queryParallel {
		parts = queryParallel
	}
	var out []stretch
	for k := range chunks {
		lo := from
		for left := parts; left > 0; left-- {
			hi := lo + (to-lo)/left
			out = append(out, stretch{&chunks[k], lo, hi})
			lo = hi
		}
	}
	return out
}
