package buffer

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	registerer    prometheus.Registerer
	registered    []prometheus.Collector
	commitSeconds prometheus.Histogram
	records       prometheus.Counter
	written       prometheus.Counter
	readBack      prometheus.Counter
	shed          prometheus.Counter
	refused       prometheus.Counter
	blocked       prometheus.Counter
	paced         prometheus.Counter
}

func newMetrics(l *Log, reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{registerer: reg}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "tidegate_buffer_" + name, Help: help})
		m.registered = append(m.registered, c)
		return c
	}
	gauge := func(name, help string, fn func() float64) {
		m.registered = append(m.registered,
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tidegate_buffer_" + name, Help: help}, fn))
	}
	m.records = counter("records_total", "Records committed.")
	m.written = counter("stored_bytes_total", "Bytes of chunks written, without the pages around them.")
	m.readBack = counter("read_back_records_total", "Records that a reader got from the file instead of memory.")
	m.shed = counter("shed_records_total", "Droppable records that were dropped before the log.")
	m.refused = counter("refused_records_total", "Records refused because the log was full.")
	m.blocked = counter("blocked_appends_total", "Times that an append waited for room in memory.")
	m.paced = counter("paced_commits_total", "Commits that waited for a reader.")
	m.commitSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "tidegate_buffer_commit_duration_seconds", Help: "Time to encode, write and fsync a group.",
		Buckets: prometheus.ExponentialBuckets(0.0002, 2.5, 12),
	})
	m.registered = append(m.registered, m.commitSeconds)
	gauge("depth_records", "Records not trimmed.", func() float64 { return float64(l.Depth().Records) })
	gauge("depth_bytes", "Bytes of chunks not trimmed.", func() float64 { return float64(l.Depth().Bytes) })
	gauge("unacked_bytes", "Bytes of entries that wait for their fsync.", func() float64 { return float64(l.Depth().Unacked) })
	gauge("full_state", "1 while acks are withheld for want of room.", func() float64 {
		if l.Full() {
			return 1
		}
		return 0
	})
	if reg == nil {
		return m, nil
	}
	for i, c := range m.registered {
		if err := reg.Register(c); err != nil {
			m.registered = m.registered[:i]
			m.unregister()
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.registered {
		m.registerer.Unregister(c)
	}
}
