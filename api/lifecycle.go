package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/ingest"
	"tidegate/store"
)

// Lifecycles answers the comings and goings of devices.
type Lifecycles interface {
	ListLifecycle(ctx context.Context, f store.LifecycleFilter) ([]store.LifecycleEvent, error)
	ListLifecycles(ctx context.Context, f store.LifecyclesFilter) ([]store.DeviceLifecycle, error)
}

// LifecycleEvent is a coming or going of a device, or what it says of itself.
type LifecycleEvent struct {
	At     store.Time            `json:"at"`
	Status string                `json:"status" doc:"online or offline; a device may say something else of itself"`
	Reason string                `json:"reason" doc:"why, in a word; server stopped: it was there when the server ended without saying so" example:"connection_lost"`
	Source store.LifecycleSource `json:"source" enum:"server,device" doc:"who says so: device is what it published on its lifecycle topic"`
}

func newLifecycleEvent(e store.LifecycleEvent) LifecycleEvent {
	return LifecycleEvent{e.At, e.Status, e.Reason, e.Source}
}

// DeviceLifecycleEvent is one with whose it is.
type DeviceLifecycleEvent struct {
	DeviceID string `json:"deviceId"`
	OrgID    string `json:"orgId"`
	LifecycleEvent
}

type listLifecyclesInput struct {
	PageInput
	TimeRange
	OrgID string `query:"orgId" as:"id" unknown:"empty"`
}

type lifecycleInput struct {
	ID string `path:"id"`
	PageInput
	TimeRange
}

func (s *Server) routeLifecycle() {
	route(s, reads, huma.Operation{
		OperationID: "list-lifecycle", Method: http.MethodGet, Path: "/api/v1/devices/{id}/lifecycle", Tags: []string{"devices"},
		Summary: "List when a device came and went, newest first",
		Description: fmt.Sprintf("The newest %d events of the last %d days are kept. One is on disk after 10 s: if the server is killed before, it is lost. ",
			store.LifecycleKept, int(store.LifecycleAge.Hours()/24)) + "What a device says again, unchanged, is there once.",
	}, s.listLifecycle)
	route(s, reads, huma.Operation{
		OperationID: "list-lifecycles", Method: http.MethodGet, Path: "/api/v1/lifecycle", Tags: []string{"devices"},
		Summary:     "List when devices came and went, newest first",
		Description: "Of all devices that are seen, also retired ones. Of each is there what its own list has.",
	}, s.listLifecycles)
}

// listLifecycles asks the registry, as the live stream does: so what is deleted
// is not seen, and the database is not asked.
func (s *Server) listLifecycles(ctx context.Context, in *listLifecyclesInput) (*answer[List[DeviceLifecycleEvent]], error) {
	if s.o.Lifecycles == nil {
		return nil, errAbsent("lifecycle")
	}
	from, to, err := parseRange(in.From, in.To)
	if err != nil {
		return nil, err
	}
	f := store.LifecyclesFilter{From: store.Time(from), To: store.Time(to), Limit: in.Limit + 1}
	if f.After, err = parseLifecycleCursor(in.Cursor); err != nil {
		return nil, err
	}
	devices := map[uint32]*ingest.Device{}
	for _, d := range s.admin.seen(ctx).allKnown() {
		if in.OrgID == "" || d.OrgID == in.OrgID {
			devices[d.UID] = d
			f.UIDs = append(f.UIDs, d.UID)
		}
	}
	events, err := s.o.Lifecycles.ListLifecycles(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("list lifecycles: %w", err)
	}
	cursor := func(e store.DeviceLifecycle) string { return lifecycleCursor(e.LifecycleEvent) }
	return &answer[List[DeviceLifecycleEvent]]{page(events, in.Limit, cursor, func(e store.DeviceLifecycle) DeviceLifecycleEvent {
		d := devices[e.UID]
		return DeviceLifecycleEvent{d.ID, d.OrgID, newLifecycleEvent(e.LifecycleEvent)}
	})}, nil
}

func (s *Server) listLifecycle(ctx context.Context, in *lifecycleInput) (*answer[List[LifecycleEvent]], error) {
	d, err := s.admin.device(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if s.o.Lifecycles == nil {
		return nil, errAbsent("lifecycle")
	}
	from, to, err := parseRange(in.From, in.To)
	if err != nil {
		return nil, err
	}
	f := store.LifecycleFilter{UID: d.UID, From: store.Time(from), To: store.Time(to), Limit: in.Limit + 1}
	if f.After, err = parseLifecycleCursor(in.Cursor); err != nil {
		return nil, err
	}
	events, err := s.o.Lifecycles.ListLifecycle(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("list lifecycle: %w", err)
	}
	return &answer[List[LifecycleEvent]]{page(events, in.Limit, lifecycleCursor, newLifecycleEvent)}, nil
}

// lifecycleCursor names the place behind an event.
func lifecycleCursor(e store.LifecycleEvent) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d/%d", int64(e.At), e.Seq))
}

// parseLifecycleCursor is the inverse of lifecycleCursor; nil: there is none.
func parseLifecycleCursor(cursor string) (*store.LifecycleEvent, error) {
	if cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	at, seq, _ := strings.Cut(string(b), "/")
	ms, err1 := strconv.ParseInt(at, 10, 64)
	n, err2 := strconv.ParseUint(seq, 10, 64)
	if err != nil || err1 != nil || err2 != nil {
		return nil, invalidParam("query.cursor", "is not a nextCursor of this list")
	}
	return &store.LifecycleEvent{At: store.Time(ms), Seq: n}, nil
}
