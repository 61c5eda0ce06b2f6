package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tidegate/store"
)

func (p *program) ledgerVerb() *cobra.Command {
	var by, device string
	var from, to moment
	var c *cobra.Command
	c = verb("ledger", "Account for every reading: received = stored + duplicate + rejected + pending", func(ctx context.Context, _ []string) error {
		if by != "" && by != "hour" {
			return usage("--by %s: use hour", by)
		}
		if by == "" && (device != "" || c.Flags().Changed("from") || c.Flags().Changed("to")) {
			return usage("--device, --from and --to need --by hour")
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		if by == "" {
			l, err := cl.Ledger(ctx)
			if err != nil {
				return err
			}
			return p.object(l, field{"received", l.Received}, field{"stored", l.Stored}, field{"duplicate", l.Duplicate},
				field{"rejected", l.Rejected}, field{"pending", l.Pending}, field{"shed", l.Shed})
		}
		list, err := cl.LedgerHours(ctx, device, from.Time, to.Time)
		if err != nil {
			return err
		}
		l := newLister(p,
			col("hour", func(h store.LedgerHour) any { return h.Hour }),
			col("deviceId", func(h store.LedgerHour) any { return h.DeviceID }),
			col("received", func(h store.LedgerHour) any { return h.Received }),
			col("stored", func(h store.LedgerHour) any { return h.Stored }),
			col("duplicate", func(h store.LedgerHour) any { return h.Duplicate }),
			col("rejected", func(h store.LedgerHour) any { return h.Rejected }),
			col("pending", func(h store.LedgerHour) any { return h.Pending }))
		return l.all(list.Items)
	})
	c.Flags().StringVar(&by, "by", "", "hour: per hour of receipt and device")
	c.Flags().StringVar(&device, "device", "", "of this device alone; with --by hour")
	c.Flags().Var(&from, "from", "from this hour of receipt on (default -24h)")
	c.Flags().Var(&to, "to", "before this hour of receipt (default now)")
	return c
}
