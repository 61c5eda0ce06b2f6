package notify

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"tidegate/store"
)

// maxTogether is how many notifications go in one message.
const maxTogether = 100

// message is notifications that are sent together, with one delivery id.
type message struct {
	id            string
	notifications []store.Notification // in the order in which they are said
	attempts      int
	notBefore     time.Time
	expires       int64 // Unix ms

	// done are the recipients that took it, refused those that did not for good.
	// They are forgotten in a crash: then a recipient may get it once more.
	done    map[string]bool
	refused map[string]outcome
}

// newMessage takes notifications that have their delivery id.
func newMessage(n []store.Notification) *message {
	sortNotifications(n)
	m := &message{id: n[0].DeliveryID, notifications: n, done: map[string]bool{}, refused: map[string]outcome{}}
	for i := range n {
		m.attempts = max(m.attempts, n[i].Attempts)
		m.expires = max(m.expires, int64(n[i].ExpiresAt))
		if at := n[i].NotBefore.Time(); at.After(m.notBefore) {
			m.notBefore = at
		}
	}
	return m
}

// sortNotifications puts them in the order in which they are said, which is the
// same for each try.
func sortNotifications(n []store.Notification) {
	slices.SortFunc(n, func(a, b store.Notification) int {
		return cmp.Or(
			cmp.Compare(a.CreatedAt, b.CreatedAt),
			cmp.Compare(a.Event.ID, b.Event.ID), // by start
			cmp.Compare(a.Event.Flaps, b.Event.Flaps),
			cmp.Compare(causeRank(a.Cause), causeRank(b.Cause)),
			cmp.Compare(a.ID, b.ID),
		)
	})
}

func causeRank(c store.NotificationCause) int {
	return slices.Index([]store.NotificationCause{
		store.CauseFiring, store.CauseRepeat, store.CauseEscalation, store.CauseAcknowledged, store.CauseResolved,
	}, c)
}

// deliveryID derives a message's id from what is in it.
func deliveryID(n []store.Notification) string {
	h := sha256.New()
	for i := range n {
		h.Write([]byte(n[i].ID))
		h.Write([]byte{0})
	}
	return "dl-" + hex.EncodeToString(h.Sum(nil)[:12])
}

// said answers what there is to read: of several repeats of an episode the last.
func (m *message) said() []store.Notification {
	last := map[string]int{}
	for i := range m.notifications {
		if m.notifications[i].Cause == store.CauseRepeat {
			last[m.notifications[i].Event.ID] = i
		}
	}
	var out []store.Notification
	for i, n := range m.notifications {
		if n.Cause == store.CauseRepeat && last[n.Event.ID] != i {
			continue
		}
		out = append(out, n)
	}
	return out
}

func severityRank(s store.Severity) int { return slices.Index(store.Severities(), s) }
