package alert

import (
	"container/heap"
	"math"
)

// dueHeap has the watches that wait for the clock, the next one first. The time
// under which a watch waits is at or before its deadline: a reading that moves
// the deadline away leaves the heap alone.
type dueHeap struct{ list dueList }

// next answers the earliest time; math.MaxInt64: nothing waits.
func (h *dueHeap) next() int64 {
	if len(h.list) == 0 {
		return math.MaxInt64
	}
	return h.list[0].dueAt
}

// popBefore takes the first watch whose deadline may be at or before t; nil:
// there is none.
func (h *dueHeap) popBefore(t int64) *watched {
	for len(h.list) > 0 && h.list[0].dueAt <= t {
		w := h.list[0]
		if d := w.watch.Deadline(); d > t && !w.gone {
			h.moveFirst(w, d)
			continue
		}
		heap.Pop(&h.list)
		if w.gone {
			continue
		}
		return w
	}
	return nil
}

func (h *dueHeap) moveFirst(w *watched, d int64) {
	if d == math.MaxInt64 {
		heap.Pop(&h.list)
		return
	}
	w.dueAt = d
	heap.Fix(&h.list, 0)
}

// put lets w wait until d.
func (h *dueHeap) put(w *watched, d int64) {
	w.dueAt = d
	if w.heapIndex >= 0 {
		heap.Fix(&h.list, int(w.heapIndex))
		return
	}
	heap.Push(&h.list, w)
}

type dueList []*watched

func (l dueList) Len() int           { return len(l) }
func (l dueList) Less(i, j int) bool { return l[i].dueAt < l[j].dueAt }
func (l dueList) Swap(i, j int) {
	l[i], l[j] = l[j], l[i]
	l[i].heapIndex, l[j].heapIndex = int32(i), int32(j)
}

// Push implements heap.Interface.
func (l *dueList) Push(x any) {
	w := x.(*watched)
	w.heapIndex = int32(len(*l))
	*l = append(*l, w)
}

// Pop implements heap.Interface.
func (l *dueList) Pop() any {
	old := *l
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*l = old[:len(old)-1]
	w.heapIndex = -1
	return w
}
