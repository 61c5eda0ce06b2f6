package mongo

import (
	"slices"
	"sort"

	"tidegate/store"
	"tidegate/store/runs"
)

// head is what is known in memory of one series: the samples that the database
// does not have yet, and enough of those it has to judge most readings without
// asking. The store's lock guards it.
type head struct {
	series store.Series
	asked  bool      // disk is known
	asking bool      // somebody asks for it
	last   int64     // the largest ts of all; runs.NoTime: none
	disk   int64     // the largest ts in the database
	live   runs.Runs // appended since the last flush began
	frozen runs.Runs // being flushed; nobody changes them

	cals         []store.Calibration // that samples in memory carry
	payloads     map[int64]string    // whole messages by ts, where they are kept
	unregistered map[int64]bool      // ts of readings that the ledger counts under device 0

	dirty, leaving    bool // in the store's list of that name
	hour              int64
	owner             uint32
	stored, duplicate int64 // under hour and owner, not yet in the store's sums

	window   lookup   // the newest in the database, up to disk
	spans    []lookup // looked up for late readings
	arrivals int      // how often something came into the database: a lookup from before is stale
}

// point is a reading in the database.
type point struct {
	ts  int64
	raw float64
}

// lookup is what the database was found to hold between two times.
type lookup struct {
	from, to int64   // from <= ts < to
	points   []point // ascending
	// only, when not nil, says that nothing else than these times was looked
	// for; ascending.
	only []int64
}

// find answers the value at ts, whether there is one, and whether that is known.
func (l *lookup) find(ts int64) (raw float64, found, known bool) {
	if ts < l.from || ts >= l.to {
		return 0, false, false
	}
	if l.only != nil {
		if _, asked := slices.BinarySearch(l.only, ts); !asked {
			return 0, false, false
		}
	}
	i := sort.Search(len(l.points), func(i int) bool { return l.points[i].ts >= ts })
	if i < len(l.points) && l.points[i].ts == ts {
		return l.points[i].raw, true, true
	}
	return 0, false, true
}

// find answers the value of the series at ts, whether there is one, and whether
// that is known.
func (h *head) find(ts int64) (raw float64, found, known bool) {
	if !h.asked {
		return 0, false, false
	}
	for _, r := range [...]*runs.Runs{&h.live, &h.frozen} {
		if run, i, found := r.Search(ts); found {
			return r.List[run][i].Raw, true, true
		}
	}
	if ts > h.disk {
		return 0, false, true
	}
	if raw, found, known = h.window.find(ts); known {
		return raw, found, true
	}
	for i := range h.spans {
		if raw, found, known = h.spans[i].find(ts); known {
			return raw, found, true
		}
	}
	return 0, false, false
}

// foundNewest takes what the database was found to hold.
func (h *head) foundNewest(ts int64, raw float64, any bool) {
	h.asked, h.asking = true, false
	h.disk = runs.NoTime
	if any {
		h.disk = ts
		h.window = lookup{from: ts, to: ts + 1, points: []point{{ts, raw}}}
	}
	h.last = max(h.disk, h.live.Last(), h.frozen.Last())
}

// calibration notes what a sample of this series was ingested with. A number
// that means something else now is one that no reading has used yet.
func (h *head) calibration(c *store.Calibration, number uint16) {
	for i := range h.cals {
		if k := &h.cals[i]; k.Number == number {
			if c != nil && (k.Scaling != c.Scaling || k.Offset != c.Offset) {
				*k = *c
			}
			return
		}
	}
	if c == nil {
		c = &store.Calibration{Number: number, Scaling: 1}
	}
	k := *c
	k.Number = number
	h.cals = append(h.cals, k)
}

// windowPoints is the most that the windows of all heads hold, about.
const windowPoints = 1 << 18

// arrived moves what was frozen into the window: it is in the database now.
// most bounds the window.
func (h *head) arrived(most int) (forgotten int) {
	first, last := h.frozen.First(), h.frozen.Last()
	h.arrivals++
	w := &h.window
	if h.disk == runs.NoTime {
		w.from, w.to, w.points = first, first, nil
	}
	if first <= h.disk { // late ones may lie in what was looked up
		for i := range h.spans {
			forgotten += len(h.spans[i].points)
		}
		h.spans = nil
	}
	for _, run := range runs.Clip(h.frozen.List, w.from, last+1) {
		for i := range run {
			p := point{run[i].TS, run[i].Raw}
			if n := len(w.points); n == 0 || w.points[n-1].ts < p.ts {
				w.points = append(w.points, p)
				continue
			}
			at := sort.Search(len(w.points), func(i int) bool { return w.points[i].ts >= p.ts })
			w.points = slices.Insert(w.points, at, p)
		}
	}
	h.disk = max(h.disk, last)
	w.to = h.disk + 1
	if drop := len(w.points) - most; drop > 0 {
		w.points = append(w.points[:0], w.points[drop:]...)
		w.from = w.points[0].ts
	}
	return forgotten
}
