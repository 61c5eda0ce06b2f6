package alert

import (
	"math"
	"strings"

	"tidegate/ingest/template"
	"tidegate/store"
)

// Message is the text with which a rule's episodes are told: the rule's own, or
// a sentence for its kind. It does not change.
type Message struct {
	fires, resolved, closed *template.Template
	// Outside of one level alone is above it, or below.
	above, below *Message
}

// Facts are what a message is about.
type Facts struct {
	Event  *store.AlertEvent
	Device store.Device // its name and serial number
	Plan   *Plan        // under which the episode goes on
	Now    int64        // Unix ms, of the change that is told
}

// NewMessage reads a rule's message. A placeholder that is not known is
// store.ErrInvalid, naming those that are. The rule's own text is told in every
// state, as it may use {state}.
func NewMessage(r store.AlertRule) (*Message, error) {
	own := r.Message
	if strings.TrimSpace(own) != "" {
		t, err := template.Parse(own, Placeholders())
		if err != nil {
			return nil, store.Invalid("alert rule", "message", "%s", err)
		}
		return &Message{fires: t, resolved: t, closed: t}, nil
	}
	m := &Message{}
	s := sentences[conditions[r.Condition.Kind]]
	for _, part := range []struct {
		to   **template.Template
		text string
	}{{&m.fires, s[0]}, {&m.resolved, s[1]}, {&m.closed, closing}} {
		t, err := template.Parse(part.text, Placeholders())
		if err != nil {
			return nil, store.Invalid("alert rule", "message", "%s", err)
		}
		*part.to = t
	}
	if r.Condition.Kind == store.CondOutside {
		for kind, to := range map[store.ConditionKind]**Message{store.CondAbove: &m.above, store.CondBelow: &m.below} {
			var err error
			if *to, err = NewMessage(store.AlertRule{Condition: store.Condition{Kind: kind}}); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

// Text answers the message of an episode as it stands.
func (m *Message) Text(f Facts) string {
	if m.above != nil {
		switch low, high := f.Plan.Levels(); {
		case math.IsInf(low, -1):
			m = m.above
		case math.IsInf(high, 1):
			m = m.below
		}
	}
	t := m.fires
	if f.Event.State == store.AlertResolved {
		if t = m.resolved; f.Event.End != store.EndCleared {
			t = m.closed
		}
	}
	return string(t.Append(nil, f.value))
}
