package ingest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidegate/store"
)

// Device is what the hot path knows of a device and its ports: a snapshot of
// the catalogue that nobody changes.
type Device struct {
	ID          string
	UID         uint32
	OrgID       string
	Serial      string
	State       store.DeviceState
	Name        string
	Tags        []string
	AcceptPast  int64          // ms before the time of receipt
	AcceptAhead int64          // ms after it
	Zone        *time.Location // of times that carry none; nil: they are refused
	secretHash  []byte
	ports       []Port // ascending by number
	dense       bool   // ports[i].Number == ports[0].Number+i
	names       map[string]int
}

// Port is a port in a snapshot.
type Port struct {
	store.Port
	// single is the only calibration, so that most readings need no search.
	single *store.Calibration
}

func newDevice(d store.Device, ports []store.Port) (*Device, error) {
	n := &Device{
		ID: d.ID, UID: d.UID, OrgID: d.OrgID, Serial: d.SerialNumber, State: d.State, Name: d.Name, Tags: d.Tags,
		AcceptPast:  store.DefaultAcceptPast.Milliseconds(),
		AcceptAhead: store.DefaultAcceptAhead.Milliseconds(),
		secretHash:  d.SecretHash,
	}
	if d.AcceptPast != nil {
		n.AcceptPast = d.AcceptPast.Milliseconds()
	}
	if d.AcceptAhead != nil {
		n.AcceptAhead = d.AcceptAhead.Milliseconds()
	}
	if d.AssumeZone != "" {
		zone, err := time.LoadLocation(d.AssumeZone)
		if err != nil {
			return nil, fmt.Errorf("zone of device %s: %w", d.ID, err)
		}
		n.Zone = zone
	}
	slices.SortFunc(ports, func(a, b store.Port) int { return int(a.Number) - int(b.Number) })
	n.ports = make([]Port, len(ports))
	n.dense = true
	for i := range ports {
		p := &n.ports[i]
		p.Port = ports[i]
		if len(p.Calibrations) == 1 {
			p.single = &p.Calibrations[0]
		}
		if p.Number != n.ports[0].Number+uint16(i) {
			n.dense = false
		}
		if p.Name != "" {
			if n.names == nil {
				n.names = make(map[string]int)
			}
			n.names[p.Name] = i
		}
	}
	return n, nil
}

// Port answers port number n, or nil.
func (d *Device) Port(n uint16) *Port {
	if len(d.ports) == 0 {
		return nil
	}
	if d.dense {
		if i := int(n) - int(d.ports[0].Number); i >= 0 && i < len(d.ports) {
			return &d.ports[i]
		}
		return nil
	}
	i, ok := slices.BinarySearchFunc(d.ports, n, func(p Port, n uint16) int { return int(p.Number) - int(n) })
	if !ok {
		return nil
	}
	return &d.ports[i]
}

// PortNamed answers the port with the name, or nil.
func (d *Device) PortNamed(name string) *Port {
	if i, ok := d.names[name]; ok {
		return &d.ports[i]
	}
	return nil
}

// Ports answers the registered ports in order of number.
func (d *Device) Ports() []Port { return d.ports }

// PortNumbers lists the registered ports as people write them: 1-4, 7.
func (d *Device) PortNumbers() string {
	if len(d.ports) == 0 {
		return "none"
	}
	var b strings.Builder
	for i := 0; i < len(d.ports); {
		j := i
		for j+1 < len(d.ports) && d.ports[j+1].Number == d.ports[j].Number+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(int(d.ports[i].Number)))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(int(d.ports[j].Number)))
		}
		i = j + 1
	}
	return b.String()
}

// CalibrationAt answers the calibration in force at ts (Unix ms).
func (p *Port) CalibrationAt(ts int64) *store.Calibration {
	if p.single != nil && p.single.From() <= ts {
		return p.single
	}
	best := -1
	for i := range p.Calibrations {
		if from := p.Calibrations[i].From(); from <= ts && (best < 0 || from >= p.Calibrations[best].From()) {
			best = i
		}
	}
	if best < 0 {
		return &identity
	}
	return &p.Calibrations[best]
}

// identity is the calibration of a port that has none. Nobody changes it.
var identity = store.Calibration{Scaling: 1}
