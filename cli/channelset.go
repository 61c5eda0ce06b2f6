package cli

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/store"
)

// channelFlags are those of a channel but for what never changes.
type channelFlags struct {
	cmd                         *cobra.Command
	name, url, method, provider string
	body, subject, text, from   string
	to, headers                 []string
	severities, digestOf        []string
	rate                        int
	expire, digest              store.Duration
	enabled, disabled           bool
	secret                      *secretFlag
}

func addChannelFlags(c *cobra.Command) *channelFlags {
	f := &channelFlags{cmd: c}
	d := func(name string, to *store.Duration, what string) { c.Flags().Var(&durationValue{d: to}, name, what) }
	c.Flags().StringVar(&f.name, "name", "", "name, unique within the organization")
	c.Flags().StringVar(&f.url, "url", "", "where to send, of all types but email")
	c.Flags().StringVar(&f.method, "method", "", "of webhook and sms (default POST)")
	c.Flags().StringArrayVar(&f.headers, "header", nil, "'Name: value', of webhook and sms; may be repeated")
	f.secret = addSecret(c, "secret", "signs a webhook; token of telegram and ntfy, routing key of pagerduty; better --secret-stdin")
	c.Flags().StringArrayVar(&f.to, "to", nil, "address of email, number of sms, topic of ntfy, chat of telegram; may be repeated")
	c.Flags().StringVar(&f.from, "from", "", "the sender's number, of sms")
	c.Flags().StringVar(&f.provider, "provider", "", "a ready-made gateway, of sms")
	c.Flags().StringVar(&f.body, "body", "", "template of what is sent, of webhook and sms")
	c.Flags().StringVar(&f.subject, "subject", "", "template of the subject, of email")
	c.Flags().StringVar(&f.text, "text", "", "template of what people read")
	c.Flags().StringSliceVar(&f.severities, "severities", nil, "that come here by themselves, of rules that name no channel: info,warning,critical or none")
	c.Flags().IntVar(&f.rate, "rate-per-hour", 0, "most messages an hour (default 120)")
	d("expire-after", &f.expire, "give up what could not be delivered for so long (default 24h)")
	d("digest-every", &f.digest, "gather --digest-of into one message so often")
	c.Flags().StringSliceVar(&f.digestOf, "digest-of", nil, "severities that wait for it: info,warning,critical or none")
	c.Flags().BoolVar(&f.enabled, "enabled", false, "tell (the default)")
	c.Flags().BoolVar(&f.disabled, "disabled", false, "keep the channel without telling")
	c.MarkFlagsMutuallyExclusive("enabled", "disabled")
	return f
}

func (f *channelFlags) given(names ...string) bool {
	return slices.ContainsFunc(names, f.cmd.Flags().Changed)
}

// severities reads a list of them; none is an empty one.
func severities(flag string, texts []string) ([]store.Severity, error) {
	out := []store.Severity{}
	if slices.Equal(texts, []string{"none"}) {
		return out, nil
	}
	for _, text := range texts {
		s := store.Severity(strings.TrimSpace(text))
		if err := oneOf(flag, s, store.Severities()); err != nil {
			return nil, err
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}

// headersOf reads 'Name: value'.
func headersOf(texts []string) (map[string]string, error) {
	var out map[string]string
	for _, text := range texts {
		name, value, ok := strings.Cut(text, ":")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, usage("--header: write 'Name: value'") // what was written may be a secret
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = strings.TrimSpace(value)
	}
	return out, nil
}

func (p *program) channelSet() *cobra.Command {
	var id, org string
	var remove []string
	var f *channelFlags
	c := verb("set", "Change what is given of a channel", func(ctx context.Context, _ []string) error {
		ch, err := f.change(p)
		if err != nil {
			return err
		}
		ch.RemoveHeaders = remove
		cl, err := p.connect()
		if err != nil {
			return err
		}
		was, err := channels(cl, org).find(ctx, id)
		if err != nil {
			return err
		}
		out, err := cl.UpdateChannel(ctx, was.ID, ch)
		if err != nil {
			return err
		}
		return p.object(out, channelFields(out)...)
	})
	c.Long = "Change what is given of a channel; the rest stays, its secret and its headers included."
	c.Example = "  tidegate channel set ops --header 'X-Key: another' --rate-per-hour 60\n" +
		"  tidegate channel set ops --secret '' --remove-header X-Key"
	subjectByName(c, &id, &org, "the channel")
	f = addChannelFlags(c)
	c.Flags().StringArrayVar(&remove, "remove-header", nil, "name; may be repeated")
	return c
}

// change answers what was given.
func (f *channelFlags) change(p *program) (ch client.ChannelChange, err error) {
	if !f.secret.given() && !f.given("name", "url", "method", "header", "to", "from", "provider", "body", "subject", "text", "severities",
		"rate-per-hour", "expire-after", "digest-every", "digest-of", "enabled", "disabled", "remove-header") {
		return ch, usage("nothing to change: give what is to be another, such as --url, --severities or --disabled")
	}
	for flag, to := range map[string]struct {
		field **string
		value *string
	}{
		"name": {&ch.Name, &f.name}, "url": {&ch.URL, &f.url}, "method": {&ch.Method, &f.method}, "provider": {&ch.Provider, &f.provider},
		"body": {&ch.Body, &f.body}, "subject": {&ch.Subject, &f.subject}, "text": {&ch.Text, &f.text}, "from": {&ch.From, &f.from},
	} {
		if f.given(flag) {
			*to.field = to.value
		}
	}
	if ch.Headers, err = headersOf(f.headers); err != nil {
		return ch, err
	}
	if f.given("to") {
		ch.To = slices.DeleteFunc(f.to, func(s string) bool { return s == "" })
	}
	if f.given("severities") {
		if ch.Severities, err = severities("severities", f.severities); err != nil {
			return ch, err
		}
	}
	if f.given("digest-of") {
		if ch.DigestOf, err = severities("digest-of", f.digestOf); err != nil {
			return ch, err
		}
	}
	if f.given("rate-per-hour") {
		ch.RatePerHour = &f.rate
	}
	if f.given("expire-after") {
		ch.ExpireAfter = &f.expire
	}
	if f.given("digest-every") {
		ch.DigestEvery = &f.digest
		if f.digest == 0 {
			ch.DigestOf = []store.Severity{}
		}
	}
	if f.given("enabled", "disabled") {
		on := f.enabled || f.given("disabled") && !f.disabled
		ch.Enabled = &on
	}
	ch.Secret, err = f.secret.read(p)
	return ch, err
}
