package notify

import (
	"net/http"
	"regexp"
	"strings"

	"tidegate/store"
)

const ntfyURL = "https://ntfy.sh"

// ntfyMessage is one of https://docs.ntfy.sh/publish/#publish-as-json
type ntfyMessage struct {
	Topic    string   `json:"topic"`
	Title    string   `json:"title"`
	Message  string   `json:"message"`
	Priority int      `json:"priority"` // 1 to 5
	Tags     []string `json:"tags,omitempty"`
	Click    string   `json:"click,omitempty"`
}

func checkNtfy(d *Dispatcher, c *store.Channel) error {
	if len(c.To) == 0 {
		return store.Invalid("channel", "to", "is needed: the topic")
	}
	for _, t := range c.To {
		if !regexp.MustCompile(`^[-_A-Za-z0-9]{1,64}$`).MatchString(t) {
			return store.Invalid("channel", "to", "%q is not a topic: it has 1 to 64 characters from A-Z a-z 0-9 - _", t)
		}
	}
	if c.URL == "" {
		return nil
	}
	return d.checkURL(c.URL, ntfyURL)
}

func ntfyPosts(d *Dispatcher, c *store.Channel, m *message) ([]recipient, error) {
	s := d.story(c, m)
	n := s.weighty
	v := ntfyMessage{Title: s.title(), Message: s.under(4000, 20), Priority: 3, Click: s.link(n)} // the server cuts at 4,096 bytes
	switch {
	case n.Cause == store.CauseResolved || n.Cause == store.CauseAcknowledged:
		v.Tags = []string{"white_check_mark"}
	case n.Event.Severity == store.SeverityCritical:
		v.Priority, v.Tags = 5, []string{"rotating_light"}
	case n.Event.Severity == store.SeverityWarning:
		v.Priority, v.Tags = 4, []string{"warning"}
	}
	address := c.URL
	if address == "" {
		address = ntfyURL
	}
	var out []recipient
	for _, topic := range c.To {
		v.Topic = topic
		p, err := d.postJSON(c, stepID(m.id, topic), strings.TrimSuffix(address, "/")+"/", v)
		if err != nil {
			return nil, err
		}
		if c.Secret != "" {
			p.header = http.Header{"Authorization": {"Bearer " + c.Secret}}
		}
		out = append(out, recipient{name: topic, post: p})
	}
	return out, nil
}
