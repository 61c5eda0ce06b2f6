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
	route(s, reads, huma.Operation{
		OperationID: "export-readings-parquet", Method: http.MethodGet, Path: "/api/v1/exports/readings.parquet", Tags: []string{"readings"},
		Summary: "Stream readings as Parquet",
		Description: "Columns ts, deviceId, portNumber, rawValue, calibratedValue, quality, flags (a list), ingestTs; times are UTC in milliseconds. " +
			"Compressed with zstd, in row groups of 65,536 rows. What fails before the first one is full is answered as an error; later the answer breaks off, and is not whole.",
		Responses: streams(parquetType, "all readings that were asked for", &huma.Schema{Type: huma.TypeString, Format: "binary"}),
	}, s.exportParquet)
}

const parquetType = "application/vnd.apache.parquet"

func (s *Server) exportReadings(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	x, err := s.export(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.streamed("text/csv; charset=utf-8", func(w *stream) error {
		w.buf = append(w.buf, csvHeader...)
		err := x.each(ctx, func(rows []store.Row) error {
			for i := range rows {
				w.buf = x.encoder.appendCSV(w.buf, rows[i].Series, &rows[i].Sample)
				w.full()
			}
			return nil
		})
		if err == nil {
			w.send()
		}
		return err
	}), nil
}

// exportParquet holds a row group, which is sent when it is full. So the store
// may fail long after the first piece was read, and the client is still told.
func (s *Server) exportParquet(ctx context.Context, in *exportInput) (*huma.StreamResponse, error) {
	if s.o.Parquet == nil {
		return nil, errAbsent("Parquet")
	}
	x, err := s.export(ctx, in)
	if err != nil {
		return nil, err
	}
	return s.streamed(parquetType, func(w *stream) error {
		file := s.o.Parquet(w)
		readings := make([]store.Reading, 0, parquetPiece)
		err := x.each(ctx, func(rows []store.Row) error {
			w.touch() // most pieces send nothing
			for len(rows) > 0 {
				n := min(len(rows), parquetPiece)
				readings = readings[:0]
				for i := range rows[:n] {
					readings = append(readings, x.encoder.reading(rows[i].Series, &rows[i].Sample))
				}
				if err := file.Write(readings); err != nil {
					return err
				}
				rows = rows[n:]
			}
			return nil
		})
		if err != nil {
			return err // and no end is written, which would make it look whole
		}
		return file.Close()
	}), nil
}

const parquetPiece = 1024 // readings that are handed on at once

// export is what one export reads.
type export struct {
	s       *Server
	scan    store.Scan
	first   []store.Row
	encoder *readingEncoder
}

// export reads the first piece, so that what is wrong is said before the answer
// begins.
func (s *Server) export(ctx context.Context, in *exportInput) (*export, error) {
	from, to, err := parseRange(in.From, in.To)
	if err != nil {
		return nil, err
	}
	sel, err := s.selectPorts(ctx, in.DeviceID, in.PortNumber)
	if err != nil {
		return nil, err
	}
	x := &export{
		s: s, encoder: newReadingEncoder(sel, in.Calibration == "ingested"),
		scan: store.Scan{Series: sel.series, From: from, To: to, Desc: in.Order == "desc", Limit: scanPiece},
	}
	x.first, err = s.scan(ctx, x.scan)
	return x, err
}

// each gives take a piece, and reads the next when it is taken: nothing is held
// open in the store while the network is slow.
func (x *export) each(ctx context.Context, take func([]store.Row) error) error {
	rows := x.first
	x.first = nil
	for {
		if err := take(rows); err != nil {
			return err
		}
		if len(rows) < scanPiece {
			return nil
		}
		last := rows[len(rows)-1]
		x.scan.After = &store.RowKey{TS: last.Sample.TS, Series: last.Series}
		var err error
		if rows, err = x.s.scan(ctx, x.scan); err != nil {
			return err
		}
	}
}
