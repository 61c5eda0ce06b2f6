package embedded

import (
	"context"
	"errors"
	"slices"

	"tidegate/store"
)

// alertRuleRecord has what a rule looks for in the form of the API, which is
// pinned: scripts rely on it.
type alertRuleRecord struct {
	OrgID         string            `json:"org"`
	Name          string            `json:"name"`
	Enabled       bool              `json:"enabled,omitempty"`
	Selection     store.Selection   `json:"selection"`
	Condition     store.Condition   `json:"condition"`
	For           store.Duration    `json:"for,omitempty"`
	KeepFiring    store.Duration    `json:"keep,omitempty"`
	JoinWithin    store.Duration    `json:"join,omitempty"`
	Severity      store.Severity    `json:"severity"`
	Message       string            `json:"message,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	Channels      []string          `json:"channels,omitempty"`
	RepeatEvery   store.Duration    `json:"repeat,omitempty"`
	EscalateAfter store.Duration    `json:"escalate,omitempty"`
	EscalateTo    []string          `json:"escalateTo,omitempty"`
	Schedule      *store.Schedule   `json:"schedule,omitempty"`
	Owner         string            `json:"owner,omitempty"`
	Revision      uint64            `json:"rev"`
	CreatedAt     int64             `json:"created"`
	UpdatedAt     int64             `json:"updated"`
	UpdatedBy     string            `json:"by,omitempty"`
}

var alertRules = kind[store.AlertRule]{
	"alert rule", alertRuleBucket, orgAlertRuleBucket,
	func(r store.AlertRule) (id, orgID string) { return r.ID, r.OrgID },
	encodeAlertRule, decodeAlertRule,
}

func encodeAlertRule(r store.AlertRule) []byte {
	return encodeRecord(alertRuleRecord{
		OrgID: r.OrgID, Name: r.Name, Enabled: r.Enabled, Selection: r.Selection, Condition: r.Condition,
		For: r.For, KeepFiring: r.KeepFiring, JoinWithin: r.JoinWithin, Severity: r.Severity, Message: r.Message,
		Labels: r.Labels, Channels: r.Channels, RepeatEvery: r.RepeatEvery, EscalateAfter: r.EscalateAfter,
		EscalateTo: r.EscalateTo, Schedule: r.Schedule, Owner: r.Owner, Revision: r.Revision,
		CreatedAt: r.CreatedAt.UnixMilli(), UpdatedAt: r.UpdatedAt.UnixMilli(), UpdatedBy: r.UpdatedBy,
	})
}

func decodeAlertRule(id string, b []byte) (store.AlertRule, error) {
	var r alertRuleRecord
	if err := decodeRecord("alert rule", id, b, &r); err != nil {
		return store.AlertRule{}, err
	}
	return store.AlertRule{
		ID: id, OrgID: r.OrgID, Name: r.Name, Enabled: r.Enabled, Selection: r.Selection, Condition: r.Condition,
		For: r.For, KeepFiring: r.KeepFiring, JoinWithin: r.JoinWithin, Severity: r.Severity, Message: r.Message,
		Labels: r.Labels, Channels: r.Channels, RepeatEvery: r.RepeatEvery, EscalateAfter: r.EscalateAfter,
		EscalateTo: r.EscalateTo, Schedule: r.Schedule, Owner: r.Owner, Revision: r.Revision,
		CreatedAt: milliTime(r.CreatedAt), UpdatedAt: milliTime(r.UpdatedAt), UpdatedBy: r.UpdatedBy,
	}, nil
}

// CreateAlertRule implements store.AlertRules.
func (c *Catalog) CreateAlertRule(ctx context.Context, r store.AlertRule) error {
	return c.update(ctx, "create alert rule", func(t *catalogTx) error {
		if err := r.Validate(); err != nil {
			return err
		}
		if t.bucket(alertRuleBucket).Get([]byte(r.ID)) != nil {
			return store.Conflict("alert rule", r.ID, "exists already; choose another id")
		}
		if _, err := t.organization(r.OrgID); err != nil {
			return err
		}
		if err := t.checkAlertRule(r, nil); err != nil {
			return err
		}
		r.Revision = max(r.Revision, 1)
		r.CreatedAt, r.UpdatedAt = kept(r.CreatedAt, t.now), kept(r.UpdatedAt, t.now)
		return t.putAlertRule(r)
	})
}

// checkAlertRule looks for what a rule names, but for the devices that it named
// before.
func (t *catalogTx) checkAlertRule(r store.AlertRule, before []string) error {
	if err := t.checkDevices(r.OrgID, r.Selection.DeviceIDs, before); err != nil {
		return err
	}
	for _, named := range []struct {
		field string
		ids   []string
	}{{"channels", r.Channels}, {"escalateTo", r.EscalateTo}} {
		for _, id := range named.ids {
			ch, ok, err := channels.find(t, id)
			if err != nil {
				return err
			}
			if !ok || ch.OrgID != r.OrgID {
				return store.Invalid("alert rule", named.field, "%q is not a channel of organization %s", id, r.OrgID)
			}
		}
	}
	return nil
}

func (t *catalogTx) putAlertRule(r store.AlertRule) error {
	return errors.Join(alertRules.put(t, r), t.needFormat(formatAlerts))
}

// takeAlertRule puts r in the place of the one that may be there.
func (t *catalogTx) takeAlertRule(r store.AlertRule) error {
	return errors.Join(t.dropAlertRule(r.ID), t.putAlertRule(r))
}

// dropAlertRule removes a rule that may be there.
func (t *catalogTx) dropAlertRule(id string) error {
	r, ok, err := alertRules.find(t, id)
	if !ok {
		return err
	}
	return alertRules.remove(t, r)
}

// UpdateAlertRule implements store.AlertRules.
func (c *Catalog) UpdateAlertRule(ctx context.Context, r store.AlertRule) error {
	return c.update(ctx, "update alert rule", func(t *catalogTx) error {
		was, err := alertRules.get(t, r.ID)
		if err != nil {
			return err
		}
		r.OrgID, r.CreatedAt = was.OrgID, was.CreatedAt
		if err := r.Validate(); err != nil {
			return err
		}
		if r.Revision != was.Revision+1 {
			return store.Conflict("alert rule", r.ID, "was changed meanwhile and is at revision %d now; look at it again, then change that one", was.Revision)
		}
		if err := t.checkAlertRule(r, was.Selection.DeviceIDs); err != nil {
			return err
		}
		r.UpdatedAt = kept(r.UpdatedAt, t.now)
		return t.putAlertRule(r)
	})
}

// AlertRule implements store.AlertRules.
func (c *Catalog) AlertRule(ctx context.Context, id string) (r store.AlertRule, err error) {
	err = c.view(ctx, func(t *catalogTx) error { r, err = alertRules.get(t, id); return err })
	return r, err
}

// ListAlertRules implements store.AlertRules.
func (c *Catalog) ListAlertRules(ctx context.Context, f store.AlertRuleFilter) (out []store.AlertRule, err error) {
	err = c.view(ctx, func(t *catalogTx) error { out, err = alertRules.list(t, f.OrgID, f.Page); return err })
	return out, err
}

// DeleteAlertRule implements store.AlertRules.
func (c *Catalog) DeleteAlertRule(ctx context.Context, id string) error {
	return c.update(ctx, "delete alert rule", func(t *catalogTx) error {
		r, err := alertRules.get(t, id)
		if err != nil {
			return err
		}
		return alertRules.remove(t, r)
	})
}

// ruleNaming answers a rule of an organization that names a channel.
func (t *catalogTx) ruleNaming(orgID, channelID string) (r store.AlertRule, found bool, err error) {
	rules, err := alertRules.list(t, orgID, store.Page{})
	for _, r := range rules {
		if slices.Contains(r.Channels, channelID) || slices.Contains(r.EscalateTo, channelID) {
			return r, true, err
		}
	}
	return r, false, err
}
