package ingest

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the pipeline. The counts of readings come from the ledger, so
// that both say the same.
type metrics struct {
	messages prometheus.Counter
	rejected *prometheus.CounterVec
	shed     prometheus.Counter
	append   prometheus.Histogram
	flush    prometheus.Histogram
}

func newMetrics(r prometheus.Registerer, p *Pipeline) *metrics {
	m := &metrics{
		messages: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tidegate_ingest_messages_total", Help: "Messages applied to the store.",
		}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidegate_ingest_rejected_total", Help: "Readings that became dead letters, by reason.",
		}, []string{"reason"}),
		shed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "tidegate_ingest_shed_total", Help: "Readings of QoS 0 messages dropped before the log.",
		}),
		append: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tidegate_ingest_append_seconds", Help: "Time to apply a batch to the store.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10),
		}),
		flush: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "tidegate_ingest_flush_seconds", Help: "Time to make applied readings durable.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 10),
		}),
	}
	if r == nil {
		return m
	}
	r.MustRegister(m.messages, m.rejected, m.shed, m.append, m.flush, ledgerCollector{p})
	return m
}

// ledgerCollector answers the ledger's sums as metrics.
type ledgerCollector struct{ p *Pipeline }

var (
	readingsDesc = prometheus.NewDesc("tidegate_ingest_readings_total",
		"Readings by verdict: received, stored, duplicate, rejected.", []string{"verdict"}, nil)
	pendingDesc = prometheus.NewDesc("tidegate_ingest_pending_readings",
		"Readings that are acked and not yet stored.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c ledgerCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- readingsDesc
	ch <- pendingDesc
}

// Collect implements prometheus.Collector.
func (c ledgerCollector) Collect(ch chan<- prometheus.Metric) {
	l, err := c.p.Ledger(context.Background())
	if err != nil {
		ch <- prometheus.NewInvalidMetric(readingsDesc, err)
		return
	}
	for verdict, n := range map[string]uint64{
		"received": l.Received, "stored": l.Stored, "duplicate": l.Duplicate, "rejected": l.Rejected,
	} {
		ch <- prometheus.MustNewConstMetric(readingsDesc, prometheus.CounterValue, float64(n), verdict)
	}
	ch <- prometheus.MustNewConstMetric(pendingDesc, prometheus.GaugeValue, float64(l.Pending))
}
