package gateway

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
	"tidegate/store/embedded"
)

// files are the open files of a data folder, the log excepted.
type files struct {
	secrets *embedded.Secrets
	catalog *embedded.Catalog
	audit   *embedded.Audit
	state   *embedded.State
	series  *embedded.SeriesStore
}

// openFiles opens them all, or none.
func openFiles(o Options, reg prometheus.Registerer) (_ *files, err error) {
	f := &files{}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if f.secrets, err = embedded.OpenSecrets(filepath.Join(o.Dir, "secrets")); err != nil {
		return nil, err
	}
	if f.catalog, err = embedded.OpenCatalog(filepath.Join(o.Dir, "catalog.db"), embedded.CatalogOptions{}); err != nil {
		return nil, err
	}
	if f.audit, err = embedded.OpenAudit(filepath.Join(o.Dir, "audit.log"), embedded.AuditOptions{Logger: o.Logger}); err != nil {
		return nil, err
	}
	d := o.Config.DeadLetters
	f.state, err = embedded.OpenState(filepath.Join(o.Dir, "state.db"), embedded.StateOptions{
		KeepFor: time.Duration(d.KeepDays) * 24 * time.Hour, MaxBytes: d.MaxSize, Logger: o.Logger, Registerer: reg,
	})
	if err != nil {
		return nil, err
	}
	f.series, err = embedded.OpenSeries(o.Dir, embedded.SeriesOptions{Logger: o.Logger, Registerer: reg})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// checkDeviceKey refuses a folder whose devices could never log in again: their
// secrets are hashed under a key that is gone.
func (f *files) checkDeviceKey(ctx context.Context) error {
	if !f.secrets.MadeDevice {
		return nil
	}
	devices, err := f.catalog.ListDevices(ctx, store.DeviceFilter{Page: store.Page{Limit: 1}})
	if err != nil || len(devices) == 0 {
		return err
	}
	return store.Conflict("key", "secrets/device.key", "it is lost, so that no device of this folder could log in. Put it back from a backup; "+
		"or begin with the new one by another start, and give each device a new secret with `tidegate device set --id ID --rotate-secret`")
}

func (f *files) close() error {
	var err error
	if f.series != nil {
		err = errors.Join(err, f.series.Close())
	}
	if f.state != nil {
		err = errors.Join(err, f.state.Close())
	}
	if f.audit != nil {
		err = errors.Join(err, f.audit.Close())
	}
	if f.catalog != nil {
		err = errors.Join(err, f.catalog.Close())
	}
	return err
}
