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

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
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
		id := uuid.NewString()
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), requestIDKey, id)))
		h := c.Response().Header()
		h.Set("X-Request-Id", id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		s.patience(c, begin)
		if err := next(c); err != nil {
			s.handleError(err, c)
		}
		route := c.Path()
		if route == "" {
			route = "other"
		}
		method := r.Method
		switch method {
		case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		default:
			method = "other"
		}
		s.metrics.requests.WithLabelValues(route, method, strconv.Itoa(c.Response().Status)).Inc()
		if route != livePath {
			s.metrics.seconds.WithLabelValues(route).Observe(time.Since(begin).Seconds())
		}
		return nil
	}
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
				slog.String("request_id", requestID(c.Request().Context())), slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			if c.Response().Committed {
				panic(http.ErrAbortHandler)
			}
			err = problem(http.StatusInternalServerError, "internal", "something went wrong inside; the server's log has the cause under this request id")
		}()
		return next(c)
	}
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

// ours reports whether a path belongs to the API and not to the page.
func ours(path string) bool {
	switch path {
	case "/api", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs":
		return true
	}
	return strings.HasPrefix(path, "/api/")
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
			who, err := s.device(r)
			if err != nil {
				return err
			}
			c.SetRequest(r.WithContext(context.WithValue(r.Context(), principalKey, who)))
			return next(c)
		}
		if _, ok := actorFrom(r.Context()); ok || !strings.HasPrefix(r.URL.Path, "/api") || !ours(r.URL.Path) || exempt(r) {
			return next(c)
		}
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			return errNoCredentials()
		}
		a, err := s.bearer(r.Context(), token)
		if err != nil {
			return err
		}
		a.Remote = c.RealIP()
		c.SetRequest(r.WithContext(WithActor(r.Context(), a)))
		return next(c)
	}
}

// exempt lists what brings credentials of another kind: a password in the
// body, a token as the first message.
func exempt(r *http.Request) bool {
	switch r.URL.Path {
	case "/api/v1/auth/login":
		return true
	case livePath:
		return r.Header.Get("Authorization") == "" && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
	}
	return false
}

// bearer answers who a token speaks for.
func (s *Server) bearer(ctx context.Context, token string) (Actor, error) {
	refused := problem(http.StatusUnauthorized, "unauthorized", "the token is not valid any more; log in again")
	c, err := s.tokens.verify(token)
	if err != nil {
		return Actor{}, refused
	}
	u, err := s.admin.o.Catalog.User(ctx, c.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Actor{}, refused
	case err != nil:
		return Actor{}, fmt.Errorf("look up user: %w", err)
	case version(u) != c.Version:
		return Actor{}, refused
	case u.Role != store.RoleCompanyAdmin:
		return Actor{}, errRole(u.Role)
	}
	return Actor{Name: "user:" + u.Email, Role: u.Role, User: &u}, nil
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
