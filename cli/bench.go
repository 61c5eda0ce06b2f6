package cli

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tidegate/cli/bench"
)

func (p *program) benchVerb() *cobra.Command {
	cfg := bench.Config{}
	c := verb("bench", "Measure this program on this machine, beside mosquitto", func(ctx context.Context, _ []string) error {
		var err error
		if cfg.Bin, err = os.Executable(); err != nil {
			return err
		}
		cfg.Out, cfg.Log = p.Stdout, p.Stderr
		return bench.Run(ctx, cfg)
	})
	c.Hidden = true
	c.Flags().StringVar(&cfg.Base, "dir", "", "folder whose disk is measured (default: the system's for temporary files)")
	c.Flags().DurationVar(&cfg.Seconds, "seconds", time.Minute, "length of each throughput run")
	c.Flags().IntVar(&cfg.Volume, "volume", 100_000_000, "readings of the largest store")
	c.Flags().IntVar(&cfg.Runs, "runs", 3, "runs of each figure")
	c.Flags().StringVar(&cfg.Only, "only", "", "one section alone")
	return c
}
