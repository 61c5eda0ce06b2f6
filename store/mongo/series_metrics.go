package mongo

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// seriesMetrics are what the writer says of itself.
type seriesMetrics struct {
	registerer                                         prometheus.Registerer
	all                                                []prometheus.Collector
	insertSeconds, flushSeconds                        prometheus.Histogram
	documents, refused, resent, settled, late, lookups prometheus.Counter
}

func newSeriesMetrics(r prometheus.Registerer, s *SeriesStore) (*seriesMetrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "tidegate", Subsystem: "mongo", Name: name, Help: help})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "tidegate", Subsystem: "mongo", Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		})
	}
	m := &seriesMetrics{
		registerer:    r,
		insertSeconds: histogram("insert_seconds", "Time until an insert command is answered."),
		flushSeconds:  histogram("flush_seconds", "Time to bring what waits in memory into MongoDB."),
		documents:     counter("documents_total", "Readings that MongoDB said it has, those of commands that were sent again included."),
		refused:       counter("refused_total", "Readings that MongoDB would not have; they are kept aside."),
		resent:        counter("resent_commands_total", "Insert commands sent again because it was not known whether they had happened."),
		settled:       counter("settled_commands_total", "Insert commands that were read back because they could not just be sent again."),
		late:          counter("late_readings_total", "Readings that were not the newest of their series."),
		lookups:       counter("lookups_total", "Stretches of time that were looked up for late readings."),
	}
	unflushed := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "tidegate", Subsystem: "mongo", Name: "unflushed_bytes",
		Help: "Memory of readings that wait for their flush.",
	}, func() float64 { return float64(s.Unflushed()) })
	m.all = []prometheus.Collector{m.insertSeconds, m.flushSeconds, m.documents, m.refused, m.resent, m.settled, m.late, m.lookups, unflushed}
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
