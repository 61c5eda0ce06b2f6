package embedded

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
)

// sizes answers how many events and notifications there are.
func (a *Alerts) sizes(t *testing.T) (events, notifications int) {
	t.Helper()
	list, err := a.ListAlertEvents(t.Context(), store.AlertEventFilter{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	told, err := a.ListNotifications(t.Context(), store.NotificationFilter{Limit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return len(list), len(told)
}

// TestAlertsLimits: the oldest that are over go, a few at a time, and those that
// go on stay however old they are, and do not hide what is behind them.
func TestAlertsLimits(t *testing.T) {
	dir, now := t.TempDir(), alertsBegan
	clock := func() time.Time { return now }
	a := bindTestAlerts(t, dir, AlertsOptions{Now: clock})
	const open, over = 300, 500
	var c store.AlertCommit
	for i := range open {
		c.Events = append(c.Events, testAlert(i, store.AlertFiring))
		c.Notifications = append(c.Notifications, testMessage(i, store.NotificationQueued))
	}
	for i := open; i < open+over; i++ {
		c.Events = append(c.Events, testAlert(i, store.AlertResolved))
		c.Notifications = append(c.Notifications, testMessage(i, store.NotificationDelivered))
	}
	commitAlerts(t, a, c)
	touch := func() (events, notifications int) {
		t.Helper()
		commitAlerts(t, a, store.AlertCommit{Now: now.UnixMilli()})
		return a.sizes(t)
	}
	if e, n := touch(); e != open+over || n != open+over {
		t.Fatalf("%d events and %d notifications within the limits", e, n)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}

	reg := prometheus.NewRegistry()
	a = bindTestAlerts(t, dir, AlertsOptions{Now: clock, MaxEvents: 400, MaxNotifications: 450, Registerer: reg})
	e, n := open+over, open+over
	for step := 0; e > open+400 || n > open+450; step++ {
		e2, n2 := touch()
		if e-e2 > trimmedAtOnce || n-n2 > trimmedAtOnce || step > 2*(open+over)/trimmedAtOnce {
			t.Fatalf("step %d: from %d, %d to %d, %d", step, e, n, e2, n2)
		}
		e, n = e2, n2
	}
	if e, n := touch(); e != open+400 || n != open+450 {
		t.Errorf("%d events and %d notifications beyond the numbers", e, n)
	}
	list, err := a.ListAlertEvents(t.Context(), store.AlertEventFilter{States: []store.AlertState{store.AlertResolved}, Limit: 1000})
	if err != nil || len(list) != 400 || list[399].ID != testAlert(open+over-400, "").ID {
		t.Errorf("not the oldest went: %d are left, %v", len(list), err)
	}

	// A writer that writes much trims as much.
	c = store.AlertCommit{}
	for i := range 300 {
		c.Events = append(c.Events, testAlert(open+over+i, store.AlertResolved))
	}
	commitAlerts(t, a, c)
	if e, _ := touch(); e != open+400 {
		t.Errorf("%d events behind a large commit", e)
	}

	// All that is over is too old once; two of it, which ended lately, not yet.
	late := testAlert(open+over, store.AlertResolved)
	end := store.Time(alertsBegan.Add(time.Hour).UnixMilli())
	late.ResolvedAt = &end
	commitAlerts(t, a, store.AlertCommit{Events: []store.AlertEvent{late}})
	now = alertsBegan.Add(400*24*time.Hour + 50*time.Minute)
	for step := 0; e > open+1 || n > open; step++ {
		if step > 4*(open+over)/trimmedAtOnce {
			t.Fatalf("after %d steps there are %d events, %d notifications", step, e, n)
		}
		e, n = touch()
	}
	now = now.Add(time.Hour)
	for step := 0; e > open; step++ {
		if step > 4*(open+over)/trimmedAtOnce {
			t.Fatalf("after %d steps there are %d events", step, e)
		}
		e, _ = touch()
	}
	if list, err := a.OpenEvents(t.Context()); err != nil || len(list) != open {
		t.Errorf("%d open events, %v", len(list), err)
	}
	if list, err := a.QueuedNotifications(t.Context()); err != nil || len(list) != open {
		t.Errorf("%d queued notifications, %v", len(list), err)
	}
	m := metrics(t, reg)
	const name = "tidegate_embedded_alerts_dropped_total"
	got := fmt.Sprint(m[name+" number event"], m[name+" number notification"], m[name+" age event"], m[name+" age notification"], m["tidegate_embedded_alerts_over event"])
	if want := "400 50 400 450 0"; got != want {
		t.Errorf("dropped %s, want %s: %v", got, want, m)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	checkAlertsFile(t, dir)
}

// TestAlertsSilencesAreBounded: of silences there are so many and no more.
func TestAlertsSilencesAreBounded(t *testing.T) {
	a := bindTestAlerts(t, t.TempDir(), AlertsOptions{})
	end := store.Time(alertsBegan.UnixMilli())
	s := store.Silence{ID: "sil-1", OrgID: "acme", Comment: "c", StartsAt: end - 1, EndsAt: &end}
	a.meta.Silences = maxSilences - 1
	if err := a.PutSilence(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := a.PutSilence(t.Context(), s); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	s.ID = "sil-2"
	if err := a.PutSilence(t.Context(), s); err == nil {
		t.Error("one too many was taken")
	}
	if err := a.DeleteSilence(t.Context(), "sil-1"); err != nil {
		t.Fatal(err)
	}
	if err := a.PutSilence(t.Context(), s); err != nil {
		t.Errorf("in the place of another: %v", err)
	}
}
