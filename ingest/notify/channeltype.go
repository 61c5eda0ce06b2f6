package notify

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"tidegate/store"
)

// channelType is what a type of channel needs, and how it says a message.
type channelType struct {
	check func(d *Dispatcher, c *store.Channel) error
	// posts answers the requests of a message, each with the recipient that it is
	// for; nil: it is not HTTP.
	posts func(d *Dispatcher, c *store.Channel, m *message) ([]recipient, error)
	// ordered: a request that fails keeps back those behind it.
	ordered bool
	// judge looks closer at an answer than its status; nil: there is no need to.
	judge func(o outcome, a answer) outcome
}

// recipient is one request of a message.
type recipient struct {
	name string // unique within the message
	post *post
}

func channelTypes() map[store.ChannelType]channelType {
	return map[store.ChannelType]channelType{
		store.ChannelEmail:     {check: checkEmail},
		store.ChannelWebhook:   {check: checkWebhook, posts: webhookPosts},
		store.ChannelSMS:       {check: checkSMS, posts: smsPosts},
		store.ChannelNtfy:      {check: checkNtfy, posts: ntfyPosts},
		store.ChannelSlack:     {check: checkSlack, posts: slackPosts},
		store.ChannelTelegram:  {check: checkTelegram, posts: telegramPosts, judge: judgeTelegram},
		store.ChannelTeams:     {check: checkTeams, posts: teamsPosts},
		store.ChannelPagerDuty: {check: checkPagerDuty, posts: pagerdutyPosts, ordered: true},
	}
}

// alone reports whether each episode has messages of its own.
func alone(t store.ChannelType) bool { return t == store.ChannelPagerDuty }

// Validate reports the first thing that is wrong with c: what its type needs, its
// address, its templates. It looks nothing up.
func (d *Dispatcher) Validate(c store.Channel) error {
	if err := c.Validate(); err != nil {
		return err
	}
	t := channelTypes()[c.Type]
	if len(c.Headers) > 0 && c.Type != store.ChannelWebhook && c.Type != store.ChannelSMS {
		return store.Invalid("channel", "headers", "go with webhook and sms alone")
	}
	if c.Method != "" && c.Type != store.ChannelWebhook && c.Type != store.ChannelSMS {
		return store.Invalid("channel", "method", "goes with webhook and sms alone")
	}
	if c.Body != "" && c.Type != store.ChannelWebhook && c.Type != store.ChannelSMS {
		return store.Invalid("channel", "body", "goes with webhook and sms alone; use text")
	}
	if c.Provider != "" && c.Type != store.ChannelSMS {
		return store.Invalid("channel", "provider", "goes with sms alone")
	}
	if err := checkHeaders(c.Headers); err != nil {
		return err
	}
	for _, f := range []struct{ field, source string }{{"subject", c.Subject}, {"text", c.Text}, {"body", c.Body}} {
		if _, err := parseTemplate(f.source); err != nil {
			return store.Invalid("channel", f.field, "%s", err)
		}
	}
	return t.check(d, &c)
}

// checkURL reports what is wrong with an address that messages are sent to.
func (d *Dispatcher) checkURL(text, example string) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return store.Invalid("channel", "url", "is needed, such as %s", example)
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return store.Invalid("channel", "url", "is not an address such as %s", example)
	case u.User != nil:
		return store.Invalid("channel", "url", "has a name or a password in it, and can be read by many; put them in a header, such as Authorization")
	case u.Fragment != "":
		return store.Invalid("channel", "url", "ends in a fragment (#…), which is sent to nobody")
	}
	if a, ok := literal(u.Hostname()); ok {
		if err := d.http.guard.check(a); err != nil {
			return store.Invalid("channel", "url", "%s", err)
		}
	}
	if host := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."); host == "localhost" || strings.HasSuffix(host, ".localhost") {
		if err := d.http.guard.check(netip.AddrFrom4([4]byte{127, 0, 0, 1})); err != nil && d.http.guard.check(netip.IPv6Loopback()) != nil {
			return store.Invalid("channel", "url", "%s", err)
		}
	}
	return nil
}

// checkHeaders refuses headers that are the protocol's or ours.
func checkHeaders(headers map[string]string) error {
	for k, v := range headers {
		name := http.CanonicalHeaderKey(k)
		switch {
		case !isToken(k):
			return store.Invalid("channel", "headers", "%q is not the name of a header", k)
		case ours(name):
			return store.Invalid("channel", "headers", "%s is set by the box or by the protocol, and cannot be chosen", name)
		case len(k) > 200 || len(v) > 4000 || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			return store.Invalid("channel", "headers", "the value of %s has at most 4,000 bytes, in one line", name)
		}
	}
	return nil
}

func ours(name string) bool {
	switch name {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Te", "Trailer", "Upgrade", "Expect",
		"Content-Encoding", "Http2-Settings", "Idempotency-Key":
		return true
	}
	return strings.HasPrefix(name, "Proxy-") || strings.HasPrefix(name, "X-Tidegate-")
}

// isToken reports whether s may be the name of a header.
// https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
func isToken(s string) bool {
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r) {
			return false
		}
	}
	return s != ""
}

// header makes a channel's headers of its map.
func header(of map[string]string) http.Header {
	h := http.Header{}
	for k, v := range of {
		h.Set(k, v)
	}
	return h
}

// secrets are what must not be seen in a receiver's words.
func secrets(c *store.Channel) []string {
	var out []string
	for _, v := range c.Headers {
		out = append(out, v)
		if _, token, ok := strings.Cut(v, " "); ok {
			out = append(out, token)
		}
	}
	if c.Secret != "" {
		out = append(out, c.Secret)
		if _, token, ok := strings.Cut(c.Secret, ":"); ok && len(token) >= 8 {
			out = append(out, token)
		}
	}
	return out
}
