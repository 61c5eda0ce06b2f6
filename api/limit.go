package api

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"

	"github.com/labstack/echo/v4"
)

// Limits of a request before its body. net/http itself ends a request whose
// line and headers have more than hardHeaderBytes, in its own words; below that
// the answer is a problem.
const (
	maxURLBytes     = 16 << 10
	maxHeaderBytes  = 32 << 10
	hardHeaderBytes = 64 << 10
)

// bound refuses a request that is larger than anybody needs.
func (s *Server) bound(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if n := len(r.RequestURI); n > maxURLBytes {
			return problem(http.StatusRequestURITooLong, "too_long",
				fmt.Sprintf("the address has %d bytes, at most %d are read; ask for less at once", n, maxURLBytes)).limited("url", maxURLBytes)
		}
		n := len(r.Host)
		for name, values := range r.Header {
			for _, v := range values {
				n += len(name) + len(v) + len(": \r\n")
			}
		}
		if n > maxHeaderBytes {
			return problem(http.StatusRequestHeaderFieldsTooLarge, "too_large",
				fmt.Sprintf("the headers have %d bytes, at most %d are read; send fewer, such as cookies of others", n, maxHeaderBytes)).limited("header", maxHeaderBytes)
		}
		return next(c)
	}
}

// limited says which limit was met, for programs; the detail says it to people.
func (p *Problem) limited(parameter string, limit int64) *Problem {
	p.Parameter, p.Limit = parameter, limit
	return p
}

// expected matches what the library says of a value beyond a maximum.
var expected = regexp.MustCompile(`^expected (number|length|array length) <= (\d+)$`)

// limitOf answers the maximum that a fault names; 0: it is about something else.
func limitOf(f ProblemField) int64 {
	m := expected.FindStringSubmatch(f.Message)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseInt(m[2], 10, 64) // digits alone
	return n
}
