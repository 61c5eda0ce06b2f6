package api

import (
	"encoding/json"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
)

// TestStatusCountsWhatIsSeen: states and rates are those of the devices that
// somebody sees, and of active ones alone.
func TestStatusCountsWhatIsSeen(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	presence, heard := map[uint32]store.Presence{}, map[uint32]time.Time{}
	w := &world{t: t, b: newBox(t, withStatus, func(o *Options) {
		o.Now = func() time.Time { return now }
		o.Presence = func(uid uint32) store.Presence { return presence[uid] }
		o.Pulse = func(uid uint32) (time.Time, float64) { return heard[uid], float64(uid) + 0.5 }
	})}
	ctx := t.Context()
	uid := map[string]uint32{}
	for _, org := range []string{ownOrg, foreignOrg} {
		must[client.Organization](t)(w.b.local.CreateOrganization(ctx, client.NewOrganization{ID: org, Name: org}))
		for _, d := range []string{"-online", "-quiet", "-never", "-heard", "-retired"} {
			must[client.Device](t)(w.b.local.CreateDevice(ctx, client.NewDevice{ID: org + d, OrgID: org}))
			uid[org+d] = must[store.Device](t)(w.b.catalog.Device(ctx, org+d)).UID
		}
		must[client.Device](t)(w.b.local.RetireDevice(ctx, org+"-retired"))
		presence[uid[org+"-online"]] = store.Presence{Online: true, LastSeen: now.Add(-30 * time.Second)}
		for _, d := range []string{"-quiet", "-heard", "-retired"} {
			presence[uid[org+d]] = store.Presence{LastSeen: now.Add(-silentAfter - time.Second)}
		}
		heard[uid[org+"-heard"]] = now.Add(-silentAfter) // over HTTP
	}
	rate := func(ids ...string) (sum float64) {
		for _, id := range ids {
			sum += float64(uid[id]) + 0.5
		}
		return sum
	}
	own := rate("ours-online", "ours-quiet", "ours-never", "ours-heard")
	for _, c := range []struct {
		who    caller
		states DeviceStates
		rate   float64
	}{
		{caller{access: store.Everything()}, DeviceStates{Online: 2, Offline: 6, Silent: 2}, own + rate("theirs-online", "theirs-quiet", "theirs-never", "theirs-heard") + 0.5},
		{caller{access: store.RoleAccess(store.RoleViewer, ownOrg)}, DeviceStates{Online: 1, Offline: 3, Silent: 1}, own},
		{caller{access: store.APIKey{OrgID: ownOrg, Scopes: []store.Scope{store.ScopeRead}, DeviceIDs: []string{"ours-quiet"}}.Access()}, DeviceStates{Offline: 1, Silent: 1}, rate("ours-quiet")},
		{caller{access: store.RoleAccess(store.RoleViewer, "none")}, DeviceStates{}, 0},
	} {
		code, body := w.as(&c.who, &trial{method: "GET", path: "/status"}, "", "")
		var got Status
		if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 {
			t.Fatalf("%d %v: %s", code, err, body)
		}
		whole := c.who.access.Whole()
		if got.States != c.states || got.PerSecond != c.rate || (got.DeadLetters != nil) != whole {
			t.Errorf("%+v: %+v, %g a second, %v dead letters; want %+v and %g", c.who.access, got.States, got.PerSecond, got.DeadLetters, c.states, c.rate)
		}
	}
}
