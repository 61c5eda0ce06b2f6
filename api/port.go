package api

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// Port is one measured quantity of a device.
type Port struct {
	DeviceID     string        `json:"deviceId"`
	Number       uint16        `json:"number"`
	Name         string        `json:"name,omitempty"`
	Unit         string        `json:"unit,omitempty"`
	Scaling      float64       `json:"scaling" doc:"of the calibration in force now"`
	Offset       float64       `json:"offset" doc:"of the calibration in force now"`
	Calibrations []Calibration `json:"calibrations" nullable:"false"`
	ValidMin     *float64      `json:"validMin,omitempty" doc:"calibrated values below it are flagged out_of_range"`
	ValidMax     *float64      `json:"validMax,omitempty" doc:"calibrated values above it are flagged out_of_range"`
	Low          *float64      `json:"low,omitempty" doc:"the port's default alarm"`
	High         *float64      `json:"high,omitempty" doc:"the port's default alarm"`
	CreatedAt    store.Time    `json:"createdAt"`
}

// PortChange makes a port, or replaces what is given.
type PortChange struct {
	Name          *string     `json:"name,omitempty" maxLength:"200" doc:"unique within the device; empty: none"`
	Unit          *string     `json:"unit,omitempty" maxLength:"50"`
	Scaling       *float64    `json:"scaling,omitempty" doc:"not 0"`
	Offset        *float64    `json:"offset,omitempty"`
	ValidMin      *float64    `json:"validMin,omitempty"`
	ValidMax      *float64    `json:"validMax,omitempty"`
	Low           *float64    `json:"low,omitempty"`
	High          *float64    `json:"high,omitempty"`
	Clear         []string    `json:"clear,omitempty" enum:"validMin,validMax,low,high" nullable:"false" doc:"limits to take away"`
	EffectiveFrom *store.Time `json:"effectiveFrom,omitempty" doc:"when a changed scaling or offset begins; absent: now, or since ever while the port has no readings"`
}

func (a *Admin) newPort(p store.Port) Port {
	now := p.CalibrationAt(a.now().UnixMilli())
	out := Port{
		DeviceID: p.DeviceID, Number: p.Number, Name: p.Name, Unit: p.Unit,
		Scaling: now.Scaling, Offset: now.Offset, Calibrations: make([]Calibration, 0, len(p.Calibrations)),
		ValidMin: p.ValidMin, ValidMax: p.ValidMax, Low: p.Low, High: p.High, CreatedAt: at(p.CreatedAt),
	}
	for _, c := range p.Calibrations {
		out.Calibrations = append(out.Calibrations, newCalibration(c))
	}
	return out
}

// listPorts answers the ports of a device in order of number.
func (a *Admin) listPorts(ctx context.Context, deviceID string) ([]Port, error) {
	ports, err := a.o.Catalog.ListPorts(ctx, deviceID)
	if err != nil {
		return nil, err
	}
	out := make([]Port, 0, len(ports))
	for _, p := range ports {
		out = append(out, a.newPort(p))
	}
	return out, nil
}

// port answers a port of a device that is not deleted, and whether it exists.
func (a *Admin) port(ctx context.Context, deviceID string, number uint16) (d store.Device, p store.Port, exists bool, err error) {
	if d, err = a.device(ctx, deviceID); err != nil {
		return d, p, false, err
	}
	ports, err := a.o.Catalog.ListPorts(ctx, deviceID)
	if err != nil {
		return d, p, false, err
	}
	for _, p := range ports {
		if p.Number == number {
			return d, p, true, nil
		}
	}
	return d, p, false, nil
}

func noPort(deviceID string, number uint16) error {
	return store.NotFound("port", deviceID+"/"+strconv.Itoa(int(number)))
}

// SetPort makes or changes a port. A changed scaling or offset replaces the
// only calibration while the port has no readings, since ever; afterwards, or
// when effectiveFrom is given, it is one more.
func (a *Admin) SetPort(ctx context.Context, deviceID string, number uint16, ch PortChange) (Port, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, p, exists, err := a.port(ctx, deviceID, number)
	if err != nil {
		return Port{}, err
	}
	if !exists {
		return a.setPort(ctx, d, p, number, false, ch)
	}
	var out Port
	err = a.between(ctx, func() (err error) {
		out, err = a.setPort(ctx, d, p, number, true, ch)
		return err
	})
	return out, err
}

func (a *Admin) setPort(ctx context.Context, d store.Device, p store.Port, number uint16, exists bool, ch PortChange) (Port, error) {
	now := a.now()
	deviceID := d.ID
	c := change{"port.update", "port", deviceID + "/" + strconv.Itoa(int(number)), d.OrgID, nil, nil}
	if exists {
		c.before = a.newPort(p)
	} else {
		c.action = "port.create"
		p = store.Port{DeviceID: deviceID, Number: number, Calibrations: []store.Calibration{store.Identity(now)}, CreatedAt: now}
	}
	p.Calibrations = slices.Clone(p.Calibrations)
	if err := ch.apply(&p); err != nil {
		return Port{}, err
	}
	if ch.Scaling != nil || ch.Offset != nil || ch.EffectiveFrom != nil {
		if err := a.calibrate(ctx, d, &p, exists, ch, now); err != nil {
			return Port{}, err
		}
	}
	if err := p.Validate(); err != nil {
		return Port{}, err
	}
	out := a.newPort(p)
	c.after = out
	if err := a.alter(ctx, c, func() error { return a.o.Catalog.PutPort(ctx, p) }); err != nil {
		return Port{}, err
	}
	return out, a.refresh(ctx, deviceID)
}

func (ch PortChange) apply(p *store.Port) error {
	if ch.Name != nil {
		p.Name = *ch.Name
	}
	if ch.Unit != nil {
		p.Unit = *ch.Unit
	}
	limits := map[string]**float64{"validMin": &p.ValidMin, "validMax": &p.ValidMax, "low": &p.Low, "high": &p.High}
	for _, name := range ch.Clear {
		limit, ok := limits[name]
		if !ok {
			return store.Invalid("port", "clear", "%q is no limit; use validMin, validMax, low, high", name)
		}
		*limit = nil
	}
	for name, v := range map[string]*float64{"validMin": ch.ValidMin, "validMax": ch.ValidMax, "low": ch.Low, "high": ch.High} {
		if v != nil {
			*limits[name] = v
		}
	}
	return nil
}

// calibrate adds or replaces a calibration of p as ch asks.
func (a *Admin) calibrate(ctx context.Context, d store.Device, p *store.Port, exists bool, ch PortChange, now time.Time) error {
	next := store.Calibration{CreatedAt: now}
	from := now.UnixMilli()
	if ch.EffectiveFrom != nil {
		from = int64(*ch.EffectiveFrom)
	}
	inForce := p.CalibrationAt(from)
	next.Scaling, next.Offset = inForce.Scaling, inForce.Offset
	if ch.Scaling != nil {
		next.Scaling = *ch.Scaling
	}
	if ch.Offset != nil {
		next.Offset = *ch.Offset
	}
	if err := next.Validate(); err != nil {
		return err
	}
	if next.Scaling == inForce.Scaling && next.Offset == inForce.Offset {
		return nil
	}
	if ch.EffectiveFrom == nil && len(p.Calibrations) <= 1 {
		has, err := a.hasReadings(ctx, d, p.Number, exists)
		if err != nil {
			return err
		}
		if !has {
			next.Number = 1
			p.Calibrations = []store.Calibration{next}
			return nil
		}
	}
	return appendCalibration(p, next, from)
}

func appendCalibration(p *store.Port, next store.Calibration, from int64) error {
	var last uint16
	for _, c := range p.Calibrations {
		last = max(last, c.Number)
	}
	if last == math.MaxUint16 {
		return store.Conflict("port", p.DeviceID, "it has %d calibrations, which is the most there can be", last)
	}
	next.Number, next.EffectiveFrom = last+1, time.UnixMilli(from).UTC()
	p.Calibrations = append(p.Calibrations, next)
	return nil
}

func (a *Admin) hasReadings(ctx context.Context, d store.Device, number uint16, exists bool) (bool, error) {
	if !exists || a.o.Readings == nil {
		return false, nil
	}
	_, found, err := a.o.Readings.Latest(ctx, []store.Series{{UID: d.UID, Port: number}})
	return err == nil && found[0], err
}

// DeletePort takes a port away; its readings are not answered any more.
func (a *Admin) DeletePort(ctx context.Context, deviceID string, number uint16) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, p, exists, err := a.port(ctx, deviceID, number)
	if err != nil {
		return err
	}
	if !exists {
		return noPort(deviceID, number)
	}
	id := deviceID + "/" + strconv.Itoa(int(number))
	return a.between(ctx, func() error {
		err := a.alter(ctx, change{"port.delete", "port", id, d.OrgID, a.newPort(p), nil}, func() error {
			return a.o.Catalog.DeletePort(ctx, deviceID, number)
		})
		if err != nil {
			return err
		}
		return a.refresh(ctx, deviceID)
	})
}

// PortPath names a port in a path.
type PortPath struct {
	ID     string `path:"id" doc:"the device's"`
	Number int    `path:"n" minimum:"0" maximum:"65535" doc:"the port's"`
}

func (s *Server) routePorts() {
	tags := []string{"ports"}
	type IDInput struct {
		ID string `path:"id" doc:"the device's"`
	}
	const path = "/api/v1/devices/{id}/ports"
	route(s, reads, huma.Operation{
		OperationID: "list-ports", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List the ports of a device in order of number",
	}, func(ctx context.Context, in *IDInput) (*answer[List[Port]], error) {
		if _, err := s.admin.device(ctx, in.ID); err != nil {
			return nil, err
		}
		ports, err := s.admin.listPorts(ctx, in.ID)
		return &answer[List[Port]]{List[Port]{Items: ports}}, err
	})
	route(s, reads, huma.Operation{
		OperationID: "get-port", Method: http.MethodGet, Path: path + "/{n}", Tags: tags,
		Summary: "Get a port",
	}, func(ctx context.Context, in *PortPath) (*answer[Port], error) {
		_, p, exists, err := s.admin.port(ctx, in.ID, uint16(in.Number))
		if err == nil && !exists {
			err = noPort(in.ID, uint16(in.Number))
		}
		return &answer[Port]{s.admin.newPort(p)}, err
	})
	route(s, writes, huma.Operation{
		OperationID: "set-port", Method: http.MethodPut, Path: path + "/{n}", Tags: tags,
		Summary: "Make a port, or change what is given",
		Description: "A changed scaling or offset replaces the only calibration while the port has no readings; " +
			"afterwards it takes effect now, or at effectiveFrom.",
	}, func(ctx context.Context, in *struct {
		PortPath
		Body PortChange
	},
	) (*answer[Port], error) {
		p, err := s.admin.SetPort(ctx, in.ID, uint16(in.Number), in.Body)
		return &answer[Port]{p}, err
	})
	route(s, writes, huma.Operation{
		OperationID: "delete-port", Method: http.MethodDelete, Path: path + "/{n}", Tags: tags,
		Summary: "Take a port away", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *PortPath) (*none, error) {
		return &none{}, s.admin.DeletePort(ctx, in.ID, uint16(in.Number))
	})
	s.routeCalibrations()
}
