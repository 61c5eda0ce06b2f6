package gateway

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"tidegate/api"
	"tidegate/store"
)

// status answers how the gateway is.
func (g *gateway) status(ctx context.Context) (api.Status, error) {
	l, err := g.flow.Ledger(ctx)
	if err != nil {
		return api.Status{}, err
	}
	drain := g.flow.Drain()
	depth := g.buf.Depth()
	disk := g.diskNow()
	s := api.Status{
		Ready: g.ready() == nil, Version: g.o.Version, Store: "embedded",
		StartedAt: store.Time(g.began.UnixMilli()), PID: os.Getpid(), DataDir: g.o.Dir,
		HTTP: g.addrs.HTTP, MQTT: g.addrs.MQTT, TLS: g.tlsStatus(),
		Log:      api.LogStatus{Depth: drain.Depth, Bytes: depth.Bytes, MaxBytes: g.o.Config.Log.MaxSize, DrainPerSecond: drain.PerSecond},
		Ledger:   l,
		Devices:  len(g.devices.Devices()),
		DiskFree: disk.Free, DiskUsed: disk.Used, DiskPerDay: disk.PerDay,
		Connections: g.seen.online(),
		Warnings:    append([]string{}, g.o.Warnings...),
	}
	if g.cert != nil {
		s.Warnings = append(s.Warnings, g.cert.Warnings()...)
	}
	if drain.ETA > 0 {
		eta := drain.ETA.Round(time.Second).Seconds()
		s.Log.ETASeconds = &eta
	}
	if disk.DaysLeft >= 0 {
		s.DiskDaysLeft = &disk.DaysLeft
	}
	if g.buf.Full() {
		s.Warnings = append(s.Warnings, "the log is full: acks are withheld, and devices hold their messages. Free disk space, or see why the store does not take readings")
	}
	if s.Alarms, err = g.alarmsNow(ctx); err != nil {
		return s, err
	}
	trouble := g.flow.Trouble()
	if g.files.remote != nil {
		s.Store = "mongo"
		if s.Database, err = g.database(ctx, trouble); err != nil {
			return s, err
		}
		s.Warnings = append(s.Warnings, databaseWarnings(*s.Database)...)
	} else if trouble != "" {
		s.Warnings = append(s.Warnings, "the store does not take readings: "+trouble)
	}
	if w := disk.warning(); w != "" {
		s.Warnings = append(s.Warnings, w)
	}
	return s, nil
}

// alarmsNow answers which alarms go on.
func (g *gateway) alarmsNow(ctx context.Context) (*api.AlarmStatus, error) {
	n, err := g.files.alerts.CountAlertEvents(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("count alarms: %w", err)
	}
	queued, err := g.files.alerts.CountQueued(ctx)
	if err != nil {
		return nil, fmt.Errorf("count notifications: %w", err)
	}
	return &api.AlarmStatus{Info: n[store.SeverityInfo], Warning: n[store.SeverityWarning], Critical: n[store.SeverityCritical], Queued: queued}, nil
}

// lastRefused is how many refused readings a status names.
const lastRefused = 5

// database answers how the database is. It asks nobody: a status must answer
// also when the database does not.
func (g *gateway) database(ctx context.Context, trouble string) (*api.DatabaseStatus, error) {
	r := g.files.remote
	is := r.db.Status()
	d := &api.DatabaseStatus{
		Kind: is.Kind, Version: is.Version, Name: is.Database, Hosts: is.Hosts, Reachable: is.Reachable,
		Since: store.Time(is.Since.UnixMilli()), Writer: r.series.LeaseHolder(), Behind: g.mirror.Behind(),
	}
	err := g.follow.refused()
	switch {
	case !is.Reachable:
		d.Error = is.LastError
	case err != nil:
		d.Error = err.Error()
	case trouble != "":
		d.Error = trouble
	}
	if d.Refused, err = r.journal.Refused(ctx); err != nil {
		return nil, err
	}
	last, err := r.journal.ListRefused(ctx, lastRefused)
	if err != nil {
		return nil, err
	}
	for _, f := range last {
		d.LastRefused = append(d.LastRefused, api.RefusedReading{At: f.At, Reason: f.Reason, Document: f.Document})
	}
	return d, nil
}

func databaseWarnings(d api.DatabaseStatus) []string {
	var w []string
	switch {
	case !d.Reachable:
		w = append(w, strings.TrimSuffix(fmt.Sprintf("MongoDB is away since %s; what is acked waits in the log: %s", d.Since, d.Error), ": "))
	case d.Error != "":
		w = append(w, "the database does not take everything: "+d.Error)
	}
	if d.Refused > 0 {
		w = append(w, refusedWarning(d.Refused, d.LastRefused[0].Reason))
	}
	return w
}

func refusedWarning(n uint64, reason string) string {
	return fmt.Sprintf("MongoDB refused %d readings after they were accepted, the last one with: %s. They count as rejected and are kept here; `tidegate status -o json` and `tidegate doctor` show the newest", n, reason)
}

// diskNow answers how full the disk is; what cannot be asked is left at zero.
// With a database nobody knows how fast the folder fills: it should not.
func (g *gateway) diskNow() Disk {
	free, err := diskFree(g.o.Dir)
	if err != nil {
		g.log.Warn("disk", "error", err)
	}
	if g.files.months == nil {
		d := newDisk(folderBytes(g.o.Dir), free, 0)
		d.remote = true
		return d
	}
	u := g.files.months.Usage(time.Now())
	return newDisk(u.Bytes, free, u.BytesPerDay)
}

// settleEvery is how often quiet months are looked for.
const settleEvery = time.Minute
