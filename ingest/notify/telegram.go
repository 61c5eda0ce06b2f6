package notify

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"tidegate/store"
)

const telegramURL = "https://api.telegram.org"

// telegramMessage is one of https://core.telegram.org/bots/api#sendmessage
type telegramMessage struct {
	ChatID    string `json:"chat_id"`
	Text      string `json:"text"`
	ParseMode string `json:"parse_mode"`
	Preview   struct {
		IsDisabled bool `json:"is_disabled"`
	} `json:"link_preview_options"`
	Silent bool `json:"disable_notification,omitempty"`
}

func checkTelegram(d *Dispatcher, c *store.Channel) error {
	if !regexp.MustCompile(`^[0-9]+:[A-Za-z0-9_-]{10,}$`).MatchString(c.Secret) {
		return store.Invalid("channel", "secret", "is the bot's token, such as 123456:ABC-DEF…")
	}
	if len(c.To) == 0 {
		return store.Invalid("channel", "to", "is needed: the chat's id, or @ and the channel's name")
	}
	for _, to := range c.To {
		if !regexp.MustCompile(`^(-?[0-9]{1,20}|@[A-Za-z0-9_]{3,64})$`).MatchString(to) {
			return store.Invalid("channel", "to", "%q is neither a chat's id, such as -1001234567890, nor @ and a channel's name", to)
		}
	}
	if c.URL == "" {
		return nil
	}
	return d.checkURL(c.URL, telegramURL)
}

func telegramPosts(d *Dispatcher, c *store.Channel, m *message) ([]recipient, error) {
	s := d.story(c, m)
	n := s.weighty
	var v telegramMessage
	// A text has 4,096 characters at most once its entities are read.
	v.Text = "<b>" + telegramEscape(cut(s.title(), 500)) + "</b>\n" + telegramEscape(s.under(3000, 20))
	if l := s.link(n); l != "" && len(s.said) == 1 {
		v.Text += "\n" + telegramEscape(l)
	}
	v.ParseMode = "HTML"
	v.Preview.IsDisabled = true
	v.Silent = n.Cause == store.CauseResolved || n.Cause == store.CauseAcknowledged || n.Event.Severity == store.SeverityInfo
	address := c.URL
	if address == "" {
		address = telegramURL
	}
	var out []recipient
	for _, chat := range c.To {
		v.ChatID = chat
		p, err := d.postJSON(c, stepID(m.id, chat), strings.TrimSuffix(address, "/")+"/bot"+c.Secret+"/sendMessage", v)
		if err != nil {
			return nil, err
		}
		out = append(out, recipient{name: chat, post: p})
	}
	return out, nil
}

// telegramEscape is by https://core.telegram.org/bots/api#html-style
func telegramEscape(s string) string { return slackEscape(s) }

// judgeTelegram reads how long to wait, which stands in the body:
// https://core.telegram.org/bots/api#responseparameters
func judgeTelegram(o outcome, a answer) outcome {
	var v struct {
		Description string `json:"description"`
		Parameters  struct {
			RetryAfter int `json:"retry_after"`
		} `json:"parameters"`
	}
	if o.kind == delivered || json.Unmarshal(a.body, &v) != nil {
		return o
	}
	if v.Description != "" {
		o.words = words(v.Description)
	}
	if o.kind == again && v.Parameters.RetryAfter > 0 {
		o.after = max(o.after, min(time.Duration(v.Parameters.RetryAfter), longestAfter/time.Second)*time.Second)
	}
	return o
}
