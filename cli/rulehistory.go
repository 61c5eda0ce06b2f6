package cli

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tidegate/api/client"
)

func (p *program) ruleHistory() *cobra.Command {
	var id, org string
	c := verb("history", "Show who changed an alert rule, when, and how", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		r, err := rules(cl, org).find(ctx, id)
		if err != nil {
			return err
		}
		l := newLister(p,
			col("seq", func(e client.AlertRuleEdit) any { return e.Seq }),
			col("at", func(e client.AlertRuleEdit) any { return e.At }),
			col("actor", func(e client.AlertRuleEdit) any { return e.Actor }),
			col("action", func(e client.AlertRuleEdit) any { return e.Action }),
			col("change", func(e client.AlertRuleEdit) any { return describeEdit(e) }))
		list := func(ctx context.Context, page client.Page) (client.List[client.AlertRuleEdit], error) {
			return cl.AlertRuleHistory(ctx, r.ID, page)
		}
		if err := client.All(ctx, list, l.item); err != nil {
			return err
		}
		return l.end("")
	})
	subjectByName(c, &id, &org, "the rule")
	return c
}

// describeEdit shows what has become another, before → after.
func describeEdit(e client.AlertRuleEdit) string {
	switch {
	case e.Problem != "":
		return e.Problem
	case e.Before == nil && e.After != nil:
		return describeCondition(e.After.Condition)
	case e.Before == nil || e.After == nil:
		return ""
	}
	before, after := plainFields(*e.Before), plainFields(*e.After)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			out = append(out, name+": "+orNothing(before[name])+" → "+orNothing(after[name]))
		}
	}
	return strings.Join(out, "; ")
}

// plainFields answers the fields of a rule that an edit is about, each as text.
func plainFields(r client.AlertRule) map[string]string {
	out := map[string]string{}
	for _, f := range ruleFields(r) {
		switch f.name {
		case "revision", "updatedAt", "updatedBy":
		default:
			out[f.name] = csvCell(f.value)
		}
	}
	return out
}

func orNothing(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
