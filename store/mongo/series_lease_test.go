package mongo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"tidegate/store"
	"tidegate/store/mongo/mongotest"
)

// failPoint switches a fail point of the server's own.
func failPoint(t *testing.T, server *mongotest.Server, name, mode string, data bson.D) {
	t.Helper()
	server.Admin(t, func(c *mongo.Client) error {
		return c.Database("admin").RunCommand(context.Background(), bson.D{
			{Key: "configureFailPoint", Value: name}, {Key: "mode", Value: mode}, {Key: "data", Value: data},
		}).Err()
	})
}

// TestInsertOutlivesItsWriter: an insert that goes on in the server after its
// process is gone does not double what the next process makes sure of.
func TestInsertOutlivesItsWriter(t *testing.T) {
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			insertOutlives(t, kind, context.WithCancel)
		})
	}
}

// TestInsertOutlivesItsDeadline: one whose caller runs out of time neither. The
// server must not hear of the deadline: one that it breaks off leaves readings
// behind, and puts them into the collection with the next insert.
func TestInsertOutlivesItsDeadline(t *testing.T) {
	for _, kind := range mongotest.Kinds() {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			t.Parallel()
			insertOutlives(t, kind, func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
				return ctx, func() { <-ctx.Done(); cancel() }
			})
		})
	}
}

// insertOutlives holds an insert in the server until its writer has gone.
func insertOutlives(t *testing.T, kind mongotest.Kind, patience func(context.Context) (context.Context, context.CancelFunc)) {
	server := mongotest.Start(t, mongotest.Options{Kind: kind, Args: []string{"--setParameter", "enableTestCommands=1"}})
	database := mongotest.Database(t)
	proxy := mongotest.NewProxy(t, server.Addr())
	a := newAttacked(t, proxy.URI(server.URI(t, database)))
	a.feed()
	failPoint(t, server, "hangTimeseriesInsertBeforeCommit", "alwaysOn", bson.D{})
	ctx, gone := patience(context.Background())
	flushed := make(chan error, 1)
	go func() { _, err := a.box.Flush(ctx, nil); flushed <- err }()
	for hanging(t, server) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the insert did not come")
		}
	}
	gone() // the connection is closed; the server has the command
	if err := <-flushed; err == nil {
		t.Fatal("the insert was answered")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		failPoint(t, server, "hangTimeseriesInsertBeforeCommit", "off", bson.D{})
	}()
	a.crash()
	<-done
	a.flush()
	a.verify(server, database)
}

// hanging answers how many inserts the server has under way.
func hanging(t *testing.T, server *mongotest.Server) (n int) {
	t.Helper()
	server.Admin(t, func(c *mongo.Client) error {
		cur, err := c.Database("admin").Aggregate(context.Background(), bson.A{
			bson.D{{Key: "$currentOp", Value: bson.D{{Key: "allUsers", Value: true}}}},
			bson.D{{Key: "$match", Value: bson.D{{Key: "command.insert", Value: valuesCollection}}}},
		})
		if err != nil {
			return err
		}
		var all []bson.Raw
		err = cur.All(context.Background(), &all)
		n = len(all)
		return err
	})
	return n
}

// TestRefusedReadings: what the server will not have is kept aside with its
// words and counted once; its neighbours in the same command are stored.
func TestRefusedReadings(t *testing.T) {
	server := mongotest.Start(t, mongotest.Options{Args: []string{"--setParameter", "enableTestCommands=1"}})
	database := mongotest.Database(t)
	proxy := mongotest.NewProxy(t, server.Addr())
	a := newAttacked(t, proxy.URI(server.URI(t, database)))
	org, device, _ := testNames(1)
	// The server keeps the keys of metadata in order.
	failPoint(t, server, "failUnorderedTimeseriesInsert", "alwaysOn", bson.D{{Key: "metadata", Value: bson.D{
		{Key: "deviceId", Value: device}, {Key: "orgId", Value: org}, {Key: "portNumber", Value: int32(1)},
	}}})
	a.feed()
	no := store.Series{UID: 1, Port: 1}
	bad := len(a.stored[no])
	if bad == 0 {
		t.Fatal("no reading of the series was fed")
	}
	proxy.SwallowReplies(inserts, 1) // the remembered result has the errors too
	if _, err := a.box.Flush(context.Background(), nil); err == nil {
		t.Fatal("a reply was swallowed, and nobody noticed")
	}
	a.crash()
	a.flush()
	refused, err := a.box.Refused(context.Background())
	if err != nil || int(refused) != bad {
		t.Errorf("%d were refused, want %d: %v", refused, bad, err)
	}
	hours := store.HourCounts{}
	if err := a.box.RefusedHours(context.Background(), 0, 1<<40, hours); err != nil || int(hours.Sum()) != bad {
		t.Errorf("the hours hold %d, want %d: %v", hours.Sum(), bad, err)
	}
	all, err := a.box.ListRefused(context.Background(), 3)
	if err != nil || len(all) != min(3, bad) || !strings.Contains(all[0].Reason, "failUnorderedTimeseriesInsert") || !strings.Contains(all[0].Document, device) {
		t.Errorf("kept aside are %+v: %v", all, err)
	}
	delete(a.stored, no)
	a.verify(server, database)
}

// TestLease: one writer at a time.
func TestLease(t *testing.T) {
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	database := mongotest.Database(t)
	uri := server.URI(t, database)
	ctx := context.Background()
	first := newAttacked(t, uri)
	first.feed()
	first.flush()

	stranger := func() *seriesBox {
		b := openBox(t, uri, t.TempDir(), SeriesOptions{})
		t.Cleanup(func() { _ = b.Close() })
		if err := b.Bind(store.Bounds{Log: store.LogID{9}, Head: 1}); err != nil {
			t.Fatal(err)
		}
		return b
	}
	other := stranger()
	if _, err := other.Recover(ctx); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), first.box.o.Holder) {
		t.Fatalf("a second writer: %v", err)
	}
	if who := other.LeaseHolder(); who != first.box.o.Holder {
		t.Errorf("the lease is held by %q", who)
	}

	// A copy of the folder, as a restart or a restored backup is, takes it at once.
	first.feed()
	first.box.CutFlush(0) // begun, and not sent
	if _, err := first.box.Flush(ctx, nil); !errors.Is(err, errCut) {
		t.Fatal(err)
	}
	second := *first
	second.stored = first.stored
	second.crash()
	second.flush()

	// The first one still has the very commands of its plan, and does not know.
	first.box.lease.renewed = time.Now()
	for range 2 {
		_, err := first.box.Flush(ctx, nil)
		if !errors.Is(err, store.ErrConflict) {
			// The server refuses its numbers; what it reads back is all there.
			if err != nil {
				t.Fatal(err)
			}
		}
		first.box.lease.renewed = time.Time{}
	}
	if _, err := first.box.Flush(ctx, nil); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "restart") {
		t.Errorf("a writer that was taken over: %v", err)
	}
	second.verify(server, database)

	// A stranger takes over what nobody renews, and what was given up.
	if _, err := other.Recover(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("a second writer: %v", err)
	}
	server.Admin(t, func(c *mongo.Client) error {
		_, err := c.Database(database).Collection(leasesCollection).UpdateOne(ctx, bson.D{{Key: "_id", Value: leaseID}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "renewedAt", Value: time.Now().Add(-2 * leaseTerm)}}}})
		return err
	})
	if _, err := other.Recover(ctx); err != nil {
		t.Fatalf("nobody renewed the lease: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	third := stranger()
	if _, err := third.Recover(ctx); err != nil {
		t.Fatalf("the lease was released: %v", err)
	}
}

// TestForgottenSession: an intent that is older than the server's memory of
// sessions, or that another user began, is read back and not sent again.
func TestForgottenSession(t *testing.T) {
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	for name, forget := range map[string]func(a *attacked, p *plan){
		"old":          func(_ *attacked, p *plan) { p.begun = p.begun.Add(-time.Hour) },
		"another user": func(_ *attacked, p *plan) { p.principal = "bob@admin " },
		"a standalone": func(_ *attacked, p *plan) { p.numbered = false },
	} {
		t.Run(name, func(t *testing.T) {
			database := mongotest.Database(t)
			a := newAttacked(t, server.URI(t, database))
			for _, sent := range []int{0, 1, 2} {
				for range 3 {
					a.feed()
				}
				a.box.CutFlush(sent)
				if _, err := a.box.Flush(context.Background(), nil); !errors.Is(err, errCut) {
					t.Fatal(err)
				}
				i, _, err := a.box.journal.Intent(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				p, err := decodePlan(i.Body)
				if err != nil {
					t.Fatal(err)
				}
				forget(a, p)
				i.Body = p.encode(nil)
				if err := a.box.journal.Begin(context.Background(), i); err != nil {
					t.Fatal(err)
				}
				a.crash()
				if n := counted(t, a.box.metrics.settled); int(n) != len(p.commands()) {
					t.Errorf("%v of %d commands were read back", n, len(p.commands()))
				}
				if n := counted(t, a.box.metrics.resent); n != 0 {
					t.Errorf("%v commands were sent again", n)
				}
			}
			a.flush()
			a.verify(server, database)
		})
	}
}

// counted answers the value of a counter.
func counted(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	families, err := r.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d families: %v", len(families), err)
	}
	return families[0].GetMetric()[0].GetCounter().GetValue()
}

// TestOtherDatabase: a folder does not go on in a database that is not its own.
func TestOtherDatabase(t *testing.T) {
	server := mongotest.Shared(t, mongotest.ReplicaSet)
	a := newAttacked(t, server.URI(t, mongotest.Database(t)))
	a.feed()
	a.flush()
	if err := a.box.Close(); err != nil {
		t.Fatal(err)
	}
	b := openBox(t, server.URI(t, mongotest.Database(t)), a.dir, SeriesOptions{})
	defer b.Close()
	if err := b.Bind(store.Bounds{Log: attackedLog, Head: a.seq}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Recover(context.Background()); !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "MONGO_URI") {
		t.Errorf("another database: %v", err)
	}
}
