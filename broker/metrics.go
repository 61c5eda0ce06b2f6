package broker

import (
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	sockets       prometheus.Gauge
	sessions      prometheus.Gauge
	socketsClosed *prometheus.CounterVec
	handshakes    *prometheus.CounterVec
	logins        prometheus.Counter
	loginsRefused *prometheus.CounterVec
	telemetry     [2]prometheus.Counter // by QoS
	other         [2]prometheus.Counter
	refused       *prometheus.CounterVec
	resent        prometheus.Counter
	acks          prometheus.Counter
	ackSeconds    prometheus.Histogram
	dropped       prometheus.Counter
	published     *prometheus.CounterVec // telemetry and other
	panics        prometheus.Counter
	commands      *prometheus.CounterVec
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "tidegate_broker_" + name, Help: help})
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidegate_broker_" + name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "tidegate_broker_" + name, Help: help})
	}
	m := &metrics{
		sockets:       gauge("sockets_open", "Sockets open, those that have not logged in included."),
		sessions:      gauge("connections_open", "Connections that are logged in."),
		socketsClosed: counters("sockets_closed_total", "Sockets closed before they logged in.", "reason"),
		handshakes:    counters("tls_handshakes_total", "Handshakes at the door with TLS, and what came of them.", "result"),
		logins:        counter("logins_total", "Logins accepted."),
		loginsRefused: counters("logins_refused_total", "Logins refused.", "reason"),
		refused:       counters("refused_total", "Publishes and subscriptions refused.", "reason"),
		resent:        counter("publishes_resent_total", "Resent messages whose ack was pending; stored once."),
		acks:          counter("acks_total", "PUBACK packets written."),
		ackSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "tidegate_broker_ack_latency_seconds",
			Help:    "From PUBLISH to PUBACK, for the oldest of the acks that are written together.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}),
		published: counters("publishes_total", "PUBLISH packets that were accepted.", "kind", "qos"),
		dropped:   counter("deliveries_dropped_total", "Messages not delivered to a subscriber that is too slow."),
		commands:  counters("commands_total", "Steps of commands to devices; sent counts each time that one goes out.", "state"),
		panics:    counter("panics_recovered_total", "Connections closed because serving them panicked."),
	}
	for qos, label := range [...]string{"0", "1"} {
		m.telemetry[qos] = m.published.WithLabelValues("telemetry", label)
		m.other[qos] = m.published.WithLabelValues("other", label)
	}
	return m
}

// register makes the metrics known. overdue is mochi's count of the QoS 1
// messages that it dropped because too many were waiting for a subscriber.
func (m *metrics) register(reg prometheus.Registerer, overdue *int64) error {
	if reg == nil {
		return nil
	}
	inflight := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "tidegate_broker_inflight_dropped_total",
		Help: "QoS 1 messages not kept for a subscriber that has too many un-acked ones.",
	}, func() float64 { return float64(atomic.LoadInt64(overdue)) })
	for _, c := range []prometheus.Collector{
		m.sockets, m.sessions, m.socketsClosed, m.handshakes, m.logins, m.loginsRefused,
		m.published, m.refused, m.resent, m.acks, m.ackSeconds, m.dropped, m.panics, m.commands, inflight,
	} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("register the broker's metrics: %w", err)
		}
	}
	return nil
}
