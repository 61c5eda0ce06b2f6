package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"tidegate/broker"
	"tidegate/cli/config"
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
	// the way out when the old one is lost. What it held beyond the last flush
	// is lost with it, and received begins anew.
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
		return d.checks, nil
	}
	d.clock()
	d.disk()
	d.ports()
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
		if err := d.adopt(); err != nil {
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
	for name, addr := range map[string]string{"http.listen": d.o.Config.HTTP.Listen, "mqtt.listen": d.o.Config.MQTT.Listen} {
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

// files opens each file as a server would, and walks the chains.
func (d *doctor) files(ctx context.Context) {
	path := filepath.Join(d.o.Dir, "buffer.db")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		d.add("files", "ok", "the folder is new; make its first user with `tidegate init --data "+d.o.Dir+"`")
		return
	}
	quiet := slog.New(slog.DiscardHandler)
	log, err := buffer.Open(buffer.Options{Path: path, Logger: quiet, Fatal: func(error) {}})
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
	f, err := openFiles(Options{Dir: d.o.Dir, Logger: quiet}, nil)
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
	}{{"readings", f.series}, {"state", f.state}} {
		if err := part.of.Bind(bounds); err != nil {
			d.add(part.name, "failed", err.Error())
			continue
		}
		d.add(part.name, "ok", fmt.Sprintf("applied the log up to %d of %d", part.of.Applied(), head))
	}
	if n, err := f.audit.VerifyAudit(ctx); err != nil {
		d.add("audit", "failed", err.Error())
	} else {
		d.add("audit", "ok", fmt.Sprintf("chain of %d entries is whole", n))
	}
}

func (d *doctor) adopt() error {
	log, err := buffer.Open(buffer.Options{Path: filepath.Join(d.o.Dir, "buffer.db"), Logger: slog.New(slog.DiscardHandler), Fatal: func(error) {}})
	if err != nil {
		return err
	}
	id := store.LogID(log.ID())
	if err := log.Close(); err != nil {
		return err
	}
	if err := embedded.AdoptLog(d.o.Dir, id, time.Now()); err != nil {
		return fmt.Errorf("adopt the log: %w", err)
	}
	if err := embedded.AdoptStateLog(filepath.Join(d.o.Dir, "state.db"), id); err != nil {
		return fmt.Errorf("adopt the log: %w", err)
	}
	d.add("adopt-log", "ok", "the files follow log "+id.String()+" now")
	return nil
}
