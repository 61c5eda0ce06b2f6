package mongo

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Hurry lets a mirror rest for only so long between two rounds.
func (m *Mirror) Hurry(wait time.Duration) { m.wait = wait }

// Refused answers how often the server has refused a copy.
func (m *Mirror) Refused() (n float64, err error) {
	r := prometheus.NewRegistry()
	if err := r.Register(m.left); err != nil {
		return 0, err
	}
	families, err := r.Gather()
	for _, f := range families {
		for _, c := range f.GetMetric() {
			n += c.GetCounter().GetValue()
		}
	}
	return n, err
}

// BSONOf is what the mirror makes of JSON.
var BSONOf = bsonOf
