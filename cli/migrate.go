package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"tidegate/cli/gateway"
	"tidegate/store"
)

func (p *program) migrateVerb() *cobra.Command {
	var file string
	var o gateway.MigrateOptions
	c := verb("migrate", "Move everything between the embedded store and MongoDB; the server must be stopped", func(ctx context.Context, _ []string) error {
		if o.To != gateway.StoreMongo && o.To != gateway.StoreEmbedded {
			return usage("--to %s: use %s or %s", o.To, gateway.StoreMongo, gateway.StoreEmbedded)
		}
		if o.DryRun && o.VerifyOnly {
			return usage("--dry-run or --verify-only, not both")
		}
		var err error
		if o.Config, _, err = p.settings(file, nil); err != nil {
			return err
		}
		if o.Config.MongoURI == "" {
			return configError{errors.New("MONGO_URI is not set: it names the database in either direction, and comes from the environment alone, such as MONGO_URI=mongodb://user:password@host/tidegate tidegate migrate --to " + o.To)}
		}
		o.Dir, o.Actor = p.dir, "uid:"+strconv.Itoa(os.Getuid())
		g := &migrateProgress{p: p}
		o.Tell = g.tell
		r, err := gateway.Migrate(ctx, o)
		g.end()
		if err != nil {
			return p.migrateError(ctx, err)
		}
		return p.showMigration(o, r)
	})
	c.Long = c.Short + ".\n\n" +
		"Readings, ledger and catalogue move; dead letters, audit trail, keys and the log stay in the folder in either case.\n" +
		"The source is only read. Every port and day is counted and summed up on both sides before anything is switched.\n" +
		"Ctrl-C, a crash and a power cut cost nothing: the same command goes on.\n" +
		"Whole messages that mongo.raw_payload has kept are not readings: they stay in the database."
	c.Example = "  MONGO_URI=mongodb://tidegate:…@db.example/tidegate tidegate migrate --to mongo --data /var/lib/tidegate"
	c.Flags().StringVar(&o.To, "to", "", "mongo or embedded")
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "say how much would be copied, and about how long it takes")
	c.Flags().BoolVar(&o.VerifyOnly, "verify-only", false, "compare what a migration that did not end has copied so far")
	c.Flags().StringVar(&file, "config", "", "configuration file (default DIR/config.yaml, if there is one)")
	required(c, "to")
	return c
}

// migrateError answers err with the exit code that belongs to it.
func (p *program) migrateError(ctx context.Context, err error) error {
	var se *store.Error
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("stopped: %w", err)
	case errors.As(err, &se) && se.Noun == "MONGO_URI":
		return configError{err}
	case errors.Is(err, store.ErrUnavailable):
		return awayError{err}
	}
	return err
}

// migrateProgress shows a bar for each part of the way.
type migrateProgress struct {
	p       *program
	g       *progress
	doing   string
	waiting bool
}

func (m *migrateProgress) tell(s gateway.MigrateStep) {
	if m.g == nil || m.doing != s.Doing {
		m.end()
		m.g, m.doing = m.p.newProgress(int64(s.Total)), s.Doing
	}
	text := fmt.Sprintf("%s: %d of %d readings", s.Doing, s.Done, s.Total)
	if s.Waiting != nil {
		text = fmt.Sprintf("%s: waiting: %v", s.Doing, s.Waiting)
		if !m.waiting && m.g.bar == nil {
			m.p.warn("%s", text)
		}
	}
	m.waiting = s.Waiting != nil
	m.g.set(int64(s.Done), text)
}

// end takes the bar away.
func (m *migrateProgress) end() {
	if m.g != nil {
		m.g.done()
		m.g = nil
	}
}

func (p *program) showMigration(o gateway.MigrateOptions, r gateway.MigrateResult) error {
	f := []field{{"to", r.To}, {"database", r.Place}}
	if r.Nothing == "" {
		f = append(f, field{"devices", r.Devices}, field{"ports", r.Ports}, field{"readings", r.Readings})
	}
	if r.Days > 0 {
		f = append(f, field{"daysCompared", r.Days})
	}
	if o.DryRun && r.Nothing == "" {
		f = append(f, field{"estimated", (time.Duration(r.Seconds) * time.Second).String()})
	}
	if r.Kept != "" {
		f = append(f, field{"kept", r.Kept})
	}
	if err := p.object(r, f...); err != nil {
		return err
	}
	if r.From != 0 {
		p.warn("readings before %s are left out: the database removes them by itself within a day (expireAfterSeconds)", r.From)
	}
	switch {
	case r.Nothing != "":
		p.warn("there is nothing to do: %s", r.Nothing)
	case o.DryRun:
		p.warn("nothing was copied; each reading is copied, and read again on both sides to compare")
	case o.VerifyOnly:
		p.warn("both sides are the same; nothing is switched: run it without --verify-only to go on")
	case r.To == gateway.StoreMongo:
		p.warn("done: every port and day is the same on both sides. Now give the server MONGO_URI (with systemd in /etc/tidegate.env), and start it:\n"+
			"  systemctl start tidegate, or MONGO_URI=… tidegate serve --data %s\n"+
			"The readings as they were are kept in %s: delete it when you are content.", p.dir, r.Kept)
	default:
		p.warn("done: every port and day is the same on both sides. Now take MONGO_URI away from the server (with systemd from /etc/tidegate.env), and start it:\n"+
			"  systemctl start tidegate, or tidegate serve --data %s\n"+
			"The database stays as it is; %s holds what this folder knew of it. Delete both when you are content.", p.dir, r.Kept)
	}
	return nil
}
