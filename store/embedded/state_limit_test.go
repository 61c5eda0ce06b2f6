package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/bbolt"

	"tidegate/store"
)

var stateLog = store.LogID{7}

func bindTestState(t testing.TB, s *State) *State {
	t.Helper()
	if err := s.Bind(store.Bounds{Log: stateLog, Head: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	return s
}

func oneLetter(seq uint64, at time.Time, payload int) store.Rejection {
	return store.Rejection{
		Seq: seq, ReceivedAt: at.UnixMilli(), UID: 1, OrgID: "acme", DeviceID: fmt.Sprintf("d%d", seq%100), Source: "mqtt",
		Payload: make([]byte, payload), Letters: []store.Letter{{Reason: store.ReasonConflict, Detail: "another value is stored"}},
	}
}

func reject(t testing.TB, s *State, r ...store.Rejection) {
	t.Helper()
	if err := s.Reject(t.Context(), r[len(r)-1].Seq, r, nil); err != nil {
		t.Fatal(err)
	}
}

func flushState(t testing.TB, s *State) {
	t.Helper()
	if err := s.Flush(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
}

func listIDs(t testing.TB, s *State) string {
	t.Helper()
	list, err := s.ListDeadLetters(t.Context(), store.LetterFilter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, d := range list {
		ids = append(ids, d.ID)
	}
	return strings.Join(ids, " ")
}

func TestStateLimits(t *testing.T) {
	now := time.Date(2025, 9, 6, 12, 0, 0, 0, time.UTC)
	reg := prometheus.NewRegistry()
	s := bindTestState(t, openTestState(t, t.TempDir(), StateOptions{
		KeepFor: 24 * time.Hour, MaxBytes: 3500,
		Now: func() time.Time { return now }, Registerer: reg,
	}))
	defer func() { _ = s.Close() }()

	reject(t, s, oneLetter(1, now.Add(-25*time.Hour), 10), oneLetter(2, now.Add(-23*time.Hour), 10))
	flushState(t, s)
	if got := listIDs(t, s); got != "2-0" {
		t.Errorf("by age: %s", got)
	}
	for seq := uint64(3); seq <= 6; seq++ {
		reject(t, s, oneLetter(seq, now, 1000))
	}
	flushState(t, s)
	if got := listIDs(t, s); got != "6-0 5-0 4-0" {
		t.Errorf("by size: %s", got)
	}
	total, err := s.RejectedTotal(t.Context())
	if err != nil || total != 6 {
		t.Errorf("rejected %d %v: dropping changes no count", total, err)
	}
	for metric, want := range map[string]float64{
		"tidegate_embedded_dead_letters":                   3,
		"tidegate_embedded_dead_letters_dropped_total age": 1, "tidegate_embedded_dead_letters_dropped_total size": 2,
	} {
		if got := metrics(t, reg)[metric]; got != want {
			t.Errorf("%s is %g, want %g", metric, got, want)
		}
	}
	if s.meta.Bytes > 3500 {
		t.Errorf("%d bytes kept", s.meta.Bytes)
	}
	now = now.Add(48 * time.Hour)
	s.SetPresence(1, store.Presence{LastSeen: now})
	flushState(t, s)
	if got := listIDs(t, s); got != "" || s.meta.Bytes != 0 || s.meta.Letters != 0 {
		t.Errorf("all too old: %q, %d bytes", got, s.meta.Bytes)
	}
	spans := -1
	if err := view(s.db, func(tx *bbolt.Tx) error { spans = tx.Bucket(spanBucket).Stats().KeyN; return nil }); err != nil || spans != 0 {
		t.Errorf("%d hours are still noted: %v", spans, err)
	}
}

// TestStatePayloadGoesWithLastLetter counts bytes, as the limit does.
func TestStatePayloadGoesWithLastLetter(t *testing.T) {
	s := bindTestState(t, openTestState(t, t.TempDir(), StateOptions{}))
	defer func() { _ = s.Close() }()
	r := oneLetter(1, time.Now(), 100_000)
	r.Letters = append(r.Letters, store.Letter{Index: 5, Reason: store.ReasonUnknownPort})
	reject(t, s, r)
	for i, want := range []bool{true, false} {
		if n, err := s.DeleteDeadLetters(t.Context(), []store.LetterID{{Seq: 1, Index: r.Letters[i].Index}}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if got := s.meta.Bytes > 100_000; got != want {
			t.Errorf("after %d letters are gone %d bytes are kept", i+1, s.meta.Bytes)
		}
	}
}

// TestStateFlushesByItself: a letter is durable after a second, and a trickle
// costs one commit a second.
func TestStateFlushesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		s := bindTestState(t, openTestState(t, t.TempDir(), StateOptions{Registerer: reg}))
		pass := func(d time.Duration) { <-time.After(d); synctest.Wait() } // in the time of the test
		for seq := uint64(1); seq <= 100; seq++ {                          // ten seconds
			reject(t, s, oneLetter(seq, time.Now(), 10))
			pass(100 * time.Millisecond)
		}
		pass(time.Second)
		if s.Applied() != 100 {
			t.Errorf("applied %d", s.Applied())
		}
		if n := commits(t, reg); n < 5 || n > 11 {
			t.Errorf("%g commits in eleven seconds", n)
		}
		if err := s.Reject(t.Context(), 200, nil, nil); err != nil {
			t.Fatal(err)
		}
		before := commits(t, reg)
		pass(time.Minute)
		if n := commits(t, reg); n != before || s.Applied() != 100 {
			t.Errorf("a position alone was worth %g commits", n-before)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// metrics answers values by name and label; of histograms the count.
func metrics(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			out[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}

func commits(t *testing.T, reg *prometheus.Registry) float64 {
	return metrics(t, reg)["tidegate_embedded_state_commit_seconds"]
}

// TestStateBoundsWhatWaits: while the file cannot be written, Reject refuses
// before it takes anything, and goes on afterwards.
func TestStateBoundsWhatWaits(t *testing.T) {
	dir := t.TempDir()
	s := bindTestState(t, openTestState(t, dir, StateOptions{FlushAfter: time.Hour}))
	good := s.db
	readOnly, err := bbolt.Open(filepath.Join(t.TempDir(), "full.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = readOnly.Close()
	seq := uint64(0)
	for ; len(s.wait.index) < waitingLetters; seq++ {
		reject(t, s, oneLetter(seq+1, time.Now(), 10))
	}
	s.db = readOnly // every transaction fails
	err = s.commit(nil)
	if err == nil {
		t.Fatal("a closed file was written")
	}
	if err := s.Reject(t.Context(), seq+1, []store.Rejection{oneLetter(seq+1, time.Now(), 10)}, nil); err == nil {
		t.Fatal("more was taken than may wait")
	}
	if total, err := s.RejectedTotal(t.Context()); err != nil || total != seq {
		t.Fatalf("rejected %d, want %d: %v", total, seq, err)
	}
	s.db = good
	reject(t, s, oneLetter(seq+1, time.Now(), 10))
	if s.Applied() != seq {
		t.Errorf("applied %d, want %d", s.Applied(), seq)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTestState(t, dir, StateOptions{})
	if total, err := s.RejectedTotal(t.Context()); err != nil || total != seq+1 || s.Applied() != seq+1 {
		t.Errorf("rejected %d at %d: %v", total, s.Applied(), err)
	}
	_ = s.Close()
}

// TestStateAfterFailedFsync: nothing is written any more.
func TestStateAfterFailedFsync(t *testing.T) {
	s := bindTestState(t, openTestState(t, t.TempDir(), StateOptions{Logger: slog.New(slog.DiscardHandler)}))
	reject(t, s, oneLetter(1, time.Now(), 10))
	s.mu.Lock()
	err := s.commit(func(*commitTx) error { return fmt.Errorf("sync: %w", errFsync) })
	s.mu.Unlock()
	if !errors.Is(err, errFsync) {
		t.Fatal(err)
	}
	if err := s.Flush(context.Background(), 0); !errors.Is(err, errFsync) {
		t.Errorf("flush: %v", err)
	}
	if err := s.Reject(t.Context(), 2, nil, nil); !errors.Is(err, errFsync) {
		t.Errorf("reject: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestStateHoldsVerdicts(t *testing.T) {
	s := bindTestState(t, openTestState(t, t.TempDir(), StateOptions{}))
	defer func() { _ = s.Close() }()
	flush := func(series uint64) {
		if err := s.Flush(t.Context(), series); err != nil {
			t.Fatal(err)
		}
	}
	reject(t, s, oneLetter(1, time.Now(), 10))
	flush(0)
	release := s.HoldVerdicts()
	reject(t, s, oneLetter(2, time.Now(), 10))
	flush(2)
	if !s.Rejected(1, 0) || !s.Rejected(2, 0) {
		t.Error("a verdict was forgotten while held")
	}
	release()
	release()
	reject(t, s, oneLetter(3, time.Now(), 10))
	flush(2)
	if s.Rejected(1, 0) || s.Rejected(2, 0) || !s.Rejected(3, 0) {
		t.Error("verdicts after the hold")
	}
}

// TestStateManyLetters measures the filters that walk.
func TestStateManyLetters(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	s := bindTestState(t, openTestState(t, t.TempDir(), StateOptions{}))
	defer func() { _ = s.Close() }()
	const n = 30_000
	at := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	batch := make([]store.Rejection, 0, 1000)
	begin := time.Now()
	for seq := uint64(1); seq <= n; seq++ {
		batch = append(batch, oneLetter(seq, at.Add(time.Duration(seq)*time.Second), 160))
		if len(batch) == cap(batch) {
			reject(t, s, batch...)
			batch = batch[:0]
		}
	}
	flushState(t, s)
	t.Logf("%d letters in %v", n, time.Since(begin))
	for _, tt := range []struct {
		name string
		f    store.LetterFilter
		want int
	}{
		{"first page", store.LetterFilter{Limit: 100}, 100},
		{"a device", store.LetterFilter{Limit: 100, DeviceID: "d7"}, 100},
		{"a reason that none has", store.LetterFilter{Limit: 100, Reason: store.ReasonQuota}, 0},
		{"a device that none has", store.LetterFilter{Limit: 100, DeviceID: "x"}, 0},
		{"an early hour", store.LetterFilter{Limit: 9999, From: at.UnixMilli(), To: at.Add(time.Hour).UnixMilli()}, 3599},
	} {
		begin := time.Now()
		list, err := s.ListDeadLetters(t.Context(), tt.f)
		if err != nil || len(list) != tt.want {
			t.Errorf("%s: %d letters, want %d: %v", tt.name, len(list), tt.want, err)
		}
		t.Logf("%s: %v", tt.name, time.Since(begin))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.ListDeadLetters(ctx, store.LetterFilter{Limit: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("a list that nobody waits for: %v", err)
	}
}
