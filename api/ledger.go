package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

type ledgerInput struct {
	TimeRange
	By       string `query:"by" enum:"hour" doc:"hour: by hour of receipt and device, in that order"`
	DeviceID string `query:"deviceId" as:"id" doc:"of this device"`
}

const (
	hourMillis     = 60 * 60 * 1000
	maxLedgerHours = 24 * 366
)

func (s *Server) routeLedger() {
	schema := &huma.Schema{AnyOf: []*huma.Schema{
		s.schema(reflect.TypeFor[store.Ledger]()), s.schema(reflect.TypeFor[List[store.LedgerHour]]()),
	}}
	route(s, reads, huma.Operation{
		OperationID: "get-ledger", Method: http.MethodGet, Path: "/api/v1/ledger", Tags: []string{"ledger"},
		Summary: "Account for every reading: received = stored + duplicate + rejected + pending",
		Description: "Without parameters the totals since ever, to those who see the whole box. from and to choose hours of receipt, " +
			"of which the sums are answered, or with by=hour each; absent, the last 24.",
		Responses: streams("application/json", "the totals, or hours when by is given", schema),
	}, s.getLedger)
}

func (s *Server) getLedger(ctx context.Context, in *ledgerInput) (*answer[any], error) {
	seen := s.admin.seen(ctx)
	if in.By == "" && in.DeviceID == "" && in.From == "" && in.To == "" && seen.access.Whole() {
		l, err := s.o.Pipeline.Ledger(ctx)
		if err != nil {
			return nil, fmt.Errorf("read ledger: %w", err)
		}
		return &answer[any]{l}, nil
	}
	now := s.o.Now().UnixMilli()
	to, err := parseTime("to", in.To, now+1)
	if err != nil {
		return nil, err
	}
	from, err := parseTime("from", in.From, to-24*hourMillis)
	if err != nil {
		return nil, err
	}
	fromHour, toHour := floorHour(from), floorHour(to-1)+1
	if toHour-fromHour > maxLedgerHours {
		return nil, invalidParam("query.from", fmt.Sprintf("the range has %d hours; at most %d are answered at once, ask for a part of it", toHour-fromHour, maxLedgerHours)).
			limited("query.from", maxLedgerHours)
	}
	if in.DeviceID != "" {
		if _, err := seen.device(ctx, in.DeviceID); err != nil {
			return nil, err
		}
	}
	hours, err := s.o.Pipeline.LedgerHours(ctx, fromHour, toHour)
	if err != nil {
		return nil, fmt.Errorf("read ledger by hour: %w", err)
	}
	if hours, err = seen.hours(ctx, hours, in.DeviceID); err != nil {
		return nil, err
	}
	if in.By != "" {
		return &answer[any]{List[store.LedgerHour]{Items: hours}}, nil
	}
	var sum store.Ledger
	for _, h := range hours {
		sum.Received += h.Received
		sum.Stored += h.Stored
		sum.Duplicate += h.Duplicate
		sum.Rejected += h.Rejected
		sum.Pending += h.Pending
	}
	return &answer[any]{sum}, nil
}

func floorHour(ms int64) int64 {
	h := ms / hourMillis
	if ms%hourMillis < 0 {
		h--
	}
	return h
}
