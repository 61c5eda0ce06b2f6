package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tidegate/cli/gateway"
)

func (p *program) restoreVerb() *cobra.Command {
	c := verb("restore FILE", "Verify a backup and unpack it into an empty folder; works without a server", func(ctx context.Context, args []string) error {
		m, err := gateway.Restore(ctx, args[0], p.dir)
		if err != nil {
			return err
		}
		var bytes int64
		for _, f := range m.Files {
			bytes += f.Size
		}
		if err := p.object(m, field{"data", p.dir}, field{"created", m.Created}, field{"tidegateVersion", m.Version},
			field{"files", len(m.Files)}, field{"bytes", bytes}); err != nil {
			return err
		}
		if m.Elsewhere != "" {
			p.warn("the readings are not in this backup: they are in %s. Restore them with mongorestore if they are lost, and start with MONGO_URI set", m.Elsewhere)
		}
		p.warn("start the server: tidegate serve --data %s", p.dir)
		return nil
	})
	c.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage("%s takes one file", cmd.CommandPath())
		}
		return nil
	}
	return c
}
