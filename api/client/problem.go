package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tidegate/store"
)

// Problem is an answer that is not a success (RFC 9457). errors.Is matches it
// with the store's sentinels.
type Problem struct {
	Status    int            `json:"status"`
	Title     string         `json:"title"`
	Detail    string         `json:"detail,omitempty"`
	Code      string         `json:"code"` // not_found, conflict, invalid, unavailable, full, …
	RequestID string         `json:"requestId,omitempty"`
	Errors    []ProblemField `json:"errors,omitempty"`
	Limit     int64          `json:"limit,omitempty"`     // the most there may be, when that is the problem
	Parameter string         `json:"parameter,omitempty"` // what the limit is of
	// RetryAfter is how long the server asks to wait; 0: it did not say.
	RetryAfter time.Duration `json:"-"`
}

// ProblemField is one offending part of a request.
type ProblemField struct {
	Message  string `json:"message"`
	Location string `json:"location"` // such as query.limit or body.name
	Value    any    `json:"value"`
}

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Detail)
	if p.Detail == "" {
		b.WriteString(p.Title)
	}
	for _, f := range p.Errors {
		if strings.Contains(p.Detail, f.Message) {
			continue // said already
		}
		b.WriteString("; ")
		if f.Location != "" {
			b.WriteString(f.Location + ": ")
		}
		b.WriteString(f.Message)
	}
	return b.String()
}

// Is matches the store's sentinels.
func (p *Problem) Is(target error) bool {
	switch target {
	case store.ErrNotFound:
		return p.Status == http.StatusNotFound
	case store.ErrConflict:
		return p.Status == http.StatusConflict
	case store.ErrInvalid:
		return p.Status == http.StatusBadRequest || p.Status == http.StatusUnprocessableEntity
	case store.ErrFull:
		return p.Code == "full"
	case store.ErrUnavailable:
		return p.Status == http.StatusServiceUnavailable && p.Code != "full"
	}
	return false
}

func readProblem(resp *http.Response) error {
	p := &Problem{}
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20)) // what arrived is all there is to say
	if json.Unmarshal(b, p) != nil || p.Status == 0 {
		p = &Problem{Title: http.StatusText(resp.StatusCode)}
		if len(b) > 0 && len(b) <= 200 {
			p.Detail = strings.TrimSpace(string(b))
		} else {
			p.Detail = fmt.Sprintf("the server answered %s", resp.Status)
		}
	}
	p.Status = resp.StatusCode
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
		p.RetryAfter = time.Duration(s) * time.Second
	}
	return p
}
