package notify

import (
	"strings"

	"tidegate/store"
)

// slackMessage is one of https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
// with blocks of https://docs.slack.dev/reference/block-kit/blocks
type slackMessage struct {
	Text   string       `json:"text"` // of the notification on the phone
	Blocks []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type     string      `json:"type"`
	Text     *slackText  `json:"text,omitempty"`
	Elements []slackText `json:"elements,omitempty"`
}

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

func checkSlack(d *Dispatcher, c *store.Channel) error {
	return d.checkURL(c.URL, "https://hooks.slack.com/services/T…/B…/…")
}

func slackPosts(d *Dispatcher, c *store.Channel, m *message) ([]recipient, error) {
	s := d.story(c, m)
	// A header has 150 characters at most, a section 3,000.
	v := slackMessage{Text: slackEscape(cut(s.title(), 300)), Blocks: []slackBlock{
		{Type: "header", Text: &slackText{"plain_text", cut(s.title(), 150)}},
		{Type: "section", Text: &slackText{"mrkdwn", slackEscape(cutEscaped(s.under(2900, 15), 2900))}},
	}}
	if l := s.link(s.weighty); l != "" {
		v.Blocks = append(v.Blocks, slackBlock{Type: "context", Elements: []slackText{{"mrkdwn", "<" + l + "|open in tidegate>"}}})
	}
	p, err := d.postJSON(c, m.id, c.URL, v)
	if err != nil {
		return nil, err
	}
	p.secrets = append(p.secrets, addressSecret(c.URL))
	return []recipient{{post: p}}, nil
}

// cutEscaped cuts s so that it has at most n bytes once it is escaped.
func cutEscaped(s string, n int) string {
	for len(slackEscape(s)) > n {
		s = cut(s, len(s)-max(4, (len(slackEscape(s))-n)/5))
	}
	return s
}

// addressSecret is the part of an address that is as good as a password.
func addressSecret(address string) string {
	_, path, _ := strings.Cut(strings.TrimPrefix(address, "https://"), "/")
	return path
}

// slackEscape is by https://docs.slack.dev/messaging/formatting-message-text#escaping
func slackEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
