package cli

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/store"
)

func (p *program) ruleNoun() *cobra.Command {
	return noun("rule", "Alert rules: what is an alarm, and who hears of it",
		p.ruleAdd(), p.ruleLs(), p.ruleGet(), p.ruleSet(), p.ruleRm(), p.ruleHistory(), p.ruleTest())
}

// rules are called by id, or by name; those of an organization, or all.
func rules(cl *client.Client, orgID string) called[client.AlertRule] {
	return called[client.AlertRule]{
		what: "alert rule", get: cl.AlertRule,
		list: func(ctx context.Context, p client.Page) (client.List[client.AlertRule], error) {
			return cl.AlertRules(ctx, client.AlertRuleQuery{OrgID: orgID, Page: p})
		},
		name: func(r client.AlertRule) (id, name string) { return r.ID, r.Name },
	}
}

func ruleFields(r client.AlertRule) []field {
	return []field{
		{"id", r.ID},
		{"name", r.Name},
		{"orgId", r.OrgID},
		{"enabled", r.Enabled},
		{"watches", describeSelection(r.Selection)},
		{"condition", describeCondition(r.Condition)},
		{"for", orNone(r.For)},
		{"keepFiringFor", orNone(r.KeepFiring)},
		{"joinWithin", orNone(r.JoinWithin)},
		{"severity", r.Severity},
		{"active", describeSchedule(r.Schedule)},
		{"channels", strings.Join(r.Channels, ", ")},
		{"repeatEvery", orNone(r.RepeatEvery)},
		{"escalateAfter", orNone(r.EscalateAfter)},
		{"escalateTo", strings.Join(r.EscalateTo, ", ")},
		{"message", r.Message},
		{"labels", describeLabels(r.Labels)},
		{"owner", r.Owner},
		{"revision", r.Revision},
		{"createdAt", r.CreatedAt},
		{"updatedAt", r.UpdatedAt},
		{"updatedBy", r.UpdatedBy},
	}
}

func orNone(d store.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func describeLabels(labels map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, k+"="+labels[k])
	}
	return strings.Join(out, ", ")
}

// describeSelection shows in one line what is watched.
func describeSelection(s store.Selection) string {
	var parts []string
	add := func(what string, list []string) {
		if len(list) > 0 {
			parts = append(parts, what+" "+strings.Join(list, ", "))
		}
	}
	add("device", s.DeviceIDs)
	add("tag", s.Tags)
	var numbers []string
	for _, n := range s.Ports {
		numbers = append(numbers, strconv.Itoa(int(n)))
	}
	add("port", numbers)
	add("port", s.PortNames)
	return orAll(strings.Join(parts, "; "))
}

func describeSchedule(s *store.Schedule) string {
	if s == nil {
		return "always"
	}
	var parts []string
	for _, d := range s.Days {
		parts = append(parts, string(d))
	}
	out := strings.Join(parts, ",")
	if s.From != "" {
		out += " " + string(s.From) + "-" + string(s.To)
	}
	return strings.TrimSpace(out + " " + s.Zone)
}

func (p *program) ruleAdd() *cobra.Command {
	var org string
	var f *ruleFlags
	c := verb("add", "Make an alert rule", func(ctx context.Context, _ []string) error {
		n, cl, err := p.newRule(ctx, f, org)
		if err != nil {
			return err
		}
		out, err := cl.CreateAlertRule(ctx, n)
		if err != nil {
			return err
		}
		return p.object(out, ruleFields(out)...)
	})
	c.Example = "  tidegate rule add --org acme --name hot --device d1 --port 1 --above 80 --clear 75 --for 5m --channel ops\n" +
		"  tidegate rule add --org acme --name silent --tag pump --silent-for 10m --severity critical\n" +
		"  tidegate rule add --org acme --name 'at night' --port Current --above 0.5 --active-from 22:00 --active-to 06:00 --zone Europe/Berlin"
	c.Flags().StringVar(&org, "org", "", "organization whose ports it watches")
	f = addRuleFlags(c)
	required(c, "org", "name")
	return c
}

// newRule answers the rule that the flags describe, and whom to tell.
func (p *program) newRule(ctx context.Context, f *ruleFlags, org string) (n client.NewAlertRule, cl *client.Client, err error) {
	if n.Condition, err = f.condition.condition(nil); err != nil {
		return n, nil, err
	}
	if err := f.check(n.Condition.Kind); err != nil {
		return n, nil, err
	}
	if n.Selection, err = f.selection(store.Selection{}); err != nil {
		return n, nil, err
	}
	if n.Schedule, err = f.schedule(nil); err != nil {
		return n, nil, err
	}
	if n.Labels, err = labelsOf(f.labels, nil); err != nil {
		return n, nil, err
	}
	if cl, err = p.connect(); err != nil {
		return n, nil, err
	}
	if n.Channels, err = channelIDs(ctx, cl, org, f.channels); err != nil {
		return n, nil, err
	}
	if n.EscalateTo, err = channelIDs(ctx, cl, org, f.escalateTo); err != nil {
		return n, nil, err
	}
	enabled := !f.disabled
	n.OrgID, n.Name, n.Enabled, n.For, n.KeepFiring, n.JoinWithin, n.Severity = org, f.name, &enabled, f.forLong, f.keep, f.join, store.Severity(f.severity)
	n.Message, n.RepeatEvery, n.EscalateAfter, n.Owner = f.message, f.repeat, f.escalate, f.owner
	return n, cl, nil
}

func (p *program) ruleLs() *cobra.Command {
	var q client.AlertRuleQuery
	c := verb("ls", "List alert rules", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		l := newLister(p,
			col("id", func(r client.AlertRule) any { return r.ID }),
			col("name", func(r client.AlertRule) any { return r.Name }),
			col("orgId", func(r client.AlertRule) any { return r.OrgID }),
			col("enabled", func(r client.AlertRule) any { return r.Enabled }),
			col("severity", func(r client.AlertRule) any { return r.Severity }),
			col("watches", func(r client.AlertRule) any { return describeSelection(r.Selection) }),
			col("condition", func(r client.AlertRule) any { return describeCondition(r.Condition) }),
			col("for", func(r client.AlertRule) any { return orNone(r.For) }),
			col("revision", func(r client.AlertRule) any { return r.Revision }))
		list := func(ctx context.Context, page client.Page) (client.List[client.AlertRule], error) {
			q.Page = page
			return cl.AlertRules(ctx, q)
		}
		if err := client.All(ctx, list, l.item); err != nil {
			return err
		}
		return l.end("")
	})
	c.Flags().StringVar(&q.OrgID, "org", "", "of this organization alone")
	return c
}

func (p *program) ruleGet() *cobra.Command {
	return verbOn(p, "get", "Show an alert rule", "the rule", rules, func(_ context.Context, _ *client.Client, r client.AlertRule) error {
		return p.object(r, ruleFields(r)...)
	})
}

func (p *program) ruleRm() *cobra.Command {
	return verbOn(p, "rm", "Delete an alert rule; its open alarms end", "the rule", rules, func(ctx context.Context, cl *client.Client, r client.AlertRule) error {
		if err := cl.DeleteAlertRule(ctx, r.ID); err != nil {
			return err
		}
		return p.deleted(r.ID)
	})
}
