package mongo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"tidegate/store"
)

const (
	leaseID    = "values"
	leaseTerm  = 60 * time.Second // after which another log's writer may take it over
	leaseRenew = 10 * time.Second
	leaseTrust = 40 * time.Second // how long a renewal is relied on, by our clock
	leaseAsk   = 5 * time.Second  // of one round trip
)

// lease says who writes readings into a database: one at a time.
//
// It is kept in the database, under the log that the writer follows. The owner of
// that log takes it over at once, also after a kill; a writer of another log
// only when it was not renewed for leaseTerm, or if that is the same process. Whoever takes it counts its epoch
// up, begins all numbers of its sessions with it, and first takes a number of
// each session of its predecessor: what that one may still send is refused by
// the server. On a standalone server, which has no numbers, a predecessor finds
// out when it renews, before it sends.
//
// One that was taken over does not take it back: two copies of a folder would
// go on for ever.
type lease struct {
	db     *Database
	name   string // of the holder, for people
	holder string // of this process
	logger *slog.Logger
	log    store.LogID

	mu      sync.Mutex
	epoch   int64 // 0: not held
	counter int64 // of numbers given out in this epoch
	renewed time.Time
	lost    error // it was taken from us

	who atomic.Pointer[string] // holds it, as far as is known
}

// leaseDoc is the document of a lease.
type leaseDoc struct {
	ID        string    `bson:"_id"`
	Log       string    `bson:"log"`
	Holder    string    `bson:"holder"`
	Name      string    `bson:"name"`
	Epoch     int64     `bson:"epoch"`
	Lanes     int       `bson:"lanes"` // sessions that its holder may use
	RenewedAt time.Time `bson:"renewedAt"`
}

func newLease(db *Database, name string, logger *slog.Logger) *lease {
	var token [16]byte
	_, _ = rand.Read(token[:]) // never fails
	return &lease{db: db, name: name, holder: hex.EncodeToString(token[:]), logger: logger}
}

// take makes this process the writer, and answers its predecessor. It fails with
// store.ErrUnavailable while a writer of another log holds it.
func (l *lease) take(ctx context.Context, lanes int) (before leaseDoc, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return before, l.lost
	}
	ctx, cancel := context.WithTimeout(ctx, leaseAsk)
	defer cancel()
	log := l.log.String()
	expired := bson.D{{Key: "$expr", Value: bson.D{{Key: "$lt", Value: bson.A{
		"$renewedAt", bson.D{{Key: "$subtract", Value: bson.A{"$$NOW", leaseTerm.Milliseconds()}}},
	}}}}}
	free := bson.D{{Key: "_id", Value: leaseID}, {Key: "$or", Value: bson.A{
		bson.D{{Key: "log", Value: log}}, bson.D{{Key: "holder", Value: l.holder}}, expired,
	}}}
	set := mongo.Pipeline{{{Key: "$set", Value: bson.D{
		{Key: "log", Value: log},
		{Key: "holder", Value: l.holder},
		{Key: "name", Value: bson.D{{Key: "$literal", Value: l.name}}},
		{Key: "epoch", Value: bson.D{{Key: "$add", Value: bson.A{"$epoch", int64(1)}}}},
		{Key: "lanes", Value: lanes},
		{Key: "renewedAt", Value: "$$NOW"},
	}}}}
	none := bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "epoch", Value: int64(0)}, {Key: "renewedAt", Value: time.UnixMilli(0)}}}}
	_, err = l.leases().UpdateOne(ctx, bson.D{{Key: "_id", Value: leaseID}}, none, options.UpdateOne().SetUpsert(true))
	if err != nil && !mongo.IsDuplicateKeyError(err) { // two make it at once
		return before, fault(fmt.Errorf("make the lease to write: %w", err))
	}
	began := time.Now()
	err = l.leases().FindOneAndUpdate(ctx, free, set, options.FindOneAndUpdate().SetReturnDocument(options.Before)).Decode(&before)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return before, l.taken(ctx)
	case err != nil:
		return before, fault(fmt.Errorf("take the lease to write: %w", err))
	}
	// Which epoch it became is read back: a reply that was lost, and the retry
	// of it by the driver, must not leave us with a wrong one.
	var is leaseDoc
	if err := l.leases().FindOne(ctx, bson.D{{Key: "_id", Value: leaseID}}).Decode(&is); err != nil {
		return before, fault(fmt.Errorf("read the lease to write: %w", err))
	}
	if is.Holder != l.holder {
		l.who.Store(&is.Name)
		return before, fmt.Errorf("%w: %s has just taken the lease to write", store.ErrUnavailable, is.Name)
	}
	l.epoch, l.counter, l.renewed = is.Epoch, 0, began
	l.who.Store(&l.name)
	return before, nil
}

// taken says who has the lease.
func (l *lease) taken(ctx context.Context) error {
	var is leaseDoc
	if err := l.leases().FindOne(ctx, bson.D{{Key: "_id", Value: leaseID}}).Decode(&is); err != nil {
		return fault(fmt.Errorf("read the lease to write: %w", err))
	}
	l.who.Store(&is.Name)
	return fmt.Errorf("%w: another tidegate (%s) writes readings into %s; a database has one writer. Stop it, or name another database in MONGO_URI; if it is gone for good this one takes over %s after its last sign of life",
		store.ErrUnavailable, is.Name, l.db.place(), leaseTerm)
}

// hold makes sure that the lease is ours for long enough to send something.
func (l *lease) hold(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch age := time.Since(l.renewed); {
	case l.lost != nil:
		return l.lost
	case l.epoch == 0:
		return fmt.Errorf("%w: the lease to write is not held", store.ErrUnavailable)
	case age < leaseRenew:
		return nil
	default:
		err := l.renewLocked(ctx)
		if err != nil && l.lost == nil && age < leaseTrust && ctx.Err() == nil {
			return nil // a short absence of the server is found out by what is sent
		}
		return err
	}
}

// renew makes sure that the lease is ours now.
func (l *lease) renew(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		return l.lost
	}
	return l.renewLocked(ctx)
}

func (l *lease) renewLocked(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaseAsk)
	defer cancel()
	began := time.Now()
	mine := bson.D{{Key: "_id", Value: leaseID}, {Key: "holder", Value: l.holder}, {Key: "epoch", Value: l.epoch}}
	res, err := l.leases().UpdateOne(ctx, mine, mongo.Pipeline{{{Key: "$set", Value: bson.D{{Key: "renewedAt", Value: "$$NOW"}}}}})
	if err != nil {
		return fault(fmt.Errorf("renew the lease to write: %w", err))
	}
	if res.MatchedCount == 0 {
		return l.takenAway(ctx)
	}
	l.renewed = began
	return nil
}

// takenAway finds out who took the lease, and gives it up for good.
func (l *lease) takenAway(ctx context.Context) error {
	var is leaseDoc
	err := l.leases().FindOne(ctx, bson.D{{Key: "_id", Value: leaseID}}).Decode(&is)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		is.Name = "nobody: its document was deleted"
	case err != nil:
		return fault(fmt.Errorf("read the lease to write: %w", err))
	}
	l.who.Store(&is.Name)
	l.lost = store.Conflict("database", l.db.place(),
		"another tidegate (%s) has taken over writing readings, with this log or after this one was away for long. Stop one of the two; a restart of this one takes it back", is.Name)
	l.logger.Error("lost the lease to write readings", "to", is.Name)
	return l.lost
}

// number answers the next number of any session in this epoch.
func (l *lease) number() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counter++
	return l.epoch<<32 | l.counter
}

func (l *lease) currentEpoch() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

func (l *lease) holderName() string {
	if who := l.who.Load(); who != nil {
		return *who
	}
	return ""
}

// release lets others take the lease at once. It is an offer: that it fails
// costs them a minute.
func (l *lease) release(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch == 0 || l.lost != nil || !l.db.ready.Load() {
		return nil
	}
	mine := bson.D{{Key: "_id", Value: leaseID}, {Key: "holder", Value: l.holder}, {Key: "epoch", Value: l.epoch}}
	_, err := l.leases().UpdateOne(ctx, mine, bson.D{{Key: "$set", Value: bson.D{{Key: "renewedAt", Value: time.UnixMilli(0)}}}})
	l.epoch = 0
	if err != nil {
		l.logger.Info("the lease to write was not released; it ends by itself", "error", err)
	}
	return nil
}

func (l *lease) leases() *mongo.Collection { return l.db.agreed(leasesCollection) }
