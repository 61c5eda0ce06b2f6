package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/store"
)

func (p *program) eventsNoun() *cobra.Command {
	return noun("events", "Alarms: look, take on, say something",
		p.eventsLs(), p.eventsGet(), p.eventsAck(), p.eventsUnack(), p.eventsComment())
}

func eventFields(e store.AlertEvent) []field {
	acknowledged := ""
	if a := e.Acknowledged; a != nil {
		acknowledged = strings.TrimSuffix(fmt.Sprintf("%s by %s: %s", tableCell(a.At), a.By, a.Comment), ": ")
	}
	fields := []field{
		{"id", e.ID},
		{"message", e.Message},
		{"state", e.State},
		{"end", e.End},
		{"severity", e.Severity},
		{"ruleId", e.RuleID},
		{"ruleName", e.RuleName},
		{"orgId", e.OrgID},
		{"deviceId", e.DeviceID},
		{"portNumber", e.PortNumber},
		{"portName", e.PortName},
		{"unit", e.Unit},
		{"kind", e.Kind},
		{"startedAt", e.StartedAt},
		{"triggeredAt", e.FiredAt},
		{"resolvedAt", e.ResolvedAt},
		{"first", e.First},
		{"worst", e.Worst},
		{"worstAt", e.WorstAt},
		{"last", e.Last},
		{"flaps", e.Flaps},
		{"silencedBy", e.Silenced},
		{"escalated", e.Escalated},
		{"acknowledged", acknowledged},
	}
	for _, c := range e.Comments {
		fields = append(fields, field{"comment", fmt.Sprintf("%s %s: %s", tableCell(c.At), c.By, c.Text)})
	}
	return fields
}

// alertStates are the states of an alarm, as flags take them.
var alertStates = []store.AlertState{store.AlertFiring, store.AlertRecovering, store.AlertResolved}

// known reads a flag that takes some of several words.
func known[T ~string](flag string, texts []string, words []T) (out []T, err error) {
	for _, s := range texts {
		if !slices.Contains(words, T(s)) {
			all := make([]string, len(words))
			for i, w := range words {
				all[i] = string(w)
			}
			return nil, usage("--%s %q is unknown; use %s", flag, s, strings.Join(all, ", "))
		}
		out = append(out, T(s))
	}
	return out, nil
}

func (p *program) eventsLs() *cobra.Command {
	var q client.AlertEventQuery
	var states []string
	var severity, cursor string
	var from, to moment
	var acknowledged bool
	var limit int
	var c *cobra.Command
	c = verb("ls", "List alarms, those that began last first", func(ctx context.Context, _ []string) error {
		var err error
		if q.States, err = known("state", states, alertStates); err != nil {
			return err
		}
		if q.Severity = store.Severity(severity); severity != "" {
			if _, err := known("severity", []string{severity}, store.Severities()); err != nil {
				return err
			}
		}
		if c.Flags().Changed("acknowledged") {
			q.Acknowledged = &acknowledged
		}
		q.From, q.To = from.Time, to.Time
		cl, err := p.connect()
		if err != nil {
			return err
		}
		l := newLister(p,
			col("id", func(e store.AlertEvent) any { return e.ID }),
			col("state", func(e store.AlertEvent) any { return e.State }),
			col("severity", func(e store.AlertEvent) any { return e.Severity }),
			col("startedAt", func(e store.AlertEvent) any { return e.StartedAt }),
			col("resolvedAt", func(e store.AlertEvent) any { return e.ResolvedAt }),
			col("ruleId", func(e store.AlertEvent) any { return e.RuleID }),
			col("deviceId", func(e store.AlertEvent) any { return e.DeviceID }),
			col("portNumber", func(e store.AlertEvent) any { return e.PortNumber }),
			col("worst", func(e store.AlertEvent) any { return e.Worst }),
			col("acknowledged", func(e store.AlertEvent) any { return e.Acknowledged != nil }),
			col("message", func(e store.AlertEvent) any { return p.shorten(e.Message) }))
		list := func(ctx context.Context, page client.Page) (client.List[store.AlertEvent], error) {
			q.Page = page
			return cl.AlertEvents(ctx, q)
		}
		return listPages(ctx, l, list, cursor, limit)
	})
	c.Example = "  tidegate events ls --state firing\n  tidegate events ls --device d1 --from -7d"
	c.Flags().StringSliceVar(&states, "state", nil, "firing, recovering or resolved, or several, separated by commas")
	c.Flags().StringVar(&q.OrgID, "org", "", "of this organization alone")
	c.Flags().StringVar(&q.DeviceID, "device", "", "of this device alone")
	c.Flags().StringVar(&q.RuleID, "rule", "", "of this rule alone, by its id")
	c.Flags().StringVar(&severity, "severity", "", "info, warning or critical alone")
	c.Flags().BoolVar(&acknowledged, "acknowledged", false, "those that somebody has taken on alone; =false: the others")
	c.Flags().Var(&from, "from", "begun from this time on")
	c.Flags().Var(&to, "to", "begun before this time")
	c.Flags().IntVar(&limit, "limit", 100, "at most so many; 0 is all")
	c.Flags().StringVar(&cursor, "cursor", "", "go on where an earlier answer ended")
	return c
}

// eventVerb is a verb about one alarm, which it shows.
func (p *program) eventVerb(use, short string, run func(context.Context, *client.Client, string) (store.AlertEvent, error)) *cobra.Command {
	var id string
	c := verb(use, short, func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		e, err := run(ctx, cl, id)
		if err != nil {
			return err
		}
		return p.object(e, eventFields(e)...)
	})
	subject(c, &id, "id", "the alarm's id")
	return c
}

func (p *program) eventsGet() *cobra.Command {
	return p.eventVerb("get", "Show an alarm", func(ctx context.Context, cl *client.Client, id string) (store.AlertEvent, error) {
		return cl.AlertEvent(ctx, id)
	})
}

func (p *program) eventsAck() *cobra.Command {
	var a client.AlertAcknowledgement
	c := p.eventVerb("ack", "Take an alarm on: nobody is reminded of it, and it does not escalate", func(ctx context.Context, cl *client.Client, id string) (store.AlertEvent, error) {
		return cl.AcknowledgeAlertEvent(ctx, id, a)
	})
	c.Example = "  tidegate events ack ID --comment 'on my way'"
	c.Flags().StringVar(&a.Comment, "comment", "", "what is done about it")
	return c
}

func (p *program) eventsUnack() *cobra.Command {
	return p.eventVerb("unack", "Give an alarm back: nobody has taken it on", func(ctx context.Context, cl *client.Client, id string) (store.AlertEvent, error) {
		return cl.UnacknowledgeAlertEvent(ctx, id)
	})
}

func (p *program) eventsComment() *cobra.Command {
	var n client.AlertComment
	c := p.eventVerb("comment", "Say something of an alarm", func(ctx context.Context, cl *client.Client, id string) (store.AlertEvent, error) {
		return cl.CommentAlertEvent(ctx, id, n)
	})
	c.Flags().StringVar(&n.Text, "text", "", "what to say")
	required(c, "text")
	return c
}
