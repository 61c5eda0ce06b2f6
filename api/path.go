package api

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/labstack/echo/v4"
)

// ours reports whether a path belongs to the API and not to the page, also one
// that is written oddly, so that //api/v1/devices is not answered with a page.
func ours(p string) bool { return own(p) || own(path.Clean(p)) }

func own(p string) bool {
	switch p {
	case "/api", "/healthz", "/readyz", "/metrics", "/openapi.json", "/asyncapi.json", "/docs":
		return true
	}
	return strings.HasPrefix(p, "/api/")
}

// normalize makes the router see decoded paths: %3A in an id is a colon. Only
// an encoded slash keeps its path as it came, so that it matches no id.
func (s *Server) normalize(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		if u.RawPath != "" && !strings.Contains(strings.ToLower(u.RawPath), "%2f") {
			u.RawPath = ""
		}
		return next(c)
	}
}

// straighten refuses paths that others would take for the same as another one:
// there is one address for each thing, and a proxy's rules hold for it. It
// comes behind authentication, whose answer does not depend on the path.
func (s *Server) straighten(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if clean := path.Clean(r.URL.Path); clean != r.URL.Path {
			return problem(http.StatusNotFound, "not_found", fmt.Sprintf(
				"there is no such route; a path has no slash at its end, none twice, and no dots alone: %.200s", clean))
		}
		c.Response().Before(func() {
			// The router knows nothing of heads.
			if allow := c.Response().Header().Get(echo.HeaderAllow); strings.Contains(allow, http.MethodGet) {
				c.Response().Header().Set(echo.HeaderAllow, strings.Replace(allow, http.MethodGet, "GET, HEAD", 1))
			}
		})
		return next(c)
	}
}

// heads asks the routes of GET for HEAD too, as RFC 9110 wants; net/http keeps
// the body back.
func heads(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead && ours(r.URL.Path) {
			r = r.WithContext(context.WithValue(r.Context(), headKey, true)) // a copy: the server's own stays HEAD
			r.Method = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

// isHead reports whether only the headers of an answer are asked for.
func isHead(ctx context.Context) bool {
	head, _ := ctx.Value(headKey).(bool)
	return head
}
