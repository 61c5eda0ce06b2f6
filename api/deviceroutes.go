package api

import (
	"context"
	"io"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"tidegate/store"
)

// importDevicesInput is CSV, and whether it is tried alone.
type importDevicesInput struct {
	bodyInput
	DryRun bool `query:"dryRun" doc:"say what would become of each row, and change nothing"`
}

// bodyInput is an input whose body is read as a stream.
type bodyInput struct{ body io.Reader }

// maxDeviceImport bounds the body of a bulk import.
const maxDeviceImport = 8 << 20

// Resolve keeps the body unread, and bounds it.
func (i *bodyInput) Resolve(ctx huma.Context) []error {
	c := humaecho.Unwrap(ctx)
	i.body = http.MaxBytesReader(c.Response().Writer, c.Request().Body, maxDeviceImport)
	return nil
}

// withPresence adds what the broker last saw of a device.
func (s *Server) withPresence(out Device, d store.Device) Device {
	p := s.presence(d)
	out.Online = p.Online
	if !p.LastSeen.IsZero() {
		seen := at(p.LastSeen)
		out.LastSeen = &seen
	}
	return out
}

func (s *Server) getDevice(ctx context.Context, id string) (*answer[Device], error) {
	d, err := s.admin.device(ctx, id)
	if err != nil {
		return nil, err
	}
	out := s.withPresence(newDevice(d), d)
	out.Ports, err = s.admin.listPorts(ctx, id)
	return &answer[Device]{out}, err
}

// answered completes a device that an Admin's method answered.
func (s *Server) answered(ctx context.Context, changed Device, err error) (*answer[Device], error) {
	if err != nil {
		return nil, err
	}
	out, err := s.getDevice(ctx, changed.ID)
	if err != nil {
		return nil, err
	}
	out.Body.Secret = changed.Secret
	return out, nil
}

func (s *Server) routeDevices() {
	tags := []string{"devices"}
	type IDInput struct {
		ID string `path:"id"`
	}
	route(s, reads, huma.Operation{
		OperationID: "list-devices", Method: http.MethodGet, Path: "/api/v1/devices", Tags: tags,
		Summary: "List devices", Description: shortPages,
	}, s.listDevices)
	route(s, writes, huma.Operation{
		OperationID: "create-device", Method: http.MethodPost, Path: "/api/v1/devices", Tags: tags,
		Summary: "Make a device with its ports", DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *struct{ Body NewDevice }) (*answer[Device], error) {
		d, err := s.admin.CreateDevice(ctx, in.Body)
		return s.answered(ctx, d, err)
	})
	route(s, writes, huma.Operation{
		OperationID: "import-devices", Method: http.MethodPost, Path: "/api/v1/devices/import", Tags: tags,
		Summary: "Make many devices from CSV",
		Description: "Header id,org,serial,secret,ports; ports is how many or names separated by a semicolon. A row that fails does not stop the others. " +
			"With dryRun the same is checked, also between the rows, and nothing is made.",
		RequestBody: takes("at most 8 MiB and 10,000 rows", "text/csv"),
	}, func(ctx context.Context, in *importDevicesInput) (*answer[DeviceImport], error) {
		res, err := s.admin.ImportDevices(ctx, in.body, in.DryRun)
		return &answer[DeviceImport]{res}, err
	})
	route(s, reads, huma.Operation{
		OperationID: "get-device", Method: http.MethodGet, Path: "/api/v1/devices/{id}", Tags: tags,
		Summary: "Get a device with its ports",
	}, func(ctx context.Context, in *IDInput) (*answer[Device], error) { return s.getDevice(ctx, in.ID) })
	route(s, writes, huma.Operation{
		OperationID: "update-device", Method: http.MethodPatch, Path: "/api/v1/devices/{id}", Tags: tags,
		Summary: "Change a device, swap its hardware, or give it another secret",
	}, func(ctx context.Context, in *struct {
		IDInput
		Body DeviceChange
	},
	) (*answer[Device], error) {
		d, err := s.admin.UpdateDevice(ctx, in.ID, in.Body)
		return s.answered(ctx, d, err)
	})
	route(s, writes, huma.Operation{
		OperationID: "retire-device", Method: http.MethodPost, Path: "/api/v1/devices/{id}/retire", Tags: tags,
		Summary: "End a device's logins, keep its history, free its serial number",
	}, func(ctx context.Context, in *IDInput) (*answer[Device], error) {
		d, err := s.admin.RetireDevice(ctx, in.ID)
		return s.answered(ctx, d, err)
	})
	route(s, writes, huma.Operation{
		OperationID: "delete-device", Method: http.MethodDelete, Path: "/api/v1/devices/{id}", Tags: tags,
		Summary: "Hide a device and its readings; its id stays reserved", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *IDInput) (*none, error) {
		return &none{}, s.admin.DeleteDevice(ctx, in.ID)
	})
}
