package embedded

import (
	"path/filepath"
	"testing"
	"time"

	"tidegate/store"
	"tidegate/store/storetest"
)

func openTestState(t testing.TB, dir string, o StateOptions) *State {
	t.Helper()
	s, err := OpenState(filepath.Join(dir, "state.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestState(t *testing.T) {
	storetest.RunState(t, func(t testing.TB, dir string) store.State {
		return openTestState(t, dir, StateOptions{FlushAfter: time.Hour, LifecycleAfter: time.Hour})
	})
}
