package alert

import (
	"context"

	"tidegate/store"
)

// History is the Source of a stored port, whose raw values it calibrates by
// today's knowledge.
type History struct {
	Readings   store.Readings
	Series     store.Series
	Port       store.Port
	PageLength int // 0: DefaultPageLength
}

// DefaultPageLength is how many readings a History reads at a time.
const DefaultPageLength = 4096

// Page implements Source.
func (h *History) Page(ctx context.Context, page []PastReading, from, to int64) ([]PastReading, error) {
	limit := h.PageLength
	if limit <= 0 {
		limit = DefaultPageLength
	}
	rows, err := h.Readings.Scan(ctx, store.Scan{Series: []store.Series{h.Series}, From: from, To: to, Limit: limit})
	if err != nil {
		return page, err
	}
	for i := range rows {
		s := &rows[i].Sample
		page = append(page, PastReading{TS: s.TS, Value: h.Port.CalibrationAt(s.TS).Apply(s.Raw), Quality: s.Quality})
	}
	return page, nil
}
