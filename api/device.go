package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"tidegate/store"
)

// Device is a thing that publishes readings.
type Device struct {
	ID           string            `json:"id"`
	OrgID        string            `json:"orgId"`
	SerialNumber string            `json:"serialNumber,omitempty"`
	Name         string            `json:"name,omitempty"`
	State        store.DeviceState `json:"state" enum:"active,retired,deleted"`
	HasSecret    bool              `json:"hasSecret" doc:"false: it cannot log in"`
	AcceptPast   string            `json:"acceptPast" doc:"how old a reading may be at receipt" example:"720h0m0s"`
	AcceptAhead  string            `json:"acceptAhead" doc:"how far ahead of receipt" example:"5m0s"`
	AssumeZone   string            `json:"assumeZone,omitempty" doc:"of times that carry none; absent: those are refused"`
	Tags         []string          `json:"tags,omitempty" nullable:"false" doc:"group devices, for rules to choose them by"`
	Online       bool              `json:"online"`
	LastSeen     *store.Time       `json:"lastSeen,omitempty" doc:"absent: never"`
	CreatedAt    store.Time        `json:"createdAt"`
	Ports        []Port            `json:"ports,omitempty" nullable:"false"`
	Secret       string            `json:"secret,omitempty" doc:"once, in the answer that made it"`
}

// NewDevice is a device to be made.
type NewDevice struct {
	ID           string   `json:"id,omitempty" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" doc:"absent: the serial number" example:"d1"`
	OrgID        string   `json:"orgId" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" example:"acme"`
	SerialNumber string   `json:"serialNumber,omitempty" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" example:"SN1"`
	Name         string   `json:"name,omitempty" maxLength:"200"`
	Secret       *string  `json:"secret,omitempty" maxLength:"256" doc:"absent: one is made, and answered once; empty: it cannot log in"`
	PortCount    int      `json:"portCount,omitempty" minimum:"0" maximum:"4096" doc:"makes ports 1 to this"`
	PortNames    []string `json:"portNames,omitempty" maxItems:"4096" nullable:"false" doc:"makes a port for each name, numbered from 1"`
	AcceptPast   string   `json:"acceptPast,omitempty" doc:"such as 720h or 90d; absent: 30 days"`
	AcceptAhead  string   `json:"acceptAhead,omitempty" doc:"absent: 5 minutes"`
	AssumeZone   string   `json:"assumeZone,omitempty" example:"Europe/Berlin"`
	Tags         []string `json:"tags,omitempty" maxItems:"32" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" nullable:"false" doc:"group devices, for rules to choose them by"`
}

// DeviceChange replaces what is given.
type DeviceChange struct {
	Name         *string  `json:"name,omitempty" maxLength:"200"`
	SerialNumber *string  `json:"serialNumber,omitempty" doc:"swaps the hardware; history stays"`
	Secret       *string  `json:"secret,omitempty" maxLength:"256" doc:"empty: it cannot log in any more"`
	RotateSecret bool     `json:"rotateSecret,omitempty" doc:"makes a secret and answers it"`
	AcceptPast   *string  `json:"acceptPast,omitempty" doc:"such as 90d; default goes back to 30 days"`
	AcceptAhead  *string  `json:"acceptAhead,omitempty" doc:"default goes back to 5 minutes"`
	AssumeZone   *string  `json:"assumeZone,omitempty" doc:"empty: times without zone are refused"`
	Tags         []string `json:"tags,omitzero" maxItems:"32" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" nullable:"false" doc:"all of them; empty: none"`
}

// deviceAudit is a device as the trail shows it: without presence, and with a
// mark where a secret is.
type deviceAudit struct {
	ID           string            `json:"id"`
	OrgID        string            `json:"orgId"`
	SerialNumber string            `json:"serialNumber,omitempty"`
	Name         string            `json:"name,omitempty"`
	State        store.DeviceState `json:"state"`
	AcceptPast   string            `json:"acceptPast"`
	AcceptAhead  string            `json:"acceptAhead"`
	AssumeZone   string            `json:"assumeZone,omitempty"`
	Tags         []string          `json:"tags,omitempty"`
	Ports        int               `json:"ports,omitempty"`
	Secret       string            `json:"secret,omitempty"`
}

func auditOf(d store.Device) deviceAudit {
	past, ahead := windows(d)
	return deviceAudit{
		ID: d.ID, OrgID: d.OrgID, SerialNumber: d.SerialNumber, Name: d.Name, State: d.State,
		AcceptPast: past.String(), AcceptAhead: ahead.String(), AssumeZone: d.AssumeZone, Tags: d.Tags,
	}
}

func windows(d store.Device) (past, ahead time.Duration) {
	past, ahead = store.DefaultAcceptPast, store.DefaultAcceptAhead
	if d.AcceptPast != nil {
		past = *d.AcceptPast
	}
	if d.AcceptAhead != nil {
		ahead = *d.AcceptAhead
	}
	return past, ahead
}

func newDevice(d store.Device) Device {
	past, ahead := windows(d)
	return Device{
		ID: d.ID, OrgID: d.OrgID, SerialNumber: d.SerialNumber, Name: d.Name, State: d.State,
		HasSecret: len(d.SecretHash) > 0, AcceptPast: past.String(), AcceptAhead: ahead.String(),
		AssumeZone: d.AssumeZone, Tags: d.Tags, CreatedAt: at(d.CreatedAt),
	}
}

// CreateDevice makes a device with its ports. The answer carries the secret
// when it was made here.
func (a *Admin) CreateDevice(ctx context.Context, n NewDevice) (Device, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	dr, err := a.draft(n, a.now())
	if err != nil {
		return Device{}, err
	}
	return a.createDevice(ctx, dr)
}

// createDevice makes a draft; the caller holds the lock.
func (a *Admin) createDevice(ctx context.Context, dr draft) (Device, error) {
	if _, err := a.seen(ctx).organization(ctx, dr.device.OrgID); err != nil {
		return Device{}, err
	}
	shown := auditOf(dr.device)
	shown.Ports = len(dr.ports)
	if dr.device.SecretHash != nil {
		shown.Secret = blanked
	}
	var stored store.Device
	err := a.alter(ctx, change{"device.create", "device", dr.device.ID, dr.device.OrgID, nil, shown}, func() (err error) {
		stored, err = a.o.Catalog.CreateDevice(ctx, dr.device, dr.ports)
		return err
	})
	if err != nil {
		return Device{}, err
	}
	out := newDevice(stored)
	out.Secret = dr.secret
	for _, p := range dr.ports {
		out.Ports = append(out.Ports, a.newPort(p))
	}
	return out, a.refresh(ctx, stored.ID)
}

// device answers one that the actor sees and that is not deleted.
func (a *Admin) device(ctx context.Context, id string) (store.Device, error) {
	return a.seen(ctx).device(ctx, id)
}

// UpdateDevice changes a device. A changed serial number or secret ends its
// connections.
func (a *Admin) UpdateDevice(ctx context.Context, id string, ch DeviceChange) (Device, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, err := a.device(ctx, id)
	if err != nil {
		return Device{}, err
	}
	before := auditOf(d)
	var secret, cut string
	if d.State != store.DeviceActive && (ch.SerialNumber != nil || ch.Secret != nil || ch.RotateSecret) {
		return Device{}, store.Conflict("device", id, "it is %s and gets no new serial number or secret; add another device", d.State)
	}
	if ch.Name != nil {
		d.Name = *ch.Name
	}
	if ch.SerialNumber != nil && *ch.SerialNumber != d.SerialNumber {
		d.SerialNumber, cut = *ch.SerialNumber, "serial number changed"
	}
	switch {
	case ch.RotateSecret && ch.Secret != nil:
		return Device{}, store.Invalid("device", "secret", "give a secret or rotateSecret, not both")
	case ch.RotateSecret:
		secret = rand.Text()
		ch.Secret = &secret
	}
	if ch.Secret != nil {
		if d.SecretHash, err = a.hashSecret(*ch.Secret); err != nil {
			return Device{}, err
		}
		cut = "secret changed"
	}
	for _, w := range []struct {
		name string
		in   *string
		out  **time.Duration
	}{{"acceptPast", ch.AcceptPast, &d.AcceptPast}, {"acceptAhead", ch.AcceptAhead, &d.AcceptAhead}} {
		if w.in == nil {
			continue
		}
		if *w.out, err = parseWindow(w.name, *w.in); err != nil {
			return Device{}, err
		}
	}
	set(&d.AssumeZone, ch.AssumeZone)
	if ch.Tags != nil {
		d.Tags = inOrder(ch.Tags)
	}
	if err := d.Validate(); err != nil {
		return Device{}, err
	}
	after := auditOf(d)
	if ch.Secret != nil {
		after.Secret = blanked
	}
	if err := a.putDevice(ctx, change{"device.update", "device", id, d.OrgID, before, after}, d, cut); err != nil {
		return Device{}, err
	}
	out := newDevice(d)
	out.Secret = secret
	return out, nil
}

// putDevice stores a changed device and ends its connections when cut says why.
func (a *Admin) putDevice(ctx context.Context, c change, d store.Device, cut string) error {
	return a.between(ctx, func() error {
		if err := a.alter(ctx, c, func() error { return a.o.Catalog.UpdateDevice(ctx, d) }); err != nil {
			return err
		}
		err := a.refresh(ctx, d.ID)
		// After the refresh, so that it cannot come back as it was.
		if cut != "" {
			a.o.Disconnect(d.ID, cut)
		}
		return err
	})
}

// RetireDevice ends a device's logins and open commands, keeps its history under its id and
// frees its serial number.
func (a *Admin) RetireDevice(ctx context.Context, id string) (Device, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, err := a.device(ctx, id)
	if err != nil {
		return Device{}, err
	}
	const reason = "the device was retired"
	if d.State == store.DeviceRetired {
		return newDevice(d), a.dropCommands(ctx, d, reason, false) // of which the first time went wrong
	}
	before := auditOf(d)
	d.State, d.SecretHash = store.DeviceRetired, nil
	if err := a.putDevice(ctx, change{"device.retire", "device", id, d.OrgID, before, auditOf(d)}, d, "device retired"); err != nil {
		return Device{}, err
	}
	return newDevice(d), a.dropCommands(ctx, d, reason, false)
}

// DeleteDevice hides a device and its readings, and deletes its commands, and
// its comings and goings; its id stays reserved.
func (a *Admin) DeleteDevice(ctx context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, err := a.device(ctx, id)
	if err != nil {
		return err
	}
	before := auditOf(d)
	d.State, d.SecretHash = store.DeviceDeleted, nil
	if err := a.putDevice(ctx, change{"device.delete", "device", id, d.OrgID, before, nil}, d, "device deleted"); err != nil {
		return err
	}
	if err := a.dropCommands(ctx, d, "the device was deleted", true); err != nil || a.o.Lifecycles == nil {
		return err
	}
	if err := a.o.Lifecycles.DeleteLifecycle(context.WithoutCancel(ctx), d.UID); err != nil {
		return fmt.Errorf("the device is deleted, but its comings and goings are still on disk: %w", err)
	}
	return nil
}
