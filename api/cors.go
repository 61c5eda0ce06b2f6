package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// What a page of another origin may send and see.
const (
	corsMethods = "GET, HEAD, POST, PUT, PATCH, DELETE"
	corsTakes   = "Authorization, Content-Type, Content-Encoding, " + requestIDHeader
	corsShows   = requestIDHeader + ", Retry-After, Allow, Content-Disposition, WWW-Authenticate, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"
	corsMaxAge  = "600" // seconds that a browser may keep a preflight's answer
)

// shareCrossOrigin lets pages of the origins that the operator has named ask the
// API, with a token or key that they have themselves. Credentials of the browser
// (cookies) are never theirs: Access-Control-Allow-Credentials is not sent. To
// all others the answers are as if there were no such list.
func (s *Server) shareCrossOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	if len(s.o.CORSOrigins) == 0 {
		return next
	}
	return func(c echo.Context) error {
		r := c.Request()
		if p := r.URL.Path; !strings.HasPrefix(p, "/api/") && p != "/openapi.json" && p != "/asyncapi.json" {
			return next(c)
		}
		h := c.Response().Header()
		h.Add("Vary", "Origin") // also for those who are not named: a cache must not mix them up
		origin := r.Header.Get("Origin")
		if !s.trusts(origin) {
			return next(c)
		}
		h.Set("Access-Control-Allow-Origin", origin)
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			h.Set("Access-Control-Expose-Headers", corsShows)
			return next(c)
		}
		// A preflight. It carries no credentials, and tells nothing but this.
		h.Set("Access-Control-Allow-Methods", corsMethods)
		h.Set("Access-Control-Allow-Headers", corsTakes)
		h.Set("Access-Control-Max-Age", corsMaxAge)
		return c.NoContent(http.StatusNoContent)
	}
}

// trusts reports whether the operator has named an origin.
func (s *Server) trusts(origin string) bool {
	return origin != "" && slices.Contains(s.o.CORSOrigins, origin)
}

// fromElsewhere reports whether a request comes from a page of an origin that is
// neither this server's nor trusted.
func (s *Server) fromElsewhere(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || s.trusts(origin) {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}
