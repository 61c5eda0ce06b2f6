package embedded

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// seriesMetrics are what the store of readings says of itself.
type seriesMetrics struct {
	registerer    prometheus.Registerer
	all           []prometheus.Collector
	appendSeconds prometheus.Histogram
	flushSeconds  prometheus.Histogram
	flushedBytes  prometheus.Counter
	blocks        prometheus.Counter
	late          prometheus.Counter
	cacheHits     prometheus.Counter
	cacheMisses   prometheus.Counter
}

func newSeriesMetrics(r prometheus.Registerer, s *SeriesStore) (*seriesMetrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tidegate", Subsystem: "embedded", Name: name, Help: help})
	}
	histogram := func(name, help string, from float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "tidegate", Subsystem: "embedded", Name: name, Help: help,
			Buckets: prometheus.ExponentialBuckets(from, 4, 9),
		})
	}
	m := &seriesMetrics{
		registerer:    r,
		appendSeconds: histogram("append_duration_seconds", "Time to judge and keep a batch of readings in memory.", 0.00002),
		flushSeconds:  histogram("flush_duration_seconds", "Time to bring what waits in memory to disk.", 0.001),
		flushedBytes:  counter("flushed_bytes_total", "Bytes of blocks written, rewritten ones included."),
		blocks:        counter("blocks_written_total", "Blocks written, rewritten ones included."),
		late:          counter("late_readings_total", "Readings that were not the newest of their series and had to be looked up."),
		cacheHits:     counter("block_cache_hits_total", "Late readings whose block was decoded already."),
		cacheMisses:   counter("block_cache_misses_total", "Late readings whose block had to be read from disk."),
	}
	unflushed := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "tidegate", Subsystem: "embedded", Name: "unflushed_bytes",
		Help: "Memory of readings that wait for their flush.",
	}, func() float64 { return float64(s.Unflushed()) })
	m.all = []prometheus.Collector{m.appendSeconds, m.flushSeconds, m.flushedBytes, m.blocks, m.late, m.cacheHits, m.cacheMisses, unflushed}
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range m.all {
		errs = append(errs, r.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		m.unregister()
		return nil, err
	}
	return m, nil
}

func (m *seriesMetrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.all {
		m.registerer.Unregister(c)
	}
}
