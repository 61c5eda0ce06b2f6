package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/bbolt"

	"tidegate/store"
	"tidegate/store/storetest"
)

var alertsBegan = time.Date(2025, 9, 6, 0, 0, 0, 0, time.UTC)

func openTestAlerts(t testing.TB, dir string, o AlertsOptions) *Alerts {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return alertsBegan.Add(time.Hour) }
	}
	a, err := OpenAlerts(filepath.Join(dir, "alerts.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func bindTestAlerts(t testing.TB, dir string, o AlertsOptions) *Alerts {
	t.Helper()
	a := openTestAlerts(t, dir, o)
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := a.Bind(store.Bounds{Log: testLogID(), Head: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	return a
}

func testAlert(n int, state store.AlertState) store.AlertEvent {
	at := alertsBegan.Add(time.Duration(n) * time.Second).UnixMilli()
	worst := 81.5
	e := store.AlertEvent{
		ID: store.AlertEventID("rule-hot", store.Series{UID: 7, Port: 1}, at), RuleID: "rule-hot", RuleName: "Boiler too hot", Revision: 1, OrgID: "acme",
		DeviceID: "d1", UID: 7, PortNumber: 1, PortName: "Flow temperature", Unit: "°C", Kind: store.CondAbove, Severity: store.SeverityCritical,
		State: state, StartedAt: store.Time(at), FiredAt: store.Time(at + 5), First: &worst, Worst: &worst, Last: &worst,
		Message: "Flow temperature of boiler d1 is 81.5 °C, above 80 °C", Position: uint64(n + 1),
	}
	if state == store.AlertResolved {
		end := store.Time(at + 10)
		e.ResolvedAt, e.End = &end, store.EndCleared
	}
	return e
}

func testMessage(n int, state store.NotificationState) store.Notification {
	e := testAlert(n, store.AlertFiring)
	return store.Notification{
		ID: store.NotificationID(e.ID, "ch-ops", store.CauseFiring, 0), OrgID: "acme", ChannelID: "ch-ops", Cause: store.CauseFiring, Event: e,
		State: state, CreatedAt: e.FiredAt, NotBefore: e.FiredAt, ExpiresAt: e.FiredAt + 86_400_000,
	}
}

func commitAlerts(t testing.TB, a *Alerts, c store.AlertCommit) {
	t.Helper()
	if err := a.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func TestAlerts(t *testing.T) {
	storetest.RunAlerts(t, func(t testing.TB, dir string) store.Alerts {
		t.Cleanup(func() { checkAlertsFile(t, dir) })
		return openTestAlerts(t, dir, AlertsOptions{})
	})
}

// checkAlertsFile reports what of a closed file's indexes and counts is not as
// its events and notifications are.
func checkAlertsFile(t testing.TB, dir string) {
	a := openTestAlerts(t, dir, AlertsOptions{})
	_, err := a.Verify(context.Background())
	if err := errors.Join(err, a.Close()); err != nil {
		t.Errorf("the file of %s: %v", t.Name(), err)
	}
}

// TestAlertsVerify: what is missing, or too much, or damaged, is found.
func TestAlertsVerify(t *testing.T) {
	ctx, a := t.Context(), bindTestAlerts(t, t.TempDir(), AlertsOptions{})
	open, over, waits := testAlert(1, store.AlertFiring), testAlert(2, store.AlertResolved), testMessage(1, store.NotificationQueued)
	commitAlerts(t, a, store.AlertCommit{
		Events: []store.AlertEvent{open, over}, Notifications: []store.Notification{waits, testMessage(2, store.NotificationDead)},
		States: []store.WatchState{{RuleID: "r", Body: []byte("b")}},
	})
	if err := a.PutSilence(ctx, store.Silence{ID: "sil-1", OrgID: "acme", Comment: "c", StartsAt: waits.CreatedAt, EndsAt: &waits.ExpiresAt}); err != nil {
		t.Fatal(err)
	}
	if n, err := a.Verify(ctx); err != nil || n != (AlertsCount{Watches: 1, Silences: 1, Events: 2, Open: 1, Notifications: 2, Queued: 1}) {
		t.Fatalf("%+v, %v", n, err)
	}
	if n, err := a.CountQueued(ctx); err != nil || n != 1 {
		t.Errorf("%d wait, %v", n, err)
	}
	undo := errors.New("undo")
	for _, bucket := range alertsBuckets() {
		if bytes.Equal(bucket, alertsMetaBucket) || bytes.Equal(bucket, watchBucket) {
			continue
		}
		for name, spoil := range map[string]func(b *bbolt.Bucket, k, v []byte) error{
			"without one": func(b *bbolt.Bucket, k, _ []byte) error { return b.Delete(k) },
			"one more":    func(b *bbolt.Bucket, k, v []byte) error { return b.Put(append(bytes.Clone(k), 'x'), v) },
			"another":     func(b *bbolt.Bucket, k, v []byte) error { return b.Put(k, append([]byte{200}, v...)) },
		} {
			err := update(a.db, func(tx *bbolt.Tx) error {
				b := tx.Bucket(bucket)
				k, v := b.Cursor().First()
				if err := spoil(b, k, v); err != nil {
					return err
				}
				check := alertsVerify{tx: tx}
				if err := errors.Join(check.silences(), check.events(), check.notifications()); err != nil || check.n.Silences != 1 {
					return undo
				}
				return nil
			})
			if !errors.Is(err, undo) {
				t.Errorf("%s %s is not noticed: %v", bucket, name, err)
			}
		}
	}
	commitAlerts(t, a, store.AlertCommit{Now: 1})
	if err := update(a.db, func(tx *bbolt.Tx) error { return writeAlertsMeta(tx, alertsMeta{Resolved: 5}) }); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Verify(ctx); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), a.path) {
		t.Errorf("wrong counts: %v", err)
	}
}

// TestAlertsShareTransactions: writers that come while one is under way go
// together; what one of them cannot have is refused to that one alone.
func TestAlertsShareTransactions(t *testing.T) {
	reg := prometheus.NewRegistry()
	a := bindTestAlerts(t, t.TempDir(), AlertsOptions{Registerer: reg})
	commitAlerts(t, a, store.AlertCommit{Events: []store.AlertEvent{testAlert(0, store.AlertFiring)}})
	const writers = 20
	begun := func() float64 { return metrics(t, reg)["tidegate_embedded_alerts_commit_seconds"] }
	run := func(bad bool) (errs []error) {
		var wg sync.WaitGroup
		errs = make([]error, writers)
		a.writing.Lock()
		for i := range writers {
			wg.Go(func() {
				e := testAlert(i, store.AlertFiring)
				if bad && i == 0 {
					e.OrgID = "other"
				}
				errs[i] = a.Commit(t.Context(), store.AlertCommit{Events: []store.AlertEvent{e}})
			})
		}
		for deadline := time.Now().Add(time.Minute); ; <-time.After(time.Millisecond) {
			a.mu.Lock()
			n := len(a.waiting)
			a.mu.Unlock()
			if n == writers {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("%d of %d writers wait", n, writers)
				break
			}
		}
		a.writing.Unlock()
		wg.Wait()
		return errs
	}
	before := begun()
	if err := errors.Join(run(false)...); err != nil {
		t.Fatal(err)
	}
	if n := begun() - before; n != 1 {
		t.Errorf("%v transactions for %d writers", n, writers)
	}
	errs := run(true)
	if !errors.Is(errs[0], store.ErrInvalid) || errors.Join(errs[1:]...) != nil {
		t.Errorf("one of them is wrong: %v", errs)
	}
	if open, err := a.OpenEvents(t.Context()); err != nil || len(open) != writers || open[0].OrgID != "acme" {
		t.Errorf("%d events: %v", len(open), err)
	}
}

// TestAlertsAfterFailedFsync: nothing is written or answered any more.
func TestAlertsAfterFailedFsync(t *testing.T) {
	a := bindTestAlerts(t, t.TempDir(), AlertsOptions{})
	err := a.write(t.Context(), "try", func(*alertsTx) error { return fmt.Errorf("sync: %w", errFsync) })
	if !errors.Is(err, errFsync) {
		t.Fatal(err)
	}
	if err := a.PutNotifications(t.Context(), []store.Notification{testMessage(1, store.NotificationQueued)}); !errors.Is(err, errFsync) {
		t.Errorf("write: %v", err)
	}
	if _, err := a.OpenEvents(t.Context()); !errors.Is(err, errFsync) {
		t.Errorf("read: %v", err)
	}
}

// TestAlertsFileIsRefused names the file and the way out.
func TestAlertsFileIsRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(*bbolt.Tx) error
		want  string
	}{
		"newer":    {func(tx *bbolt.Tx) error { return tx.Bucket(headerBucket).Put(headerFormat, []byte{0, 0, 0, 2}) }, "run a newer tidegate"},
		"other":    {func(tx *bbolt.Tx) error { return tx.Bucket(headerBucket).Put(headerKind, []byte("state")) }, "holds state data"},
		"position": {func(tx *bbolt.Tx) error { return tx.Bucket(alertsMetaBucket).Put(alertsMetaKey, []byte("{")) }, "does not say its position"},
	} {
		dir := t.TempDir()
		a := openTestAlerts(t, dir, AlertsOptions{})
		if err := errors.Join(update(a.db, tt.spoil), a.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAlerts(a.path, AlertsOptions{}); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), a.path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAlertsDamagedRecords: what is damaged is an error that names the file,
// never a wrong answer.
func TestAlertsDamagedRecords(t *testing.T) {
	ctx := t.Context()
	e, n := testAlert(1, store.AlertFiring), testMessage(1, store.NotificationQueued)
	key := timedKey(n.CreatedAt, n.ID)
	cut := func(bucket, key []byte, to int) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			b := tx.Bucket(bucket)
			v := bytes.Clone(b.Get(key))
			return b.Put(key, v[:min(to, len(v)-1)])
		}
	}
	for name, tt := range map[string]struct {
		spoil func(*bbolt.Tx) error
		ask   func(*Alerts) error
	}{
		"event's head":      {cut(eventBucket, []byte(e.ID), 5), func(a *Alerts) error { _, err := a.AlertEvent(ctx, e.ID); return err }},
		"event's body":      {cut(eventBucket, []byte(e.ID), 1<<20), func(a *Alerts) error { _, err := a.OpenEvents(ctx); return err }},
		"event gone":        {func(tx *bbolt.Tx) error { return tx.Bucket(eventBucket).Delete([]byte(e.ID)) }, func(a *Alerts) error { _, err := a.OpenEvents(ctx); return err }},
		"head of the index": {cut(openEventBucket, []byte(e.ID), 5), func(a *Alerts) error { _, err := a.CountAlertEvents(ctx, "acme"); return err }},
		"notification's head": {cut(notifiedBucket, key, 5), func(a *Alerts) error {
			_, err := a.ListNotifications(ctx, store.NotificationFilter{Limit: 1})
			return err
		}},
		"notification's event":  {cut(notifiedBucket, key, 100), func(a *Alerts) error { _, err := a.QueuedNotifications(ctx); return err }},
		"notification's body":   {cut(notifiedBucket, key, 1<<20), func(a *Alerts) error { _, err := a.Notification(ctx, n.ID); return err }},
		"silence":               {cut(silenceBucket, []byte("sil-1"), 5), func(a *Alerts) error { _, err := a.ListSilences(ctx, "", store.Page{}); return err }},
		"key of a rule's state": {func(tx *bbolt.Tx) error { return tx.Bucket(watchBucket).Put([]byte("short"), []byte{1}) }, func(a *Alerts) error { return a.WatchStates(ctx, func(store.WatchState) error { return nil }) }},
	} {
		a := bindTestAlerts(t, t.TempDir(), AlertsOptions{})
		commitAlerts(t, a, store.AlertCommit{Events: []store.AlertEvent{e}, Notifications: []store.Notification{n}})
		if err := a.PutSilence(ctx, store.Silence{ID: "sil-1", OrgID: "acme", Comment: "c", StartsAt: n.CreatedAt, EndsAt: &n.ExpiresAt}); err != nil {
			t.Fatal(err)
		}
		if err := update(a.db, tt.spoil); err != nil {
			t.Fatal(err)
		}
		if err := tt.ask(a); !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), a.path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAlertsAdopt: everything stays, and goes on behind the beginning of the
// new log.
func TestAlertsAdopt(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	next := store.Bounds{Log: store.LogID{9}, After: 3, Head: 8}
	a := openTestAlerts(t, dir, AlertsOptions{})
	if err := a.Adopt(next); err != nil || a.Standings()[0].Log != (store.LogID{}) {
		t.Errorf("a new file adopts nothing: %+v, %v", a.Standings(), err)
	}
	if err := a.Bind(store.Bounds{Log: testLogID(), Head: 1000}); err != nil {
		t.Fatal(err)
	}
	open, over := testAlert(1, store.AlertFiring), testAlert(2, store.AlertResolved)
	state := store.WatchState{RuleID: "rule-hot", Series: store.Series{UID: 7, Port: 1}, Position: 700, Body: []byte("body")}
	commitAlerts(t, a, store.AlertCommit{
		Applied: 700, Now: 5, States: []store.WatchState{state}, Events: []store.AlertEvent{open, over},
		Notifications: []store.Notification{testMessage(1, store.NotificationQueued)},
	})
	for range 2 {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		a = openTestAlerts(t, dir, AlertsOptions{})
		if err := a.Adopt(next); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Bind(store.Bounds{Log: testLogID(), Head: 1000}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the old log is still taken: %v", err)
	}
	if err := a.Bind(next); err != nil || a.Applied() != 3 {
		t.Errorf("applied %d: %v", a.Applied(), err)
	}
	open.Position, state.Position = 3, 3
	list, err := a.ListAlertEvents(ctx, store.AlertEventFilter{Limit: 9})
	if err != nil || len(list) != 2 || list[0].Position != over.Position || list[1].Position != 3 || list[1].Message != open.Message {
		t.Errorf("events %+v, %v", list, err)
	}
	var states []store.WatchState
	if err := a.WatchStates(ctx, func(w store.WatchState) error { states = append(states, w); return nil }); err != nil || fmt.Sprint(states) != fmt.Sprint([]store.WatchState{state}) {
		t.Errorf("states %+v, %v", states, err)
	}
	if queued, err := a.QueuedNotifications(ctx); err != nil || len(queued) != 1 {
		t.Errorf("queued %v, %v", queued, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	checkAlertsFile(t, dir)
}

// TestAlertsChanges: each event comes once, where it changed last.
func TestAlertsChanges(t *testing.T) {
	ctx, a := t.Context(), bindTestAlerts(t, t.TempDir(), AlertsOptions{})
	for _, n := range []int{3, 1, 2, 1, 1, 3} {
		commitAlerts(t, a, store.AlertCommit{Events: []store.AlertEvent{testAlert(n, store.AlertFiring)}})
	}
	all, changes, err := a.AlertEventsChangedAfter(ctx, 0, 9)
	if err != nil || !slices.Equal(changes, []uint64{3, 5, 6}) || all[0].ID != testAlert(2, "").ID || all[1].ID != testAlert(1, "").ID || all[2].ID != testAlert(3, "").ID {
		t.Errorf("changes %v of %+v, %v", changes, all, err)
	}
	_, changes, err = a.AlertEventsChangedAfter(ctx, 3, 1)
	n, newest, err2 := a.CountAlertEventsChangedAfter(ctx, 3)
	if err := errors.Join(err, err2); err != nil || !slices.Equal(changes, []uint64{5}) || n != 2 || newest != 6 {
		t.Errorf("changes behind 3: %v, %d of %d, %v", changes, n, newest, err)
	}
	list, changes, err := a.AlertEventsAfter(ctx, testAlert(1, "").ID, 1)
	if err != nil || len(list) != 1 || list[0].ID != testAlert(2, "").ID || !slices.Equal(changes, []uint64{3}) {
		t.Errorf("in order of id: %+v, %v, %v", list, changes, err)
	}
}
