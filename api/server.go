package api

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"tidegate/ingest"
	"tidegate/ingest/live"
	"tidegate/store"
)

// Options of a Server. Fields without a comment are needed.
type Options struct {
	Admin    *Admin
	Readings store.Readings
	Letters  store.DeadLetters
	Pipeline Pipeline
	Live     *live.Hub

	Keys           Keys
	AccessTokenTTL time.Duration // 0: 15 minutes
	Version        string

	// Presence answers what the broker last saw of a device; nil: nothing.
	Presence func(uid uint32) store.Presence
	// Status, Backup and Retention answer 503 while they are nil.
	Status    func(context.Context) (Status, error)
	Backup    func(context.Context, io.Writer) error
	Retention Retention
	// Ready says why the server is not ready; nil: it always is.
	Ready func() error

	Metrics http.Handler // /metrics; nil: 404
	Page    http.Handler // all that is not the API; nil: 404

	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: no metrics
	Now        ingest.Clock          // nil: the time

	bodyTimeout time.Duration // 0: bodyTimeout; tests have less patience
}

// Pipeline is the way of messages into the store, and its books.
type Pipeline interface {
	// Submit takes a message. It may block to pace the sender; its Ack is told
	// once the message is on disk. ErrFull and ErrUnavailable refuse it.
	Submit(m *ingest.Message) error
	Ledger(ctx context.Context) (store.Ledger, error)
	// LedgerHours answers fromHour <= hour < toHour, in Unix hours, in order of
	// hour and device.
	LedgerHours(ctx context.Context, fromHour, toHour int64) ([]store.LedgerHour, error)
	// ReplayLetters brings dead letters back and answers what became of them.
	ReplayLetters(ctx context.Context, ids []store.LetterID, o ingest.ReplayOptions) (stored, duplicate, rejected int, err error)
}

// Retention drops whole months of readings.
type Retention interface {
	// KeepMonths is the configured number; 0: nothing is dropped.
	KeepMonths() int
	Preview(ctx context.Context, keepMonths int) ([]RetentionMonth, error)
	// Apply writes to the audit trail, under the context's actor, what it drops.
	Apply(ctx context.Context, keepMonths int) ([]RetentionMonth, error)
}

// Server answers HTTP.
type Server struct {
	o        Options
	admin    *Admin
	log      *slog.Logger
	echo     *echo.Echo
	api      huma.API
	tokens   *tokens
	throttle *throttle
	metrics  *metrics
	importer *importer
	live     *liveConns
}

// New makes a server. It listens to nothing yet.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.AccessTokenTTL == 0 {
		o.AccessTokenTTL = 15 * time.Minute
	}
	if o.bodyTimeout == 0 {
		o.bodyTimeout = bodyTimeout
	}
	t, err := newTokens(o.Keys, o.AccessTokenTTL, o.Now)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	s := &Server{
		o: o, admin: o.Admin, log: o.Logger, echo: echo.New(),
		tokens: t, throttle: newThrottle(o.Now), metrics: m,
	}
	s.importer, s.live = &importer{s: s}, newLiveConns()
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.IPExtractor = echo.ExtractIPDirect()
	s.echo.HTTPErrorHandler = s.handleError
	s.echo.Pre(s.observe, s.contain, s.normalize, s.sendPage, s.authenticate)
	s.api = humaecho.New(s.echo, s.openAPI())
	s.routes()
	delete(s.api.OpenAPI().Components.Schemas.Map(), "ErrorModel")
	delete(s.api.OpenAPI().Components.Schemas.Map(), "ErrorDetail")
	if err := s.routeDocuments(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) openAPI() huma.Config {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	registry.RegisterTypeAlias(reflect.TypeFor[store.Time](), reflect.TypeFor[time.Time]())
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "tidegate", Version: s.o.Version,
				Description: "Times are RFC 3339 in UTC with milliseconds; from is inclusive, to exclusive. " +
					"Errors are RFC 9457 problems. An unknown query parameter is an error.",
			},
			Components: &huma.Components{
				Schemas: registry,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token":  {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "from POST /api/v1/auth/login"},
					"device": {Type: "http", Scheme: "basic", Description: "a device's id or serial number, and its secret"},
				},
			},
			Security: []map[string][]string{{"token": {}}},
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{s.fromHuma},
	}
}

func (s *Server) routes() {
	s.routeLogin()
	s.routeOrganizations()
	s.routeUsers()
	s.routeDevices()
	s.routePorts()
	s.routeReadings()
	s.routeExports()
	s.routeImports()
	s.routeTelemetry()
	s.routeDeadLetters()
	s.routeLedger()
	s.routeAudit()
	s.routeOperation()
	s.routeLive()
}

// Handler answers the network.
func (s *Server) Handler() http.Handler { return s.echo }

// AdminHandler answers the owner-only socket: no login, the actor is the
// peer's uid, which ConnContext of AdminHTTP finds out.
func (s *Server) AdminHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := peerActor(r.Context())
		if !ok {
			s.writeProblem(w, r, problem(http.StatusForbidden, "forbidden", "the kernel does not say who is at the other end of this socket"))
			return
		}
		s.echo.ServeHTTP(w, r.WithContext(WithActor(r.Context(), a)))
	})
}

// The network's patience.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	bodyTimeout       = 30 * time.Second // for a whole body, or between two pieces of a stream
	maxHeaderBytes    = 32 << 10
)

// HTTP answers a server for Handler, with timeouts against slow clients. Its
// Shutdown ends live connections too, those of both servers.
func (s *Server) HTTP() *http.Server {
	h := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	h.RegisterOnShutdown(s.live.end)
	return h
}

// AdminHTTP answers a server for AdminHandler.
func (s *Server) AdminHTTP() *http.Server {
	h := s.HTTP()
	h.Handler, h.ConnContext = s.AdminHandler(), peerContext
	return h
}

// OpenAPI answers the description of all routes as JSON.
func (s *Server) OpenAPI() ([]byte, error) {
	b, err := s.api.OpenAPI().MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encode OpenAPI: %w", err)
	}
	return b, nil
}
