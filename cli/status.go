package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

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
		eta := ""
		if s.Log.ETASeconds != nil {
			eta = fmt.Sprintf(", drained in %s", time.Duration(*s.Log.ETASeconds*float64(time.Second)).Round(time.Second))
		}
		backlog := fmt.Sprintf("%d messages behind, %s of %s%s", s.Log.Depth, config.FormatSize(s.Log.Bytes>>10<<10), config.FormatSize(s.Log.MaxBytes), eta)
		return p.object(s, field{"ready", s.Ready}, field{"version", s.Version}, field{"store", s.Store}, field{"startedAt", s.StartedAt},
			field{"pid", s.PID}, field{"data", s.DataDir}, field{"http", s.HTTP}, field{"mqtt", s.MQTT}, field{"devices", s.Devices},
			field{"connections", s.Connections}, field{"log", backlog}, field{"received", s.Ledger.Received}, field{"stored", s.Ledger.Stored},
			field{"duplicate", s.Ledger.Duplicate}, field{"rejected", s.Ledger.Rejected}, field{"pending", s.Ledger.Pending},
			field{"warnings", strings.Join(s.Warnings, "; ")})
	})
}
