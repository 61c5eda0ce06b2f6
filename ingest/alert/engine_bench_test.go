package alert_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"tidegate/store/embedded"

	"tidegate/ingest/alert"
	"tidegate/store"
)

// BenchmarkEngine is what a reading costs with a rule on each of n ports; no
// rule is met.
func BenchmarkEngine(b *testing.B) {
	for _, n := range []int{0, 10_000} {
		b.Run(fmt.Sprint("rules ", n), func(b *testing.B) {
			high := 1e9
			var rules []store.AlertRule
			for i := range n {
				rules = append(rules, store.AlertRule{
					ID: fmt.Sprint("rule-", i), OrgID: "acme", Name: "hot", Enabled: true, Severity: store.SeverityWarning,
					Selection: store.Selection{DeviceIDs: []string{"d1"}, Ports: []uint16{uint16(i)}},
					Condition: store.Condition{Kind: store.CondAbove, High: &high},
				})
			}
			e := newBenchEngine(b, rules)
			samples := make([]alert.Sample, 8192)
			seq := uint64(0)
			at := noon
			b.ResetTimer()
			for i := 0; i < b.N; i += len(samples) {
				seq++
				for k := range samples {
					at++
					samples[k] = alert.Sample{Series: store.Series{UID: 1, Port: uint16((i + k) % 10_000)}, Seq: seq, TS: at, ReceivedAt: at, Value: 1}
				}
				e.Evaluate(samples, seq, at)
			}
		})
	}
}

// ruleList is a catalogue of rules alone.
type ruleList []store.AlertRule

func (l ruleList) AlertRule(_ context.Context, id string) (store.AlertRule, error) {
	return store.AlertRule{}, store.NotFound("alert rule", id)
}

func (l ruleList) ListAlertRules(context.Context, store.AlertRuleFilter) ([]store.AlertRule, error) {
	return l, nil
}

func (l ruleList) ListChannels(context.Context, store.ChannelFilter) ([]store.Channel, error) {
	return nil, nil
}

// manyPorts is a device with 10,000 ports.
type manyPorts struct{ ports []store.Port }

func (d manyPorts) Device(id string) (store.Device, []store.Port, bool) {
	return store.Device{ID: "d1", UID: 1, OrgID: "acme", State: store.DeviceActive}, d.ports, id == "d1"
}

func (d manyPorts) Each(fn func(store.Device, []store.Port)) {
	of, ports, _ := d.Device("d1")
	fn(of, ports)
}

func newBenchEngine(b *testing.B, rules []store.AlertRule) *alert.Engine {
	b.Helper()
	memory, err := embedded.OpenAlerts(filepath.Join(b.TempDir(), "alerts.db"), embedded.AlertsOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = memory.Close() })
	var d manyPorts
	for n := range 10_000 {
		d.ports = append(d.ports, store.Port{DeviceID: "d1", Number: uint16(n)})
	}
	e, err := alert.New(b.Context(), alert.Options{
		Memory: memory, Catalog: ruleList(rules), Devices: d, Head: func() uint64 { return 1 << 60 },
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		b.Fatal(err)
	}
	return e
}
