package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"tidegate/store"
)

// RunState tests a state. open opens that of a folder, or makes it, without
// limits; it must keep all that it has in the folder.
func RunState(t *testing.T, open func(t testing.TB, dir string) store.State) {
	t.Run("letters", func(t *testing.T) { testStateLetters(t, open) })
	t.Run("bind", func(t *testing.T) { testStateBind(t, open) })
	t.Run("presence", func(t *testing.T) { testStatePresence(t, open) })
	t.Run("lifecycle", func(t *testing.T) { testStateLifecycle(t, open) })
	t.Run("lifecycles", func(t *testing.T) { testStateLifecycles(t, open) })
	t.Run("lifecycle after a crash", func(t *testing.T) { testStateLifecycleCrash(t, open) })
	t.Run("verdicts", func(t *testing.T) { testStateVerdicts(t, open) })
	t.Run("settled once", func(t *testing.T) { testStateSettledOnce(t, open) })
	t.Run("model", func(t *testing.T) { testStateModel(t, open) })
}

var testLog = store.LogID{1, 2, 3}

func openBound(t testing.TB, open func(testing.TB, string) store.State, dir string) store.State {
	t.Helper()
	s := open(t, dir)
	must(t, s.Bind(store.Bounds{Log: testLog, Head: 1 << 40}))
	return s
}

// rejection answers a message at seq with letters of the reasons.
func rejection(seq uint64, reasons ...store.Reason) store.Rejection {
	r := store.Rejection{
		Seq: seq, ReceivedAt: int64(seq) * 1_800_000, UID: uint32(seq % 3), OrgID: fmt.Sprint("org", seq%2), DeviceID: fmt.Sprint("d", seq%3),
		Topic: "t", Source: "mqtt", Principal: "device:d", Payload: fmt.Appendf(nil, `{"seq":%d}`, seq),
	}
	r.Size = len(r.Payload)
	for i, reason := range reasons {
		r.Letters = append(r.Letters, store.Letter{Index: uint32(i), Reason: reason, Detail: fmt.Sprint("detail ", i), Port: fmt.Sprint(i)})
	}
	return r
}

func testStateLetters(t *testing.T, open func(testing.TB, string) store.State) {
	ctx, dir := t.Context(), t.TempDir()
	s := openBound(t, open, dir)
	odd := rejection(3, store.ReasonMalformedJSON)
	odd.Payload = bytes.Repeat([]byte("\xff{"), 3000)
	odd.Size = 1 << 30
	must(t, s.Reject(ctx, 2, []store.Rejection{rejection(1, store.ReasonConflict, store.ReasonUnknownPort), rejection(2, store.ReasonConflict)}, nil))
	must(t, s.Flush(ctx, 0))
	must(t, s.Reject(ctx, 5, []store.Rejection{odd, rejection(4, store.ReasonUnknownPort)}, nil))

	for round := range 2 { // what waits and what is on disk answer alike
		for _, tt := range []struct {
			name string
			f    store.LetterFilter
			want string
		}{
			{"all", store.LetterFilter{Limit: 9}, "4-0 3-0 2-0 1-1 1-0"},
			{"page", store.LetterFilter{Limit: 2}, "4-0 3-0"},
			{"next page", store.LetterFilter{Limit: 2, After: &store.LetterID{Seq: 3}}, "2-0 1-1"},
			{"last page", store.LetterFilter{Limit: 2, After: &store.LetterID{Seq: 1, Index: 1}}, "1-0"},
			{"behind an absent one", store.LetterFilter{Limit: 9, After: &store.LetterID{Seq: 2, Index: 9}}, "2-0 1-1 1-0"},
			{"reason", store.LetterFilter{Limit: 9, Reason: store.ReasonConflict}, "2-0 1-0"},
			{"org", store.LetterFilter{Limit: 9, OrgID: "org1"}, "3-0 1-1 1-0"},
			{"device", store.LetterFilter{Limit: 9, DeviceID: "d1"}, "4-0 1-1 1-0"},
			{"device and reason", store.LetterFilter{Limit: 9, DeviceID: "d1", Reason: store.ReasonUnknownPort}, "4-0 1-1"},
			{"times", store.LetterFilter{Limit: 9, From: 2 * 1_800_000, To: 4 * 1_800_000}, "3-0 2-0"},
			{"from", store.LetterFilter{Limit: 9, From: 3*1_800_000 + 1}, "4-0"},
			{"no such", store.LetterFilter{Limit: 9, From: 1 << 50}, ""},
		} {
			if got := letterIDs(t, s, tt.f); got != tt.want {
				t.Errorf("round %d: %s: %s, want %s", round, tt.name, got, tt.want)
			}
			if tt.f.After == nil {
				checkCount(t, s, tt.f)
			}
		}
		d, payload, err := s.DeadLetter(ctx, store.LetterID{Seq: 3})
		must(t, err)
		if !bytes.Equal(payload, odd.Payload) || d.Size != 1<<30 || len(d.Payload) < len(payload) || d.Reason != store.ReasonMalformedJSON || d.Source != "mqtt" || d.Detail != "detail 0" || d.Port != "0" {
			t.Errorf("letter with its payload: %.200v", d)
		}
		must(t, s.Close())
		s = openBound(t, open, dir)
	}
	if _, err := s.ListDeadLetters(ctx, store.LetterFilter{}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a list without a limit: %v", err)
	}
	if _, _, err := s.CountChosen(ctx, store.LetterFilter{}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a count without a limit: %v", err)
	}
	checkCount(t, s, store.LetterFilter{Limit: 2, Devices: []string{"d0", "d1"}})
	checkCount(t, s, store.LetterFilter{Limit: 2, Devices: []string{}})
	long, err := s.ListDeadLetters(ctx, store.LetterFilter{Limit: 9, Reason: store.ReasonMalformedJSON})
	must(t, err)
	if len(long) != 1 || len(long[0].Payload) > 4*store.LetterPreviewBytes {
		t.Errorf("a list with a payload of %d bytes", len(long[0].Payload))
	}
	if _, _, err := s.DeadLetter(ctx, store.LetterID{Seq: 1, Index: 2}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("absent letter: %v", err)
	}
	before, err := s.RejectedTotal(ctx)
	must(t, err)
	for _, f := range []store.LetterFilter{{Limit: 3}, {Limit: 3, OrgID: "org1"}} {
		checkCount(t, s, f)
	}
	n, err := s.DeleteDeadLetters(ctx, []store.LetterID{{Seq: 1}, {Seq: 9}, {Seq: 1}, {Seq: 4}})
	must(t, err)
	after, err := s.RejectedTotal(ctx)
	must(t, err)
	if n != 2 || before != 5 || after != 5 || letterIDs(t, s, store.LetterFilter{Limit: 9}) != "3-0 2-0 1-1" {
		t.Errorf("%d deleted, %d rejected before, %d after", n, before, after)
	}
	counts, err := s.CountDeadLetters(ctx)
	must(t, err)
	want := map[store.Reason]int64{store.ReasonConflict: 1, store.ReasonMalformedJSON: 1, store.ReasonUnknownPort: 1}
	if !maps.Equal(counts, want) {
		t.Errorf("letters by reason: %v, want %v", counts, want)
	}
	for _, f := range []store.LetterFilter{{Limit: 3}, {Limit: 3, DeviceID: "d1"}} {
		checkCount(t, s, f)
	}
	must(t, s.Close())
}

// checkCount holds the count of what a filter chooses against the list of it.
func checkCount(t *testing.T, s store.State, f store.LetterFilter) {
	t.Helper()
	limit := f.Limit
	f.Limit = 1 << 20
	list, err := s.ListDeadLetters(t.Context(), f)
	must(t, err)
	for _, f.Limit = range []int{1, limit, len(list), len(list) + 1} {
		if f.Limit == 0 {
			continue
		}
		n, more, err := s.CountChosen(t.Context(), f)
		must(t, err)
		exact := f.OrgID == "" && f.DeviceID == "" && f.Devices == nil && f.From == 0 && f.To == 0
		want := int64(len(list))
		if !exact {
			want = min(want, int64(f.Limit))
		}
		if n != want || more != (want < int64(len(list))) {
			t.Errorf("%+v chooses %d, more: %t; of %d", f, n, more, len(list))
		}
	}
}

func letterIDs(t *testing.T, s store.State, f store.LetterFilter) (out string) {
	t.Helper()
	list, err := s.ListDeadLetters(t.Context(), f)
	must(t, err)
	for i, d := range list {
		if i > 0 {
			out += " "
		}
		out += d.ID
	}
	return out
}

func testStateBind(t *testing.T, open func(testing.TB, string) store.State) {
	ctx, dir := t.Context(), t.TempDir()
	s := open(t, dir)
	if err := s.Bind(store.Bounds{Log: testLog, After: 5, Head: 9}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a new state and a trimmed log: %v", err)
	}
	must(t, s.Bind(store.Bounds{Log: testLog, Head: 9}))
	must(t, s.Reject(ctx, 7, nil, nil))
	must(t, s.Flush(ctx, 0))
	must(t, s.Close())
	for _, tt := range []struct {
		name string
		b    store.Bounds
		ok   bool
	}{
		{"same log", store.Bounds{Log: testLog, After: 7, Head: 7}, true},
		{"other log", store.Bounds{Log: store.LogID{9}, Head: 9}, false},
		{"log ends before", store.Bounds{Log: testLog, Head: 6}, false},
		{"log begins behind", store.Bounds{Log: testLog, After: 8, Head: 9}, false},
	} {
		s := open(t, dir)
		if got := s.Applied(); got != 7 {
			t.Fatalf("applied %d, want 7", got)
		}
		err := s.Bind(tt.b)
		if (err == nil) != tt.ok || err != nil && (!errors.Is(err, store.ErrConflict) || !bytes.Contains([]byte(err.Error()), []byte("--adopt-log"))) {
			t.Errorf("%s: %v", tt.name, err)
		}
		must(t, s.Close())
	}
}

func testStatePresence(t *testing.T, open func(testing.TB, string) store.State) {
	ctx, dir := t.Context(), t.TempDir()
	s := openBound(t, open, dir)
	want := map[uint32]store.Presence{1: {Online: true, LastSeen: milli(5)}, 7: {LastSeen: milli(-5)}}
	s.SetPresence(1, store.Presence{LastSeen: milli(4)})
	s.SetPresence(1, store.Presence{Online: true, LastSeen: milli(5).Add(time.Microsecond)})
	s.SetPresence(7, want[7])
	got, err := s.AllPresence(ctx)
	must(t, err)
	if !maps.Equal(got, want) {
		t.Errorf("presence: %v, want %v", got, want)
	}
	must(t, s.Flush(ctx, 0))
	image := crashImage(t, dir)
	must(t, s.Close())
	s = openBound(t, open, image)
	got, err = s.AllPresence(ctx)
	must(t, err)
	if !maps.Equal(got, want) {
		t.Errorf("presence after a crash: %v", got)
	}
	must(t, s.Close())
}

// testStateVerdicts: what was rejected stays so while it may be replayed.
func testStateVerdicts(t *testing.T, open func(testing.TB, string) store.State) {
	ctx, dir := t.Context(), t.TempDir()
	s := openBound(t, open, dir)
	const n = 10_000 // more than is kept together
	for seq := uint64(1); seq <= n; seq += 100 {
		var r []store.Rejection
		for i := seq; i < seq+100; i += 2 {
			rej := rejection(i, store.ReasonConflict, store.ReasonConflict, store.ReasonConflict)
			rej.Letters[2].Index = 9_999
			r = append(r, rej)
		}
		must(t, s.Reject(ctx, seq+99, r, nil))
	}
	must(t, s.Flush(ctx, 3_000))
	must(t, s.Close())
	s = openBound(t, open, dir)
	must(t, s.Reject(ctx, n+1, []store.Rejection{rejection(n+1, store.ReasonQuota)}, nil))
	must(t, s.Flush(ctx, 6_000))
	for seq := uint64(6_001); seq <= n; seq++ {
		for index, want := range map[uint32]bool{0: true, 1: true, 2: false, 9_998: false, 9_999: true, 10_000: false} {
			if got := s.Rejected(seq, index); got != (want && seq%2 == 1) {
				t.Fatalf("rejected %d-%d: %v", seq, index, got)
			}
		}
	}
	if !s.Rejected(n+1, 0) || s.Rejected(n+1, 1) || s.Rejected(n+2, 0) {
		t.Error("the newest verdicts")
	}
	must(t, s.Close())
}

// testStateSettledOnce goes through the ways in which a letter leaves while a
// replay is under way.
func testStateSettledOnce(t *testing.T, open func(testing.TB, string) store.State) {
	ctx, dir := t.Context(), t.TempDir()
	s := openBound(t, open, dir)
	must(t, s.Reject(ctx, 3, []store.Rejection{rejection(1, store.ReasonConflict, store.ReasonConflict), rejection(2, store.ReasonUnknownPort)}, nil))
	must(t, s.Flush(ctx, 0))
	claim := func(seq uint64, id store.LetterID, want bool) {
		t.Helper()
		if ok, err := s.Claim(ctx, seq, id.Index, id); err != nil || ok != want {
			t.Fatalf("claim of %s by %d: %v %v, want %v", id, seq, ok, err, want)
		}
	}
	rejected := func(want uint64) {
		t.Helper()
		got, err := s.RejectedTotal(ctx)
		must(t, err)
		h := store.HourCounts{}
		must(t, s.RejectedHours(ctx, -1<<40, 1<<40, h))
		if got != want || h.Sum() != int64(want) {
			t.Fatalf("rejected %d, by hours %d, want %d", got, h.Sum(), want)
		}
	}
	a, b, c := store.LetterID{Seq: 1}, store.LetterID{Seq: 1, Index: 1}, store.LetterID{Seq: 2}
	settle := func(seq uint64, id store.LetterID, again store.Reason) {
		t.Helper()
		must(t, s.Reject(ctx, seq, nil, []store.Settlement{{Seq: seq, Index: id.Index, ID: id, Again: again, Detail: "once more"}}))
	}
	rejected(3)
	claim(4, a, true)
	claim(4, a, true) // the writer repeats itself
	settle(4, a, "")
	settle(4, a, "")
	rejected(2)
	claim(5, a, false) // a second replay of the same letter
	must(t, s.Reject(ctx, 5, nil, nil))

	claim(6, b, true)
	settle(6, b, store.ReasonQuota)
	rejected(2)
	if d, _, err := s.DeadLetter(ctx, b); err != nil || d.Reason != store.ReasonQuota || d.Detail != "once more" {
		t.Fatalf("rejected again: %+v %v", d, err)
	}
	claim(7, c, true)
	if n, err := s.DeleteDeadLetters(ctx, []store.LetterID{c}); n != 1 || err != nil {
		t.Fatalf("deleted %d: %v", n, err)
	}
	image := crashImage(t, dir)
	settle(7, c, "") // deleted between claim and settlement: it is stored, and not rejected any more
	rejected(1)
	must(t, s.Close())

	s = openBound(t, open, image) // the same, but the process ended before the settlement
	if s.Applied() != 6 {
		t.Fatalf("applied %d, want 6", s.Applied())
	}
	rejected(2)
	claim(4, a, true) // what was decided stays decided
	claim(5, a, false)
	if !s.Rejected(6, 1) || s.Rejected(4, 0) || !s.Rejected(5, 0) {
		t.Error("the verdicts of the replays")
	}
	claim(7, c, false)
	must(t, s.Reject(ctx, 7, nil, nil))
	must(t, s.Flush(ctx, 0))
	rejected(2)
	if !s.Rejected(7, 0) {
		t.Error("a refused claim is forgotten")
	}
	must(t, s.Close())
}
