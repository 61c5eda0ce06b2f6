package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"tidegate/api/client"
	"tidegate/store"
)

// traceScan is what a first pass over a trace finds.
type traceScan struct {
	rows, malformed int
	oldest, newest  time.Time
	ports           map[string]map[string]bool // by device, as written
}

func (s *traceScan) add(r traceRow) {
	s.rows++
	if s.ports[r.device] == nil {
		s.ports[r.device] = map[string]bool{}
	}
	s.ports[r.device][r.port] = true
	if r.at.IsZero() {
		return
	}
	if s.oldest.IsZero() || r.at.Before(s.oldest) {
		s.oldest = r.at
	}
	if r.at.After(s.newest) {
		s.newest = r.at
	}
}

func (s *traceScan) devices() []string { return slices.Sorted(maps.Keys(s.ports)) }

// createDevices makes what the server does not have. A new device accepts
// times as old as the trace's, or else all of it would be rejected.
func (r *replay) createDevices(ctx context.Context, shift time.Duration) error {
	past := ""
	if !r.scan.oldest.IsZero() {
		if age := time.Since(r.scan.oldest.Add(shift)); age > store.DefaultAcceptPast {
			past = (age + 24*time.Hour).Truncate(time.Hour).String()
		}
	}
	for _, id := range r.scan.devices() {
		d, err := r.cl.Device(ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			none := "" // it is spoken for by a grant; a login of its own can be made later
			d, err = r.cl.CreateDevice(ctx, client.NewDevice{ID: id, OrgID: r.org, Secret: &none, AcceptPast: past})
			if err == nil {
				r.p.warn("made device %s%s", id, acceptNote(past))
			}
		}
		if err != nil {
			return err
		}
		if d.OrgID != r.org {
			return fmt.Errorf("device %s belongs to organization %s, not %s", id, d.OrgID, r.org)
		}
		if err := r.createPorts(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func acceptNote(past string) string {
	if past == "" {
		return ""
	}
	return ", which accepts readings up to " + past + " old"
}

func (r *replay) createPorts(ctx context.Context, d client.Device) error {
	have := map[string]bool{}
	for _, port := range d.Ports {
		have[strconv.Itoa(int(port.Number))] = true
		have[port.Name] = true
	}
	for _, port := range slices.Sorted(maps.Keys(r.scan.ports[d.ID])) {
		if have[port] {
			continue
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			r.p.warn("device %s has no port %q, and a port is made by its number: tidegate port set --device %s --number N --name %q", d.ID, port, d.ID, port)
			continue
		}
		if _, err := r.cl.SetPort(ctx, d.ID, uint16(n), client.PortChange{}); err != nil {
			return err
		}
	}
	return nil
}
