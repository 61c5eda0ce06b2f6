package mongo

import (
	"cmp"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/event"

	"tidegate/store"
)

// Status is what an operator wants to know of the connection.
type Status struct {
	Kind      string    `json:"kind,omitempty"` // standalone, replica set, sharded; empty: never reached
	Version   string    `json:"version,omitempty"`
	Database  string    `json:"database"`
	Hosts     []string  `json:"hosts"` // without credentials
	Reachable bool      `json:"reachable"`
	Since     time.Time `json:"since"`               // of Reachable
	LastError string    `json:"lastError,omitempty"` // why it is not ready
}

// sight is what the driver's monitor last saw. The monitor asks every server
// every ten seconds, and at once when an operation fails.
type sight struct {
	reachable   bool
	since       time.Time
	losses      uint64 // how often the server was lost
	uninitiated bool   // a server belongs to a replica set that there is not
	lost        string // why it is not seen
	failed      string // why the last attempt of Ready did not go well
}

// Status answers at once, from what is known.
func (d *Database) Status() Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := Status{Database: d.uri.database, Hosts: d.uri.hosts, Reachable: d.seen.reachable, Since: d.seen.since.UTC()}
	if !d.ready.Load() {
		s.LastError = cmp.Or(d.seen.failed, d.seen.lost)
	}
	if c := d.able.Load(); c != nil {
		s.Kind, s.Version = c.Kind.String(), c.Version
	}
	return s
}

// monitor follows which servers there are. Its functions are called with the
// driver's locks held: they only take notes.
func (d *Database) monitor() *event.ServerMonitor {
	return &event.ServerMonitor{
		TopologyDescriptionChanged: func(e *event.TopologyDescriptionChangedEvent) {
			writable, uninitiated := false, false
			for _, s := range e.NewDescription.Servers {
				switch s.Kind {
				case "RSPrimary", "Standalone", "Mongos", "LoadBalancer":
					writable = true
				case "RSGhost":
					uninitiated = true
				}
			}
			d.saw(writable, uninitiated)
		},
		ServerHeartbeatFailed: func(e *event.ServerHeartbeatFailedEvent) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.seen.lost = withoutCredentials(e.Failure.Error())
		},
	}
}

func (d *Database) saw(writable, uninitiated bool) {
	d.mu.Lock()
	d.seen.uninitiated = uninitiated
	changed := d.seen.reachable != writable
	if changed {
		d.seen.reachable, d.seen.since = writable, d.o.Now()
		if !writable {
			d.seen.losses++
			d.ready.Store(false)
		}
	}
	why := d.seen.lost
	d.mu.Unlock()
	switch {
	case !changed || d.ctx.Err() != nil:
	case writable:
		d.o.Logger.Info("MongoDB is reachable", "database", d.uri.database)
	default:
		d.o.Logger.Warn("MongoDB is away; what is acked waits in the log", "database", d.uri.database, "error", why)
	}
}

// silence is the error of one who has waited long enough, with what the monitor
// last met.
func (d *Database) silence() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen.reachable || d.seen.lost == "" {
		return fmt.Errorf("%w: MongoDB does not answer", store.ErrUnavailable)
	}
	return fmt.Errorf("%w: MongoDB does not answer: %s", store.ErrUnavailable, d.seen.lost)
}

func (d *Database) losses() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen.losses
}

func (d *Database) sawUninitiated() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen.uninitiated
}

// setReady notes that all is done, unless the server was lost since.
func (d *Database) setReady(losses uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen.losses == losses {
		d.ready.Store(true)
	}
}
