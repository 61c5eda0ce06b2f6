package api

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// description is the OpenAPI document as tests hold answers against it.
type description struct {
	doc   *huma.OpenAPI
	paths []describedPath
}

type describedPath struct {
	template string
	matches  *regexp.Regexp
	item     *huma.PathItem
}

var parameter = regexp.MustCompile(`\\\{[^}]*\\\}`)

func newDescription(doc *huma.OpenAPI) *description {
	d := &description{doc: doc}
	for template, item := range doc.Paths {
		pattern := parameter.ReplaceAllString(regexp.QuoteMeta(template), "[^/]+")
		d.paths = append(d.paths, describedPath{template, regexp.MustCompile("^" + pattern + "$"), item})
	}
	// A path without parameters is the more exact one.
	slices.SortFunc(d.paths, func(a, b describedPath) int {
		return strings.Count(a.template, "{") - strings.Count(b.template, "{")
	})
	return d
}

func operations(item *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete}
	for method, op := range all {
		if op == nil {
			delete(all, method)
		}
	}
	return all
}

// operation answers which one a request asks for; nil: none.
func (d *description) operation(method, path string) *huma.Operation {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, p := range d.paths {
		if op := operations(p.item)[method]; op != nil && p.matches.MatchString(path) {
			return op
		}
	}
	return nil
}

// conforming holds each answer of a server against its description: no test
// gets a status, or a type, that is not documented.
func conforming(t testing.TB, d *description, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &seenWriter{ResponseWriter: w}
		next.ServeHTTP(seen, r)
		op := d.operation(r.Method, r.URL.EscapedPath())
		if op == nil || seen.status == 0 || seen.status == http.StatusRequestURITooLong || seen.status == http.StatusRequestHeaderFieldsTooLarge {
			return
		}
		if seen.status == http.StatusInternalServerError { // of tests that make something fail
			return
		}
		name := op.OperationID + " (" + r.Method + " " + r.URL.Path + ")"
		resp := d.response(op, seen.status)
		if resp == nil {
			t.Errorf("%s answers %d, which is not documented", name, seen.status)
			return
		}
		kind, _, _ := strings.Cut(seen.Header().Get("Content-Type"), ";")
		if _, ok := resp.Content[kind]; !ok && len(resp.Content) > 0 && r.Method != http.MethodHead && seen.status != http.StatusSwitchingProtocols {
			t.Errorf("%s answers %d as %q, which is not documented", name, seen.status, kind)
		}
	})
}

func (d *description) response(op *huma.Operation, status int) *huma.Response {
	for s, r := range op.Responses {
		if s != strconv.Itoa(status) {
			continue
		}
		if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
			return d.doc.Components.Responses[name]
		}
		return r
	}
	return nil
}

// seenWriter notes the status of an answer.
type seenWriter struct {
	http.ResponseWriter
	status int
}

func (w *seenWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *seenWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

func (w *seenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestEveryOperationIsDescribed: with what a reader needs, and a generator too.
func TestEveryOperationIsDescribed(t *testing.T) {
	b := newBox(t)
	doc := b.api.OpenAPI()
	known := map[string]bool{}
	for _, tag := range doc.Tags {
		known[tag.Name] = tag.Description != ""
	}
	described := 0
	for template, item := range doc.Paths {
		for method, op := range operations(item) {
			described++
			name := method + " " + template
			if op.OperationID == "" || op.Summary == "" || strings.HasSuffix(op.Summary, ".") || len(op.Tags) != 1 || !known[op.Tags[0]] {
				t.Errorf("%s: id %q, summary %q, tags %v; a tag is described in tags()", name, op.OperationID, op.Summary, op.Tags)
			}
			p, ok := b.policies[op.OperationID]
			if !ok {
				t.Errorf("%s has no policy", name)
			}
			if op.Security == nil || (len(op.Security) == 0) != (p.kind == isOpen) {
				t.Errorf("%s: policy %+v, security %v", name, p, op.Security)
			}
			for _, need := range op.Security {
				for scheme := range need {
					if doc.Components.SecuritySchemes[scheme] == nil {
						t.Errorf("%s needs %q, which is no scheme", name, scheme)
					}
				}
			}
			success := 0
			for status, r := range op.Responses {
				if strings.HasPrefix(status, "2") || status == "101" {
					success++
				} else if ref, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); !ok || doc.Components.Responses[ref] == nil {
					t.Errorf("%s: %s is described by %q", name, status, r.Ref)
				}
				if r.Ref == "" && r.Description == "" {
					t.Errorf("%s: %s has no description", name, status)
				}
			}
			if success != 1 || op.Responses["default"] != nil {
				t.Errorf("%s: %d successes", name, success)
			}
			for _, param := range op.Parameters {
				if param.Schema == nil || param.Name == "" {
					t.Errorf("%s: parameter %+v", name, param)
				}
			}
		}
	}
	if described != len(b.policies) || described < 40 {
		t.Errorf("%d operations are described, %d have a policy", described, len(b.policies))
	}
	// Components that nobody refers to are left over from something.
	text := string(must[[]byte](t)(json.Marshal(doc)))
	for name := range doc.Components.Responses {
		if !strings.Contains(text, `"#/components/responses/`+name+`"`) {
			t.Errorf("nothing answers %s", name)
		}
	}
	for name := range doc.Components.Schemas.Map() {
		if !strings.Contains(text, `"#/components/schemas/`+name+`"`) {
			t.Errorf("nothing is a %s", name)
		}
	}
}

func (b *box) operationByID(id string) *huma.Operation {
	for _, item := range b.api.OpenAPI().Paths {
		for _, op := range operations(item) {
			if op.OperationID == id {
				return op
			}
		}
	}
	return nil
}
