package api

import (
	"net"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"tidegate/store"
)

// Visitor is an input that knows the connection: who logs in has no actor yet.
type Visitor struct{ c echo.Context }

// Resolve implements huma.Resolver.
func (v *Visitor) Resolve(ctx huma.Context) []error {
	v.c = humaecho.Unwrap(ctx)
	return nil
}

// address answers where the request came from; empty: from the box's socket.
func (v *Visitor) address() string {
	if a := v.c.RealIP(); net.ParseIP(a) != nil {
		return a
	}
	return ""
}

// secure reports whether the browser speaks TLS. That a proxy says so can be
// believed: it makes cookies and links safer, and nothing else.
func (v *Visitor) secure() bool {
	r := v.c.Request()
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}

func (v *Visitor) agent() string { return store.CutUserAgent(v.c.Request().UserAgent()) }

// refreshCookie holds a browser's refresh token. Its path keeps it out of all
// other requests, and its attributes out of scripts and of other sites. (A name
// with __Host- would need the path /.)
const (
	refreshCookie = "tidegate_refresh"
	cookiePath    = "/api/v1/auth"
)

// cookie answers the refresh token that a browser has.
func (v *Visitor) cookie() (string, bool) { return readCookie(v.c.Request()) }

func readCookie(r *http.Request) (string, bool) {
	c, err := r.Cookie(refreshCookie)
	if err != nil || c.Value == "" {
		return "", false
	}
	return c.Value, true
}

// setCookie gives a browser its refresh token; an empty one takes it away.
func (v *Visitor) setCookie(token string, until time.Time) {
	c := &http.Cookie{
		Name: refreshCookie, Value: token, Path: cookiePath, Expires: until, MaxAge: int(time.Until(until).Seconds()),
		Secure: v.secure(), HttpOnly: true, SameSite: http.SameSiteStrictMode,
	}
	if token == "" {
		c.Expires, c.MaxAge = time.Unix(1, 0), -1
	}
	v.c.SetCookie(c)
}
