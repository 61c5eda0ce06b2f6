package api

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"tidegate/ingest"
	"tidegate/store"
)

// portNumber reads a port that is given by number.
func portNumber(port string) (uint16, bool) {
	if !isIndex(port) {
		return 0, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return uint16(n), err == nil
}

func hasPort(d *ingest.Device, port string) bool {
	if n, ok := portNumber(port); ok {
		return d.Port(n) != nil
	}
	// A number that is out of range cannot be made: it is rejected later.
	return isIndex(port) || port == "" || d.PortNamed(port) != nil
}

// ensure makes a device and ports that an import names, as far as they are
// missing. Such a device has no secret: it cannot log in before it is given
// one. Names take the numbers behind the highest.
func (a *Admin) ensure(ctx context.Context, orgID, deviceID string, ports []string) (devices, made int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if actor, _ := actorFrom(ctx); !actor.Access.May(store.ActionWrite) {
		return 0, 0, errForbidden(actor, store.ActionWrite)
	}
	var have []store.Port
	d, err := a.o.Catalog.Device(ctx, deviceID)
	absent := errors.Is(err, store.ErrNotFound)
	switch {
	case absent:
	case err != nil:
		return 0, 0, err
	case d.State == store.DeviceDeleted:
		return 0, 0, store.Conflict("device", deviceID, "its id belongs to a deleted device")
	case d.OrgID != orgID:
		return 0, 0, nil
	default:
		if have, err = a.o.Catalog.ListPorts(ctx, deviceID); err != nil {
			return 0, 0, err
		}
	}
	missing := missingPorts(deviceID, have, ports)
	for i := range missing {
		missing[i].CreatedAt, missing[i].Calibrations = now, []store.Calibration{store.Identity(now)}
	}
	if absent {
		none := ""
		dr, err := a.draft(NewDevice{ID: deviceID, OrgID: orgID, Secret: &none}, now)
		if err != nil {
			return 0, 0, err
		}
		dr.ports = missing
		if _, err := a.createDevice(ctx, dr); err != nil {
			return 0, 0, err
		}
		return 1, len(missing), nil
	}
	for _, p := range missing {
		id := fmt.Sprintf("%s/%d", deviceID, p.Number)
		if err := a.alter(ctx, change{"port.create", "port", id, orgID, nil, a.newPort(p)}, func() error { return a.o.Catalog.PutPort(ctx, p) }); err != nil {
			return 0, made, err
		}
		made++
	}
	return 0, made, a.refresh(ctx, deviceID)
}

func missingPorts(deviceID string, have []store.Port, wanted []string) []store.Port {
	numbers, names := map[uint16]bool{}, map[string]bool{}
	next := 1
	take := func(n uint16) {
		numbers[n] = true
		next = max(next, int(n)+1)
	}
	for _, p := range have {
		take(p.Number)
		names[p.Name] = true
	}
	var missing []store.Port
	for _, w := range wanted {
		if n, ok := portNumber(w); ok && !numbers[n] {
			take(n)
			missing = append(missing, store.Port{DeviceID: deviceID, Number: n})
		}
	}
	for _, w := range wanted {
		if isIndex(w) || w == "" || names[w] || next > 65535 {
			continue
		}
		names[w] = true
		p := store.Port{DeviceID: deviceID, Number: uint16(next), Name: w}
		if p.Validate() == nil { // else its readings are rejected, and kept
			missing = append(missing, p)
			next++
		}
	}
	return missing
}
