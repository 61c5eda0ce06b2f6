package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"tidegate/api/client"
)

func (p *program) retentionNoun() *cobra.Command {
	return noun("retention", "Drop months of readings, as store.keep_months says", p.retentionPreview(), p.retentionApply())
}

func retentionColumns() []column[client.RetentionMonth] {
	return []column[client.RetentionMonth]{
		{"month", func(m client.RetentionMonth) any { return m.Month }},
		{"bytes", func(m client.RetentionMonth) any { return m.Bytes }},
	}
}

func (p *program) showRetention(r client.Retention) error {
	if p.output == "json" {
		return p.object(r)
	}
	l := newLister(p, retentionColumns()...)
	return l.all(r.Months)
}

func (p *program) retentionPreview() *cobra.Command {
	var keep int
	c := verb("preview", "Show the months that would go", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		r, err := cl.RetentionPreview(ctx, keep)
		if err != nil {
			return err
		}
		if r.KeepMonths == 0 {
			p.warn("store.keep_months is 0: nothing is ever dropped")
		}
		return p.showRetention(r)
	})
	c.Flags().IntVar(&keep, "keep-months", 0, "months to keep (default: store.keep_months)")
	return c
}

func (p *program) retentionApply() *cobra.Command {
	var keep int
	var yes bool
	c := verb("apply", "Drop the months that preview shows, for good", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		r, err := cl.RetentionPreview(ctx, keep)
		if err != nil {
			return err
		}
		if !yes && len(r.Months) > 0 {
			answer, err := p.ask(fmt.Sprintf("Drop %d months of readings, %s to %s, for good? Type yes", len(r.Months), r.Months[0].Month, r.Months[len(r.Months)-1].Month), "yes", false)
			if err != nil {
				return err
			}
			if answer != "yes" {
				return fmt.Errorf("nothing was dropped")
			}
		}
		if r, err = cl.RetentionApply(ctx, keep); err != nil {
			return err
		}
		return p.showRetention(r)
	})
	c.Flags().IntVar(&keep, "keep-months", 0, "months to keep (default: store.keep_months)")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}
