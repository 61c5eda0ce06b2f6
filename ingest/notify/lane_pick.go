package notify

import (
	"slices"
	"time"

	"tidegate/store"
)

// picked is what is to be done next: a message, or what is to become one, or
// else how long to wait.
type picked struct {
	message *message
	ids     []string
	wait    time.Duration
}

// group is what would go in one message.
type group struct {
	key      string
	due      time.Time
	severity int
	digest   bool
	members  []waiter
}

// pick chooses what has been ready for longest; among what is in no message yet
// the highest severity comes first.
func (l *lane) pick(c *store.Channel, now time.Time) picked {
	next := now.Add(longestSleep)
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	var best *message
	busy := map[string]bool{} // episodes of which something is under way
	for _, m := range l.messages {
		for i := range m.notifications {
			busy[m.notifications[i].Event.ID] = true
		}
		sooner(time.UnixMilli(m.expires))
		switch {
		case m.notBefore.After(now):
			sooner(later(m.notBefore, l.paused))
		case best == nil || m.notBefore.Before(best.notBefore):
			best = m
		}
	}
	var ready []*group
	for _, g := range l.groups(c, now, busy, sooner) {
		if g.due.After(now) {
			sooner(later(g.due, l.paused))
			continue
		}
		ready = append(ready, g)
	}
	if l.paused.After(now) {
		if best != nil || len(ready) > 0 {
			sooner(l.paused)
		}
		return picked{wait: max(next.Sub(now), time.Millisecond)}
	}
	slices.SortStableFunc(ready, func(a, b *group) int {
		if a.severity != b.severity {
			return b.severity - a.severity
		}
		return a.due.Compare(b.due)
	})
	if len(ready) > 0 {
		if w := l.bucket.wait(); w > 0 {
			l.starved = true
			sooner(now.Add(w))
			ready = nil
		}
	}
	if len(ready) > 0 && (best == nil || !best.notBefore.Before(ready[0].due)) {
		return picked{ids: l.gather(c, ready)}
	}
	if best != nil {
		return picked{message: best}
	}
	return picked{wait: max(next.Sub(now), time.Millisecond)}
}

// gather answers what goes in the next message: the first group, or, when
// messages had to wait for a token, all that is ready.
func (l *lane) gather(c *store.Channel, ready []*group) []string {
	members := ready[0].members
	if l.starved && !alone(c.Type) && !ready[0].digest {
		for _, g := range ready[1:] {
			if !g.digest {
				members = append(members, g.members...)
			}
		}
	}
	l.starved = false
	var ids []string
	for _, w := range members[:min(len(members), maxTogether)] {
		ids = append(ids, w.id)
	}
	return ids
}

// groups answers what waits, as it would go in messages. Of an episode of which
// something is under way nothing does. What waits for a digest goes sooner when
// something that does not wait is to be said of its episode, to keep the order.
func (l *lane) groups(c *store.Channel, now time.Time, busy map[string]bool, sooner func(time.Time)) []*group {
	l.mu.Lock()
	defer l.mu.Unlock()
	urgent := map[string]bool{}
	for i := range l.waiting {
		if w := &l.waiting[i]; !digested(c, w.severity, w.cause) {
			urgent[w.event] = true
		}
	}
	byKey := map[string]*group{}
	var all []*group
	for _, w := range l.waiting {
		sooner(time.UnixMilli(l.expiry(c, w.severity, w.cause, w.created, w.expires)))
		if busy[w.event] {
			continue
		}
		key, due, digest := "device "+w.device, w.due, false
		switch {
		case alone(c.Type):
			key = "event " + w.event
		case !urgent[w.event]:
			due, digest = time.UnixMilli(digestAt(c, w.created)), true
			key = "digest now"
			if due.After(now) {
				key = "digest " + due.String()
			}
		}
		g := byKey[key]
		if g == nil {
			g = &group{key: key, due: due, digest: digest}
			byKey[key] = g
			all = append(all, g)
		}
		if due.Before(g.due) {
			g.due = due
		}
		g.severity = max(g.severity, severityRank(w.severity))
		g.members = append(g.members, w)
	}
	return all
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
