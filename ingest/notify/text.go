package notify

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tidegate/store"
)

// story is a message as people read it.
type story struct {
	d        *Dispatcher
	c        *store.Channel
	m        *message
	said     []store.Notification
	weighty  *store.Notification // the one that the title is about
	to, from string              // of sms
	whole    string              // the text, where it was asked for
}

func (d *Dispatcher) story(c *store.Channel, m *message) *story {
	s := &story{d: d, c: c, m: m, said: m.said()}
	for i := range s.said {
		if s.weighty == nil || weight(&s.said[i]) > weight(s.weighty) {
			s.weighty = &s.said[i]
		}
	}
	return s
}

// weight orders what is said: news of trouble before news of its end.
func weight(n *store.Notification) int {
	w := severityRank(n.Event.Severity)
	switch n.Cause {
	case store.CauseEscalation:
		return w + 40
	case store.CauseFiring, store.CauseTest:
		return w + 30
	case store.CauseRepeat, store.CauseResend:
		return w + 20
	case store.CauseAcknowledged:
		return w + 10
	}
	return w
}

// word is what a notification is about, in a word.
func word(n *store.Notification) string {
	sev := strings.ToUpper(string(n.Event.Severity))
	switch n.Cause {
	case store.CauseResolved:
		return "RESOLVED"
	case store.CauseRepeat:
		return "STILL " + sev
	case store.CauseEscalation:
		return "ESCALATED " + sev
	case store.CauseAcknowledged:
		return "ACKNOWLEDGED"
	case store.CauseTest:
		return "TEST"
	case store.CauseResend:
		if !n.Event.Open() {
			return "RESOLVED"
		}
	}
	return sev
}

// portTitle names a port.
func portTitle(e *store.AlertEvent) string {
	if e.PortName != "" {
		return e.PortName
	}
	return "port " + strconv.Itoa(int(e.PortNumber))
}

// headline is a notification in a line.
func headline(n *store.Notification) string {
	return oneLine(fmt.Sprintf("%s %s %s: %s", word(n), n.Event.DeviceID, portTitle(&n.Event), n.Event.RuleName))
}

// title is the message in a line: the channel's own subject, or what is said.
func (s *story) title() string {
	if s.c.Subject != "" {
		if t, err := parseTemplate(s.c.Subject); err == nil { // Validate has told
			title := oneLine(string(t.Append(nil, s.value)))
			for _, name := range t.Names() {
				if name == "count" {
					return title
				}
			}
			return title + s.more()
		}
	}
	return headline(s.weighty) + s.more()
}

func (s *story) more() string {
	if n := len(s.said) - 1; n > 0 {
		return fmt.Sprintf(" (and %d more)", n)
	}
	return ""
}

// text is the message at length, of at most limit bytes and entries; each is
// what the channel's own text says, or what ours does.
func (s *story) text(limit, entries int) string {
	var b strings.Builder
	for i := range s.said {
		block := s.block(&s.said[i])
		if left := len(s.said) - i; i > 0 && (i >= entries || b.Len()+len(block)+40 > limit) {
			fmt.Fprintf(&b, "\n\n… and %d more", left)
			break
		}
		if i > 0 {
			b.WriteString("\n\n")
		}
		b.WriteString(block)
	}
	return cut(b.String(), limit)
}

// under is the message below its title: what there is to say of a single one
// without saying the title again.
func (s *story) under(limit, entries int) string {
	if len(s.said) > 1 || s.c.Text != "" {
		return s.text(limit, entries)
	}
	n := s.weighty
	var lines []string
	if n.Event.Message != "" {
		lines = append(lines, n.Event.Message)
	}
	return cut(strings.Join(append(lines, facts(n)...), "\n"), limit)
}

// block is one notification at length.
func (s *story) block(n *store.Notification) string {
	if s.c.Text != "" {
		if t, err := parseTemplate(s.c.Text); err == nil { // Validate has told
			one := *s
			one.weighty, one.whole = n, ""
			return string(t.Append(nil, one.valueOfOne))
		}
	}
	lines := []string{headline(n)}
	if n.Event.Message != "" {
		lines = append(lines, n.Event.Message)
	}
	lines = append(lines, facts(n)...)
	if l := s.link(n); l != "" {
		lines = append(lines, l)
	}
	return strings.Join(lines, "\n")
}

// facts are what else there is to know of an episode, a line each.
func facts(n *store.Notification) []string {
	e := &n.Event
	var lines []string
	if n.Cause == store.CauseTest {
		lines = append(lines, "This is a test: nothing has happened.")
	}
	var values []string
	if e.Kind == store.CondNoData {
		if e.Worst != nil {
			values = append(values, "silent for "+span(time.Duration(*e.Worst*float64(time.Second))))
		}
	} else {
		same := true
		for _, v := range []struct {
			name string
			v    *float64
		}{{"first", e.First}, {"worst", e.Worst}, {"last", e.Last}} {
			if v.v != nil {
				values = append(values, v.name+" "+quantity(*v.v, e.Unit))
				same = same && e.First != nil && *v.v == *e.First
			}
		}
		if len(values) > 0 && same {
			values = []string{"value " + quantity(*e.First, e.Unit)}
		}
	}
	if len(values) > 0 {
		lines = append(lines, strings.Join(values, ", "))
	}
	when := "since " + clock(e.StartedAt)
	if e.ResolvedAt != nil {
		when = "from " + clock(e.StartedAt) + " to " + clock(*e.ResolvedAt) + ", " + span(e.ResolvedAt.Time().Sub(e.StartedAt.Time()))
		if why := endWord(e.End); why != "" {
			when += " (" + why + ")"
		}
	}
	if e.Flaps > 0 {
		when += fmt.Sprintf(", came back %d times", e.Flaps)
	}
	lines = append(lines, when)
	if a := e.Acknowledged; a != nil {
		line := "acknowledged by " + a.By + " at " + clock(a.At)
		if a.Comment != "" {
			line += ": " + a.Comment
		}
		lines = append(lines, line)
	}
	return lines
}

func endWord(e store.AlertEnd) string {
	switch e {
	case store.EndRuleChanged:
		return "the rule was changed or is gone"
	case store.EndDeviceGone:
		return "the device or the port is gone"
	case store.EndOutsideOfPlan:
		return "the rule's active hours are over"
	}
	return ""
}

// link is where an episode is seen; empty: there is no address of the page.
func (s *story) link(n *store.Notification) string {
	if s.d.o.BaseURL == "" {
		return ""
	}
	return strings.TrimSuffix(s.d.o.BaseURL, "/") + "/alarms/" + n.Event.ID
}

// quantity is a value with its unit, of at most six digits.
func quantity(v float64, unit string) string {
	s := strconv.FormatFloat(v, 'g', 6, 64)
	if unit == "" {
		return s
	}
	return s + " " + unit
}

func clock(t store.Time) string { return t.Time().Format("2006-01-02 15:04:05 UTC") }

// span is a duration in at most two units: 45s, 3m20s, 1h5m, 2d3h.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', -1, 64) + "s"
	case d < time.Hour:
		return two(int(d/time.Minute), "m", int(d%time.Minute/time.Second), "s")
	case d < 24*time.Hour:
		return two(int(d/time.Hour), "h", int(d%time.Hour/time.Minute), "m")
	}
	return two(int(d/(24*time.Hour)), "d", int(d%(24*time.Hour)/time.Hour), "h")
}

func two(a int, unit string, b int, of string) string {
	if b == 0 {
		return fmt.Sprintf("%d%s", a, unit)
	}
	return fmt.Sprintf("%d%s%d%s", a, unit, b, of)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
