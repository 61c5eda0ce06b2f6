// Package gateway puts the parts together: it opens them in order, lets
// traffic in last, and on the way out closes the doors first and the files
// last.
//
//	start: lock · secrets · catalogue, audit · state, readings · certificate · log · rules, notifications · writer · live · api · broker
//	stop:  broker · http · writer drained and flushed · rules, notifications · log · files
//
// With MONGO_URI catalogue and readings are in a database; the rest stays in
// the folder, and so does a copy of the catalogue. The start needs the database
// once: from then on everything begins, accepts and stops without it.
//
// SIGTERM loses nothing: what was acked is stored or in the log. A failed
// fsync of the log ends the process without another ack.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tidegate/api"
	"tidegate/broker"
	"tidegate/cli/config"
	"tidegate/cli/gateway/certificate"
	"tidegate/ingest"
	"tidegate/ingest/alert"
	"tidegate/ingest/buffer"
	"tidegate/ingest/live"
	"tidegate/ingest/notify"
	"tidegate/store"
	"tidegate/store/archive"
	"tidegate/store/embedded"
	"tidegate/store/mongo"
	"tidegate/web"
)

// Options are what a gateway is made of.
type Options struct {
	Dir       string
	Config    config.Config
	Warnings  []string         // of the configuration, shown at start and in status
	Settings  []config.Setting // what Config was made of, shown in the API
	Version   string
	BuildDate time.Time
	Logger    *slog.Logger
	Env       func(string) string
	// Hangup makes the certificate be read again at once; nil: nothing does.
	Hangup <-chan os.Signal
	// NextPort lets a taken port give way to the next free one (the demo).
	NextPort bool
	// AckOnly leaves the store behind the log out: what remains is the cost of
	// the acks (bench).
	AckOnly bool
}

// Grace is how long each stage of a stop may take.
const (
	brokerGrace = 5 * time.Second
	httpGrace   = 5 * time.Second
	drainGrace  = 20 * time.Second
	// catchUpGrace bounds how long a start waits for the ledger.
	catchUpGrace = time.Minute
)

// flushSoonest is how long readings wait for a database that is quick: others
// who read it see them a second later, and a flush, which costs two small
// fsyncs here and about 0.1 ms a series there, is rare beside the fsync of each
// message. Queries of tidegate's own see readings at once.
const flushSoonest = time.Second

// gateway is one that runs.
type gateway struct {
	o       Options
	log     *slog.Logger
	reg     *prometheus.Registry
	began   time.Time
	files   *files
	follow  *follower           // nil: the catalogue is the folder's own
	mirror  *mongo.Mirror       // nil: nothing is copied elsewhere
	cert    *certificate.Keeper // nil: there is no TLS
	buf     *buffer.Log
	hub     *live.Hub
	alarms  *alert.Engine
	notify  *notify.Dispatcher
	devices *ingest.Registry
	flow    *ingest.Pipeline
	admin   *api.Admin
	api     *api.Server
	broker  *broker.Broker
	seen    *presences
	addrs   Addrs
	setup   string // the secret of the setup link, in memory alone; empty: none
	fatal   chan error
}

// Run serves until ctx ends, and then stops in order. ready is told once
// everything accepts.
func Run(ctx context.Context, o Options, ready func(Addrs)) error {
	if o.Env("GOGC") == "" {
		// A small box has more use for the memory than for the last few percent
		// of a core: at full load 123 MiB instead of 161, for 8 % more CPU.
		debug.SetGCPercent(50)
	}
	g := &gateway{o: o, log: o.Logger, reg: prometheus.NewRegistry(), began: time.Now(), fatal: make(chan error, 1)}
	g.reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, w := range o.Warnings {
		g.log.Warn("configuration", "warning", w)
	}
	lock, err := lockFolder(o.Dir)
	if err != nil {
		return err
	}
	defer lock.unlock()
	if err := embedded.RestoreUnfinished(o.Dir); err != nil {
		return err
	}
	if g.files, err = openFiles(o, g.reg); err != nil {
		return err
	}
	defer func() {
		if err := g.files.close(); err != nil {
			g.log.Error("close files", "error", err)
		}
	}()
	if err := g.files.checkDeviceKey(ctx); err != nil {
		return err
	}
	if err := g.openCertificate(); err != nil {
		return err
	}
	return g.serve(ctx, ready)
}

func (g *gateway) serve(ctx context.Context, ready func(Addrs)) error {
	if err := g.build(ctx); err != nil {
		if g.buf != nil {
			err = errors.Join(err, g.buf.Close())
		}
		return err
	}
	flow, stopFlow := context.WithCancel(context.WithoutCancel(ctx))
	defer stopFlow()
	flowed := make(chan error, 1)
	go func() { flowed <- g.runFlow(flow) }()

	g.catchUp(ctx)
	doors, err := g.listen(ctx)
	if err != nil {
		stopFlow()
		return errors.Join(err, <-flowed, g.buf.Close())
	}
	stopChores := make(chan struct{})
	chores := g.startChores(stopChores)
	ready(g.addrs)

	select {
	case <-ctx.Done():
	case err = <-g.fatal:
		// Nothing may be acked or written any more; the supervisor starts us again.
		return fmt.Errorf("the log is not to be trusted any more: %w", err)
	case err = <-flowed:
		flowed <- nil // it is waited for below
		err = fmt.Errorf("the writer stopped: %w", err)
	case err = <-doors.failed:
	}
	g.log.Info("stopping")
	close(stopChores)
	chores.Wait()
	bctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), brokerGrace)
	err = errors.Join(err, g.broker.Close(bctx))
	cancel()
	doors.shutdown(ctx)
	g.drain()
	stopFlow()
	err = errors.Join(err, <-flowed, g.buf.Close())
	g.log.Info("stopped")
	return err
}

// build makes the parts, from the store to the broker; none accepts yet.
func (g *gateway) build(ctx context.Context) error {
	var err error
	c := g.o.Config
	g.buf, err = buffer.Open(buffer.Options{
		Path: filepath.Join(g.o.Dir, "buffer.db"), MaxSize: c.Log.MaxSize, Linger: c.Log.Linger, Window: c.Log.Window, Unacked: c.Log.Unacked,
		NoSync: noSync, Logger: g.log, Registerer: g.reg,
		Fatal: func(err error) { g.fatal <- err },
	})
	if err != nil {
		return err
	}
	if g.devices, err = ingest.NewRegistry(ctx, g.files.catalog, g.files.secrets.Device, time.Now); err != nil {
		return err
	}
	if err := endOrphans(ctx, g.files.commands, g.devices); err != nil {
		return err
	}
	if g.hub, err = live.New(live.Options{Registerer: g.reg}); err != nil {
		return err
	}
	if g.seen, err = loadPresences(ctx, g.files.state); err != nil {
		return err
	}
	if err := g.buildAlarms(ctx); err != nil {
		return err
	}
	if g.flow, err = ingest.NewPipeline(g.flowOptions()); err != nil {
		return err
	}
	if err := g.buildRemote(); err != nil {
		return err
	}
	g.admin = api.NewAdmin(api.AdminOptions{
		Catalog: g.files.catalog, Audit: g.files.audit, Sessions: g.files.sessions, KeyUses: g.files.sessions, Registry: g.devices, Readings: g.files.series, Lifecycles: g.files.state,
		Between: g.flow.Between, Writable: g.writable, Alerts: rulesAtWork{g.alarms, g.notify, g.files.catalog}, CheckChannel: g.notify.Validate, CheckMessage: checkMessage,
		Disconnect:    func(device, reason string) { g.broker.Disconnect(device, reason) },
		DisconnectKey: func(id, reason string) { g.broker.DisconnectKey(id, reason) },
		DropCommands: func(ctx context.Context, uid uint32, reason string, history bool) error {
			return g.broker.DropCommands(ctx, uid, reason, history)
		},
		Logger: g.log,
	})
	mqtt := broker.Options{
		MaxConnections: c.MQTT.MaxConnections,
		Submitter:      g.flow, Authenticator: noting{g.devices, g.files.sessions}, Devices: g.devices,
		Commands: g.files.commands, Presence: g.seen.set,
		Said: func(_, device, status, reason string, at time.Time) {
			g.noteLifecycle(device, store.LifecycleEvent{At: store.Time(at.UnixMilli()), Status: status, Reason: reason, Source: store.LifecycleDevice})
		},
		Lifecycle: func(org, device, status, reason string, at time.Time) {
			g.noteLifecycle(device, store.LifecycleEvent{At: store.Time(at.UnixMilli()), Status: status, Reason: reason, Source: store.LifecycleServer})
			g.hub.Publish([]live.Event{{Kind: live.KindLifecycle, OrgID: org, DeviceID: device, At: store.Time(at.UnixMilli()), Status: status, Reason: reason}})
		},
		Refused: func(r broker.Refusal) {
			g.log.Warn(r.Line)
			g.hub.Publish([]live.Event{{Kind: live.KindRejection, OrgID: r.OrgID, DeviceID: r.DeviceID, At: now(), Reason: r.Kind, Line: r.Line}})
		},
		Logger: g.log, Registerer: g.reg,
	}
	if err := g.addressMQTT(&mqtt); err != nil {
		return err
	}
	if g.broker, err = broker.New(mqtt); err != nil {
		return err
	}
	if g.setup, err = g.setupSecret(ctx); err != nil {
		return err
	}
	keys, err := jwtKeys(g.files.secrets.JWT, g.o.Env)
	if err != nil {
		return err
	}
	g.api, err = api.New(api.Options{
		Admin: g.admin, Readings: g.files.series, Letters: g.files.state, Pipeline: g.flow, Live: g.hub,
		Keys: keys, AccessTokenTTL: c.Auth.AccessTokenTTL, SessionTTL: c.Auth.SessionTTL, Version: g.o.Version,
		SetupToken: g.setup, Address: g.address,
		CORSOrigins: c.HTTP.CORSOrigins.All(), RateLimit: c.HTTP.RateLimit, RateLimitAddress: c.HTTP.RateLimitAddress,
		LiveConnections: c.HTTP.LiveConnections, LiveConnectionsUser: c.HTTP.LiveConnectionsUser,
		Presence: g.seen.get, Pulse: g.flow.Pulse, Lifecycles: g.files.state, Status: g.status, Doctor: g.doctor, Settings: g.settings, Backup: g.backup, Retention: g, Sender: sender{g.notify},
		Parquet: archive.Parquet, Commands: g.files.commands, Dispatcher: g.broker,
		Alarms: alarmRecords{g.files.alerts, g.alarms}, Episodes: g.alarms, Resender: g.notify, Ready: g.ready,
		Metrics: promhttp.HandlerFor(g.reg, promhttp.HandlerOpts{}), Page: web.Handler(),
		Logger: g.log, Registerer: g.reg,
	})
	return err
}

// flowOptions answers how readings are gathered: for the embedded store long,
// to spare the disk, and for a database as long as its own cost says.
func (g *gateway) flowOptions() ingest.Options {
	c := g.o.Config
	o := ingest.Options{
		Log: g.buf, Series: g.files.series, State: g.files.state, Registry: g.devices, Live: g.hub, Rules: g.alarms,
		FlushInterval: c.Store.FlushInterval, FlushSize: c.Store.FlushSize, LogSize: c.Log.MaxSize,
		BuildDate: g.o.BuildDate, LastReceived: g.seen.newest(),
		Rejected: func(org, device, line string) {
			g.log.Warn(line)
			g.hub.Publish([]live.Event{{Kind: live.KindRejection, OrgID: org, DeviceID: device, At: now(), Line: line}})
		},
		Logger: g.log, Registerer: g.reg, Now: time.Now,
	}
	if g.files.remote != nil {
		o.FlushInterval, o.FlushSize = c.Mongo.FlushInterval, c.Mongo.FlushSize
		o.FlushSoonest, o.LastFlush = flushSoonest, drainGrace
		o.RawPayload = c.Mongo.RawPayload
	}
	return o
}

func now() store.Time { return store.Time(time.Now().UnixMilli()) }

func (g *gateway) runFlow(ctx context.Context) error {
	if !g.o.AckOnly {
		stopAlarms := g.runAlarms(ctx)
		err := g.flow.Run(ctx)
		return errors.Join(err, stopAlarms())
	}
	if _, head := g.buf.Bounds(); head != 0 {
		return errors.New("--ack-only throws readings away, and this folder holds some: measure in an empty one")
	}
	return g.flow.Discard(ctx)
}

// catchUp waits until the ledger adds up again after a crash. A store that takes
// nothing keeps the doors closed for a while only: devices come first. With a
// database, which may be away for long, the ledger adds up from the start on:
// position and counts are one there.
func (g *gateway) catchUp(ctx context.Context) {
	if g.o.AckOnly || g.files.remote != nil {
		return
	}
	wait, cancel := context.WithTimeout(ctx, catchUpGrace)
	defer cancel()
	if err := g.flow.CatchUp(wait); err != nil && ctx.Err() == nil {
		g.log.Warn("the log has not been applied again; the ledger runs ahead until it is", "trouble", g.flow.Trouble())
	}
}

// drain waits until everything acked is applied, within its grace: what is
// left stays in the log and is applied at the next start.
func (g *gateway) drain() {
	if g.o.AckOnly {
		return
	}
	deadline := time.Now().Add(drainGrace)
	for time.Now().Before(deadline) {
		_, head := g.buf.Bounds()
		if g.buf.Depth().Unacked == 0 && g.flow.Cursor() >= head || g.flow.Trouble() != "" || g.buf.Full() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}
