package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"tidegate/ingest"
	"tidegate/store"
	"tidegate/store/mongo"
)

const (
	followEvery    = 2 * time.Second  // a round trip, when nobody changed anything
	followAway     = time.Second      // between two looks for a database that is away
	followPatience = 15 * time.Second // of one synchronization
)

// follower keeps the folder's copy of the catalogue, and the devices' registry,
// in step with the database: every few seconds while it is reachable, and at
// once when it comes back. A change that others made takes effect between two
// batches, as one of this box's own does, and ends the connections of devices
// and API keys that it locks out.
type follower struct {
	db      *mongo.Database
	catalog *mongo.Catalog
	devices *ingest.Registry
	between func(ctx context.Context, change func() error) error
	rules   func(ctx context.Context) error // takes over rules and channels too
	cut     func(who ingest.Cut, reason string)
	log     *slog.Logger

	stale bool // the registry does not have all that the copy has

	mu      sync.Mutex
	refusal error // why the last synchronization went wrong, other than that the database is away
}

// run follows until ctx ends.
func (f *follower) run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := followEvery
		err := f.step(ctx)
		if ctx.Err() != nil {
			return
		}
		f.note(err)
		if err != nil {
			wait = followAway
		}
		t := time.NewTimer(wait/2 + rand.N(wait/2+1))
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// step waits until the database can be asked, and takes what others changed.
func (f *follower) step(ctx context.Context) error {
	if err := f.db.Ready(ctx); err != nil {
		return err
	}
	sctx, cancel := context.WithTimeout(ctx, followPatience)
	changed, err := f.catalog.Sync(sctx)
	cancel()
	f.stale = f.stale || changed
	if !f.stale {
		return err
	}
	var cut ingest.Cut
	rerr := f.between(ctx, func() (err error) {
		if cut, err = f.devices.Reload(ctx); err != nil {
			return err
		}
		return f.rules(ctx)
	})
	if rerr != nil {
		return fmt.Errorf("take over changes of the catalogue: %w", rerr)
	}
	f.stale = false
	f.cut(cut, "changed elsewhere")
	f.log.Info("took over changes of the catalogue that others made", "disconnected", len(cut.Devices)+len(cut.APIKeys))
	return err
}

// note keeps what an operator must mend, and logs it when it is news. That the
// database is away the connection itself says.
func (f *follower) note(err error) {
	if err != nil && passing(err) {
		return
	}
	f.mu.Lock()
	was := f.refusal
	f.refusal = err
	f.mu.Unlock()
	switch {
	case err != nil && (was == nil || was.Error() != err.Error()):
		f.log.Error("the catalogue does not follow the database; changes are refused until it does", "error", err)
	case err == nil && was != nil:
		f.log.Info("the catalogue follows the database again")
	}
}

// refused answers why the catalogue does not follow the database; nil: it does,
// or will once it is back.
func (f *follower) refused() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refusal
}

// writable implements api.AdminOptions.Writable: a change is made in the
// database first.
func (g *gateway) writable(ctx context.Context) error {
	if g.follow == nil {
		return nil
	}
	if err := g.follow.refused(); err != nil {
		return err
	}
	if g.follow.db.Status().Reachable && g.follow.db.Ready(ctx) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return store.Unavailable("catalogue", "MongoDB is away, and changes are made there first; nothing was changed. Try again once `tidegate status` says that it is reachable")
}

// buildRemote makes what keeps a folder and its database in step.
func (g *gateway) buildRemote() error {
	r := g.files.remote
	if r == nil {
		return nil
	}
	g.follow = &follower{
		db: r.db, catalog: r.catalog, devices: g.devices, between: g.flow.Between, rules: g.alarms.Refresh, log: g.log,
		cut: func(who ingest.Cut, reason string) {
			for _, id := range who.Devices {
				g.broker.Disconnect(id, reason)
			}
			for _, id := range who.APIKeys {
				g.broker.DisconnectKey(id, reason)
			}
		},
	}
	var err error
	g.mirror, err = mongo.NewMirror(r.db, mongo.MirrorOptions{
		Log: store.LogID(g.buf.ID()), Letters: g.files.state, Audit: g.files.audit, Ledger: g.flow, Events: g.files.alerts,
		Logger: g.log, Registerer: g.reg,
	})
	return err
}
