package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"tidegate/api/client"
)

func (p *program) channelTest() *cobra.Command {
	return verbOn(p, "test", "Send a made-up alarm by a channel, and show what the receiver said", "the channel", channels, func(ctx context.Context, cl *client.Client, ch client.Channel) error {
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
}

func (p *program) channelPreview() *cobra.Command {
	return verbOn(p, "preview", "Show what a made-up alarm looks like by a channel", "the channel", channels, func(ctx context.Context, cl *client.Client, ch client.Channel) error {
		out, err := cl.PreviewChannel(ctx, ch.ID)
		if err != nil {
			return err
		}
		return p.object(out, field{"subject", out.Subject}, field{"text", out.Text}, field{"body", out.Body})
	})
}
