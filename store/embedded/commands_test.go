package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

var commandsBegan = store.Time(time.Date(2025, 9, 6, 12, 0, 0, 0, time.UTC).UnixMilli())

func openTestCommands(t testing.TB, dir string) *Commands {
	t.Helper()
	c, err := OpenCommands(filepath.Join(dir, "commands.db"), CommandsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// testCommand is the nth of a device.
func testCommand(uid uint32, n int, state store.CommandState) store.Command {
	at := commandsBegan + store.Time(n)
	c := store.Command{
		ID: store.NewCommandID(at), UID: uid, OrgID: "acme", DeviceID: fmt.Sprint("d", uid), Name: "set-relay", Params: json.RawMessage(`{"on":true}`),
		State: state, Actor: "user:ann", CreatedAt: at, ExpiresAt: at + 60_000, SentAt: at + 1, AckedAt: at + 2, Sent: 3,
	}
	if !state.Open() {
		c.EndedAt, c.Result, c.Detail = at+3, json.RawMessage(`[1,"é"]`), "why"
	}
	return c
}

func ids(commands []store.Command) string {
	var out []string
	for _, c := range commands {
		out = append(out, fmt.Sprint(int64(c.CreatedAt-commandsBegan)))
	}
	return strings.Join(out, " ")
}

// TestCommands: what was put is answered, whole and in order, also by a copy that
// was taken without a close.
func TestCommands(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	c := openTestCommands(t, dir)
	states := store.CommandStates()
	var all []store.Command
	for i := range 12 {
		all = append(all, testCommand(7, i, states[i%len(states)]))
	}
	other := testCommand(1<<32-1, 5, store.CommandQueued)
	if err := c.PutCommands(ctx, append(all, other)); err != nil {
		t.Fatal(err)
	}
	list := func(c *Commands, f store.CommandFilter) string {
		t.Helper()
		got, err := c.ListCommands(ctx, f)
		if err != nil {
			t.Fatal(err)
		}
		return ids(got)
	}
	image := t.TempDir()
	if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Commands{"the file": c, "its copy": openTestCommands(t, image)} {
		for _, want := range append(all, other) {
			if got, err := c.Command(ctx, want.UID, want.ID); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v\nwant %+v (%v)", name, got, want, err)
			}
		}
		for _, q := range []struct {
			f    store.CommandFilter
			want string
		}{
			{store.CommandFilter{UID: 7, Limit: 100}, "11 10 9 8 7 6 5 4 3 2 1 0"},
			{store.CommandFilter{UID: 7, Limit: 3}, "11 10 9"},
			{store.CommandFilter{UID: 7, Limit: 3, After: all[9].ID}, "8 7 6"},
			{store.CommandFilter{UID: 7, Limit: 3, After: all[0].ID}, ""},
			{store.CommandFilter{UID: 7, Limit: 2, After: "zzz"}, "11 10"},
			{store.CommandFilter{UID: 7, Limit: 9, State: store.CommandDone}, "9 3"},
			{store.CommandFilter{UID: 6, Limit: 9}, ""},
			{store.CommandFilter{UID: 8, Limit: 9}, ""},
			{store.CommandFilter{UID: 1<<32 - 1, Limit: 9}, "5"},
			{store.CommandFilter{UID: 1<<32 - 1, Limit: 9, After: "zzz"}, "5"},
		} {
			if got := list(c, q.f); got != q.want {
				t.Errorf("%s, %+v: %s, want %s", name, q.f, got, q.want)
			}
		}
		open, err := c.OpenCommands(ctx)
		if got := ids(open); err != nil || got != "0 1 2 6 7 8 5" {
			t.Errorf("%s: open are %s, %v", name, got, err)
		}
		if kept, open, err := c.Verify(ctx); kept != 13 || open != 7 || err != nil {
			t.Errorf("%s: %d are kept, %d open, %v", name, kept, open, err)
		}
		if _, err := c.Command(ctx, 7, "nothing"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: one that is not: %v", name, err)
		}
		if _, err := c.ListCommands(ctx, store.CommandFilter{UID: 7}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: no limit: %v", name, err)
		}
	}
	done := all[0]
	done.State, done.EndedAt = store.CommandDone, done.CreatedAt+9
	bad := testCommand(7, 50, store.CommandQueued)
	bad.Params = json.RawMessage("{")
	if err := c.PutCommands(ctx, []store.Command{done, bad}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("one is wrong: %v", err)
	}
	if got := list(c, store.CommandFilter{UID: 7, Limit: 9, State: store.CommandDone}); got != "9 3" {
		t.Errorf("of a put that failed there is %s", got)
	}
	if err := c.PutCommands(ctx, []store.Command{done}); err != nil {
		t.Fatal(err)
	}
	if open, err := c.OpenCommands(ctx); ids(open) != "1 2 6 7 8 5" || err != nil {
		t.Errorf("open are %s, %v", ids(open), err)
	}
	for range 2 {
		if err := c.DeleteCommands(ctx, 7); err != nil {
			t.Fatal(err)
		}
		if kept, open, err := c.Verify(ctx); kept != 1 || open != 1 || err != nil {
			t.Errorf("of another device %d are kept, %d open, %v", kept, open, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.PutCommands(ctx, []store.Command{other}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("after the close: %v", err)
	}
}

// TestCommandsAreTrimmed: the oldest ended ones go, open ones never.
func TestCommandsAreTrimmed(t *testing.T) {
	ctx := t.Context()
	c := openTestCommands(t, t.TempDir())
	put := []store.Command{testCommand(7, 0, store.CommandQueued), testCommand(8, 0, store.CommandDone)}
	for i := range store.CommandsKept + 5 {
		put = append(put, testCommand(7, 1+i, store.CommandDone))
	}
	for _, batch := range [][]store.Command{put[:300], put[300:]} {
		if err := c.PutCommands(ctx, batch); err != nil {
			t.Fatal(err)
		}
	}
	left, err := c.ListCommands(ctx, store.CommandFilter{UID: 7, Limit: 10_000})
	if err != nil || len(left) != store.CommandsKept+1 || left[store.CommandsKept].State != store.CommandQueued || left[store.CommandsKept-1].CreatedAt != commandsBegan+6 {
		t.Errorf("%d are left (%v): %s", len(left), err, ids(left))
	}
	if one, err := c.Command(ctx, 8, put[1].ID); err != nil || one.State != store.CommandDone {
		t.Errorf("of another device: %+v, %v", one, err)
	}
}

// TestCommandsFile: what is not such a file, or disagrees with itself, is told
// by its name.
func TestCommandsFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "commands.db")
	c := openTestCommands(t, dir)
	one := testCommand(7, 0, store.CommandQueued)
	if err := c.PutCommands(t.Context(), []store.Command{one}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	err := update(c.db, func(tx *bbolt.Tx) error {
		return tx.Bucket(openBucket).Delete(commandKey(7, one.ID))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Verify(t.Context()); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that disagrees: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCommands(path, CommandsOptions{}); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "commands to devices alone") {
		t.Errorf("rubbish: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c = openTestCommands(t, t.TempDir())
	if err := c.PutCommands(ended, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}
