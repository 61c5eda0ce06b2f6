package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
)

// List is one page.
type List[T any] struct {
	Items      []T    `json:"items" nullable:"false"`
	NextCursor string `json:"nextCursor,omitempty" doc:"give it as cursor to get the next page; absent: this is the last"`
}

// answer is an output with a body.
type answer[T any] struct{ Body T }

type none struct{}

// PageInput is how lists are asked for.
type PageInput struct {
	Cursor string `query:"cursor" maxLength:"2048" doc:"nextCursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"items a page"`
}

// page cuts items, of which one more than limit was asked for, to a page.
func page[S, T any](items []S, limit int, cursor func(S) string, convert func(S) T) List[T] {
	l := List[T]{Items: make([]T, 0, min(len(items), limit))}
	for i, it := range items {
		if i == limit {
			l.NextCursor = cursor(items[i-1])
			break
		}
		l.Items = append(l.Items, convert(it))
	}
	return l
}

// route registers an operation under a policy. h runs for those alone whom the
// policy lets in, with an actor in its context unless the operation is open;
// its errors become problems.
func route[I, O any](s *Server, p policy, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	if p.kind == 0 {
		panic(op.OperationID + " has no policy")
	}
	s.policies[op.OperationID] = p
	if p.kind == isOpen {
		s.openPaths[op.Path] = true
	}
	// The library would read, and judge, a body that is described to it.
	stream := op.RequestBody
	op.RequestBody = nil
	op.BodyReadTimeout = -1 // the body is read by then, see readJSON
	body, takesJSON := reflect.TypeFor[I]().FieldByName("Body")
	optional := takesJSON && body.Type.Kind() == reflect.Pointer
	var free []string
	if takesJSON {
		free = freeKeys(body.Type)
	}
	limit := bodyLimit(&op)
	op.Security = securityOf(p)
	if n := needs(p); n != "" {
		op.Extensions = map[string]any{"x-needs": n}
	}
	documentProblems(&op, problemsOf(p, &op, reflect.TypeFor[I](), takesJSON || stream != nil))
	op.MaxBodyBytes = limit + 1 // which the library takes for one too many
	known := queryParams(reflect.TypeFor[I]())
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		c := humaecho.Unwrap(ctx)
		err := p.judge(ctx.Context())
		if bad := checkQuery(ctx, known); err == nil && bad != nil {
			err = bad
		}
		switch {
		case err != nil:
		case takesJSON:
			err = readJSON(c, limit, optional, free)
		case stream != nil && p.kind != isDevice: // what a device sends is kept, whatever it is called
			err = checkMediaType(c.Request().Header, stream)
		}
		if err != nil {
			s.writeProblem(c.Response(), c.Request(), err)
			return
		}
		next(ctx)
	})
	huma.Register(s.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, err)
		}
		return out, nil
	})
	described := operationOf(s.api.OpenAPI().Paths[op.Path], op.Method)
	describeParameters(described, reflect.TypeFor[I]())
	if stream != nil {
		described.RequestBody = stream
	}
}

func operationOf(item *huma.PathItem, method string) *huma.Operation {
	switch method {
	case http.MethodGet:
		return item.Get
	case http.MethodPut:
		return item.Put
	case http.MethodPatch:
		return item.Patch
	case http.MethodDelete:
		return item.Delete
	}
	return item.Post
}

func (s *Server) schema(t reflect.Type) *huma.Schema {
	return s.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
}

// streams documents a success that is not one JSON value.
func streams(contentType, description string, schema *huma.Schema) map[string]*huma.Response {
	return map[string]*huma.Response{"200": {
		Description: description, Content: map[string]*huma.MediaType{contentType: {Schema: schema}},
	}}
}

// takes documents a body that is read as a stream.
func takes(description string, contentTypes ...string) *huma.RequestBody {
	b := &huma.RequestBody{Description: description, Required: true, Content: map[string]*huma.MediaType{}}
	for _, t := range contentTypes {
		b.Content[t] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	}
	return b
}

type paramKind struct{ many bool }

// queryParams lists the query parameters of an input type.
func queryParams(t reflect.Type) map[string]paramKind {
	known := map[string]paramKind{}
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && f.Type.Kind() == reflect.Struct {
			for k, v := range queryParams(f.Type) {
				known[k] = v
			}
			continue
		}
		if name, _, _ := strings.Cut(f.Tag.Get("query"), ","); name != "" {
			known[name] = paramKind{many: f.Type.Kind() == reflect.Slice}
		}
	}
	return known
}

// checkQuery refuses parameters that are unknown, empty, or given twice where
// one counts.
func checkQuery(ctx huma.Context, known map[string]paramKind) *Problem {
	u := ctx.URL()
	if u.RawQuery == "" {
		return nil
	}
	q := u.Query()
	names := make([]string, 0, len(q))
	for name := range q {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		k, ok := known[name]
		switch {
		case !ok && len(known) == 0:
			return invalidParam("query."+name, "is unknown; this route takes no parameters")
		case !ok:
			return invalidParam("query."+name, "is unknown; this route takes "+strings.Join(sortedKeys(known), ", "))
		case slices.Contains(q[name], ""):
			return invalidParam("query."+name, "is empty; leave it out, or give it a value")
		case !k.many && len(q[name]) > 1:
			return invalidParam("query."+name, fmt.Sprintf("is given %d times; once is allowed", len(q[name])))
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func errNoCredentials() *Problem {
	return problem(http.StatusUnauthorized, "unauthorized",
		"log in at POST /api/v1/auth/login and send the token as Authorization: Bearer …, or an API key the same way")
}
