package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
)

// maxBody bounds a JSON body, unless its operation says otherwise.
const maxBody = 1 << 20

// readJSON reads a body for an operation that takes JSON, refuses what is none
// or is ambiguous, and leaves the rest to be read again by the library. An
// optional one may be empty; free are the keys whose values are not its own.
func readJSON(c echo.Context, limit int64, optional bool, free []string) error {
	r := c.Request()
	t := mediaType(r.Header)
	if t != "" && t != "application/json" && !strings.HasSuffix(t, "+json") {
		return errMediaType(r.Header, "application/json")
	}
	b, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, limit))
	if err != nil {
		return errBody(err)
	}
	if len(b) == 0 && optional {
		r.Body = http.NoBody
		return nil
	}
	if len(b) == 0 {
		return problem(http.StatusBadRequest, "invalid", "the body is empty; this takes JSON")
	}
	if err := checkJSON(b, true, free...); err != nil {
		p := problem(http.StatusBadRequest, "invalid", "the body: "+err.Error())
		p.Errors = []ProblemField{{Message: err.Error(), Location: "body"}}
		return p
	}
	r.Header.Set("Content-Type", "application/json")
	r.Body = io.NopCloser(bytes.NewReader(b))
	return nil
}

// mediaType answers the Content-Type without its parameters, which change
// nothing: JSON and CSV are UTF-8 here. Empty: none was sent.
func mediaType(h http.Header) string {
	sent := h.Get("Content-Type")
	if sent == "" {
		return ""
	}
	t, _, err := mime.ParseMediaType(sent)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return "invalid"
	}
	return t
}

// checkMediaType holds the type of a body that is read as a stream against
// those that it may have.
func checkMediaType(h http.Header, body *huma.RequestBody) error {
	t := mediaType(h)
	if _, ok := body.Content[t]; ok || t == "" || t == "application/octet-stream" {
		return nil
	}
	return errMediaType(h, sortedKeys(body.Content)...)
}

func errMediaType(h http.Header, takes ...string) *Problem {
	slices.Sort(takes)
	return problem(http.StatusUnsupportedMediaType, "unsupported_media_type",
		fmt.Sprintf("the Content-Type %q is not taken here; send %s", h.Get("Content-Type"), strings.Join(takes, " or ")))
}

// errBody says what is wrong with a body that could not be read.
func errBody(err error) error {
	var tooLarge *http.MaxBytesError
	var timeout net.Error
	switch {
	case errors.As(err, &tooLarge):
		return problem(http.StatusRequestEntityTooLarge, "too_large",
			fmt.Sprintf("the body is larger than %d bytes; send less at once", tooLarge.Limit)).limited("body", tooLarge.Limit)
	case errors.As(err, &timeout) && timeout.Timeout():
		return problem(http.StatusRequestTimeout, "timeout", "the body did not come in time; send it again")
	}
	// The cause is the client's, and at most its own network's.
	return problem(http.StatusBadRequest, "invalid", "the body broke off, or is not as its headers say")
}

// freeKeys lists those of a body whose values are handed on as they are.
func freeKeys(body reflect.Type) (keys []string) {
	if body.Kind() != reflect.Struct {
		return nil
	}
	for i := range body.NumField() {
		if f := body.Field(i); f.Type == reflect.TypeFor[json.RawMessage]() {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			keys = append(keys, strings.ToLower(key))
		}
	}
	return keys
}

// bodyLimit answers how large the JSON body of an operation may be.
func bodyLimit(op *huma.Operation) int64 { return cmp.Or(op.MaxBodyBytes, maxBody) }
