package embedded

import (
	"context"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

// TestSeriesAdopt cuts an adoption off before each file: the start is refused,
// and the next adoption ends where one that was not cut off does.
func TestSeriesAdopt(t *testing.T) {
	ctx := context.Background()
	adopted := store.Bounds{Log: store.LogID{9}, Head: 3}
	for cut := range 7 {
		dir := t.TempDir()
		s := openTestSeries(t, dir, SeriesOptions{})
		fillMonths(t, s)
		before := allRows(t, s)
		stored, duplicate, hours, duplicates := ledgerOf(t, s)
		mustClose(t, s)

		s = openUnbound(t, dir, SeriesOptions{})
		for _, m := range slices.Sorted(maps.Keys(s.months))[:min(cut, len(s.months))] {
			if err := s.adoptMonth(m, adopted); err != nil {
				t.Fatal(err)
			}
		}
		mustClose(t, s)
		s = openUnbound(t, dir, SeriesOptions{})
		if err := s.Bind(adopted); err == nil {
			t.Fatalf("cut off after %d months, and the new log is taken", cut)
		}
		if err := s.Adopt(adopted); err != nil {
			t.Fatal(err)
		}
		mustClose(t, s)

		s = openUnbound(t, dir, SeriesOptions{})
		if err := s.Bind(store.Bounds{Log: testLogID(), Head: 1 << 40}); err == nil {
			t.Fatal("the old log is still taken")
		}
		if err := s.Bind(adopted); err != nil || s.Applied() != 0 {
			t.Fatalf("applied %d: %v", s.Applied(), err)
		}
		sameLedger(t, s, stored, duplicate, hours, duplicates)
		got := mustAppend(t, s, item(1, before[0].Sample.TS, before[0].Sample.Raw), item(1, before[0].Sample.TS+1, 5))
		if got[0].Verdict != store.VerdictDuplicate || got[1].Verdict != store.VerdictStored {
			t.Fatalf("verdicts %d, %d", got[0].Verdict, got[1].Verdict)
		}
		mustFlush(t, s)
		mustClose(t, s)

		// What follows the log stays where it is.
		s = openUnbound(t, dir, SeriesOptions{})
		was := s.Standings()
		if err := s.Adopt(adopted); err != nil {
			t.Fatal(err)
		}
		if is := s.Standings(); !slices.Equal(is, was) || is[0].Applied != 1 {
			t.Fatalf("adopted again: %+v, before %+v", is, was)
		}
		if first, last, err := s.CountedHours(); err != nil || first > last || first == math.MinInt64 {
			t.Fatalf("counted from %d to %d: %v", first, last, err)
		}
		got2, _, err := s.Totals(ctx)
		if err != nil || got2 != stored+1 {
			t.Fatalf("stored %d, want %d: %v", got2, stored+1, err)
		}
		mustClose(t, s)
	}
}

// TestMakeIndex makes the index again beside months, and only there.
func TestMakeIndex(t *testing.T) {
	dir := t.TempDir()
	if made, err := MakeIndex(dir, time.Now()); made || err != nil {
		t.Fatalf("made %v in an empty folder: %v", made, err)
	}
	s := openTestSeries(t, dir, SeriesOptions{})
	fillMonths(t, s)
	stored, duplicate, hours, duplicates := ledgerOf(t, s)
	mustClose(t, s)
	if made, err := MakeIndex(dir, time.Now()); made || err != nil {
		t.Fatalf("made %v beside the one that is there: %v", made, err)
	}
	if err := os.Remove(filepath.Join(dir, indexName)); err != nil {
		t.Fatal(err)
	}
	if made, err := MakeIndex(dir, time.Now()); !made || err != nil {
		t.Fatalf("made %v: %v", made, err)
	}
	s = openUnbound(t, dir, SeriesOptions{})
	if err := s.Bind(store.Bounds{Log: testLogID(), After: 5, Head: 1 << 40}); err == nil || !strings.Contains(err.Error(), "--adopt-log") {
		t.Fatalf("a new index beside a log that was trimmed: %v", err)
	}
	if err := s.Bind(store.Bounds{Log: testLogID(), Head: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	sameLedger(t, s, stored, duplicate, hours, duplicates)
	mustClose(t, s)
}

// TestStateAdopt keeps letters and counts, gives no id twice, and does nothing
// when it is repeated.
func TestStateAdopt(t *testing.T) {
	dir := t.TempDir()
	s := openTestState(t, dir, StateOptions{})
	if first, last, err := s.CountedHours(); err != nil || first <= last {
		t.Fatalf("a new file counts hours %d to %d: %v", first, last, err)
	}
	bindTestState(t, s)
	again := func() {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openTestState(t, dir, StateOptions{})
	}
	at := time.Date(2025, 3, 1, 5, 0, 0, 0, time.UTC)
	reject(t, s, oneLetter(1, at, 10), oneLetter(2, at.Add(2*time.Hour), 10))
	again()
	adopted := store.Bounds{Log: store.LogID{8}, Head: 50}
	for range 2 {
		if err := s.Adopt(adopted); err != nil {
			t.Fatal(err)
		}
		again()
	}
	if err := s.Bind(adopted); err != nil || s.Applied() != 0 {
		t.Fatalf("applied %d: %v", s.Applied(), err)
	}
	if s.Rejected(1, 0) || s.Rejected(2, 0) {
		t.Error("verdicts of the other log")
	}
	r := oneLetter(1, at.Add(4*time.Hour), 10)
	r.Letters[0].Index = 4
	reject(t, s, r)
	again()
	was := s.Standings()
	if err := s.Adopt(adopted); err != nil {
		t.Fatal(err)
	}
	if is := s.Standings(); !slices.Equal(is, was) || is[0].Applied != 1 {
		t.Fatalf("adopted again: %+v, before %+v", is, was)
	}
	if err := s.Bind(adopted); err != nil {
		t.Fatal(err)
	}
	if got := listIDs(t, s); got != "3-4 2-0 1-0" {
		t.Errorf("letters %s: an id was given twice", got)
	}
	if !s.Rejected(1, 4) {
		t.Error("the verdict of the new log")
	}
	if ok, err := s.Claim(t.Context(), 2, 4, store.LetterID{Seq: 3, Index: 4}); !ok || err != nil {
		t.Errorf("claim by its id: %v %v", ok, err)
	}
	if n, err := s.RejectedTotal(t.Context()); n != 3 || err != nil {
		t.Errorf("rejected %d: %v", n, err)
	}
	hour := hourOf(at.UnixMilli())
	if first, last, err := s.CountedHours(); err != nil || first != hour || last != hour+4 {
		t.Errorf("hours %d to %d, want %d to %d: %v", first, last, hour, hour+4, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestStateAdoptsWhatBeginsLater has lost its records: a new file, or an older
// copy, goes on where the log begins.
func TestStateAdoptsWhatBeginsLater(t *testing.T) {
	later := store.Bounds{Log: stateLog, After: 6, Head: 6}
	for _, bound := range []bool{false, true} {
		dir := t.TempDir()
		s := openTestState(t, dir, StateOptions{})
		if bound {
			bindTestState(t, s)
			reject(t, s, oneLetter(3, time.Now(), 10))
			if err := s.Flush(t.Context(), 3); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Bind(later); err == nil {
			t.Fatal("bound to a log that begins later")
		}
		if err := s.Adopt(later); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openTestState(t, dir, StateOptions{})
		if err := s.Bind(later); err != nil || s.Applied() != 6 {
			t.Fatalf("applied %d: %v", s.Applied(), err)
		}
		reject(t, s, oneLetter(7, time.Now(), 10))
		if got, want := listIDs(t, s), map[bool]string{false: "7-0", true: "7-0 3-0"}[bound]; got != want {
			t.Errorf("letters %s, want %s", got, want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
