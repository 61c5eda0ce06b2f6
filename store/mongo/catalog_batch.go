package mongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"tidegate/store"
)

// CreateDevices makes devices[i] with ports[i] in as few changes as their size
// allows, and answers a result for each: one that fails does not stop the
// others. When a change itself fails the errors of its devices, and of those
// behind it, say so.
func (c *Catalog) CreateDevices(ctx context.Context, devices []store.Device, ports [][]store.Port) ([]store.Device, []error) {
	made, errs := make([]store.Device, len(devices)), make([]error, len(devices))
	for next := 0; next < len(devices); {
		first := next
		err := c.write(ctx, "create devices", func(draft store.Catalog) (change store.CatalogChange, err error) {
			next, change, err = createDevices(ctx, draft, devices, ports, first, made, errs)
			return change, err
		})
		if err == nil || errors.Is(err, errNoneMade) {
			continue
		}
		for i := first; i < len(devices); i++ {
			made[i], errs[i] = store.Device{}, err
		}
		return made, errs
	}
	return made, errs
}

// TryDevices answers what CreateDevices would, and makes nothing. It judges by
// what the database has; without it, it is unavailable as a change is.
func (c *Catalog) TryDevices(ctx context.Context, devices []store.Device, ports [][]store.Port) ([]error, error) {
	errs := make([]error, len(devices))
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	err := c.lock(ctx)
	if err == nil {
		defer c.unlock()
		if err = c.db.Ready(ctx); err == nil {
			err = c.catchUp(ctx)
		}
	}
	if err == nil {
		err = c.local.Try(ctx, func(draft store.Catalog) error {
			for i, d := range devices {
				if err := ctx.Err(); err != nil {
					return err
				}
				var p []store.Port
				if i < len(ports) {
					p = ports[i]
				}
				_, _, errs[i] = deviceChange(ctx, draft, d, p)
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("try devices: %w", fault(err))
	}
	return errs, nil
}

// errNoneMade says that every device of a run was refused: each has its error.
var errNoneMade = errors.New("no device could be made")

// createDevices makes devices from first on until a change is full, and answers
// the next one.
func createDevices(ctx context.Context, draft store.Catalog, devices []store.Device, ports [][]store.Port, first int, made []store.Device, errs []error) (int, store.CatalogChange, error) {
	var change store.CatalogChange
	size, i := 0, first
	for ; i < len(devices) && size < changeBytes; i++ {
		if err := ctx.Err(); err != nil {
			return i, change, err
		}
		var p []store.Port
		if i < len(ports) {
			p = ports[i]
		}
		var one store.CatalogChange
		if made[i], one, errs[i] = deviceChange(ctx, draft, devices[i], p); errs[i] != nil {
			continue
		}
		b, err := bson.Marshal(docOfChange(one, 0, "", 0))
		if err != nil {
			return i, change, fmt.Errorf("encode device %s: %w", devices[i].ID, err)
		}
		size += len(b)
		change.Devices = append(change.Devices, one.Devices...)
		change.Ports = append(change.Ports, one.Ports...)
	}
	if change.Empty() {
		return i, change, errNoneMade
	}
	return i, change, nil
}
