package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tidegate/broker"
	"tidegate/cli/config"
	"tidegate/cli/gateway/certificate"
	"tidegate/ingest/buffer"
	"tidegate/store"
	"tidegate/store/embedded"
)

// Check is one thing that Doctor looked at.
type Check struct {
	Name   string `json:"name"`
	State  string `json:"state"`  // ok, warning, failed
	Detail string `json:"detail"` // what was found, and the way out
}

// DoctorOptions say what to look at.
type DoctorOptions struct {
	Dir       string
	Config    config.Config
	BuildDate time.Time
	// AdoptLog lets the files of the folder follow the log that is there now:
	// the way out when the old one is lost. See adoption.
	AdoptLog bool
}

// Doctor looks at a data folder and its machine. It works with and without a
// server; what needs the files for itself is left out while a server has them.
func Doctor(ctx context.Context, o DoctorOptions) ([]Check, error) {
	d := &doctor{o: o}
	if _, err := os.Stat(o.Dir); errors.Is(err, os.ErrNotExist) {
		d.add("folder", "warning", "there is no "+o.Dir+" yet; make it with `tidegate init --data "+o.Dir+"`, or name another with --data")
		d.clock()
		d.ports()
		d.certificate()
		d.database(ctx)
		return d.checks, nil
	}
	d.clock()
	d.disk()
	d.ports()
	d.certificate()
	d.database(ctx)
	lock, err := lockFolder(o.Dir)
	if err != nil {
		if o.AdoptLog {
			return d.checks, fmt.Errorf("adopt the log: %w", err)
		}
		d.add("files", "ok", "a server has them open: "+err.Error())
		return d.checks, nil
	}
	defer lock.unlock()
	if o.AdoptLog {
		if err := d.adopt(ctx); err != nil {
			return d.checks, err
		}
	}
	d.files(ctx)
	return d.checks, nil
}

type doctor struct {
	o      DoctorOptions
	checks []Check
}

func (d *doctor) add(name, state, detail string) {
	d.checks = append(d.checks, Check{name, state, detail})
}

func (d *doctor) clock() {
	now := time.Now()
	if now.Before(d.o.BuildDate) {
		d.add("clock", "failed", fmt.Sprintf("it says %s, before this program was built: readings are marked clock_unsynced. Set it, or start NTP (timedatectl set-ntp true)", now.UTC().Format(time.RFC3339)))
		return
	}
	d.add("clock", "ok", now.UTC().Format(time.RFC3339))
}

func (d *doctor) disk() {
	free, err := diskFree(d.o.Dir)
	if err != nil {
		d.add("disk", "failed", err.Error())
		return
	}
	if w := newDisk(0, free, 0).warning(); w != "" {
		d.add("disk", "warning", w)
		return
	}
	d.add("disk", "ok", fmt.Sprintf("%d MiB free", free>>20))
}

func (d *doctor) ports() {
	c := d.o.Config
	doors := [][2]string{{"http.listen", c.HTTP.Listen}, {"mqtt.listen", c.MQTT.Listen}}
	if c.UsesTLS() {
		doors = append(doors, [2]string{"http.tls_listen", c.HTTP.TLSListen}, [2]string{"mqtt.tls_listen", c.MQTT.TLSListen})
	}
	for _, door := range doors {
		name, addr := door[0], door[1]
		if addr == "" {
			continue
		}
		l, err := net.Listen("tcp", addr)
		if err == nil {
			_ = l.Close()
			d.add(name, "ok", addr+" is free")
			continue
		}
		detail := addr + " is taken"
		if a, rerr := net.ResolveTCPAddr("tcp", addr); rerr == nil {
			if owner := broker.PortOwner(a.Port); owner != "" {
				detail += " by " + owner
			}
		}
		d.add(name, "warning", detail+"; if that is not this folder's server, choose another with "+name)
	}
}

// certificate looks at what the doors with TLS would prove themselves with.
func (d *doctor) certificate() {
	const name = "certificate"
	if !d.o.Config.UsesTLS() {
		return
	}
	i, warnings, ok, err := certificate.Inspect(certificateOptions(d.o.Dir, d.o.Config, d.o.BuildDate))
	switch {
	case err != nil:
		d.add(name, "failed", err.Error())
	case !ok:
		d.add(name, "ok", "the next start makes the box's own")
	case len(warnings) > 0:
		d.add(name, "warning", strings.Join(warnings, "; "))
	default:
		d.add(name, "ok", fmt.Sprintf("%s, for %s, ends on %s; SHA-256 %s", i.Subject, strings.Join(i.Names, " "), i.NotAfter.UTC().Format(time.DateOnly), i.Fingerprint))
	}
}

func (d *doctor) logPath() string { return filepath.Join(d.o.Dir, "buffer.db") }

func (d *doctor) openLog() (*buffer.Log, error) {
	return buffer.Open(buffer.Options{Path: d.logPath(), Logger: slog.New(slog.DiscardHandler), Fatal: func(error) {}})
}

// withoutLog tells a new folder from one whose log is lost.
func (d *doctor) withoutLog() {
	lost, err := d.followsLog()
	if err != nil {
		d.add("readings", "failed", err.Error())
		return
	}
	if lost {
		d.add("log", "failed", d.logPath()+" is missing, and there are readings: put it back, or restore a backup; "+
			"if it is lost for good, run `tidegate doctor --adopt-log --data "+d.o.Dir+"`")
		return
	}
	d.add("files", "ok", "the folder is new; make its first user with `tidegate init --data "+d.o.Dir+"`")
}

// followsLog reports whether the readings of the folder follow a log.
func (d *doctor) followsLog() (follows bool, err error) {
	var readings interface {
		Standings() []embedded.Standing
		Close() error
	}
	if _, serr := os.Stat(filepath.Join(d.o.Dir, journalName)); serr == nil {
		readings, err = embedded.OpenJournal(filepath.Join(d.o.Dir, journalName), embedded.JournalOptions{})
	} else if _, serr := os.Stat(filepath.Join(d.o.Dir, indexName)); serr == nil {
		readings, err = embedded.OpenSeries(d.o.Dir, embedded.SeriesOptions{})
	} else {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return readings.Standings()[0].Log != store.LogID{}, readings.Close()
}

// files opens each file as a server would, and walks the chains.
func (d *doctor) files(ctx context.Context) {
	if _, err := os.Stat(d.logPath()); errors.Is(err, os.ErrNotExist) {
		d.withoutLog()
		return
	}
	quiet := slog.New(slog.DiscardHandler)
	log, err := d.openLog()
	if err != nil {
		d.add("log", "failed", err.Error())
		return
	}
	defer log.Close()
	if v, err := log.Verify(ctx); err != nil {
		d.add("log", "failed", err.Error())
	} else {
		d.add("log", "ok", fmt.Sprintf("chain of %d records is whole", v.Records))
	}
	f, readings, err := d.openForDoctor(Options{Dir: d.o.Dir, Config: d.o.Config, Logger: quiet})
	if err != nil {
		d.add("files", "failed", err.Error())
		return
	}
	defer func() {
		if err := f.close(); err != nil {
			d.add("files", "failed", err.Error())
		}
	}()
	after, head := log.Bounds()
	bounds := store.Bounds{Log: store.LogID(log.ID()), After: after, Head: head}
	for _, part := range []struct {
		name string
		of   store.Follower
	}{{"readings", readings}, {"state", f.state}, {"alerts", f.alerts}} {
		if err := part.of.Bind(bounds); err != nil {
			d.add(part.name, "failed", err.Error())
			continue
		}
		d.add(part.name, "ok", fmt.Sprintf("applied the log up to %d of %d", part.of.Applied(), head))
	}
	if n, err := f.alerts.Verify(ctx); err != nil {
		d.add("alarms", "failed", err.Error())
	} else {
		d.add("alarms", "ok", fmt.Sprintf("%d episodes are kept, of which %d go on; %d notifications, of which %d wait; %d silences", n.Events, n.Open, n.Notifications, n.Queued, n.Silences))
	}
	if kept, open, err := f.commands.Verify(ctx); err != nil {
		d.add("commands", "failed", err.Error())
	} else {
		d.add("commands", "ok", fmt.Sprintf("%d commands are kept, of which %d are open", kept, open))
	}
	if n, err := f.audit.VerifyAudit(ctx); err != nil {
		d.add("audit", "failed", err.Error())
	} else {
		d.add("audit", "ok", fmt.Sprintf("chain of %d entries is whole", n))
	}
	d.add("sessions", "ok", fmt.Sprintf("%d logins are open; they are in no backup", f.sessions.Count(time.Now())))
	d.refused(ctx, f)
}
