package notify

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"tidegate/ingest/template"
	"tidegate/store"
)

// placeholder is a name that a channel's templates may use. Those that messages
// of rules have too mean the same here.
type placeholder struct {
	name, means string
	value       func(s *story) string // empty: there is none
}

func placeholders() []placeholder {
	event := func(f func(e *store.AlertEvent) string) func(s *story) string {
		return func(s *story) string { return f(&s.weighty.Event) }
	}
	acknowledged := func(f func(a *store.Acknowledgement) string) func(s *story) string {
		return event(func(e *store.AlertEvent) string {
			if e.Acknowledged == nil {
				return ""
			}
			return f(e.Acknowledged)
		})
	}
	return []placeholder{
		{"title", "the message in a line", func(s *story) string { return headline(s.weighty) }},
		{"text", "the message at length", func(s *story) string { return s.whole }},
		{"count", "how much is said in it", func(s *story) string { return strconv.Itoa(len(s.said)) }},
		{"events", "all of it as JSON, a list", func(s *story) string {
			b, err := json.Marshal(s.events())
			if err != nil {
				return "[]" // an episode is numbers and texts
			}
			return string(b)
		}},
		{"deliveryId", "the id of the message, the same for each try", func(s *story) string { return s.m.id }},
		{"channel", "the channel's name", func(s *story) string { return s.c.Name }},
		{"to", "of sms: the number that it goes to", func(s *story) string { return s.to }},
		{"from", "of sms: the sender's number", func(s *story) string { return s.from }},
		{"org", "the organization's id", func(s *story) string { return s.weighty.OrgID }},
		{"cause", "firing, resolved, repeat, escalation, acknowledged, resend or test", func(s *story) string { return string(s.weighty.Cause) }},
		{"link", "where the episode is seen", func(s *story) string { return s.link(s.weighty) }},
		{"message", "what the rule says", event(func(e *store.AlertEvent) string { return e.Message })},
		{"event", "the episode's id", event(func(e *store.AlertEvent) string { return e.ID })},
		{"device", "the device's id", event(func(e *store.AlertEvent) string { return e.DeviceID })},
		{"port", "the port's number", event(func(e *store.AlertEvent) string { return strconv.Itoa(int(e.PortNumber)) })},
		{"name", "the port's name, else its number", event(portTitle)},
		{"unit", "the port's unit", event(func(e *store.AlertEvent) string { return e.Unit })},
		{"value", "the last value while the condition held", event(func(e *store.AlertEvent) string { return number(e.Last) })},
		{"reading", "the same with its unit", event(func(e *store.AlertEvent) string { return measured(e, e.Last) })},
		{"first", "the first value while the condition held", event(func(e *store.AlertEvent) string { return number(e.First) })},
		{"worst", "the value that was furthest beyond", event(func(e *store.AlertEvent) string { return number(beyond(e)) })},
		{"peak", "the same with its unit", event(func(e *store.AlertEvent) string { return measured(e, beyond(e)) })},
		{"silence", "of no_data: for how long nothing was heard", event(func(e *store.AlertEvent) string {
			if e.Kind != store.CondNoData || e.Worst == nil {
				return ""
			}
			return span(time.Duration(*e.Worst * float64(time.Second)))
		})},
		{"rule", "the rule's name", event(func(e *store.AlertEvent) string { return e.RuleName })},
		{"ruleId", "the rule's id", event(func(e *store.AlertEvent) string { return e.RuleID })},
		{"condition", "the rule's kind", event(func(e *store.AlertEvent) string { return string(e.Kind) })},
		{"severity", "info, warning or critical", event(func(e *store.AlertEvent) string { return string(e.Severity) })},
		{"state", "firing, recovering or resolved", event(func(e *store.AlertEvent) string { return string(e.State) })},
		{"why", "why it is resolved", event(func(e *store.AlertEvent) string { return endWord(e.End) })},
		{"duration", "for how long the condition has held, or held", func(s *story) string {
			end := s.weighty.CreatedAt
			if at := s.weighty.Event.ResolvedAt; at != nil {
				end = *at
			}
			return span(end.Time().Sub(s.weighty.Event.StartedAt.Time()))
		}},
		{"start", "when the condition began to hold", event(func(e *store.AlertEvent) string { return e.StartedAt.String() })},
		{"fired", "when it had lasted long enough", event(func(e *store.AlertEvent) string { return e.FiredAt.String() })},
		{"end", "when it was resolved", event(func(e *store.AlertEvent) string {
			if e.ResolvedAt == nil {
				return ""
			}
			return e.ResolvedAt.String()
		})},
		{"flaps", "how often it began again", event(func(e *store.AlertEvent) string { return strconv.Itoa(e.Flaps) })},
		{"by", "who acknowledged it", acknowledged(func(a *store.Acknowledgement) string { return a.By })},
		{"comment", "what they said", acknowledged(func(a *store.Acknowledgement) string { return a.Comment })},
	}
}

const labelPrefix = "label."

// Placeholders answers the names that a channel's templates may use. In a message
// of several episodes those of one episode are the weightiest one's, except in
// text, which is filled in for each.
func Placeholders() []string {
	var names []string
	for _, p := range placeholders() {
		names = append(names, p.name)
	}
	return append(names, labelPrefix+"*")
}

// PlaceholderMeaning says in a few words what a name of Placeholders stands for.
func PlaceholderMeaning(name string) string {
	for _, p := range placeholders() {
		if p.name == name {
			return p.means
		}
	}
	return "a label of the rule"
}

func parseTemplate(s string) (*template.Template, error) { return template.Parse(s, Placeholders()) }

// value answers a placeholder.
func (s *story) value(name string) (string, bool) {
	if name == "text" && s.whole == "" {
		s.whole = s.text(20_000, maxTogether)
	}
	return s.valueOfOne(name)
}

// valueOfOne answers a placeholder within a text, where {text} itself is nothing.
func (s *story) valueOfOne(name string) (string, bool) {
	if label, ok := strings.CutPrefix(name, labelPrefix); ok {
		v, ok := s.weighty.Event.Labels[label]
		return v, ok
	}
	for _, p := range placeholders() {
		if p.name == name {
			v := p.value(s)
			return v, v != ""
		}
	}
	return "", false
}

// beyond is the worst value of an episode about values.
func beyond(e *store.AlertEvent) *float64 {
	if e.Kind == store.CondNoData {
		return nil
	}
	return e.Worst
}

// number writes a value with all its digits, as JSON has it.
func number(v *float64) string {
	if v == nil {
		return ""
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}

func measured(e *store.AlertEvent, v *float64) string {
	if v == nil {
		return ""
	}
	return quantity(*v, e.Unit)
}
