package storetest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"tidegate/store"
)

// stateRecord is a record of the log that drives a state: a message with
// readings, or a replay of letters.
type stateRecord struct {
	hour    int64
	uid     uint32
	n       uint32 // readings of a message
	replays []store.LetterID
}

// toySeries is a store of readings reduced to its counts. Crashing means to go
// on with the last durable copy.
type toySeries struct {
	applied uint64
	counts  store.HourCounts // stored and duplicate
	stored  map[store.LetterID]bool
}

func (y *toySeries) clone() *toySeries {
	c := &toySeries{applied: y.applied, counts: store.HourCounts{}, stored: maps.Clone(y.stored)}
	c.counts.AddAll(y.counts)
	return c
}

// stateSim is a writer over a state, a toy store of readings and a log, with a
// catalogue that changes its mind at every look. What it tells the state it
// also tells a model.
type stateSim struct {
	t       *testing.T
	rnd     *rand.Rand
	s       store.State
	log     []stateRecord // position - 1
	next    uint64        // position to process
	series  *toySeries
	durable *toySeries
	model   *stateModel
	history []*stateModel // after each position that the state may come back to
}

// stateModel is what a state must answer after through.
type stateModel struct {
	through uint64
	letters map[store.LetterID]store.DeadLetter
	hours   store.HourCounts
}

func (m *stateModel) clone() *stateModel {
	c := &stateModel{through: m.through, letters: maps.Clone(m.letters), hours: store.HourCounts{}}
	c.hours.AddAll(m.hours)
	return c
}

func testStateModel(t *testing.T, open func(testing.TB, string) store.State) {
	rnd, dir := newRand(t), t.TempDir()
	sim := &stateSim{
		t: t, rnd: rnd, s: openBound(t, open, dir), next: 1,
		series: &toySeries{counts: store.HourCounts{}, stored: map[store.LetterID]bool{}},
		model:  &stateModel{letters: map[store.LetterID]store.DeadLetter{}, hours: store.HourCounts{}},
	}
	sim.durable = sim.series.clone()
	sim.history = []*stateModel{sim.model.clone()}
	for range 1200 {
		switch n := rnd.IntN(40); {
		case n < 10:
			sim.write()
		case n < 28:
			sim.process()
		case n < 31:
			must(t, sim.s.Flush(t.Context(), sim.durable.applied))
		case n < 33:
			sim.flushSeries()
		case n < 35:
			sim.deleteSome()
		case n < 36:
			dir = sim.reopen(open, dir, true)
		case n < 37:
			dir = sim.reopen(open, dir, false)
		default:
			sim.compare()
		}
	}
	for sim.next <= uint64(len(sim.log)) {
		sim.process()
	}
	sim.compare()
	must(t, sim.s.Close())
}

// write appends to the log.
func (m *stateSim) write() {
	r := stateRecord{hour: int64(m.rnd.IntN(4)) - 2, uid: uint32(m.rnd.IntN(3)), n: 1 + uint32(m.rnd.IntN(4))}
	if m.rnd.IntN(4) == 0 && len(m.model.letters) > 0 {
		for id := range m.model.letters { // some letters of one message, as they are now
			if len(r.replays) == 0 || r.replays[0].Seq == id.Seq {
				r.replays = append(r.replays, id)
			}
		}
	}
	m.log = append(m.log, r)
}

// process tells the next records: replays alone, messages a few at a time.
func (m *stateSim) process() {
	var rejections []store.Rejection
	var settlements []store.Settlement
	through := m.next - 1
	for n := 1 + m.rnd.IntN(3); n > 0 && through < uint64(len(m.log)); n-- {
		r := m.log[through]
		if len(r.replays) > 0 && through >= m.next {
			break // its claims need what is before
		}
		through++
		if len(r.replays) > 0 {
			settlements = m.replay(through, r)
			break
		}
		if rej := m.message(through, r); len(rej.Letters) > 0 {
			rejections = append(rejections, rej)
		}
	}
	if through < m.next {
		return
	}
	must(m.t, m.s.Reject(m.t.Context(), through, rejections, settlements))
	m.next = through + 1
	m.apply(through, rejections, settlements)
}

func (m *stateSim) append(seq uint64, origin store.LetterID, hour int64, uid uint32) {
	if seq <= m.series.applied {
		return
	}
	m.series.counts.Add(hour, uid, 1)
	if m.series.stored[origin] {
		m.t.Fatalf("reading %s is stored twice", origin)
	}
	m.series.stored[origin] = true
}

func (m *stateSim) message(seq uint64, r stateRecord) store.Rejection {
	rej := store.Rejection{
		Seq: seq, ClockUntrusted: seq%5 == 0, ReceivedAt: r.hour*3_600_000 + int64(seq), UID: r.uid, OrgID: "o", DeviceID: fmt.Sprint(r.uid),
		Source: "mqtt", Payload: fmt.Appendf(nil, "payload %d", seq),
	}
	rej.Size = len(rej.Payload)
	for i := range r.n {
		rejected := m.rnd.IntN(3) == 0 // the catalogue of the moment
		if seq <= m.s.Applied() {
			rejected = m.s.Rejected(seq, i)
		}
		if !rejected {
			m.append(seq, store.LetterID{Seq: seq, Index: i}, r.hour, r.uid)
			continue
		}
		reason := pick(m.rnd, []store.Reason{store.ReasonConflict, store.ReasonUnknownPort})
		rej.Letters = append(rej.Letters, store.Letter{Index: i, Reason: reason, Detail: fmt.Sprint("first ", m.rnd.IntN(100))})
	}
	return rej
}

func (m *stateSim) replay(seq uint64, r stateRecord) (out []store.Settlement) {
	for i, id := range r.replays {
		index := uint32(i)
		ok, err := m.s.Claim(m.t.Context(), seq, index, id)
		must(m.t, err)
		if !ok {
			continue
		}
		origin := m.log[id.Seq-1]
		st := store.Settlement{Seq: seq, Index: index, ID: id}
		if seq > m.s.Applied() && m.rnd.IntN(3) == 0 {
			st.Again, st.Detail = store.ReasonQuota, fmt.Sprint("again ", m.rnd.IntN(100))
		} else {
			m.append(seq, id, origin.hour, origin.uid)
		}
		out = append(out, st)
		if _, there := m.model.letters[id]; there && m.rnd.IntN(8) == 0 { // between claim and settlement
			m.delete(id)
		}
	}
	return out
}

// apply does to the model what Reject should do, if it should.
func (m *stateSim) apply(through uint64, r []store.Rejection, settlements []store.Settlement) {
	m.series.applied = max(m.series.applied, through)
	if through <= m.model.through {
		return
	}
	known := m.model.through
	m.model.through = through
	for _, rej := range r {
		if rej.Seq <= known {
			continue
		}
		m.model.hours.Add(m.log[rej.Seq-1].hour, rej.UID, int64(len(rej.Letters)))
		for _, l := range rej.Letters {
			id := store.LetterID{Seq: rej.Seq, Index: l.Index}
			m.model.letters[id] = store.DeadLetter{
				ID: id.String(), Reason: l.Reason, Detail: l.Detail, OrgID: rej.OrgID, DeviceID: rej.DeviceID,
				Source: rej.Source, Payload: string(rej.Payload), Size: rej.Size, ReceivedAt: store.Time(rej.ReceivedAt), ClockUntrusted: rej.ClockUntrusted, UID: rej.UID,
			}
		}
	}
	for _, st := range settlements {
		d, there := m.model.letters[st.ID]
		origin := m.log[st.ID.Seq-1]
		switch {
		case st.Again == "":
			m.model.hours.Add(origin.hour, origin.uid, -1)
			delete(m.model.letters, st.ID)
		case there:
			d.Reason, d.Detail = st.Again, st.Detail
			m.model.letters[st.ID] = d
		}
	}
	m.history = append(m.history, m.model.clone())
}

func (m *stateSim) deleteSome() {
	for id := range m.model.letters {
		if m.rnd.IntN(6) == 0 {
			m.delete(id)
		}
	}
}

// delete is durable at once, with all that was told before.
func (m *stateSim) delete(id store.LetterID) {
	n, err := m.s.DeleteDeadLetters(m.t.Context(), []store.LetterID{id})
	must(m.t, err)
	if n != 1 {
		m.t.Fatalf("%d letters with id %s were deleted", n, id)
	}
	delete(m.model.letters, id)
	m.history = []*stateModel{m.model.clone()}
}

func (m *stateSim) flushSeries() {
	must(m.t, m.s.Flush(m.t.Context(), m.durable.applied))
	m.durable = m.series.clone()
}

// reopen goes on with a closed state, or with what a crash leaves.
func (m *stateSim) reopen(open func(testing.TB, string) store.State, dir string, crash bool) string {
	m.t.Helper()
	if crash {
		dir = crashImage(m.t, dir)
		m.series = m.durable.clone()
	}
	if !crash {
		m.flushSeries()
	}
	must(m.t, m.s.Close())
	m.s = openBound(m.t, open, dir)
	applied := m.s.Applied()
	found := false
	for _, h := range m.history {
		if h.through == applied {
			m.model, found = h.clone(), true
		}
	}
	if !found || applied < m.durable.applied {
		m.t.Fatalf("the state came back at %d, which was not told; readings are at %d", applied, m.durable.applied)
	}
	m.history = []*stateModel{m.model.clone()}
	m.next = min(applied, m.series.applied) + 1
	m.compareState()
	return dir
}

// compare checks the model and, once the writer has caught up with what the
// state knows, the equation of the ledger.
func (m *stateSim) compare() {
	m.t.Helper()
	m.compareState()
	if m.next-1 < m.model.through {
		return
	}
	sum := store.HourCounts{}
	sum.AddAll(m.model.hours)
	sum.AddAll(m.series.counts)
	for seq := range m.next - 1 {
		if r := m.log[seq]; len(r.replays) == 0 {
			sum.Add(r.hour, r.uid, -int64(r.n))
		}
	}
	for hour, c := range sum {
		for uid, n := range c {
			if n != 0 {
				m.t.Fatalf("hour %d, device %d: stored + rejected - received = %d", hour, uid, n)
			}
		}
	}
}

func (m *stateSim) compareState() {
	m.t.Helper()
	ctx := m.t.Context()
	size := 1 + m.rnd.IntN(20)
	f := store.LetterFilter{Limit: size, Reason: pick(m.rnd, []store.Reason{"", "", store.ReasonConflict})}
	n := 0
	for {
		list, err := m.s.ListDeadLetters(ctx, f)
		must(m.t, err)
		for _, d := range list {
			id, err := store.ParseLetterID(d.ID)
			must(m.t, err)
			if want := m.model.letters[id]; d != want {
				m.t.Fatalf("letter\n got %+v\nwant %+v", d, want)
			}
			if f.After != nil && (f.After.Seq < id.Seq || f.After.Seq == id.Seq && f.After.Index <= id.Index) {
				m.t.Fatalf("letter %s comes behind %s", id, f.After)
			}
			f.After = &id
			n++
		}
		if len(list) < size {
			break
		}
	}
	checkCount(m.t, m.s, store.LetterFilter{Limit: size, Reason: f.Reason, DeviceID: pick(m.rnd, []string{"", "d1"})})
	reasons, want := map[store.Reason]int64{}, 0
	for _, d := range m.model.letters {
		reasons[d.Reason]++
		if f.Reason == "" || d.Reason == f.Reason {
			want++
		}
	}
	counts, err := m.s.CountDeadLetters(ctx)
	must(m.t, err)
	total, err := m.s.RejectedTotal(ctx)
	must(m.t, err)
	hours := store.HourCounts{}
	must(m.t, m.s.RejectedHours(ctx, -1<<40, 1<<40, hours))
	if n != want || !maps.Equal(counts, reasons) || int64(total) != m.model.hours.Sum() {
		m.t.Fatalf("%d letters, want %d; by reason %v, want %v; rejected %d, want %d", n, want, counts, reasons, total, m.model.hours.Sum())
	}
	for hour, c := range m.model.hours {
		for uid, n := range c {
			if hours[hour][uid] != n {
				m.t.Fatalf("rejected in hour %d of device %d: %d, want %d", hour, uid, hours[hour][uid], n)
			}
		}
	}
}
