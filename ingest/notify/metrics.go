package notify

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
)

// What became of a notification, as the counter has it.
const (
	endDelivered = "delivered"
	endRefused   = "refused"
	endExpired   = "expired"
	endOverflow  = "overflow"
	endObsolete  = "obsolete"
)

// metrics are what the dispatcher says of itself.
type metrics struct {
	tries   *prometheus.CounterVec
	ends    *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer, d *Dispatcher) (*metrics, error) {
	m := &metrics{
		tries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidegate_notify_tries_total", Help: "Messages sent, by what came of it: delivered, again, refused.",
		}, []string{"type", "outcome"}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidegate_notify_notifications_total", Help: "Notifications that came to their end: delivered, refused, expired, overflow, obsolete.",
		}, []string{"type", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tidegate_notify_try_duration_seconds", Help: "Time until the receiver had answered, or was given up.",
			Buckets: prometheus.ExponentialBuckets(0.005, 3, 9),
		}, []string{"type"}),
	}
	if r == nil {
		return m, nil
	}
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tidegate_notify_waiting_count", Help: "Notifications that are neither delivered nor given up.",
	}, func() float64 { return float64(d.Waiting()) })
	var errs []error
	for _, c := range []prometheus.Collector{m.tries, m.ends, m.seconds, waiting} {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *metrics) ended(t store.ChannelType, outcome string, n int) {
	if t == "" {
		t = "unknown" // of a channel that is gone
	}
	m.ends.WithLabelValues(string(t), outcome).Add(float64(n))
}

// Waiting answers how many notifications are neither delivered nor given up.
func (d *Dispatcher) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, l := range d.lanes {
		n += l.count()
	}
	return n
}
