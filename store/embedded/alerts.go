package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.etcd.io/bbolt"

	"tidegate/store"
)

const (
	alertsFormat = 1

	keepAlertsFor = 400 * 24 * time.Hour // a year, and the season before it
	maxAlerts     = 200_000
	maxSilences   = 10_000

	// alertsAnew is a way out that other files do not have.
	alertsAnew = "It holds no reading: without it alarms begin anew, and those that were are forgotten"
)

// AlertsOptions of Alerts; the zero value works.
type AlertsOptions struct {
	KeepFor          time.Duration // events and notifications that ended longer ago are dropped; 0: 400 days
	MaxEvents        int           // resolved ones; 0: 200,000
	MaxNotifications int           // final ones; 0: 200,000

	Now        func() time.Time      // nil: the time
	Logger     *slog.Logger          // nil: none
	Registerer prometheus.Registerer // nil: no metrics
}

// Alerts keeps what the rules remember, the episodes, the silences and the
// notifications, in one file.
//
//   - Each change is one fsynced transaction, and durable when its method
//     returns nil. What an AlertCommit has is there whole or not at all, its
//     position included. On an error nothing has changed. After a failed fsync
//     nothing is written or answered any more.
//   - All methods may be called at once. Writers that come while a transaction
//     is under way share the next one, so that ten of them cost two fsyncs, not
//     ten.
//   - Reads are of the file. None holds a transaction longer than some thousand
//     entries take, and none between calls, so that pages are used again.
//   - Of events that are over and notifications that are final, the oldest are
//     dropped beyond an age and a number: a few with each transaction, so that
//     none takes long. What is open or queued is never dropped.
//
// Unlike the other followers of a log, the file may begin anywhere in it: until
// the first Commit it takes whatever log it is bound to as its own, from where
// that begins. For it counts nothing, and holds no reading: what the rules have
// not seen is alarms that are late and page nobody. So a folder of an older
// tidegate, whose log is trimmed, needs no way out. From the first Commit on the
// file follows its log like the others, because a gap in the middle would leave
// episodes open that ended within it.
//
// Memory does not grow with the file.
type Alerts struct {
	path    string
	db      *bbolt.DB
	o       AlertsOptions
	metrics alertsMetrics
	applied atomic.Uint64

	writing sync.Mutex // held over a transaction; before mu

	mu      sync.Mutex
	meta    alertsMeta    // as the file has it; changes under writing too
	bound   store.Bounds  // of Bind; changes under writing too
	waiting []*alertWrite // for the next transaction
	broken  error         // after it nothing is written any more
	closed  bool

	// Where the search for what is too old goes on; under writing.
	oldEvents, oldNotifications []byte
}

var _ store.Alerts = (*Alerts)(nil)

// alertsMeta is what a transaction keeps beside the data.
type alertsMeta struct {
	Log      store.LogID `json:"log"` // zero: the rules have committed nothing yet
	Applied  uint64      `json:"applied"`
	Now      int64       `json:"now"`
	Change   uint64      `json:"change"`   // number of the last change of an event
	Resolved int         `json:"resolved"` // events
	Final    int         `json:"final"`    // notifications
	Silences int         `json:"silences"`
}

func alertsSpec(made time.Time) fileSpec {
	return fileSpec{kind: "alerts", format: alertsFormat, made: made}
}

// OpenAlerts opens the file, or makes it.
func OpenAlerts(path string, o AlertsOptions) (*Alerts, error) {
	if o.KeepFor <= 0 {
		o.KeepFor = keepAlertsFor
	}
	if o.MaxEvents <= 0 {
		o.MaxEvents = maxAlerts
	}
	if o.MaxNotifications <= 0 {
		o.MaxNotifications = maxAlerts
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	db, err := openFile(path, alertsSpec(o.Now()))
	if errors.Is(err, store.ErrInvalid) {
		return nil, fmt.Errorf("%w. %s", err, alertsAnew)
	}
	if err != nil {
		return nil, err
	}
	a := &Alerts{path: path, db: db, o: o}
	err = ensureBuckets(db, alertsBuckets()...)
	if err == nil {
		err = view(db, func(tx *bbolt.Tx) (err error) { a.meta, err = readAlertsMeta(tx); return err })
	}
	if err == nil {
		err = a.metrics.register(o.Registerer)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	a.applied.Store(a.meta.Applied)
	a.metrics.kept(a.meta)
	return a, nil
}

func readAlertsMeta(tx *bbolt.Tx) (m alertsMeta, err error) {
	if b := tx.Bucket(alertsMetaBucket).Get(alertsMetaKey); b != nil {
		if err := json.Unmarshal(b, &m); err != nil {
			return m, fileError(store.ErrInvalid, tx.DB().Path(), "does not say its position (%v); %s", err, wayOut)
		}
	}
	return m, nil
}

func writeAlertsMeta(tx *bbolt.Tx, m alertsMeta) error {
	return tx.Bucket(alertsMetaBucket).Put(alertsMetaKey, encodeRecord(m))
}

// read calls fn with the file. fn must not take long.
func (a *Alerts) read(ctx context.Context, fn func(*bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	err := a.usable()
	a.mu.Unlock()
	if err != nil {
		return err
	}
	return view(a.db, fn)
}

// usable answers why nothing may be asked or told any more. mu is held.
func (a *Alerts) usable() error {
	if a.closed {
		return fileError(store.ErrUnavailable, a.path, "is closed")
	}
	return a.broken
}

// Applied implements store.Follower.
func (a *Alerts) Applied() uint64 { return a.applied.Load() }

// Bind implements store.Follower. It writes nothing: see Alerts.
func (a *Alerts) Bind(b store.Bounds) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.usable(); err != nil {
		return err
	}
	if a.meta.Log == (store.LogID{}) {
		a.bound = b
		a.applied.Store(b.After)
		return nil
	}
	if err := (position{a.meta.Log, a.meta.Applied}).check(a.path, b, ""); err != nil {
		return fmt.Errorf("%w. %s", err, alertsAnew)
	}
	a.bound = b
	return nil
}

// Standings answers where the file stands, before Bind.
func (a *Alerts) Standings() []Standing {
	a.mu.Lock()
	defer a.mu.Unlock()
	return []Standing{{File: a.path, Log: a.meta.Log, Applied: a.meta.Applied}}
}

// Adopt makes the file follow the log of b from its beginning, if it does not
// follow it already. What the rules remember goes on with the new log; events,
// silences and notifications stay. It is called before Bind, and the file is
// closed then.
func (a *Alerts) Adopt(b store.Bounds) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	a.mu.Lock()
	m, err := a.meta, a.usable()
	a.mu.Unlock()
	if err != nil || m.Log == (store.LogID{}) || (Standing{Log: m.Log, Applied: m.Applied}).Follows(b) {
		return err
	}
	m.Log, m.Applied = b.Log, b.After
	err = update(a.db, func(tx *bbolt.Tx) error {
		if err := rebaseWatches(tx, b.After); err != nil {
			return err
		}
		if err := rebaseEvents(tx, b.After); err != nil {
			return err
		}
		return writeAlertsMeta(tx, m)
	})
	if err != nil {
		return fmt.Errorf("adopt log %s: %w", b.Log, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.meta = m
	a.applied.Store(m.Applied)
	return nil
}

// Snapshot implements Source.
func (a *Alerts) Snapshot(ctx context.Context, write func(name string, size int64, r io.Reader) error) error {
	return snapshotBolt(ctx, a.db, filepath.Base(a.path), write)
}

// Close closes the file, behind what is under way.
func (a *Alerts) Close() error {
	a.writing.Lock()
	defer a.writing.Unlock()
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return nil
	}
	a.closed = true
	a.mu.Unlock()
	return a.db.Close()
}
