package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/cli/config"
)

func (p *program) statusVerb() *cobra.Command {
	return verb("status", "Show how the server is", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		s, err := cl.Status(ctx)
		if err != nil {
			return err
		}
		if p.output == "json" {
			return p.object(s.Raw)
		}
		if !s.Whole {
			return p.object(s, field{"ready", s.Ready}, field{"version", s.Version}, field{"store", s.Store}, field{"startedAt", s.StartedAt},
				field{"mqtt", s.MQTT}, field{"mqtts", secure(s.TLS).MQTT}, field{"devices", s.Devices})
		}
		eta := ""
		if s.Log.ETASeconds != nil {
			eta = fmt.Sprintf(", drained in %s", time.Duration(*s.Log.ETASeconds*float64(time.Second)).Round(time.Second))
		}
		if s.Log.Depth > 0 && s.Log.DrainPerSecond >= 1 {
			eta = fmt.Sprintf(", %.0f/s", s.Log.DrainPerSecond) + eta
		}
		backlog := fmt.Sprintf("%d messages behind, %s of %s%s", s.Log.Depth, config.FormatSize(s.Log.Bytes>>10<<10), config.FormatSize(s.Log.MaxBytes), eta)
		return p.object(s, field{"ready", s.Ready}, field{"version", s.Version}, field{"store", s.Store}, field{"database", database(s.Database)}, field{"writer", writer(s.Database)}, field{"startedAt", s.StartedAt},
			field{"pid", s.PID}, field{"data", s.DataDir}, field{"http", s.HTTP}, field{"mqtt", s.MQTT}, field{"https", secure(s.TLS).HTTP}, field{"mqtts", secure(s.TLS).MQTT}, field{"certificate", certificate(s.TLS)}, field{"devices", s.Devices},
			field{"connections", s.Connections}, field{"alarms", alarmsOn(s.Alarms)}, field{"log", backlog}, field{"received", s.Ledger.Received}, field{"stored", s.Ledger.Stored},
			field{"duplicate", s.Ledger.Duplicate}, field{"rejected", s.Ledger.Rejected}, field{"pending", s.Ledger.Pending},
			field{"warnings", strings.Join(s.Warnings, "; ")})
	})
}

// alarmsOn says which alarms go on.
func alarmsOn(a *client.AlarmStatus) string {
	if a == nil {
		return ""
	}
	line := "none"
	if a.Info+a.Warning+a.Critical > 0 {
		line = fmt.Sprintf("%d critical, %d warning, %d info", a.Critical, a.Warning, a.Info)
	}
	if a.Queued > 0 {
		line += fmt.Sprintf("; %d notifications wait", a.Queued)
	}
	return line
}

// secure answers the doors with TLS.
func secure(t *client.TLSStatus) client.TLSStatus {
	if t == nil {
		return client.TLSStatus{}
	}
	return *t
}

// certificate answers one line about it; none without TLS.
func certificate(t *client.TLSStatus) string {
	if t == nil {
		return ""
	}
	own := ""
	if t.SelfSigned {
		own = ", self-signed"
	}
	return fmt.Sprintf("%s%s, ends in %d days, on %s; SHA-256 %s", t.Subject, own, t.DaysLeft, t.NotAfter.Time().Format(time.DateOnly), t.Fingerprint)
}

// writer answers who writes readings, and what is not copied yet.
func writer(d *client.DatabaseStatus) string {
	if d == nil || d.Writer == "" {
		return ""
	}
	line := d.Writer
	if d.Behind > 0 {
		line += fmt.Sprintf("; %d dead letters, audit entries, hours of the ledger and alarms are not copied yet", d.Behind)
	}
	return line
}

// database answers one line about the database; none with the embedded store.
func database(d *client.DatabaseStatus) string {
	switch {
	case d == nil:
		return ""
	case !d.Reachable && d.Version == "":
		return strings.TrimSuffix(d.Name+" at "+strings.Join(d.Hosts, ", ")+": not reached yet: "+d.Error, ": ")
	}
	line := fmt.Sprintf("MongoDB %s, %s, %s at %s", d.Version, d.Kind, d.Name, strings.Join(d.Hosts, ", "))
	if !d.Reachable {
		line += ": away"
	}
	if d.Error != "" {
		line += ": " + d.Error
	}
	return line
}
