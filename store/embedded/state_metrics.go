package embedded

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// stateMetrics count what a State does.
type stateMetrics struct {
	commits   prometheus.Histogram
	failures  prometheus.Counter
	unclaimed prometheus.Counter
	dropped   *prometheus.CounterVec
	letters   prometheus.Gauge
	bytes     prometheus.Gauge
}

func (m *stateMetrics) register(reg prometheus.Registerer) error {
	*m = stateMetrics{
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tidegate_embedded_state_commit_seconds",
			Help: "Time to make dead letters and rejected counts durable.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 12),
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tidegate_embedded_state_commit_errors_total",
			Help: "Commits of dead letters that failed and are tried again.",
		}),
		unclaimed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tidegate_embedded_dead_letters_unclaimed_total",
			Help: "Settlements that had claimed no dead letter; always 0 unless there is a fault in the program.",
		}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidegate_embedded_dead_letters_dropped_total",
			Help: "Dead letters dropped by a limit: age (deadletters.keep_days) or size (deadletters.max_size).",
		}, []string{"reason"}),
		letters: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tidegate_embedded_dead_letters", Help: "Dead letters kept."}),
		bytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tidegate_embedded_dead_letters_bytes",
			Help: "Bytes of the dead letters kept, payloads included.",
		}),
	}
	if reg == nil {
		return nil
	}
	var err error
	for _, c := range []prometheus.Collector{m.commits, m.failures, m.unclaimed, m.dropped, m.letters, m.bytes} {
		err = errors.Join(err, reg.Register(c))
	}
	return err
}

func (m *stateMetrics) kept(meta stateMeta) {
	m.letters.Set(float64(meta.Letters))
	m.bytes.Set(float64(meta.Bytes))
}

func (m *stateMetrics) committed(c *commitTx, took time.Duration) {
	m.commits.Observe(took.Seconds())
	m.dropped.WithLabelValues("age").Add(float64(c.byAge))
	m.dropped.WithLabelValues("size").Add(float64(c.bySize))
	m.kept(c.meta)
}
