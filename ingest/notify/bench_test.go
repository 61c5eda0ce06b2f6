package notify

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"tidegate/store"
	"tidegate/store/embedded"
)

// BenchmarkDeliver measures from a commit, which is not counted, until the
// receiver has the message; its answer is written behind that.
func BenchmarkDeliver(b *testing.B) {
	q, err := embedded.OpenAlerts(filepath.Join(b.TempDir(), "alerts.db"), embedded.AlertsOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = q.Close() }()
	got := make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got <- struct{}{} }))
	defer s.Close()
	d, err := New(Options{
		Queue: q, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		Channels: ChannelsFunc(func(id string) (store.Channel, bool) {
			return store.Channel{ID: id, OrgID: "acme", Name: id, Type: store.ChannelWebhook, Enabled: true, RatePerHour: 100_000, URL: s.URL, Secret: "secret"}, true
		}),
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	var spent time.Duration
	at := time.Now().UnixMilli()
	i := 0
	for b.Loop() {
		n := []store.Notification{alarm("ops", fmt.Sprintf("d%d", i), 1, store.CauseFiring, at+int64(i))}
		i++
		if err := q.Commit(ctx, store.AlertCommit{Notifications: n}); err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		d.Wake(n)
		<-got
		spent += time.Since(began)
	}
	b.ReportMetric(float64(spent.Microseconds())/float64(i), "µs/message")
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}
