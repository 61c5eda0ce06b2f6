package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo"
)

// doctorPatience is how long a look at the database may take.
const doctorPatience = 10 * time.Second

// readings is what a doctor needs of the file that knows how far readings are
// applied, and what is counted of them.
type readings interface {
	store.Follower
	Standings() []embedded.Standing
	Adopt(b store.Bounds) error
	CountedHours() (first, last int64, err error)
	CarryHours(ctx context.Context, fromHour, toHour int64, into store.HourCounts) error
}

// database looks at the database that MONGO_URI names, and makes nothing there.
// That it is away is no failure: the box works without it.
func (d *doctor) database(ctx context.Context) {
	if d.o.Config.MongoURI == "" {
		return
	}
	db, err := mongo.Open(mongo.Options{URI: d.o.Config.MongoURI, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		d.add("database", "failed", err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	defer func() { _ = db.Close(ctx) }() // nothing was asked that could be lost
	d.probe(ctx, db)
}

// probe asks the database what it is.
func (d *doctor) probe(ctx context.Context, db *mongo.Database) {
	at := db.Status()
	place := strings.Join(at.Hosts, ",") + "/" + at.Database
	p, err := db.Probe(ctx)
	switch {
	case err != nil && passing(err):
		d.add("database", "warning", fmt.Sprintf("%s is not reachable: %v. What is acked waits in the log; only the first start of a folder needs it", place, err))
		return
	case err != nil:
		d.add("database", "failed", place+": "+err.Error())
		return
	}
	found := fmt.Sprintf("%s: MongoDB %s, %s", place, p.Version, p.Kind)
	if p.Writer != "" {
		found += fmt.Sprintf("; readings are written by %s, last heard of at %s", p.Writer, p.Renewed.UTC().Format(time.RFC3339))
	}
	if p.Kind == mongo.KindStandalone {
		d.add("database", "warning", found+". A standalone server has no retryable writes: after each interruption readings are read back before they are sent again. Make it a replica set of one: start mongod with --replSet rs0, and run rs.initiate() on it once")
		return
	}
	d.add("database", "ok", found)
}

// openForDoctor opens what the folder has by itself; the database stays out of
// it. It answers what knows how far readings are applied.
func (d *doctor) openForDoctor(o Options) (_ *files, _ readings, err error) {
	if o.Config.MongoURI == "" {
		f, err := openFiles(o, nil)
		if err != nil {
			return nil, nil, err
		}
		return f, f.months, nil
	}
	f := &files{remote: &remote{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if err := refuseSwitch(o.Dir); err != nil {
		return nil, nil, err
	}
	if err := f.openCopy(o); err != nil {
		return nil, nil, err
	}
	if err := d.copy(f.remote.copy); err != nil {
		return nil, nil, err
	}
	if err := refuseMonths(o.Dir); err != nil {
		return nil, nil, err
	}
	if err := f.openTrails(o, nil); err != nil {
		return nil, nil, err
	}
	if err := f.openJournal(o); err != nil {
		return nil, nil, err
	}
	return f, f.remote.journal, nil
}

// copy looks at the folder's copy of the catalogue.
func (d *doctor) copy(c store.CatalogCopy) error {
	ctx := context.Background()
	m, follows, err := c.Mark(ctx)
	if err != nil {
		return err
	}
	own, err := c.Dump(ctx)
	switch {
	case err != nil:
		return err
	case follows:
		d.add("catalogue", "ok", fmt.Sprintf("copies %s up to change %d: %d organizations, %d devices", m.Name, m.Revision, len(own.Organizations), len(own.Devices)))
	case own.Empty():
		d.add("catalogue", "warning", "it copies none yet: the first start with MONGO_URI does, and needs the server")
	default:
		d.add("catalogue", "failed", "it is the folder's own, and MONGO_URI is set: bring everything into MongoDB with `tidegate migrate --to mongo`, or unset MONGO_URI")
	}
	return nil
}

// refused shows the newest readings that the server did not take.
func (d *doctor) refused(ctx context.Context, f *files) {
	if f.remote == nil {
		return
	}
	n, err := f.remote.journal.Refused(ctx)
	var last []store.Refusal
	if err == nil {
		last, err = f.remote.journal.ListRefused(ctx, lastRefused)
	}
	switch {
	case err != nil:
		d.add("refused", "failed", err.Error())
	case n == 0:
		d.add("refused", "ok", "MongoDB refused no reading")
	default:
		lines := make([]string, len(last))
		for i, r := range last {
			lines[i] = fmt.Sprintf("%s %s: %s", r.At, r.Reason, r.Document)
		}
		d.add("refused", "warning", fmt.Sprintf("MongoDB refused %d readings after they were accepted; they count as rejected. The newest: %s", n, strings.Join(lines, "; ")))
	}
}
