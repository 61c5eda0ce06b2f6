package storetest

import (
	"errors"
	"strings"
	"testing"

	"tidegate/store"
)

// testJournalImport: readings of elsewhere come before any log, and until the
// last step is taken no log is bound.
func testJournalImport(t *testing.T, open func(testing.TB, string) store.Journal) {
	ctx, dir := t.Context(), t.TempDir()
	bounds := store.Bounds{Log: testLog, After: 7, Head: 30}
	j := open(t, dir)
	again := func() {
		t.Helper()
		dir = crashImage(t, dir)
		must(t, j.Close())
		j = open(t, dir)
	}
	must(t, j.Importable(ctx))
	must(t, j.Import(ctx))
	must(t, j.Import(ctx))
	again()
	if err := j.Bind(bounds); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "`tidegate migrate --to mongo` again") {
		t.Errorf("half an import is bound: %v", err)
	}
	must(t, j.Reset(ctx, testLog, 7, store.HourCounts{1: {1: 5}}, nil))
	again()
	must(t, j.Importable(ctx)) // once more, from the beginning
	must(t, j.Import(ctx))
	if err := j.Bind(bounds); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an import begun again is bound: %v", err)
	}
	must(t, j.Reset(ctx, testLog, 7, store.HourCounts{1: {1: 6}}, nil))
	again()
	must(t, j.Bind(bounds))
	if stored, _, err := j.Totals(ctx); err != nil || stored != 6 || j.Applied() != 7 {
		t.Errorf("stored %d, applied %d: %v", stored, j.Applied(), err)
	}
	for round := range 2 {
		for name, err := range map[string]error{"asked": j.Importable(ctx), "begun": j.Import(ctx)} {
			if !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "MONGO_URI") {
				t.Errorf("round %d: a journal in use, %s: %v", round, name, err)
			}
		}
		again()
	}
	must(t, j.Close())
}

// testJournalUsed: what was begun and finished without a Bind counts as use.
func testJournalUsed(t *testing.T, open func(testing.TB, string) store.Journal) {
	for name, use := range map[string]func(store.Journal) error{
		"intent": func(j store.Journal) error { return j.Begin(t.Context(), store.Intent{Through: 9}) },
		"count":  func(j store.Journal) error { return j.Finish(t.Context(), store.Outcome{Through: 9}) },
	} {
		j := open(t, t.TempDir())
		must(t, j.Reset(t.Context(), testLog, 7, nil, nil))
		must(t, use(j))
		if err := j.Importable(t.Context()); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
		must(t, j.Close())
	}
}
