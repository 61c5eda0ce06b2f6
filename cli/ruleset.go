package cli

import (
	"context"
	"maps"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/store"
)

func (p *program) ruleSet() *cobra.Command {
	var id, org string
	var revision uint64
	var e ruleEdit
	c := verb("set", "Change what is given of an alert rule", func(ctx context.Context, _ []string) error {
		if !e.asked() {
			return usage("nothing to change: give what is to be another, such as --above, --for or --disabled")
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		was, err := rules(cl, org).find(ctx, id)
		if err != nil {
			return err
		}
		ch, err := e.change(ctx, cl, was)
		if err != nil {
			return err
		}
		ch.Revision = was.Revision
		if revision != 0 {
			ch.Revision = revision
		}
		r, err := cl.UpdateAlertRule(ctx, was.ID, ch)
		if err != nil {
			return err
		}
		return p.object(r, ruleFields(r)...)
	})
	c.Long = "Change what is given of an alert rule; the rest stays. A list that is given takes the place of the one before.\n\n" +
		"Another condition, selection or schedule ends its open alarms, and it begins anew."
	c.Example = "  tidegate rule set hot --above 85 --for 10m\n" +
		"  tidegate rule set --id rule-0123456789abcdef --below 10 --clear none --disabled"
	subjectByName(c, &id, &org, "the rule")
	e.f = addRuleFlags(c)
	c.Flags().BoolVar(&e.allDevices, "all-devices", false, "take the lists of devices and tags away")
	c.Flags().BoolVar(&e.allPorts, "all-ports", false, "take the list of ports away")
	c.Flags().BoolVar(&e.anyChannel, "any-channel", false, "take the list of channels away: those that take the severity by themselves are told")
	c.Flags().StringArrayVar(&e.dropLabels, "drop-label", nil, "take this label away; may be repeated")
	c.Flags().BoolVar(&e.always, "always-active", false, "take the active hours away")
	c.Flags().Uint64Var(&revision, "revision", 0, "fail when the rule is at another revision than this")
	for _, pair := range [][]string{
		{"all-devices", "device"},
		{"all-devices", "tag"},
		{"all-ports", "port"},
		{"any-channel", "channel"},
		{"always-active", "active-days"},
		{"always-active", "active-from"},
		{"always-active", "active-to"},
		{"always-active", "zone"},
	} {
		c.MarkFlagsMutuallyExclusive(pair...)
	}
	return c
}

// ruleEdit is a change of a rule as it was typed.
type ruleEdit struct {
	f                                        *ruleFlags
	allDevices, allPorts, anyChannel, always bool
	dropLabels                               []string
}

func (e *ruleEdit) asked() bool {
	return e.f.condition.changes() || e.allDevices || e.allPorts || e.anyChannel || e.always || len(e.dropLabels) > 0 ||
		e.f.given("name", "device", "port", "tag", "for", "keep-firing-for", "join-within", "severity", "channel", "repeat", "escalate-after",
			"escalate-to", "message", "label", "active-days", "active-from", "active-to", "zone", "owner", "enabled", "disabled")
}

// change answers what is to become another of was.
func (e *ruleEdit) change(ctx context.Context, cl *client.Client, was client.AlertRule) (ch client.AlertRuleChange, err error) {
	f := e.f
	kind := was.Condition.Kind
	if f.condition.changes() {
		c, err := f.condition.condition(&was.Condition)
		if err != nil {
			return ch, err
		}
		ch.Condition, kind = &c, c.Kind
	}
	if err := f.check(kind); err != nil {
		return ch, err
	}
	if e.allDevices {
		was.Selection.DeviceIDs, was.Selection.Tags = nil, nil
	}
	if e.allPorts {
		was.Selection.Ports, was.Selection.PortNames = nil, nil
	}
	if e.allDevices || e.allPorts || f.given("device", "port", "tag") {
		s, err := f.selection(was.Selection)
		if err != nil {
			return ch, err
		}
		ch.Selection = &s
	}
	if f.given("active-days", "active-from", "active-to", "zone") {
		if ch.Schedule, err = f.schedule(was.Schedule); err != nil {
			return ch, err
		}
	}
	ch.AlwaysActive = e.always
	if len(f.labels)+len(e.dropLabels) > 0 {
		if ch.Labels, err = e.labels(was.Labels); err != nil {
			return ch, err
		}
	}
	e.plain(&ch)
	if f.given("channel") || e.anyChannel {
		if ch.Channels, err = channelIDs(ctx, cl, was.OrgID, f.channels); err != nil {
			return ch, err
		}
	}
	if f.given("escalate-to") || f.given("escalate-after") && f.escalate == 0 {
		ch.EscalateTo, err = channelIDs(ctx, cl, was.OrgID, f.escalateTo)
	}
	return ch, err
}

func (e *ruleEdit) labels(was map[string]string) (map[string]string, error) {
	labels := maps.Clone(was)
	if labels == nil {
		labels = map[string]string{}
	}
	for _, name := range e.dropLabels {
		if _, ok := labels[name]; !ok {
			return nil, usage("--drop-label %s: the rule has no such label", name)
		}
		delete(labels, name)
	}
	return labelsOf(e.f.labels, labels)
}

// plain takes over what needs no more than to be given.
func (e *ruleEdit) plain(ch *client.AlertRuleChange) {
	f := e.f
	for flag, to := range map[string]struct {
		field **store.Duration
		value *store.Duration
	}{
		"for": {&ch.For, &f.forLong}, "keep-firing-for": {&ch.KeepFiring, &f.keep}, "join-within": {&ch.JoinWithin, &f.join},
		"repeat": {&ch.RepeatEvery, &f.repeat}, "escalate-after": {&ch.EscalateAfter, &f.escalate},
	} {
		if f.given(flag) {
			*to.field = to.value
		}
	}
	for flag, to := range map[string]struct {
		field **string
		value *string
	}{"name": {&ch.Name, &f.name}, "message": {&ch.Message, &f.message}, "owner": {&ch.Owner, &f.owner}} {
		if f.given(flag) {
			*to.field = to.value
		}
	}
	if f.given("severity") {
		severity := store.Severity(f.severity)
		ch.Severity = &severity
	}
	if f.given("enabled", "disabled") {
		on := f.enabled || f.given("disabled") && !f.disabled
		ch.Enabled = &on
	}
}
