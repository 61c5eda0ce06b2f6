package gateway

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
	"tidegate/store/embedded"
)

// TestLifecycleAcrossRestarts: who was there is gone with the server, whether
// that could say so or not.
func TestLifecycleAcrossRestarts(t *testing.T) {
	b := newBox(t, "")
	b.start()
	b.sample()
	has := func(want ...string) bool {
		t.Helper()
		l, err := b.cl.Lifecycle(t.Context(), "d1", time.Time{}, time.Time{}, client.Page{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range l.Items {
			got = append(got, e.Status+" "+e.Reason)
		}
		return slices.Equal(got, want)
	}
	b.connect("d1", "S")
	b.until("it is online", func() bool { return has("online connected") })
	b.publish(0, 1) // a dead letter is on disk a second later, and with it what else waits
	b.until("it is on disk", b.lifecycleOnDisk)
	image := b.crashed()
	b.stop()
	b.start()
	b.until("the stop is told", func() bool { return has("offline shutdown", "online connected") })
	b.stop()

	b.dir = image
	b.start()
	b.until("the crash is told", func() bool { return has("offline server stopped", "online connected") })
}

// lifecycleOnDisk reports whether the state's file has an event of device 1.
func (b *box) lifecycleOnDisk() bool {
	b.t.Helper()
	copied := filepath.Join(b.t.TempDir(), "state.db")
	content, err := os.ReadFile(b.path("state.db"))
	if err == nil {
		err = os.WriteFile(copied, content, 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := embedded.OpenState(copied, embedded.StateOptions{})
	if err != nil {
		return false // copied in the middle of a commit
	}
	defer s.Close()
	events, err := s.ListLifecycle(b.t.Context(), store.LifecycleFilter{UID: 1, Limit: 1})
	return err == nil && len(events) == 1
}

// crashed answers a folder as a kill would leave it now.
func (b *box) crashed() string {
	b.t.Helper()
	dir, err := os.MkdirTemp("", "tg")
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, pattern := range []string{"*.db", "audit.log", "secrets/*"} {
		names, _ := filepath.Glob(b.path(pattern))
		for _, name := range names {
			to := filepath.Join(dir, strings.TrimPrefix(name, b.dir))
			content, err := os.ReadFile(name)
			if err == nil {
				err = os.MkdirAll(filepath.Dir(to), 0o700)
			}
			if err == nil {
				err = os.WriteFile(to, content, 0o600)
			}
			if err != nil {
				b.t.Fatal(err)
			}
		}
	}
	return dir
}
