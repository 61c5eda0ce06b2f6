package gateway

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
	"tidegate/store/embedded"
)

// files are where a gateway keeps things: the open files of its data folder,
// the log excepted, and the database that MONGO_URI names. The embedded store
// is the whole of it, or a database has catalogue and readings; the rest is in
// the folder either way.
type files struct {
	secrets  *embedded.Secrets
	audit    *embedded.Audit
	state    *embedded.State
	alerts   *embedded.Alerts
	commands *embedded.Commands
	sessions *embedded.Sessions
	catalog  store.Catalog
	series   store.SeriesStore

	months months  // nil: readings are not kept in files of months
	remote *remote // nil: there is no database

	// What a backup copies of the two that a database may have.
	catalogFile, readingsFile embedded.Source

	opened []func() error // what closes them, in order of opening
}

// months is what the embedded store of readings can, because it keeps a file a
// month.
type months interface {
	readings
	// Settle rewrites compactly what got nothing for so long.
	Settle(ctx context.Context, after time.Duration) error
	ExpiredMonths(keep int, now time.Time) []embedded.ExpiredMonth
	DropMonths(ctx context.Context, keep int, now time.Time, before func(embedded.ExpiredMonth) error) ([]embedded.ExpiredMonth, error)
	Usage(now time.Time) embedded.SeriesUsage
}

// openFiles opens them all, or none.
func openFiles(o Options, reg prometheus.Registerer) (_ *files, err error) {
	f := &files{}
	defer func() {
		if err != nil && f.secrets != nil {
			err = errors.Join(err, f.secrets.Undo())
		}
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if err := refuseSwitch(o.Dir); err != nil {
		return nil, err
	}
	if f.secrets, err = embedded.OpenSecrets(filepath.Join(o.Dir, secretsFolder)); err != nil {
		return nil, err
	}
	if o.Config.MongoURI == "" {
		err = f.openOwnCatalog(o)
	} else {
		err = f.openRemoteCatalog(o, reg)
	}
	if err != nil {
		return nil, err
	}
	if err := f.openTrails(o, reg); err != nil {
		return nil, err
	}
	if f.remote == nil {
		err = f.openMonths(o, reg)
	} else {
		err = f.openRemoteReadings(o, reg)
	}
	return f, err
}

// openOwnCatalog opens the catalogue of a folder that has its own.
func (f *files) openOwnCatalog(o Options) error {
	c, err := embedded.OpenCatalog(filepath.Join(o.Dir, "catalog.db"), embedded.CatalogOptions{})
	if err != nil {
		return err
	}
	f.keep(c.Close)
	f.catalog, f.catalogFile = c, c
	return refuseJournal(o.Dir)
}

// openTrails opens what is in the folder whoever has the readings.
func (f *files) openTrails(o Options, reg prometheus.Registerer) (err error) {
	if f.audit, err = embedded.OpenAudit(filepath.Join(o.Dir, "audit.log"), embedded.AuditOptions{Logger: o.Logger}); err != nil {
		return err
	}
	f.keep(f.audit.Close)
	d := o.Config.DeadLetters
	f.state, err = embedded.OpenState(filepath.Join(o.Dir, "state.db"), embedded.StateOptions{
		KeepFor: time.Duration(d.KeepDays) * 24 * time.Hour, MaxBytes: d.MaxSize, Logger: o.Logger, Registerer: reg,
	})
	if err != nil {
		return err
	}
	f.keep(f.state.Close)
	if f.alerts, err = embedded.OpenAlerts(filepath.Join(o.Dir, "alerts.db"), embedded.AlertsOptions{Logger: o.Logger, Registerer: reg}); err != nil {
		return err
	}
	f.keep(f.alerts.Close)
	if f.commands, err = embedded.OpenCommands(filepath.Join(o.Dir, "commands.db"), embedded.CommandsOptions{}); err != nil {
		return err
	}
	f.keep(f.commands.Close)
	if f.sessions, err = embedded.OpenSessions(filepath.Join(o.Dir, "sessions.db"), embedded.SessionsOptions{Logger: o.Logger}); err != nil {
		return err
	}
	f.keep(f.sessions.Close)
	return nil
}

// openMonths opens the readings of the embedded store.
func (f *files) openMonths(o Options, reg prometheus.Registerer) error {
	s, err := embedded.OpenSeries(o.Dir, embedded.SeriesOptions{Logger: o.Logger, Registerer: reg})
	if err != nil {
		return err
	}
	f.keep(s.Close)
	f.series, f.months, f.readingsFile = s, s, s
	return nil
}

func (f *files) keep(close func() error) { f.opened = append(f.opened, close) }

// close closes what was opened, the last first.
func (f *files) close() error {
	var err error
	for _, c := range slices.Backward(f.opened) {
		err = errors.Join(err, c())
	}
	f.opened = nil
	return err
}

// checkDeviceKey refuses a folder whose devices and API keys could never log in
// again: their secrets are hashed under a key that is gone, or that another
// folder has.
func (f *files) checkDeviceKey(ctx context.Context) error {
	if !f.secrets.MadeDevice {
		return nil
	}
	one := store.Page{Limit: 1}
	devices, err := f.catalog.ListDevices(ctx, store.DeviceFilter{Page: one})
	if err != nil {
		return err
	}
	keys, err := f.catalog.ListAPIKeys(ctx, store.APIKeyFilter{Page: one})
	if err != nil || len(devices)+len(keys) == 0 {
		return err
	}
	const renew = "or begin with the new one by another start, give each device a new secret with `tidegate device set --id ID --rotate-secret`, and make new API keys"
	if f.remote != nil {
		return store.Conflict("key", "secrets/device.key", "this folder has just made one, and the devices and API keys of %s have their secrets under another. "+
			"Copy it from the folder that made them, or from a backup; %s", f.remote.place(), renew)
	}
	return store.Conflict("key", "secrets/device.key", "it is lost, so that no device and no API key of this folder could log in. Put it back from a backup; %s", renew)
}
