package mongo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

func mute() *slog.Logger { return slog.New(slog.DiscardHandler) }

// attach opens a Database, which is closed with the test.
func attach(t testing.TB, uri string) *Database {
	t.Helper()
	d, err := Open(Options{URI: uri, Logger: mute()})
	noError(t, err)
	t.Cleanup(func() { _ = d.Close(context.Background()) })
	return d
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually repeats what may fail with store.ErrUnavailable for a while.
func eventually(t testing.TB, fn func() error) {
	t.Helper()
	noError(t, persist(fn))
}

// persist is eventually for a goroutine, which cannot end the test.
func persist(fn func() error) error {
	deadline := time.After(time.Minute)
	for {
		err := fn()
		if !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		select {
		case <-deadline:
			return fmt.Errorf("it does not come back: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// within ends the test when fn hangs.
func within(t testing.TB, d time.Duration, fn func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- fn() }()
	select {
	case err := <-done:
		return err
	case <-time.After(d):
		t.Fatalf("no answer within %v", d)
		return nil
	}
}

// impatient is a URI by which a server that is away is not waited for for long.
func impatient(uri string) string {
	return uri + "&serverSelectionTimeoutMS=500&connectTimeoutMS=500"
}

// journal is a log that may be read while it is written.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(b)
}

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.buf.String(), text)
}

var _ io.Writer = (*journal)(nil)

// TestReady follows a Database from a server that is away over one that works
// to one that is lost and found, in the ways in which servers are away.
func TestReady(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		kind mongotest.Kind
		away func(*mongotest.Proxy, bool)
	}{
		{"refuses", mongotest.ReplicaSet, func(p *mongotest.Proxy, on bool) { p.Refuse(on) }},
		{"hangs", mongotest.Standalone, func(p *mongotest.Proxy, on bool) { p.Hang(on) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := mongotest.Shared(t, tt.kind)
			p := mongotest.NewProxy(t, server.Addr())
			tt.away(p, true)
			log, ctx := &journal{}, t.Context()
			// The monitor asks as often as it may, so that it finds out soon.
			uri := impatient(p.URI(server.URI(t, mongotest.Database(t)))) + "&heartbeatFrequencyMS=500"
			d, err := Open(Options{URI: uri, Logger: slog.New(slog.NewTextHandler(log, nil))})
			noError(t, err)
			defer func() { _ = d.Close(context.Background()) }()
			for range 2 {
				if err := within(t, readyPatience+5*time.Second, func() error { return d.Ready(ctx) }); !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("away at the start: %v", err)
				}
			}
			if s := d.Status(); s.Reachable || s.LastError == "" || s.Kind != "" || s.Database != d.uri.database || s.Hosts[0] != p.Addr() || s.Since.IsZero() {
				t.Errorf("away at the start: status %+v", s)
			}
			tt.away(p, false)
			eventually(t, func() error { return d.Ready(ctx) })
			s := d.Status()
			if !s.Reachable || s.LastError != "" || s.Kind != tt.kind.String() || s.Version == "" {
				t.Errorf("ready: status %+v", s)
			}
			if n := log.count("MongoDB is reachable"); n != 1 {
				t.Errorf("said %d times that it is reachable", n)
			}
			asked := p.Commands("listCollections") + p.Commands("buildInfo")
			noError(t, d.Ready(ctx))
			if n := p.Commands("listCollections") + p.Commands("buildInfo"); n != asked {
				t.Errorf("to be ready cost %d commands", n-asked)
			}

			tt.away(p, true)
			eventually(t, func() error { // until it has found out
				if err := d.Ready(ctx); errors.Is(err, store.ErrUnavailable) {
					return nil
				} else if err != nil {
					return err
				}
				return store.ErrUnavailable
			})
			eventually(t, func() error {
				if s := d.Status(); s.Reachable || s.LastError == "" || s.Version == "" {
					return store.ErrUnavailable
				}
				return nil
			})
			if n := log.count("MongoDB is away; what is acked waits in the log"); n != 1 {
				t.Errorf("said %d times that it is away", n)
			}
			tt.away(p, false)
			eventually(t, func() error { return d.Ready(ctx) })
			if s := d.Status(); !s.Reachable || s.LastError != "" {
				t.Errorf("ready again: status %+v", s)
			}
			if n := log.count("connected to MongoDB"); n != 1 {
				t.Errorf("said %d times what it is connected to", n)
			}
			if n := log.count("a standalone MongoDB has no retryable writes"); n != map[mongotest.Kind]int{mongotest.Standalone: 1}[tt.kind] {
				t.Errorf("said %d times that it is a standalone", n)
			}
		})
	}
}

// TestReadyEnds: who gives up, and a Database that is closed, let go of those
// who wait.
func TestReadyEnds(t *testing.T) {
	t.Parallel()
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	p := mongotest.NewProxy(t, server.Addr())
	p.Hang(true)
	defer p.Calm()
	d := attach(t, impatient(p.URI(server.URI(t, mongotest.Database(t)))))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Ready(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	d.patience = time.Millisecond
	if err := d.Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("out of patience: %v", err)
	}
	d.patience = time.Minute
	waiting := make(chan error)
	go func() { waiting <- d.Ready(t.Context()) }()
	noError(t, within(t, 10*time.Second, func() error { return d.Close(t.Context()) }))
	if err := within(t, 10*time.Second, func() error { return <-waiting }); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("closed while one waits: %v", err)
	}
	if err := d.Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "is closed") {
		t.Errorf("closed: %v", err)
	}
}

// TestReadySaysWhy: who is let go before the attempt has ended is told what
// stands in its way.
func TestReadySaysWhy(t *testing.T) {
	t.Parallel()
	d := attach(t, "mongodb://127.0.0.1:1/plant") // nobody listens there
	d.patience = time.Millisecond
	eventually(t, func() error {
		err := d.Ready(t.Context())
		if !errors.Is(err, store.ErrUnavailable) {
			t.Fatal(err)
		}
		if says := err.Error(); !strings.Contains(says, "does not answer: ") || !strings.Contains(says, "refused") {
			return err
		}
		return nil
	})
}

// TestReadyWrongPassword says so, and shows it nowhere.
func TestReadyWrongPassword(t *testing.T) {
	t.Parallel()
	for _, kind := range mongotest.Kinds() {
		server := mongotest.Shared(t, kind)
		log := &journal{}
		uri := impatient("mongodb://nobody:hunter2@" + server.Addr() + "/plant?directConnection=true")
		d, err := Open(Options{URI: uri, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		noError(t, err)
		err = d.Ready(t.Context())
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "Authentication failed") {
			t.Errorf("%v: %v", kind, err)
		}
		// Between attempts the driver's monitor sees connections end.
		d.monitor().ServerHeartbeatFailed(&event.ServerHeartbeatFailedEvent{Failure: errors.New("mongodb://nobody:hunter2@db: connection ended")})
		if s := d.Status(); !strings.Contains(s.LastError, "Authentication failed") {
			t.Errorf("%v: status %+v", kind, s)
		}
		noError(t, d.Close(t.Context()))
		if strings.Contains(err.Error(), "hunter2") || log.count("hunter2") > 0 || strings.Contains(d.Status().LastError, "hunter2") {
			t.Errorf("%v: the password is shown: %v", kind, err)
		}
	}
}

// TestReadyNotPrimary: a member that may not write is waited for.
func TestReadyNotPrimary(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t, mongotest.Options{})
	ctx := t.Context()
	direct, discovers := attach(t, impatient(server.URI(t, "plant")+"?directConnection=true")), attach(t, impatient(server.URI(t, "plant")+"?replicaSet=rs0"))
	server.Admin(t, func(c *mongo.Client) error {
		return c.Database("admin").RunCommand(ctx, bson.D{{Key: "replSetStepDown", Value: 600}, {Key: "force", Value: true}}).Err()
	})
	if err := direct.Ready(ctx); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "not the primary of rs0; name all members") {
		t.Errorf("asked directly: %v", err)
	}
	if s := direct.Status(); s.Reachable {
		t.Errorf("asked directly: status %+v", s)
	}
	if err := discovers.Ready(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("discovered: %v", err)
	}
	wrong := attach(t, impatient(server.URI(t, "plant")+"?replicaSet=another"))
	if err := wrong.Ready(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("of another replica set: %v", err)
	}
	server.Admin(t, func(c *mongo.Client) error {
		return c.Database("admin").RunCommand(ctx, bson.D{{Key: "replSetFreeze", Value: 0}}).Err()
	})
	for _, d := range []*Database{direct, discovers} {
		eventually(t, func() error { return d.Ready(ctx) })
	}
}

// TestReadyUninitiated tells of the step that whoever sets up a replica set
// forgets.
func TestReadyUninitiated(t *testing.T) {
	t.Parallel()
	server := mongotest.Start(t, mongotest.Options{Uninitiated: true})
	for _, options := range []string{"/?directConnection=true", "/?replicaSet=rs0", "/?appName=x"} {
		d := attach(t, impatient("mongodb://"+server.Addr()+options))
		if err := d.Ready(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "run rs.initiate() on it once") {
			t.Errorf("%s: %v", options, err)
		}
	}
}
