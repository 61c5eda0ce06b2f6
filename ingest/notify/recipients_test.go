package notify

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidegate/store"
)

// Of several recipients one that refuses, or is to be asked again, holds up no
// other, and those who took it are not told twice.
func TestRecipients(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		times := map[string]int{}
		b.webhook("ops", func(c *store.Channel) {
			c.Type, c.Secret, c.Body, c.URL = store.ChannelSMS, "", "to={to|url}&text={text|url}", "http://sms.example/send"
			c.To = []string{"+4911", "+4922", "+4933"}
		})
		sms := &receiver{}
		sms.answer = func(w http.ResponseWriter, r *http.Request) {
			sms.mu.Lock()
			defer sms.mu.Unlock()
			form, err := url.ParseQuery(string(sms.got[len(sms.got)-1].body))
			if err != nil || form.Get("text") == "" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
				t.Errorf("%v: %v", form, err)
			}
			times[form.Get("to")]++
			switch {
			case form.Get("to") == "+4911":
				http.Error(w, "no such number", http.StatusBadRequest)
			case form.Get("to") == "+4922" && times["+4922"] < 3:
				w.WriteHeader(http.StatusInternalServerError)
			}
		}
		b.host("sms.example", "8.8.4.4", sms)
		b.start()
		n := alarm("ops", "d1", 1, store.CauseFiring, ms())
		b.comes(n)
		b.after(time.Minute)
		kept := b.q.one(n.ID)
		if kept.State != store.NotificationDelivered || kept.LastError != "HTTP 400: not to +4911: no such number" || kept.Attempts != 3 {
			t.Errorf("%+v", kept)
		}
		if times["+4911"] != 1 || times["+4922"] != 3 || times["+4933"] != 1 {
			t.Error(times)
		}
		keys := map[string]bool{}
		for _, g := range sms.take() {
			keys[g.key] = true
		}
		if len(keys) != 3 {
			t.Errorf("%v", keys)
		}
	})
}

// PagerDuty has an incident for each episode, and hears of it in order.
func TestPagerDutyInOrder(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		b.webhook("ops", func(c *store.Channel) {
			c.Type, c.Secret, c.URL = store.ChannelPagerDuty, strings.Repeat("k", 32), "http://pd.example/v2/enqueue"
		})
		fails := 2
		var said []string
		pd := &receiver{}
		pd.answer = func(w http.ResponseWriter, _ *http.Request) {
			pd.mu.Lock()
			defer pd.mu.Unlock()
			var v pagerdutyEvent
			if err := json.Unmarshal(pd.got[len(pd.got)-1].body, &v); err != nil {
				t.Error(err)
			}
			if fails--; fails >= 0 {
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			said = append(said, v.DedupKey+" "+v.Action)
			w.WriteHeader(http.StatusAccepted)
		}
		b.host("pd.example", "8.8.4.4", pd)
		b.start()
		at := ms()
		one, two := alarm("ops", "d1", 1, store.CauseFiring, at), alarm("ops", "d1", 1, store.CauseResolved, at+500)
		other := alarm("ops", "d1", 2, store.CauseFiring, at)
		b.comes(one, two, other)
		b.after(time.Minute)
		want := map[string]bool{one.Event.ID + " trigger": true, one.Event.ID + " resolve": true, other.Event.ID + " trigger": true}
		first, second := -1, -1
		for i, s := range said {
			if !want[s] {
				t.Errorf("%s is too much", s)
			}
			delete(want, s)
			if s == one.Event.ID+" trigger" {
				first = i
			}
			if s == one.Event.ID+" resolve" {
				second = i
			}
		}
		if len(want) > 0 || first > second {
			t.Errorf("%v, without %v", said, want)
		}
	})
}

func TestTelegramWaits(t *testing.T) {
	body := `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 35","parameters":{"retry_after":35}}`
	o := judgeTelegram(judge(answer{status: 429, header: http.Header{}, body: []byte(body)}, time.Now(), nil), answer{status: 429, body: []byte(body)})
	if o.kind != again || o.after != 35*time.Second || o.words != "Too Many Requests: retry after 35" {
		t.Errorf("%+v", o)
	}
	o = judgeTelegram(outcome{kind: again}, answer{body: []byte(`{"parameters":{"retry_after":99999999}}`)})
	if o.after != longestAfter {
		t.Errorf("%+v", o)
	}
}

// A test answers at once what the receiver said, and leaves nothing in the queue.
func TestTrial(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		r := b.webhook("ops", func(c *store.Channel) { c.Enabled = false })
		b.start()
		c := b.channels["ops"]
		got, err := b.d.Test(t.Context(), c)
		if err != nil || !got.Delivered || got.Status != "HTTP 204" {
			t.Errorf("%+v, %v", got, err)
		}
		all := r.take()
		if len(all) != 1 || all[0].events[0] != "example/Temperature test" || all[0].header.Get(headerSignature) == "" {
			t.Errorf("%+v", all)
		}
		r.answers(func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, "who are you?")
		})
		if got, err = b.d.Test(t.Context(), c); err != nil || got.Delivered || got.Status != "HTTP 403" || got.Words != "who are you?" {
			t.Errorf("%+v, %v", got, err)
		}
		if again := r.take(); len(again) != 1 || again[0].key == all[0].key {
			t.Error("two tests share an id")
		}
		r.answers(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
		if got, err = b.d.Test(t.Context(), c); err != nil || got.Delivered || got.Words != "no answer in time" || got.Took != defaultPatience().header {
			t.Errorf("%+v, %v", got, err)
		}
		c.URL = "ftp://ops.example"
		if _, err = b.d.Test(t.Context(), c); err == nil {
			t.Error("a channel that is not right was tested")
		}
		c.URL = "http://intranet.example/"
		b.raw("intranet.example", "192.168.1.1", says(""))
		if got, err = b.d.Test(t.Context(), c); err != nil || got.Delivered || !strings.Contains(got.Words, "notify.allow") {
			t.Errorf("%+v, %v", got, err)
		}
		if s := b.q.states(); len(s) != 0 || b.d.Waiting() != 0 {
			t.Error(s)
		}
	})
}

// Everything that ends is counted, by type and outcome alone.
func TestMetrics(t *testing.T) {
	inTime(t, func(t *testing.T, b *box) {
		reg := prometheus.NewRegistry()
		b.webhook("good")
		b.webhook("bad").answers(status(http.StatusGone))
		b.webhook("down").answers(status(http.StatusBadGateway))
		b.start(func(o *Options) { o.Registerer = reg })
		short := alarm("down", "d1", 1, store.CauseFiring, ms())
		short.ExpiresAt = store.Time(ms() + 60_000)
		b.comes(alarm("good", "d1", 1, store.CauseFiring, ms()), alarm("bad", "d1", 1, store.CauseFiring, ms()), alarm("none", "d1", 1, store.CauseFiring, ms()), short)
		synctest.Wait()
		if v := value(t, reg, "tidegate_notify_waiting_count", ""); v != 1 {
			t.Errorf("%v wait", v)
		}
		b.after(2 * time.Minute)
		for labels, want := range map[string]float64{"delivered webhook": 1, "refused webhook": 1, "expired webhook": 1, "obsolete unknown": 1} {
			if v := value(t, reg, "tidegate_notify_notifications_total", labels); v != want {
				t.Errorf("%s: %v", labels, v)
			}
		}
		if v := value(t, reg, "tidegate_notify_tries_total", "again webhook"); v < 4 {
			t.Errorf("%v tries", v)
		}
		if v := value(t, reg, "tidegate_notify_waiting_count", ""); v != 0 {
			t.Errorf("%v wait", v)
		}
	})
}

// value answers a metric with such values of its labels.
func value(t *testing.T, reg *prometheus.Registry, name, labels string) float64 {
	t.Helper()
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.Metric {
			var of []string
			for _, l := range m.Label {
				of = append(of, l.GetValue())
			}
			if f.GetName() == name && strings.Join(of, " ") == labels {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() // of which it has one
			}
		}
	}
	return 0
}
