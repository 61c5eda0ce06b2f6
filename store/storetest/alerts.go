package storetest

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync"
	"testing"

	"tidegate/store"
)

// RunAlerts tests a memory of alarms. open opens that of a folder, or makes it,
// without limits; it must keep all that it has in the folder.
func RunAlerts(t *testing.T, open func(t testing.TB, dir string) store.Alerts) {
	t.Run("events", func(t *testing.T) { testAlertEvents(t, open) })
	t.Run("notifications", func(t *testing.T) { testAlertNotifications(t, open) })
	t.Run("silences", func(t *testing.T) { testAlertSilences(t, open) })
	t.Run("watches", func(t *testing.T) { testAlertWatches(t, open) })
	t.Run("bind", func(t *testing.T) { testAlertsBind(t, open) })
	t.Run("refused", func(t *testing.T) { testAlertsRefused(t, open) })
	t.Run("concurrent", func(t *testing.T) { testAlertsConcurrent(t, open) })
	t.Run("model", func(t *testing.T) { testAlertsModel(t, open) })
}

func openAlerts(t testing.TB, open func(testing.TB, string) store.Alerts, dir string) store.Alerts {
	t.Helper()
	a := open(t, dir)
	must(t, a.Bind(store.Bounds{Log: testLog, Head: 1 << 40}))
	return a
}

// alertsDay is when the episodes of these tests begin, Unix ms.
const alertsDay = 1_757_116_800_000

// alertEvent answers an episode of rule, organization and device that began so
// many seconds into the day.
func alertEvent(rule string, org, device, second int, state store.AlertState) store.AlertEvent {
	s := store.Series{UID: uint32(10*org + device), Port: 3}
	at := int64(alertsDay + 1000*second)
	e := store.AlertEvent{
		ID: store.AlertEventID(rule, s, at), RuleID: rule, RuleName: "Rule " + rule, Revision: 7, OrgID: fmt.Sprint("org", org),
		DeviceID: fmt.Sprint("d", device), UID: s.UID, PortNumber: s.Port, Kind: store.CondAbove, Severity: store.SeverityWarning,
		State: state, StartedAt: store.Time(at), FiredAt: store.Time(at + 500), Message: "hot", Position: uint64(second) + 1,
	}
	if state == store.AlertResolved {
		end := store.Time(at + 900)
		e.ResolvedAt, e.End = &end, store.EndCleared
	}
	return e
}

func alertIDs(list []store.AlertEvent) (out []string) {
	for _, e := range list {
		out = append(out, e.ID)
	}
	return out
}

func sameList[T any](t *testing.T, what string, got, want []T) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("%s: %d of %d differs:\n got %+v\nwant %+v", what, i, len(want), got[i], want[i])
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d instead of %d", what, len(got), len(want))
	}
}

func testAlertEvents(t *testing.T, open func(testing.TB, string) store.Alerts) {
	ctx, dir := t.Context(), t.TempDir()
	a := openAlerts(t, open, dir)
	first := alertEvent("rule-a", 1, 1, 0, store.AlertFiring)
	second := alertEvent("rule-b", 1, 2, 1, store.AlertRecovering)
	third := alertEvent("rule-a", 2, 3, 2, store.AlertFiring)
	third.Severity = store.SeverityCritical
	worst, inf, at := 81.5, math.Inf(1), store.Time(alertsDay+1234)
	over := alertEvent("rule-a", 1, 1, 3, store.AlertResolved)
	over.PortName, over.Unit, over.Labels, over.Flaps, over.Silenced, over.Escalated = "Boiler", "°C", map[string]string{"site": "north"}, 2, "sil-1", true
	over.First, over.Worst, over.WorstAt, over.Last = &worst, &inf, &at, &worst
	over.Acknowledged = &store.Acknowledgement{By: "user:ann@example.org", At: at, Comment: "on my way"}
	over.Comments = []store.Comment{{By: "user:bob@example.org", At: at, Text: "was the pump\x00 \"again\""}}
	must(t, a.Commit(ctx, store.AlertCommit{Events: []store.AlertEvent{third, first}}))
	must(t, a.Commit(ctx, store.AlertCommit{Events: []store.AlertEvent{over, second}, Now: 77, Applied: 9}))

	yes, no := true, false
	day := int64(alertsDay)
	for round := range 2 {
		for _, tt := range []struct {
			name string
			f    store.AlertEventFilter
			want []store.AlertEvent
		}{
			{"all", store.AlertEventFilter{Limit: 9}, []store.AlertEvent{over, third, second, first}},
			{"page", store.AlertEventFilter{Limit: 2}, []store.AlertEvent{over, third}},
			{"next page", store.AlertEventFilter{Limit: 2, After: third.ID}, []store.AlertEvent{second, first}},
			{"behind an absent one", store.AlertEventFilter{Limit: 9, After: alertEvent("rule-x", 1, 1, 1, "").ID[:17] + "00"}, []store.AlertEvent{first}},
			{"org", store.AlertEventFilter{Limit: 9, OrgID: "org1"}, []store.AlertEvent{over, second, first}},
			{"org, next page", store.AlertEventFilter{Limit: 1, OrgID: "org1", After: over.ID}, []store.AlertEvent{second}},
			{"a prefix of an org", store.AlertEventFilter{Limit: 9, OrgID: "org"}, nil},
			{"device", store.AlertEventFilter{Limit: 9, DeviceID: "d1"}, []store.AlertEvent{over, first}},
			{"devices", store.AlertEventFilter{Limit: 9, Devices: []string{"d2", "d3"}}, []store.AlertEvent{third, second}},
			{"no devices", store.AlertEventFilter{Limit: 9, Devices: []string{}}, nil},
			{"rule", store.AlertEventFilter{Limit: 9, RuleID: "rule-b"}, []store.AlertEvent{second}},
			{"open", store.AlertEventFilter{Limit: 9, States: []store.AlertState{store.AlertFiring, store.AlertRecovering}}, []store.AlertEvent{third, second, first}},
			{"firing in an org", store.AlertEventFilter{Limit: 9, OrgID: "org1", States: []store.AlertState{store.AlertFiring}}, []store.AlertEvent{first}},
			{"resolved", store.AlertEventFilter{Limit: 9, States: []store.AlertState{store.AlertResolved}}, []store.AlertEvent{over}},
			{"severity", store.AlertEventFilter{Limit: 9, Severity: store.SeverityCritical}, []store.AlertEvent{third}},
			{"acknowledged", store.AlertEventFilter{Limit: 9, Acknowledged: &yes}, []store.AlertEvent{over}},
			{"not acknowledged", store.AlertEventFilter{Limit: 9, Acknowledged: &no, OrgID: "org1"}, []store.AlertEvent{second, first}},
			{"times", store.AlertEventFilter{Limit: 9, From: day + 1000, To: day + 3000}, []store.AlertEvent{third, second}},
			{"times in an org", store.AlertEventFilter{Limit: 9, OrgID: "org1", From: day + 1000, To: day + 3000}, []store.AlertEvent{second}},
			{"from", store.AlertEventFilter{Limit: 9, From: day + 2001}, []store.AlertEvent{over}},
			{"to, behind one", store.AlertEventFilter{Limit: 9, To: day + 3000, After: over.ID}, []store.AlertEvent{third, second, first}},
		} {
			got, err := a.ListAlertEvents(ctx, tt.f)
			must(t, err)
			sameList(t, fmt.Sprint("round ", round, ": ", tt.name), got, tt.want)
		}
		got, err := a.AlertEvent(ctx, over.ID)
		must(t, err)
		sameList(t, "one", []store.AlertEvent{got}, []store.AlertEvent{over})
		openOnes, err := a.OpenEvents(ctx)
		must(t, err)
		sameList(t, "open", openOnes, []store.AlertEvent{first, second, third})
		counts, err := a.CountAlertEvents(ctx, "")
		must(t, err)
		org, err2 := a.CountAlertEvents(ctx, "org1")
		must(t, err2)
		if !reflect.DeepEqual(counts, map[store.Severity]int{"warning": 2, "critical": 1}) || !reflect.DeepEqual(org, map[store.Severity]int{"warning": 2}) {
			t.Errorf("counts %v, of org1 %v", counts, org)
		}
		if now, err := a.EngineTime(ctx); err != nil || now != 77 {
			t.Errorf("the engine's time is %d, %v", now, err)
		}
		if a.Applied() != 9 {
			t.Errorf("applied %d", a.Applied())
		}
		must(t, a.Close())
		a = openAlerts(t, open, dir)
	}
	end := store.Time(alertsDay + 5000)
	first.State, first.ResolvedAt, first.End = store.AlertResolved, &end, store.EndRuleChanged
	over.State, over.ResolvedAt, over.End = store.AlertFiring, nil, "" // it is joined
	must(t, a.Commit(ctx, store.AlertCommit{Events: []store.AlertEvent{first, over}}))
	openOnes, err := a.OpenEvents(ctx)
	must(t, err)
	sameList(t, "open after changes", alertIDs(openOnes), []string{second.ID, third.ID, over.ID})
	must(t, a.Close())
}

func testNotification(e store.AlertEvent, channel string, c store.NotificationCause, second int) store.Notification {
	at := store.Time(alertsDay + 1000*second)
	return store.Notification{
		ID: store.NotificationID(e.ID, channel, c, 0), OrgID: e.OrgID, ChannelID: channel, Cause: c, Event: e,
		State: store.NotificationQueued, CreatedAt: at, NotBefore: at + 1, ExpiresAt: at + 86_400_000,
	}
}

func testAlertNotifications(t *testing.T, open func(testing.TB, string) store.Alerts) {
	ctx, dir := t.Context(), t.TempDir()
	a := openAlerts(t, open, dir)
	e, other := alertEvent("rule-a", 1, 1, 0, store.AlertFiring), alertEvent("rule-b", 2, 2, 1, store.AlertFiring)
	first := testNotification(e, "ch-1", store.CauseFiring, 1)
	second := testNotification(other, "ch-2", store.CauseFiring, 2)
	third := testNotification(e, "ch-2", store.CauseResolved, 3)
	must(t, a.Commit(ctx, store.AlertCommit{Events: []store.AlertEvent{e, other}, Notifications: []store.Notification{third, first, second}}))
	queued, err := a.QueuedNotifications(ctx)
	must(t, err)
	sameList(t, "queued, the oldest first", queued, []store.Notification{first, second, third})

	at := store.Time(alertsDay + 9999)
	done := first
	done.State, done.Attempts, done.DeliveryID, done.DeliveredAt = store.NotificationDelivered, 3, "dl-1", &at
	dead := second
	dead.State, dead.LastError, dead.Attempts = store.NotificationDead, "refused: 410 Gone", 1
	must(t, a.PutNotifications(ctx, []store.Notification{done, dead}))
	// A replay makes none anew.
	must(t, a.Commit(ctx, store.AlertCommit{Notifications: []store.Notification{first, second, third}}))
	moved := testNotification(e, "ch-3", store.CauseTest, 0)
	must(t, a.PutNotifications(ctx, []store.Notification{moved}))
	moved.CreatedAt, moved.Event = store.Time(alertsDay+4000), other
	must(t, a.PutNotifications(ctx, []store.Notification{moved}))

	for round := range 2 {
		for _, tt := range []struct {
			name string
			f    store.NotificationFilter
			want []store.Notification
		}{
			{"all", store.NotificationFilter{Limit: 9}, []store.Notification{moved, third, dead, done}},
			{"page", store.NotificationFilter{Limit: 2}, []store.Notification{moved, third}},
			{"next page", store.NotificationFilter{Limit: 2, After: third.ID}, []store.Notification{dead, done}},
			{"org", store.NotificationFilter{Limit: 9, OrgID: "org2"}, []store.Notification{dead}},
			{"channel", store.NotificationFilter{Limit: 9, ChannelID: "ch-2"}, []store.Notification{third, dead}},
			{"event", store.NotificationFilter{Limit: 9, EventID: e.ID}, []store.Notification{third, done}},
			{"event, next page", store.NotificationFilter{Limit: 9, EventID: e.ID, After: third.ID}, []store.Notification{done}},
			{"devices", store.NotificationFilter{Limit: 9, Devices: []string{"d2"}}, []store.Notification{moved, dead}},
			{"no devices", store.NotificationFilter{Limit: 9, Devices: []string{}}, nil},
			{"queued", store.NotificationFilter{Limit: 9, States: []store.NotificationState{store.NotificationQueued}}, []store.Notification{moved, third}},
			{"queued, next page", store.NotificationFilter{Limit: 9, States: []store.NotificationState{store.NotificationQueued}, After: moved.ID}, []store.Notification{third}},
			{"final", store.NotificationFilter{Limit: 9, States: []store.NotificationState{store.NotificationDead, store.NotificationDelivered}}, []store.Notification{dead, done}},
		} {
			got, err := a.ListNotifications(ctx, tt.f)
			must(t, err)
			sameList(t, fmt.Sprint("round ", round, ": ", tt.name), got, tt.want)
		}
		got, err := a.Notification(ctx, dead.ID)
		must(t, err)
		sameList(t, "one", []store.Notification{got}, []store.Notification{dead})
		queued, err = a.QueuedNotifications(ctx)
		must(t, err)
		sameList(t, "queued", queued, []store.Notification{third, moved})
		must(t, a.Close())
		a = openAlerts(t, open, dir)
	}
	must(t, a.Close())
}

func testSilence(id string, org int) store.Silence {
	end := store.Time(alertsDay + 3_600_000)
	return store.Silence{
		ID: id, OrgID: fmt.Sprint("org", org), Comment: "pump is serviced", DeviceIDs: []string{"d1"}, Labels: map[string]string{"site": "north"},
		StartsAt: alertsDay, EndsAt: &end, CreatedBy: "user:ann@example.org", CreatedAt: alertsDay - 5,
	}
}

func testAlertSilences(t *testing.T, open func(testing.TB, string) store.Alerts) {
	ctx, dir := t.Context(), t.TempDir()
	a := openAlerts(t, open, dir)
	one, two, three := testSilence("sil-1", 1), testSilence("sil-2", 2), testSilence("sil-3", 1)
	two.DeviceIDs, two.RuleIDs, two.EndsAt = nil, []string{"rule-a"}, nil
	two.Schedule = &store.Schedule{Days: []store.Weekday{"sat", "sun"}, From: "22:00", To: "06:00", Zone: "Europe/Berlin"}
	for _, s := range []store.Silence{three, one, two} {
		must(t, a.PutSilence(ctx, s))
	}
	one.Comment = "pump is replaced"
	must(t, a.PutSilence(ctx, one))
	must(t, a.Close())
	a = openAlerts(t, open, dir)
	for _, tt := range []struct {
		org  string
		p    store.Page
		want []store.Silence
	}{
		{"", store.Page{}, []store.Silence{one, two, three}},
		{"", store.Page{Limit: 2}, []store.Silence{one, two}},
		{"", store.Page{Limit: 2, After: "sil-2"}, []store.Silence{three}},
		{"org1", store.Page{}, []store.Silence{one, three}},
		{"org1", store.Page{Limit: 1, After: "sil-1"}, []store.Silence{three}},
		{"org", store.Page{}, nil},
	} {
		got, err := a.ListSilences(ctx, tt.org, tt.p)
		must(t, err)
		sameList(t, fmt.Sprintf("silences of %q, %+v", tt.org, tt.p), got, tt.want)
	}
	got, err := a.Silence(ctx, "sil-2")
	must(t, err)
	sameList(t, "one", []store.Silence{got}, []store.Silence{two})
	must(t, a.DeleteSilence(ctx, "sil-2"))
	if err := a.DeleteSilence(ctx, "sil-2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if _, err := a.Silence(ctx, "sil-2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a deleted silence: %v", err)
	}
	must(t, a.Close())
}

func watchesOf(t testing.TB, a store.Alerts) (out []store.WatchState) {
	t.Helper()
	must(t, a.WatchStates(t.Context(), func(w store.WatchState) error { out = append(out, w); return nil }))
	return out
}

func testAlertWatches(t *testing.T, open func(testing.TB, string) store.Alerts) {
	ctx, dir := t.Context(), t.TempDir()
	a := openAlerts(t, open, dir)
	w := func(rule string, uid uint32, port uint16, pos uint64, body string) store.WatchState {
		return store.WatchState{RuleID: rule, Series: store.Series{UID: uid, Port: port}, Position: pos, Body: []byte(body)}
	}
	kept := []store.WatchState{w("a", 1, 65535, 1, "x"), w("a", 2, 0, 1<<63, ""), w("a", 256, 1, 3, "y"), w("ab", 1, 1, 4, "z")}
	must(t, a.Commit(ctx, store.AlertCommit{States: []store.WatchState{kept[3], kept[1], w("a", 7, 7, 7, "gone"), kept[0], kept[2]}}))
	must(t, a.Commit(ctx, store.AlertCommit{States: []store.WatchState{{RuleID: "a", Series: store.Series{UID: 7, Port: 7}}, {RuleID: "never"}}}))
	must(t, a.Close())
	a = openAlerts(t, open, dir)
	sameList(t, "watches", watchesOf(t, a), kept)
	stop := errors.New("stop")
	if err := a.WatchStates(ctx, func(store.WatchState) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
	var many []store.WatchState
	for i := range 12_000 {
		many = append(many, w("big", uint32(i/3), uint16(i%3), 5, fmt.Sprint("state ", i)))
	}
	must(t, a.Commit(ctx, store.AlertCommit{States: many, Applied: 5}))
	sameList(t, "many watches", watchesOf(t, a)[len(kept):], many)
	must(t, a.Close())
}

// testAlertsBind: until its first commit a file takes any log as its own, from
// where that begins.
func testAlertsBind(t *testing.T, open func(testing.TB, string) store.Alerts) {
	ctx, dir := t.Context(), t.TempDir()
	a := open(t, dir)
	if err := a.Commit(ctx, store.AlertCommit{Applied: 1}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a position of no log: %v", err)
	}
	must(t, a.Bind(store.Bounds{Log: store.LogID{9}, After: 3, Head: 4}))
	must(t, a.PutSilence(ctx, testSilence("sil-1", 1)))
	must(t, a.Close())
	a = open(t, dir)
	must(t, a.Bind(store.Bounds{Log: testLog, After: 5, Head: 9}))
	if a.Applied() != 5 {
		t.Errorf("a new file has applied %d, the log begins behind 5", a.Applied())
	}
	if err := a.Commit(ctx, store.AlertCommit{Applied: 4}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("backwards: %v", err)
	}
	must(t, a.Commit(ctx, store.AlertCommit{Applied: 7}))
	must(t, a.Commit(ctx, store.AlertCommit{Applied: 7}))
	must(t, a.Close())
	for _, tt := range []struct {
		name string
		b    store.Bounds
		ok   bool
	}{
		{"the same", store.Bounds{Log: testLog, After: 5, Head: 9}, true},
		{"trimmed to it", store.Bounds{Log: testLog, After: 7, Head: 9}, true},
		{"at its end", store.Bounds{Log: testLog, After: 0, Head: 7}, true},
		{"another log", store.Bounds{Log: store.LogID{9}, Head: 9}, false},
		{"an older log", store.Bounds{Log: testLog, Head: 6}, false},
		{"trimmed past it", store.Bounds{Log: testLog, After: 8, Head: 9}, false},
	} {
		a := open(t, dir)
		err := a.Bind(tt.b)
		if tt.ok && err != nil || !tt.ok && !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if a.Applied() != 7 {
			t.Errorf("%s: applied %d", tt.name, a.Applied())
		}
		must(t, a.Close())
	}
}

func testAlertsRefused(t *testing.T, open func(testing.TB, string) store.Alerts) {
	ctx, a := t.Context(), openAlerts(t, open, t.TempDir())
	good := alertEvent("rule-a", 1, 1, 0, store.AlertFiring)
	commit := func(change func(*store.AlertEvent)) error {
		bad := good
		change(&bad)
		n := testNotification(good, "ch-1", store.CauseFiring, 1)
		return a.Commit(ctx, store.AlertCommit{Applied: 3, Events: []store.AlertEvent{good, bad}, Notifications: []store.Notification{n}})
	}
	queued := testNotification(good, "ch-1", store.CauseFiring, 1)
	queued.State = "sent"
	for name, err := range map[string]error{
		"an id of another start": commit(func(e *store.AlertEvent) { e.StartedAt++ }),
		"no organization":        commit(func(e *store.AlertEvent) { e.OrgID = "" }),
		"an unknown state":       commit(func(e *store.AlertEvent) { e.State = "pending" }),
		"another organization":   commit(func(e *store.AlertEvent) { e.OrgID = "org9" }),
		"a watch of no rule":     a.Commit(ctx, store.AlertCommit{Applied: 3, States: []store.WatchState{{Body: []byte{1}}}}),
		"a notification's state": a.PutNotifications(ctx, []store.Notification{queued}),
		"no id":                  a.PutNotifications(ctx, []store.Notification{{State: store.NotificationDead}}),
		"a silence without end":  a.PutSilence(ctx, store.Silence{ID: "sil-1", OrgID: "org1", Comment: "c"}),
		"events, no limit":       second(a.ListAlertEvents(ctx, store.AlertEventFilter{})),
		"notifications":          second(a.ListNotifications(ctx, store.NotificationFilter{})),
		"an unknown cursor":      second(a.ListNotifications(ctx, store.NotificationFilter{Limit: 1, After: "nt-x"})),
	} {
		if !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if list, err := a.ListAlertEvents(ctx, store.AlertEventFilter{Limit: 9}); err != nil || len(list) != 0 || a.Applied() != 0 {
		t.Errorf("a refused commit left %d events at position %d, %v", len(list), a.Applied(), err)
	}
	for name, err := range map[string]error{
		"event": second(a.AlertEvent(ctx, good.ID)), "notification": second(a.Notification(ctx, "nt-x")), "silence": second(a.Silence(ctx, "sil-x")),
	} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("an absent %s: %v", name, err)
		}
	}
	must(t, a.Close())
	if err := a.PutNotifications(ctx, []store.Notification{testNotification(good, "ch-1", store.CauseFiring, 1)}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("closed: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// testAlertsConcurrent: the engine, the dispatcher and people write at once, and
// others read.
func testAlertsConcurrent(t *testing.T, open func(testing.TB, string) store.Alerts) {
	ctx, dir := t.Context(), t.TempDir()
	a := openAlerts(t, open, dir)
	const writers, each = 8, 15
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range each {
			e := alertEvent("rule-a", 1, 1, i, store.AlertFiring)
			c := store.AlertCommit{Applied: uint64(i + 1), Events: []store.AlertEvent{e}, Notifications: []store.Notification{testNotification(e, "ch-1", store.CauseFiring, i)}}
			if err := a.Commit(ctx, c); err != nil {
				t.Error(err)
			}
			if got, err := a.AlertEvent(ctx, e.ID); err != nil || got.ID != e.ID {
				t.Errorf("an event that was committed: %v", err)
			}
		}
	})
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				id := fmt.Sprintf("sil-%d-%d", w, i)
				n := testNotification(alertEvent("rule-b", 2, 2, 100*w+i, store.AlertFiring), "ch-2", store.CauseTest, i)
				if err := errors.Join(a.PutSilence(ctx, testSilence(id, w)), a.PutNotifications(ctx, []store.Notification{n})); err != nil {
					t.Error(err)
				}
				_, err := a.Silence(ctx, id)
				_, err2 := a.Notification(ctx, n.ID)
				_, err3 := a.ListNotifications(ctx, store.NotificationFilter{Limit: 5})
				_, err4 := a.OpenEvents(ctx)
				if err := errors.Join(err, err2, err3, err4); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	must(t, a.Close())
	a = openAlerts(t, open, dir)
	events, err := a.OpenEvents(ctx)
	must(t, err)
	silences, err := a.ListSilences(ctx, "", store.Page{})
	must(t, err)
	queued, err := a.QueuedNotifications(ctx)
	must(t, err)
	if len(events) != each || len(silences) != writers*each || len(queued) != each+writers*each || a.Applied() != each {
		t.Errorf("%d events, %d silences, %d notifications, position %d", len(events), len(silences), len(queued), a.Applied())
	}
	must(t, a.Close())
}
