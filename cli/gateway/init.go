package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"tidegate/api"
	"tidegate/cli/config"
	"tidegate/ingest"
	"tidegate/store"
	"tidegate/store/embedded"
)

// InitOptions say what a new data folder holds.
type InitOptions struct {
	Dir           string
	Config        config.Config
	AdminEmail    string
	AdminPassword string
	Sample        bool // also an organization, a device and its ports
}

// InitResult is what was made.
type InitResult struct {
	Dir        string `json:"dataDir"`
	AdminEmail string `json:"adminEmail"`
	// Of the sample; empty without one.
	OrgID    string `json:"orgId,omitempty"`
	DeviceID string `json:"deviceId,omitempty"`
	Secret   string `json:"secret,omitempty"` // shown this once
	Topic    string `json:"topic,omitempty"`
}

// Init makes the first user of a data folder, without a server. With MONGO_URI
// it is made in the database, which must be reachable. A folder, or a database,
// that has users already is left as it is.
func Init(ctx context.Context, o InitOptions) (r InitResult, err error) {
	lock, err := lockFolder(o.Dir)
	if err != nil {
		return r, err
	}
	defer lock.unlock()
	f, err := openFiles(Options{Dir: o.Dir, Config: o.Config, Logger: slog.New(slog.DiscardHandler)}, nil)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	if err := f.checkDeviceKey(ctx); err != nil {
		return r, err
	}
	if o.AdminPassword == "" {
		return r, store.Invalid("user", "password", "is missing")
	}
	users, err := f.catalog.ListUsers(ctx, store.UserFilter{Page: store.Page{Limit: 1}})
	if err != nil {
		return r, err
	}
	if len(users) > 0 {
		if f.remote != nil {
			return r, store.Conflict("database", f.remote.place(), "it has users already. Start with `tidegate serve --data %s`, or name an empty database in MONGO_URI", o.Dir)
		}
		return r, store.Conflict("data folder", o.Dir, "it has users already. Start it with `tidegate serve --data %s`, or choose a new folder", o.Dir)
	}
	devices, err := ingest.NewRegistry(ctx, f.catalog, f.secrets.Device, time.Now)
	if err != nil {
		return r, err
	}
	admin := api.NewAdmin(api.AdminOptions{
		Catalog: f.catalog, Audit: f.audit, Sessions: f.sessions, KeyUses: f.sessions, Registry: devices, Readings: f.series, Logger: slog.New(slog.DiscardHandler),
	})
	ctx = api.WithActor(ctx, api.Actor{Name: "setup", Role: store.RoleCompanyAdmin, Access: store.Everything()})
	if _, err := admin.CreateUser(ctx, api.NewUser{Email: o.AdminEmail, Password: o.AdminPassword, Role: store.RoleCompanyAdmin}); err != nil {
		return r, err
	}
	r.Dir, r.AdminEmail = o.Dir, o.AdminEmail
	if o.Sample {
		err = makeSample(ctx, admin, &r)
	}
	return r, err
}

// makeSample makes an organization with a device, as the demo and the tour of
// README use them.
func makeSample(ctx context.Context, admin *api.Admin, r *InitResult) error {
	const org, device = "acme", "d1"
	if _, err := admin.CreateOrganization(ctx, api.NewOrganization{ID: org, Name: "Acme"}); err != nil {
		return fmt.Errorf("make the sample: %w", err)
	}
	d, err := admin.CreateDevice(ctx, api.NewDevice{ID: device, OrgID: org, Name: "Sample device"})
	if err != nil {
		return fmt.Errorf("make the sample: %w", err)
	}
	for i, p := range []struct{ name, unit string }{{"Voltage", "V"}, {"Current", "A"}, {"Temperature", "°C"}, {"Vibration", "mm/s"}} {
		if _, err := admin.SetPort(ctx, device, uint16(i+1), api.PortChange{Name: &p.name, Unit: &p.unit}); err != nil {
			return fmt.Errorf("make the sample: %w", err)
		}
	}
	r.OrgID, r.DeviceID, r.Secret, r.Topic = org, device, d.Secret, ingest.TelemetryTopic(org, device)
	return nil
}

// VerifyAudit checks the audit trail of a folder, also while a server has it,
// and answers how many entries it holds.
func VerifyAudit(ctx context.Context, dir string) (uint64, error) {
	return VerifyAuditFile(ctx, filepath.Join(dir, "audit.log"))
}

// VerifyAuditFile checks a trail that was exported.
func VerifyAuditFile(ctx context.Context, file string) (uint64, error) {
	return embedded.VerifyAuditFile(ctx, file)
}
