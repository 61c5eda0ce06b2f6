package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"tidegate/cli/config"
	"tidegate/cli/gateway"
)

// serveFlag is a setting that has a flag of its own.
type serveFlag struct {
	name, path, what string
	text             string
}

func serveFlags() []*serveFlag {
	return []*serveFlag{
		{name: "http-listen", path: "http.listen", what: "address of the web page and API, such as 127.0.0.1:8080"},
		{name: "mqtt-listen", path: "mqtt.listen", what: "address for devices, such as 127.0.0.1:1883"},
		{name: "log-level", path: "logging.level", what: "debug, info, warn or error"},
	}
}

func (p *program) serveVerb() *cobra.Command {
	var file string
	var ackOnly bool
	flags := serveFlags()
	var c *cobra.Command
	c = verb("serve", "Serve the data folder until SIGTERM or Ctrl-C", func(ctx context.Context, _ []string) error {
		set := map[string]string{}
		for _, f := range flags {
			if c.Flags().Changed(f.name) {
				set[f.path] = f.text
			}
		}
		cfg, warnings, err := p.settings(file, set)
		if err != nil {
			return err
		}
		o := p.gatewayOptions(cfg, warnings)
		o.AckOnly = ackOnly
		if o.Settings, err = config.Settings(p.sources(file, set)); err != nil {
			return configError{err}
		}
		stopWatch := func() {}
		defer func() { stopWatch() }()
		hangup := make(chan os.Signal, 1)
		signal.Notify(hangup, syscall.SIGHUP)
		defer signal.Stop(hangup)
		o.Hangup = hangup
		err = gateway.Run(ctx, o, func(a gateway.Addrs) {
			stopWatch = p.tellSupervisor(ctx, o.Logger)
			o.Logger.Info("ready", append(doors(a), "data", p.dir, "version", p.Version)...)
			if a.SetupLink != "" { // not logged: a log is kept, and sent elsewhere
				fmt.Fprintf(p.Stdout, "There is no user yet. Make the first one at\n  %s\n(from elsewhere with the address of this machine; good until this process ends)\n", a.SetupLink)
			}
		})
		return placed(err, p.sources(file, set))
	})
	c.Long = c.Short + ".\n\nSettings, strongest first: flags, the environment (TIDEGATE_HTTP_LISTEN=127.0.0.1:8080), --config FILE or DIR/config.yaml,\n" +
		"the defaults. It logs to standard error. SIGHUP makes it read the certificate again at once."
	c.Flags().StringVar(&file, "config", "", "configuration file (default DIR/config.yaml, if there is one)")
	for _, f := range flags {
		c.Flags().StringVar(&f.text, f.name, "", f.what)
	}
	c.Flags().BoolVar(&ackOnly, "ack-only", false, "measure: ack without storing")
	if err := c.Flags().MarkHidden("ack-only"); err != nil {
		panic(err) // declared a line above
	}
	return c
}

// doors answers where a gateway listens, for a log line.
func doors(a gateway.Addrs) []any {
	var out []any
	for _, d := range [][2]string{{"http", a.HTTP}, {"https", a.HTTPS}, {"mqtt", a.MQTT}, {"mqtts", a.MQTTS}} {
		if d[1] != "" {
			out = append(out, d[0], d[1])
		}
	}
	return out
}

func (p *program) gatewayOptions(cfg config.Config, warnings []string) gateway.Options {
	return gateway.Options{
		Dir: p.dir, Config: cfg, Warnings: warnings, Logger: p.logger(cfg.Logging.Level, cfg.Logging.Format),
		Version: p.Version, BuildDate: p.built(), Env: p.getenv,
	}
}

func (p *program) logger(level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo // the configuration allows no other
	}
	o := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(p.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(p.Stderr, o))
}

// tellSupervisor tells systemd, if that started this process, that it is ready,
// that it lives, and that it stops.
func (p *program) tellSupervisor(ctx context.Context, log *slog.Logger) (stop func()) {
	tell := func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			log.Warn("tell systemd", "state", state, "error", err)
		}
	}
	tell(daemon.SdNotifyReady)
	told := make(chan struct{})
	unhook := context.AfterFunc(ctx, func() {
		defer close(told)
		tell(daemon.SdNotifyStopping)
	})
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("ask systemd for its watchdog", "error", err)
	}
	done := make(chan struct{})
	if every > 0 {
		go func() {
			tick := time.NewTicker(every / 2)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					tell(daemon.SdNotifyWatchdog)
				}
			}
		}()
	}
	return func() {
		if !unhook() {
			<-told // before the process ends
		}
		close(done)
	}
}
