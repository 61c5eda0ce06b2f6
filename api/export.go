package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

type exportInput struct {
	PortSelection
	TimeRange
	Order string `query:"order" enum:"asc,desc" default:"asc"`
}

func (s *Server) routeExports() {
	route(s, reads, huma.Operation{
		OperationID: "export-readings", Method: http.MethodGet, Path: "/api/v1/exports/readings.csv", Tags: []string{"readings"},
		Summary:     "Stream readings as CSV",
		Description: "Header " + csvHeader[:len(csvHeader)-1] + ". An answer that breaks off is not whole.",
		Responses:   streams("text/csv", "all readings that were asked for", &huma.Schema{Type: huma.TypeString}),
	}, s.exportReadings)
}

// exportReadings reads a piece, sends it, and reads the next: nothing is held
// open in the store while the network is slow.
func (s *Server) exportReadings(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	from, to, err := parseRange(in.From, in.To)
	if err != nil {
		return nil, err
	}
	sel, err := s.selectPorts(ctx, in.DeviceID, in.PortNumber)
	if err != nil {
		return nil, err
	}
	q := store.Scan{Series: sel.series, From: from, To: to, Desc: in.Order == "desc", Limit: scanPiece}
	rows, err := s.scan(ctx, q)
	if err != nil {
		return nil, err
	}
	e := newReadingEncoder(sel, in.Calibration == "ingested")
	return s.streamed("text/csv; charset=utf-8", func(w *stream) error {
		w.buf = append(w.buf, csvHeader...)
		for {
			for i := range rows {
				w.buf = e.appendCSV(w.buf, rows[i].Series, &rows[i].Sample)
				w.full()
			}
			if len(rows) < scanPiece {
				w.send()
				return nil
			}
			last := rows[len(rows)-1]
			q.After = &store.RowKey{TS: last.Sample.TS, Series: last.Series}
			if rows, err = s.scan(ctx, q); err != nil {
				return err
			}
		}
	}), nil
}
