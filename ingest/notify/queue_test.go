package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"tidegate/store"
)

// memory is a queue for tests of time: what it keeps is judged, not how. Tests of
// durability have the real one.
type memory struct {
	t testing.TB

	mu     sync.Mutex
	kept   map[string]store.Notification
	broken bool // writes fail
	puts   int
}

func newMemory(t testing.TB) *memory { return &memory{t: t, kept: map[string]store.Notification{}} }

func (q *memory) QueuedNotifications(context.Context) ([]store.Notification, error) {
	return q.list(func(n *store.Notification) bool { return n.State == store.NotificationQueued }), nil
}

func (q *memory) list(want func(*store.Notification) bool) []store.Notification {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []store.Notification
	for _, n := range q.kept {
		if want(&n) {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b store.Notification) int {
		return cmp.Or(cmp.Compare(a.CreatedAt, b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

func (q *memory) PutNotifications(_ context.Context, n []store.Notification) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.broken {
		return errors.New("disk full")
	}
	q.puts++
	for _, x := range n {
		// What is promised of the states: one end, and a message's id for good once it was tried.
		if was, ok := q.kept[x.ID]; ok {
			if was.State != store.NotificationQueued {
				q.t.Errorf("%s is %s and becomes %s", x.ID, was.State, x.State)
			}
			if was.DeliveryID != "" && was.DeliveryID != x.DeliveryID && was.Attempts > 0 {
				q.t.Errorf("%s changes its delivery from %s to %s after %d tries", x.ID, was.DeliveryID, x.DeliveryID, was.Attempts)
			}
		}
		q.kept[x.ID] = x
	}
	return nil
}

func (q *memory) Notification(_ context.Context, id string) (store.Notification, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, ok := q.kept[id]
	if !ok {
		return n, store.NotFound("notification", id)
	}
	return n, nil
}

func (q *memory) ListNotifications(_ context.Context, f store.NotificationFilter) ([]store.Notification, error) {
	all := q.list(func(n *store.Notification) bool {
		return (len(f.States) == 0 || slices.Contains(f.States, n.State)) && (f.ChannelID == "" || f.ChannelID == n.ChannelID)
	})
	slices.Reverse(all)
	return all[:min(len(all), f.Limit)], nil
}

func (q *memory) breaks(broken bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.broken = broken
}

// states answers how many are in each state.
func (q *memory) states() map[store.NotificationState]int {
	out := map[store.NotificationState]int{}
	for _, n := range q.list(func(*store.Notification) bool { return true }) {
		out[n.State]++
	}
	return out
}

func (q *memory) one(id string) store.Notification {
	n, err := q.Notification(context.Background(), id)
	if err != nil {
		q.t.Fatal(err)
	}
	return n
}

// alarm makes an episode of a device's port, and one thing that is said of it.
func alarm(channel, device string, port uint16, cause store.NotificationCause, at int64) store.Notification {
	started := store.Time(at - at%60_000) // of the minute, so that causes of one episode go together
	value := 93.5
	e := store.AlertEvent{
		RuleID: "rule-hot", RuleName: "hot", Revision: 1, OrgID: "acme", DeviceID: device, PortNumber: port, PortName: fmt.Sprintf("T%d", port),
		Unit: "°C", Kind: store.CondAbove, Severity: store.SeverityWarning, State: store.AlertFiring, StartedAt: started, FiredAt: started,
		First: &value, Worst: &value, WorstAt: &started, Last: &value, Message: fmt.Sprintf("T%d of %s is 93.5 °C, above 80 °C.", port, device),
	}
	e.ID = store.AlertEventID(e.RuleID+device, store.Series{Port: port}, int64(started))
	if cause == store.CauseResolved {
		end := store.Time(at)
		e.State, e.ResolvedAt, e.End = store.AlertResolved, &end, store.EndCleared
	}
	return store.Notification{
		ID: store.NotificationID(e.ID, channel, cause, 0), OrgID: "acme", ChannelID: channel, Cause: cause, Event: e,
		State: store.NotificationQueued, CreatedAt: store.Time(at), ExpiresAt: store.Time(at) + store.Time(store.DefaultExpireAfter.Ms()),
	}
}
