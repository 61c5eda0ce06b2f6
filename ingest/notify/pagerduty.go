package notify

import (
	"regexp"

	"tidegate/store"
)

const pagerdutyURL = "https://events.pagerduty.com/v2/enqueue"

// pagerdutyEvent is one of https://developer.pagerduty.com/docs/send-alert-event
type pagerdutyEvent struct {
	RoutingKey string            `json:"routing_key"`
	Action     string            `json:"event_action"` // trigger, acknowledge, resolve
	DedupKey   string            `json:"dedup_key"`
	Client     string            `json:"client,omitempty"`
	ClientURL  string            `json:"client_url,omitempty"`
	Payload    *pagerdutyPayload `json:"payload,omitempty"` // of trigger
	Links      []pagerdutyLink   `json:"links,omitempty"`
}

type pagerdutyPayload struct {
	Summary   string           `json:"summary"` // at most 1,024 characters
	Source    string           `json:"source"`
	Severity  string           `json:"severity"` // critical, error, warning, info
	Timestamp store.Time       `json:"timestamp"`
	Component string           `json:"component"`
	Group     string           `json:"group"`
	Class     string           `json:"class"`
	Details   pagerdutyDetails `json:"custom_details"`
}

type pagerdutyDetails struct {
	Text  string           `json:"text"`
	Event store.AlertEvent `json:"event"`
}

type pagerdutyLink struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

func checkPagerDuty(d *Dispatcher, c *store.Channel) error {
	if !regexp.MustCompile(`^[A-Za-z0-9]{32}$`).MatchString(c.Secret) {
		return store.Invalid("channel", "secret", "is the routing key (integration key) of Events API v2: 32 letters and digits")
	}
	if c.DigestEvery != 0 {
		return store.Invalid("channel", "digestEvery", "does not go with pagerduty, which has an incident for each episode")
	}
	if c.URL == "" {
		return nil
	}
	return d.checkURL(c.URL, pagerdutyURL)
}

// pagerdutyPosts answers a request for each thing that is said, in order. The
// episode is the incident, whatever is said of it and however often.
func pagerdutyPosts(d *Dispatcher, c *store.Channel, m *message) ([]recipient, error) {
	s := d.story(c, m)
	address := c.URL
	if address == "" {
		address = pagerdutyURL
	}
	var out []recipient
	for i := range s.said {
		n := &s.said[i]
		for _, action := range pagerdutyActions(n) {
			v := pagerdutyEvent{RoutingKey: c.Secret, Action: action, DedupKey: n.Event.ID}
			if action == "trigger" {
				one := *s
				one.weighty, one.said = n, s.said[i:i+1]
				v.Client, v.ClientURL = "tidegate", s.link(n)
				v.Payload = &pagerdutyPayload{
					Summary: cut(one.title(), 1000), Source: n.Event.DeviceID, Severity: string(n.Event.Severity), Timestamp: n.Event.StartedAt,
					Component: portTitle(&n.Event), Group: n.OrgID, Class: string(n.Event.Kind),
					Details: pagerdutyDetails{one.text(4000, 1), n.Event},
				}
				if l := s.link(n); l != "" {
					v.Links = []pagerdutyLink{{l, "Open in tidegate"}}
				}
			}
			name := n.ID + " " + action
			p, err := d.postJSON(c, stepID(m.id, name), address, v)
			if err != nil {
				return nil, err
			}
			out = append(out, recipient{name: name, post: p})
		}
	}
	return out, nil
}

func pagerdutyActions(n *store.Notification) []string {
	switch n.Cause {
	case store.CauseResolved:
		return []string{"resolve"}
	case store.CauseAcknowledged:
		return []string{"acknowledge"}
	case store.CauseTest:
		return []string{"trigger", "resolve"} // no incident is left behind
	case store.CauseResend:
		if !n.Event.Open() {
			return []string{"resolve"}
		}
	}
	return []string{"trigger"}
}
