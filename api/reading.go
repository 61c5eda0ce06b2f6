package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"tidegate/store"
)

// Aggregate is a bucket of calibrated values that begins at TS.
type Aggregate struct {
	TS         store.Time `json:"ts"`
	DeviceID   string     `json:"deviceId"`
	PortNumber uint16     `json:"portNumber"`
	Count      uint64     `json:"count"`
	Sum        float64    `json:"sum"`
	Mean       float64    `json:"mean"`
	Min        float64    `json:"min"`
	Max        float64    `json:"max"`
	First      float64    `json:"first" doc:"by time"`
	Last       float64    `json:"last" doc:"by time"`
}

const (
	maxReadings = 100_000
	scanPiece   = 16_384 // rows in memory while an answer streams
)

// PortSelection chooses ports in a query.
type PortSelection struct {
	DeviceID    []string `query:"deviceId,explode" as:"id" maxItems:"1000" doc:"repeat it for several; absent: all"`
	PortNumber  []int    `query:"portNumber,explode" as:"port" maxItems:"1000" doc:"of each of the devices; absent: all"`
	Calibration string   `query:"calibration" enum:"current,ingested" default:"current" doc:"ingested: the calibrated value as said at ingest"`
}

// TimeRange chooses a span in a query.
type TimeRange struct {
	From string `query:"from" as:"time" doc:"inclusive; RFC 3339, or milliseconds since 1970; absent: since ever"`
	To   string `query:"to" as:"time" doc:"exclusive; absent: for ever"`
}

type readingsInput struct {
	PortSelection
	TimeRange
	Order  string `query:"order" enum:"asc,desc" default:"asc" doc:"by time, then device and port; desc is the exact reverse"`
	Every  string `query:"every" as:"duration" doc:"answers aggregates of so long, such as 1m or 1d, aligned to the UTC epoch"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100000" default:"1000" doc:"items a page"`
	Cursor string `query:"cursor" maxLength:"2048" doc:"nextCursor of the page before"`
}

func (s *Server) routeReadings() {
	list := s.schema(reflect.TypeFor[List[store.Reading]]())
	route(s, reads, huma.Operation{
		OperationID: "list-readings", Method: http.MethodGet, Path: "/api/v1/readings", Tags: []string{"readings"},
		Summary: "List readings, or aggregates of them",
		Responses: streams("application/json", "readings, or aggregates when every is given",
			&huma.Schema{AnyOf: []*huma.Schema{list, s.schema(reflect.TypeFor[List[Aggregate]]())}}),
	}, s.listReadings)
	route(s, reads, huma.Operation{
		OperationID: "latest-readings", Method: http.MethodGet, Path: "/api/v1/readings/latest", Tags: []string{"readings"},
		Summary:   "Answer the newest reading of each port that has one",
		Responses: streams("application/json", "in order of device and port", list),
	}, s.latestReadings)
}

func (s *Server) listReadings(ctx context.Context, in *readingsInput) (*huma.StreamResponse, error) {
	from, to, err := parseRange(in.From, in.To)
	if err != nil {
		return nil, err
	}
	sel, err := s.selectPorts(ctx, in.DeviceID, in.PortNumber)
	if err != nil {
		return nil, err
	}
	desc, ingested := in.Order == "desc", in.Calibration == "ingested"
	after, err := sel.rowKey(in.Cursor, desc)
	if err != nil {
		return nil, err
	}
	if in.Every != "" {
		return s.aggregates(ctx, in, sel, from, to, after)
	}
	q := store.Scan{Series: sel.series, From: from, To: to, Desc: desc, After: after}
	next := func(remaining int) ([]store.Row, error) {
		q.Limit = min(remaining+1, scanPiece)
		rows, err := s.scan(ctx, q)
		if len(rows) > 0 {
			last := rows[len(rows)-1]
			q.After = &store.RowKey{TS: last.Sample.TS, Series: last.Series}
		}
		return rows, err
	}
	rows, err := next(in.Limit)
	if err != nil {
		return nil, err
	}
	e := newReadingEncoder(sel, ingested)
	return s.streamed("application/json", func(w *stream) error {
		w.buf = append(w.buf, `{"items":[`...)
		sent, cursor := 0, ""
		var last store.Row
		for {
			asked := q.Limit
			for i := range rows {
				if sent == in.Limit {
					cursor = sel.cursorOf(last.Sample.TS, last.Series)
					break
				}
				if sent > 0 {
					w.buf = append(w.buf, ',')
				}
				w.buf = e.appendJSON(w.buf, rows[i].Series, &rows[i].Sample)
				last = rows[i]
				sent++
				w.full()
			}
			if cursor != "" || len(rows) < asked {
				break
			}
			if rows, err = next(in.Limit - sent); err != nil {
				return err
			}
		}
		w.buf = append(w.buf, ']')
		if cursor != "" {
			w.buf = append(w.buf, `,"nextCursor":"`+cursor+`"`...)
		}
		w.buf = append(w.buf, '}', '\n')
		w.send()
		return nil
	}), nil
}

// scan spares the store a query without series.
func (s *Server) scan(ctx context.Context, q store.Scan) ([]store.Row, error) {
	if len(q.Series) == 0 {
		return nil, nil
	}
	rows, err := s.o.Readings.Scan(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("scan readings: %w", err)
	}
	return rows, nil
}

// streamed sends what write writes. What fails before anything of it is sent is
// answered as a problem; later it is logged, and breaks the connection.
func (s *Server) streamed(contentType string, write func(*stream) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		c := humaecho.Unwrap(hc)
		w := newStream(c.Response(), contentType)
		if isHead(hc.Context()) {
			c.Response().WriteHeader(http.StatusOK)
			return
		}
		err := write(w)
		if err != nil && !c.Response().Committed {
			w.unsay()
			s.writeProblem(c.Response(), c.Request(), err)
		} else if err != nil {
			s.log.LogAttrs(hc.Context(), slog.LevelWarn, "answer broke off",
				slog.String("route", c.Path()), slog.Any("error", err))
			w.abort()
		}
	}}
}

func (s *Server) aggregates(ctx context.Context, in *readingsInput, sel *selection, from, to int64, after *store.RowKey) (*huma.StreamResponse, error) {
	every, err := parseDuration(in.Every)
	if err != nil || every < time.Millisecond || every%time.Millisecond != 0 {
		return nil, invalidParam("query.every", fmt.Sprintf("%q is not a whole number of milliseconds, such as 1m, 15m, 1h or 1d", in.Every))
	}
	if in.Order == "desc" {
		return nil, invalidParam("query.order", "aggregates come in ascending order; leave out order=desc")
	}
	q := store.Aggregation{From: from, To: to, Every: every.Milliseconds(), Limit: in.Limit + 1, After: after}
	for i, se := range sel.series {
		q.Series = append(q.Series, store.SeriesCalibrations{
			Series: se, Calibrations: sel.ports[i].Calibrations, Ingested: in.Calibration == "ingested",
		})
	}
	var buckets []store.Bucket
	if len(q.Series) > 0 {
		if buckets, err = s.o.Readings.Aggregate(ctx, q); err != nil {
			return nil, fmt.Errorf("aggregate readings: %w", err)
		}
	}
	e := newReadingEncoder(sel, false)
	return s.streamed("application/json", func(w *stream) error {
		w.buf = append(w.buf, `{"items":[`...)
		cursor := ""
		for i, b := range buckets {
			if i == in.Limit {
				cursor = `,"nextCursor":"` + sel.cursorOf(buckets[i-1].Start, buckets[i-1].Series) + `"`
				break
			}
			if i > 0 {
				w.buf = append(w.buf, ',')
			}
			w.buf = e.appendBucket(w.buf, b)
			w.full()
		}
		w.buf = append(append(append(w.buf, ']'), cursor...), '}', '\n')
		w.send()
		return nil
	}), nil
}

func (s *Server) latestReadings(ctx context.Context, in *PortSelection) (*huma.StreamResponse, error) {
	sel, err := s.selectPorts(ctx, in.DeviceID, in.PortNumber)
	if err != nil {
		return nil, err
	}
	samples, found, err := s.o.Readings.Latest(ctx, sel.series)
	if err != nil {
		return nil, fmt.Errorf("latest readings: %w", err)
	}
	e := newReadingEncoder(sel, in.Calibration == "ingested")
	return s.streamed("application/json", func(w *stream) error {
		w.buf = append(w.buf, `{"items":[`...)
		sent := 0
		for i := range samples {
			if !found[i] {
				continue
			}
			if sent > 0 {
				w.buf = append(w.buf, ',')
			}
			w.buf = e.appendJSON(w.buf, i, &samples[i])
			sent++
			w.full()
		}
		w.buf = append(w.buf, ']', '}', '\n')
		w.send()
		return nil
	}), nil
}
