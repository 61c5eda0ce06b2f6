package gateway

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
	"tidegate/store/embedded"
	"tidegate/store/mongo"
)

const (
	// bootPatience is how long a start waits to hear from the database. Without
	// it everything starts all the same.
	bootPatience  = 3 * time.Second
	databaseGrace = 5 * time.Second
)

// remote is the database of a folder, and what the folder keeps because of it.
type remote struct {
	db      *mongo.Database
	copy    *embedded.Catalog
	catalog *mongo.Catalog
	journal *embedded.Journal
	series  *mongo.SeriesStore
	names   *deviceNames
}

// place names the database for people, without credentials.
func (r *remote) place() string {
	s := r.db.Status()
	return strings.Join(s.Hosts, ",") + "/" + s.Database
}

// openRemoteCatalog opens the connection, the folder's copy of the catalogue,
// and the catalogue. It needs the server at the first start of a folder alone.
// A database that is there, and is another one than the copy follows, is
// refused.
func (f *files) openRemoteCatalog(o Options, reg prometheus.Registerer) error {
	db, err := mongo.Open(mongo.Options{URI: o.Config.MongoURI, Logger: o.Logger, Registerer: reg})
	if err != nil {
		return err
	}
	f.keep(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), databaseGrace)
		defer cancel()
		return db.Close(ctx)
	})
	f.remote = &remote{db: db}
	if err := f.openCopy(o); err != nil {
		return err
	}
	if err := refuseMonths(o.Dir); err != nil {
		return err
	}
	r := f.remote
	if r.catalog, err = mongo.OpenCatalog(db, r.copy, mongo.CatalogOptions{Logger: o.Logger}); err != nil {
		return err
	}
	f.catalog = r.catalog
	if err := dropIndex(o.Dir); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), bootPatience)
	defer cancel()
	if _, err := r.catalog.Sync(ctx); err != nil && !passing(err) {
		return err
	} else if err != nil {
		o.Logger.Warn("MongoDB is not reached; starting from what this folder knows", "database", r.place(), "error", err)
	}
	r.names = newDeviceNames(r.copy, o.Logger)
	return nil
}

// openCopy opens the folder's copy of the catalogue alone.
func (f *files) openCopy(o Options) (err error) {
	c, err := embedded.OpenCatalog(filepath.Join(o.Dir, "catalog.db"), embedded.CatalogOptions{Copy: true})
	if err != nil {
		return err
	}
	f.keep(c.Close)
	f.remote.copy, f.catalogFile = c, c
	return nil
}

// openJournal opens what the writer remembers in the folder.
func (f *files) openJournal(o Options) (err error) {
	j, err := embedded.OpenJournal(filepath.Join(o.Dir, journalName), embedded.JournalOptions{Logger: o.Logger})
	if err != nil {
		return err
	}
	f.keep(j.Close)
	f.remote.journal, f.readingsFile = j, j
	return nil
}

func (f *files) openRemoteReadings(o Options, reg prometheus.Registerer) error {
	if err := f.openJournal(o); err != nil {
		return err
	}
	r := f.remote
	var err error
	r.series, err = mongo.OpenSeries(r.db, r.journal, mongo.SeriesOptions{
		Names: r.names.of, Writers: o.Config.Mongo.Writers, Holder: holder(o.Dir), Logger: o.Logger, Registerer: reg, Now: time.Now,
	})
	if err != nil {
		return err
	}
	f.keep(r.series.Close)
	f.series = r.series
	return nil
}

// holder names this process among those that may write into a database.
func holder(dir string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return host + ":" + dir
}

// passing reports whether err may go away by itself.
func passing(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
}
