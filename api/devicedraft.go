package api

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"tidegate/store"
)

// draft is a device that is about to be made.
type draft struct {
	device store.Device
	ports  []store.Port
	secret string // when it was made here
}

const (
	minSecretBytes = 1
	maxSecretBytes = 256
	maxPortsAtOnce = 4096
)

func (a *Admin) draft(n NewDevice, now time.Time) (draft, error) {
	d := store.Device{
		ID: n.ID, OrgID: n.OrgID, SerialNumber: n.SerialNumber, Name: n.Name,
		State: store.DeviceActive, AssumeZone: n.AssumeZone, Tags: inOrder(n.Tags), CreatedAt: now,
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
