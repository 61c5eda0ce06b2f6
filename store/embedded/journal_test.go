package embedded

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"tidegate/store"
	"tidegate/store/storetest"
)

func openTestJournal(t testing.TB, dir string) *Journal {
	t.Helper()
	j, err := OpenJournal(filepath.Join(dir, "writer.db"), JournalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// bindTestJournal opens and binds; the test closes it.
func bindTestJournal(t testing.TB, dir string) *Journal {
	t.Helper()
	j := openTestJournal(t, dir)
	if err := j.Bind(store.Bounds{Log: stateLog, Head: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	return j
}

func begin(t testing.TB, j *Journal, through uint64, body []byte) {
	t.Helper()
	if err := j.Begin(t.Context(), store.Intent{Through: through, Stored: store.HourCounts{7: {1: 2}}, Body: body}); err != nil {
		t.Fatal(err)
	}
}

func finish(t testing.TB, j *Journal, o store.Outcome) {
	t.Helper()
	if err := j.Finish(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

func TestJournalContract(t *testing.T) {
	storetest.RunJournal(t, func(t testing.TB, dir string) store.Journal { return openTestJournal(t, dir) })
}

// TestJournalKeepsSoManyRefusals drops the oldest beyond a number and a size;
// their count stays.
func TestJournalKeepsSoManyRefusals(t *testing.T) {
	dir := t.TempDir()
	j := bindTestJournal(t, dir)
	total := 0
	refuse := func(n, size int) {
		t.Helper()
		o := store.Outcome{}
		for range n {
			total++
			o.Refused = append(o.Refused, store.Refusal{Hour: int64(total % 5), At: store.Time(total), Document: strings.Repeat("x", size)})
		}
		finish(t, j, o)
	}
	check := func(want int) {
		t.Helper()
		for range 2 {
			list, err := j.ListRefused(t.Context(), 1<<20)
			n, err2 := j.Refused(t.Context())
			hours := store.HourCounts{}
			if err := errors.Join(err, err2, j.RefusedHours(t.Context(), minHour, maxHour, hours)); err != nil {
				t.Fatal(err)
			}
			if len(list) != want || int(n) != total || int(hours.Sum()) != total || want > 0 && (list[0].At != store.Time(total) || list[want-1].At != store.Time(total-want+1)) {
				t.Fatalf("%d refusals of %d are kept, by hour %d; want %d of %d", len(list), n, hours.Sum(), want, total)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			j = bindTestJournal(t, dir)
		}
	}
	refuse(9_990, 20)
	check(9_990)
	refuse(30, 20)
	check(mostRefusals)
	refuse(10_500, 20)
	check(mostRefusals)
	const large = 1 << 20
	refuse(20, large)
	check(15) // and what goes with each keeps the sixteenth out
	refuse(1, 2*mostRefusedBytes)
	check(0)
	refuse(3, 10)
	check(3)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestJournalAfterFailedFsync: nothing is written or answered any more.
func TestJournalAfterFailedFsync(t *testing.T) {
	j := bindTestJournal(t, t.TempDir())
	ctx := t.Context()
	finish(t, j, store.Outcome{Through: 3})
	err := j.change(ctx, "test", func(*bbolt.Tx, *journalMeta) error { return fmt.Errorf("sync: %w", errFsync) })
	if !errors.Is(err, errFsync) {
		t.Fatal(err)
	}
	_, _, totals := j.Totals(ctx)
	_, _, intent := j.Intent(ctx)
	_, listed := j.ListRefused(ctx, 1)
	for name, err := range map[string]error{
		"begin": j.Begin(ctx, store.Intent{Through: 4}), "finish": j.Finish(ctx, store.Outcome{Through: 4}),
		"reset": j.Reset(ctx, stateLog, 1, nil, nil), "bind": j.Bind(store.Bounds{Log: stateLog, Head: 9}), "target": j.SetTarget(ctx, "a", "a"),
		"totals": totals, "hours": j.Hours(ctx, 0, 1, store.HourCounts{}, store.HourCounts{}), "intent": intent, "list": listed,
	} {
		if !errors.Is(err, errFsync) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if j.Applied() != 3 {
		t.Errorf("applied %d", j.Applied())
	}
	if err := errors.Join(j.Close(), j.Close()); err != nil {
		t.Error(err)
	}
	if err := j.Finish(ctx, store.Outcome{Through: 5}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("closed: %v", err)
	}
}

// TestJournalFullDisk fills a small file system for real: what does not fit
// changes nothing, and what fits goes on.
func TestJournalFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("no small file system can be mounted here: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	j := bindTestJournal(t, dir)
	defer func() { _ = j.Close() }()
	begin(t, j, 3, []byte("small"))
	was := journalText(t, j)
	if err := j.Begin(t.Context(), store.Intent{Through: 5, Body: make([]byte, 1<<20)}); !errors.Is(err, store.ErrFull) || errors.Is(err, errFsync) {
		t.Fatalf("a full disk says %v", err)
	}
	if is := journalText(t, j); is != was {
		t.Fatalf("a full disk changed %s into %s", was, is)
	}
	finish(t, j, store.Outcome{Through: 3})
	begin(t, j, 5, make([]byte, 50_000))
}

// TestJournalAdopts: a journal that takes another log keeps what it has counted
// and what it is sending, which counts as carried over too.
func TestJournalAdopts(t *testing.T) {
	dir := t.TempDir()
	other := store.LogID{8}
	j := openTestJournal(t, dir)
	if err := errors.Join(j.Bind(store.Bounds{Log: stateLog, Head: 90}), j.SetTarget(t.Context(), "a", "a")); err != nil {
		t.Fatal(err)
	}
	finish(t, j, store.Outcome{Through: 50, Stored: store.HourCounts{1: {1: 5}}, Refused: []store.Refusal{{Hour: 2}}})
	if err := j.Begin(t.Context(), store.Intent{Through: 70, Stored: store.HourCounts{7: {1: 3}}, Body: []byte("of the old log")}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		j = openTestJournal(t, dir)
		if err := j.Adopt(store.Bounds{Log: other, Head: 4}); err != nil {
			t.Fatal(err)
		}
	}
	first, last, err := j.CountedHours()
	carried := store.HourCounts{}
	if err2 := j.CarryHours(t.Context(), first, last+1, carried); err != nil || err2 != nil || first != 1 || last != 7 || carried.Sum() != 9 {
		t.Errorf("%d readings are carried over, of the hours %d to %d: %v %v", carried.Sum(), first, last, err, err2)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = openTestJournal(t, dir)
	defer func() { _ = j.Close() }()
	if err := j.Bind(store.Bounds{Log: stateLog, Head: 90}); err == nil {
		t.Error("the old log is still taken")
	}
	if err := j.Bind(store.Bounds{Log: other, Head: 1}); err != nil || j.Applied() != 0 {
		t.Fatalf("applied %d: %v", j.Applied(), err)
	}
	if i, kept, err := j.Intent(t.Context()); !kept || err != nil || i.Through != 0 || string(i.Body) != "of the old log" || i.Stored.Sum() != 3 {
		t.Errorf("what is being sent: %+v %v %v", i, kept, err)
	}
	stored, _, err := j.Totals(t.Context())
	n, err2 := j.Refused(t.Context())
	id, err3 := j.Target(t.Context())
	if err := errors.Join(err, err2, err3); err != nil || stored != 5 || n != 1 || id != "a" {
		t.Errorf("stored %d, refused %d, database %q: %v", stored, n, id, err)
	}
}
