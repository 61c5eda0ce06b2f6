package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/api/client"
	"tidegate/ingest"
	"tidegate/ingest/buffer"
	"tidegate/ingest/live"
	"tidegate/store"
	"tidegate/store/archive"
	"tidegate/store/embedded"
)

// box is the real thing without MQTT: log, pipeline, embedded store, and the
// API on loopback and on a socket.
type box struct {
	*Server
	handler  http.Handler // of the network, held against its description
	url      string
	sockPath string
	local    *client.Client // over the socket
	catalog  *embedded.Catalog
	audit    *embedded.Audit
	kept     *embedded.Sessions
	state    *embedded.State
	alerts   *embedded.Alerts
	watchman *watchman
	registry *ingest.Registry
	hub      *live.Hub
	logged   *logBuffer

	mu  sync.Mutex
	cut []string // devices that were disconnected
}

// logBuffer takes what the server logs.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// newBox starts a box; change may alter the options of its server.
func newBox(t testing.TB, change ...func(*Options)) *box {
	t.Helper()
	dir := t.TempDir()
	b := &box{logged: &logBuffer{}}
	log := slog.New(slog.NewTextHandler(b.logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	reg := prometheus.NewRegistry()
	b.catalog = must[*embedded.Catalog](t)(embedded.OpenCatalog(filepath.Join(dir, "catalog.db"), embedded.CatalogOptions{}))
	b.audit = must[*embedded.Audit](t)(embedded.OpenAudit(filepath.Join(dir, "audit.log"), embedded.AuditOptions{Logger: log}))
	b.kept = must[*embedded.Sessions](t)(embedded.OpenSessions(filepath.Join(dir, "sessions.db"), embedded.SessionsOptions{Logger: log}))
	state := must[*embedded.State](t)(embedded.OpenState(filepath.Join(dir, "state.db"), embedded.StateOptions{Logger: log, Registerer: reg}))
	series := must[*embedded.SeriesStore](t)(embedded.OpenSeries(dir, embedded.SeriesOptions{Logger: log, Registerer: reg}))
	b.alerts = openAlarms(t, dir)
	buf := must[*buffer.Log](t)(buffer.Open(buffer.Options{
		Path: filepath.Join(dir, "buffer.db"), Logger: log, Registerer: reg,
		Fatal: func(err error) { t.Errorf("log: %v", err) },
	}))
	b.registry = must[*ingest.Registry](t)(ingest.NewRegistry(t.Context(), b.catalog, []byte("a key of the test"), time.Now))
	b.hub = must[*live.Hub](t)(live.New(live.Options{Registerer: reg}))
	flow := must[*ingest.Pipeline](t)(ingest.NewPipeline(ingest.Options{
		Log: buf, Series: series, State: state, Registry: b.registry, Live: b.hub,
		FlushInterval: time.Minute, FlushSize: 8 << 20, LogSize: 1 << 30,
		Rejected: func(org, device, line string) {
			b.hub.Publish([]live.Event{{Kind: live.KindRejection, OrgID: org, DeviceID: device, Line: line}})
		},
		Logger: log, Registerer: reg, Now: time.Now,
	}))
	ctx, stop := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- flow.Run(ctx) }()
	admin := NewAdmin(AdminOptions{
		Catalog: b.catalog, Audit: b.audit, Sessions: b.kept, KeyUses: b.kept, Registry: b.registry, Readings: series, Lifecycles: state, Logger: log,
		Disconnect: func(id, _ string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.cut = append(b.cut, id)
		},
	})
	o := Options{
		Admin: admin, Readings: series, Letters: state, Lifecycles: state, Pipeline: flow, Live: b.hub,
		Keys: Keys{Current: []byte("a key of the test that is long")}, Version: "test", Logger: log, Registerer: reg,
		Parquet: archive.Parquet,
		Sender:  newTestSender(t, netip.MustParsePrefix("127.0.0.0/8")),
		Page:    http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the page") }),
	}
	o.livePosition = time.Hour // a test that is slow must not hear of it
	b.withAlarms(&o)
	for _, c := range change {
		c(&o)
	}
	b.state = state
	b.Server = must[*Server](t)(New(o))

	tcp := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	// A short path: sockets have about 100 bytes.
	sockDir := must[string](t)(os.MkdirTemp("", "tg"))
	b.sockPath = filepath.Join(sockDir, "admin.sock")
	unix := must[net.Listener](t)(net.Listen("unix", b.sockPath))
	servers := []*http.Server{b.HTTP(), b.AdminHTTP()}
	d := newDescription(b.api.OpenAPI())
	for _, s := range servers {
		s.Handler = conforming(t, d, s.Handler)
	}
	b.handler = conforming(t, d, b.Server.Handler())
	for i, l := range []net.Listener{tcp, unix} {
		go func() {
			if err := servers[i].Serve(l); !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("serve: %v", err)
			}
		}()
	}
	b.url = "http://" + tcp.Addr().String()
	b.local = must[*client.Client](t)(client.New(client.Options{Socket: b.sockPath, UserAgent: "test"}))
	t.Cleanup(func() {
		b.local.Close()
		grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for _, s := range servers {
			if err := s.Shutdown(grace); err != nil {
				t.Errorf("shut down: %v", err)
			}
		}
		stop()
		if err := <-ran; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("pipeline: %v", err)
		}
		for _, err := range []error{buf.Close(), series.Close(), state.Close(), b.alerts.Close(), b.kept.Close(), b.audit.Close(), b.catalog.Close(), os.RemoveAll(sockDir)} {
			if err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
	return b
}

// Handler implements Server's, for requests without a network.
func (b *box) Handler() http.Handler { return b.handler }

const (
	annEmail    = "ann@example.org"
	annPassword = "correct horse"
)

// withSample makes acme, d1 with four ports and the secret S, and the
// administrator Ann.
func (b *box) withSample(t testing.TB) *box {
	t.Helper()
	ctx := t.Context()
	secret := "S"
	must[client.Organization](t)(b.local.CreateOrganization(ctx, client.NewOrganization{ID: "acme", Name: "Acme"}))
	must[client.Device](t)(b.local.CreateDevice(ctx, client.NewDevice{ID: "d1", OrgID: "acme", SerialNumber: "SN1", Secret: &secret, PortCount: 4}))
	must[client.User](t)(b.local.CreateUser(ctx, client.NewUser{Email: annEmail, Password: annPassword, Role: store.RoleCompanyAdmin}))
	return b
}

// remote answers a client on the network, with a token or without.
func (b *box) remote(t testing.TB, token string) *client.Client {
	t.Helper()
	c := must[*client.Client](t)(client.New(client.Options{BaseURL: b.url, Token: token}))
	t.Cleanup(c.Close)
	return c
}

// ann logs in.
func (b *box) ann(t testing.TB) client.Login {
	t.Helper()
	return must[client.Login](t)(b.remote(t, "").Login(t.Context(), annEmail, annPassword))
}

// importCSV brings in rows and waits until they are processed.
func (b *box) importCSV(t testing.TB, o client.ImportOptions, rows ...string) client.ImportCounts {
	t.Helper()
	csv := "ts,device,port,value\n" + strings.Join(rows, "\n")
	return must[client.ImportCounts](t)(b.local.ImportReadings(t.Context(), strings.NewReader(csv), o))
}

// do sends a request as it is and answers status, headers and body.
func (b *box) do(t testing.TB, method, path, token, contentType, body string) (*http.Response, string) {
	t.Helper()
	req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body)))
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return b.send(t, req)
}

func (b *box) send(t testing.TB, req *http.Request) (*http.Response, string) {
	t.Helper()
	resp := must[*http.Response](t)(http.DefaultTransport.RoundTrip(req))
	defer func() { _ = resp.Body.Close() }()
	return resp, string(must[[]byte](t)(io.ReadAll(resp.Body)))
}

// asEverybody asks without a network, as somebody who sees everything.
func (b *box) asEverybody(t testing.TB, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	rec := httptest.NewRecorder()
	b.Handler().ServeHTTP(rec, r.WithContext(WithActor(r.Context(), Actor{Name: "test", Access: store.Everything()})))
	return rec
}
