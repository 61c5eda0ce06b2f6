package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// examples are the requests of a first day, in order, and what was answered to
// each: the test that runs them writes the answers, so that none lags.
//
//go:embed examples.json
var examples []byte

// example is a request that works, or that fails as it says.
type example struct {
	Operation string            `json:"operation"`
	Name      string            `json:"name,omitempty"`    // empty: example
	Summary   string            `json:"summary,omitempty"` // empty: the operation's
	As        string            `json:"as,omitempty"`      // who asks: device, nobody; empty: a company-admin
	Path      map[string]string `json:"path,omitempty"`
	Query     map[string]string `json:"query,omitempty"`
	// From says which of the values are taken from earlier answers, because they
	// are others each time: the name of a parameter, of a field of the request, or
	// authorization, and operation/field of the answer; # takes what follows in a link.
	From    map[string]string `json:"from,omitempty"`
	Type    string            `json:"type,omitempty"`    // of the request; empty: application/json
	Request json.RawMessage   `json:"request,omitempty"` // a text when it is not JSON
	Status  int               `json:"status"`
	Answer  json.RawMessage   `json:"answer,omitempty"` // a text when it is not JSON; of a stream of JSON the last line
}

func parseExamples() ([]example, error) {
	var all []example
	if err := json.Unmarshal(examples, &all); err != nil {
		return nil, fmt.Errorf("read examples.json: %w", err)
	}
	return all, nil
}

// documentExamples adds the examples to the operations that they are of.
func (s *Server) documentExamples() error {
	all, err := parseExamples()
	if err != nil {
		return err
	}
	doc := s.api.OpenAPI()
	ops := map[string]*huma.Operation{}
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				ops[op.OperationID] = op
			}
		}
	}
	for _, e := range all {
		op := ops[e.Operation]
		if op == nil {
			return fmt.Errorf("examples.json: there is no operation %q", e.Operation)
		}
		if op.Responses[strconv.Itoa(e.Status)] == nil {
			return fmt.Errorf("examples.json: %s does not answer %d", e.Operation, e.Status)
		}
		e.document(doc, op)
	}
	return nil
}

func (e *example) document(doc *huma.OpenAPI, op *huma.Operation) {
	name := e.Name
	if name == "" {
		name = "example"
	}
	if op.RequestBody != nil && len(e.Request) > 0 && e.Status < 400 {
		kind := e.Type
		if kind == "" {
			kind = "application/json"
		}
		addExample(op.RequestBody.Content[kind], name, e.Summary, e.Request)
	}
	resp := op.Responses[strconv.Itoa(e.Status)]
	if ref, ok := strings.CutPrefix(resp.Ref, "#/components/responses/"); ok {
		// One answer for all operations: its examples are called after theirs.
		resp, name = doc.Components.Responses[ref], e.Operation
	} else {
		for _, p := range op.Parameters {
			if v, ok := e.valueOf(p); ok && p.Example == nil {
				p.Example = v
			}
		}
	}
	for _, m := range resp.Content {
		if op.RequestBody == nil && len(e.Request) > 0 { // of WebSocket
			addExample(m, "request", "of the client", e.Request)
		}
		addExample(m, name, e.Summary, e.Answer)
	}
}

// valueOf answers what an example says for a parameter, in the parameter's type.
func (e *example) valueOf(p *huma.Param) (any, bool) {
	text, ok := e.Path[p.Name]
	if p.In == "query" {
		text, ok = e.Query[p.Name]
	}
	if !ok {
		return nil, false
	}
	schema := p.Schema
	if schema.Type == huma.TypeArray {
		schema = schema.Items
	}
	var v any = text
	switch schema.Type {
	case huma.TypeInteger, huma.TypeNumber, huma.TypeBoolean:
		v = json.RawMessage(text)
	}
	if p.Schema.Type == huma.TypeArray {
		v = []any{v}
	}
	return v, true
}

func addExample(m *huma.MediaType, name, summary string, value json.RawMessage) {
	if m == nil || len(value) == 0 {
		return
	}
	if m.Examples == nil {
		m.Examples = map[string]*huma.Example{}
	}
	m.Examples[name] = &huma.Example{Summary: summary, Value: value}
}
