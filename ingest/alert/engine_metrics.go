package alert

import "github.com/prometheus/client_golang/prometheus"

// metrics of the engine. The counters are guarded by its lock.
type metrics struct {
	evaluated, old, fired, notified uint64
	commit                          prometheus.Histogram
}

func newMetrics(r prometheus.Registerer, e *Engine) *metrics {
	m := &metrics{commit: prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "tidegate_alert_commit_seconds", Help: "Time to make what alarms have done durable.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 4, 9),
	})}
	if r != nil {
		r.MustRegister(m.commit, collector{e})
	}
	return m
}

// collector answers what the engine counts.
type collector struct{ e *Engine }

var (
	watchesDesc  = prometheus.NewDesc("tidegate_alert_watches", "Ports watched, once for each rule.", nil, nil)
	openDesc     = prometheus.NewDesc("tidegate_alert_open_episodes", "Episodes that go on.", nil, nil)
	readingsDesc = prometheus.NewDesc("tidegate_alert_readings_total",
		"Readings of ports that a rule watches: evaluated, or too old for it.", []string{"outcome"}, nil)
	firedDesc    = prometheus.NewDesc("tidegate_alert_fired_total", "Episodes that began.", nil, nil)
	notifiedDesc = prometheus.NewDesc("tidegate_alert_notifications_total", "Notifications made.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{watchesDesc, openDesc, readingsDesc, firedDesc, notifiedDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	e := c.e
	e.mu.Lock()
	m, watches, open := *e.metrics, len(e.watches), 0
	for _, w := range e.events {
		if w.event.Open() {
			open++
		}
	}
	e.mu.Unlock()
	ch <- prometheus.MustNewConstMetric(watchesDesc, prometheus.GaugeValue, float64(watches))
	ch <- prometheus.MustNewConstMetric(openDesc, prometheus.GaugeValue, float64(open))
	for name, n := range map[string]uint64{"evaluated": m.evaluated, "old": m.old} {
		ch <- prometheus.MustNewConstMetric(readingsDesc, prometheus.CounterValue, float64(n), name)
	}
	ch <- prometheus.MustNewConstMetric(firedDesc, prometheus.CounterValue, float64(m.fired))
	ch <- prometheus.MustNewConstMetric(notifiedDesc, prometheus.CounterValue, float64(m.notified))
}
