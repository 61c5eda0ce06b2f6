package embedded

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"tidegate/store"
)

// BenchmarkAlertsCommit is the cost of one episode that fires: 1 event, 1
// notification, 1 state, beside 20,000 kept ones.
func BenchmarkAlertsCommit(b *testing.B) {
	a := bindTestAlerts(b, b.TempDir(), AlertsOptions{})
	const kept = 20_000
	for i := 0; i < kept; i += 1000 {
		var c store.AlertCommit
		for k := i; k < i+1000; k++ {
			c.Events = append(c.Events, testAlert(k, store.AlertResolved))
			c.Notifications = append(c.Notifications, testMessage(k, store.NotificationDelivered))
			c.States = append(c.States, store.WatchState{RuleID: "rule-hot", Series: store.Series{UID: uint32(k), Port: 1}, Body: make([]byte, 120)})
		}
		commitAlerts(b, a, c)
	}
	before := a.db.Stats()
	written := writtenBytes(b)
	n := 0
	for b.Loop() {
		n++
		commitAlerts(b, a, store.AlertCommit{
			Applied: uint64(n), Events: []store.AlertEvent{testAlert(kept+n, store.AlertFiring)},
			Notifications: []store.Notification{testMessage(kept+n, store.NotificationQueued)},
			States:        []store.WatchState{{RuleID: "rule-hot", Series: store.Series{UID: uint32(n * 7 % kept), Port: 1}, Position: uint64(n), Body: make([]byte, 120)}},
		})
	}
	after := a.db.Stats()
	b.ReportMetric(float64(after.TxStats.GetWrite()-before.TxStats.GetWrite())/float64(n), "writes/op")
	b.ReportMetric(float64(writtenBytes(b)-written)/float64(n)/1024, "KiB/op")
	info, err := os.Stat(a.path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/float64(kept+n), "file-bytes/event")
}

// writtenBytes is what the process has written so far.
func writtenBytes(b *testing.B) (n int64) {
	b.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip(err)
	}
	var name string
	for _, line := range strings.Split(string(text), "\n") {
		if k, _ := fmt.Sscanf(line, "%s %d", &name, &n); k == 2 && name == "wchar:" {
			return n
		}
	}
	return 0
}

// BenchmarkAlertsStates is the cost of 10,000 states in one commit.
func BenchmarkAlertsStates(b *testing.B) {
	a := bindTestAlerts(b, b.TempDir(), AlertsOptions{})
	states := make([]store.WatchState, 10_000)
	for i := range states {
		states[i] = store.WatchState{RuleID: fmt.Sprint("rule-", i%10), Series: store.Series{UID: uint32(i / 4), Port: uint16(i % 4)}, Body: make([]byte, 120)}
	}
	written, n := writtenBytes(b), 0
	for b.Loop() {
		n++
		if err := a.Commit(context.Background(), store.AlertCommit{Applied: uint64(n), States: states}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(writtenBytes(b)-written)/float64(n)/1024, "KiB/op")
}
