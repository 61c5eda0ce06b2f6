package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"tidegate/ingest/alert"
	"tidegate/ingest/notify"
	"tidegate/store"
)

// buildAlarms makes the rules' engine, which follows the log with a position of
// its own, and what tells people.
func (g *gateway) buildAlarms(ctx context.Context) error {
	after, head := g.buf.Bounds()
	if err := g.files.alerts.Bind(store.Bounds{Log: store.LogID(g.buf.ID()), After: after, Head: head}); err != nil {
		return err
	}
	var err error
	g.alarms, err = alert.New(ctx, alert.Options{
		Memory: g.files.alerts, Catalog: g.files.catalog, Devices: g.devices,
		Head:   func() uint64 { _, head := g.buf.Bounds(); return head },
		Notify: func(n []store.Notification) { g.notify.Wake(n) },
		Logger: g.log, Registerer: g.reg, Now: time.Now,
	})
	if err != nil {
		return err
	}
	g.notify, err = notify.New(notify.Options{
		Queue: g.files.alerts, Channels: g.alarms, Curve: g.curve,
		Logger: g.log, Registerer: g.reg, Now: time.Now,
	})
	return err
}

// runAlarms lets rules follow the clock and people be told, until stop is
// called; that waits until all of it is durable.
func (g *gateway) runAlarms(ctx context.Context) (stop func() error) {
	beside, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		if err := g.alarms.Run(beside); err != nil {
			failed = fmt.Errorf("alarms: %w", err)
		}
	})
	wg.Go(func() {
		if err := g.notify.Run(beside); err != nil {
			g.log.Error("nobody is told of alarms", "error", err)
		}
	})
	return func() error {
		cancel()
		wg.Wait()
		return failed
	}
}
