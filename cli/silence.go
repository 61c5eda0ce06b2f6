package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/cli/config"
	"tidegate/store"
)

func (p *program) silenceNoun() *cobra.Command {
	return noun("silence", "Silences: keep alarms quiet for a time, or at recurring hours",
		p.silenceAdd(), p.silenceLs(), p.silenceGet(), p.silenceRm())
}

func silenceFields(s client.Silence) []field {
	return []field{
		{"id", s.ID},
		{"orgId", s.OrgID},
		{"comment", s.Comment},
		{"deviceIds", orAll(strings.Join(s.DeviceIDs, ", "))},
		{"ruleIds", orAll(strings.Join(s.RuleIDs, ", "))},
		{"labels", silencedLabels(s.Labels)},
		{"startsAt", s.StartsAt},
		{"endsAt", silenceEnd(s)},
		{"schedule", silenceHours(s.Schedule)},
		{"createdBy", s.CreatedBy},
		{"createdAt", s.CreatedAt},
	}
}

func silenceEnd(s client.Silence) any {
	if s.EndsAt == nil {
		return "never"
	}
	return *s.EndsAt
}

func silencedLabels(labels map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, k+"="+labels[k])
	}
	return strings.Join(out, " ")
}

// silenceHours says when a silence recurs.
func silenceHours(h *store.Schedule) string {
	if h == nil {
		return ""
	}
	days := "every day"
	if len(h.Days) > 0 {
		words := make([]string, len(h.Days))
		for i, d := range h.Days {
			words[i] = string(d)
		}
		days = strings.Join(words, ",")
	}
	if h.From != "" {
		days += fmt.Sprintf(" %s-%s", h.From, h.To)
	}
	return days + " " + h.Zone
}

// silenceFlags are those of a silence to be made.
type silenceFlags struct {
	org, comment           string
	devices, rules, labels []string
	from, to               moment
	for_                   string
	days                   []string
	hours, zone            string
}

func (f *silenceFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.org, "org", "", "organization")
	c.Flags().StringVar(&f.comment, "comment", "", "why")
	c.Flags().StringArrayVar(&f.devices, "device", nil, "of this device alone; may be repeated (default: all)")
	c.Flags().StringArrayVar(&f.rules, "rule", nil, "of this rule alone, by its id; may be repeated (default: all)")
	c.Flags().StringArrayVar(&f.labels, "label", nil, "NAME=VALUE: of rules with this label alone; may be repeated")
	c.Flags().Var(&f.from, "from", "from this time on (default: now)")
	c.Flags().Var(&f.to, "to", "until this time")
	c.Flags().StringVar(&f.for_, "for", "", "for so long, such as 2h or 7d, in place of --to")
	c.Flags().StringSliceVar(&f.days, "days", nil, "on these days of the week alone, such as mon-fri or sat,sun")
	c.Flags().StringVar(&f.hours, "hours", "", "at these hours alone, such as 22:00-06:00")
	c.Flags().StringVar(&f.zone, "zone", "", "of --days and --hours, such as Europe/Berlin")
	c.MarkFlagsMutuallyExclusive("to", "for")
	required(c, "org", "comment")
}

// silence answers what the flags say; what the server says as well, it leaves to
// the server.
func (f *silenceFlags) silence(now time.Time) (client.NewSilence, error) {
	n := client.NewSilence{OrgID: f.org, Comment: f.comment, DeviceIDs: f.devices, RuleIDs: f.rules, StartsAt: f.from.ms(), EndsAt: f.to.ms()}
	for _, l := range f.labels {
		k, v, ok := strings.Cut(l, "=")
		if !ok || k == "" {
			return n, usage("--label %q is not NAME=VALUE", l)
		}
		if n.Labels == nil {
			n.Labels = map[string]string{}
		}
		n.Labels[k] = v
	}
	if f.for_ != "" {
		d, err := config.ParseDuration(f.for_)
		if err != nil || d <= 0 {
			return n, usage("--for %s: write 2h, 90m or 7d", f.for_)
		}
		if !f.from.IsZero() {
			now = f.from.Time
		}
		end := store.Time(now.Add(d).UnixMilli())
		n.EndsAt = &end
	}
	if len(f.days) == 0 && f.hours == "" {
		switch {
		case f.zone != "":
			return n, usage("--zone is of --days and --hours; give one of them too")
		case n.EndsAt == nil:
			return n, usage("until when? Give --for or --to; or --days or --hours, for a silence that recurs")
		}
		return n, nil
	}
	if f.zone == "" {
		return n, usage("--days and --hours need --zone, such as Europe/Berlin")
	}
	n.Schedule = &store.Schedule{Zone: f.zone}
	if f.hours != "" {
		from, to, ok := strings.Cut(f.hours, "-")
		if !ok {
			return n, usage("--hours %q is not FROM-TO, such as 22:00-06:00", f.hours)
		}
		n.Schedule.From, n.Schedule.To = store.ClockTime(from), store.ClockTime(to)
	}
	var err error
	n.Schedule.Days, err = weekdays("days", f.days)
	return n, err
}

func (p *program) silenceAdd() *cobra.Command {
	var f silenceFlags
	c := verb("add", "Keep alarms quiet: they are kept, and nobody is told", func(ctx context.Context, _ []string) error {
		n, err := f.silence(time.Now())
		if err != nil {
			return err
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		s, err := cl.CreateSilence(ctx, n)
		if err != nil {
			return err
		}
		return p.object(s, silenceFields(s)...)
	})
	c.Example = "  tidegate silence add --org acme --device d1 --for 2h --comment 'the pump is serviced'\n" +
		"  tidegate silence add --org acme --days sat,sun --hours 22:00-06:00 --zone Europe/Berlin --comment 'nobody is there'"
	f.add(c)
	return c
}

func (p *program) silenceLs() *cobra.Command {
	var q client.SilenceQuery
	c := verb("ls", "List silences, those that are over too", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		l := newLister(p,
			col("id", func(s client.Silence) any { return s.ID }),
			col("orgId", func(s client.Silence) any { return s.OrgID }),
			col("deviceIds", func(s client.Silence) any { return orAll(strings.Join(s.DeviceIDs, " ")) }),
			col("ruleIds", func(s client.Silence) any { return orAll(strings.Join(s.RuleIDs, " ")) }),
			col("labels", func(s client.Silence) any { return silencedLabels(s.Labels) }),
			col("startsAt", func(s client.Silence) any { return s.StartsAt }),
			col("endsAt", silenceEnd),
			col("schedule", func(s client.Silence) any { return silenceHours(s.Schedule) }),
			col("comment", func(s client.Silence) any { return p.shorten(s.Comment) }))
		list := func(ctx context.Context, page client.Page) (client.List[client.Silence], error) {
			q.Page = page
			return cl.Silences(ctx, q)
		}
		if err := client.All(ctx, list, l.item); err != nil {
			return err
		}
		return l.end("")
	})
	c.Flags().StringVar(&q.OrgID, "org", "", "of this organization alone")
	return c
}

func (p *program) silenceGet() *cobra.Command {
	var id string
	c := verb("get", "Show a silence", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		s, err := cl.Silence(ctx, id)
		if err != nil {
			return err
		}
		return p.object(s, silenceFields(s)...)
	})
	subject(c, &id, "id", "the silence's id")
	return c
}

func (p *program) silenceRm() *cobra.Command {
	var id string
	c := verb("rm", "End a silence: of alarms that go on people are told then", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		if err := cl.DeleteSilence(ctx, id); err != nil {
			return err
		}
		return p.deleted(id)
	})
	subject(c, &id, "id", "the silence's id")
	return c
}
