package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

func (p *program) channelTest() *cobra.Command {
	var id, org string
	c := verb("test", "Send a made-up alarm by a channel, and show what the receiver said", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		ch, err := channels(cl, org).find(ctx, id)
		if err != nil {
			return err
		}
		out, err := cl.TestChannel(ctx, ch.ID)
		if err != nil {
			return err
		}
		if err := p.object(out, field{"delivered", out.Delivered}, field{"status", out.Status}, field{"words", out.Words}); err != nil {
			return err
		}
		if !out.Delivered {
			return errors.New("the test was not delivered")
		}
		return nil
	})
	subjectByName(c, &id, &org, "the channel")
	return c
}

func (p *program) channelPreview() *cobra.Command {
	var id, org string
	c := verb("preview", "Show what a made-up alarm looks like by a channel", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		ch, err := channels(cl, org).find(ctx, id)
		if err != nil {
			return err
		}
		out, err := cl.PreviewChannel(ctx, ch.ID)
		if err != nil {
			return err
		}
		return p.object(out, field{"subject", out.Subject}, field{"text", out.Text}, field{"body", out.Body})
	})
	subjectByName(c, &id, &org, "the channel")
	return c
}
