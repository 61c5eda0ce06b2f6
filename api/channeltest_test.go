package api

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/ingest/notify"
	"tidegate/store"
	"tidegate/store/embedded"
)

// testSender is a dispatcher as a box has it.
type testSender struct{ d *notify.Dispatcher }

func newTestSender(t testing.TB, allow ...netip.Prefix) testSender {
	t.Helper()
	queue := must[*embedded.Alerts](t)(embedded.OpenAlerts(filepath.Join(t.TempDir(), "alerts.db"), embedded.AlertsOptions{}))
	t.Cleanup(func() {
		if err := queue.Close(); err != nil {
			t.Error(err)
		}
	})
	return testSender{must[*notify.Dispatcher](t)(notify.New(notify.Options{
		Queue: queue, Allow: allow, Channels: notify.ChannelsFunc(func(string) (store.Channel, bool) { return store.Channel{}, false }),
	}))}
}

func (s testSender) TestChannel(ctx context.Context, c store.Channel) (ChannelTested, error) {
	r, err := s.d.Test(ctx, c)
	return ChannelTested{Delivered: r.Delivered, Status: r.Status, Words: r.Words}, err
}

func (s testSender) PreviewChannel(c store.Channel) (ChannelPreview, error) {
	p, err := s.d.Preview(c, notify.Sample(&c, time.UnixMilli(1_757_160_000_000)))
	return ChannelPreview{Subject: p.Subject, Text: p.Text, Body: p.Body}, err
}

// TestChannelSecretsStay: what was given for one receiver does not go to
// another, by a change or by a preview of one.
func TestChannelSecretsStay(t *testing.T) {
	b := newBox(t)
	ctx := t.Context()
	must[client.Organization](t)(b.local.CreateOrganization(ctx, client.NewOrganization{ID: "acme", Name: "Acme"}))
	c := must[client.Channel](t)(b.local.CreateChannel(ctx, client.NewChannel{
		OrgID: "acme", Name: "ops", Type: store.ChannelWebhook, URL: "https://a.example/x", Secret: "hush", Headers: map[string]string{"X-Key": "hush"},
	}))
	elsewhere, path, none, again := "https://b.example/x", "https://a.example/y", "", "known"
	for name, try := range map[string]struct {
		ch client.ChannelChange
		ok bool
	}{
		"another path":       {client.ChannelChange{URL: &path}, true},
		"another host":       {client.ChannelChange{URL: &elsewhere}, false},
		"without the header": {client.ChannelChange{URL: &elsewhere, Secret: &none}, false},
		"without the secret": {client.ChannelChange{URL: &elsewhere, RemoveHeaders: []string{"X-Key"}}, false},
		"both are given":     {client.ChannelChange{URL: &elsewhere, Secret: &again, Headers: map[string]string{"X-Key": "known"}}, true},
		"and back with none": {client.ChannelChange{URL: &path, Secret: &none, RemoveHeaders: []string{"X-Key"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			n := must[client.Channel](t)(b.local.CreateChannel(ctx, client.NewChannel{
				OrgID: "acme", Name: name, Type: store.ChannelWebhook, URL: c.URL, Secret: "hush", Headers: map[string]string{"X-Key": "hush"},
			}))
			if _, err := b.local.UpdateChannel(ctx, n.ID, try.ch); (err == nil) != try.ok {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestChannelAddressesThatAreSecrets: who knows the path of a Slack or Teams
// webhook may post to it.
func TestChannelAddressesThatAreSecrets(t *testing.T) {
	b := newBox(t)
	ctx := t.Context()
	must[client.Organization](t)(b.local.CreateOrganization(ctx, client.NewOrganization{ID: "acme", Name: "Acme"}))
	for _, kind := range []store.ChannelType{store.ChannelSlack, store.ChannelTeams} {
		c := must[client.Channel](t)(b.local.CreateChannel(ctx, client.NewChannel{OrgID: "acme", Name: string(kind), Type: kind, URL: "https://hooks.example.org/services/hush?sig=hush"}))
		again := must[client.Channel](t)(b.local.Channel(ctx, c.ID))
		if c.URL != "https://hooks.example.org/…" || again.URL != c.URL {
			t.Errorf("%s: %q, %q", kind, c.URL, again.URL)
		}
		if _, err := b.local.UpdateChannel(ctx, c.ID, client.ChannelChange{URL: &again.URL}); err == nil {
			t.Errorf("%s: what is shown is taken for the address", kind)
		}
		kept := must[store.Channel](t)(b.catalog.Channel(ctx, c.ID))
		if kept.URL != "https://hooks.example.org/services/hush?sig=hush" {
			t.Errorf("%s: %q is kept", kind, kept.URL)
		}
	}
	trail, err := json.Marshal(b.auditEntries(t))
	if err != nil || !strings.Contains(string(trail), "channel.create") || strings.Contains(string(trail), "hush") {
		t.Errorf("%v, %s", err, trail)
	}
}

// TestChannelTest: a test reaches the receiver and answers what it said, whether
// the channel is enabled or not.
func TestChannelTest(t *testing.T) {
	got := make(chan string, 4)
	status := http.StatusOK
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got <- string(b)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "as the receiver says")
	}))
	defer receiver.Close()
	b := newBox(t, func(o *Options) { o.Sender = newTestSender(t, netip.MustParsePrefix("127.0.0.0/8")) })
	ctx := t.Context()
	if _, err := b.local.CreateOrganization(ctx, client.NewOrganization{ID: "acme", Name: "Acme"}); err != nil {
		t.Fatal(err)
	}
	off := false
	c := must[client.Channel](t)(b.local.CreateChannel(ctx, client.NewChannel{OrgID: "acme", Name: "ops", Type: store.ChannelWebhook, URL: receiver.URL, Enabled: &off}))
	r := must[client.ChannelTested](t)(b.local.TestChannel(ctx, c.ID))
	if !r.Delivered || r.Status != "HTTP 200" {
		t.Errorf("%+v", r)
	}
	if body := <-got; !strings.Contains(body, `"cause":"test"`) {
		t.Errorf("sent %s", body)
	}
	status = http.StatusForbidden
	r = must[client.ChannelTested](t)(b.local.TestChannel(ctx, c.ID))
	if <-got; r.Delivered || r.Status != "HTTP 403" || !strings.Contains(r.Words, "as the receiver says") {
		t.Errorf("%+v", r)
	}
	p := must[client.ChannelPreview](t)(b.local.PreviewChannel(ctx, c.ID))
	if !strings.Contains(p.Body, `"cause":"firing"`) || p.Text == "" || len(got) != 0 {
		t.Errorf("%+v, and %d messages were sent", p, len(got))
	}
}
