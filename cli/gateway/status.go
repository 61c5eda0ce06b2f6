package gateway

import (
	"context"
	"os"
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
	_, head := g.buf.Bounds()
	depth := g.buf.Depth()
	disk := g.diskNow()
	s := api.Status{
		Ready: g.ready() == nil, Version: g.o.Version, Store: "embedded",
		StartedAt: store.Time(g.began.UnixMilli()), PID: os.Getpid(), DataDir: g.o.Dir,
		HTTP: g.addrs.HTTP, MQTT: g.addrs.MQTT,
		Log:      api.LogStatus{Depth: head - min(head, g.flow.Cursor()), Bytes: depth.Bytes, MaxBytes: g.o.Config.Log.MaxSize},
		Ledger:   l,
		Devices:  len(g.devices.Devices()),
		DiskFree: disk.Free, DiskUsed: disk.Used, DiskPerDay: disk.PerDay,
		Connections: g.seen.online(),
		Warnings:    append([]string{}, g.o.Warnings...),
	}
	if disk.DaysLeft >= 0 {
		s.DiskDaysLeft = &disk.DaysLeft
	}
	if g.buf.Full() {
		s.Warnings = append(s.Warnings, "the log is full: acks are withheld, and devices hold their messages. Free disk space, or see why the store does not take readings")
	}
	if t := g.flow.Trouble(); t != "" {
		s.Warnings = append(s.Warnings, "the store does not take readings: "+t)
	}
	if w := disk.warning(); w != "" {
		s.Warnings = append(s.Warnings, w)
	}
	return s, nil
}

// diskNow answers how full the disk is; what cannot be asked is left at zero.
func (g *gateway) diskNow() Disk {
	free, err := diskFree(g.o.Dir)
	if err != nil {
		g.log.Warn("disk", "error", err)
	}
	u := g.files.series.Usage(time.Now())
	return newDisk(u.Bytes, free, u.BytesPerDay)
}

// settleEvery is how often quiet months are looked for.
const settleEvery = time.Minute
