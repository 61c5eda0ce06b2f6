package api

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"tidegate/store"
)

// ImportCounts is how far an import is: received = stored + duplicate +
// rejected once it is done.
type ImportCounts struct {
	Rows           uint64 `json:"rows" doc:"read so far, without the header"`
	Malformed      uint64 `json:"malformed" doc:"rows that are none; nothing was received of them"`
	Received       uint64 `json:"received" doc:"readings that are on disk"`
	Stored         uint64 `json:"stored"`
	Duplicate      uint64 `json:"duplicate"`
	Rejected       uint64 `json:"rejected" doc:"dead letters"`
	DevicesCreated uint64 `json:"devicesCreated"`
	PortsCreated   uint64 `json:"portsCreated"`
}

// ImportLine is one line of the answer to an import. The last is a result or
// an error.
type ImportLine struct {
	Type string `json:"type" enum:"progress,row,result,error"`
	*ImportCounts
	Line    uint64   `json:"line,omitempty" doc:"row: of the file"`
	Reason  string   `json:"reason,omitempty" doc:"row: malformed_csv, or that of the dead letter"`
	Detail  string   `json:"detail,omitempty" doc:"row"`
	Problem *Problem `json:"problem,omitempty" doc:"error"`
}

type importInput struct {
	OrgID  string `query:"orgId" as:"id" doc:"of the devices; needed to create"`
	Create bool   `query:"create" doc:"make missing devices and ports"`
	hc     huma.Context
}

// Resolve keeps the request, whose body is read as a stream.
func (i *importInput) Resolve(ctx huma.Context) []error {
	i.hc = ctx
	return nil
}

// Bounds of imports.
const (
	importsAtOnce    = 4
	importInFlight   = 64     // messages of an import on their way
	importGroupRows  = 1000   // readings a message
	importGroupBytes = 256000 // of payload a message
	importOpenRows   = 20_000 // rows that wait for their message to fill
	importRowsTold   = 1000   // rows answered one by one; the counts hold all
	importTick       = time.Second

	importRetrySeconds = 10
)

// importer bounds how many imports run at once.
type importer struct {
	s       *Server
	running atomic.Int32
}

func (s *Server) routeImports() {
	line := s.schema(reflect.TypeFor[ImportLine]())
	s.api.OpenAPI().Components.Schemas.SchemaFromRef(line.Ref).Required = []string{"type"} // the counts are not in every line
	route(s, ingests, huma.Operation{
		OperationID: "import-readings", Method: http.MethodPost, Path: "/api/v1/imports/readings", Tags: []string{"readings"},
		Summary: "Bring in readings as CSV, with their own times",
		Description: "Header ts,device,port,value; a file of the export works too. Content-Encoding: gzip is understood. " +
			"Progress is answered while the body is read. An import that was cut off is repeated from its start: " +
			"what is there is a duplicate. The first 1,000 rows that did not become readings are told one by one.",
		RequestBody: takes("any number of rows", "text/csv", "application/gzip"),
		Responses:   streams("application/x-ndjson", "one JSON object a line", line),
	}, s.importer.start)
}

// start checks what can be checked before the first byte of the answer.
func (im *importer) start(ctx context.Context, in *importInput) (*huma.StreamResponse, error) {
	if in.Create && in.OrgID == "" {
		return nil, invalidParam("query.orgId", "is needed with create: new devices must belong to an organization")
	}
	if actor, _ := actorFrom(ctx); in.Create && !actor.Access.May(store.ActionWrite) {
		return nil, errForbidden(actor, store.ActionWrite)
	}
	if in.OrgID != "" {
		if _, err := im.s.admin.seen(ctx).organization(ctx, in.OrgID); err != nil {
			return nil, err
		}
	}
	if im.s.o.Pipeline.Trouble() != "" {
		// It would wait for its verdicts, and say nothing.
		return nil, store.Unavailable("import", "the store does not take readings at present; try again once `tidegate status` says that it does")
	}
	if im.running.Add(1) > importsAtOnce {
		im.running.Add(-1)
		p := problem(http.StatusServiceUnavailable, "full", fmt.Sprintf("import: %d run already, which is the most at once; try again when one is done", importsAtOnce))
		p.retryAfter = importRetrySeconds
		return nil, p.limited("imports", importsAtOnce)
	}
	c := humaecho.Unwrap(in.hc)
	rc := http.NewResponseController(c.Response().Writer)
	_ = rc.EnableFullDuplex() // HTTP/2 needs none
	body := io.Reader(patientReader{c.Request().Body, rc, im.s.o.bodyTimeout})
	rows, err := openRows(body, c.Request().Header)
	if err != nil {
		im.running.Add(-1)
		return nil, err
	}
	actor, _ := actorFrom(ctx)
	f := newImportFlow(im.s, in, actor.Name, rows)
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		defer im.running.Add(-1)
		w := newStream(c.Response(), "application/x-ndjson")
		ctx, cancel := context.WithCancel(hc.Context())
		var err error
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			err = f.run(ctx)
		}()
		defer func() {
			cancel()
			select {
			case <-ended:
			default:
				// Wakes a read of the body, which must end before the request does.
				_ = rc.SetReadDeadline(time.Now())
				<-ended
			}
		}()
		tick := time.NewTicker(importTick)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f.tell(w, ImportLine{Type: "progress"})
			case <-ended:
				last := ImportLine{Type: "result"}
				if err != nil {
					last = ImportLine{Type: "error", Problem: im.s.problem(ctx, err)}
				}
				f.tell(w, last)
				return
			}
		}
	}}, nil
}

// openRows reads the header of a body that may be compressed.
func openRows(body io.Reader, h http.Header) (*rowReader, error) {
	if h.Get("Content-Encoding") == "gzip" || h.Get("Content-Type") == "application/gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, invalidParam("body", "it is not gzip")
		}
		body = z
	}
	return newRowReader(body)
}

// patientReader gives the client time for each piece, and not for the whole.
type patientReader struct {
	r  io.Reader
	rc *http.ResponseController
	d  time.Duration
}

func (p patientReader) Read(b []byte) (int, error) {
	_ = p.rc.SetReadDeadline(time.Now().Add(p.d)) // a writer without deadlines has none
	return p.r.Read(b)
}

// tell sends the rows that wait to be told, then l with the counts.
func (f *importFlow) tell(w *stream, l ImportLine) {
	counts, rows := f.snapshot()
	l.ImportCounts = &counts
	for _, row := range append(rows, l) {
		b, err := json.Marshal(row)
		if err != nil {
			w.abort()
		}
		w.buf = append(append(w.buf, b...), '\n')
		w.full()
	}
	w.send()
	_ = w.rc.Flush() // what cannot be flushed fails at the next write
}

// bodyFailed makes what a client did to its body a problem.
func bodyFailed(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, io.ErrUnexpectedEOF) {
		return problem(http.StatusUnprocessableEntity, "invalid", "the body broke off or is damaged; what came before is counted here, repeat the import")
	}
	return errBody(err)
}
