package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tidegate/api/client"
)

// lifecycleFlags choose comings and goings.
type lifecycleFlags struct {
	id, org, cursor string
	from, to        moment
	limit           int
}

const lifecyclePage = 1000 // events; the server's most

func (p *program) deviceLifecycle() *cobra.Command {
	var f lifecycleFlags
	var c *cobra.Command
	c = verb("lifecycle", "List when a device came and went, or all of them did, newest first", func(ctx context.Context, _ []string) error {
		if f.id != "" && f.org != "" {
			return usage("give a device, or --org")
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		if f.id == "" {
			return p.lifecycleOfAll(ctx, cl, f)
		}
		if !c.Flags().Changed("limit") {
			f.limit = 0
		}
		return p.lifecycleOf(ctx, cl, f)
	})
	subject(c, &f.id, "id", "the device; without it: all")
	named := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 && f.id == "" && !c.Flags().Changed("id") {
			return nil
		}
		return named(c, args)
	}
	c.Flags().StringVar(&f.org, "org", "", "of this organization's devices alone")
	c.Flags().Var(&f.from, "from", "from this time on")
	c.Flags().Var(&f.to, "to", "before this time")
	c.Flags().IntVar(&f.limit, "limit", 100, "at most so many; 0 is all, as it is for one device")
	c.Flags().StringVar(&f.cursor, "cursor", "", "go on where an earlier answer ended")
	return c
}

func (p *program) lifecycleOf(ctx context.Context, cl *client.Client, f lifecycleFlags) error {
	l := newLister(p, lifecycleColumns(func(e client.LifecycleEvent) client.LifecycleEvent { return e })...)
	list := func(ctx context.Context, page client.Page) (client.List[client.LifecycleEvent], error) {
		page.Limit = min(page.Limit, lifecyclePage)
		return cl.Lifecycle(ctx, f.id, f.from.Time, f.to.Time, page)
	}
	return listPages(ctx, l, list, f.cursor, max(f.limit, 0))
}

func (p *program) lifecycleOfAll(ctx context.Context, cl *client.Client, f lifecycleFlags) error {
	of := lifecycleColumns(func(e client.DeviceLifecycleEvent) client.LifecycleEvent { return e.LifecycleEvent })
	columns := append(of[:1:1],
		col("orgId", func(e client.DeviceLifecycleEvent) any { return e.OrgID }),
		col("deviceId", func(e client.DeviceLifecycleEvent) any { return e.DeviceID }))
	l := newLister(p, append(columns, of[1:]...)...)
	list := func(ctx context.Context, page client.Page) (client.List[client.DeviceLifecycleEvent], error) {
		page.Limit = min(page.Limit, lifecyclePage)
		return cl.Lifecycles(ctx, f.org, f.from.Time, f.to.Time, page)
	}
	return listPages(ctx, l, list, f.cursor, f.limit)
}

func lifecycleColumns[T any](of func(T) client.LifecycleEvent) []column[T] {
	return []column[T]{
		col("at", func(e T) any { return of(e).At }),
		col("status", func(e T) any { return of(e).Status }),
		col("reason", func(e T) any { return of(e).Reason }),
		col("source", func(e T) any { return of(e).Source }),
	}
}
