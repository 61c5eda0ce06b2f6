package notify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"tidegate/store"
)

// The longest that a worker sleeps, so that it notices a channel that was
// deleted or disabled meanwhile.
const longestSleep = time.Minute

// pace is how long to wait between tries.
type pace struct {
	first   time.Duration // after one that failed
	longest time.Duration // after many
}

func defaultPace() pace { return pace{first: 2 * time.Second, longest: 10 * time.Minute} }

const (
	longestAfter  = time.Hour   // of Retry-After
	longestPause  = time.Minute // of a channel whose last tries failed, for what is new
	recoveredFrom = 3           // failures in a row after which a success hurries what waits
)

// backoff answers how long to wait after so many tries.
func (p pace) backoff(tries int) time.Duration {
	d := p.longest
	if tries < 20 {
		d = min(p.first<<max(0, tries-1), p.longest)
	}
	return d - rand.N(d/3+1)
}

// step does one thing and answers how long to wait for the next; 0: not at all.
func (l *lane) step(r *runtime) time.Duration {
	ctx := context.WithoutCancel(r.ctx) // what is begun is written
	if !l.save(ctx) {
		return max(time.Until(l.saveAt), time.Millisecond)
	}
	c, ok := l.d.o.Channels.Channel(l.channelID)
	if !ok || !c.Enabled {
		return l.bury(ctx, c.Type, l.everything(), store.NotificationObsolete, endObsolete, func(store.Notification) string {
			return "the channel was deleted or disabled"
		})
	}
	if ids := l.strangers(); len(ids) > 0 {
		return l.bury(ctx, c.Type, ids, store.NotificationObsolete, endObsolete, func(store.Notification) string {
			return "the channel is another organization's"
		})
	}
	if ids := l.spilled(); len(ids) > 0 {
		return l.bury(ctx, c.Type, ids, store.NotificationDead, endOverflow, func(store.Notification) string {
			return fmt.Sprintf("too many wait: more than %d for this channel", l.d.o.MaxWaiting)
		})
	}
	now := l.d.o.Now()
	if ids := l.expired(&c, now); len(ids) > 0 {
		return l.bury(ctx, c.Type, ids, store.NotificationDead, endExpired, func(n store.Notification) string {
			if n.LastError == "" {
				return "expired before it could be sent"
			}
			return fmt.Sprintf("expired after %d tries, the last one: %s", n.Attempts, n.LastError)
		})
	}
	if l.mended.Swap(false) {
		l.hurry(now)
		l.paused = time.Time{}
	}
	l.bucket.fill(now, perHour(&c))
	pick := l.pick(&c, now)
	switch {
	case pick.message != nil:
		l.try(r, c, pick.message)
		return 0
	case pick.ids != nil:
		m, err := l.form(ctx, &c, pick.ids)
		if err != nil {
			l.log("form a message", err)
			return time.Second
		}
		if m != nil {
			l.bucket.tokens--
			l.try(r, c, m)
		}
		return 0
	}
	if l.count() == 0 {
		return 0
	}
	return min(pick.wait, longestSleep)
}

func perHour(c *store.Channel) int {
	if c.RatePerHour > 0 {
		return c.RatePerHour
	}
	return store.DefaultRatePerHour
}

func (l *lane) log(what string, err error) {
	l.d.log.Error("notifications wait: "+what, "channel", l.channelID, "error", err)
}

// form gives what waits under ids a delivery id, durably. The queue says what
// each is: what is final there is forgotten. It answers nil when nothing is left.
func (l *lane) form(ctx context.Context, c *store.Channel, ids []string) (*message, error) {
	var members []store.Notification
	var gone, foreign []string
	for _, id := range ids {
		n, err := l.d.o.Queue.Notification(ctx, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			gone = append(gone, id)
		case err != nil:
			return nil, fmt.Errorf("read notification %s: %w", id, err)
		case n.State != store.NotificationQueued:
			gone = append(gone, id)
		case n.OrgID != c.OrgID:
			foreign = append(foreign, id)
		default:
			members = append(members, n)
		}
	}
	if len(members) > 0 {
		sortNotifications(members)
		id := deliveryID(members)
		for i := range members {
			n := &members[i]
			n.DeliveryID = id
			n.ExpiresAt = store.Time(l.expiry(c, n.Event.Severity, n.Cause, int64(n.CreatedAt), int64(n.ExpiresAt)))
		}
		if err := l.d.o.Queue.PutNotifications(ctx, members); err != nil {
			return nil, fmt.Errorf("give a message its id: %w", err)
		}
	}
	l.forget(ids, len(members))
	l.drop(gone...)
	l.mu.Lock()
	l.foreign = append(l.foreign, foreign...)
	l.mu.Unlock()
	if len(members) == 0 {
		return nil, nil
	}
	m := newMessage(members)
	l.messages = append(l.messages, m)
	return m, nil
}

// forget takes ids from what waits: so many of them are in a message now.
func (l *lane) forget(ids []string, together int) {
	in := map[string]bool{}
	for _, id := range ids {
		in[id] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.waiting[:0]
	for _, w := range l.waiting {
		if !in[w.id] {
			kept = append(kept, w)
		}
	}
	clear(l.waiting[len(kept):])
	l.waiting = kept
	l.together += together
}

// try sends m once and keeps what came of it.
func (l *lane) try(r *runtime, c store.Channel, m *message) {
	release, ok := l.d.acquire(r.ctx, l.fails > 0)
	if !ok {
		return
	}
	o := l.d.send(r.send, &c, m)
	release()
	if o.kind == again && r.send.Err() != nil {
		return // it was cut off by the end of the process, which the receiver is not to blame for
	}
	now := l.d.o.Now()
	m.attempts++
	for i := range m.notifications {
		m.notifications[i].Attempts = m.attempts
		m.notifications[i].LastError = o.text()
	}
	switch o.kind {
	case delivered:
		at := store.Time(now.UnixMilli())
		for i := range m.notifications {
			m.notifications[i].State, m.notifications[i].DeliveredAt = store.NotificationDelivered, &at
		}
		l.done(m, endDelivered)
		l.recovered(now)
	case refused:
		for i := range m.notifications {
			m.notifications[i].State = store.NotificationDead
		}
		l.done(m, endRefused)
		l.recovered(now) // it is there, and answers
		l.d.log.Warn("notification refused", "channel", l.channelID, "delivery", m.id, "notifications", len(m.notifications), "answer", o.text())
	case again:
		after := min(o.after, longestAfter)
		m.notBefore = now.Add(max(l.d.pace.backoff(m.attempts), after))
		l.fails++
		l.paused = now.Add(max(min(l.d.pace.backoff(l.fails), longestPause), after))
		for i := range m.notifications {
			m.notifications[i].NotBefore = store.Time(m.notBefore.UnixMilli())
		}
		if l.fails == 1 || l.fails%20 == 0 {
			l.d.log.Warn("notification not delivered, trying again", "channel", l.channelID, "delivery", m.id, "tries", m.attempts, "answer", o.text())
		}
		// It is for people to see. Should it be lost in a crash, it is tried sooner.
		if err := l.d.o.Queue.PutNotifications(context.WithoutCancel(r.ctx), m.notifications); err != nil {
			l.log("keep what the receiver said", err)
		}
	}
}

// done takes m out of what is to be sent.
func (l *lane) done(m *message, outcome string) {
	for i, o := range l.messages {
		if o == m {
			l.messages = append(l.messages[:i], l.messages[i+1:]...)
			break
		}
	}
	l.mu.Lock()
	l.together -= len(m.notifications)
	l.mu.Unlock()
	l.unsaved = append(l.unsaved, ending{outcome: outcome, n: m.notifications})
}

// recovered says that the receiver answers.
func (l *lane) recovered(now time.Time) {
	if l.fails >= recoveredFrom {
		l.hurry(now)
	}
	l.fails, l.paused = 0, time.Time{}
}

// hurry lets what was to be tried later be tried now.
func (l *lane) hurry(now time.Time) {
	for _, m := range l.messages {
		if m.notBefore.After(now) {
			m.notBefore = now
		}
	}
}
