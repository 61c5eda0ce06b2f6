package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"tidegate/store"
)

// RunJournal tests a journal. open opens that of a folder, or makes it; it must
// keep all that it has in the folder.
func RunJournal(t *testing.T, open func(t testing.TB, dir string) store.Journal) {
	t.Run("bind", func(t *testing.T) { testJournalBind(t, open) })
	t.Run("target", func(t *testing.T) { testJournalTarget(t, open) })
	t.Run("intent", func(t *testing.T) { testJournalIntent(t, open) })
	t.Run("refused", func(t *testing.T) { testJournalRefused(t, open) })
	t.Run("reset", func(t *testing.T) { testJournalReset(t, open) })
	t.Run("import", func(t *testing.T) { testJournalImport(t, open) })
	t.Run("used", func(t *testing.T) { testJournalUsed(t, open) })
	t.Run("beside", func(t *testing.T) { testJournalBeside(t, open) })
	t.Run("model", func(t *testing.T) { testJournalModel(t, open) })
}

func openJournal(t testing.TB, open func(testing.TB, string) store.Journal, dir string) store.Journal {
	t.Helper()
	j := open(t, dir)
	must(t, j.Bind(store.Bounds{Log: testLog, Head: 1 << 40}))
	return j
}

func testJournalBind(t *testing.T, open func(testing.TB, string) store.Journal) {
	ctx, dir := t.Context(), t.TempDir()
	j := open(t, dir)
	if err := j.Begin(ctx, store.Intent{Through: 1}); err == nil {
		t.Error("an intent without a log")
	}
	if err := j.Finish(ctx, store.Outcome{Through: 1}); err == nil {
		t.Error("an outcome without a log")
	}
	refused := func(name string, b store.Bounds) {
		t.Helper()
		if err := j.Bind(b); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "tidegate doctor --adopt-log") {
			t.Errorf("%s: %v", name, err)
		}
		must(t, j.Close())
		j = open(t, dir)
	}
	refused("a new journal and a trimmed log", store.Bounds{Log: testLog, After: 5, Head: 30})
	must(t, j.Bind(store.Bounds{Log: testLog, Head: 30}))
	must(t, j.Finish(ctx, store.Outcome{Through: 20}))
	if j.Applied() != 20 {
		t.Fatalf("applied %d, want 20", j.Applied())
	}
	if err := j.Finish(ctx, store.Outcome{Through: 19}); !errors.Is(err, store.ErrInvalid) || j.Applied() != 20 {
		t.Errorf("applied %d after going back: %v", j.Applied(), err)
	}
	if err := j.Begin(ctx, store.Intent{Through: 19}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("an intent for what is applied: %v", err)
	}
	must(t, j.Close())
	j = open(t, dir)
	refused("another log", store.Bounds{Log: store.LogID{9}, Head: 30})
	refused("the log ends before", store.Bounds{Log: testLog, Head: 19})
	refused("the log begins behind", store.Bounds{Log: testLog, After: 21, Head: 30})
	must(t, j.Bind(store.Bounds{Log: testLog, After: 20, Head: 20}))
	must(t, j.Begin(ctx, store.Intent{Through: 25}))
	refused("the log ends before what was sent", store.Bounds{Log: testLog, Head: 24})
	must(t, j.Bind(store.Bounds{Log: testLog, After: 20, Head: 25}))
	must(t, j.Close())
}

func testJournalTarget(t *testing.T, open func(testing.TB, string) store.Journal) {
	ctx, dir := t.Context(), t.TempDir()
	j := open(t, dir)
	want := func(id string) {
		t.Helper()
		if got, err := j.Target(ctx); err != nil || got != id {
			t.Fatalf("target %q, want %q: %v", got, id, err)
		}
	}
	want("")
	if err := j.SetTarget(ctx, "", "nameless"); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a database without an id: %v", err)
	}
	must(t, j.SetTarget(ctx, "a1", "mongo.acme.example/tidegate"))
	must(t, j.SetTarget(ctx, "a1", "10.0.0.7/tidegate"))
	must(t, j.Close())
	j = open(t, dir)
	want("a1")
	err := j.SetTarget(ctx, "b2", "localhost/tidegate")
	if !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "10.0.0.7/tidegate") || !strings.Contains(err.Error(), "localhost/tidegate") {
		t.Errorf("another database: %v", err)
	}
	want("a1")
	must(t, j.Close())
}

// testJournalIntent keeps, replaces and ends intents of all sizes.
func testJournalIntent(t *testing.T, open func(testing.TB, string) store.Journal) {
	ctx, dir, rnd := t.Context(), t.TempDir(), newRand(t)
	j := openJournal(t, open, dir)
	want := func(i store.Intent, kept bool) {
		t.Helper()
		sameIntent(t, j, i, kept)
	}
	want(store.Intent{}, false)
	for n, size := range []int{0, 1, 500, 2016, 2017, 4096, 100_000, 3 << 20, 10} {
		i := store.Intent{Through: uint64(n + 1), Body: make([]byte, size)}
		for k := range i.Body {
			i.Body[k] = byte(rnd.Uint32())
		}
		if n%2 == 0 {
			i.Stored, i.Duplicate = store.HourCounts{-3: {0: 1, 9: 70_000}, 480_000: {1 << 31: 5}}, store.HourCounts{480_001: {2: int64(n) + 1}}
		}
		must(t, j.Begin(ctx, i))
		want(i, true)
		if stored, _, err := j.Totals(ctx); err != nil || stored != 0 {
			t.Fatalf("an intent counts: %d %v", stored, err)
		}
		image := crashImage(t, dir)
		must(t, j.Close())
		dir = image
		j = openJournal(t, open, dir)
		want(i, true)
	}
	must(t, j.Finish(ctx, store.Outcome{Through: 9}))
	want(store.Intent{}, false)
	must(t, j.Close())
	j = openJournal(t, open, dir)
	want(store.Intent{}, false)
	must(t, j.Close())
}

func sameIntent(t *testing.T, j store.Journal, want store.Intent, kept bool) {
	t.Helper()
	got, ok, err := j.Intent(t.Context())
	must(t, err)
	if ok != kept || got.Through != want.Through || !bytes.Equal(got.Body, want.Body) || !equalHours(got.Stored, want.Stored) || !equalHours(got.Duplicate, want.Duplicate) {
		t.Fatalf("intent %v: through %d, %d bytes, %v %v; want %v: %d, %d, %v %v", ok, got.Through, len(got.Body), got.Stored, got.Duplicate, kept, want.Through, len(want.Body), want.Stored, want.Duplicate)
	}
}

func testJournalRefused(t *testing.T, open func(testing.TB, string) store.Journal) {
	ctx, dir := t.Context(), t.TempDir()
	j := openJournal(t, open, dir)
	if _, err := j.ListRefused(ctx, 0); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a list without a limit: %v", err)
	}
	refusal := func(i int) store.Refusal {
		return store.Refusal{Hour: int64(i%3) - 1, UID: uint32(i % 2), At: store.Time(i - 5), Document: fmt.Sprintf(`{"n":%d,"text":"ü<&\u0000"}`, i), Reason: "no such thing"}
	}
	n := 0
	for round := range 3 {
		o := store.Outcome{Through: uint64(round)}
		for range 100 {
			o.Refused = append(o.Refused, refusal(n))
			n++
		}
		must(t, j.Finish(ctx, o))
	}
	for range 2 {
		for _, limit := range []int{1, 150, 300, 1000} {
			got, err := j.ListRefused(ctx, limit)
			must(t, err)
			if len(got) != min(limit, n) {
				t.Fatalf("%d refusals, want %d", len(got), min(limit, n))
			}
			for i := range got {
				if got[i] != refusal(n-1-i) {
					t.Fatalf("refusal %+v, want %+v", got[i], refusal(n-1-i))
				}
			}
		}
		total, err := j.Refused(ctx)
		must(t, err)
		hours := store.HourCounts{}
		must(t, j.RefusedHours(ctx, 0, 1, hours))
		if want := (store.HourCounts{0: {0: 50, 1: 50}}); total != 300 || !equalHours(hours, want) {
			t.Errorf("%d refused, in hour 0 %v, want 300 and %v", total, hours, want)
		}
		if stored, duplicate, err := j.Totals(ctx); err != nil || stored+duplicate != 0 {
			t.Errorf("what was refused counts as stored: %d %d %v", stored, duplicate, err)
		}
		must(t, j.Close())
		j = openJournal(t, open, dir)
	}
	must(t, j.Close())
}

func testJournalReset(t *testing.T, open func(testing.TB, string) store.Journal) {
	ctx, dir := t.Context(), t.TempDir()
	j := openJournal(t, open, dir)
	must(t, j.Finish(ctx, store.Outcome{Through: 5, Stored: store.HourCounts{1: {1: 9}, 2: {1: 9}}, Refused: []store.Refusal{{Hour: 1, UID: 1, Document: "{}"}}}))
	must(t, j.Begin(ctx, store.Intent{Through: 6}))
	other := store.LogID{8}
	stored, duplicate := store.HourCounts{2: {1: 3, 4: 1}}, store.HourCounts{7: {0: 2}}
	if err := j.Reset(ctx, other, 40, stored, duplicate); !errors.Is(err, store.ErrConflict) {
		t.Errorf("while an intent is kept: %v", err)
	}
	must(t, j.Finish(ctx, store.Outcome{Through: 6}))
	if err := j.Reset(ctx, other, 40, store.HourCounts{1: {1: -1}}, nil); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a negative count: %v", err)
	}
	for range 2 {
		must(t, j.Reset(ctx, other, 40, stored, duplicate))
		dir = crashImage(t, dir)
		must(t, j.Close())
		j = open(t, dir)
		hours, duplicates := store.HourCounts{}, store.HourCounts{}
		must(t, j.Hours(ctx, math.MinInt64, math.MaxInt64, hours, duplicates))
		s, d, err := j.Totals(ctx)
		must(t, err)
		if j.Applied() != 40 || s != 4 || d != 2 || !equalHours(hours, stored) || !equalHours(duplicates, duplicate) {
			t.Fatalf("applied %d, totals %d %d, hours %v %v", j.Applied(), s, d, hours, duplicates)
		}
		if n, err := j.Refused(ctx); err != nil || n != 1 {
			t.Errorf("%d refused: %v", n, err)
		}
	}
	if err := j.Bind(store.Bounds{Log: testLog, Head: 90}); err == nil {
		t.Error("the former log is still taken")
	}
	must(t, j.Bind(store.Bounds{Log: other, After: 40, Head: 90}))
	must(t, j.Close())
}

// testJournalBeside reads the counters while the writer writes: hours and
// totals are of one moment, and only grow.
func testJournalBeside(t *testing.T, open func(testing.TB, string) store.Journal) {
	ctx := t.Context()
	j := openJournal(t, open, t.TempDir())
	end := make(chan struct{})
	var done sync.WaitGroup
	for range 2 {
		done.Go(func() {
			for n := uint64(0); ; {
				select {
				case <-end:
					return
				default:
				}
				hours, duplicates, refused := store.HourCounts{}, store.HourCounts{}, store.HourCounts{}
				applied := j.Applied()
				stored, duplicate, err1 := j.Totals(ctx)
				err2 := j.Hours(ctx, math.MinInt64, math.MaxInt64, hours, duplicates)
				stored2, duplicate2, err3 := j.Totals(ctx)
				r, err4 := j.Refused(ctx)
				err5 := j.RefusedHours(ctx, math.MinInt64, math.MaxInt64, refused)
				r2, err6 := j.Refused(ctx)
				if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
					t.Error(err)
					return
				}
				if sum := uint64(hours.Sum()); stored < n || applied < n/2 || sum < stored || sum > stored2 || sum%2 != 0 {
					t.Errorf("hours hold %d, totals %d before and %d after, applied %d, %d at first", sum, stored, stored2, applied, n)
					return
				}
				if sum := uint64(duplicates.Sum()); sum < duplicate || sum > duplicate2 {
					t.Errorf("hours hold %d duplicates, totals %d before and %d after", sum, duplicate, duplicate2)
					return
				}
				if sum := uint64(refused.Sum()); sum < r || sum > r2 {
					t.Errorf("hours hold %d refused, %d before and %d after", sum, r, r2)
					return
				}
				n = stored2
			}
		})
	}
	const rounds = 150
	for n := uint64(1); n <= rounds; n++ {
		must(t, j.Begin(ctx, store.Intent{Through: n, Stored: store.HourCounts{1: {1: 2}}, Body: make([]byte, 5_000)}))
		must(t, j.Finish(ctx, store.Outcome{
			Through: n, Stored: store.HourCounts{int64(n % 5): {1: 1, 2: 1}}, Duplicate: store.HourCounts{int64(n % 7): {3: 1}},
			Refused: []store.Refusal{{Hour: int64(n % 3), UID: 1}},
		}))
	}
	close(end)
	done.Wait()
	stored, duplicate, err := j.Totals(ctx)
	if stored != 2*rounds || duplicate != rounds || err != nil {
		t.Errorf("totals %d %d: %v", stored, duplicate, err)
	}
	must(t, j.Close())
}
