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
	SessionTTL     time.Duration // of a session that is not used; 0: 30 days
	Version        string
	// SetupToken lets whoever has it make the first user, while there is none;
	// empty: nobody.
	SetupToken string
	// Address is where a browser on the box finds the page, for links that are
	// asked for over the socket; nil: http://localhost.
	Address     func() string
	CORSOrigins []string // whose pages may ask; as browsers write them

	// RateLimit is how many requests a second a person or key may make, and
	// RateLimitAddress an address without a login; twice as many at once. 0: no limit.
	RateLimit, RateLimitAddress int

	// LiveConnections is how many live connections there may be, and
	// LiveConnectionsUser how many of one person or key. 0: 2000 and 64.
	LiveConnections, LiveConnectionsUser int

	// Alarms keeps episodes, silences and notifications. Episodes changes the
	// first, and Resender sends the last again. What needs one that is nil answers
	// 503.
	Alarms   Alarms
	Episodes Episodes
	Resender Resender

	// Commands keeps what devices are told to do, and Dispatcher brings it to them.
	// What needs one that is nil answers 503.
	Commands   store.Commands
	Dispatcher Dispatcher

	// Presence answers what the broker last saw of a device; nil: nothing.
	Presence func(uid uint32) store.Presence
	// Pulse answers when a device was last heard of by a message since the start,
	// and its readings a second of late; nil: nothing.
	Pulse func(uid uint32) (heard time.Time, perSecond float64)
	// Lifecycles answers the comings and goings of devices; nil: 503.
	Lifecycles Lifecycles
	// Status, Doctor, Settings, Backup and Retention answer 503 while they are nil.
	Status    func(context.Context) (Status, error)
	Doctor    func(context.Context) ([]Check, error)
	Settings  func() []Setting
	Backup    func(context.Context, io.Writer) error
	Retention Retention
	Sender    ChannelSender // nil: nothing is sent
	// Parquet begins a file of readings; nil: 503.
	Parquet func(io.Writer) store.ReadingWriter
	// Ready says why the server is not ready; nil: it always is.
	Ready func() error

	Metrics http.Handler // /metrics; nil: 404
	Page    http.Handler // all that is not the API; nil: 404

	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: no metrics
	Now        ingest.Clock          // nil: the time

	bodyTimeout  time.Duration // 0: bodyTimeout; tests have less patience
	livePosition time.Duration // 0: livePosition
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
	// Trouble says why the store takes no readings at present; empty: it does.
	Trouble() string
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
	sessions store.Sessions
	origins  *http.CrossOriginProtection
	throttle *throttle
	metrics  *metrics
	importer *importer
	live     *liveConns
	gzips    *gzips
	rates    *rates
	doctor   *doctor
	policies map[string]policy // by operation
	// openPaths are those of operations that are open to all.
	openPaths map[string]bool
}

// New makes a server. It listens to nothing yet.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.AccessTokenTTL == 0 {
		o.AccessTokenTTL = 15 * time.Minute
	}
	if o.SessionTTL == 0 {
		o.SessionTTL = 30 * 24 * time.Hour
	}
	if o.Address == nil {
		o.Address = func() string { return "http://localhost" }
	}
	if o.bodyTimeout == 0 {
		o.bodyTimeout = bodyTimeout
	}
	if o.livePosition == 0 {
		o.livePosition = livePosition
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
		o: o, admin: o.Admin, log: slog.New(requestLog{o.Logger.Handler()}), echo: echo.New(),
		tokens: t, sessions: o.Admin.o.Sessions, origins: http.NewCrossOriginProtection(),
		throttle: newThrottle(o.Now), metrics: m, policies: map[string]policy{}, openPaths: map[string]bool{},
	}
	if s.rates, err = newRates(o); err != nil {
		return nil, err
	}
	s.importer, s.live, s.gzips = &importer{s: s}, newLiveConns(o.LiveConnections, o.LiveConnectionsUser), newGzips()
	s.doctor = newDoctor(o)
	s.echo.HideBanner, s.echo.HidePort = true, true
	s.echo.IPExtractor = echo.ExtractIPDirect()
	s.echo.HTTPErrorHandler = s.handleError
	s.echo.Pre(s.observe, s.compress, s.contain, s.shareCrossOrigin, s.bound, s.normalize, s.sendPage, s.limitStrangers, s.sameOrigin, s.authenticate, s.limitCallers, s.straighten)
	s.api = humaecho.New(s.echo, s.openAPI())
	s.documentAnswers()
	s.routes()
	if err := s.documentExamples(); err != nil {
		return nil, err
	}
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
	registry.RegisterTypeAlias(reflect.TypeFor[store.Duration](), reflect.TypeFor[duration]())
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "tidegate", Version: s.o.Version,
				Description: preface,
			},
			Components: &huma.Components{
				Schemas: registry, SecuritySchemes: securitySchemes(),
			},
			Security: securityOf(reads),
			Tags:     tags(),
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{s.fromHuma},
	}
}

func (s *Server) routes() {
	s.routeLogin()
	s.routeSessions()
	s.routeOrganizations()
	s.routeUsers()
	s.routeAPIKeys()
	s.routeDevices()
	s.routeLifecycle()
	s.routeCommands()
	s.routePorts()
	s.routeAlertRules()
	s.routeAlertTest()
	s.routeChannels()
	s.routeChannelTest()
	s.routeReadings()
	s.routeExports()
	s.routeImports()
	s.routeTelemetry()
	s.routeAlertEvents()
	s.routeSilences()
	s.routeNotifications()
	s.routeDeadLetters()
	s.routeLedger()
	s.routeAudit()
	s.routeOperation()
	s.routeDoctor()
	s.routeSettings()
	s.routeLive()
}

// Handler answers the network.
func (s *Server) Handler() http.Handler { return heads(s.echo) }

// AdminHandler answers the owner-only socket: no login, the actor is the
// peer's uid, which ConnContext of AdminHTTP finds out.
func (s *Server) AdminHandler() http.Handler {
	network := s.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := peerActor(r.Context())
		if !ok {
			s.writeProblem(w, r, problem(http.StatusForbidden, "forbidden", "the kernel does not say who is at the other end of this socket"))
			return
		}
		network.ServeHTTP(w, r.WithContext(WithActor(r.Context(), a)))
	})
}

// The network's patience.
const (
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	bodyTimeout       = 30 * time.Second // for a whole body, or between two pieces of a stream
)

// HTTP answers a server for Handler, with timeouts against slow clients. Its
// Shutdown ends live connections too, those of both servers.
func (s *Server) HTTP() *http.Server {
	h := &http.Server{
		Handler: s.Handler(), ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: hardHeaderBytes, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
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
