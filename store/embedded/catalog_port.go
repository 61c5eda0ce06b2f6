package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"tidegate/store"
)

func portKey(deviceID string, number uint16) []byte {
	return binary.BigEndian.AppendUint16(pair(deviceID, ""), number)
}

// PutPort implements store.Ports.
func (c *Catalog) PutPort(ctx context.Context, p store.Port) error {
	return c.update(ctx, "put port", func(t *catalogTx) error {
		if err := p.Validate(); err != nil {
			return err
		}
		d, err := t.device(p.DeviceID)
		if err != nil {
			return err
		}
		if d.State == store.DeviceDeleted {
			return store.NotFound("device", p.DeviceID)
		}
		ports, err := t.checkPorts(p.DeviceID, []store.Port{p})
		if err != nil {
			return err
		}
		var was *store.Port
		if b := t.bucket(portBucket).Get(portKey(p.DeviceID, p.Number)); b != nil {
			old, err := decodePort(p.DeviceID, p.Number, b)
			if err != nil {
				return err
			}
			was = &old
		}
		return t.putPort(ports[0], was)
	})
}

// checkPorts validates ports that are about to become deviceID's and answers
// them as they are kept.
func (t *catalogTx) checkPorts(deviceID string, ports []store.Port) ([]store.Port, error) {
	out := make([]store.Port, len(ports))
	names, numbers := map[string]uint16{}, map[uint16]bool{}
	for i, p := range ports {
		p.DeviceID = deviceID
		if err := p.Validate(); err != nil {
			return nil, err
		}
		id := fmt.Sprintf("%s/%d", deviceID, p.Number)
		if numbers[p.Number] {
			return nil, store.Conflict("port", id, "is given twice")
		}
		numbers[p.Number] = true
		if p.Name != "" {
			other, taken := names[p.Name]
			if b := t.bucket(portNameBucket).Get(pair(deviceID, p.Name)); len(b) == 2 {
				other, taken = binary.BigEndian.Uint16(b), true
			}
			if taken && other != p.Number {
				return nil, store.Conflict("port", id, "the name %q is that of port %d; choose another", p.Name, other)
			}
			names[p.Name] = p.Number
		}
		var err error
		if p.Calibrations, err = keptCalibrations(p); err != nil {
			return nil, err
		}
		if len(p.Calibrations) == 0 {
			p.Calibrations = []store.Calibration{store.Identity(t.now)}
		}
		p.CreatedAt = kept(p.CreatedAt, t.now)
		out[i] = p
	}
	return out, nil
}

// keptCalibrations checks their numbers: samples refer to them.
func keptCalibrations(p store.Port) ([]store.Calibration, error) {
	last := uint16(0)
	for _, c := range p.Calibrations {
		if c.Number <= last {
			return nil, store.Invalid("calibration", "number", "%d follows %d on port %s/%d; numbers ascend from 1", c.Number, last, p.DeviceID, p.Number)
		}
		last = c.Number
	}
	return p.Calibrations, nil
}

// putPort writes p, which was was, and its name.
func (t *catalogTx) putPort(p store.Port, was *store.Port) error {
	var err error
	names := t.bucket(portNameBucket)
	if was != nil && was.Name != "" && was.Name != p.Name {
		err = names.Delete(pair(p.DeviceID, was.Name))
	}
	if p.Name != "" {
		err = errors.Join(err, names.Put(pair(p.DeviceID, p.Name), binary.BigEndian.AppendUint16(nil, p.Number)))
	}
	return errors.Join(err, t.bucket(portBucket).Put(portKey(p.DeviceID, p.Number), encodePort(p)))
}

// Port implements store.Ports.
func (c *Catalog) Port(ctx context.Context, deviceID string, number uint16) (p store.Port, err error) {
	err = c.view(ctx, func(t *catalogTx) error { p, err = t.port(deviceID, number); return err })
	return p, err
}

func (t *catalogTx) port(deviceID string, number uint16) (store.Port, error) {
	b := t.bucket(portBucket).Get(portKey(deviceID, number))
	if b == nil {
		return store.Port{}, store.NotFound("port", fmt.Sprintf("%s/%d", deviceID, number))
	}
	return decodePort(deviceID, number, b)
}

// ListPorts implements store.Ports.
func (c *Catalog) ListPorts(ctx context.Context, deviceID string) (out []store.Port, err error) {
	err = c.view(ctx, func(t *catalogTx) error {
		out = nil
		if _, err := t.device(deviceID); err != nil {
			return err
		}
		return t.eachPort(deviceID, func(p store.Port) error { out = append(out, p); return nil })
	})
	return out, err
}

func (t *catalogTx) eachPort(deviceID string, fn func(store.Port) error) error {
	prefix := pair(deviceID, "")
	cur := t.bucket(portBucket).Cursor()
	for k, v := cur.Seek(prefix); k != nil && len(k) == len(prefix)+2 && string(k[:len(prefix)]) == string(prefix); k, v = cur.Next() {
		p, err := decodePort(deviceID, binary.BigEndian.Uint16(k[len(prefix):]), v)
		if err != nil {
			return err
		}
		if err := fn(p); err != nil {
			return err
		}
	}
	return nil
}

// AllPorts implements store.Ports. The ports come in order of device id and
// number, from one state of the catalogue; fn must not change it.
func (c *Catalog) AllPorts(ctx context.Context, fn func(store.Port) error) error {
	return c.view(ctx, func(t *catalogTx) error {
		devices := t.bucket(deviceBucket).Cursor()
		for k, v := devices.First(); k != nil; k, v = devices.Next() {
			if err := ctx.Err(); err != nil {
				return err
			}
			d, err := decodeDevice(string(k), v)
			if err != nil {
				return err
			}
			if d.State == store.DeviceDeleted {
				continue
			}
			if err := t.eachPort(d.ID, fn); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeletePort implements store.Ports.
func (c *Catalog) DeletePort(ctx context.Context, deviceID string, number uint16) error {
	return c.update(ctx, "delete port", func(t *catalogTx) error {
		p, err := t.port(deviceID, number)
		if err != nil {
			return err
		}
		if p.Name != "" {
			err = t.bucket(portNameBucket).Delete(pair(deviceID, p.Name))
		}
		return errors.Join(err, t.bucket(portBucket).Delete(portKey(deviceID, number)))
	})
}
