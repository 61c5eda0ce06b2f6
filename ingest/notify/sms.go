package notify

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"tidegate/store"
)

// The ready-made gateways of sms.
const providerTwilio = "twilio"

func checkSMS(d *Dispatcher, c *store.Channel) error {
	if len(c.To) == 0 {
		return store.Invalid("channel", "to", "is needed: the numbers to reach, such as +491701234567")
	}
	for _, to := range c.To {
		if !phone().MatchString(to) {
			return store.Invalid("channel", "to", "%q is not a number such as +491701234567", to)
		}
	}
	switch c.Provider {
	case providerTwilio:
		return checkTwilio(d, c)
	case "":
	default:
		return store.Invalid("channel", "provider", "%q is unknown; use twilio, or leave it out and give url and body", c.Provider)
	}
	t, err := parseTemplate(c.URL)
	if err != nil {
		return store.Invalid("channel", "url", "%s", err)
	}
	if err := d.checkURL(string(t.Append(nil, func(string) (string, bool) { return "x", true })), "https://sms.example.org/send"); err != nil {
		return err
	}
	if host, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(c.URL, "https://"), "http://"), "/"); strings.Contains(host, "{") {
		return store.Invalid("channel", "url", "has placeholders behind the host alone")
	}
	if c.Method != "" && !slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPut}, c.Method) {
		return store.Invalid("channel", "method", "is GET, POST or PUT")
	}
	if c.Body == "" && !strings.Contains(c.URL, "{text") {
		return store.Invalid("channel", "body", "or url says what the gateway is sent, such as to={to|url}&text={text|url}")
	}
	return d.checkBody(c)
}

// phone is a number by E.164, or a short code.
func phone() *regexp.Regexp { return regexp.MustCompile(`^\+?[0-9]{3,15}$`) }

func smsPosts(d *Dispatcher, c *store.Channel, m *message) ([]recipient, error) {
	if c.Provider == providerTwilio {
		return twilioPosts(d, c, m)
	}
	address, err := parseTemplate(c.URL)
	if err != nil {
		return nil, store.Invalid("channel", "url", "%s", err)
	}
	body, err := parseTemplate(c.Body)
	if err != nil {
		return nil, store.Invalid("channel", "body", "%s", err)
	}
	s := d.story(c, m)
	short := s.short()
	var out []recipient
	for _, to := range c.To {
		s.to, s.from, s.whole = to, c.From, short
		p := d.post(c, stepID(m.id, to), string(address.Append(nil, s.value)), body.Append(nil, s.value))
		p.header, p.wanders = header(c.Headers), true
		if c.Method != "" {
			p.method = c.Method
		}
		if !looksLikeJSON(c.Body) {
			p.standing.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if len(p.body) == 0 {
			p.standing.Del("Content-Type")
		}
		if h := p.header.Get("Content-Type"); h != "" {
			p.standing.Set("Content-Type", h)
		}
		out = append(out, recipient{name: to, post: p})
	}
	return out, nil
}

// stepID is the idempotency key of one of a message's recipients.
func stepID(id, name string) string {
	return id + "-" + deliveryID([]store.Notification{{ID: name}})[3:11]
}

func checkTwilio(d *Dispatcher, c *store.Channel) error {
	sid, token, ok := strings.Cut(c.Secret, ":")
	if !ok || sid == "" || token == "" || !strings.HasPrefix(sid, "AC") && c.URL == "" {
		return store.Invalid("channel", "secret", "is the account's SID and its token, with a colon between: AC…:…")
	}
	if c.From == "" {
		return store.Invalid("channel", "from", "is needed: the sender's number, or a messaging service's SID (MG…)")
	}
	if c.Body != "" || c.Method != "" || len(c.Headers) > 0 {
		return store.Invalid("channel", "body", "and method and headers do not go with a provider")
	}
	if c.URL == "" {
		return nil
	}
	return d.checkURL(c.URL, "https://api.twilio.com/2010-04-01/Accounts/AC…/Messages.json")
}

// twilioPosts speaks as https://www.twilio.com/docs/messaging/api/message-resource
// has it.
func twilioPosts(d *Dispatcher, c *store.Channel, m *message) ([]recipient, error) {
	sid, token, _ := strings.Cut(c.Secret, ":")
	address := c.URL
	if address == "" {
		address = "https://api.twilio.com/2010-04-01/Accounts/" + url.PathEscape(sid) + "/Messages.json"
	}
	s := d.story(c, m)
	short := s.short()
	var out []recipient
	for _, to := range c.To {
		form := url.Values{"To": {to}, "Body": {short}}
		if strings.HasPrefix(c.From, "MG") {
			form.Set("MessagingServiceSid", c.From)
		} else {
			form.Set("From", c.From)
		}
		p := d.post(c, stepID(m.id, to), address, []byte(form.Encode()))
		p.standing.Set("Content-Type", "application/x-www-form-urlencoded")
		var auth http.Request
		auth.Header = http.Header{}
		auth.SetBasicAuth(sid, token)
		p.header = auth.Header
		out = append(out, recipient{name: to, post: p})
	}
	return out, nil
}

// The lengths of a text message: https://www.3gpp.org/dynareport/23038.htm
const (
	gsmLength  = 160 // characters of its own alphabet
	ucs2Length = 70  // UTF-16 units, as soon as one is not of it
	maxSMS     = 1500
)

// short is the message for a phone: in one text message where it can be.
func (s *story) short() string {
	if s.c.Text != "" {
		return cut(s.text(maxSMS, 10), maxSMS)
	}
	n := s.weighty
	e := &n.Event
	head := plain(headline(n))
	value := ""
	if v := e.Last; v != nil && e.Kind != store.CondNoData {
		value = plain(" " + quantity(*v, e.Unit))
	}
	when := " " + e.StartedAt.Time().Format(time.TimeOnly) + " UTC"
	if e.ResolvedAt != nil {
		when = " " + e.ResolvedAt.Time().Format(time.TimeOnly) + " UTC"
	}
	link := ""
	if l := s.link(n); l != "" {
		link = " " + l
	}
	more := s.more()
	for _, text := range []string{head + value + when + more + link, head + value + when + more, head + value + more, head + more} {
		if fits(text) {
			return text
		}
	}
	for r := []rune(head); len(r) > 0; r = r[:len(r)-1] {
		if text := string(r) + "..." + more; fits(text) {
			return text
		}
	}
	return more
}

// plain puts characters of a phone's alphabet in place of some that would halve
// the length of a message.
func plain(s string) string {
	return strings.NewReplacer(
		"°", "", "µ", "u", "μ", "u", "²", "2", "³", "3", "·", ".", "…", "...", "–", "-", "—", "-",
		"“", `"`, "”", `"`, "„", `"`, "’", "'", "‘", "'", "\u00a0", " ",
	).Replace(s)
}

// fits reports whether s goes in one text message.
func fits(s string) bool {
	n, units := 0, 0
	gsm := true
	for _, r := range s {
		units++
		if r > 0xffff {
			units++
		}
		switch {
		case strings.ContainsRune("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà", r):
			n++
		case strings.ContainsRune("\f^{}\\[~]|€", r):
			n += 2
		default:
			gsm = false
		}
	}
	if gsm {
		return n <= gsmLength
	}
	return units <= ucs2Length
}
