package embedded

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"testing"

	"tidegate/store"
)

// TestStateAddRejected: counts that come from elsewhere are added once, also
// when the same is told again after a restart.
func TestStateAddRejected(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	hours := store.HourCounts{-2: {0: 1}, 480_000: {7: 3, 8: 4}}
	for round := range 2 {
		s, err := OpenState(path, StateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, once := range []string{"a", "a"} {
			if err := s.AddRejected(context.Background(), once, hours); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.AddRejected(context.Background(), "b", store.HourCounts{1: {1: -1}}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("round %d: negative counts: %v", round, err)
		}
		got := store.HourCounts{}
		total, err := s.RejectedTotal(context.Background())
		if err == nil {
			err = s.RejectedHours(context.Background(), math.MinInt64, math.MaxInt64, got)
		}
		if err != nil || total != 8 || got.Sum() != 8 || got[480_000][8] != 4 || got[-2][0] != 1 {
			t.Errorf("round %d: total %d, hours %v: %v", round, total, got, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
