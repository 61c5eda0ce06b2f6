package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
)

func TestLifecycle(t *testing.T) {
	b := newBox(t).withSample(t)
	uid := must[store.Device](t)(b.catalog.Device(t.Context(), "d1")).UID
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i := range 5 {
		status := []string{store.StatusOnline, store.StatusOffline}[i%2]
		b.state.AddLifecycle(uid, store.LifecycleEvent{At: store.Time(start.UnixMilli() + int64(i)*1000), Status: status, Reason: "why", Source: store.LifecycleServer})
	}
	var seen []client.LifecycleEvent
	err := client.All(t.Context(), func(ctx context.Context, p client.Page) (client.List[client.LifecycleEvent], error) {
		p.Limit = 2
		return b.local.Lifecycle(ctx, "d1", start.Add(time.Second), start.Add(4*time.Second), p)
	}, func(e client.LifecycleEvent) error { seen = append(seen, e); return nil })
	if err != nil || len(seen) != 3 || seen[0].At.Time() != start.Add(3*time.Second).UTC() || seen[2].Status != store.StatusOffline || seen[0].Source != store.LifecycleServer {
		t.Errorf("%+v %v", seen, err)
	}
	for _, bad := range []string{"?cursor=x", "?from=yesterday", "?limit=0", "?device=d1"} {
		if r := b.asEverybody(t, http.MethodGet, "/api/v1/devices/d1/lifecycle"+bad); r.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", bad, r.Code, r.Body)
		}
	}
	if err := b.local.DeleteDevice(t.Context(), "d1"); err != nil {
		t.Fatal(err)
	}
	if left := must[[]store.LifecycleEvent](t)(b.state.ListLifecycle(t.Context(), store.LifecycleFilter{UID: uid, Limit: 10})); len(left) != 0 {
		t.Errorf("of a deleted device %d events are left", len(left))
	}
}

// TestLifecycles: one list of all devices, by pages and by organization; what is
// retired stays in it, what is deleted leaves it, also when something is told of
// it after that.
func TestLifecycles(t *testing.T) {
	b := newBox(t).withSample(t)
	ctx := t.Context()
	must[client.Organization](t)(b.local.CreateOrganization(ctx, client.NewOrganization{ID: "beta", Name: "Beta"}))
	for _, d := range [][2]string{{"acme", "d2"}, {"acme", "d3"}, {"beta", "b1"}} {
		must[client.Device](t)(b.local.CreateDevice(ctx, client.NewDevice{OrgID: d[0], ID: d[1]}))
	}
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	says := func(id string, uid uint32, second int) {
		b.state.AddLifecycle(uid, store.LifecycleEvent{At: store.Time(start.UnixMilli() + int64(second)*1000), Status: store.StatusOnline, Reason: id, Source: store.LifecycleServer})
	}
	uids := map[string]uint32{}
	for i, id := range []string{"d1", "b1", "d2", "d1", "d3", "b1"} {
		uids[id] = b.registry.ByID(id).UID
		says(id, uids[id], i)
		if i == 2 { // some are on disk, some wait
			if err := b.state.Flush(ctx, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	must[client.Device](t)(b.local.RetireDevice(ctx, "d2"))
	if err := b.local.DeleteDevice(ctx, "d3"); err != nil {
		t.Fatal(err)
	}
	says("d3", uids["d3"], 7)
	list := func(c *client.Client, org string, from, to time.Time, limit int) string {
		t.Helper()
		out := ""
		err := client.All(ctx, func(ctx context.Context, p client.Page) (client.List[client.DeviceLifecycleEvent], error) {
			p.Limit = limit
			return c.Lifecycles(ctx, org, from, to, p)
		}, func(e client.DeviceLifecycleEvent) error {
			if e.Reason != e.DeviceID || (e.OrgID == "beta") != (e.DeviceID == "b1") || e.Source != store.LifecycleServer {
				t.Errorf("%+v", e)
			}
			out += fmt.Sprintf("%s@%d ", e.DeviceID, int(e.At.Time().Sub(start).Seconds()))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: "bob@example.org", Password: annPassword, Role: store.RoleViewer, OrgID: "beta"}))
	bob := b.remote(t, must[client.Login](t)(b.remote(t, "").Login(ctx, "bob@example.org", annPassword)).AccessToken)
	never := time.Time{}
	for _, c := range []struct {
		name, got, want string
	}{
		{"all", list(b.local, "", never, never, 100), "b1@5 d1@3 d2@2 b1@1 d1@0"},
		{"by pages", list(b.local, "", never, never, 2), "b1@5 d1@3 d2@2 b1@1 d1@0"},
		{"a span by pages", list(b.local, "", start.Add(time.Second), start.Add(5*time.Second), 1), "d1@3 d2@2 b1@1"},
		{"an organization", list(b.local, "acme", never, never, 2), "d1@3 d2@2 d1@0"},
		{"an organization that is not", list(b.local, "nowhere", never, never, 2), ""},
		{"one's own", list(bob, "", never, never, 1), "b1@5 b1@1"},
		{"another's", list(bob, "acme", never, never, 1), ""},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.name, c.got, c.want)
		}
	}
	for _, bad := range []string{"?cursor=x", "?from=yesterday", "?limit=0", "?device=d1", "?orgId="} {
		if r := b.asEverybody(t, http.MethodGet, "/api/v1/lifecycle"+bad); r.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", bad, r.Code, r.Body)
		}
	}
}
