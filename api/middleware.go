package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics of the HTTP interface, by route, which are few.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	live     prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tidegate_api_requests_total", Help: "HTTP requests answered.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tidegate_api_request_duration_seconds", Help: "Time to answer an HTTP request, live connections left out.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10, 60},
		}, []string{"route"}),
		live: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tidegate_api_live_connections_count", Help: "Open WebSocket connections.",
		}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.live} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register api metrics: %w", err)
		}
	}
	return m, nil
}

const livePath = "/api/v1/live"

// observe gives a request its id and patience, and counts its answer.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		begin := time.Now()
		r := c.Request()
		id := idOf(r)
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), requestIDKey, id)))
		h := c.Response().Header()
		h.Set(requestIDHeader, id)
		guard(h, r.URL.Path)
		s.patience(c, begin)
		if err := next(c); err != nil {
			s.handleError(err, c)
		}
		route := c.Path()
		if route == "" {
			route = "other"
		}
		method := shownMethod(r.Method)
		if isHead(r.Context()) {
			method = http.MethodHead
		}
		s.metrics.requests.WithLabelValues(route, method, strconv.Itoa(c.Response().Status)).Inc()
		if route != livePath {
			s.metrics.seconds.WithLabelValues(route).Observe(time.Since(begin).Seconds())
		}
		s.logAnswer(c, method, route, time.Since(begin))
		return nil
	}
}

// shownMethod answers a method as metrics have it: of a client's own words there
// is no end.
func shownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return method
	}
	return "other"
}

// patience bounds how long the body may take to come and the answer to go, not
// how long it takes to make. Streams push it further with each piece.
func (s *Server) patience(c echo.Context, now time.Time) {
	r := c.Request()
	rc := http.NewResponseController(c.Response().Writer)
	// A writer without deadlines (in a test) has none to be set.
	_ = rc.SetWriteDeadline(time.Time{}) // of the request before
	c.Response().Before(func() { _ = rc.SetWriteDeadline(time.Now().Add(2 * s.o.bodyTimeout)) })
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	_ = rc.SetReadDeadline(now.Add(s.o.bodyTimeout))
	r.Body = &hurriedBody{r.Body, rc}
}

// hurriedBody lifts the deadline once the body is read: from then on the
// server reads only to learn whether the client is still there, and a deadline
// would pass for its end.
type hurriedBody struct {
	io.ReadCloser
	rc *http.ResponseController
}

func (b *hurriedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// contain turns a panic into a 500, except the one that breaks a connection.
func (s *Server) contain(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if e, ok := v.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(v)
			}
			s.log.LogAttrs(c.Request().Context(), slog.LevelError, "request panicked",
				slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			if c.Response().Committed {
				panic(http.ErrAbortHandler)
			}
			err = problem(http.StatusInternalServerError, "internal", "something went wrong inside; the server's log has the cause under this request id")
		}()
		return next(c)
	}
}

// sendPage answers everything that is not the API's with the web page, which
// brings its own content security policy.
func (s *Server) sendPage(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if s.o.Page == nil || ours(r.URL.Path) {
			return next(c)
		}
		c.Response().Header().Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		s.o.Page.ServeHTTP(c.Response(), r)
		return nil
	}
}

// authenticate stops whoever brings no credentials before anything of the
// request is looked at.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.URL.Path == telemetryPath {
			who, err := s.device(r, c.RealIP())
			if err != nil {
				return err
			}
			c.SetRequest(r.WithContext(context.WithValue(r.Context(), principalKey, who)))
			return next(c)
		}
		if _, ok := actorFrom(r.Context()); ok || !strings.HasPrefix(r.URL.Path, "/api") || !ours(r.URL.Path) || s.exempt(r) {
			return next(c)
		}
		a, err := s.credentials(r)
		if err != nil {
			return err
		}
		a.Remote = c.RealIP()
		if a.key != nil {
			s.noteKey(a.key, a.Remote)
		}
		c.SetRequest(r.WithContext(WithActor(r.Context(), a)))
		return next(c)
	}
}

// sameOrigin refuses what a page of another site asks for in the name of whoever
// looks at it. A page of an origin that the operator names may ask, but not with
// the browser's own credentials. The socket has no browser at its other end.
func (s *Server) sameOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		named := s.trusts(r.Header.Get("Origin")) && r.Header.Get("Cookie") == ""
		if _, onSocket := actorFrom(r.Context()); !onSocket && !named {
			if err := s.origins.Check(r); err != nil {
				return problem(http.StatusForbidden, "cross_origin", "a page of another site asked for this; a proxy in front must pass on the header Host")
			}
		}
		return next(c)
	}
}

// exempt reports whether a request brings credentials of another kind, or none:
// what is open to all, and a token as the first message of a live connection.
func (s *Server) exempt(r *http.Request) bool {
	if r.URL.Path == livePath {
		return r.Header.Get("Authorization") == "" && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
	}
	return s.openPaths[r.URL.Path]
}

// writeProblem answers err.
func (s *Server) writeProblem(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(r.Context(), err)
	for k, v := range p.GetHeaders() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(p) // the client is gone when it fails
	}
}
