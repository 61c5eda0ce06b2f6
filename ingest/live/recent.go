package live

// recent is what was told last, for those who come back.
type recent struct {
	ring  []*Told // a ring of at most length; nil entries were forgotten
	next  int     // where the next one goes, once the ring is full
	bytes int
	first uint64 // the number of the oldest that was not pushed out
	total int    // entries that count

	length, limit int
}

func newRecent(length, limit int, first uint64) *recent {
	return &recent{length: length, limit: limit, first: first}
}

// add takes an event, whose number is the next.
func (r *recent) add(t *Told) {
	if len(r.ring) < r.length {
		if len(r.ring) == cap(r.ring) {
			grown := make([]*Told, len(r.ring), min(max(64, 2*cap(r.ring)), r.length))
			copy(grown, r.ring)
			r.ring = grown
		}
		r.ring = append(r.ring, t)
	} else {
		if r.total == r.length {
			r.drop()
		}
		r.ring[r.next] = t
		r.next = (r.next + 1) % r.length
	}
	r.total++
	r.bytes += t.weight()
	for r.bytes > r.limit && r.total > 1 {
		r.drop()
	}
}

// drop lets go of the oldest, where one is left.
func (r *recent) drop() {
	if r.total == 0 {
		return
	}
	i := (r.next + len(r.ring) - r.total) % len(r.ring)
	if t := r.ring[i]; t != nil {
		r.bytes -= t.weight()
		r.ring[i] = nil
	}
	r.total--
	r.first++
}

// since answers what came after a number; false: some of it is not there any
// more.
func (r *recent) since(after uint64) ([]*Told, bool) {
	if after+1 < r.first {
		return nil, false
	}
	skip := min(int(after+1-r.first), r.total)
	out := make([]*Told, 0, r.total-skip)
	for k := skip; k < r.total; k++ {
		if t := r.ring[(r.next+len(r.ring)-r.total+k)%len(r.ring)]; t != nil {
			out = append(out, t)
		}
	}
	return out, true
}

// forget lets go of what belongs to an organization.
func (r *recent) forget(orgID string) {
	for i, t := range r.ring {
		if t != nil && t.OrgID == orgID {
			r.bytes -= t.weight()
			r.ring[i] = nil
		}
	}
}
