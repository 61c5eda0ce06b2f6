package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/store"
)

func (p *program) channelNoun() *cobra.Command {
	return noun("channel", "Channels: the ways in which people are told of alarms",
		p.channelAdd(), p.channelLs(), p.channelGet(), p.channelSet(), p.channelRm(), p.channelTest(), p.channelPreview())
}

// channels are called by id, or by name; those of an organization, or all.
func channels(cl *client.Client, orgID string) called[client.Channel] {
	return called[client.Channel]{
		what: "channel", get: cl.Channel,
		list: func(ctx context.Context, p client.Page) (client.List[client.Channel], error) {
			return cl.Channels(ctx, client.ChannelQuery{OrgID: orgID, Page: p})
		},
		name: func(ch client.Channel) (id, name string) { return ch.ID, ch.Name },
	}
}

func channelFields(ch client.Channel) []field {
	f := []field{
		{"id", ch.ID},
		{"name", ch.Name},
		{"orgId", ch.OrgID},
		{"type", ch.Type},
		{"enabled", ch.Enabled},
		{"severities", joined(ch.Severities)},
		{"url", ch.URL},
		{"method", ch.Method},
		{"headerNames", strings.Join(ch.HeaderNames, ", ")},
		{"hasSecret", ch.HasSecret},
		{"provider", ch.Provider},
		{"to", strings.Join(ch.To, ", ")},
		{"from", ch.From},
		{"subject", ch.Subject},
		{"text", ch.Text},
		{"body", ch.Body},
	}
	if ch.RatePerHour != 0 {
		f = append(f, field{"ratePerHour", ch.RatePerHour})
	}
	return append(f,
		field{"expireAfter", orNone(ch.ExpireAfter)},
		field{"digestEvery", orNone(ch.DigestEvery)},
		field{"digestOf", joined(ch.DigestOf)},
		field{"createdAt", ch.CreatedAt},
		field{"updatedAt", ch.UpdatedAt})
}

func joined[T ~string](list []T) string {
	var out []string
	for _, v := range list {
		out = append(out, string(v))
	}
	return strings.Join(out, ",")
}

func (p *program) channelAdd() *cobra.Command {
	var n client.NewChannel
	var kind string
	var f *channelFlags
	c := verb("add", "Make a channel", func(ctx context.Context, _ []string) error {
		n.Type = store.ChannelType(kind)
		if err := oneOf("type", n.Type, store.ChannelTypes()); err != nil {
			return err
		}
		var err error
		if n.Severities, err = severities("severities", f.severities); err != nil {
			return err
		}
		if n.DigestOf, err = severities("digest-of", f.digestOf); err != nil {
			return err
		}
		if n.Headers, err = headersOf(f.headers); err != nil {
			return err
		}
		secret, err := f.secret.read(p)
		if err != nil {
			return err
		}
		if secret != nil {
			n.Secret = *secret
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		enabled := !f.disabled
		n.Name, n.Enabled, n.URL, n.Method, n.Provider, n.Body, n.Subject, n.Text = f.name, &enabled, f.url, f.method, f.provider, f.body, f.subject, f.text
		n.To, n.From, n.RatePerHour, n.ExpireAfter, n.DigestEvery = f.to, f.from, f.rate, f.expire, f.digest
		out, err := cl.CreateChannel(ctx, n)
		if err != nil {
			return err
		}
		return p.object(out, channelFields(out)...)
	})
	c.Example = "  tidegate channel add --org acme --name ops --type webhook --url https://example.org/hook --secret-stdin < secret.txt\n" +
		"  tidegate channel add --org acme --name shift --type email --to shift@example.org --severities warning,critical"
	c.Flags().StringVar(&n.OrgID, "org", "", "organization whose people it tells")
	c.Flags().StringVar(&kind, "type", "", "email, webhook, sms, ntfy, slack, telegram, teams or pagerduty")
	f = addChannelFlags(c)
	required(c, "org", "name", "type")
	return c
}

func (p *program) channelLs() *cobra.Command {
	var q client.ChannelQuery
	c := verb("ls", "List channels", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		l := newLister(p,
			col("id", func(ch client.Channel) any { return ch.ID }),
			col("name", func(ch client.Channel) any { return ch.Name }),
			col("orgId", func(ch client.Channel) any { return ch.OrgID }),
			col("type", func(ch client.Channel) any { return ch.Type }),
			col("enabled", func(ch client.Channel) any { return ch.Enabled }),
			col("severities", func(ch client.Channel) any { return joined(ch.Severities) }),
			col("url", func(ch client.Channel) any { return ch.URL }),
			col("to", func(ch client.Channel) any { return ch.To }))
		list := func(ctx context.Context, page client.Page) (client.List[client.Channel], error) {
			q.Page = page
			return cl.Channels(ctx, q)
		}
		if err := client.All(ctx, list, l.item); err != nil {
			return err
		}
		return l.end("")
	})
	c.Flags().StringVar(&q.OrgID, "org", "", "of this organization alone")
	return c
}

func (p *program) channelGet() *cobra.Command {
	return verbOn(p, "get", "Show a channel without its secrets", "the channel", channels, func(_ context.Context, _ *client.Client, ch client.Channel) error {
		return p.object(ch, channelFields(ch)...)
	})
}

func (p *program) channelRm() *cobra.Command {
	return verbOn(p, "rm", "Delete a channel that no rule names", "the channel", channels, func(ctx context.Context, cl *client.Client, ch client.Channel) error {
		if err := cl.DeleteChannel(ctx, ch.ID); err != nil {
			return err
		}
		return p.deleted(ch.ID)
	})
}
