package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

var sessionsBegan = time.Date(2025, 9, 6, 12, 0, 0, 0, time.UTC)

func openTestSessions(t testing.TB, dir string) *Sessions {
	t.Helper()
	s, err := OpenSessions(filepath.Join(dir, "sessions.db"), SessionsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func testSession(user string, at time.Time) store.Session {
	return store.Session{
		ID: store.NewSessionID(), UserID: user, Version: "v1", CreatedAt: at, LastUsedAt: at,
		IdleUntil: at.Add(30 * 24 * time.Hour), Until: at.Add(180 * 24 * time.Hour), Generation: 1,
		Remote: "192.0.2.1", UserAgent: "Firefox",
	}
}

func beginSession(t testing.TB, s *Sessions, user string, at time.Time) store.Session {
	t.Helper()
	n := testSession(user, at)
	if err := s.CreateSession(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return n
}

func useAt(at time.Time) store.SessionUse {
	return store.SessionUse{At: at, IdleUntil: at.Add(30 * 24 * time.Hour), Remote: "192.0.2.2", UserAgent: "Chromium"}
}

func isOver(s *Sessions, id string) bool {
	select {
	case <-s.SessionOver(id):
		return true
	default:
		return false
	}
}

// reopen is a stop and a start.
func (s *Sessions) reopen(t testing.TB) *Sessions {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return openTestSessions(t, filepath.Dir(s.path))
}

func TestSessionsAreKept(t *testing.T) {
	ctx := t.Context()
	s := openTestSessions(t, t.TempDir())
	used, quiet, left := beginSession(t, s, "ann", sessionsBegan), beginSession(t, s, "ann", sessionsBegan), beginSession(t, s, "bob", sessionsBegan)
	long := testSession("bob", sessionsBegan)
	long.UserAgent, long.CreatedAt = strings.Repeat("x", 10_000), sessionsBegan.Add(123_456)
	if err := s.CreateSession(ctx, long); err != nil {
		t.Fatal(err)
	}
	later := sessionsBegan.Add(time.Hour)
	rotated, err := s.RotateSession(ctx, used.ID, 1, useAt(later))
	if err != nil || rotated.Generation != 2 || rotated.Remote != "192.0.2.2" || !rotated.LastUsedAt.Equal(later) || !rotated.IdleUntil.Equal(later.Add(30*24*time.Hour)) || !rotated.Until.Equal(used.Until) {
		t.Fatalf("rotated: %+v, %v", rotated, err)
	}
	if err := s.EndSession(ctx, left.ID, store.EndLogout, later); err != nil {
		t.Fatal(err)
	}
	s.NoteKeyUse("key-1", store.KeyUse{At: later, Remote: "192.0.2.3"})
	s.NoteKeyUse("key-2", store.KeyUse{At: later})
	s.ForgetKey("key-2")

	want := map[string]store.Session{}
	for _, id := range []string{used.ID, quiet.ID, left.ID, long.ID} {
		want[id], _ = s.Session(id)
	}
	if w := want[long.ID]; len(w.UserAgent) != 200 || !w.CreatedAt.Equal(sessionsBegan) {
		t.Errorf("kept as %+v", w)
	}
	s = s.reopen(t)
	for id, w := range want {
		if got, ok := s.Session(id); !ok || !reflect.DeepEqual(got, w) {
			t.Errorf("after a restart\n%+v\nwas\n%+v", got, w)
		}
	}
	if !isOver(s, left.ID) || isOver(s, used.ID) || !isOver(s, "nobody") {
		t.Error("what is over is not what was")
	}
	if got := s.ListSessions("ann", later); len(got) != 2 || got[0].ID != used.ID || got[1].ID != quiet.ID {
		t.Errorf("ann has %+v", got)
	}
	if u, ok := s.KeyUse("key-1"); !ok || !u.At.Equal(later) || u.Remote != "192.0.2.3" {
		t.Errorf("last use %+v", u)
	}
	if _, ok := s.KeyUse("key-2"); ok {
		t.Error("the use of a forgotten key came back")
	}
	if _, err := s.RotateSession(ctx, used.ID, 2, useAt(later)); err != nil {
		t.Errorf("the generation of before the restart: %v", err)
	}
}

func TestSessionsRefuse(t *testing.T) {
	ctx := t.Context()
	s := openTestSessions(t, t.TempDir())
	n := beginSession(t, s, "ann", sessionsBegan)
	if err := s.CreateSession(ctx, n); !errors.Is(err, store.ErrConflict) {
		t.Errorf("begun twice: %v", err)
	}
	if err := s.CreateSession(ctx, store.Session{ID: "x"}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("not a session: %v", err)
	}
	for name, at := range map[string]time.Time{"idle": n.IdleUntil, "too old": n.Until} {
		if _, err := s.RotateSession(ctx, n.ID, 1, useAt(at)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.RotateSession(ctx, store.NewSessionID(), 1, useAt(sessionsBegan)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of nobody: %v", err)
	}
	if err := s.EndSession(ctx, store.NewSessionID(), store.EndLogout, sessionsBegan); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("ending none: %v", err)
	}
	if err := s.EndSession(ctx, n.ID, store.EndLogout, sessionsBegan); err != nil {
		t.Error(err)
	}
	if err := s.EndSession(ctx, n.ID, store.EndReuse, sessionsBegan.Add(1)); err != nil {
		t.Error(err)
	}
	if got, _ := s.Session(n.ID); got.Ended != store.EndLogout {
		t.Errorf("it ended by %q", got.Ended)
	}
	if _, err := s.RotateSession(ctx, n.ID, 1, useAt(sessionsBegan)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that is over: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.RotateSession(cancelled, n.ID, 1, useAt(sessionsBegan)); !errors.Is(err, context.Canceled) {
		t.Errorf("for nobody: %v", err)
	}
}

// TestSessionsReuse: any generation but the good one ends the session, in the
// file too. So does one that is ahead: the file is an older copy then.
func TestSessionsReuse(t *testing.T) {
	for name, generation := range map[string]uint64{"earlier": 1, "first": 2, "ahead": 4, "none": 0} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			s := openTestSessions(t, t.TempDir())
			n, other := beginSession(t, s, "ann", sessionsBegan), beginSession(t, s, "ann", sessionsBegan)
			for g := range uint64(2) {
				if _, err := s.RotateSession(ctx, n.ID, g+1, useAt(sessionsBegan)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.RotateSession(ctx, n.ID, generation, useAt(sessionsBegan)); !errors.Is(err, store.ErrConflict) {
				t.Fatalf("generation %d of 3: %v", generation, err)
			}
			if !isOver(s, n.ID) || isOver(s, other.ID) {
				t.Error("not the one session ended")
			}
			s = s.reopen(t)
			if got, _ := s.Session(n.ID); got.Ended != store.EndReuse {
				t.Errorf("it ended by %q", got.Ended)
			}
			if _, err := s.RotateSession(ctx, n.ID, 3, useAt(sessionsBegan)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the good one: %v", err)
			}
		})
	}
}

func TestSessionsRotateAtOnce(t *testing.T) {
	ctx := t.Context()
	s := openTestSessions(t, t.TempDir())
	for range 20 {
		n := beginSession(t, s, "ann", sessionsBegan)
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() { _, errs[i] = s.RotateSession(ctx, n.ID, 1, useAt(sessionsBegan)) })
		}
		wg.Wait()
		won, reused := 0, 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case errors.Is(err, store.ErrConflict):
				reused++
			case !errors.Is(err, store.ErrNotFound): // those behind the first reuse
				t.Error(err)
			}
		}
		if got, _ := s.Session(n.ID); won != 1 || reused != 1 || got.Ended != store.EndReuse || got.Generation != 2 {
			t.Fatalf("%d won, %d were a reuse; then %+v", won, reused, got)
		}
	}
}

func TestSessionsOfAUserEnd(t *testing.T) {
	ctx := t.Context()
	s := openTestSessions(t, t.TempDir())
	a, b, bob := beginSession(t, s, "ann", sessionsBegan), beginSession(t, s, "ann", sessionsBegan), beginSession(t, s, "bob", sessionsBegan)
	n, err := s.EndSessions(ctx, "ann", store.SessionsEnd{Reason: store.EndPassword, At: sessionsBegan, Keep: b.ID, Version: "v2"})
	if err != nil || n != 1 || !isOver(s, a.ID) || isOver(s, b.ID) || isOver(s, bob.ID) {
		t.Fatalf("%d ended, %v", n, err)
	}
	s = s.reopen(t)
	if got, _ := s.Session(a.ID); got.Ended != store.EndPassword {
		t.Errorf("ended by %q", got.Ended)
	}
	if got, _ := s.Session(b.ID); got.Version != "v2" || !got.Good(sessionsBegan) {
		t.Errorf("the one that goes on: %+v", got)
	}
	if n, err := s.EndSessions(ctx, "ann", store.SessionsEnd{Reason: store.EndDeleted, At: sessionsBegan}); err != nil || n != 1 || len(s.ListSessions("ann", sessionsBegan)) != 0 {
		t.Errorf("%d ended, %v", n, err)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	ctx := t.Context()
	s := openTestSessions(t, t.TempDir())
	var ids []string
	for i := range store.MaxSessions {
		ids = append(ids, beginSession(t, s, "ann", sessionsBegan.Add(time.Duration(i)*time.Second)).ID)
	}
	at := sessionsBegan.Add(time.Hour)
	if _, err := s.RotateSession(ctx, ids[0], 1, useAt(at)); err != nil { // the oldest is in use
		t.Fatal(err)
	}
	bob := beginSession(t, s, "bob", sessionsBegan)
	beginSession(t, s, "ann", at)
	if got, _ := s.Session(ids[1]); got.Ended != store.EndTooMany || !isOver(s, ids[1]) || isOver(s, ids[0]) || isOver(s, bob.ID) {
		t.Errorf("the one used longest ago: %+v", got)
	}
	for i := range 3 * store.MaxSessions {
		beginSession(t, s, "ann", at.Add(time.Duration(i)*time.Second))
	}
	s = s.reopen(t)
	if going, over := s.ofUser("ann", at); len(going) != store.MaxSessions || len(over) != store.MaxSessions || len(s.held) != 2*store.MaxSessions+1 {
		t.Errorf("%d go on, %d are over, %d are held", len(going), len(over), len(s.held))
	}

	// After a week nobody is told any more why a session is over.
	if err := s.SweepSessions(ctx, at.Add(endedFor-time.Hour)); err != nil || len(s.held) != 2*store.MaxSessions+1 {
		t.Errorf("swept early: %d held, %v", len(s.held), err)
	}
	if err := s.SweepSessions(ctx, at.Add(endedFor+time.Hour)); err != nil || len(s.held) != store.MaxSessions+1 {
		t.Errorf("swept: %d held, %v", len(s.held), err)
	}
	if err := s.SweepSessions(ctx, at.Add(38*24*time.Hour)); err != nil || len(s.held) != 0 || len(s.of) != 0 {
		t.Errorf("swept what time has ended: %d held, %v", len(s.held), err)
	}
	if s = s.reopen(t); len(s.held) != 0 {
		t.Errorf("%d came back", len(s.held))
	}
	for i := range maxKeyUses + 10 {
		s.NoteKeyUse(fmt.Sprintf("key-%d", i), store.KeyUse{At: at.Add(time.Duration(i) * time.Second)})
	}
	s = s.reopen(t)
	_, oldest := s.KeyUse("key-9")
	if _, next := s.KeyUse("key-10"); len(s.uses.known) != maxKeyUses || oldest || !next {
		t.Errorf("%d uses are known", len(s.uses.known))
	}
}

// TestSessionsEndWhateverTheDiskDoes: what cannot be written is over all the
// same, and written when the disk takes something again.
func TestSessionsEndWhateverTheDiskDoes(t *testing.T) {
	ctx := t.Context()
	s := openTestSessions(t, t.TempDir())
	var ids []string
	for range 4 {
		ids = append(ids, beginSession(t, s, "ann", sessionsBegan).ID)
	}
	s.broken = fmt.Errorf("%w: a fault of the test", store.ErrUnavailable)
	if err := s.EndSession(ctx, ids[0], store.EndRevoked, sessionsBegan); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("ended: %v", err)
	}
	if _, err := s.RotateSession(ctx, ids[1], 7, useAt(sessionsBegan)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("reused: %v", err)
	}
	if _, err := s.RotateSession(ctx, ids[3], 1, useAt(sessionsBegan)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("rotated: %v", err)
	}
	if err := s.CreateSession(ctx, testSession("ann", sessionsBegan)); !errors.Is(err, store.ErrUnavailable) || len(s.held) != 4 {
		t.Errorf("begun: %v", err)
	}
	if n, err := s.EndSessions(ctx, "ann", store.SessionsEnd{Reason: store.EndPassword, At: sessionsBegan, Keep: ids[3]}); !errors.Is(err, store.ErrUnavailable) || n != 1 {
		t.Errorf("%d ended: %v", n, err)
	}
	for i, id := range ids {
		if isOver(s, id) != (i < 3) {
			t.Errorf("session %d: over is %v", i, i >= 3)
		}
	}
	s.broken = nil
	if err := s.SweepSessions(ctx, sessionsBegan); err != nil {
		t.Fatal(err)
	}
	s = s.reopen(t)
	for i, why := range []store.SessionEnd{store.EndRevoked, store.EndReuse, store.EndPassword, ""} {
		if got, _ := s.Session(ids[i]); got.Ended != why {
			t.Errorf("session %d ended by %q, want %q", i, got.Ended, why)
		}
	}
}

// TestKeyUsesAreWrittenOnceAMinute, however often a key is used.
func TestKeyUsesAreWrittenOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openTestSessions(t, t.TempDir())
		written := func() (at time.Time) {
			err := view(s.db, func(tx *bbolt.Tx) error {
				if b := tx.Bucket(keyUseBucket).Get([]byte("key-1")); b != nil {
					var r keyUseRecord
					if err := decodeRecord("use of key", "key-1", b, &r); err != nil {
						return err
					}
					at = milliTime(r.At)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
		changes := map[time.Time]bool{}
		began := time.Now()
		for range 50 { // ten minutes
			s.NoteKeyUse("key-1", store.KeyUse{At: time.Now()})
			<-time.After(12 * time.Second)
			synctest.Wait()
			changes[written()] = true
		}
		if n := len(changes); n < 8 || n > 11 {
			t.Errorf("written %d times in ten minutes", n)
		}
		if behind := time.Since(began) - written().Sub(began); behind > 2*time.Minute {
			t.Errorf("the file is %v behind", behind)
		}
	})
}

func TestSessionsFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sessions.db")
	s, err := OpenSessions(path, SessionsOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	n := beginSession(t, s, "ann", sessionsBegan)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.EndSession(t.Context(), n.ID, store.EndLogout, sessionsBegan); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("after the close: %v", err)
	}
	s.NoteKeyUse("key-1", store.KeyUse{At: sessionsBegan})
	if err := s.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	spoil := func(fn func(tx *bbolt.Tx) error) {
		t.Helper()
		db, err := openBolt(path, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(update(db, fn), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	spoil(func(tx *bbolt.Tx) error { return tx.Bucket(sessionBucket).Put([]byte("x"), []byte("{")) })
	if _, err := OpenSessions(path, SessionsOptions{}); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "move the file away: people log in again") {
		t.Errorf("damaged: %v", err)
	}
	spoil(func(tx *bbolt.Tx) error { return tx.Bucket(headerBucket).Put(headerFormat, []byte{0, 0, 0, 2}) })
	if _, err := OpenSessions(path, SessionsOptions{}); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), "run a newer tidegate") {
		t.Errorf("newer: %v", err)
	}
}
