package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"tidegate/store"
)

// journalSim is a writer over a journal, and the model of what it has to
// answer.
type journalSim struct {
	t    *testing.T
	rnd  *rand.Rand
	open func(testing.TB, string) store.Journal
	dir  string
	j    store.Journal

	log               store.LogID
	applied           uint64
	stored, duplicate store.HourCounts
	refused           []store.Refusal // newest last
	intent            *store.Intent
	target            string
}

// testJournalModel drives a journal by chance, over reopening and crashes:
// whatever returned is there.
func testJournalModel(t *testing.T, open func(testing.TB, string) store.Journal) {
	m := &journalSim{
		t: t, rnd: newRand(t), open: open, dir: t.TempDir(),
		log: testLog, stored: store.HourCounts{}, duplicate: store.HourCounts{},
	}
	m.j = openJournal(t, open, m.dir)
	for range 400 {
		switch n := m.rnd.IntN(30); {
		case n < 9:
			m.begin()
		case n < 18:
			m.finish()
		case n < 20:
			m.reset()
		case n < 22:
			m.setTarget()
		case n < 25:
			m.reopen()
		default:
			m.compare()
		}
	}
	m.reopen()
	m.compare()
	must(t, m.j.Close())
}

func (m *journalSim) counts() store.HourCounts {
	c := store.HourCounts{}
	for range m.rnd.IntN(20) {
		c.Add(int64(m.rnd.IntN(6))-3, uint32(m.rnd.IntN(4))*70_000, int64(m.rnd.IntN(5)))
	}
	return c
}

func (m *journalSim) begin() {
	i := store.Intent{Through: m.applied + uint64(m.rnd.IntN(50)), Stored: m.counts(), Duplicate: m.counts()}
	i.Body = make([]byte, pick(m.rnd, []int{0, 10, 3000, 3000, 50_000, 400_000}))
	for k := range i.Body {
		i.Body[k] = byte(m.rnd.Uint32())
	}
	must(m.t, m.j.Begin(m.t.Context(), i))
	m.intent = &i
}

func (m *journalSim) finish() {
	o := store.Outcome{Through: m.applied + uint64(m.rnd.IntN(50)), Stored: m.counts(), Duplicate: m.counts()}
	if m.intent != nil {
		o.Through = m.intent.Through
	}
	for range max(0, m.rnd.IntN(40)-20) {
		o.Refused = append(o.Refused, store.Refusal{
			Hour: int64(m.rnd.IntN(6)) - 3, UID: uint32(m.rnd.IntN(3)), At: store.Time(m.rnd.Int64N(1 << 42)),
			Document: fmt.Sprintf(`{"n":%d}`, len(m.refused)+len(o.Refused)), Reason: pick(m.rnd, []string{"", "document is too large"}),
		})
	}
	must(m.t, m.j.Finish(m.t.Context(), o))
	m.applied, m.intent = o.Through, nil
	m.stored.AddAll(o.Stored)
	m.duplicate.AddAll(o.Duplicate)
	m.refused = append(m.refused, o.Refused...)
}

func (m *journalSim) reset() {
	stored, duplicate, applied := m.counts(), m.counts(), uint64(m.rnd.IntN(1000))
	log := pick(m.rnd, []store.LogID{testLog, {4}})
	err := m.j.Reset(m.t.Context(), log, applied, stored, duplicate)
	if m.intent != nil {
		if !errors.Is(err, store.ErrConflict) {
			m.t.Fatalf("reset while an intent is kept: %v", err)
		}
		return
	}
	must(m.t, err)
	m.log, m.applied, m.stored, m.duplicate = log, applied, stored, duplicate
}

func (m *journalSim) setTarget() {
	id := pick(m.rnd, []string{"a", "a", "b"})
	err := m.j.SetTarget(m.t.Context(), id, "somewhere")
	if m.target != "" && m.target != id {
		if !errors.Is(err, store.ErrConflict) {
			m.t.Fatalf("database %s instead of %s: %v", id, m.target, err)
		}
		return
	}
	must(m.t, err)
	m.target = id
}

// reopen goes on with a closed journal, or with what a crash leaves.
func (m *journalSim) reopen() {
	image := m.dir
	if m.rnd.IntN(2) == 0 {
		image = crashImage(m.t, m.dir)
	}
	must(m.t, m.j.Close())
	m.dir, m.j = image, m.open(m.t, image)
	b := store.Bounds{Log: m.log, After: uint64(m.rnd.Int64N(int64(m.applied) + 1)), Head: m.applied}
	if m.intent != nil {
		b.Head = m.intent.Through
	}
	must(m.t, m.j.Bind(b))
	m.compare()
}

func (m *journalSim) compare() {
	m.t.Helper()
	ctx, t := m.t.Context(), m.t
	hours, duplicates, refusedHours := store.HourCounts{}, store.HourCounts{}, store.HourCounts{}
	at := int64(m.rnd.IntN(6)) - 3
	must(t, m.j.Hours(ctx, -1<<40, at, hours, duplicates))
	must(t, m.j.Hours(ctx, at, 1<<40, hours, duplicates))
	must(t, m.j.RefusedHours(ctx, -1<<40, at, refusedHours))
	must(t, m.j.RefusedHours(ctx, at, 1<<40, refusedHours))
	stored, duplicate, err := m.j.Totals(ctx)
	must(t, err)
	refused, err := m.j.Refused(ctx)
	must(t, err)
	want := store.HourCounts{}
	for _, r := range m.refused {
		want.Add(r.Hour, r.UID, 1)
	}
	if m.j.Applied() != m.applied || int64(stored) != m.stored.Sum() || int64(duplicate) != m.duplicate.Sum() || int(refused) != len(m.refused) {
		t.Fatalf("applied %d, totals %d %d %d; want %d, %d %d %d", m.j.Applied(), stored, duplicate, refused, m.applied, m.stored.Sum(), m.duplicate.Sum(), len(m.refused))
	}
	if !equalHours(hours, m.stored) || !equalHours(duplicates, m.duplicate) || !equalHours(refusedHours, want) {
		t.Fatalf("hours %v %v %v, want %v %v %v", hours, duplicates, refusedHours, m.stored, m.duplicate, want)
	}
	limit := 1 + m.rnd.IntN(50)
	got, err := m.j.ListRefused(ctx, limit)
	must(t, err)
	newest := slices.Clone(m.refused[max(0, len(m.refused)-limit):])
	slices.Reverse(newest)
	if !slices.Equal(got, newest) {
		t.Fatalf("refusals %+v, want %+v", got, newest)
	}
	if m.intent == nil {
		sameIntent(t, m.j, store.Intent{}, false)
	} else {
		sameIntent(t, m.j, *m.intent, true)
	}
	if id, err := m.j.Target(ctx); err != nil || id != m.target {
		t.Fatalf("target %q, want %q: %v", id, m.target, err)
	}
}
