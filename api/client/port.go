package client

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"tidegate/store"
)

// Port is one measured quantity of a device.
type Port struct {
	DeviceID     string        `json:"deviceId"`
	Number       uint16        `json:"number"`
	Name         string        `json:"name,omitempty"`
	Unit         string        `json:"unit,omitempty"`
	Scaling      float64       `json:"scaling"` // of the calibration in force now
	Offset       float64       `json:"offset"`  // of the calibration in force now
	Calibrations []Calibration `json:"calibrations"`
	ValidMin     *float64      `json:"validMin,omitempty"`
	ValidMax     *float64      `json:"validMax,omitempty"`
	Low          *float64      `json:"low,omitempty"`
	High         *float64      `json:"high,omitempty"`
	CreatedAt    store.Time    `json:"createdAt"`
}

// Calibration maps raw values to calibrated ones from EffectiveFrom on.
type Calibration struct {
	Number        uint16      `json:"number"`
	Scaling       float64     `json:"scaling"`
	Offset        float64     `json:"offset"`
	EffectiveFrom *store.Time `json:"effectiveFrom"` // nil: since ever
	CreatedAt     store.Time  `json:"createdAt"`
}

// PortChange makes a port, or replaces what is not nil. Clear names limits to
// be taken away: validMin, validMax, low, high.
type PortChange struct {
	Name     *string  `json:"name,omitempty"`
	Unit     *string  `json:"unit,omitempty"`
	Scaling  *float64 `json:"scaling,omitempty"`
	Offset   *float64 `json:"offset,omitempty"`
	ValidMin *float64 `json:"validMin,omitempty"`
	ValidMax *float64 `json:"validMax,omitempty"`
	Low      *float64 `json:"low,omitempty"`
	High     *float64 `json:"high,omitempty"`
	Clear    []string `json:"clear,omitempty"`
	// EffectiveFrom is when a changed scaling or offset begins; nil: now, or
	// since ever while the port has no readings.
	EffectiveFrom *store.Time `json:"effectiveFrom,omitempty"`
}

// NewCalibration is a calibration to be entered. The zero EffectiveFrom is now.
type NewCalibration struct {
	Scaling       float64
	Offset        float64
	EffectiveFrom time.Time
}

// Ports lists the ports of a device in order of number.
func (c *Client) Ports(ctx context.Context, deviceID string) (List[Port], error) {
	var out List[Port]
	return out, c.call(ctx, http.MethodGet, "/devices"+seg(deviceID)+"/ports", nil, nil, &out)
}

// Port answers one.
func (c *Client) Port(ctx context.Context, deviceID string, number uint16) (Port, error) {
	var out Port
	return out, c.call(ctx, http.MethodGet, portPath(deviceID, number), nil, nil, &out)
}

// SetPort makes or changes a port.
func (c *Client) SetPort(ctx context.Context, deviceID string, number uint16, ch PortChange) (Port, error) {
	var out Port
	return out, c.call(ctx, http.MethodPut, portPath(deviceID, number), nil, ch, &out)
}

// DeletePort takes a port away; its readings are not answered any more.
func (c *Client) DeletePort(ctx context.Context, deviceID string, number uint16) error {
	return c.call(ctx, http.MethodDelete, portPath(deviceID, number), nil, nil, nil)
}

// Calibrations lists the calibrations of a port in order of entry.
func (c *Client) Calibrations(ctx context.Context, deviceID string, number uint16) (List[Calibration], error) {
	var out List[Calibration]
	return out, c.call(ctx, http.MethodGet, portPath(deviceID, number)+"/calibrations", nil, nil, &out)
}

// AddCalibration enters a calibration and answers it with its number.
func (c *Client) AddCalibration(ctx context.Context, deviceID string, number uint16, n NewCalibration) (Calibration, error) {
	in := map[string]any{"scaling": n.Scaling, "offset": n.Offset}
	if !n.EffectiveFrom.IsZero() {
		in["effectiveFrom"] = store.Time(n.EffectiveFrom.UnixMilli())
	}
	var out Calibration
	return out, c.call(ctx, http.MethodPost, portPath(deviceID, number)+"/calibrations", nil, in, &out)
}

func portPath(deviceID string, number uint16) string {
	return "/devices" + seg(deviceID) + "/ports/" + strconv.Itoa(int(number))
}
