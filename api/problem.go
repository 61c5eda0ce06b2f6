package api

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"tidegate/store"
)

// Problem is an answer that is not a success (RFC 9457).
type Problem struct {
	Type      string         `json:"type,omitempty" doc:"absent: about:blank"`
	Title     string         `json:"title" doc:"the status in words"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail,omitempty" doc:"what is wrong, and the way out"`
	Code      string         `json:"code" doc:"stable name of the kind of problem, such as not_found"`
	RequestID string         `json:"requestId,omitempty" doc:"also in the server's log"`
	Errors    []ProblemField `json:"errors,omitempty" nullable:"false" doc:"the offending parts of the request"`
	Limit     int64          `json:"limit,omitempty" doc:"the most there may be, when that is the problem"`
	Parameter string         `json:"parameter,omitempty" doc:"what the limit is of, such as body or query.limit"`

	retryAfter int    // seconds; 0: no header
	challenge  string // of a 401; empty: a bearer token
}

// ProblemField is one offending part of a request.
type ProblemField struct {
	Message  string `json:"message"`
	Location string `json:"location,omitempty" doc:"such as query.limit or body.name"`
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *Problem) GetHeaders() http.Header {
	h := http.Header{}
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", cmp.Or(p.challenge, `Bearer realm="tidegate"`))
	}
	return h
}

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

func problem(status int, code, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// invalidParam says what is wrong with one part of a request.
func invalidParam(location, message string) *Problem {
	p := problem(http.StatusUnprocessableEntity, "invalid", location+": "+message)
	p.Errors = []ProblemField{{Message: message, Location: location}}
	return p
}

// kinds maps what travels up to what goes out. The first match counts.
var kinds = []struct {
	err        error
	status     int
	code       string
	retryAfter int
	detail     string // when the error has no text for people
}{
	{
		store.ErrUncertain, http.StatusServiceUnavailable, "uncertain", 5,
		"the database went away while this was being changed there; look whether it was, before you try again",
	},
	{store.ErrNotFound, http.StatusNotFound, "not_found", 0, "it does not exist"},
	{store.ErrConflict, http.StatusConflict, "conflict", 0, "it is in the way of something that exists"},
	{store.ErrInvalid, http.StatusUnprocessableEntity, "invalid", 0, "the request is not valid"},
	{store.ErrFull, http.StatusServiceUnavailable, "full", 10, "there is no room now; nothing was taken, try again later"},
	{store.ErrUnavailable, http.StatusServiceUnavailable, "unavailable", 5, "a part that this needs is away, such as the database; try again later"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "timeout", 5, "it took too long; try again later, or ask for less"},
	{context.Canceled, http.StatusServiceUnavailable, "canceled", 1, "the request was cut off"},
}

// toProblem maps err; ok is false when it is one that nobody foresaw.
func toProblem(err error) (p *Problem, ok bool) {
	if errors.As(err, &p) {
		return p, true
	}
	for _, k := range kinds {
		if !errors.Is(err, k.err) {
			continue
		}
		p = problem(k.status, k.code, k.detail)
		p.retryAfter = k.retryAfter
		var e *store.Error
		if errors.As(err, &e) && errors.Is(e.Kind, k.err) {
			p.Detail = e.Error()
			if e.Field != "" {
				p.Errors = []ProblemField{{Message: e.Msg, Location: e.Field}}
			}
		}
		return p, true
	}
	return problem(http.StatusInternalServerError, "internal",
		"something went wrong inside; the server's log has the cause under this request id"), false
}

// problem answers what the client is told of err. What was not foreseen is
// logged here, where it stops.
func (s *Server) problem(ctx context.Context, err error) *Problem {
	p, ok := toProblem(err)
	if p.RequestID == "" {
		q := *p
		q.RequestID, q.Detail, q.Errors = requestID(ctx), cut(p.Detail), slices.Clone(p.Errors)
		for i := range q.Errors {
			q.Errors[i].Message = cut(q.Errors[i].Message)
		}
		p = &q
	}
	if !ok {
		s.log.LogAttrs(ctx, slog.LevelError, "request failed", slog.Any("error", err))
	}
	return p
}

// cut bounds a text that may hold what the client has sent.
func cut(s string) string {
	if len(s) <= maxTextBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxTextBytes], "") + " …"
}

const (
	maxTextBytes  = 1000
	maxFaultsTold = 20
)

// fromHuma rewrites the library's own errors, so that there is one shape.
func (s *Server) fromHuma(ctx huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problem(m.Status, codeOf(m.Status), m.Detail)
	p.RequestID = requestID(ctx.Context())
	for _, e := range m.Errors {
		if e == nil {
			continue
		}
		if len(p.Errors) == maxFaultsTold {
			break
		}
		// Values are not sent back: they may be secrets.
		f := ofDecoder(ProblemField{Message: cut(e.Message), Location: cut(e.Location)})
		p.Errors = append(p.Errors, f)
		if n := limitOf(f); n > 0 && p.Limit == 0 {
			p = p.limited(f.Location, n)
		}
	}
	if m.Status >= http.StatusInternalServerError {
		p.Detail, p.Errors = "something went wrong inside", nil
	} else if len(p.Errors) > 0 {
		var b strings.Builder
		for i, e := range p.Errors {
			if i > 0 {
				b.WriteString("; ")
			}
			b.WriteString(strings.TrimPrefix(e.Location+": ", ": ") + e.Message)
		}
		p.Detail = cut(b.String())
	}
	return p, nil
}

// decoderFault matches what encoding/json says of a value that its schema lets
// pass and its Go type does not hold, such as 1.0 for a whole number.
var decoderFault = regexp.MustCompile(`^json: cannot unmarshal (.+) into Go struct field [^.]*\.(\S+) of type (\S+)$`)

// ofDecoder says it without Go.
func ofDecoder(f ProblemField) ProblemField {
	if m := decoderFault.FindStringSubmatch(f.Message); m != nil {
		f.Location += "." + m[2]
		f.Message = m[1] + " is not taken here; write a whole number within range, without a point and an exponent"
		if !strings.Contains(m[3], "int") {
			f.Message = m[1] + " is not taken here"
		}
	}
	return f
}

func codeOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "method_not_allowed"
	case http.StatusRequestTimeout:
		return "timeout"
	case http.StatusRequestEntityTooLarge:
		return "too_large"
	case http.StatusUnsupportedMediaType:
		return "unsupported_media_type"
	case http.StatusTooManyRequests:
		return "too_many_requests"
	}
	if status >= http.StatusInternalServerError {
		return "internal"
	}
	return "invalid"
}

// handleError answers what escapes from a route: the router's own errors and
// ours.
func (s *Server) handleError(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	var he *echo.HTTPError
	if errors.As(err, &he) {
		detail := http.StatusText(he.Code)
		switch he.Code {
		case http.StatusNotFound:
			detail = "there is no such route; /openapi.json lists them"
		case http.StatusMethodNotAllowed:
			detail = c.Request().Method + " is not offered here; the header Allow says what is"
		}
		err = problem(he.Code, codeOf(he.Code), detail)
	}
	s.writeProblem(c.Response(), c.Request(), err)
}
