package notify

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tidegate/store"
)

// One message of what waits for a device; the first at once; what comes while it
// is under way goes together.
func TestGroups(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		r.answers(func(w http.ResponseWriter, _ *http.Request) { pass(time.Second); w.WriteHeader(200) })
		b.start()
		b.comes(alarm("ops", "d1", 1, store.CauseFiring, ms()))
		b.after(100 * time.Millisecond)
		for port := uint16(2); port <= 40; port++ {
			b.comes(alarm("ops", "d1", port, store.CauseFiring, ms()))
		}
		b.comes(alarm("ops", "d2", 1, store.CauseFiring, ms()))
		b.after(10 * time.Second)
		all := r.take()
		if len(all) != 3 || len(all[0].events) != 1 || len(all[1].events) != 39 || len(all[2].events) != 1 {
			t.Fatalf("%d messages: %+v", len(all), all)
		}
		if all[0].key == all[1].key || all[1].key == all[2].key {
			t.Error("two messages share an id")
		}
	})
}

// Silent ports wait for company; values do not.
func TestGroupWait(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		b.start()
		silent := func(port uint16) store.Notification {
			n := alarm("ops", "d1", port, store.CauseFiring, ms())
			n.Event.Kind = store.CondNoData
			return n
		}
		began := time.Now()
		for port := uint16(1); port <= 40; port++ {
			b.comes(silent(port))
			b.after(50 * time.Millisecond)
		}
		b.comes(alarm("ops", "d2", 1, store.CauseFiring, ms()))
		synctest.Wait()
		if all := r.take(); len(all) != 1 || all[0].events[0] != "d2/T1 firing" {
			t.Fatalf("%+v", all)
		}
		b.after(time.Minute)
		all := r.take()
		if len(all) != 1 || len(all[0].events) != 40 || all[0].at.Sub(began) != DefaultGroupWait {
			t.Fatalf("%d messages: %+v", len(all), all)
		}
	})
}

// What is said of an episode is said in order: with the firing where that has not
// been tried, behind it where it has.
func TestOrderOfAnEpisode(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		r.answers(status(http.StatusServiceUnavailable))
		b.start()
		at := ms()
		b.comes(alarm("ops", "d1", 1, store.CauseFiring, at)) // is tried
		synctest.Wait()
		b.comes(alarm("ops", "d1", 1, store.CauseResolved, at+1000))
		b.comes(alarm("ops", "d2", 1, store.CauseFiring, at), alarm("ops", "d2", 1, store.CauseResolved, at+1000)) // waits meanwhile
		b.after(500 * time.Millisecond)
		r.answers(status(http.StatusOK))
		b.after(time.Hour)
		var said []string
		for _, g := range r.take() {
			said = append(said, strings.Join(g.events, ", "))
		}
		slices.Sort(said[1:]) // which device is first does not matter
		first := said[0]
		if first != "d1/T1 firing" || !slices.Equal(said[1:], []string{"d1/T1 firing", "d1/T1 resolved", "d2/T1 firing, d2/T1 resolved"}) {
			t.Errorf("%q", said)
		}
	})
}

// The severities of a digest wait for the full hour and go in one message; the
// others, and escalations, do not.
func TestDigest(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops", func(c *store.Channel) {
			c.DigestEvery, c.DigestOf, c.ExpireAfter = store.Duration(time.Hour), []store.Severity{store.SeverityInfo, store.SeverityWarning}, store.Duration(time.Minute)
		})
		b.start()
		b.after(10 * time.Minute) // synctest begins at midnight UTC
		for i := range 5 {
			b.comes(alarm("ops", fmt.Sprintf("d%d", i), 1, store.CauseFiring, ms()))
			b.after(time.Minute)
		}
		critical := alarm("ops", "d9", 1, store.CauseFiring, ms())
		critical.Event.Severity = store.SeverityCritical
		b.comes(critical)
		synctest.Wait()
		if all := r.take(); len(all) != 1 || all[0].events[0] != "d9/T1 firing" {
			t.Fatalf("%+v", all)
		}
		first := alarm("ops", "d5", 1, store.CauseFiring, ms())
		escalated := first
		escalated.Cause, escalated.ID = store.CauseEscalation, store.NotificationID(first.Event.ID, "ops", store.CauseEscalation, 0)
		b.comes(first)
		b.after(time.Minute)
		escalated.CreatedAt = store.Time(ms())
		b.comes(escalated)
		synctest.Wait()
		if all := r.take(); len(all) != 1 || !slices.Equal(all[0].events, []string{"d5/T1 firing", "d5/T1 escalation"}) {
			t.Fatalf("the escalation waits for the digest, or the firing comes behind it: %+v", all)
		}
		b.stop()
		b.start() // a restart does not hurry it
		b.after(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour)) - time.Millisecond)
		if all := r.take(); len(all) != 0 {
			t.Fatalf("too early: %+v", all)
		}
		b.after(2 * time.Millisecond)
		if all := r.take(); len(all) != 1 || len(all[0].events) != 5 || all[0].at.UnixMilli()%3_600_000 != 0 {
			t.Fatalf("%+v", all)
		}
	})
}

// A rate that is used up delays and merges; nothing is dropped.
func TestRate(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops", func(c *store.Channel) { c.RatePerHour = 12 })
		b.start()
		for i := range 50 {
			b.comes(alarm("ops", fmt.Sprintf("d%d", i), 1, store.CauseFiring, ms()))
			b.after(time.Millisecond)
		}
		b.after(time.Hour)
		all := r.take()
		if len(all) != 3 || len(all[0].events) != 1 || len(all[1].events) != 1 || len(all[2].events) != 48 {
			t.Fatalf("%d messages", len(all))
		}
		if gap := all[2].at.Sub(all[0].at); gap < 5*time.Minute || gap > 5*time.Minute+time.Second {
			t.Errorf("the third came after %s", gap)
		}
		if s := b.q.states(); s[store.NotificationDelivered] != 50 {
			t.Error(s)
		}
		// With time the bucket fills again, to ten minutes' worth.
		for i := range 5 {
			b.comes(alarm("ops", fmt.Sprintf("e%d", i), 1, store.CauseFiring, ms()))
			synctest.Wait()
		}
		if all := r.take(); len(all) != 2 {
			t.Errorf("%d messages", len(all))
		}
	})
}

// Beyond the bound the lowest severity goes, and of it the oldest.
func TestTooManyWait(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops", func(c *store.Channel) { c.RatePerHour = 1 })
		b.start(func(o *Options) { o.MaxWaiting = 10 })
		b.comes(alarm("ops", "first", 1, store.CauseFiring, ms())) // takes the only token
		synctest.Wait()
		var ids []string
		for i := range 12 {
			n := alarm("ops", fmt.Sprintf("d%d", i), 1, store.CauseFiring, ms()+int64(i))
			n.Event.Severity = []store.Severity{store.SeverityCritical, store.SeverityInfo, store.SeverityWarning}[i%3]
			ids = append(ids, n.ID)
			b.comes(n)
		}
		b.after(2 * time.Hour)
		for i, id := range ids {
			n := b.q.one(id)
			if dead := i == 1 || i == 4; (n.State == store.NotificationDead) != dead || dead && n.LastError != "too many wait: more than 10 for this channel" {
				t.Errorf("%d, %s: %s %q", i, n.Event.Severity, n.State, n.LastError)
			}
		}
		if all := r.take(); len(all) != 2 || len(all[1].events) != 10 {
			t.Errorf("%+v", all)
		}
	})
}
