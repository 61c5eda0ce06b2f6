package cli

import (
	"fmt"

	"tidegate/store"
)

// alertChange says what has happened to an alarm.
type alertChange string

// The changes that tail shows.
const (
	alarmFired        alertChange = "fired"
	alarmRecovering   alertChange = "recovering"
	alarmResolved     alertChange = "resolved"
	alarmAcknowledged alertChange = "acknowledged"
	alarmGivenBack    alertChange = "unacknowledged"
	alarmCommented    alertChange = "commented"
	alarmSilenced     alertChange = "silenced"
	alarmEscalated    alertChange = "escalated"
)

// text says it in a line.
func (c alertChange) text(e *store.AlertEvent) string {
	line := fmt.Sprintf("alarm %s (%s)", c, e.Severity)
	switch {
	case c == alarmAcknowledged && e.Acknowledged.Comment != "":
		return fmt.Sprintf("%s by %s, %q: %s", line, e.Acknowledged.By, e.Acknowledged.Comment, e.Message)
	case c == alarmAcknowledged:
		return fmt.Sprintf("%s by %s: %s", line, e.Acknowledged.By, e.Message)
	case c == alarmCommented:
		said := e.Comments[len(e.Comments)-1]
		return fmt.Sprintf("%s by %s, %q: %s", line, said.By, said.Text, e.Message)
	}
	return line + ": " + e.Message
}

// alarmsSeen is how alarms stood when they were last heard of, by id: what has
// changed is the difference.
type alarmsSeen map[string]store.AlertEvent

// maxAlarmsSeen bounds what is remembered.
const maxAlarmsSeen = 10_000

// event answers what has changed, and when; false: nothing that concerns people.
func (s alarmsSeen) event(now *store.AlertEvent) (tailEvent, bool) {
	before, known := s[now.ID]
	if len(s) >= maxAlarmsSeen {
		clear(s)
	}
	s[now.ID] = *now
	e := tailEvent{Type: "alert", At: &now.FiredAt, OrgID: now.OrgID, DeviceID: now.DeviceID, Port: fmt.Sprint(now.PortNumber), Alert: now}
	a, n := now.Acknowledged, len(now.Comments)
	if !known { // it may have been going on for long: its newest change is the one
		before.State = now.State
		newest := now.FiredAt
		switch {
		case now.ResolvedAt != nil:
			newest, before.State = *now.ResolvedAt, store.AlertFiring
		case now.State == store.AlertFiring:
			before.State = ""
		}
		if a == nil || a.At < newest {
			before.Acknowledged = a
		}
		if n > 0 && now.Comments[n-1].At < newest {
			before.Comments = now.Comments
		}
		before.Silenced, before.Escalated = now.Silenced, now.Escalated
	}
	switch {
	case a != nil && (before.Acknowledged == nil || *before.Acknowledged != *a):
		e.Change, e.At = alarmAcknowledged, &a.At
	case n > len(before.Comments):
		e.Change, e.At = alarmCommented, &now.Comments[n-1].At
	case now.State != before.State && now.State == store.AlertResolved:
		e.Change, e.At = alarmResolved, now.ResolvedAt
	case now.State != before.State && now.State == store.AlertRecovering:
		e.Change = alarmRecovering
	case now.State != before.State:
		e.Change = alarmFired
	case a == nil && before.Acknowledged != nil:
		e.Change = alarmGivenBack
	case now.Silenced != "" && before.Silenced == "":
		e.Change = alarmSilenced
	case now.Escalated && !before.Escalated:
		e.Change = alarmEscalated
	default:
		return e, false
	}
	return e, true
}
