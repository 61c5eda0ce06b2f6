package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/store"
)

// ruleFlags are those of a rule beside its condition.
type ruleFlags struct {
	cmd       *cobra.Command
	condition *conditionFlags

	name, message, owner, severity        string
	devices, ports, tags                  []string
	channels, escalateTo, labels          []string
	forLong, keep, join, repeat, escalate store.Duration
	enabled, disabled                     bool
	days                                  []string
	from, to, zone                        string
}

func addRuleFlags(c *cobra.Command) *ruleFlags {
	f := &ruleFlags{cmd: c}
	d := func(name string, to *store.Duration, what string) { c.Flags().Var(&durationValue{d: to}, name, what) }
	c.Flags().StringVar(&f.name, "name", "", "name")
	c.Flags().StringArrayVar(&f.devices, "device", nil, "watch this device alone; may be repeated (default: all)")
	c.Flags().StringArrayVar(&f.ports, "port", nil, "watch this port, by number or name; may be repeated (default: all)")
	c.Flags().StringArrayVar(&f.tags, "tag", nil, "watch devices that carry this tag; may be repeated: all of them")
	f.condition = addCondition(c)
	d("for", &f.forLong, "the condition has to last so long (default: it fires at once)")
	d("keep-firing-for", &f.keep, "and to be over for so long")
	d("join-within", &f.join, "an alarm that begins so soon after the one before is that one again")
	c.Flags().StringVar(&f.severity, "severity", "", "info, warning or critical (default warning)")
	c.Flags().StringArrayVar(&f.channels, "channel", nil, "tell this channel, by id or name; may be repeated (default: those that take the severity by themselves)")
	d("repeat", &f.repeat, "tell again so often, while nobody acknowledged (default: never)")
	d("escalate-after", &f.escalate, "tell --escalate-to when nobody acknowledged for so long")
	c.Flags().StringArrayVar(&f.escalateTo, "escalate-to", nil, "channel, by id or name; may be repeated")
	c.Flags().StringVar(&f.message, "message", "", "template of what is told (default: a sentence of its own for each condition)")
	c.Flags().StringArrayVar(&f.labels, "label", nil, "NAME=VALUE, for silences and messages; may be repeated")
	c.Flags().StringSliceVar(&f.days, "active-days", nil, "watch on these days alone, such as mon-fri or sat,sun")
	c.Flags().StringVar(&f.from, "active-from", "", "watch from this time of day on, such as 22:00")
	c.Flags().StringVar(&f.to, "active-to", "", "until this one; before --active-from: on the next day")
	c.Flags().StringVar(&f.zone, "zone", "", "of these times, such as Europe/Berlin")
	c.Flags().StringVar(&f.owner, "owner", "", "who answers for the rule")
	c.Flags().BoolVar(&f.enabled, "enabled", false, "watch (the default)")
	c.Flags().BoolVar(&f.disabled, "disabled", false, "keep the rule without watching")
	c.MarkFlagsMutuallyExclusive("enabled", "disabled")
	return f
}

func (f *ruleFlags) given(names ...string) bool {
	return slices.ContainsFunc(names, f.cmd.Flags().Changed)
}

// check refuses what needs no server to be refused.
func (f *ruleFlags) check(kind store.ConditionKind) error {
	if f.given("severity") {
		if err := oneOf("severity", store.Severity(f.severity), store.Severities()); err != nil {
			return err
		}
	}
	if f.forLong != 0 && kind == store.CondChanged {
		return usage("--for does not go with --changed, which is so for one value only; use --keep-firing-for")
	}
	return nil
}

// selection answers what is watched: was, with the lists that are given.
func (f *ruleFlags) selection(was store.Selection) (store.Selection, error) {
	if f.given("device") {
		was.DeviceIDs = ascending(f.devices)
	}
	if f.given("tag") {
		was.Tags = ascending(f.tags)
	}
	if !f.given("port") {
		return was, nil
	}
	was.Ports, was.PortNames = nil, nil
	for _, text := range f.ports {
		n, err := strconv.ParseUint(text, 10, 16)
		switch {
		case err == nil:
			was.Ports = append(was.Ports, uint16(n))
		case strings.Trim(text, "0123456789") == "":
			return was, usage("--port %s: port numbers are 0 to 65535", text)
		default:
			was.PortNames = append(was.PortNames, text)
		}
	}
	if was.Ports != nil && was.PortNames != nil {
		return was, usage("--port: give numbers or names, not both")
	}
	slices.Sort(was.Ports)
	was.Ports, was.PortNames = slices.Compact(was.Ports), ascending(was.PortNames)
	return was, nil
}

// ascending answers a list in order, each once; nil: none.
func ascending(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }

// schedule answers when the rule is active; nil: always.
func (f *ruleFlags) schedule(was *store.Schedule) (*store.Schedule, error) {
	if !f.given("active-days", "active-from", "active-to", "zone") {
		return was, nil
	}
	var s store.Schedule
	if was != nil {
		s = *was
	}
	if f.given("active-days") {
		var err error
		if s.Days, err = weekdays("active-days", f.days); err != nil {
			return nil, err
		}
	}
	for _, v := range []struct {
		flag string
		from string
		to   *store.ClockTime
	}{{"active-from", f.from, &s.From}, {"active-to", f.to, &s.To}} {
		if f.given(v.flag) {
			*v.to = store.ClockTime(v.from)
		}
	}
	if f.given("zone") {
		s.Zone = f.zone
	}
	if s.Zone == "" {
		return nil, usage("--zone is missing: of which place are these times? Such as Europe/Berlin, or UTC")
	}
	if err := s.Validate(); err != nil {
		return nil, usageError{err}
	}
	return &s, nil
}

// weekdays reads days and spans of days, which may go over the end of the week.
func weekdays(flag string, texts []string) (days []store.Weekday, err error) {
	all := store.Weekdays()
	index := func(day string) (int, error) {
		d := store.Weekday(strings.ToLower(strings.TrimSpace(day)))
		return slices.Index(all, d), oneOf(flag, d, all)
	}
	for _, text := range texts {
		first, last, span := strings.Cut(text, "-")
		if !span {
			last = first
		}
		from, err := index(first)
		if err != nil {
			return nil, err
		}
		to, err := index(last)
		if err != nil {
			return nil, err
		}
		for i := from; ; i = (i + 1) % len(all) {
			if !slices.Contains(days, all[i]) {
				days = append(days, all[i])
			}
			if i == to {
				break
			}
		}
	}
	return days, nil
}

// labelsOf reads NAME=VALUE into labels, which may be nil.
func labelsOf(texts []string, labels map[string]string) (map[string]string, error) {
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usage("--label %s: write NAME=VALUE", text)
		}
		if labels == nil {
			labels = map[string]string{}
		}
		labels[name] = value
	}
	return labels, nil
}

// channelIDs answers the ids of an organization's channels that are given by id
// or name.
func channelIDs(ctx context.Context, cl *client.Client, orgID string, idsOrNames []string) ([]string, error) {
	ids := []string{}
	if len(idsOrNames) == 0 {
		return ids, nil
	}
	k := channels(cl, orgID)
	all, err := k.all(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range idsOrNames {
		ch, err := k.among(all, name, " in "+orgID)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, ch.ID) {
			ids = append(ids, ch.ID)
		}
	}
	return ids, nil
}
