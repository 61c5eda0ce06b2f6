package mongo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"tidegate/store"
)

const (
	// until a server that takes writes is found, and, which the driver counts too,
	// a connection to it: with TLS and login that takes a small machine seconds
	selectionPatience = 10 * time.Second
	connectPatience   = 10 * time.Second
	readyPatience     = 10 * time.Second // of one that waits for Ready
	helloPatience     = 10 * time.Second // it may be the first to use a connection
	schemaPatience    = 10 * time.Minute // an index of an old collection may take its time
	askPatience       = 10 * time.Second // of one small question
	maxConnections    = 32
)

// Options of a Database. Fields without a comment are needed.
type Options struct {
	URI        string // MONGO_URI; the database is the one in its path, else tidegate
	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: the time
}

// Database is the connection to one database of one deployment. All methods
// are safe for concurrent use.
//
// Writes are acknowledged by a majority, journalled; on a standalone server by
// its journal, which is what the same concern means there. Reads ask the
// primary.
type Database struct {
	o   Options
	uri address
	// client and db are there once Ready has answered nil; for a mongodb:// URI,
	// which needs no resolver, from the start.
	client *mongo.Client
	db     *mongo.Database

	patience time.Duration // of one that waits for Ready; tests have less

	able   atomic.Pointer[Capability]
	id     atomic.Pointer[string] // of the database; see identity
	whole  atomic.Bool            // collections and indexes were made sure of by this process
	ready  atomic.Bool            // all that Ready does is done, and the server was not lost since
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	attempt *attempt // that is under way
	seen    sight
}

// attempt is one try of what Ready does; all who wait share it.
type attempt struct {
	done chan struct{}
	err  error
}

// Open parses the URI. It needs no network, no server and no resolver; in the
// background it begins to connect.
func Open(o Options) (*Database, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	u, err := parseURI(o.URI)
	if err != nil {
		return nil, err
	}
	for _, k := range u.decided {
		o.Logger.Warn("an option of MONGO_URI is not used: exactly-once rests on ours", "option", k)
	}
	for _, k := range u.unknown {
		o.Logger.Warn("an option of MONGO_URI is not known, and has no effect", "option", k)
	}
	d := &Database{o: o, uri: u, patience: readyPatience, seen: sight{since: o.Now()}}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	if !u.srv {
		if err := d.connect(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// clientOptions answers the driver's options of a connection like ours. For
// mongodb+srv it asks the resolver, which may take as long as that does.
func (d *Database) clientOptions() (*options.ClientOptions, error) {
	o := options.Client().
		SetAppName("tidegate").
		SetServerSelectionTimeout(selectionPatience).
		SetConnectTimeout(connectPatience).
		SetMaxPoolSize(maxConnections).
		ApplyURI(d.uri.text)
	if err := o.Validate(); err != nil {
		if d.uri.srv { // everything else was checked by Open
			return nil, fmt.Errorf("%w: resolve %s: %s", store.ErrUnavailable, d.uri.hosts[0], withoutCredentials(err.Error()))
		}
		return nil, badURI("%s", withoutCredentials(err.Error()))
	}
	o.Timeout = nil
	o.SetRetryReads(true).SetRetryWrites(true).SetReadPreference(readpref.Primary()).SetWriteConcern(durable())
	o.ReadConcern = nil
	return o, nil
}

// principal says who we are to the server: a session belongs to its user.
func (d *Database) principal() string { return d.uri.user }

// durable is the concern of every write of ours. A standalone server takes
// "majority" for itself.
func durable() *writeconcern.WriteConcern {
	journal := true
	return &writeconcern.WriteConcern{W: "majority", Journal: &journal}
}

func (d *Database) connect() error {
	o, err := d.clientOptions()
	if err != nil {
		return err
	}
	o.SetServerMonitor(d.monitor())
	client, err := mongo.Connect(o)
	if err != nil {
		return fmt.Errorf("connect to MongoDB: %w", redacted{err})
	}
	d.client, d.db = client, client.Database(d.uri.database)
	return nil
}

// Ready answers nil once the server was reached, is one that we can use, and
// has our collections and indexes; it does what is left of that. While the
// server is away the error is store.ErrUnavailable, after at most 10 seconds;
// any other error is final: the server's operator or ours must act. Once ready
// it costs nothing until the server is lost.
func (d *Database) Ready(ctx context.Context) error {
	if d.ready.Load() {
		return nil
	}
	d.mu.Lock()
	a := d.attempt
	if a == nil {
		a = &attempt{done: make(chan struct{})}
		d.attempt = a
		go d.try(a)
	}
	d.mu.Unlock()
	wait := time.NewTimer(d.patience)
	defer wait.Stop()
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return d.silence()
	}
}

func (d *Database) try(a *attempt) {
	a.err = d.prepare(d.ctx)
	d.mu.Lock()
	d.attempt = nil
	if d.seen.failed = ""; a.err != nil {
		d.seen.failed = a.err.Error()
	}
	d.mu.Unlock()
	close(a.done)
}

// prepare is one run through all that is left to do.
func (d *Database) prepare(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return d.closing(err)
	}
	if d.client == nil {
		if err := d.connect(); err != nil {
			return err
		}
	}
	lost := d.losses() // from here on a loss keeps us from being ready
	c, err := d.readCapability(ctx)
	if err != nil && d.sawUninitiated() { // the driver passes over such a server in silence
		err = errUninitiated
	}
	if err != nil {
		return d.closing(err)
	}
	if was := d.able.Swap(&c); was == nil || *was != c {
		d.o.Logger.Info("connected to MongoDB", "kind", c.Kind.String(), "version", c.Version, "database", d.uri.database, "session_timeout", c.SessionTimeout)
		if c.Kind == KindStandalone {
			d.o.Logger.Warn("a standalone MongoDB has no retryable writes: after each interruption readings are read back before they are sent again; make it a replica set of one")
		}
	}
	sctx, cancel := context.WithTimeout(ctx, schemaPatience)
	defer cancel()
	if err := d.ensureSchema(sctx, c); err != nil {
		return d.closing(err)
	}
	d.setReady(lost)
	return nil
}

// closing tells apart a server that is away and a Database that is closed.
func (d *Database) closing(err error) error {
	if d.ctx.Err() != nil {
		return fmt.Errorf("%w: the connection to MongoDB is closed", store.ErrUnavailable)
	}
	if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// Close ends the connections, also of those who wait. ctx bounds how long it
// waits for operations under way.
func (d *Database) Close(ctx context.Context) error {
	d.cancel()
	d.mu.Lock()
	a := d.attempt
	d.mu.Unlock()
	if a != nil {
		select {
		case <-a.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if d.client == nil {
		return nil
	}
	// The driver waits for a connection that it is making, whatever ctx says: as
	// long as connectPatience where the server hangs.
	gone := make(chan error, 1)
	go func() { gone <- d.client.Disconnect(ctx) }()
	select {
	case err := <-gone:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
