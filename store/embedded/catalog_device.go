package embedded

import (
	"context"
	"errors"
	"math"

	"tidegate/store"
)

// CreateDevice implements store.Devices.
func (c *Catalog) CreateDevice(ctx context.Context, d store.Device, ports []store.Port) (made store.Device, err error) {
	err = c.update(ctx, "create device", func(t *catalogTx) error { made, err = t.createDevice(d, ports); return err })
	if err != nil {
		return store.Device{}, err
	}
	return made, nil
}

// CreateDevices makes devices[i] with ports[i], all in one fsynced transaction,
// and answers a result for each: one that fails does not stop the others. When
// the transaction itself fails every error says so.
func (c *Catalog) CreateDevices(ctx context.Context, devices []store.Device, ports [][]store.Port) ([]store.Device, []error) {
	made, errs := make([]store.Device, len(devices)), make([]error, len(devices))
	err := c.update(ctx, "create devices", func(t *catalogTx) error {
		for i, d := range devices {
			if err := ctx.Err(); err != nil {
				return err
			}
			var p []store.Port
			if i < len(ports) {
				p = ports[i]
			}
			made[i], errs[i] = t.createDevice(d, p)
		}
		return nil
	})
	if err != nil {
		for i := range errs {
			made[i], errs[i] = store.Device{}, err
		}
	}
	return made, errs
}

// TryDevices answers what CreateDevices would, and makes nothing.
func (c *Catalog) TryDevices(ctx context.Context, devices []store.Device, ports [][]store.Port) (errs []error, err error) {
	err = c.Try(ctx, func(draft store.Catalog) error {
		d, ok := draft.(*Catalog)
		if !ok {
			return errors.New("a draft of another kind")
		}
		_, errs = d.CreateDevices(ctx, devices, ports)
		return nil
	})
	return errs, err
}

func (t *catalogTx) createDevice(d store.Device, ports []store.Port) (store.Device, error) {
	if d.State == "" {
		d.State = store.DeviceActive
	}
	if err := d.Validate(); err != nil {
		return store.Device{}, err
	}
	if d.State != store.DeviceActive {
		return store.Device{}, store.Invalid("device", "state", "a new device is active, not %s", d.State)
	}
	if _, err := t.organization(d.OrgID); err != nil {
		return store.Device{}, err
	}
	if err := t.checkName("id", d.ID, ""); err != nil {
		return store.Device{}, err
	}
	if d.SerialNumber != "" && d.SerialNumber != d.ID {
		if err := t.checkName("serial number", d.SerialNumber, ""); err != nil {
			return store.Device{}, err
		}
	}
	ports, err := t.checkPorts(d.ID, ports)
	if err != nil {
		return store.Device{}, err
	}
	devices := t.bucket(deviceBucket)
	if devices.Sequence() >= math.MaxUint32 {
		return store.Device{}, &store.Error{Kind: store.ErrFull, Noun: "catalogue", Msg: "all device numbers have been given"}
	}
	uid, err := devices.NextSequence()
	if err != nil {
		return store.Device{}, err
	}
	d.UID, d.CreatedAt = uint32(uid), kept(d.CreatedAt, t.now)
	err = errors.Join(
		t.putDevice(d),
		t.bucket(nameBucket).Put([]byte(d.ID), []byte(d.ID)),
		t.bucket(orgDeviceBucket).Put(pair(d.OrgID, d.ID), nil),
	)
	if d.SerialNumber != "" {
		err = errors.Join(err, t.bucket(nameBucket).Put([]byte(d.SerialNumber), []byte(d.ID)))
	}
	for _, p := range ports {
		err = errors.Join(err, t.putPort(p, nil))
	}
	return d, err
}

// checkName reports who holds the name, an id or a serial number, other than
// the device owner.
func (t *catalogTx) checkName(what, name, owner string) error {
	holder := string(t.bucket(nameBucket).Get([]byte(name)))
	if holder == "" || holder == owner {
		return nil
	}
	if t.bucket(apiKeyBucket).Get([]byte(holder)) != nil {
		return store.Conflict("device", name, "the %s is the id of an API key; choose another", what)
	}
	d, err := t.device(holder)
	if err != nil {
		return err
	}
	switch {
	case d.ID == name && d.State == store.DeviceDeleted:
		return store.Conflict("device", name, "the %s belonged to a deleted device and stays reserved; choose another", what)
	case d.ID == name:
		return store.Conflict("device", name, "the %s is the id of a device of %s; choose another", what, d.OrgID)
	}
	return store.Conflict("device", name, "the %s is the serial number of device %s; choose another, or retire that device first", what, d.ID)
}

// UpdateDevice implements store.Devices.
func (c *Catalog) UpdateDevice(ctx context.Context, d store.Device) error {
	return c.update(ctx, "update device", func(t *catalogTx) error {
		was, err := t.device(d.ID)
		if err != nil {
			return err
		}
		if was.State == store.DeviceDeleted {
			return store.NotFound("device", d.ID)
		}
		d.UID, d.OrgID, d.CreatedAt = was.UID, was.OrgID, was.CreatedAt
		if err := d.Validate(); err != nil {
			return err
		}
		switch d.State {
		case store.DeviceActive:
		case store.DeviceRetired, store.DeviceDeleted:
			d.SerialNumber = ""
		default:
			return store.Invalid("device", "state", "%q is unknown; use active, retired or deleted", d.State)
		}
		if d.SerialNumber != "" {
			if err := t.checkName("serial number", d.SerialNumber, d.ID); err != nil {
				return err
			}
		}
		names := t.bucket(nameBucket)
		if was.SerialNumber != "" && was.SerialNumber != d.ID {
			err = names.Delete([]byte(was.SerialNumber))
		}
		if d.SerialNumber != "" {
			err = errors.Join(err, names.Put([]byte(d.SerialNumber), []byte(d.ID)))
		}
		return errors.Join(err, t.putDevice(d))
	})
}

// putDevice writes d, without what leads to it.
func (t *catalogTx) putDevice(d store.Device) error {
	err := t.bucket(deviceBucket).Put([]byte(d.ID), encodeDevice(d))
	if len(d.Tags) > 0 {
		err = errors.Join(err, t.needFormat(formatAlerts))
	}
	return err
}

// Device implements store.Devices.
func (c *Catalog) Device(ctx context.Context, id string) (d store.Device, err error) {
	err = c.view(ctx, func(t *catalogTx) error { d, err = t.device(id); return err })
	return d, err
}

func (t *catalogTx) device(id string) (store.Device, error) {
	b := t.bucket(deviceBucket).Get([]byte(id))
	if b == nil {
		return store.Device{}, store.NotFound("device", id)
	}
	return decodeDevice(id, b)
}

// ListDevices implements store.Devices.
func (c *Catalog) ListDevices(ctx context.Context, f store.DeviceFilter) (out []store.Device, err error) {
	err = c.view(ctx, func(t *catalogTx) error {
		out = nil
		return t.list(deviceBucket, orgDeviceBucket, f.OrgID, f.Page, func(id string, v []byte) (bool, error) {
			d, err := decodeDevice(id, v)
			if !f.IncludeDeleted && d.State == store.DeviceDeleted {
				return false, err
			}
			out = append(out, d)
			return true, err
		})
	})
	return out, err
}
