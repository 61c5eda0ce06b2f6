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

// What comes goes at once, and is delivered once the receiver has said so.
func TestAtOnce(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		b.start()
		n := alarm("ops", "d1", 1, store.CauseFiring, ms())
		b.comes(n)
		synctest.Wait()
		all := r.take()
		if len(all) != 1 || !slices.Equal(all[0].events, []string{"d1/T1 firing"}) || all[0].at != time.Now() {
			t.Fatalf("%+v", all)
		}
		kept := b.q.one(n.ID)
		if kept.State != store.NotificationDelivered || kept.DeliveryID != all[0].key || kept.Attempts != 1 || kept.DeliveredAt == nil || kept.LastError != "" {
			t.Errorf("%+v", kept)
		}
		b.d.Wake([]store.Notification{n}) // a replay of the log
		b.after(time.Hour)
		if again := r.take(); len(again) != 0 || b.d.Waiting() != 0 {
			t.Errorf("what is delivered was sent again: %+v", again)
		}
	})
}

// A failure that passes is tried again with the same id, ever more rarely, until
// it is over.
func TestBackoff(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		r.answers(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down for now", http.StatusBadGateway) })
		b.start()
		n := alarm("ops", "d1", 1, store.CauseFiring, ms())
		began := time.Now()
		b.comes(n)
		b.after(2 * time.Hour)
		all := r.take()
		if len(all) < 18 || len(all) > 30 {
			t.Fatalf("%d tries in two hours", len(all))
		}
		for i, g := range all {
			if g.key != all[0].key || string(g.body) != string(all[0].body) {
				t.Errorf("try %d differs: %s %s", i, g.key, g.body)
			}
			if i == 0 {
				continue
			}
			want := min(2*time.Second<<(i-1), 10*time.Minute)
			if gap := g.at.Sub(all[i-1].at); gap > want+time.Millisecond || gap < want*2/3-time.Millisecond {
				t.Errorf("try %d came after %s, want %s less up to a third", i, gap, want)
			}
		}
		if kept := b.q.one(n.ID); kept.Attempts != len(all) || kept.LastError != "HTTP 502: down for now" || kept.State != store.NotificationQueued {
			t.Errorf("%+v", kept)
		}
		b.after(time.Until(began.Add(24*time.Hour + time.Minute)))
		if kept := b.q.one(n.ID); kept.State != store.NotificationDead || !strings.HasPrefix(kept.LastError, "expired after ") || !strings.HasSuffix(kept.LastError, "tries, the last one: HTTP 502: down for now") {
			t.Errorf("%+v", kept)
		}
		r.take()
		b.after(24 * time.Hour)
		if len(r.take()) != 0 {
			t.Error("what is dead was sent")
		}
	})
}

// Retry-After is respected, up to an hour.
func TestRetryAfter(t *testing.T) {
	for text, want := range map[string]time.Duration{"120": 2 * time.Minute, "999999": time.Hour, "DATE": 3 * time.Minute, "": 2 * time.Second, "soon": 2 * time.Second, "-5": 2 * time.Second} {
		inTime(t, func(t *testing.T, b *box) {
			r := b.webhook("ops")
			r.answers(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", strings.ReplaceAll(text, "DATE", time.Now().Add(3*time.Minute).UTC().Format(http.TimeFormat)))
				w.WriteHeader(http.StatusTooManyRequests)
			})
			b.start()
			b.comes(alarm("ops", "d1", 1, store.CauseFiring, ms()))
			b.after(time.Second)
			// News for the channel do not go before that either.
			b.comes(alarm("ops", "d2", 1, store.CauseFiring, ms()))
			b.after(2 * time.Hour)
			all := r.take()
			if gap := all[1].at.Sub(all[0].at); gap > want+time.Second || gap < want*2/3-time.Second {
				t.Errorf("Retry-After %q: %s", text, gap)
			}
		})
	}
}

// A refusal for good is dead at once, with the receiver's words and no secret.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		code int
		dead bool
	}{{400, true}, {401, true}, {403, true}, {404, true}, {410, true}, {422, true}, {408, false}, {425, false}, {429, false}, {500, false}, {503, false}} {
		inTime(t, func(t *testing.T, b *box) {
			r := b.webhook("ops", func(c *store.Channel) { c.Headers = map[string]string{"Authorization": "Bearer sesame-sesame"} })
			r.answers(func(w http.ResponseWriter, req *http.Request) {
				w.WriteHeader(c.code)
				_, _ = w.Write([]byte("no:\n\x00" + req.Header.Get("Authorization") + " hunter2hunter2 " + strings.Repeat("é", 300)))
			})
			b.start()
			n := alarm("ops", "d1", 1, store.CauseFiring, ms())
			b.comes(n)
			synctest.Wait()
			kept := b.q.one(n.ID)
			if (kept.State == store.NotificationDead) != c.dead || kept.Attempts != 1 {
				t.Errorf("%d: %+v", c.code, kept)
			}
			if !strings.HasPrefix(kept.LastError, fmt.Sprintf("HTTP %d: no: [secret] [secret] é", c.code)) || len(kept.LastError) > maxWords+20 {
				t.Errorf("%d: %q", c.code, kept.LastError)
			}
		})
	}
}

// A channel that is slow or away delays no other.
func TestSlowChannelDelaysNobody(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		for i := range 8 {
			b.webhook(fmt.Sprintf("slow%d", i)).answers(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		}
		good := b.webhook("good")
		b.start(func(o *Options) { o.MaxSends = 9 })
		for i := range 8 {
			b.comes(alarm(fmt.Sprintf("slow%d", i), "d1", 1, store.CauseFiring, ms()))
		}
		for range 60 {
			b.comes(alarm("good", "d1", 1, store.CauseFiring, ms()))
			synctest.Wait()
			if all := good.take(); len(all) != 1 || all[0].at != time.Now() {
				t.Fatalf("%+v", all)
			}
			b.after(time.Minute)
		}
		if s := b.q.states(); s[store.NotificationDelivered] != 60 || s[store.NotificationQueued] != 8 {
			t.Error(s)
		}
	})
}

// A message that the receiver cannot take holds up no other.
func TestPoison(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		r.answers(func(w http.ResponseWriter, req *http.Request) {
			if r.last("poison") {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
		b.start()
		bad := alarm("ops", "poison", 1, store.CauseFiring, ms())
		b.comes(bad)
		b.after(time.Second)
		for i := range 30 {
			n := alarm("ops", fmt.Sprintf("d%d", i), 1, store.CauseFiring, ms())
			b.comes(n)
			b.after(time.Minute + time.Second)
			if kept := b.q.one(n.ID); kept.State != store.NotificationDelivered {
				t.Fatalf("%d: %+v", i, kept)
			}
		}
		b.after(24 * time.Hour)
		if kept := b.q.one(bad.ID); kept.State != store.NotificationDead {
			t.Errorf("%+v", kept)
		}
	})
}

// When a receiver comes back, what waited for it goes at once.
func TestComesBack(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		r.answers(status(http.StatusBadGateway))
		b.start()
		for i := range 20 {
			b.comes(alarm("ops", fmt.Sprintf("d%d", i), 1, store.CauseFiring, ms()))
			b.after(10 * time.Minute)
		}
		r.answers(status(http.StatusOK))
		r.take()
		b.comes(alarm("ops", "new", 1, store.CauseFiring, ms()))
		b.after(time.Minute)
		if s := b.q.states(); s[store.NotificationDelivered] != 21 {
			t.Error(s)
		}
	})
}

// After a restart a message has the id and the content that it had.
func TestRestart(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		r.answers(status(http.StatusBadGateway))
		b.start()
		at := ms()
		b.comes(alarm("ops", "d1", 1, store.CauseFiring, at), alarm("ops", "d1", 2, store.CauseFiring, at))
		b.after(time.Second)
		before := r.take()
		b.comes(alarm("ops", "d1", 3, store.CauseFiring, at))
		b.stop()
		r.answers(status(http.StatusOK))
		b.start()
		b.after(time.Minute)
		after := r.take()
		if len(before) != 1 || len(after) != 2 {
			t.Fatalf("%+v\n%+v", before, after)
		}
		i := slices.IndexFunc(after, func(g got) bool { return g.key == before[0].key })
		if i < 0 || string(after[i].body) != string(before[0].body) || len(after[1-i].events) != 1 {
			t.Errorf("%+v\n%+v", before, after)
		}
		if s := b.q.states(); s[store.NotificationDelivered] != 3 {
			t.Error(s)
		}
	})
}

// What was queued while nobody ran goes when somebody does, also when it was
// waked before.
func TestQueuedBeforeTheStart(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		n := alarm("ops", "d1", 1, store.CauseFiring, ms())
		b.keeps(n)
		b.start()
		b.d.Wake([]store.Notification{n})
		b.after(time.Second)
		if all := r.take(); len(all) != 1 {
			t.Errorf("%+v", all)
		}
	})
}

// A channel that is deleted or disabled makes what waits for it obsolete.
func TestObsolete(t *testing.T) {
	for _, gone := range []bool{true, false} {
		inTime(t, func(t *testing.T, b *box) {
			r := b.webhook("ops")
			r.answers(status(http.StatusBadGateway))
			b.start()
			tried, waits := alarm("ops", "d1", 1, store.CauseFiring, ms()), alarm("ops", "d1", 1, store.CauseResolved, ms())
			b.comes(tried, waits)
			synctest.Wait()
			b.mu.Lock()
			c := b.channels["ops"]
			c.Enabled = false
			b.channels["ops"] = c
			if gone {
				delete(b.channels, "ops")
			}
			b.mu.Unlock()
			b.after(2 * time.Minute)
			for _, id := range []string{tried.ID, waits.ID} {
				if n := b.q.one(id); n.State != store.NotificationObsolete || n.LastError != "the channel was deleted or disabled" {
					t.Errorf("%+v", n)
				}
			}
			if b.d.Waiting() != 0 {
				t.Error(b.d.Waiting())
			}
		})
	}
}

// Whatever was queued, no organization is told of another's alarms.
func TestAnotherOrganization(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		b.start()
		ours, theirs := alarm("ops", "d1", 1, store.CauseFiring, ms()), alarm("ops", "d1", 2, store.CauseFiring, ms())
		theirs.OrgID, theirs.Event.OrgID = "other", "other"
		b.comes(ours, theirs)
		b.after(time.Minute)
		if all := r.take(); len(all) != 1 || !slices.Equal(all[0].events, []string{"d1/T1 firing"}) {
			t.Errorf("%+v", all)
		}
		if n := b.q.one(theirs.ID); n.State != store.NotificationObsolete || n.LastError != "the channel is another organization's" || b.d.Waiting() != 0 {
			t.Errorf("%+v", n)
		}
	})
}

// What was delivered and could not be written is written later, and not sent
// again.
func TestQueueFails(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		r.answers(func(w http.ResponseWriter, _ *http.Request) { b.q.breaks(true); w.WriteHeader(200) })
		b.start()
		n := alarm("ops", "d1", 1, store.CauseFiring, ms())
		b.comes(n)
		b.after(10 * time.Minute)
		if got := b.q.one(n.ID).State; got != store.NotificationQueued {
			t.Error(got)
		}
		b.q.breaks(false)
		b.after(2 * time.Minute)
		if got := b.q.one(n.ID).State; got != store.NotificationDelivered || len(r.take()) != 1 {
			t.Error(got)
		}
		// Without its id in the queue a message is not sent at all.
		b.keeps(alarm("ops", "d2", 1, store.CauseFiring, ms()))
		b.q.breaks(true)
		b.d.Wake([]store.Notification{alarm("ops", "d2", 1, store.CauseFiring, ms())})
		b.after(time.Hour)
		if len(r.take()) != 0 {
			t.Error("a message went out whose id is not durable")
		}
		b.q.breaks(false)
		b.after(time.Minute)
		if len(r.take()) != 1 {
			t.Error("it was not sent once the queue was there again")
		}
	})
}

// A channel that was mended is tried at once.
func TestMended(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		r.answers(status(http.StatusBadGateway))
		b.start()
		b.comes(alarm("ops", "d1", 1, store.CauseFiring, ms()))
		b.after(time.Hour)
		r.answers(status(http.StatusOK))
		r.take()
		b.d.ChannelChanged("ops")
		synctest.Wait()
		if all := r.take(); len(all) != 1 {
			t.Errorf("%+v", all)
		}
	})
}

// Repeats that could not be said while the receiver was away are said once.
func TestRepeats(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops", func(c *store.Channel) { c.RatePerHour = 1 })
		b.start()
		b.comes(alarm("ops", "d1", 1, store.CauseFiring, ms()))
		synctest.Wait()
		r.take()
		at := ms()
		for i := range 5 {
			n := alarm("ops", "d1", 1, store.CauseRepeat, at)
			n.ID, n.CreatedAt = store.NotificationID(n.Event.ID, "ops", store.CauseRepeat, i), store.Time(ms())
			b.comes(n)
			b.after(time.Minute)
		}
		b.after(2 * time.Hour)
		if all := r.take(); len(all) != 1 || !slices.Equal(all[0].events, []string{"d1/T1 repeat"}) {
			t.Errorf("%+v", all)
		}
		if s := b.q.states(); s[store.NotificationDelivered] != 6 {
			t.Error(s)
		}
	})
}

// Said again by hand it is a notification of its own.
func TestResend(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		r.answers(status(http.StatusNotFound))
		b.start()
		n := alarm("ops", "d1", 1, store.CauseFiring, ms())
		b.comes(n)
		synctest.Wait()
		r.answers(status(http.StatusOK))
		keys := map[string]bool{}
		for range 2 {
			again, err := b.d.Resend(t.Context(), n.ID)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if kept := b.q.one(again.ID); kept.State != store.NotificationDelivered || kept.Cause != store.CauseResend {
				t.Errorf("%+v", kept)
			}
		}
		for _, g := range r.take() {
			keys[g.key] = true
		}
		if len(keys) != 3 || b.q.one(n.ID).State != store.NotificationDead {
			t.Errorf("%v", keys)
		}
		if _, err := b.d.Resend(t.Context(), "nt-none"); err == nil {
			t.Error("what does not exist was sent again")
		}
	})
}

// What is under way at the end has a grace, and is not sent twice for it.
func TestStopWhileUnderWay(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops")
		r.answers(func(w http.ResponseWriter, _ *http.Request) { pass(3 * time.Second); w.WriteHeader(200) })
		b.start()
		n := alarm("ops", "d1", 1, store.CauseFiring, ms())
		b.comes(n)
		synctest.Wait()
		b.stop()
		if kept := b.q.one(n.ID); kept.State != store.NotificationDelivered {
			t.Errorf("%+v", kept)
		}
		r.answers(func(w http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
		b.start()
		m := alarm("ops", "d2", 1, store.CauseFiring, ms())
		b.comes(m)
		synctest.Wait()
		began := time.Now()
		b.stop()
		if took := time.Since(began); took != DefaultGrace {
			t.Errorf("the end took %s", took)
		}
		if kept := b.q.one(m.ID); kept.State != store.NotificationQueued || kept.Attempts != 0 {
			t.Errorf("%+v", kept)
		}
	})
}
