package embedded

import (
	"errors"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// TestCatalogAlertRecords pins the form in which rules and channels are kept: a
// newer tidegate reads what an older one wrote.
func TestCatalogAlertRecords(t *testing.T) {
	c, ctx := openTestCatalog(t, t.TempDir()), t.Context()
	defer func() { _ = c.Close() }()
	at, low, high := time.UnixMilli(7).UTC(), -1.5, 80.0
	rule := store.AlertRule{
		ID: "rule-0", OrgID: "acme", Name: "hot", Enabled: true,
		Selection: store.Selection{DeviceIDs: []string{"d1"}, PortNames: []string{"U"}, Tags: []string{"pump"}},
		Condition: store.Condition{Kind: store.CondOutside, High: &high, Low: &low, Hysteresis: 0.5},
		For:       store.Duration(5 * time.Minute), KeepFiring: store.Duration(time.Second), JoinWithin: store.Duration(90 * time.Minute),
		Severity: store.SeverityCritical, Message: "m", Labels: map[string]string{"b": "2", "a": "1"}, Channels: []string{"ch-0"},
		RepeatEvery: store.Duration(time.Hour), EscalateAfter: store.Duration(time.Minute), EscalateTo: []string{"ch-0"},
		Schedule: &store.Schedule{Days: []store.Weekday{"mon"}, From: "22:00", To: "06:00", Zone: "UTC"}, Owner: "ann", Revision: 3,
		CreatedAt: at, UpdatedAt: at, UpdatedBy: "uid:0",
	}
	channel := store.Channel{
		ID: "ch-0", OrgID: "acme", Name: "ops", Type: store.ChannelWebhook, Enabled: true, Severities: []store.Severity{store.SeverityInfo},
		URL: "u", Method: "PUT", Headers: map[string]string{"X": "y"}, Secret: "s", Provider: "p", Body: "b", Subject: "j", Text: "t",
		To: []string{"a"}, From: "f", RatePerHour: 9, ExpireAfter: store.Duration(time.Hour), DigestEvery: store.Duration(2 * time.Hour),
		DigestOf: []store.Severity{store.SeverityInfo}, CreatedAt: at, UpdatedAt: at,
	}
	_, err := c.CreateDevice(ctx, store.Device{ID: "d1", OrgID: "acme"}, nil)
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("before its organization: %v", err)
	}
	err = c.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "Acme"})
	_, derr := c.CreateDevice(ctx, store.Device{ID: "d1", OrgID: "acme"}, nil)
	if err := errors.Join(err, derr, c.CreateChannel(ctx, channel), c.CreateAlertRule(ctx, rule)); err != nil {
		t.Fatal(err)
	}
	err = view(c.db, func(tx *bbolt.Tx) error {
		for _, tt := range []struct {
			bucket []byte
			id     string
			want   string
		}{
			{alertRuleBucket, "rule-0", `{"org":"acme","name":"hot","enabled":true,"selection":{"deviceIds":["d1"],"portNames":["U"],"tags":["pump"]},"condition":{"kind":"outside","high":80,"low":-1.5,"hysteresis":0.5},"for":"5m","keep":"1s","join":"1h30m","severity":"critical","message":"m","labels":{"a":"1","b":"2"},"channels":["ch-0"],"repeat":"1h","escalate":"1m","escalateTo":["ch-0"],"schedule":{"days":["mon"],"from":"22:00","to":"06:00","zone":"UTC"},"owner":"ann","rev":3,"created":7,"updated":7,"by":"uid:0"}`},
			{channelBucket, "ch-0", `{"org":"acme","name":"ops","type":"webhook","enabled":true,"severities":["info"],"url":"u","method":"PUT","headers":{"X":"y"},"secret":"s","provider":"p","body":"b","subject":"j","text":"t","to":["a"],"from":"f","rate":9,"expire":"1h","digest":"2h","digestOf":["info"],"created":7,"updated":7}`},
		} {
			if got := string(tx.Bucket(tt.bucket).Get([]byte(tt.id))); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCatalogAlertErrors shows what people read.
func TestCatalogAlertErrors(t *testing.T) {
	c, ctx := openTestCatalog(t, t.TempDir()), t.Context()
	defer func() { _ = c.Close() }()
	rule := store.AlertRule{ID: "rule-0", OrgID: "acme", Name: "hot", Severity: store.SeverityInfo, Condition: store.Condition{Kind: store.CondChanged}, Channels: []string{"ch-0"}}
	channel := store.Channel{ID: "ch-0", OrgID: "acme", Name: "ops", Type: store.ChannelEmail}
	err := errors.Join(c.CreateOrganization(ctx, store.Organization{ID: "acme", Name: "Acme"}), c.CreateChannel(ctx, channel), c.CreateAlertRule(ctx, rule))
	if err != nil {
		t.Fatal(err)
	}
	other, foreign, absent := channel, rule, rule
	other.ID = "ch-1"
	foreign.ID, foreign.Channels = "rule-1", []string{"ch-9"}
	absent.ID = "rule-9"
	for _, tt := range []struct {
		err  error
		want string
	}{
		{c.CreateAlertRule(ctx, rule), `alert rule "rule-0": exists already; choose another id`},
		{c.CreateAlertRule(ctx, foreign), `alert rule channels: "ch-9" is not a channel of organization acme`},
		{c.UpdateAlertRule(ctx, rule), `alert rule "rule-0": was changed meanwhile and is at revision 1 now; look at it again, then change that one`},
		{c.UpdateAlertRule(ctx, absent), `alert rule "rule-9": not found`},
		{c.CreateChannel(ctx, channel), `channel "ch-0": exists already; choose another id`},
		{c.CreateChannel(ctx, other), `channel "ops": the name is that of channel ch-0 of acme; choose another`},
		{c.DeleteChannel(ctx, "ch-0"), `channel "ch-0": is named by alert rule rule-0 (hot); take it out of the rule, or disable the channel`},
		{c.DeleteChannel(ctx, "ch-9"), `channel "ch-9": not found`},
	} {
		if tt.err == nil || tt.err.Error() != tt.want {
			t.Errorf("got  %v\nwant %s", tt.err, tt.want)
		}
	}
}
