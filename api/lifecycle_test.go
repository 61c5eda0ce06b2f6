package api

import (
	"context"
	"net/http"
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
