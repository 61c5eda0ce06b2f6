package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// Check is one thing that was looked at.
type Check struct {
	Name   string `json:"name"`
	State  string `json:"state" enum:"ok,warning,failed"`
	Detail string `json:"detail" doc:"what was found, and the way out"`
}

// DoctorReport is what was found of the server, its folder and its machine.
type DoctorReport struct {
	At    store.Time `json:"at" doc:"when it was looked"`
	Items []Check    `json:"items" nullable:"false"`
}

const (
	doctorKept     = 5 * time.Second  // a report is answered again
	doctorPatience = 10 * time.Second // with a look that does not end by itself
)

// doctor looks at the server at most once in doctorKept, whoever asks.
type doctor struct {
	o Options

	turn chan struct{} // held over a look: who comes meanwhile is answered the same
	last DoctorReport
}

func newDoctor(o Options) *doctor { return &doctor{o: o, turn: make(chan struct{}, 1)} }

// report answers a look that is not older than doctorKept. A caller who goes
// away does not end it for the others.
func (d *doctor) report(ctx context.Context) (DoctorReport, error) {
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return DoctorReport{}, ctx.Err()
	}
	now := d.o.Now()
	if age := now.Sub(d.last.At.Time()); d.last.At != 0 && age >= 0 && age < doctorKept {
		return d.last, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), doctorPatience)
	defer cancel()
	checks, err := d.o.Doctor(ctx)
	if err != nil {
		return DoctorReport{}, err
	}
	d.last = DoctorReport{At: at(now), Items: checks}
	return d.last, nil
}

func (s *Server) routeDoctor() {
	route(s, company, huma.Operation{
		OperationID: "get-doctor", Method: http.MethodGet, Path: "/api/v1/doctor", Tags: []string{"operation"},
		Summary: "Look at the server, its folder and its machine",
		Description: "What tidegate doctor says of a server that runs, within 10 s; an answer is given again for 5 s. " +
			"The files themselves are looked at by tidegate doctor while no server has them.",
	}, func(ctx context.Context, _ *none) (*answer[DoctorReport], error) {
		if s.o.Doctor == nil {
			return nil, errAbsent("doctor")
		}
		r, err := s.doctor.report(ctx)
		return &answer[DoctorReport]{r}, err
	})
}
