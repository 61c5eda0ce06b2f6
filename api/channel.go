package api

import (
	"context"
	"maps"
	"net/url"
	"reflect"
	"slices"

	"tidegate/store"
)

// Channel is a way in which an organization's people are told of alarms. Its
// secret and the values of its headers are told to nobody.
type Channel struct {
	ID          string            `json:"id" example:"ch-0123456789abcdef"`
	OrgID       string            `json:"orgId"`
	Name        string            `json:"name"`
	Type        store.ChannelType `json:"type" enum:"email,webhook,sms,ntfy,slack,telegram,teams,pagerduty"`
	Enabled     bool              `json:"enabled"`
	Severities  []store.Severity  `json:"severities,omitempty" enum:"info,warning,critical" nullable:"false" doc:"that come here by themselves: of rules that name no channel"`
	URL         string            `json:"url,omitempty" doc:"of all types but email"`
	Method      string            `json:"method,omitempty" doc:"of webhook and sms; absent: POST"`
	HeaderNames []string          `json:"headerNames,omitempty" nullable:"false" doc:"of webhook and sms; the values are told to nobody"`
	HasSecret   bool              `json:"hasSecret"`
	Provider    string            `json:"provider,omitempty" doc:"of sms: a ready-made gateway; absent: body is its template"`
	Body        string            `json:"body,omitempty" doc:"of webhook and sms: template; absent: that of the type"`
	Subject     string            `json:"subject,omitempty" doc:"of email: template"`
	Text        string            `json:"text,omitempty" doc:"of what people read: template"`
	To          []string          `json:"to,omitempty" nullable:"false" doc:"addresses of email, numbers of sms, the topic of ntfy, the chat of telegram"`
	From        string            `json:"from,omitempty" doc:"of sms: the sender's number"`
	RatePerHour int               `json:"ratePerHour,omitempty" doc:"messages; absent: 120"`
	ExpireAfter store.Duration    `json:"expireAfter,omitempty" doc:"what could not be delivered for so long is given up; absent: 24h"`
	DigestEvery store.Duration    `json:"digestEvery,omitempty" doc:"gathers the severities of digestOf into one message"`
	DigestOf    []store.Severity  `json:"digestOf,omitempty" enum:"info,warning,critical" nullable:"false"`
	CreatedAt   store.Time        `json:"createdAt"`
	UpdatedAt   store.Time        `json:"updatedAt"`
}

// NewChannel is a channel to be made.
type NewChannel struct {
	OrgID       string            `json:"orgId" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" example:"acme"`
	Name        string            `json:"name" minLength:"1" maxLength:"200" doc:"unique within the organization" example:"ops"`
	Type        store.ChannelType `json:"type" enum:"email,webhook,sms,ntfy,slack,telegram,teams,pagerduty"`
	Enabled     *bool             `json:"enabled,omitempty" doc:"absent: true"`
	Severities  []store.Severity  `json:"severities,omitempty" enum:"info,warning,critical" maxItems:"3" nullable:"false" doc:"that come here by themselves: of rules that name no channel"`
	URL         string            `json:"url,omitempty" maxLength:"2000" example:"https://example.org/hook"`
	Method      string            `json:"method,omitempty" maxLength:"20"`
	Headers     map[string]string `json:"headers,omitempty" doc:"go along with webhook and sms"`
	Secret      string            `json:"secret,omitempty" maxLength:"1000" doc:"signs a webhook; the token of telegram and ntfy, the routing key of pagerduty"`
	Provider    string            `json:"provider,omitempty" maxLength:"100"`
	Body        string            `json:"body,omitempty" maxLength:"20000"`
	Subject     string            `json:"subject,omitempty" maxLength:"1000"`
	Text        string            `json:"text,omitempty" maxLength:"20000"`
	To          []string          `json:"to,omitempty" maxItems:"100" nullable:"false"`
	From        string            `json:"from,omitempty" maxLength:"100"`
	RatePerHour int               `json:"ratePerHour,omitempty" minimum:"0" maximum:"100000"`
	ExpireAfter store.Duration    `json:"expireAfter,omitempty"`
	DigestEvery store.Duration    `json:"digestEvery,omitempty"`
	DigestOf    []store.Severity  `json:"digestOf,omitempty" enum:"info,warning,critical" maxItems:"3" nullable:"false"`
}

// ChannelChange replaces what is given; of headers those that are named.
type ChannelChange struct {
	Name          *string           `json:"name,omitempty" minLength:"1" maxLength:"200"`
	Enabled       *bool             `json:"enabled,omitempty"`
	Severities    []store.Severity  `json:"severities,omitzero" enum:"info,warning,critical" maxItems:"3" nullable:"false"`
	URL           *string           `json:"url,omitempty" maxLength:"2000"`
	Method        *string           `json:"method,omitempty" maxLength:"20"`
	Headers       map[string]string `json:"headers,omitzero" doc:"are added, or replace those of their names"`
	RemoveHeaders []string          `json:"removeHeaders,omitempty" maxItems:"32" nullable:"false" doc:"names"`
	Secret        *string           `json:"secret,omitempty" maxLength:"1000" doc:"empty: none"`
	Provider      *string           `json:"provider,omitempty" maxLength:"100"`
	Body          *string           `json:"body,omitempty" maxLength:"20000"`
	Subject       *string           `json:"subject,omitempty" maxLength:"1000"`
	Text          *string           `json:"text,omitempty" maxLength:"20000"`
	To            []string          `json:"to,omitzero" maxItems:"100" nullable:"false"`
	From          *string           `json:"from,omitempty" maxLength:"100"`
	RatePerHour   *int              `json:"ratePerHour,omitempty" minimum:"0" maximum:"100000" doc:"0: 120"`
	ExpireAfter   *store.Duration   `json:"expireAfter,omitempty" doc:"0: 24h"`
	DigestEvery   *store.Duration   `json:"digestEvery,omitempty" doc:"0, and digestOf empty: each at once"`
	DigestOf      []store.Severity  `json:"digestOf,omitzero" enum:"info,warning,critical" maxItems:"3" nullable:"false"`
}

// channelAudit is a channel as the trail shows it: with a mark where a secret is.
type channelAudit struct {
	Channel
	Headers map[string]string `json:"headers,omitempty"`
	Secret  string            `json:"secret,omitempty"`
}

func newChannel(c store.Channel) Channel {
	return Channel{
		ID: c.ID, OrgID: c.OrgID, Name: c.Name, Type: c.Type, Enabled: c.Enabled, Severities: c.Severities, URL: shownURL(c), Method: c.Method,
		HeaderNames: slices.Sorted(maps.Keys(c.Headers)), HasSecret: c.Secret != "", Provider: c.Provider, Body: c.Body, Subject: c.Subject,
		Text: c.Text, To: c.To, From: c.From, RatePerHour: c.RatePerHour, ExpireAfter: c.ExpireAfter, DigestEvery: c.DigestEvery,
		DigestOf: c.DigestOf, CreatedAt: at(c.CreatedAt), UpdatedAt: at(c.UpdatedAt),
	}
}

// shownURL answers the address of c, of which Slack and Teams make a secret: who
// knows the path may post. Of theirs the host alone is shown.
func shownURL(c store.Channel) string {
	if c.Type != store.ChannelSlack && c.Type != store.ChannelTeams || c.URL == "" {
		return c.URL
	}
	return receiver(c.URL) + "/…"
}

// auditOfChannel shows which headers and which secret are new beside none.
func auditOfChannel(c store.Channel) channelAudit { return auditOfChange(store.Channel{}, c) }

// auditOfChange shows c, and which of its secrets differ from those of was.
func auditOfChange(was, c store.Channel) channelAudit {
	out := channelAudit{Channel: newChannel(c)}
	for name, v := range c.Headers {
		if old, there := was.Headers[name]; there && old == v {
			continue
		}
		if out.Headers == nil {
			out.Headers = map[string]string{}
		}
		out.Headers[name] = blanked
	}
	if c.Secret != was.Secret && c.Secret != "" {
		out.Secret = blanked
	}
	return out
}

// checkChannel refuses what is wrong, by its type too.
func (a *Admin) checkChannel(c store.Channel) error {
	if err := c.Validate(); err != nil {
		return err
	}
	// Answers and the trail show the address.
	if u, err := url.Parse(c.URL); err == nil && u.User != nil {
		return store.Invalid("channel", "url", "has a user in it, and is shown to others; give it as a header Authorization")
	}
	if c.URL != "" && c.URL == shownURL(c) && (c.Type == store.ChannelSlack || c.Type == store.ChannelTeams) {
		return store.Invalid("channel", "url", "is what is shown of an address that is a secret; give the whole one")
	}
	return a.o.CheckChannel(c)
}

// CreateChannel makes a channel.
func (a *Admin) CreateChannel(ctx context.Context, n NewChannel) (Channel, error) {
	now := a.now()
	c := store.Channel{
		ID: store.NewChannelID(), OrgID: n.OrgID, Name: n.Name, Type: n.Type, Enabled: n.Enabled == nil || *n.Enabled, Severities: n.Severities,
		URL: n.URL, Method: n.Method, Headers: n.Headers, Secret: n.Secret, Provider: n.Provider, Body: n.Body, Subject: n.Subject,
		Text: n.Text, To: n.To, From: n.From, RatePerHour: n.RatePerHour, ExpireAfter: n.ExpireAfter, DigestEvery: n.DigestEvery,
		DigestOf: n.DigestOf, CreatedAt: now, UpdatedAt: now,
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.checkChannel(c); err != nil {
		return Channel{}, err
	}
	if _, err := a.seen(ctx).organization(ctx, c.OrgID); err != nil {
		return Channel{}, err
	}
	err := a.alter(ctx, change{"channel.create", "channel", c.ID, c.OrgID, nil, auditOfChannel(c)}, func() error {
		return a.o.Catalog.CreateChannel(ctx, c)
	})
	if err != nil {
		return Channel{}, err
	}
	return newChannel(c), a.refreshChannels(ctx)
}

// UpdateChannel changes a channel. A change that changes nothing is none.
func (a *Admin) UpdateChannel(ctx context.Context, id string, ch ChannelChange) (Channel, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	was, err := a.seen(ctx).channel(ctx, id)
	if err != nil {
		return Channel{}, err
	}
	c := was
	if err := ch.apply(&c); err != nil {
		return Channel{}, err
	}
	if reflect.DeepEqual(c, was) {
		return newChannel(c), nil
	}
	c.UpdatedAt = a.now()
	if err := a.checkChannel(c); err != nil {
		return Channel{}, err
	}
	before, after := channelAudit{Channel: newChannel(was)}, auditOfChange(was, c)
	err = a.alter(ctx, change{"channel.update", "channel", id, c.OrgID, before, after}, func() error {
		return a.o.Catalog.UpdateChannel(ctx, c)
	})
	if err != nil {
		return Channel{}, err
	}
	return newChannel(c), a.refreshChannels(ctx)
}

// keepsSecrets refuses another receiver that would get what was given for the
// one before: whoever changes a channel need not know its secrets.
func (ch ChannelChange) keepsSecrets(c *store.Channel) error {
	if ch.URL == nil || receiver(*ch.URL) == receiver(c.URL) {
		return nil
	}
	if c.Secret != "" && ch.Secret == nil {
		return store.Invalid("channel", "secret", "was given for another receiver: give it again with the new url, or \"\" for none")
	}
	for name := range c.Headers {
		if _, again := ch.Headers[name]; !again && !slices.Contains(ch.RemoveHeaders, name) {
			return store.Invalid("channel", "headers", "%s was given for another receiver: give it again with the new url, or name it in removeHeaders", name)
		}
	}
	return nil
}

// receiver answers whom a URL reaches; a text that is no URL is one of its own.
func receiver(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return u.Scheme + "://" + u.Host
}

func (ch ChannelChange) apply(c *store.Channel) error {
	if err := ch.keepsSecrets(c); err != nil {
		return err
	}
	set(&c.Name, ch.Name)
	set(&c.Enabled, ch.Enabled)
	set(&c.URL, ch.URL)
	set(&c.Method, ch.Method)
	set(&c.Secret, ch.Secret)
	set(&c.Provider, ch.Provider)
	set(&c.Body, ch.Body)
	set(&c.Subject, ch.Subject)
	set(&c.Text, ch.Text)
	set(&c.From, ch.From)
	set(&c.RatePerHour, ch.RatePerHour)
	set(&c.ExpireAfter, ch.ExpireAfter)
	set(&c.DigestEvery, ch.DigestEvery)
	setList(&c.Severities, ch.Severities)
	setList(&c.To, ch.To)
	setList(&c.DigestOf, ch.DigestOf)
	headers := maps.Clone(c.Headers)
	for _, name := range ch.RemoveHeaders {
		if _, there := headers[name]; !there {
			return store.Invalid("channel", "removeHeaders", "%q is not there", name)
		}
		delete(headers, name)
	}
	for name, v := range ch.Headers {
		if headers == nil {
			headers = map[string]string{}
		}
		headers[name] = v
	}
	if c.Headers = headers; len(headers) == 0 {
		c.Headers = nil
	}
	return nil
}

// DeleteChannel deletes a channel that no rule names.
func (a *Admin) DeleteChannel(ctx context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, err := a.seen(ctx).channel(ctx, id)
	if err != nil {
		return err
	}
	err = a.alter(ctx, change{"channel.delete", "channel", id, c.OrgID, auditOfChannel(c), nil}, func() error {
		return a.o.Catalog.DeleteChannel(ctx, id)
	})
	if err != nil {
		return err
	}
	return a.refreshChannels(ctx)
}
