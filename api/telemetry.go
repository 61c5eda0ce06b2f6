package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"tidegate/ingest"
	"tidegate/store"
)

// Receipt is the answer to telemetry.
type Receipt struct {
	MessageID string `json:"messageId"`
}

type telemetryInput struct {
	DeviceID string `query:"deviceId" as:"id" unknown:"empty" doc:"needed with an API key or a grant, which speak for many devices"`
	OrgID    string `query:"orgId" as:"id" unknown:"empty" doc:"needed with an API key of all organizations for a device that is not registered"`
	hc       huma.Context
}

// Resolve keeps the request, whose body is read by the handler.
func (i *telemetryInput) Resolve(ctx huma.Context) []error {
	i.hc = ctx
	return nil
}

// ackPatience is how long a sender waits for the disk before it is told to
// come back.
const ackPatience = 15 * time.Second

const telemetryPath = "/api/v1/telemetry"

// device answers who sends telemetry: a device, a grant, or an API key.
func (s *Server) device(r *http.Request, remote string) (*ingest.Principal, error) {
	scheme, text, ok := authorization(r)
	var name, secret string
	switch {
	case ok && strings.EqualFold(scheme, "Basic"):
		name, secret, ok = r.BasicAuth()
	case ok && strings.EqualFold(scheme, "Bearer"):
		name, secret, ok = store.ParseKeyText(text)
	default:
		ok = false
	}
	if !ok {
		return nil, errDeviceRefused()
	}
	who, err := s.admin.o.Registry.Login(name, []byte(secret))
	if errors.Is(err, ingest.ErrRefused) {
		return nil, errDeviceRefused()
	}
	if err != nil {
		return nil, fmt.Errorf("log in %q: %w", name, err)
	}
	s.noteKey(who, remote)
	return who, nil
}

func (s *Server) routeTelemetry() {
	route(s, ofDevices, huma.Operation{
		OperationID: "post-telemetry", Method: http.MethodPost, Path: telemetryPath, Tags: []string{"telemetry"},
		Summary:       "Hand in readings as a device, or as an API key with the scope ingest; 202 means that they are on disk",
		Description:   "The body is as over MQTT. What becomes of each reading is told by the ledger and the dead letters.",
		DefaultStatus: http.StatusAccepted,
		RequestBody:   telemetryBody(),
	}, s.postTelemetry)
}

func (s *Server) postTelemetry(ctx context.Context, in *telemetryInput) (*answer[Receipt], error) {
	c := humaecho.Unwrap(in.hc)
	r := c.Request()
	who, ok := ctx.Value(principalKey).(*ingest.Principal)
	if !ok {
		return nil, errDeviceRefused()
	}
	m := &ingest.Message{Source: ingest.SourceHTTP, Principal: who.Name, OrgID: who.OrgID, DeviceID: in.DeviceID}
	switch {
	case who.Device != nil:
		if in.DeviceID != "" && in.DeviceID != who.Device.ID || in.OrgID != "" && in.OrgID != who.OrgID {
			return nil, problem(http.StatusForbidden, "forbidden", fmt.Sprintf("device %q may speak for itself only", who.Device.ID))
		}
		m.UID, m.DeviceID = who.Device.UID, who.Device.ID
	case !who.Access.May(store.ActionIngest):
		return nil, problem(http.StatusForbidden, "forbidden", "these credentials may not hand in readings; an API key needs the scope ingest")
	default:
		if err := s.speakFor(who, in, m); err != nil {
			return nil, err
		}
	}
	var err error
	m.Payload, err = io.ReadAll(http.MaxBytesReader(c.Response().Writer, r.Body, ingest.MaxPacketBytes))
	if err != nil {
		return nil, importError(err, "")
	}
	if err := s.submit(ctx, m); err != nil {
		return nil, err
	}
	return &answer[Receipt]{Receipt{m.ID()}}, nil
}

// speakFor says whose a message of a service account is. A device that is not
// registered, or another organization's, is none: its readings become dead
// letters of the account's own organization, as over MQTT.
func (s *Server) speakFor(who *ingest.Principal, in *telemetryInput, m *ingest.Message) error {
	if !store.ValidID(in.DeviceID) {
		return invalidParam("query.deviceId", "must name the device that the readings are of")
	}
	d := s.admin.o.Registry.ByID(in.DeviceID)
	switch {
	case in.OrgID != "":
		m.OrgID = in.OrgID
	case m.OrgID == "" && d == nil:
		return invalidParam("query.orgId", "must name the organization: no device has this id")
	case m.OrgID == "":
		m.OrgID = d.OrgID
	}
	if !who.Access.SeesDevice(m.OrgID, in.DeviceID) {
		return problem(http.StatusForbidden, "forbidden", "these credentials may not hand in readings of this device")
	}
	if d != nil && d.OrgID == m.OrgID {
		m.UID = d.UID
	}
	return nil
}

// submit hands m to the log and waits until it is on disk.
func (s *Server) submit(ctx context.Context, m *ingest.Message) error {
	acked := make(chan error, 1)
	m.Ack = ingest.AckFunc(func(err error) { acked <- err })
	if err := s.o.Pipeline.Submit(m); err != nil {
		return fmt.Errorf("submit message: %w", err)
	}
	patience := time.NewTimer(ackPatience)
	defer patience.Stop()
	select {
	case err := <-acked:
		if err != nil {
			return fmt.Errorf("commit message: %w", err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-patience.C:
		return &store.Error{Kind: store.ErrFull, Noun: "log", Msg: "the disk did not take the message in time; send it again, it is stored once"}
	}
}

// errDeviceRefused is told to devices: it asks for other credentials than
// people's.
func errDeviceRefused() *Problem {
	p := problem(http.StatusUnauthorized, "unauthorized", "send the device's id or serial number and its secret as basic auth, or an API key with the scope ingest")
	p.challenge = `Basic realm="tidegate device"`
	return p
}
