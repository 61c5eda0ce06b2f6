package alert

import (
	"strconv"
	"strings"
)

// placeholder is a name that a message may use, and what it stands for.
type placeholder struct {
	name, means string
	value       func(f *Facts) string
}

var placeholders = []placeholder{
	{"device", "the device's id", func(f *Facts) string { return f.Event.DeviceID }},
	{"deviceName", "the device's name, else its id", func(f *Facts) string { return or(f.Device.Name, f.Event.DeviceID) }},
	{"serial", "the device's serial number", func(f *Facts) string { return f.Device.SerialNumber }},
	{"port", "the port's number", func(f *Facts) string { return strconv.Itoa(int(f.Event.PortNumber)) }},
	{"name", "the port's name, else its number", func(f *Facts) string {
		return or(f.Event.PortName, "port "+strconv.Itoa(int(f.Event.PortNumber)))
	}},
	{"unit", "the port's unit", func(f *Facts) string { return f.Event.Unit }},
	{"value", "the last value while the condition held", func(f *Facts) string { return digits(f.Event.Last, "") }},
	{"reading", "the same with its unit", func(f *Facts) string { return digits(f.Event.Last, f.Event.Unit) }},
	{"first", "the first value while the condition held", func(f *Facts) string { return digits(f.Event.First, "") }},
	{"worst", "the value that was furthest beyond", func(f *Facts) string {
		if f.Plan.kind == noData {
			return ""
		}
		return digits(f.Event.Worst, "")
	}},
	{"peak", "the same with its unit", func(f *Facts) string {
		if f.Plan.kind == noData {
			return ""
		}
		return digits(f.Event.Worst, f.Event.Unit)
	}},
	{"threshold", "what the rule looks for, with its unit", func(f *Facts) string { return f.Plan.Threshold(f.Event.Unit) }},
	{"silence", "of no_data: for how long nothing was heard", func(f *Facts) string {
		if f.Plan.kind != noData || f.Event.Worst == nil {
			return ""
		}
		return elapsed(*f.Event.Worst * 1000)
	}},
	{"rule", "the rule's name", func(f *Facts) string { return f.Event.RuleName }},
	{"condition", "the rule's kind", func(f *Facts) string { return string(f.Event.Kind) }},
	{"severity", "info, warning or critical", func(f *Facts) string { return string(f.Event.Severity) }},
	{"state", "firing, recovering or resolved", func(f *Facts) string { return string(f.Event.State) }},
	{"why", "why it is resolved", func(f *Facts) string { return reasons[f.Event.End] }},
	{"duration", "for how long the condition has held, or held", func(f *Facts) string { return elapsed(float64(f.lasted())) }},
	{"lasting", "the same as “ for 5m”; nothing below a second", func(f *Facts) string {
		if f.lasted() < 1000 {
			return ""
		}
		return " for " + elapsed(float64(f.lasted()))
	}},
	{"start", "when the condition began to hold", func(f *Facts) string { return f.Event.StartedAt.String() }},
	{"fired", "when it had lasted long enough", func(f *Facts) string { return f.Event.FiredAt.String() }},
	{"end", "when it was resolved", func(f *Facts) string {
		if f.Event.ResolvedAt == nil {
			return ""
		}
		return f.Event.ResolvedAt.String()
	}},
	{"flaps", "how often it began again", func(f *Facts) string { return strconv.Itoa(f.Event.Flaps) }},
}

const labelPrefix = "label."

// Placeholders answers the names that a message may use.
func Placeholders() []string {
	var names []string
	for _, p := range placeholders {
		names = append(names, p.name)
	}
	return append(names, labelPrefix+"*")
}

// PlaceholderMeaning says in a few words what a name of Placeholders stands for.
func PlaceholderMeaning(name string) string {
	for _, p := range placeholders {
		if p.name == name {
			return p.means
		}
	}
	return "a label of the rule"
}

func (f *Facts) value(name string) (string, bool) {
	if label, ok := strings.CutPrefix(name, labelPrefix); ok {
		v, ok := f.Event.Labels[label]
		return v, ok
	}
	for _, p := range placeholders {
		if p.name == name {
			v := p.value(f)
			return v, v != ""
		}
	}
	return "", false
}

// lasted is for how long the condition has held, in ms.
func (f *Facts) lasted() int64 {
	until := f.Now
	if f.Event.ResolvedAt != nil {
		until = int64(*f.Event.ResolvedAt)
	}
	return max(until-int64(f.Event.StartedAt), 0)
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
