package gateway

import (
	"context"
	"fmt"

	"tidegate/ingest"
	"tidegate/store"
)

// endOrphans does what a kill left undone between the end of a device and that
// of its commands: those of a retired device expire, and those of a deleted one
// go.
func endOrphans(ctx context.Context, commands store.Commands, devices *ingest.Registry) error {
	open, err := commands.OpenCommands(ctx)
	if err != nil {
		return fmt.Errorf("load the open commands: %w", err)
	}
	var ended []store.Command
	gone := map[uint32]bool{}
	for _, c := range open {
		switch d := devices.ByUID(c.UID); {
		case d == nil:
			gone[c.UID] = true
		case d.State != store.DeviceActive:
			c.State, c.Detail, c.EndedAt = store.CommandExpired, "the device is "+string(d.State), now()
			ended = append(ended, c)
		}
	}
	if len(ended) > 0 {
		if err := commands.PutCommands(ctx, ended); err != nil {
			return err
		}
	}
	for uid := range gone {
		if err := commands.DeleteCommands(ctx, uid); err != nil {
			return err
		}
	}
	return nil
}
