package embedded

import (
	"fmt"
	"math"
	"testing"
	"time"

	"tidegate/store"
)

// TestDeadLettersAfter: letters come in ascending order, a page at a time, as
// they are on disk.
func TestDeadLettersAfter(t *testing.T) {
	s := bindTestState(t, openTestState(t, t.TempDir(), StateOptions{FlushAfter: time.Hour}))
	defer func() { _ = s.Close() }()
	ctx := t.Context()
	var want []string
	for seq := uint64(1); seq <= 50; seq++ {
		r := oneLetter(seq, time.Now(), 10)
		r.Letters = append(r.Letters, store.Letter{Index: 3, Reason: store.ReasonUnknownPort})
		reject(t, s, r)
		want = append(want, fmt.Sprintf("%d-0", seq), fmt.Sprintf("%d-3", seq))
	}
	if got, err := s.DeadLettersAfter(ctx, store.LetterID{}, 10); err != nil || len(got) != 0 {
		t.Errorf("before they are on disk: %d letters, %v", len(got), err)
	}
	flushState(t, s)
	after, at := store.LetterID{}, 0
	for {
		if n, err := s.CountDeadLettersAfter(ctx, after); err != nil || n != int64(len(want)-at) {
			t.Errorf("behind %s there are %d, %v; want %d", after, n, err, len(want)-at)
		}
		page, err := s.DeadLettersAfter(ctx, after, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, l := range page {
			if l.ID != want[at] || l.DeviceID == "" || l.Size != 0 && l.Size != 10 {
				t.Fatalf("letter %d is %+v, want %s", at, l, want[at])
			}
			at++
		}
		if after, err = store.ParseLetterID(page[len(page)-1].ID); err != nil {
			t.Fatal(err)
		}
	}
	if at != len(want) {
		t.Errorf("%d of %d letters", at, len(want))
	}
	if n, err := s.CountDeadLettersAfter(ctx, store.LetterID{Seq: 49, Index: math.MaxUint32}); err != nil || n != 2 {
		t.Errorf("behind the last index of 49: %d, %v", n, err)
	}
	if _, err := s.DeadLettersAfter(ctx, after, 0); err == nil {
		t.Error("a page of none is no error")
	}
}
