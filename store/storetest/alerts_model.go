package storetest

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"tidegate/store"
)

// alertsSim is an engine, a dispatcher and people over a memory of alarms, and
// the model of what it has to answer.
type alertsSim struct {
	t    *testing.T
	rnd  *rand.Rand
	open func(testing.TB, string) store.Alerts
	dir  string
	a    store.Alerts

	applied       uint64
	now           int64
	watches       map[string]store.WatchState
	events        map[string]store.AlertEvent
	notifications map[string]store.Notification
	silences      map[string]store.Silence
}

// testAlertsModel drives a memory by chance, over reopening and crashes:
// whatever returned is there.
func testAlertsModel(t *testing.T, open func(testing.TB, string) store.Alerts) {
	m := &alertsSim{
		t: t, rnd: newRand(t), open: open, dir: t.TempDir(), watches: map[string]store.WatchState{}, events: map[string]store.AlertEvent{},
		notifications: map[string]store.Notification{}, silences: map[string]store.Silence{},
	}
	m.a = openAlerts(t, open, m.dir)
	for range 400 {
		switch n := m.rnd.IntN(20); {
		case n < 8:
			m.commit()
		case n < 11:
			m.deliver()
		case n < 13:
			m.silence()
		case n == 13:
			m.reopen()
		default:
			m.compare()
		}
	}
	m.reopen()
	m.compare()
	must(t, m.a.Close())
}

func (m *alertsSim) event() store.AlertEvent {
	if len(m.events) > 0 && m.rnd.IntN(3) > 0 {
		e := m.events[pick(m.rnd, slices.Sorted(maps.Keys(m.events)))]
		e.State = pick(m.rnd, []store.AlertState{store.AlertFiring, store.AlertRecovering, store.AlertResolved, store.AlertResolved})
		e.ResolvedAt, e.Flaps, e.Position = nil, e.Flaps+1, m.applied
		if e.State == store.AlertResolved {
			at := e.StartedAt + store.Time(m.rnd.IntN(100_000))
			e.ResolvedAt = &at
		}
		if m.rnd.IntN(3) == 0 {
			e.Acknowledged = &store.Acknowledgement{By: "ann", At: 5, Comment: "c"}
			e.Comments = append(slices.Clone(e.Comments), store.Comment{By: "bob", At: 6, Text: fmt.Sprint(m.rnd.IntN(99))})
		}
		return e
	}
	e := alertEvent(fmt.Sprint("rule-", m.rnd.IntN(4)), m.rnd.IntN(3), m.rnd.IntN(5), m.rnd.IntN(500), store.AlertFiring)
	e.Severity = pick(m.rnd, store.Severities())
	return e
}

func (m *alertsSim) notification() store.Notification {
	var e store.AlertEvent
	if len(m.events) > 0 {
		e = m.events[pick(m.rnd, slices.Sorted(maps.Keys(m.events)))]
	} else {
		e = m.event()
	}
	n := testNotification(e, fmt.Sprint("ch-", m.rnd.IntN(3)), store.CauseRepeat, m.rnd.IntN(500))
	n.ID = store.NotificationID(e.ID, n.ChannelID, n.Cause, m.rnd.IntN(3))
	return n
}

func (m *alertsSim) commit() {
	c := store.AlertCommit{}
	if m.rnd.IntN(2) == 0 {
		c.Applied = m.applied + uint64(m.rnd.IntN(5))
		if c.Applied != 0 {
			m.applied = c.Applied
		}
	}
	if m.rnd.IntN(2) == 0 {
		c.Now = m.now + int64(m.rnd.IntN(5000)) + 1
		m.now = c.Now
	}
	for range m.rnd.IntN(6) {
		w := store.WatchState{RuleID: fmt.Sprint("rule-", m.rnd.IntN(3)), Series: store.Series{UID: uint32(m.rnd.IntN(300)), Port: uint16(m.rnd.IntN(3))}}
		key := fmt.Sprintf("%s %08d %05d", w.RuleID, w.Series.UID, w.Series.Port)
		if w.Position = m.rnd.Uint64(); m.rnd.IntN(4) == 0 {
			w.Position = 0
			delete(m.watches, key)
		} else {
			w.Body = fmt.Append(nil, "body ", w.Position)
			m.watches[key] = w
		}
		c.States = append(c.States, w)
	}
	for range m.rnd.IntN(5) {
		e := m.event()
		m.events[e.ID] = e
		c.Events = append(c.Events, e)
	}
	for range m.rnd.IntN(5) {
		n := m.notification()
		if _, ok := m.notifications[n.ID]; !ok {
			m.notifications[n.ID] = n
		}
		c.Notifications = append(c.Notifications, n)
	}
	must(m.t, m.a.Commit(m.t.Context(), c))
}

// deliver is the dispatcher, and somebody who tries a channel.
func (m *alertsSim) deliver() {
	var list []store.Notification
	for range 1 + m.rnd.IntN(4) {
		n := m.notification()
		if len(m.notifications) > 0 && m.rnd.IntN(4) > 0 {
			n = m.notifications[pick(m.rnd, slices.Sorted(maps.Keys(m.notifications)))]
			n.State = pick(m.rnd, []store.NotificationState{store.NotificationQueued, store.NotificationDelivered, store.NotificationDead, store.NotificationObsolete})
			n.Attempts++
			n.LastError = pick(m.rnd, []string{"", "timeout"})
		}
		m.notifications[n.ID] = n
		list = append(list, n)
	}
	must(m.t, m.a.PutNotifications(m.t.Context(), list))
}

func (m *alertsSim) silence() {
	id := fmt.Sprint("sil-", m.rnd.IntN(9))
	if _, ok := m.silences[id]; ok && m.rnd.IntN(2) == 0 {
		delete(m.silences, id)
		must(m.t, m.a.DeleteSilence(m.t.Context(), id))
		return
	}
	m.silences[id] = testSilence(id, m.rnd.IntN(3))
	must(m.t, m.a.PutSilence(m.t.Context(), m.silences[id]))
}

func (m *alertsSim) reopen() {
	if m.rnd.IntN(2) == 0 {
		image := crashImage(m.t, m.dir)
		must(m.t, m.a.Close())
		m.dir = image
	} else {
		must(m.t, m.a.Close())
	}
	m.a = openAlerts(m.t, m.open, m.dir)
}

func (m *alertsSim) compare() {
	ctx := m.t.Context()
	m.compareEvents()
	m.compareNotifications()
	var watches []store.WatchState
	for _, k := range slices.Sorted(maps.Keys(m.watches)) {
		watches = append(watches, m.watches[k])
	}
	sameList(m.t, "watches", watchesOf(m.t, m.a), watches)
	now, err := m.a.EngineTime(ctx)
	must(m.t, err)
	if now != m.now || m.a.Applied() != m.applied {
		m.t.Fatalf("applied %d at %d, want %d at %d", m.a.Applied(), now, m.applied, m.now)
	}
	org := pick(m.rnd, []string{"", "org0", "org1"})
	var silences []store.Silence
	for _, id := range slices.Sorted(maps.Keys(m.silences)) {
		if s := m.silences[id]; org == "" || org == s.OrgID {
			silences = append(silences, s)
		}
	}
	got, err := m.a.ListSilences(ctx, org, store.Page{})
	must(m.t, err)
	sameList(m.t, "silences", got, silences)
}

// maybe answers v in one of three cases, else nothing.
func maybe[T any](rnd *rand.Rand, v T) (out T) {
	if rnd.IntN(3) == 0 {
		return v
	}
	return out
}

func (m *alertsSim) devices() []string {
	return pick(m.rnd, [][]string{nil, nil, nil, {}, {"d0", "d3"}})
}

func (m *alertsSim) compareEvents() {
	ctx, yes := m.t.Context(), m.rnd.IntN(2) == 0
	f := store.AlertEventFilter{
		OrgID: maybe(m.rnd, "org1"), DeviceID: maybe(m.rnd, "d2"), Devices: m.devices(), RuleID: maybe(m.rnd, "rule-1"),
		States:   pick(m.rnd, [][]store.AlertState{nil, {store.AlertFiring}, {store.AlertResolved}, {store.AlertRecovering, store.AlertFiring}, {store.AlertFiring, store.AlertResolved}}),
		Severity: maybe(m.rnd, store.SeverityCritical), Acknowledged: maybe(m.rnd, &yes),
		From: maybe(m.rnd, int64(alertsDay+1000*m.rnd.IntN(500))), To: maybe(m.rnd, int64(alertsDay+1000*m.rnd.IntN(500))), Limit: 1 + m.rnd.IntN(20),
	}
	var all, open, want []store.AlertEvent
	for _, id := range slices.Sorted(maps.Keys(m.events)) {
		e := m.events[id]
		if e.State != store.AlertResolved {
			open = append(open, e)
		}
		if (f.OrgID == "" || e.OrgID == f.OrgID) && (f.DeviceID == "" || e.DeviceID == f.DeviceID) && (f.Devices == nil || slices.Contains(f.Devices, e.DeviceID)) &&
			(f.RuleID == "" || e.RuleID == f.RuleID) && (f.States == nil || slices.Contains(f.States, e.State)) && (f.Severity == "" || e.Severity == f.Severity) &&
			(f.Acknowledged == nil || *f.Acknowledged == (e.Acknowledged != nil)) && (f.From == 0 || int64(e.StartedAt) >= f.From) && (f.To == 0 || int64(e.StartedAt) < f.To) {
			all = append(all, e)
		}
	}
	slices.Reverse(all)
	for {
		got, err := m.a.ListAlertEvents(ctx, f)
		must(m.t, err)
		want = append(want, got...)
		if len(got) < f.Limit {
			break
		}
		f.After = got[len(got)-1].ID
	}
	sameList(m.t, fmt.Sprintf("events by %+v", f), want, all)
	got, err := m.a.OpenEvents(ctx)
	must(m.t, err)
	sameList(m.t, "open events", got, open)
	counts := map[store.Severity]int{}
	for _, e := range open {
		if e.OrgID == "org1" {
			counts[e.Severity]++
		}
	}
	if got, err := m.a.CountAlertEvents(ctx, "org1"); err != nil || !maps.Equal(got, counts) {
		m.t.Fatalf("open events of org1 %v, want %v, %v", got, counts, err)
	}
}

func (m *alertsSim) compareNotifications() {
	ctx := m.t.Context()
	f := store.NotificationFilter{
		OrgID: maybe(m.rnd, "org1"), ChannelID: maybe(m.rnd, "ch-1"), Devices: m.devices(),
		States: pick(m.rnd, [][]store.NotificationState{nil, {store.NotificationQueued}, {store.NotificationDead, store.NotificationQueued}}), Limit: 1 + m.rnd.IntN(20),
	}
	if len(m.events) > 0 {
		f.EventID = maybe(m.rnd, pick(m.rnd, slices.Sorted(maps.Keys(m.events))))
	}
	var all, queued, want []store.Notification
	for _, n := range m.notifications {
		if n.State == store.NotificationQueued {
			queued = append(queued, n)
		}
		if (f.OrgID == "" || n.OrgID == f.OrgID) && (f.ChannelID == "" || n.ChannelID == f.ChannelID) && (f.EventID == "" || n.Event.ID == f.EventID) &&
			(f.Devices == nil || slices.Contains(f.Devices, n.Event.DeviceID)) && (f.States == nil || slices.Contains(f.States, n.State)) {
			all = append(all, n)
		}
	}
	byAge := func(a, b store.Notification) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.ID, b.ID))
	}
	slices.SortFunc(queued, byAge)
	slices.SortFunc(all, func(a, b store.Notification) int { return byAge(b, a) })
	for {
		got, err := m.a.ListNotifications(ctx, f)
		must(m.t, err)
		want = append(want, got...)
		if len(got) < f.Limit {
			break
		}
		f.After = got[len(got)-1].ID
	}
	sameList(m.t, fmt.Sprintf("notifications by %+v", f), want, all)
	got, err := m.a.QueuedNotifications(ctx)
	must(m.t, err)
	sameList(m.t, "queued notifications", got, queued)
}
