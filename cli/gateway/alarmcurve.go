package gateway

import (
	"context"
	"time"

	"tidegate/ingest/notify"
	"tidegate/store"
)

// A picture has so many buckets of readings, and shows at least curveLeast.
const (
	curveBuckets = 150
	curveLeast   = 10 * time.Minute
)

// curve answers what a port did around an episode: from half its length before
// it until now, or until as long after it.
func (g *gateway) curve(ctx context.Context, e store.AlertEvent) (notify.Curve, error) {
	var c notify.Curve
	d := g.devices.ByUID(e.UID)
	if d == nil || d.ID != e.DeviceID {
		return c, nil
	}
	p := d.Port(e.PortNumber)
	if p == nil {
		return c, nil
	}
	now := time.Now().UnixMilli()
	end := now
	if e.ResolvedAt != nil {
		end = int64(*e.ResolvedAt)
	}
	around := max((end-int64(e.StartedAt))/2, curveLeast.Milliseconds())
	q := store.Aggregation{
		Series: []store.SeriesCalibrations{{Series: store.Series{UID: d.UID, Port: p.Number}, Calibrations: p.Calibrations}},
		From:   int64(e.StartedAt) - around, To: min(end+around, now) + 1, Limit: curveBuckets + 2,
	}
	q.Every = max((q.To-q.From)/curveBuckets, 1)
	buckets, err := g.files.series.Aggregate(ctx, q)
	if err != nil {
		return c, err
	}
	for _, b := range buckets {
		c.Points = append(c.Points, notify.Point{At: b.Start, Value: b.Min})
		if b.Max != b.Min {
			c.Points = append(c.Points, notify.Point{At: b.Start + q.Every/2, Value: b.Max})
		}
	}
	r, err := g.files.catalog.AlertRule(ctx, e.RuleID)
	if err != nil {
		return c, nil //nolint:nilerr // the picture has no levels then
	}
	for _, level := range []*float64{either(r.Condition.Low, p.Low, e.Kind, store.CondBelow), either(r.Condition.High, p.High, e.Kind, store.CondAbove)} {
		if level != nil {
			c.Levels = append(c.Levels, *level)
		}
	}
	return c, nil
}

// either answers a rule's level, or the port's where the kind takes it.
func either(of, port *float64, kind, takes store.ConditionKind) *float64 {
	if of == nil && (kind == takes || kind == store.CondOutside) {
		return port
	}
	return of
}
