package gateway

import (
	"context"
	"errors"
	"fmt"

	"tidegate/ingest"
	"tidegate/ingest/alert"
	"tidegate/store"
)

// buildAlarms makes the rules' engine, which follows the log with a position of
// its own.
func (g *gateway) buildAlarms(ctx context.Context) error {
	after, head := g.buf.Bounds()
	if err := g.files.alerts.Bind(store.Bounds{Log: store.LogID(g.buf.ID()), After: after, Head: head}); err != nil {
		return err
	}
	var err error
	g.alarms, err = alert.New(ctx, alert.Options{
		Memory: g.files.alerts, Catalog: g.files.catalog, Ports: func(fn func(store.Device, []store.Port)) { portsOf(g.devices, fn) },
		Head: func() uint64 { _, head := g.buf.Bounds(); return head },
		Logger: g.log, Registerer: g.reg, Now: now,
	})
	return err
}

// portsOf calls fn for every device of the registry with its ports.
func portsOf(r *ingest.Registry, fn func(store.Device, []store.Port)) {
	for _, d := range r.Devices() {
		ports := make([]store.Port, 0, len(d.Ports()))
		for i := range d.Ports() {
			ports = append(ports, d.Ports()[i].Port)
		}
		fn(store.Device{ID: d.ID, UID: d.UID, OrgID: d.OrgID, State: d.State, Tags: d.Tags}, ports)
	}
}
