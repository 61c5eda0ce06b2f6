package embedded

import (
	"context"
	"errors"

	"tidegate/store"
)

type channelRecord struct {
	OrgID       string            `json:"org"`
	Name        string            `json:"name"`
	Type        store.ChannelType `json:"type"`
	Enabled     bool              `json:"enabled,omitempty"`
	Severities  []store.Severity  `json:"severities,omitempty"`
	URL         string            `json:"url,omitempty"`
	Method      string            `json:"method,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Secret      string            `json:"secret,omitempty"`
	Provider    string            `json:"provider,omitempty"`
	Body        string            `json:"body,omitempty"`
	Subject     string            `json:"subject,omitempty"`
	Text        string            `json:"text,omitempty"`
	To          []string          `json:"to,omitempty"`
	From        string            `json:"from,omitempty"`
	RatePerHour int               `json:"rate,omitempty"`
	ExpireAfter store.Duration    `json:"expire,omitempty"`
	DigestEvery store.Duration    `json:"digest,omitempty"`
	DigestOf    []store.Severity  `json:"digestOf,omitempty"`
	CreatedAt   int64             `json:"created"`
	UpdatedAt   int64             `json:"updated"`
}

var channels = kind[store.Channel]{
	"channel", channelBucket, orgChannelBucket,
	func(c store.Channel) (id, orgID string) { return c.ID, c.OrgID },
	encodeChannel, decodeChannel,
}

func encodeChannel(c store.Channel) []byte {
	return encodeRecord(channelRecord{
		OrgID: c.OrgID, Name: c.Name, Type: c.Type, Enabled: c.Enabled, Severities: c.Severities,
		URL: c.URL, Method: c.Method, Headers: c.Headers, Secret: c.Secret, Provider: c.Provider,
		Body: c.Body, Subject: c.Subject, Text: c.Text, To: c.To, From: c.From,
		RatePerHour: c.RatePerHour, ExpireAfter: c.ExpireAfter, DigestEvery: c.DigestEvery, DigestOf: c.DigestOf,
		CreatedAt: c.CreatedAt.UnixMilli(), UpdatedAt: c.UpdatedAt.UnixMilli(),
	})
}

func decodeChannel(id string, b []byte) (store.Channel, error) {
	var r channelRecord
	if err := decodeRecord("channel", id, b, &r); err != nil {
		return store.Channel{}, err
	}
	return store.Channel{
		ID: id, OrgID: r.OrgID, Name: r.Name, Type: r.Type, Enabled: r.Enabled, Severities: r.Severities,
		URL: r.URL, Method: r.Method, Headers: r.Headers, Secret: r.Secret, Provider: r.Provider,
		Body: r.Body, Subject: r.Subject, Text: r.Text, To: r.To, From: r.From,
		RatePerHour: r.RatePerHour, ExpireAfter: r.ExpireAfter, DigestEvery: r.DigestEvery, DigestOf: r.DigestOf,
		CreatedAt: milliTime(r.CreatedAt), UpdatedAt: milliTime(r.UpdatedAt),
	}, nil
}

// CreateChannel implements store.Channels.
func (c *Catalog) CreateChannel(ctx context.Context, ch store.Channel) error {
	return c.update(ctx, "create channel", func(t *catalogTx) error {
		if err := ch.Validate(); err != nil {
			return err
		}
		if t.bucket(channelBucket).Get([]byte(ch.ID)) != nil {
			return store.Conflict("channel", ch.ID, "exists already; choose another id")
		}
		if _, err := t.organization(ch.OrgID); err != nil {
			return err
		}
		if err := t.checkChannelName(ch); err != nil {
			return err
		}
		ch.CreatedAt, ch.UpdatedAt = kept(ch.CreatedAt, t.now), kept(ch.UpdatedAt, t.now)
		return t.putChannel(ch)
	})
}

func (t *catalogTx) checkChannelName(ch store.Channel) error {
	holder := t.bucket(channelNameBucket).Get(pair(ch.OrgID, ch.Name))
	if holder == nil || string(holder) == ch.ID {
		return nil
	}
	return store.Conflict("channel", ch.Name, "the name is that of channel %s of %s; choose another", holder, ch.OrgID)
}

func (t *catalogTx) putChannel(ch store.Channel) error {
	return errors.Join(
		channels.put(t, ch),
		t.bucket(channelNameBucket).Put(pair(ch.OrgID, ch.Name), []byte(ch.ID)),
		t.needFormat(formatAlerts),
	)
}

// takeChannel puts ch in the place of the one that may be there.
func (t *catalogTx) takeChannel(ch store.Channel) error {
	return errors.Join(t.dropChannel(ch.ID), t.putChannel(ch))
}

// dropChannel removes a channel that may be there.
func (t *catalogTx) dropChannel(id string) error {
	ch, ok, err := channels.find(t, id)
	if !ok {
		return err
	}
	return t.removeChannel(ch)
}

func (t *catalogTx) removeChannel(ch store.Channel) error {
	return errors.Join(channels.remove(t, ch), t.unnameChannel(ch))
}

// unnameChannel gives a channel's name back. In a copy it may be another's by
// now.
func (t *catalogTx) unnameChannel(ch store.Channel) error {
	names, name := t.bucket(channelNameBucket), pair(ch.OrgID, ch.Name)
	if string(names.Get(name)) != ch.ID {
		return nil
	}
	return names.Delete(name)
}

// UpdateChannel implements store.Channels.
func (c *Catalog) UpdateChannel(ctx context.Context, ch store.Channel) error {
	return c.update(ctx, "update channel", func(t *catalogTx) error {
		was, err := channels.get(t, ch.ID)
		if err != nil {
			return err
		}
		ch.OrgID, ch.CreatedAt = was.OrgID, was.CreatedAt
		if err := ch.Validate(); err != nil {
			return err
		}
		if err := t.checkChannelName(ch); err != nil {
			return err
		}
		ch.UpdatedAt = kept(ch.UpdatedAt, t.now)
		return errors.Join(t.unnameChannel(was), t.putChannel(ch))
	})
}

// Channel implements store.Channels.
func (c *Catalog) Channel(ctx context.Context, id string) (ch store.Channel, err error) {
	err = c.view(ctx, func(t *catalogTx) error { ch, err = channels.get(t, id); return err })
	return ch, err
}

// ListChannels implements store.Channels.
func (c *Catalog) ListChannels(ctx context.Context, f store.ChannelFilter) (out []store.Channel, err error) {
	err = c.view(ctx, func(t *catalogTx) error { out, err = channels.list(t, f.OrgID, f.Page); return err })
	return out, err
}

// DeleteChannel implements store.Channels.
func (c *Catalog) DeleteChannel(ctx context.Context, id string) error {
	return c.update(ctx, "delete channel", func(t *catalogTx) error {
		ch, err := channels.get(t, id)
		if err != nil {
			return err
		}
		r, named, err := t.ruleNaming(ch.OrgID, id)
		if err != nil {
			return err
		}
		if named {
			return store.Conflict("channel", id, "is named by alert rule %s (%s); take it out of the rule, or disable the channel", r.ID, r.Name)
		}
		return t.removeChannel(ch)
	})
}
