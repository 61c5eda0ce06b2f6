package mongo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
)

const (
	mirrorEvery    = 5 * time.Second  // between two rounds when nothing is left to do
	mirrorPatience = 30 * time.Second // of one piece
	mirrorFirst    = time.Second      // after the first fault; then twice as long,
	mirrorLongest  = time.Minute      // up to this
)

// MirroredLetters are dead letters, as they are on disk.
type MirroredLetters interface {
	// DeadLettersAfter answers at most limit letters in ascending order of id.
	DeadLettersAfter(ctx context.Context, after store.LetterID, limit int) ([]store.DeadLetter, error)
	CountDeadLettersAfter(ctx context.Context, after store.LetterID) (int64, error)
}

// MirroredAudit is an audit trail.
type MirroredAudit interface {
	ListAudit(ctx context.Context, after uint64, limit int) ([]store.AuditEntry, error)
	// LastAudit answers the number of the newest entry; 0: there is none.
	LastAudit(ctx context.Context) (uint64, error)
}

// MirroredLedger is the ledger by hour of receipt.
type MirroredLedger interface {
	LedgerHours(ctx context.Context, fromHour, toHour int64) ([]store.LedgerHour, error)
}

// MirrorOptions of a Mirror. Fields without a comment are needed.
type MirrorOptions struct {
	Log     store.LogID // of the folder: boxes that share a database are told apart by it
	Letters MirroredLetters
	Audit   MirroredAudit
	Ledger  MirroredLedger
	Events  MirroredEvents // nil: none are copied

	Logger     *slog.Logger
	Registerer prometheus.Registerer // nil: no metrics
	Now        func() time.Time      // nil: the time
}

// Mirror copies into the database what the data folder has and others want to
// see there: dead letters, the audit trail, the ledger by hour, and the episodes
// of alarms, into the collections deadletters, audit, ledger and alertevents.
// The folder stays the record: nothing is ever read back.
//
// What it guarantees:
//
//   - Nothing waits for it, and it holds nobody up: it reads small pieces, of
//     what is on disk, and has neither a queue nor a position of its own. It
//     goes on from what it finds in the collections, after any crash, and while
//     the database is away it rests.
//   - Documents have an _id made of what they are, so that copying one twice
//     changes nothing: of a letter log, position and index; of an audit entry
//     its trail, number and hash; of the ledger log, hour and device; of an
//     episode its id.
//   - New letters and audit entries are there within seconds. A letter that was
//     deleted, brought back, or rejected for another reason is found by going
//     round over all of them, some hundred every few seconds: at once when there
//     are few. The ledger follows within a minute for the last two days, within
//     about an hour further back.
//   - New episodes, and all that becomes of them, are there within seconds, each
//     as it is then. Going round finds what was missed, as after a restore. One
//     that the folder has forgotten stays when it is over, and goes when it is not.
//   - The audit trail is only added to. After a restore from a backup the
//     entries that came after it stay beside those that took their numbers.
//   - A document that the server refuses for itself is logged, counted, and left
//     out.
//
// After `doctor --adopt-log` letters and ledger are copied under the new log;
// what is there of the old one stays as it was. Episodes are the new one's.
type Mirror struct {
	o      MirrorOptions
	db     *Database
	copies []mirrorCopy
	wait   time.Duration // between two rounds
	behind atomic.Int64
	copied *prometheus.CounterVec
	left   *prometheus.CounterVec
}

// mirrorCopy is one of the things that are copied.
type mirrorCopy interface {
	// name is that of the collection.
	name() string
	// behind answers how much is not there yet, from what the folder says.
	behind(ctx context.Context) (int64, error)
	// step copies a piece, and reports whether there is more to do at once.
	step(ctx context.Context) (more bool, err error)
}

// NewMirror makes one. It needs no server.
func NewMirror(db *Database, o MirrorOptions) (*Mirror, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &Mirror{o: o, db: db, wait: mirrorEvery}
	m.copies = []mirrorCopy{newLetterMirror(m), &auditMirror{m: m}, newLedgerMirror(m)}
	if o.Events != nil {
		m.copies = append(m.copies, newEventMirror(m))
	}
	m.copied = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidegate_mongo_mirror_copied_total", Help: "Documents copied into a collection of the database.",
	}, []string{"collection"})
	m.left = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tidegate_mongo_mirror_refused_total", Help: "Documents that the server refused, and that are left out of a collection.",
	}, []string{"collection"})
	if o.Registerer == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.copied, m.left,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "tidegate_mongo_mirror_behind", Help: "Dead letters, audit entries, hours of the ledger and alert events that are not yet copied into the database.",
		}, func() float64 { return float64(m.Behind()) }),
	} {
		if err := o.Registerer.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of the mirror: %w", err)
		}
	}
	return m, nil
}

// Behind answers how much is not copied yet: as counted at most some seconds
// ago.
func (m *Mirror) Behind() int64 { return m.behind.Load() }

// Run copies until ctx ends.
func (m *Mirror) Run(ctx context.Context) {
	var wg sync.WaitGroup
	counts := make([]atomic.Int64, len(m.copies))
	sum := func() {
		n := int64(0)
		for i := range counts {
			n += counts[i].Load()
		}
		m.behind.Store(n)
	}
	for i, c := range m.copies {
		wg.Go(func() { m.run(ctx, c, func(n int64) { counts[i].Store(n); sum() }) })
	}
	wg.Wait()
}

// run is one copy's life.
func (m *Mirror) run(ctx context.Context, c mirrorCopy, tell func(behind int64)) {
	var last string // what was logged
	for pause := time.Duration(0); ctx.Err() == nil; {
		n, err := c.behind(ctx)
		if err == nil {
			tell(n)
			if !m.db.Status().Reachable {
				sleep(ctx, m.wait)
				continue
			}
			err = m.pieces(ctx, c)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			if last != "" {
				m.o.Logger.Info("the database gets its copies again", "collection", c.name())
			}
			last, pause = "", 0
			if n, err := c.behind(ctx); err == nil {
				tell(n)
			}
			sleep(ctx, m.wait)
			continue
		case !errors.Is(err, store.ErrUnavailable) && err.Error() != last:
			last = err.Error()
			m.o.Logger.Warn("copy into the database", "collection", c.name(), "error", err)
		}
		pause = min(max(2*pause, mirrorFirst), mirrorLongest)
		sleep(ctx, pause-rand.N(pause/2+1))
	}
}

// pieces copies until there is no more to do at once.
func (m *Mirror) pieces(ctx context.Context, c mirrorCopy) error {
	for more := true; more; {
		if err := m.db.Ready(ctx); err != nil {
			return err
		}
		pctx, cancel := context.WithTimeout(ctx, mirrorPatience)
		var err error
		more, err = c.step(pctx)
		cancel()
		if err != nil {
			return fmt.Errorf("mirror %s: %w", c.name(), fault(err))
		}
	}
	return nil
}

// write sends some writes in any order, and answers which of them the server
// refused for themselves: those are left out. Any other fault is the answer.
func (m *Mirror) write(ctx context.Context, name string, models []mongo.WriteModel) (refused []int, err error) {
	if len(models) == 0 {
		return nil, nil
	}
	_, err = m.db.db.Collection(name).BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	faults, err := oneByOne(err)
	for _, e := range faults {
		m.left.WithLabelValues(name).Inc()
		m.o.Logger.Warn("the database refuses a copy; it is left out there", "collection", name, "error", e.Message)
		refused = append(refused, e.Index)
	}
	if err == nil {
		m.copied.WithLabelValues(name).Add(float64(len(models) - len(refused)))
	}
	return refused, err
}

// oneByOne answers which documents a server refused for themselves. That one is
// there already is no fault.
func oneByOne(err error) (refused []mongo.WriteError, rest error) {
	var be mongo.BulkWriteException
	if !errors.As(err, &be) || be.WriteConcernError != nil {
		return nil, err
	}
	for _, we := range be.WriteErrors {
		switch {
		case we.HasErrorCode(11000):
		case errors.Is(fault(we), store.ErrUnavailable):
			return nil, err
		default:
			refused = append(refused, we.WriteError)
		}
	}
	return refused, nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
