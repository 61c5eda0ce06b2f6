package notify

import (
	"context"
	"errors"
	"slices"
	"time"

	"tidegate/store"
)

// save writes what came of messages. A queue that cannot be written is asked
// again; until then nothing else is sent here, and nothing twice.
func (l *lane) save(ctx context.Context) bool {
	if len(l.unsaved) == 0 {
		return true
	}
	if time.Now().Before(l.saveAt) {
		return false
	}
	c, _ := l.d.o.Channels.Channel(l.channelID)
	for len(l.unsaved) > 0 {
		e := l.unsaved[0]
		if err := l.d.o.Queue.PutNotifications(ctx, e.n); err != nil {
			l.saveFail++
			l.saveAt = time.Now().Add(min(l.d.pace.backoff(l.saveFail), longestPause))
			l.log("write what became of them", err)
			return false
		}
		l.saveFail = 0
		l.d.metrics.ended(c.Type, e.outcome, len(e.n))
		for i := range e.n {
			l.drop(e.n[i].ID)
		}
		l.unsaved = l.unsaved[1:]
	}
	return true
}

// bury gives up what has these ids, where the queue still has it as waiting.
func (l *lane) bury(ctx context.Context, t store.ChannelType, ids []string, state store.NotificationState, outcome string, why func(store.Notification) string) time.Duration {
	var dead []store.Notification
	for _, id := range ids {
		n, err := l.d.o.Queue.Notification(ctx, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && n.State != store.NotificationQueued {
			continue
		}
		if err != nil {
			l.log("read notification "+id, err)
			return time.Second
		}
		n.State, n.LastError = state, why(n)
		dead = append(dead, n)
	}
	if len(dead) > 0 {
		if err := l.d.o.Queue.PutNotifications(ctx, dead); err != nil {
			l.log("write what is given up", err)
			return time.Second
		}
		l.d.metrics.ended(t, outcome, len(dead))
		l.d.log.Warn("notifications given up", "channel", l.channelID, "why", outcome, "notifications", len(dead))
	}
	l.forget(ids, 0)
	l.unmake(ids)
	l.drop(ids...)
	return 0
}

// unmake takes messages away whose notifications have been given up, and ids
// from what has spilled.
func (l *lane) unmake(ids []string) {
	in := map[string]bool{}
	for _, id := range ids {
		in[id] = true
	}
	kept := l.messages[:0]
	gone := 0
	for _, m := range l.messages {
		if in[m.notifications[0].ID] {
			gone += len(m.notifications)
			continue
		}
		kept = append(kept, m)
	}
	clear(l.messages[len(kept):])
	l.messages = kept
	l.mu.Lock()
	defer l.mu.Unlock()
	l.together -= gone
	of := func(id string) bool { return in[id] }
	l.overflow = slices.DeleteFunc(l.overflow, of)
	l.foreign = slices.DeleteFunc(l.foreign, of)
}

// everything answers all ids.
func (l *lane) everything() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := make([]string, 0, len(l.known))
	for id := range l.known {
		ids = append(ids, id)
	}
	return ids
}

// spilled answers the ids of what did not fit.
func (l *lane) spilled() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.overflow)
}

// strangers answers the ids of what another organization was to be told.
func (l *lane) strangers() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.foreign)
}

// expired answers what has waited for too long. A message does when all that is
// in it has.
func (l *lane) expired(c *store.Channel, now time.Time) (ids []string) {
	ms := now.UnixMilli()
	for _, m := range l.messages {
		if m.expires <= ms {
			for i := range m.notifications {
				ids = append(ids, m.notifications[i].ID)
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.waiting {
		if w := &l.waiting[i]; l.expiry(c, w.severity, w.cause, w.created, w.expires) <= ms {
			ids = append(ids, w.id)
		}
	}
	return ids
}

// expiry answers when a notification is given up: as it says itself, else by the
// channel; in a digest no sooner than that after its turn.
func (l *lane) expiry(c *store.Channel, s store.Severity, cause store.NotificationCause, created, expires int64) int64 {
	after := c.ExpireAfter
	if after == 0 {
		after = store.DefaultExpireAfter
	}
	if expires == 0 {
		expires = created + after.Ms()
	}
	if digested(c, s, cause) {
		expires = max(expires, digestAt(c, created)+after.Ms())
	}
	return expires
}

// digested reports whether the channel gathers such a one.
func digested(c *store.Channel, s store.Severity, cause store.NotificationCause) bool {
	if c.DigestEvery <= 0 || cause == store.CauseEscalation || byHand(cause) {
		return false
	}
	return slices.Contains(c.DigestOf, s)
}

// digestAt answers when what came at created is due: at the next multiple of the
// period, Unix ms.
func digestAt(c *store.Channel, created int64) int64 {
	every := c.DigestEvery.Ms()
	n := created / every
	if created < 0 && created%every != 0 {
		n--
	}
	return (n + 1) * every
}
