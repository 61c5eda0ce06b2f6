package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// Calibration maps raw values: calibrated = raw × scaling + offset.
type Calibration struct {
	Number        uint16      `json:"number" doc:"from 1, in order of entry"`
	Scaling       float64     `json:"scaling"`
	Offset        float64     `json:"offset"`
	EffectiveFrom *store.Time `json:"effectiveFrom" nullable:"true" doc:"null: since ever"`
	CreatedAt     store.Time  `json:"createdAt"`
}

// NewCalibration is a calibration to be entered.
type NewCalibration struct {
	Scaling       float64     `json:"scaling" doc:"not 0"`
	Offset        float64     `json:"offset,omitempty"`
	EffectiveFrom *store.Time `json:"effectiveFrom,omitempty" doc:"absent: now. An earlier date changes what queries say from then on"`
}

func newCalibration(c store.Calibration) Calibration {
	out := Calibration{Number: c.Number, Scaling: c.Scaling, Offset: c.Offset, CreatedAt: at(c.CreatedAt)}
	if !c.EffectiveFrom.IsZero() {
		from := at(c.EffectiveFrom)
		out.EffectiveFrom = &from
	}
	return out
}

// AddCalibration enters a calibration, also one that changes nothing.
func (a *Admin) AddCalibration(ctx context.Context, deviceID string, number uint16, n NewCalibration) (Calibration, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d, p, exists, err := a.port(ctx, deviceID, number)
	if err != nil {
		return Calibration{}, err
	}
	if !exists {
		return Calibration{}, noPort(deviceID, number)
	}
	next := store.Calibration{Scaling: n.Scaling, Offset: n.Offset, CreatedAt: a.now()}
	if err := next.Validate(); err != nil {
		return Calibration{}, err
	}
	from := next.CreatedAt.UnixMilli()
	if n.EffectiveFrom != nil {
		from = int64(*n.EffectiveFrom)
	}
	p.Calibrations = slices.Clone(p.Calibrations)
	if err := appendCalibration(&p, next, from); err != nil {
		return Calibration{}, err
	}
	out := newCalibration(p.Calibrations[len(p.Calibrations)-1])
	id := deviceID + "/" + strconv.Itoa(int(number)) + "/" + strconv.Itoa(int(out.Number))
	return out, a.between(ctx, func() error {
		err := a.alter(ctx, change{"calibration.create", "calibration", id, d.OrgID, nil, out}, func() error {
			return a.o.Catalog.PutPort(ctx, p)
		})
		if err != nil {
			return err
		}
		return a.refresh(ctx, deviceID)
	})
}

func (s *Server) routeCalibrations() {
	tags := []string{"ports"}
	const path = "/api/v1/devices/{id}/ports/{n}/calibrations"
	route(s, reads, huma.Operation{
		OperationID: "list-calibrations", Method: http.MethodGet, Path: path, Tags: tags,
		Summary: "List the calibrations of a port in order of entry",
	}, func(ctx context.Context, in *PortPath) (*answer[List[Calibration]], error) {
		_, p, exists, err := s.admin.port(ctx, in.ID, uint16(in.Number))
		if err == nil && !exists {
			err = noPort(in.ID, uint16(in.Number))
		}
		return &answer[List[Calibration]]{List[Calibration]{Items: s.admin.newPort(p).Calibrations}}, err
	})
	route(s, writes, huma.Operation{
		OperationID: "add-calibration", Method: http.MethodPost, Path: path, Tags: tags,
		Summary: "Enter a calibration", DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *struct {
		PortPath
		Body NewCalibration
	},
	) (*answer[Calibration], error) {
		c, err := s.admin.AddCalibration(ctx, in.ID, uint16(in.Number), in.Body)
		return &answer[Calibration]{c}, err
	})
}
