package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/api"
	"tidegate/store"
	"tidegate/store/embedded"
)

// startChores begins what the box does for itself until stop is closed:
// rewriting quiet months compactly, forgetting sessions that are over,
// retention, looks at the certificate and at the disk;
// with a database, following its catalogue and copying there what others want
// to see.
func (g *gateway) startChores(stop <-chan struct{}) *sync.WaitGroup {
	g.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tidegate_gateway_disk_free_bytes", Help: "Bytes left on the file system of the data folder.",
	}, func() float64 { return float64(g.diskNow().Free) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tidegate_gateway_disk_days_left", Help: "Days until the disk is full at the present rate; -1: not known.",
	}, func() float64 { return float64(g.diskNow().DaysLeft) }))

	if r := g.files.remote; r != nil {
		g.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tidegate_gateway_database_reachable", Help: "Whether MongoDB is reachable: 1 or 0.",
		}, func() float64 {
			if r.db.Status().Reachable {
				return 1
			}
			return 0
		}))
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { <-stop; cancel() })
	if g.cert != nil {
		wg.Go(func() { g.cert.Run(ctx, g.o.Hangup) })
	}
	if g.files.remote != nil {
		wg.Go(func() { g.follow.run(ctx) })
		wg.Go(func() { g.mirror.Run(ctx) })
	}
	wg.Go(func() {
		if g.files.months == nil {
			return
		}
		every(stop, settleEvery, func() {
			if err := g.files.months.Settle(ctx, g.o.Config.Store.SettleAfter); err != nil && ctx.Err() == nil {
				g.log.Error("settle readings", "error", err)
			}
		})
	})
	wg.Go(func() {
		every(stop, time.Minute, g.noteHeard)
		g.noteHeard()
	})
	wg.Go(func() {
		every(stop, time.Hour, func() {
			if err := g.files.sessions.SweepSessions(ctx, time.Now()); err != nil && ctx.Err() == nil {
				g.log.Error("sweep sessions", "error", err)
			}
		})
	})
	wg.Go(func() {
		every(stop, 24*time.Hour, func() {
			if w := g.diskNow().warning(); w != "" {
				g.log.Warn(w)
			}
			if n := g.o.Config.Store.KeepMonths; n > 0 && g.files.months != nil {
				if _, err := g.Apply(api.WithActor(ctx, api.Actor{Name: "retention", Access: store.Everything()}), n); err != nil && ctx.Err() == nil {
					g.log.Error("retention", "error", err)
				}
			}
		})
	})
	return &wg
}

// KeepMonths implements api.Retention.
func (g *gateway) KeepMonths() int { return g.o.Config.Store.KeepMonths }

// Preview implements api.Retention.
func (g *gateway) Preview(_ context.Context, keep int) ([]api.RetentionMonth, error) {
	if g.files.months == nil {
		return nil, store.Conflict("retention", "", `the readings are in MongoDB: let them expire there, such as after a year with db.runCommand({collMod: "values", expireAfterSeconds: 31536000})`)
	}
	return retentionMonths(g.files.months.ExpiredMonths(keep, time.Now())), nil
}

// Apply implements api.Retention: each month that goes is written to the audit
// trail first.
func (g *gateway) Apply(ctx context.Context, keep int) ([]api.RetentionMonth, error) {
	if preview, err := g.Preview(ctx, keep); err != nil || len(preview) == 0 {
		return preview, err
	}
	// A month with readings that wait in memory is left for another time. On a full
	// disk they go on waiting, and the other months make room.
	if err := g.flow.Flush(ctx); err != nil && !errors.Is(err, store.ErrFull) {
		return nil, err
	}
	dropped, err := g.files.months.DropMonths(ctx, keep, time.Now(), func(e embedded.ExpiredMonth) error {
		after, err := json.Marshal(map[string]any{"keepMonths": keep, "bytes": e.Bytes})
		if err != nil {
			return err
		}
		entry := store.AuditEntry{At: now(), Actor: api.ActorName(ctx), Action: "readings.drop_month", Noun: "month", ID: e.Month.String(), After: after}
		if _, err := g.files.audit.Record(ctx, entry); err != nil {
			return fmt.Errorf("record what retention drops: %w", err)
		}
		return nil
	})
	return retentionMonths(dropped), err
}

func retentionMonths(months []embedded.ExpiredMonth) []api.RetentionMonth {
	out := []api.RetentionMonth{}
	for _, m := range months {
		out = append(out, api.RetentionMonth{Month: m.Month.String(), Bytes: m.Bytes})
	}
	return out
}
