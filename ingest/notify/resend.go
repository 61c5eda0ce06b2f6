package notify

import (
	"context"
	"errors"
	"fmt"

	"tidegate/store"
)

// maxResends is how often one episode may be said again by hand to one channel.
const maxResends = 100

// Resend says again what a notification said, as a new one of its own: what is
// final stays so. It answers the new one, which is durable and on its way;
// ErrConflict while the first one still waits, or its channel is gone or
// disabled.
func (d *Dispatcher) Resend(ctx context.Context, id string) (store.Notification, error) {
	n, err := d.o.Queue.Notification(ctx, id)
	if err != nil {
		return store.Notification{}, err
	}
	if n.State == store.NotificationQueued {
		return store.Notification{}, store.Conflict("notification", id, "it still waits, and will be sent by itself")
	}
	c, ok := d.o.Channels.Channel(n.ChannelID)
	if !ok || !c.Enabled {
		return store.Notification{}, store.Conflict("notification", id, "its channel %q was deleted or disabled", n.ChannelID)
	}
	now := d.o.Now().UnixMilli()
	again := store.Notification{
		OrgID: n.OrgID, ChannelID: n.ChannelID, Cause: store.CauseResend, Event: n.Event, State: store.NotificationQueued,
		CreatedAt: store.Time(now), NotBefore: store.Time(now),
	}
	after := c.ExpireAfter
	if after == 0 {
		after = store.DefaultExpireAfter
	}
	again.ExpiresAt = store.Time(now + after.Ms())
	d.resending.Lock()
	defer d.resending.Unlock()
	for nth := range maxResends {
		again.ID = store.NotificationID(n.Event.ID, n.ChannelID, store.CauseResend, nth)
		_, err := d.o.Queue.Notification(ctx, again.ID)
		if err == nil {
			continue // that one was sent before
		}
		if !errors.Is(err, store.ErrNotFound) {
			return store.Notification{}, fmt.Errorf("look for earlier resends: %w", err)
		}
		if err := d.o.Queue.PutNotifications(ctx, []store.Notification{again}); err != nil {
			return store.Notification{}, fmt.Errorf("queue the notification again: %w", err)
		}
		d.Wake([]store.Notification{again})
		return again, nil
	}
	return store.Notification{}, store.Conflict("notification", id, "it was sent again %d times already", maxResends)
}
