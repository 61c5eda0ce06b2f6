package embedded

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// alertsMetrics count what Alerts do.
type alertsMetrics struct {
	commits  prometheus.Histogram
	failures prometheus.Counter
	dropped  *prometheus.CounterVec
	over     *prometheus.GaugeVec
}

func (m *alertsMetrics) register(reg prometheus.Registerer) error {
	*m = alertsMetrics{
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tidegate_embedded_alerts_commit_seconds",
			Help: "Time to make alarms, silences and notifications durable.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tidegate_embedded_alerts_commit_errors_total",
			Help: "Commits of alarms that failed; whoever wanted them was told.",
		}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidegate_embedded_alerts_dropped_total",
			Help: "Resolved alert events and final notifications dropped by a limit: age or number.",
		}, []string{"what", "reason"}),
		over: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "tidegate_embedded_alerts_over", Help: "Resolved alert events and final notifications that are kept.",
		}, []string{"what"}),
	}
	if reg == nil {
		return nil
	}
	return errors.Join(reg.Register(m.commits), reg.Register(m.failures), reg.Register(m.dropped), reg.Register(m.over))
}

func (m *alertsMetrics) kept(meta alertsMeta) {
	m.over.WithLabelValues("event").Set(float64(meta.Resolved))
	m.over.WithLabelValues("notification").Set(float64(meta.Final))
}

func (m *alertsMetrics) committed(c *alertsTx, took time.Duration) {
	m.commits.Observe(took.Seconds())
	for i, what := range [...]string{"event", "notification"} {
		m.dropped.WithLabelValues(what, "age").Add(float64(c.dropped[i].byAge))
		m.dropped.WithLabelValues(what, "number").Add(float64(c.dropped[i].byNumber))
	}
	m.kept(c.meta)
}
