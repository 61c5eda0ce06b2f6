package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/store"
)

func (p *program) notificationNoun() *cobra.Command {
	return noun("notification", "Notifications: what channels are told of alarms, and what became of it",
		p.notificationLs(), p.notificationGet(), p.notificationResend())
}

func notificationFields(n client.Notification) []field {
	return []field{
		{"id", n.ID},
		{"orgId", n.OrgID},
		{"channelId", n.ChannelID},
		{"cause", n.Cause},
		{"state", n.State},
		{"eventId", n.EventID},
		{"message", n.Event.Message},
		{"createdAt", n.CreatedAt},
		{"notBefore", n.NotBefore},
		{"expiresAt", n.ExpiresAt},
		{"deliveryId", n.DeliveryID},
		{"attempts", n.Attempts},
		{"lastError", n.LastError},
		{"deliveredAt", n.DeliveredAt},
	}
}

// notificationStates are the states of a notification, as flags take them.
var notificationStates = []store.NotificationState{
	store.NotificationQueued, store.NotificationDelivered, store.NotificationDead, store.NotificationObsolete,
}

func (p *program) notificationLs() *cobra.Command {
	var q client.NotificationQuery
	var states []string
	var cursor string
	var limit int
	c := verb("ls", "List notifications, newest first", func(ctx context.Context, _ []string) error {
		var err error
		if q.States, err = known("state", states, notificationStates); err != nil {
			return err
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		l := newLister(p,
			col("id", func(n client.Notification) any { return n.ID }),
			col("createdAt", func(n client.Notification) any { return n.CreatedAt }),
			col("state", func(n client.Notification) any { return n.State }),
			col("cause", func(n client.Notification) any { return n.Cause }),
			col("channelId", func(n client.Notification) any { return n.ChannelID }),
			col("eventId", func(n client.Notification) any { return n.EventID }),
			col("attempts", func(n client.Notification) any { return n.Attempts }),
			col("lastError", func(n client.Notification) any { return p.shorten(n.LastError) }))
		list := func(ctx context.Context, page client.Page) (client.List[client.Notification], error) {
			q.Page = page
			return cl.Notifications(ctx, q)
		}
		return listPages(ctx, l, list, cursor, limit)
	})
	c.Example = "  tidegate notification ls --state dead,queued"
	c.Flags().StringSliceVar(&states, "state", nil, "queued, delivered, dead or obsolete, or several, separated by commas")
	c.Flags().StringVar(&q.OrgID, "org", "", "of this organization alone")
	c.Flags().StringVar(&q.ChannelID, "channel", "", "of this channel alone, by its id")
	c.Flags().StringVar(&q.EventID, "event", "", "of this alarm alone, by its id")
	c.Flags().IntVar(&limit, "limit", 100, "at most so many; 0 is all")
	c.Flags().StringVar(&cursor, "cursor", "", "go on where an earlier answer ended")
	return c
}

// notificationVerb is a verb about one notification, which it shows.
func (p *program) notificationVerb(use, short string, run func(*client.Client, context.Context, string) (client.Notification, error)) *cobra.Command {
	var id string
	c := verb(use, short, func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		n, err := run(cl, ctx, id)
		if err != nil {
			return err
		}
		return p.object(n, notificationFields(n)...)
	})
	subject(c, &id, "id", "the notification's id")
	return c
}

func (p *program) notificationGet() *cobra.Command {
	return p.notificationVerb("get", "Show a notification", (*client.Client).Notification)
}

func (p *program) notificationResend() *cobra.Command {
	return p.notificationVerb("resend", "Tell the channel again", (*client.Client).ResendNotification)
}
