package store

import (
	"context"
	"math"
	"strings"
	"time"
)

// Port is one measured quantity of a device.
type Port struct {
	DeviceID string `json:"deviceId"`
	Number   uint16 `json:"number"`
	Name     string `json:"name,omitempty"` // unique within the device when set
	Unit     string `json:"unit,omitempty"`
	// Calibrations in order of Number; never empty once stored.
	Calibrations []Calibration `json:"calibrations"`
	ValidMin     *float64      `json:"validMin,omitempty"` // calibrated values outside carry FlagOutOfRange
	ValidMax     *float64      `json:"validMax,omitempty"`
	Low          *float64      `json:"low,omitempty"` // the port's default alarm
	High         *float64      `json:"high,omitempty"`
	CreatedAt    time.Time     `json:"createdAt"`
}

// Calibration maps raw values to calibrated ones from EffectiveFrom on.
type Calibration struct {
	Number        uint16    `json:"number"` // from 1, in order of entry
	Scaling       float64   `json:"scaling"`
	Offset        float64   `json:"offset"`
	EffectiveFrom time.Time `json:"effectiveFrom"` // the zero time: since ever
	CreatedAt     time.Time `json:"createdAt"`
}

// Identity is the calibration of a port that was given none.
func Identity(at time.Time) Calibration { return Calibration{Number: 1, Scaling: 1, CreatedAt: at} }

// Apply answers raw*Scaling + Offset, rounded after the product: the explicit
// conversion forbids a fused multiply-add, so that every machine answers the
// same bits.
func (c Calibration) Apply(raw float64) float64 { return float64(raw*c.Scaling) + c.Offset }

// CalibrationAt answers the calibration in force at ts (milliseconds): among
// those effective at or before ts the one that begins last; of several that
// begin together the one entered last. A port without one is the identity.
func (p *Port) CalibrationAt(ts int64) Calibration {
	best := -1
	for i := range p.Calibrations {
		c := &p.Calibrations[i]
		if from := c.from(); from <= ts && (best < 0 || from >= p.Calibrations[best].from()) {
			best = i
		}
	}
	if best < 0 {
		return Calibration{Scaling: 1}
	}
	return p.Calibrations[best]
}

// CalibrationNumber answers the calibration with number n, or the identity.
func (p *Port) CalibrationNumber(n uint16) Calibration {
	for _, c := range p.Calibrations {
		if c.Number == n {
			return c
		}
	}
	return Calibration{Scaling: 1}
}

func (c *Calibration) from() int64 {
	if c.EffectiveFrom.IsZero() {
		return math.MinInt64
	}
	return c.EffectiveFrom.UnixMilli()
}

// From answers the first millisecond at which c is in force.
func (c Calibration) From() int64 { return c.from() }

// Validate reports the first thing that is wrong with p.
func (p Port) Validate() error {
	if err := checkID("device", p.DeviceID); err != nil {
		return err
	}
	if len(p.Name) > 200 || len(p.Unit) > 50 || strings.ContainsAny(p.Name+p.Unit, "\x00\n\r") {
		return Invalid("port", "name", "name has at most 200 bytes, unit at most 50, neither a line break")
	}
	for name, v := range map[string]*float64{"validMin": p.ValidMin, "validMax": p.ValidMax, "low": p.Low, "high": p.High} {
		if v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
			return Invalid("port", name, "must be a finite number")
		}
	}
	if p.ValidMin != nil && p.ValidMax != nil && *p.ValidMin > *p.ValidMax {
		return Invalid("port", "validMin", "%g is above validMax %g", *p.ValidMin, *p.ValidMax)
	}
	for _, c := range p.Calibrations {
		if err := c.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// Validate reports the first thing that is wrong with c.
func (c Calibration) Validate() error {
	if c.Scaling == 0 || math.IsNaN(c.Scaling) || math.IsInf(c.Scaling, 0) {
		return Invalid("calibration", "scaling", "must be a finite number other than 0")
	}
	if math.IsNaN(c.Offset) || math.IsInf(c.Offset, 0) {
		return Invalid("calibration", "offset", "must be a finite number")
	}
	return nil
}

// Ports keeps the ports of devices.
type Ports interface {
	// PutPort creates or replaces a port with its calibrations; without any it
	// gets Identity. ErrNotFound when the device is absent or deleted,
	// ErrConflict when another port of the device has the name, ErrInvalid
	// when the numbers of its calibrations do not ascend from 1.
	PutPort(ctx context.Context, p Port) error
	Port(ctx context.Context, deviceID string, number uint16) (Port, error)
	// ListPorts answers in order of number.
	ListPorts(ctx context.Context, deviceID string) ([]Port, error)
	// AllPorts calls fn for every port of every device that is not deleted.
	AllPorts(ctx context.Context, fn func(Port) error) error
	DeletePort(ctx context.Context, deviceID string, number uint16) error
}

// Catalog is the record of what exists. Times are kept to the millisecond; a
// CreatedAt that is zero becomes the time of the call.
type Catalog interface {
	Organizations
	Users
	Devices
	Ports
	APIKeys
	AlertRules
	Channels
}
