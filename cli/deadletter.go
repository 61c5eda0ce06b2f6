package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/store"
)

func (p *program) deadletterNoun() *cobra.Command {
	return noun("deadletter", "Rejected readings: look, bring back, delete",
		p.deadletterLs(), p.deadletterShow(), p.deadletterReplay(), p.deadletterRm())
}

// letterFlags choose dead letters.
type letterFlags struct {
	org, device, reason string
	from, to            moment
	all                 bool
}

func (f *letterFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.device, "device", "", "of this device alone")
	c.Flags().StringVar(&f.org, "org", "", "of this organization alone")
	c.Flags().StringVar(&f.reason, "reason", "", "of this reason alone, such as unknown_port")
	c.Flags().Var(&f.from, "from", "received from this time on")
	c.Flags().Var(&f.to, "to", "received before this time")
}

// selection answers the letters chosen by id or by flags.
func (f *letterFlags) selection(ids []string) (client.LetterSelection, error) {
	filtered := f.org != "" || f.device != "" || f.reason != "" || !f.from.IsZero() || !f.to.IsZero()
	switch {
	case len(ids) > 0 && (filtered || f.all):
		return client.LetterSelection{}, usage("give ids or flags, not both")
	case len(ids) == 0 && !filtered && !f.all:
		return client.LetterSelection{}, usage("which ones? Give ids, --device, --reason, --org, --from, --to, or --all")
	}
	s := client.LetterSelection{IDs: ids, OrgID: f.org, DeviceID: f.device, Reason: store.Reason(f.reason), All: f.all}
	s.From, s.To = f.from.ms(), f.to.ms()
	return s, nil
}

func (p *program) deadletterLs() *cobra.Command {
	var f letterFlags
	var limit int
	var cursor string
	c := verb("ls", "List dead letters, newest first", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		q := client.DeadLetterQuery{OrgID: f.org, DeviceID: f.device, Reason: store.Reason(f.reason), From: f.from.Time, To: f.to.Time}
		l := newLister(p,
			col("id", func(d store.DeadLetter) any { return d.ID }),
			col("receivedAt", func(d store.DeadLetter) any { return d.ReceivedAt }),
			col("reason", func(d store.DeadLetter) any { return d.Reason }),
			col("deviceId", func(d store.DeadLetter) any { return d.DeviceID }),
			col("port", func(d store.DeadLetter) any { return d.Port }),
			col("detail", func(d store.DeadLetter) any { return d.Detail }),
			col("payload", func(d store.DeadLetter) any { return p.shorten(d.Payload) }))
		list := func(ctx context.Context, page client.Page) (client.List[store.DeadLetter], error) {
			q.Page = page
			q.Limit = min(q.Limit, 500)
			return cl.DeadLetters(ctx, q)
		}
		return listPages(ctx, l, list, cursor, limit)
	})
	f.add(c)
	c.Flags().IntVar(&limit, "limit", 100, "at most so many; 0 is all")
	c.Flags().StringVar(&cursor, "cursor", "", "go on where an earlier answer ended")
	return c
}

// shorten keeps a row of a table on a line.
func (p *program) shorten(s string) string {
	if r := []rune(s); p.output == "table" && len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}

func (p *program) deadletterShow() *cobra.Command {
	var id string
	c := verb("show", "Show a dead letter with its whole payload", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		d, err := cl.DeadLetter(ctx, id)
		if err != nil {
			return err
		}
		return p.object(d, field{"id", d.ID}, field{"receivedAt", d.ReceivedAt}, field{"reason", d.Reason}, field{"detail", d.Detail},
			field{"orgId", d.OrgID}, field{"deviceId", d.DeviceID}, field{"port", d.Port}, field{"topic", d.Topic}, field{"source", d.Source},
			field{"principal", d.Principal}, field{"payloadBytes", d.Size}, field{"payload", d.Payload})
	})
	subject(c, &id, "id", "the dead letter")
	return c
}

func (p *program) deadletterReplay() *cobra.Command {
	var f letterFlags
	var r client.Replay
	c := verb("replay [ID...]", "Bring dead letters back after the cause was mended", func(ctx context.Context, ids []string) error {
		var err error
		if r.LetterSelection, err = f.selection(ids); err != nil {
			return err
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		n, err := cl.ReplayDeadLetters(ctx, r)
		if err != nil {
			return err
		}
		if err := p.object(n, field{"stored", n.Stored}, field{"duplicate", n.Duplicate}, field{"rejected", n.Rejected}); err != nil {
			return err
		}
		if n.Rejected > 0 {
			return fmt.Errorf("%d were rejected again: tidegate deadletter ls tells why", n.Rejected)
		}
		return nil
	})
	c.Example = "  tidegate port set --device d1 --number 9\n  tidegate deadletter replay --device d1 --reason unknown_port"
	c.Args = cobra.ArbitraryArgs
	f.add(c)
	c.Flags().BoolVar(&f.all, "all", false, "every one")
	c.Flags().BoolVar(&r.UseReceivedAt, "use-received-at", false, "take the time of receipt where the reading's own time is the fault")
	c.Flags().StringVar(&r.Zone, "zone", "", "zone of times that carry none, such as Europe/Berlin")
	return c
}

func (p *program) deadletterRm() *cobra.Command {
	var f letterFlags
	c := verb("rm [ID...]", "Delete dead letters; no count of the ledger changes", func(ctx context.Context, ids []string) error {
		s, err := f.selection(ids)
		if err != nil {
			return err
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		n, err := cl.DeleteDeadLetters(ctx, s)
		if err != nil {
			return err
		}
		return p.object(map[string]int{"deleted": n}, field{"deleted", n})
	})
	c.Args = cobra.ArbitraryArgs
	f.add(c)
	c.Flags().BoolVar(&f.all, "all", false, "every one")
	return c
}
