package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

// channelOf is a channel of each type, as somebody would set it up.
func channelOf(t store.ChannelType) store.Channel {
	c := store.Channel{ID: "ch-1", OrgID: "acme", Name: "ops", Type: t, Enabled: true}
	switch t {
	case store.ChannelEmail:
		c.To = []string{"ann@example.org"}
	case store.ChannelWebhook:
		c.URL, c.Secret, c.Headers = "https://example.org/alarms", "webhook-secret", map[string]string{"x-team": "plant"}
	case store.ChannelSMS:
		c.Provider, c.Secret, c.From, c.To = "twilio", "AC0123456789:twilio-token", "+15550100", []string{"+491700000001", "+491700000002"}
	case store.ChannelNtfy:
		c.To, c.Secret = []string{"plant-alarms"}, "tk_0123456789"
	case store.ChannelSlack:
		c.URL = "https://hooks.slack.com/services/T000/B000/XXXX"
	case store.ChannelTelegram:
		c.Secret, c.To = "123456:ABC-DEF1234ghIkl", []string{"-1001234567890"}
	case store.ChannelTeams:
		c.URL = "https://prod-00.westeurope.logic.azure.com/workflows/0123/triggers/manual/paths/invoke?api-version=2016-06-01&sig=XXXX"
	case store.ChannelPagerDuty:
		c.Secret = strings.Repeat("0123456789abcdef", 2)
	}
	return c
}

func dispatcher(t *testing.T) *Dispatcher {
	t.Helper()
	d, err := New(Options{
		Queue: newMemory(t), BaseURL: "https://box.example.org/", Mail: Mail{Host: "mail.example.org", From: "alarms@example.org"},
		Channels: ChannelsFunc(func(string) (store.Channel, bool) { return store.Channel{}, false }),
		Now:      func() time.Time { return time.UnixMilli(1_795_000_065_000) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// story3 is a message of three: a new one, one that is over, one that nobody has
// taken on.
func story3(c *store.Channel) []store.Notification {
	const at = 1_795_000_020_000
	fire := alarm(c.ID, "boiler-1", 1, store.CauseFiring, at)
	fire.Event.RuleName, fire.Event.Severity = `too hot <&"*_`, store.SeverityCritical
	fire.Event.Labels = map[string]string{"site": "north"}
	over := alarm(c.ID, "boiler-1", 2, store.CauseResolved, at+45_000)
	silent := alarm(c.ID, "boiler-2", 7, store.CauseEscalation, at+46_000)
	seconds := 605.0
	silent.Event.Kind, silent.Event.PortName, silent.Event.Unit = store.CondNoData, "", ""
	silent.Event.First, silent.Event.Last, silent.Event.Worst, silent.Event.Escalated = nil, nil, &seconds, true
	silent.Event.Message = "Port 7 of boiler-2 is silent."
	taken := alarm(c.ID, "boiler-1", 1, store.CauseAcknowledged, at+47_000)
	taken.Event.Acknowledged = &store.Acknowledgement{By: "ann@example.org", At: at + 47_000, Comment: "on my way"}
	return []store.Notification{fire, over, silent, taken}
}

func messageOf(n ...store.Notification) *message {
	sortNotifications(n)
	id := deliveryID(n)
	for i := range n {
		n[i].DeliveryID = id
	}
	return newMessage(n)
}

// TestShapes holds the requests of each type against its golden file.
func TestShapes(t *testing.T) {
	d := dispatcher(t)
	for _, kind := range store.ChannelTypes() {
		t.Run(string(kind), func(t *testing.T) {
			c := channelOf(kind)
			if err := d.Validate(c); err != nil {
				t.Fatal(err)
			}
			all := story3(&c)
			test := sampleMessage(&c, d.o.Now())
			var b bytes.Buffer
			for _, m := range []struct {
				name string
				m    *message
			}{{"one", messageOf(all[0])}, {"several", messageOf(all...)}, {"over", messageOf(all[1])}, {"a test", test}} {
				fmt.Fprintf(&b, "===== %s =====\n", m.name)
				dump(t, &b, d, &c, m.m)
			}
			golden(t, string(kind)+".txt", b.Bytes())
		})
	}
}

func dump(t *testing.T, b *bytes.Buffer, d *Dispatcher, c *store.Channel, m *message) {
	t.Helper()
	of := channelTypes()[c.Type]
	if of.posts == nil {
		s := d.story(c, m)
		fmt.Fprintf(b, "Subject: %s\n\n%s\n\n%s\n", s.title(), s.text(maxMailText, maxTogether), strings.ReplaceAll(s.html(true, "a picture"), "><", ">\n<"))
		return
	}
	posts, err := of.posts(d, c, m)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range posts {
		fmt.Fprintf(b, "%s %s\n", r.post.method, r.post.url)
		headers := maps.Clone(r.post.standing)
		maps.Copy(headers, r.post.header)
		for _, k := range slices.Sorted(maps.Keys(headers)) {
			fmt.Fprintf(b, "%s: %s\n", k, headers.Get(k))
		}
		b.WriteString("\n")
		if json.Valid(r.post.body) {
			if err := json.Indent(b, r.post.body, "", "  "); err != nil {
				t.Fatal(err)
			}
		} else {
			b.Write(r.post.body)
		}
		b.WriteString("\n\n")
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s; review it and run go test ./ingest/notify -run Shapes -update\n%s", file, got)
	}
}

// TestLimits: whatever is said, services get no more than they take.
func TestLimits(t *testing.T) {
	d := dispatcher(t)
	for _, kind := range store.ChannelTypes() {
		c := channelOf(kind)
		var all []store.Notification
		for i := range maxTogether {
			n := alarm(c.ID, fmt.Sprintf("boiler-%d", i), 1, store.CauseFiring, 1_795_000_020_000)
			n.Event.RuleName, n.Event.Message = strings.Repeat("ä<&", 60), strings.Repeat("ö>&", 600)
			all = append(all, n)
		}
		m := messageOf(all...)
		if channelTypes()[kind].posts == nil {
			continue
		}
		posts, err := channelTypes()[kind].posts(d, &c, m)
		if err != nil {
			t.Fatal(err)
		}
		body := posts[0].post.body
		limit := map[store.ChannelType]int{
			store.ChannelWebhook: 1 << 20, store.ChannelSMS: 2000, store.ChannelNtfy: 10_000, store.ChannelSlack: 20_000, store.ChannelTelegram: 16_000,
			store.ChannelTeams: 28_000, store.ChannelPagerDuty: 512 << 10,
		}[kind]
		if len(body) > limit {
			t.Errorf("%s: %d bytes", kind, len(body))
		}
		switch kind {
		case store.ChannelSlack:
			var v slackMessage
			if err := json.Unmarshal(body, &v); err != nil || len([]rune(v.Blocks[0].Text.Text)) > 150 || len([]rune(v.Blocks[1].Text.Text)) > 3000 {
				t.Errorf("%v: %d and %d characters", err, len([]rune(v.Blocks[0].Text.Text)), len([]rune(v.Blocks[1].Text.Text)))
			}
		case store.ChannelNtfy:
			var v ntfyMessage
			if err := json.Unmarshal(body, &v); err != nil || len(v.Message) > 4096 {
				t.Errorf("%v: %d bytes", err, len(v.Message))
			}
		case store.ChannelTelegram:
			var v telegramMessage
			if err := json.Unmarshal(body, &v); err != nil || len([]rune(v.Text)) > 4096+3*strings.Count(v.Text, "&") {
				t.Errorf("%v: %d characters", err, len([]rune(v.Text)))
			}
		case store.ChannelPagerDuty:
			var v pagerdutyEvent
			if err := json.Unmarshal(body, &v); err != nil || len([]rune(v.Payload.Summary)) > 1024 {
				t.Errorf("%v: %d characters", err, len([]rune(v.Payload.Summary)))
			}
		}
	}
}

func TestValidate(t *testing.T) {
	d := dispatcher(t)
	for _, c := range []struct {
		name   string
		kind   store.ChannelType
		change func(c *store.Channel)
		field  string // empty: it is right
	}{
		{"webhook without a URL", store.ChannelWebhook, func(c *store.Channel) { c.URL = "" }, "url"},
		{"webhook to ftp", store.ChannelWebhook, func(c *store.Channel) { c.URL = "ftp://example.org/" }, "url"},
		{"webhook without a host", store.ChannelWebhook, func(c *store.Channel) { c.URL = "https:///x" }, "url"},
		{"webhook with a password", store.ChannelWebhook, func(c *store.Channel) { c.URL = "https://a:b@example.org/" }, "url"},
		{"webhook with a fragment", store.ChannelWebhook, func(c *store.Channel) { c.URL = "https://example.org/#x" }, "url"},
		{"webhook to loopback", store.ChannelWebhook, func(c *store.Channel) { c.URL = "http://127.0.0.1:8080/" }, "url"},
		{"webhook to localhost", store.ChannelWebhook, func(c *store.Channel) { c.URL = "http://LocalHost:8080/" }, "url"},
		{"webhook to 0x7f.1", store.ChannelWebhook, func(c *store.Channel) { c.URL = "http://0x7f.1/" }, "url"},
		{"webhook to a number", store.ChannelWebhook, func(c *store.Channel) { c.URL = "http://2130706433/" }, "url"},
		{"webhook to IPv6", store.ChannelWebhook, func(c *store.Channel) { c.URL = "http://[::1]/" }, "url"},
		{"webhook to metadata", store.ChannelWebhook, func(c *store.Channel) { c.URL = "http://169.254.169.254/" }, "url"},
		{"webhook by http", store.ChannelWebhook, func(c *store.Channel) { c.URL = "http://example.org/" }, ""},
		{"webhook by GET", store.ChannelWebhook, func(c *store.Channel) { c.Method = "GET" }, "method"},
		{"webhook by PUT", store.ChannelWebhook, func(c *store.Channel) { c.Method = "PUT" }, ""},
		{"header Host", store.ChannelWebhook, func(c *store.Channel) { c.Headers = map[string]string{"host": "a"} }, "headers"},
		{"header Content-Length", store.ChannelWebhook, func(c *store.Channel) { c.Headers = map[string]string{"content-length": "1"} }, "headers"},
		{"header Transfer-Encoding", store.ChannelWebhook, func(c *store.Channel) { c.Headers = map[string]string{"Transfer-Encoding": "chunked"} }, "headers"},
		{"header Proxy-Authorization", store.ChannelWebhook, func(c *store.Channel) { c.Headers = map[string]string{"Proxy-Authorization": "x"} }, "headers"},
		{"header of ours", store.ChannelWebhook, func(c *store.Channel) { c.Headers = map[string]string{"x-tidegate-signature": "x"} }, "headers"},
		{"header in two lines", store.ChannelWebhook, func(c *store.Channel) { c.Headers = map[string]string{"X-A": "b\r\nHost: c"} }, "headers"},
		{"header with a space", store.ChannelWebhook, func(c *store.Channel) { c.Headers = map[string]string{"X A": "b"} }, "headers"},
		{"header Authorization", store.ChannelWebhook, func(c *store.Channel) { c.Headers = map[string]string{"Authorization": "Bearer x"} }, ""},
		{"body", store.ChannelWebhook, func(c *store.Channel) {
			c.Body = `{{"t":"{title|json}","e":{events},"v":"{value}","s":"{label.site|json}"}`
		}, ""},
		{"body that is no JSON", store.ChannelWebhook, func(c *store.Channel) { c.Body = `{{"t":{title}}` }, "body"},
		{"body in plain text", store.ChannelWebhook, func(c *store.Channel) { c.Body = `{title}` }, ""},
		{"unknown placeholder", store.ChannelWebhook, func(c *store.Channel) { c.Body = `{tittle}` }, "body"},
		{"unknown filter", store.ChannelEmail, func(c *store.Channel) { c.Subject = `{title|upper}` }, "subject"},
		{"open placeholder", store.ChannelEmail, func(c *store.Channel) { c.Text = `{title` }, "text"},
		{"email without anybody", store.ChannelEmail, func(c *store.Channel) { c.To = nil }, "to"},
		{"email to a name", store.ChannelEmail, func(c *store.Channel) { c.To = []string{"Ann <ann@example.org>"} }, "to"},
		{"email to two lines", store.ChannelEmail, func(c *store.Channel) { c.To = []string{"ann@example.org\r\nRCPT TO:<eve@example.org>"} }, "to"},
		{"email with a URL", store.ChannelEmail, func(c *store.Channel) { c.URL = "https://example.org" }, "url"},
		{"email with headers", store.ChannelEmail, func(c *store.Channel) { c.Headers = map[string]string{"a": "b"} }, "headers"},
		{"email with a body", store.ChannelEmail, func(c *store.Channel) { c.Body = "x" }, "body"},
		{"sms to words", store.ChannelSMS, func(c *store.Channel) { c.To = []string{"ann"} }, "to"},
		{"sms by nobody", store.ChannelSMS, func(c *store.Channel) { c.Provider = "pigeon" }, "provider"},
		{"twilio without a token", store.ChannelSMS, func(c *store.Channel) { c.Secret = "AC123" }, "secret"},
		{"twilio without a sender", store.ChannelSMS, func(c *store.Channel) { c.From = "" }, "from"},
		{"sms gateway", store.ChannelSMS, func(c *store.Channel) {
			c.Provider, c.URL, c.Body = "", "https://sms.example.org/send", "to={to|url}&text={text|url}"
		}, ""},
		{"sms gateway by GET", store.ChannelSMS, func(c *store.Channel) {
			c.Provider, c.URL, c.Method = "", "https://sms.example.org/send?to={to|url}&text={text|url}", "GET"
		}, ""},
		{"sms gateway with nothing to say", store.ChannelSMS, func(c *store.Channel) { c.Provider, c.URL = "", "https://sms.example.org/send" }, "body"},
		{"sms gateway at a placeholder", store.ChannelSMS, func(c *store.Channel) { c.Provider, c.URL = "", "https://{to}.example.org/{text}" }, "url"},
		{"ntfy without a topic", store.ChannelNtfy, func(c *store.Channel) { c.To = nil }, "to"},
		{"ntfy with a path", store.ChannelNtfy, func(c *store.Channel) { c.To = []string{"a/b"} }, "to"},
		{"ntfy of one's own", store.ChannelNtfy, func(c *store.Channel) { c.URL = "https://ntfy.example.org" }, ""},
		{"ntfy at home", store.ChannelNtfy, func(c *store.Channel) { c.URL = "http://192.168.1.5" }, "url"},
		{"slack without a URL", store.ChannelSlack, func(c *store.Channel) { c.URL = "" }, "url"},
		{"telegram without a token", store.ChannelTelegram, func(c *store.Channel) { c.Secret = "x" }, "secret"},
		{"telegram with a path for a token", store.ChannelTelegram, func(c *store.Channel) { c.Secret = "1:aaaaaaaaaa/../../x" }, "secret"},
		{"telegram to nobody", store.ChannelTelegram, func(c *store.Channel) { c.To = []string{"ann smith"} }, "to"},
		{"telegram to a channel", store.ChannelTelegram, func(c *store.Channel) { c.To = []string{"@plant_alarms"} }, ""},
		{"teams without a URL", store.ChannelTeams, func(c *store.Channel) { c.URL = "" }, "url"},
		{"pagerduty without a key", store.ChannelPagerDuty, func(c *store.Channel) { c.Secret = "short" }, "secret"},
		{"pagerduty with a digest", store.ChannelPagerDuty, func(c *store.Channel) {
			c.DigestEvery, c.DigestOf = store.Duration(time.Hour), []store.Severity{store.SeverityInfo}
		}, "digestEvery"},
		{"unknown type", "pigeon", func(c *store.Channel) {}, "type"},
	} {
		ch := channelOf(c.kind)
		c.change(&ch)
		err := d.Validate(ch)
		if c.field == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		var e *store.Error
		if !errors.As(err, &e) || e.Field != c.field || !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v, want %s", c.name, err, c.field)
		}
	}
	none := dispatcher(t)
	none.o.Mail = Mail{}
	if err := none.Validate(channelOf(store.ChannelEmail)); err == nil || !strings.Contains(err.Error(), "set smtp.host") {
		t.Error(err)
	}
}

// TestOwnTemplates: what a channel says in its own words.
func TestOwnTemplates(t *testing.T) {
	d := dispatcher(t)
	c := channelOf(store.ChannelWebhook)
	c.Subject = "{count} at {device|line}: {rule}"
	c.Text = "{name} {peak} ({severity}, {label.site}) since {start}"
	c.Body = `{{"title":"{title|json}","text":"{text|json}","n":{count},"first":"{event}","events":{events}}`
	all := story3(&c)
	posts, err := webhookPosts(d, &c, messageOf(all...))
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Title, Text, First string
		N                  int
		Events             []webhookEvent
	}
	if err := json.Unmarshal(posts[0].post.body, &v); err != nil {
		t.Fatalf("%v\n%s", err, posts[0].post.body)
	}
	if v.N != 4 || len(v.Events) != 4 || !strings.HasPrefix(v.Text, "T1 93.5 °C (critical, north) since 2026-11-18T") || strings.Count(v.Text, "\n\n") != 3 {
		t.Errorf("%+v", v)
	}
	p, err := d.Preview(c, all[0].Event)
	if err != nil || p.Subject != `1 at boiler-1: too hot <&"*_` || !strings.HasPrefix(p.Text, "T1 93.5 °C (critical, north)") || !strings.Contains(p.Body, `"n":1`) {
		t.Errorf("%+v, %v", p, err)
	}
	pd := channelOf(store.ChannelPagerDuty)
	if p, err := d.Preview(pd, all[0].Event); err != nil || strings.Contains(p.Body, pd.Secret) || !strings.Contains(p.Body, "[secret]") {
		t.Errorf("%+v, %v", p, err)
	}
	for _, kind := range store.ChannelTypes() {
		if p, err := d.Preview(channelOf(kind), all[0].Event); err != nil || p.Subject == "" || p.Text == "" || p.Body == "" {
			t.Errorf("%s: %+v, %v", kind, p, err)
		}
	}
}
