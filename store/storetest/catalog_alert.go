package storetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"tidegate/store"
)

// ruleIDs and channelIDs are ids of alert rules and of channels, ascending.
var (
	ruleIDs    = [...]string{"rule-0", "rule-1", "rule-2", "rule-3", "rule-4", "rule-5"}
	channelIDs = [...]string{"ch-0", "ch-1", "ch-2", "ch-3", "ch-4", "ch-5"}
)

// fullRule is a rule of acme with each field that there is, d1 and fullChannel
// among them. No condition has all fields: a store does not mind.
func fullRule() store.AlertRule {
	low, high, tiny := -1.5, 0.1, 5e-324
	return store.AlertRule{
		ID: ruleIDs[0], OrgID: "acme", Name: "hot & <höt>", Enabled: true,
		Selection: store.Selection{DeviceIDs: []string{"d1"}, Ports: []uint16{0, 65535}, Tags: []string{"hall-2", "pump"}},
		Condition: store.Condition{Kind: store.CondOutside, High: &high, Low: &low, Hysteresis: tiny},
		For:       store.Duration(5 * time.Minute), KeepFiring: store.Duration(time.Nanosecond), JoinWithin: store.Duration(36 * time.Hour),
		Severity: store.SeverityCritical, Message: "{{value}}\n{{unit}}", Labels: map[string]string{"site.name": "Hall 2", "a": "", "z": "$x"},
		Channels: []string{channelIDs[0]}, RepeatEvery: store.Duration(time.Hour), EscalateAfter: store.Duration(time.Second), EscalateTo: []string{channelIDs[0]},
		Schedule: &store.Schedule{Days: []store.Weekday{"sat", "mon"}, From: "22:00", To: "24:00", Zone: "Europe/Berlin"},
		Owner:    "ann@example.org", Revision: 7, CreatedAt: milli(-1), UpdatedAt: milli(1_700_000_000_123), UpdatedBy: "user:ann@example.org",
	}
}

// fullChannel is a channel of acme with each field that there is.
func fullChannel() store.Channel {
	return store.Channel{
		ID: channelIDs[0], OrgID: "acme", Name: "ops & <öps>", Type: store.ChannelWebhook, Enabled: true,
		Severities: []store.Severity{store.SeverityCritical, store.SeverityInfo}, URL: "https://example.org/?a=b&c", Method: "PUT",
		Headers: map[string]string{"X-Key": "k", "a.b": "", "$c": "d"}, Secret: "s3cret\x00ü", Provider: "p", Body: "{}", Subject: "s", Text: "t",
		To: []string{"b", "a"}, From: "+49", RatePerHour: 100_000, ExpireAfter: store.Duration(time.Minute),
		DigestEvery: store.Duration(time.Hour), DigestOf: []store.Severity{store.SeverityInfo},
		CreatedAt: milli(-1), UpdatedAt: milli(1_700_000_000_123),
	}
}

func testCatalogAlerts(t *testing.T, c Catalog) {
	ctx := t.Context()
	defer func() { must(t, c.Close()) }()
	for _, id := range []string{"acme", "beta"} {
		must(t, c.CreateOrganization(ctx, store.Organization{ID: id, Name: id}))
	}
	for id, org := range map[string]string{"d1": "acme", "d2": "acme", "d3": "beta"} {
		_, err := c.CreateDevice(ctx, store.Device{ID: id, OrgID: org}, nil)
		must(t, err)
	}
	high := 80.0
	rule := func(n int, org string, change func(*store.AlertRule)) store.AlertRule {
		r := store.AlertRule{ID: ruleIDs[n], OrgID: org, Name: "hot", Severity: store.SeverityWarning, Condition: store.Condition{Kind: store.CondAbove, High: &high}}
		if change != nil {
			change(&r)
		}
		return r
	}
	create := func(n int, org string, change func(*store.AlertRule)) func() error {
		return func() error { return c.CreateAlertRule(ctx, rule(n, org, change)) }
	}
	update := func(n int, revision uint64, change func(*store.AlertRule)) func() error {
		return func() error {
			r := rule(n, "ignored", change)
			r.Revision = revision
			return c.UpdateAlertRule(ctx, r)
		}
	}
	devices := func(ids ...string) func(*store.AlertRule) {
		return func(r *store.AlertRule) { r.Selection.DeviceIDs = ids }
	}
	tells := func(ids ...string) func(*store.AlertRule) { return func(r *store.AlertRule) { r.Channels = ids } }
	escalates := func(id string) func(*store.AlertRule) {
		return func(r *store.AlertRule) {
			r.EscalateTo, r.EscalateAfter = []string{id}, store.Duration(time.Minute)
		}
	}
	channel := func(n int, org, name string) store.Channel {
		return store.Channel{ID: channelIDs[n], OrgID: org, Name: name, Type: store.ChannelEmail}
	}
	createChannel := func(n int, org, name string) func() error {
		return func() error { return c.CreateChannel(ctx, channel(n, org, name)) }
	}
	rename := func(n int, name string) func() error {
		return func() error { return c.UpdateChannel(ctx, channel(n, "ignored", name)) }
	}
	remove := func(id string) func() error {
		return func() error { return c.UpdateDevice(ctx, store.Device{ID: id, State: store.DeviceDeleted}) }
	}
	for _, s := range []struct {
		name string
		do   func() error
		want error
	}{
		{"channel", createChannel(0, "acme", "ops"), nil},
		{"channel again", createChannel(0, "acme", "other"), store.ErrConflict},
		{"name taken", createChannel(1, "acme", "ops"), store.ErrConflict},
		{"the name in another org", createChannel(1, "beta", "ops"), nil},
		{"channel of an absent org", createChannel(2, "x", "ops"), store.ErrNotFound},
		{"channel of no type", func() error {
			return c.CreateChannel(ctx, store.Channel{ID: channelIDs[2], OrgID: "acme", Name: "n"})
		}, store.ErrInvalid},
		{"second channel", createChannel(2, "acme", "night"), nil},
		{"another's name", rename(2, "ops"), store.ErrConflict},
		{"its own name", rename(2, "night"), nil},
		{"rename", rename(2, "day"), nil},
		{"the freed name", createChannel(3, "acme", "night"), nil},
		{"absent channel", rename(5, "x"), store.ErrNotFound},

		{"rule", create(0, "acme", nil), nil},
		{"rule again", create(0, "beta", nil), store.ErrConflict},
		{"a rule of the same name", create(1, "acme", nil), nil},
		{"rule of an absent org", create(2, "x", nil), store.ErrNotFound},
		{"rule of no name", create(2, "acme", func(r *store.AlertRule) { r.Name = " " }), store.ErrInvalid},
		{"rule for an absent device", create(2, "acme", devices("d9")), store.ErrNotFound},
		{"rule for another's device", create(2, "acme", devices("d1", "d3")), store.ErrNotFound},
		{"rule for devices", create(2, "acme", devices("d1", "d2")), nil},
		{"rule with an absent channel", create(3, "acme", tells(channelIDs[5])), store.ErrInvalid},
		{"rule with another's channel", create(3, "acme", tells(channelIDs[0], channelIDs[1])), store.ErrInvalid},
		{"rule that escalates to another's", create(3, "acme", escalates(channelIDs[1])), store.ErrInvalid},
		{"rule with a channel", create(3, "acme", tells(channelIDs[0])), nil},
		{"rule that escalates", create(4, "acme", escalates(channelIDs[2])), nil},
		{"named channel", func() error { return c.DeleteChannel(ctx, channelIDs[0]) }, store.ErrConflict},
		{"channel escalated to", func() error { return c.DeleteChannel(ctx, channelIDs[2]) }, store.ErrConflict},
		{"channel that nobody names", func() error { return c.DeleteChannel(ctx, channelIDs[3]) }, nil},
		{"it again", func() error { return c.DeleteChannel(ctx, channelIDs[3]) }, store.ErrNotFound},
		{"its name", rename(2, "night"), nil},

		{"the same revision", update(0, 1, nil), store.ErrConflict},
		{"a later revision", update(0, 3, nil), store.ErrConflict},
		{"the next revision", update(0, 2, tells(channelIDs[2])), nil},
		{"it again", update(0, 2, nil), store.ErrConflict},
		{"another's channel", update(0, 3, tells(channelIDs[1])), store.ErrInvalid},
		{"another's device", update(0, 3, devices("d3")), store.ErrNotFound},
		{"a wrong one", update(0, 3, func(r *store.AlertRule) { r.Severity = "loud" }), store.ErrInvalid},
		{"and the next", update(0, 3, nil), nil},
		{"absent rule", update(5, 1, nil), store.ErrNotFound},
		{"a selected device goes", remove("d2"), nil},
		{"it may stay selected", update(2, 2, devices("d1", "d2")), nil},
		{"it leaves", update(2, 3, devices("d1")), nil},
		{"and does not come back", update(2, 4, devices("d1", "d2")), store.ErrNotFound},
		{"delete rule", func() error { return c.DeleteAlertRule(ctx, ruleIDs[3]) }, nil},
		{"delete rule again", func() error { return c.DeleteAlertRule(ctx, ruleIDs[3]) }, store.ErrNotFound},
		{"get it", func() error { _, err := c.AlertRule(ctx, ruleIDs[3]); return err }, store.ErrNotFound},
		{"the channel that it named", func() error { return c.DeleteChannel(ctx, channelIDs[0]) }, nil},
		{"get that", func() error { _, err := c.Channel(ctx, channelIDs[0]); return err }, store.ErrNotFound},

		{"rule of beta", create(5, "beta", tells(channelIDs[1])), nil},
		{"org with devices", func() error { return c.DeleteOrganization(ctx, "beta") }, store.ErrConflict},
		{"its rule is still there", func() error { _, err := c.AlertRule(ctx, ruleIDs[5]); return err }, nil},
		{"its last device goes", remove("d3"), nil},
		{"org with rules and channels", func() error { return c.DeleteOrganization(ctx, "beta") }, nil},
		{"its rule", func() error { _, err := c.AlertRule(ctx, ruleIDs[5]); return err }, store.ErrNotFound},
		{"its channel", func() error { _, err := c.Channel(ctx, channelIDs[1]); return err }, store.ErrNotFound},
	} {
		if err := s.do(); kind(err) != s.want {
			t.Fatalf("%s: %v, want %v", s.name, err, s.want)
		} else if err != nil && !errors.As(err, new(*store.Error)) {
			t.Fatalf("%s: %v does not say what and which", s.name, err)
		}
	}
	if r, err := c.AlertRule(ctx, ruleIDs[0]); err != nil || r.OrgID != "acme" || r.Revision != 3 || len(r.Channels) != 0 || r.CreatedAt.IsZero() || r.UpdatedAt.IsZero() {
		t.Errorf("rule: %+v, %v", r, err)
	}
	if ch, err := c.Channel(ctx, channelIDs[2]); err != nil || ch.OrgID != "acme" || ch.Name != "night" || ch.UpdatedAt.IsZero() {
		t.Errorf("channel: %+v, %v", ch, err)
	}
}

// alertModel is what the catalogue has about alarms, by its rules.
type alertModel struct {
	rules    map[string]store.AlertRule
	channels map[string]store.Channel
}

func newAlertModel() alertModel {
	return alertModel{map[string]store.AlertRule{}, map[string]store.Channel{}}
}

func (m *alertModel) deleteOrg(id string) {
	for _, r := range m.rules {
		if r.OrgID == id {
			delete(m.rules, r.ID)
		}
	}
	for _, ch := range m.channels {
		if ch.OrgID == id {
			delete(m.channels, ch.ID)
		}
	}
}

// alertStep does what chance wants about alarms.
func (m *catalogModel) alertStep(ctx context.Context, rnd *rand.Rand, step int, c Catalog, orgs, names []string) (what string, got, want error) {
	at := milli(int64(step))
	switch rnd.IntN(5) {
	case 0, 1:
		r := store.AlertRule{
			ID: pick(rnd, ruleIDs[:]), OrgID: pick(rnd, orgs), Name: fmt.Sprint(step), Severity: store.SeverityInfo, Revision: 1,
			Condition: store.Condition{Kind: store.CondOutside}, UpdatedBy: fmt.Sprint(step), CreatedAt: at, UpdatedAt: at,
		}
		if rnd.IntN(3) == 0 {
			r.Selection.DeviceIDs = listOf(rnd, names)
		}
		if rnd.IntN(2) == 0 {
			r.Channels = []string{pick(rnd, channelIDs[:])}
		}
		if rnd.IntN(2) == 0 {
			return "create rule", c.CreateAlertRule(ctx, r), m.createRule(r)
		}
		r.Revision = m.alerts.rules[r.ID].Revision + uint64(rnd.IntN(4))/3 + 1
		return "update rule", c.UpdateAlertRule(ctx, r), m.updateRule(r)
	case 2:
		id := pick(rnd, ruleIDs[:])
		return "delete rule", c.DeleteAlertRule(ctx, id), m.alerts.deleteRule(id)
	case 3:
		ch := store.Channel{ID: pick(rnd, channelIDs[:]), OrgID: pick(rnd, orgs), Name: pick(rnd, []string{"x", "y", "z"}), Type: store.ChannelEmail, Secret: fmt.Sprint(step), CreatedAt: at, UpdatedAt: at}
		if rnd.IntN(2) == 0 {
			return "create channel", c.CreateChannel(ctx, ch), m.createChannel(ch)
		}
		return "update channel", c.UpdateChannel(ctx, ch), m.alerts.updateChannel(ch)
	}
	id := pick(rnd, channelIDs[:])
	return "delete channel", c.DeleteChannel(ctx, id), m.alerts.deleteChannel(id)
}

func (m *catalogModel) createRule(r store.AlertRule) error {
	if _, ok := m.alerts.rules[r.ID]; ok {
		return store.ErrConflict
	}
	if _, ok := m.orgs[r.OrgID]; !ok || !m.listed(r.OrgID, r.Selection.DeviceIDs, nil) {
		return store.ErrNotFound
	}
	if !m.alerts.has(r) {
		return store.ErrInvalid
	}
	m.alerts.rules[r.ID] = r
	return nil
}

func (m *catalogModel) updateRule(r store.AlertRule) error {
	was, ok := m.alerts.rules[r.ID]
	if !ok {
		return store.ErrNotFound
	}
	r.OrgID, r.CreatedAt = was.OrgID, was.CreatedAt
	switch {
	case r.Revision != was.Revision+1:
		return store.ErrConflict
	case !m.listed(r.OrgID, r.Selection.DeviceIDs, was.Selection.DeviceIDs):
		return store.ErrNotFound
	case !m.alerts.has(r):
		return store.ErrInvalid
	}
	m.alerts.rules[r.ID] = r
	return nil
}

// has reports whether the channels of a rule are there.
func (m *alertModel) has(r store.AlertRule) bool {
	for _, id := range r.Channels {
		if ch, ok := m.channels[id]; !ok || ch.OrgID != r.OrgID {
			return false
		}
	}
	return true
}

func (m *alertModel) deleteRule(id string) error {
	if _, ok := m.rules[id]; !ok {
		return store.ErrNotFound
	}
	delete(m.rules, id)
	return nil
}

func (m *catalogModel) createChannel(ch store.Channel) error {
	if _, ok := m.alerts.channels[ch.ID]; ok {
		return store.ErrConflict
	}
	if _, ok := m.orgs[ch.OrgID]; !ok {
		return store.ErrNotFound
	}
	if m.alerts.named(ch) {
		return store.ErrConflict
	}
	m.alerts.channels[ch.ID] = ch
	return nil
}

func (m *alertModel) updateChannel(ch store.Channel) error {
	was, ok := m.channels[ch.ID]
	if !ok {
		return store.ErrNotFound
	}
	ch.OrgID, ch.CreatedAt = was.OrgID, was.CreatedAt
	if m.named(ch) {
		return store.ErrConflict
	}
	m.channels[ch.ID] = ch
	return nil
}

// named reports whether the name of a channel is another's.
func (m *alertModel) named(ch store.Channel) bool {
	for _, o := range m.channels {
		if o.ID != ch.ID && o.OrgID == ch.OrgID && o.Name == ch.Name {
			return true
		}
	}
	return false
}

func (m *alertModel) deleteChannel(id string) error {
	if _, ok := m.channels[id]; !ok {
		return store.ErrNotFound
	}
	for _, r := range m.rules {
		if slices.Contains(r.Channels, id) {
			return store.ErrConflict
		}
	}
	delete(m.channels, id)
	return nil
}

func (m *alertModel) compare(t *testing.T, size int, org string, c Catalog) {
	t.Helper()
	ctx := t.Context()
	rules := pages(t, size, func(p store.Page) ([]store.AlertRule, error) {
		return c.ListAlertRules(ctx, store.AlertRuleFilter{OrgID: org, Page: p})
	}, func(r store.AlertRule) string { return r.ID })
	same(t, "alert rules", rules, sorted(m.rules, func(r store.AlertRule) bool { return org == "" || r.OrgID == org }))
	channels := pages(t, size, func(p store.Page) ([]store.Channel, error) {
		return c.ListChannels(ctx, store.ChannelFilter{OrgID: org, Page: p})
	}, func(ch store.Channel) string { return ch.ID })
	same(t, "channels", channels, sorted(m.channels, func(ch store.Channel) bool { return org == "" || ch.OrgID == org }))
}
