package api

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
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
	Online       bool              `json:"online"`
	LastSeen     *store.Time       `json:"lastSeen,omitempty" doc:"absent: never"`
	CreatedAt    store.Time        `json:"createdAt"`
	Ports        []Port            `json:"ports,omitempty" nullable:"false"`
	Secret       string            `json:"secret,omitempty" doc:"once, in the answer that made it"`
}

// NewDevice is a device to be made.
type NewDevice struct {
	ID           string   `json:"id,omitempty" doc:"absent: the serial number" example:"d1"`
	OrgID        string   `json:"orgId" example:"acme"`
	SerialNumber string   `json:"serialNumber,omitempty" example:"SN1"`
	Name         string   `json:"name,omitempty" maxLength:"200"`
	Secret       *string  `json:"secret,omitempty" doc:"absent: one is made, and answered once; empty: it cannot log in"`
	PortCount    int      `json:"portCount,omitempty" minimum:"0" maximum:"4096" doc:"makes ports 1 to this"`
	PortNames    []string `json:"portNames,omitempty" maxItems:"4096" doc:"makes a port for each name, numbered from 1"`
	AcceptPast   string   `json:"acceptPast,omitempty" doc:"such as 720h or 90d; absent: 30 days"`
	AcceptAhead  string   `json:"acceptAhead,omitempty" doc:"absent: 5 minutes"`
	AssumeZone   string   `json:"assumeZone,omitempty" example:"Europe/Berlin"`
}

// DeviceChange replaces what is given.
type DeviceChange struct {
	Name         *string `json:"name,omitempty" maxLength:"200"`
	SerialNumber *string `json:"serialNumber,omitempty" doc:"swaps the hardware; history stays"`
	Secret       *string `json:"secret,omitempty" doc:"empty: it cannot log in any more"`
	RotateSecret bool    `json:"rotateSecret,omitempty" doc:"makes a secret and answers it"`
	AcceptPast   *string `json:"acceptPast,omitempty" doc:"such as 90d; default goes back to 30 days"`
	AcceptAhead  *string `json:"acceptAhead,omitempty" doc:"default goes back to 5 minutes"`
	AssumeZone   *string `json:"assumeZone,omitempty" doc:"empty: times without zone are refused"`
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
	Ports        int               `json:"ports,omitempty"`
	Secret       string            `json:"secret,omitempty"`
}

func auditOf(d store.Device) deviceAudit {
	past, ahead := windows(d)
	return deviceAudit{
		ID: d.ID, OrgID: d.OrgID, SerialNumber: d.SerialNumber, Name: d.Name, State: d.State,
		AcceptPast: past.String(), AcceptAhead: ahead.String(), AssumeZone: d.AssumeZone,
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
		AssumeZone: d.AssumeZone, CreatedAt: at(d.CreatedAt),
	}
}

const (
	minSecretBytes = 1
	maxSecretBytes = 256
	maxPortsAtOnce = 4096
)

// hashSecret answers what is stored of a secret; nil for an empty one.
func (a *Admin) hashSecret(secret string) ([]byte, error) {
	if secret == "" {
		return nil, nil
	}
	if len(secret) > maxSecretBytes || strings.ContainsRune(secret, 0) {
		return nil, store.Invalid("device", "secret", "must have %d to %d bytes and no NUL", minSecretBytes, maxSecretBytes)
	}
	return a.o.Registry.HashSecret([]byte(secret)), nil
}

// draft is a device that is about to be made.
type draft struct {
	device store.Device
	ports  []store.Port
	secret string // when it was made here
}

func (a *Admin) draft(n NewDevice, now time.Time) (draft, error) {
	d := store.Device{
		ID: n.ID, OrgID: n.OrgID, SerialNumber: n.SerialNumber, Name: n.Name,
		State: store.DeviceActive, AssumeZone: n.AssumeZone, CreatedAt: now,
	}
	if d.ID == "" {
		d.ID = d.SerialNumber
	}
	var secret string
	var err error
	if n.Secret == nil {
		secret = rand.Text()
		d.SecretHash, err = a.hashSecret(secret)
	} else {
		d.SecretHash, err = a.hashSecret(*n.Secret)
	}
	if err != nil {
		return draft{}, err
	}
	if d.AcceptPast, err = parseWindow("acceptPast", n.AcceptPast); err != nil {
		return draft{}, err
	}
	if d.AcceptAhead, err = parseWindow("acceptAhead", n.AcceptAhead); err != nil {
		return draft{}, err
	}
	if err := d.Validate(); err != nil {
		return draft{}, err
	}
	ports, err := draftPorts(d.ID, n.PortCount, n.PortNames, now)
	return draft{d, ports, secret}, err
}

func draftPorts(deviceID string, count int, names []string, now time.Time) ([]store.Port, error) {
	switch {
	case count > 0 && len(names) > 0:
		return nil, store.Invalid("device", "ports", "give how many or their names, not both")
	case count < 0 || count > maxPortsAtOnce || len(names) > maxPortsAtOnce:
		return nil, store.Invalid("device", "ports", "at most %d ports at once", maxPortsAtOnce)
	}
	count = max(count, len(names))
	ports := make([]store.Port, count)
	seen := make(map[string]bool, len(names))
	for i := range ports {
		p := store.Port{DeviceID: deviceID, Number: uint16(i + 1), Calibrations: []store.Calibration{store.Identity(now)}, CreatedAt: now}
		if len(names) > 0 {
			p.Name = strings.TrimSpace(names[i])
			if p.Name == "" || seen[p.Name] {
				return nil, store.Invalid("device", "ports", "name %d of %d, %q, is empty or there twice", i+1, count, p.Name)
			}
			seen[p.Name] = true
		}
		if err := p.Validate(); err != nil {
			return nil, err
		}
		ports[i] = p
	}
	return ports, nil
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
	if _, err := a.o.Catalog.Organization(ctx, dr.device.OrgID); err != nil {
		return Device{}, err
	}
	shown := auditOf(dr.device)
	shown.Ports = len(dr.ports)
	if dr.device.SecretHash != nil {
		shown.Secret = blanked
	}
	var stored store.Device
	err := a.do(ctx, change{"device.create", "device", dr.device.ID, nil, shown}, func() (err error) {
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

// device answers one that is not deleted.
func (a *Admin) device(ctx context.Context, id string) (store.Device, error) {
	d, err := a.o.Catalog.Device(ctx, id)
	if err != nil {
		return d, err
	}
	if d.State == store.DeviceDeleted {
		return d, store.NotFound("device", id)
	}
	return d, nil
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
	if ch.AssumeZone != nil {
		d.AssumeZone = *ch.AssumeZone
	}
	if err := d.Validate(); err != nil {
		return Device{}, err
	}
	after := auditOf(d)
	if ch.Secret != nil {
		after.Secret = blanked
	}
	if err := a.putDevice(ctx, change{"device.update", "device", id, before, after}, d, cut); err != nil {
		return Device{}, err
	}
	out := newDevice(d)
	out.Secret = secret
	return out, nil
}

// putDevice stores a changed device and ends its connections when cut says why.
func (a *Admin) putDevice(ctx context.Context, c change, d store.Device, cut string) error {
	if err := a.do(ctx, c, func() error { return a.o.Catalog.UpdateDevice(ctx, d) }); err != nil {
		return err
	}
	err := a.refresh(ctx, d.ID)
	// After the refresh, so that it cannot come back as it was.
	if cut != "" {
		a.o.Disconnect(d.ID, cut)
	}
	return err
}

// RetireDevice ends a device's logins, keeps its history under its id and
// frees its serial number.
func (a *Admin) RetireDevice(ctx context.Context, id string) (Device, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, err := a.device(ctx, id)
	if err != nil {
		return Device{}, err
	}
	if d.State == store.DeviceRetired {
		return newDevice(d), nil
	}
	before := auditOf(d)
	d.State, d.SecretHash = store.DeviceRetired, nil
	err = a.putDevice(ctx, change{"device.retire", "device", id, before, auditOf(d)}, d, "device retired")
	return newDevice(d), err
}

// DeleteDevice hides a device and its readings; its id stays reserved.
func (a *Admin) DeleteDevice(ctx context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, err := a.device(ctx, id)
	if err != nil {
		return err
	}
	before := auditOf(d)
	d.State, d.SecretHash = store.DeviceDeleted, nil
	return a.putDevice(ctx, change{"device.delete", "device", id, before, nil}, d, "device deleted")
}

// parseWindow reads a duration such as 90d or 720h; empty and "default" are
// the default.
func parseWindow(field, s string) (*time.Duration, error) {
	if s == "" || s == "default" {
		return nil, nil
	}
	d, err := parseDuration(s)
	if err != nil || d < 0 {
		return nil, store.Invalid("device", field, "%q is not a duration such as 90d, 720h or 5m", s)
	}
	return &d, nil
}

// parseDuration is time.ParseDuration and whole days.
func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		h, err := time.ParseDuration(days + "h")
		if err != nil || h > (1<<63-1)/24 || h < 0 {
			return 0, fmt.Errorf("%q is not a number of days", s)
		}
		return 24 * h, nil
	}
	return time.ParseDuration(s)
}
