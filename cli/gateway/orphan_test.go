package gateway

import (
	"path/filepath"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
	"tidegate/store/embedded"
)

// TestOrphanedCommands: what was open for devices that have ended by the time of
// a start ends there, and nothing else does.
func TestOrphanedCommands(t *testing.T) {
	b := newBox(t, "")
	b.start()
	b.sample()
	for _, id := range []string{"retired", "deleted"} {
		if _, err := b.cl.CreateDevice(t.Context(), client.NewDevice{ID: id, OrgID: "acme"}); err != nil {
			t.Fatal(err)
		}
	}
	var open []store.Command
	for _, id := range []string{"d1", "retired", "deleted"} {
		if _, err := b.cl.SendCommand(t.Context(), id, client.NewCommand{Name: "reboot"}); err != nil {
			t.Fatal(err)
		}
	}
	edit := func(fn func(*embedded.Commands)) {
		t.Helper()
		kept, err := embedded.OpenCommands(filepath.Join(b.dir, "commands.db"), embedded.CommandsOptions{})
		if err != nil {
			t.Fatal(err)
		}
		fn(kept)
		if err := kept.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b.stop()
	edit(func(kept *embedded.Commands) {
		var err error
		if open, err = kept.OpenCommands(t.Context()); err != nil || len(open) != 3 {
			t.Fatalf("%d are open, %v", len(open), err)
		}
	})
	b.start()
	if _, err := b.cl.RetireDevice(t.Context(), "retired"); err != nil {
		t.Fatal(err)
	}
	if err := b.cl.DeleteDevice(t.Context(), "deleted"); err != nil {
		t.Fatal(err)
	}
	b.stop()
	edit(func(kept *embedded.Commands) { // as if they had not been ended
		if err := kept.PutCommands(t.Context(), open); err != nil {
			t.Fatal(err)
		}
	})
	began := store.Time(time.Now().UnixMilli())
	b.start()
	for _, c := range open {
		got, err := b.cl.Command(t.Context(), c.DeviceID, c.ID)
		switch c.DeviceID {
		case "d1":
			if err != nil || got.State != store.CommandQueued {
				t.Errorf("of a device that is there: %+v, %v", got, err)
			}
		case "retired":
			if err != nil || got.State != store.CommandExpired || got.Detail != "the device is retired" || *got.EndedAt < began {
				t.Errorf("of a retired device: %+v, %v", got, err)
			}
		}
	}
	b.stop()
	edit(func(kept *embedded.Commands) {
		if n, still, err := kept.Verify(t.Context()); n != 2 || still != 1 || err != nil {
			t.Errorf("%d commands are left, %d open, %v; want 2, 1", n, still, err)
		}
	})
}
