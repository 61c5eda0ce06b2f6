package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
)

// sparklines makes devices with a reading each so many seconds of the last hour,
// and answers the path that asks for a bucket a minute of each.
func sparklines(t testing.TB, b *box, devices, every int) string {
	t.Helper()
	must[client.Organization](t)(b.local.CreateOrganization(t.Context(), client.NewOrganization{ID: "acme", Name: "Acme"}))
	from := time.Now().Add(-time.Hour).Truncate(time.Minute)
	q := url.Values{"portNumber": {"1"}, "every": {"1m"}, "from": {from.UTC().Format(store.TimeFormat)}, "limit": {"100000"}}
	var rows []string
	for d := range devices {
		id := fmt.Sprintf("s%02d", d)
		must[client.Device](t)(b.local.CreateDevice(t.Context(), client.NewDevice{ID: id, OrgID: "acme", PortCount: 2}))
		q.Add("deviceId", id)
		for s := 0; s < 3600; s += every {
			at := from.Add(time.Duration(s) * time.Second).UTC().Format(store.TimeFormat)
			rows = append(rows, fmt.Sprintf("%s,%s,1,%d", at, id, s), fmt.Sprintf("%s,%s,2,%d", at, id, -s))
		}
	}
	if c := b.importCSV(t, client.ImportOptions{OrgID: "acme"}, rows...); c.Stored != uint64(len(rows)) {
		t.Fatalf("%+v", c)
	}
	return "/api/v1/readings?" + q.Encode()
}

// TestSparklines: one request answers the buckets of all devices of a page, in one
// query, in order of time and device.
func TestSparklines(t *testing.T) {
	b := newBox(t)
	path := sparklines(t, b, 30, 20)
	r := b.asEverybody(t, http.MethodGet, path)
	var got List[Aggregate]
	if err := json.Unmarshal(r.Body.Bytes(), &got); err != nil || r.Code != http.StatusOK || len(got.Items) != 30*60 || got.NextCursor != "" {
		t.Fatalf("%d: %d buckets, %v", r.Code, len(got.Items), err)
	}
	for i, a := range got.Items {
		first := float64(i / 30 * 60)
		if a.DeviceID != fmt.Sprintf("s%02d", i%30) || a.PortNumber != 1 || a.Count != 3 || a.First != first || a.Max != first+40 {
			t.Fatalf("bucket %d is %+v", i, a)
		}
	}
	if r := b.asEverybody(t, http.MethodGet, strings.Replace(path, "readings?", "readings/latest?", 1)); r.Code != http.StatusUnprocessableEntity {
		t.Errorf("the newest of a span: %d", r.Code)
	}
}

// BenchmarkSparklines asks for thirty devices that send each second.
func BenchmarkSparklines(bench *testing.B) {
	b := newBox(bench)
	path := sparklines(bench, b, 30, 1)
	r := httptest.NewRequestWithContext(WithActor(bench.Context(), Actor{Name: "test", Access: store.Everything()}), http.MethodGet, path, nil)
	for bench.Loop() {
		rec := httptest.NewRecorder()
		if b.Server.Handler().ServeHTTP(rec, r); rec.Code != http.StatusOK { // not held against its description
			bench.Fatal(rec.Code)
		}
	}
}
