package embedded

import (
	"testing"
	"time"

	"tidegate/store"
)

// TestCountIsBounded: a count of what is rare among very many stops, and says so.
func TestCountIsBounded(t *testing.T) {
	s := bindTestState(t, openTestState(t, t.TempDir(), StateOptions{FlushAfter: time.Hour}))
	defer s.Close()
	const most = readsPerCount * lettersPerRead
	at := time.Now()
	r := oneLetter(1, at, 10)
	reject(t, s, oneLetter(1, at, 10)) // the oldest, of another device
	for seq, n := uint64(2), 0; n < most; seq++ {
		r = oneLetter(seq, at, 10)
		r.DeviceID, r.Letters = "common", make([]store.Letter, 0, 10_000)
		for i := range uint32(10_000) {
			r.Letters = append(r.Letters, store.Letter{Index: i, Reason: store.ReasonConflict})
		}
		reject(t, s, r)
		n += len(r.Letters)
	}
	flushState(t, s)
	for _, c := range []struct {
		name string
		f    store.LetterFilter
		n    int64
		more bool
	}{
		{"all", store.LetterFilter{Limit: 10}, most + 1, false},
		{"a reason", store.LetterFilter{Limit: 10, Reason: store.ReasonConflict}, most + 1, false},
		{"many", store.LetterFilter{Limit: 10_000, DeviceID: "common"}, 10_000, true},
		{"more than are looked at", store.LetterFilter{Limit: 2 * most, DeviceID: "common"}, most, true},
		{"a rare one", store.LetterFilter{Limit: 10, DeviceID: "d1"}, 0, true},
	} {
		if n, more, err := s.CountChosen(t.Context(), c.f); n != c.n || more != c.more || err != nil {
			t.Errorf("%s: %d, more: %t: %v", c.name, n, more, err)
		}
	}
}

// BenchmarkCountChosen measures the most that one count looks at.
func BenchmarkCountChosen(b *testing.B) {
	s := bindTestState(b, openTestState(b, b.TempDir(), StateOptions{FlushAfter: time.Hour}))
	defer s.Close()
	at := time.Now()
	for seq := range uint64(readsPerCount * lettersPerRead) {
		reject(b, s, oneLetter(seq+1, at, 100))
	}
	flushState(b, s)
	for b.Loop() {
		if _, more, err := s.CountChosen(b.Context(), store.LetterFilter{Limit: 10_000, OrgID: "nobody"}); more || err != nil {
			b.Fatal(more, err)
		}
	}
}
