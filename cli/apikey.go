package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/cli/config"
	"tidegate/store"
)

func (p *program) apikeyNoun() *cobra.Command {
	return noun("apikey", "Keys that let programs in, over HTTP and MQTT",
		p.apikeyAdd(), p.apikeyLs(), p.apikeyGet(), p.apikeySet(), p.apikeyRm())
}

func apikeyFields(k client.APIKey) []field {
	f := []field{
		{"id", k.ID},
		{"name", k.Name},
		{"orgId", orAll(k.OrgID)},
		{"scopes", joined(k.Scopes)},
		{"deviceIds", orAll(strings.Join(k.DeviceIDs, ", "))},
		{"expiresAt", orNever(k.ExpiresAt)},
		{"expired", k.Expired},
		{"lastUsedAt", orNever(k.LastUsedAt)},
		{"lastUsedFrom", k.LastUsedFrom},
		{"createdBy", k.CreatedBy},
		{"createdAt", k.CreatedAt},
	}
	if k.Key != "" {
		f = append(f, field{"key", k.Key})
	}
	return f
}

func orAll(s string) string {
	if s == "" {
		return "all"
	}
	return s
}

func orNever(t *store.Time) any {
	if t == nil {
		return "never"
	}
	return *t
}

// expiry reads when a key ends: after a time such as 90d, at a moment, or never.
func expiry(text string, now time.Time) (end *time.Time, never bool, err error) {
	if text == "never" {
		return nil, true, nil
	}
	if d, err := config.ParseDuration(text); err == nil && d > 0 {
		t := now.Add(d)
		return &t, false, nil
	}
	t, err := parseTime(text, now)
	if err != nil {
		return nil, false, usage("--expires %s: write 90d, 2026-12-31T00:00:00Z or never", text)
	}
	return &t, false, nil
}

func (p *program) apikeyAdd() *cobra.Command {
	var k client.NewAPIKey
	var scopes []string
	var expires string
	c := verb("add", "Make a key; it is shown once", func(ctx context.Context, _ []string) error {
		var err error
		if expires != "" {
			if k.ExpiresAt, _, err = expiry(expires, time.Now()); err != nil {
				return err
			}
		}
		for _, s := range scopes {
			k.Scopes = append(k.Scopes, store.Scope(s))
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		out, err := cl.CreateAPIKey(ctx, k)
		if err != nil {
			return err
		}
		if err := p.object(out, apikeyFields(out)...); err != nil {
			return err
		}
		p.warn("the key is shown this once: it is stored as a hash. Over HTTP send it as `Authorization: Bearer KEY`; over MQTT the user name is its id, the password the key")
		return nil
	})
	c.Example = "  tidegate apikey add --name 'PLC gateway' --org acme --scopes ingest\n" +
		"  tidegate apikey add --name Grafana --org acme --scopes read --device d1 --device d2 --expires 90d"
	c.Flags().StringVar(&k.Name, "name", "", "what the key is for")
	c.Flags().StringVar(&k.OrgID, "org", "", "organization (default: all)")
	c.Flags().StringSliceVar(&scopes, "scopes", nil, "read, write, ingest or admin, or several, separated by commas")
	c.Flags().StringArrayVar(&k.DeviceIDs, "device", nil, "the key sees these devices alone; may be repeated (default: all of the organization)")
	c.Flags().StringVar(&expires, "expires", "", "when it ends, such as 90d or 2026-12-31T00:00:00Z (default: never)")
	required(c, "name", "scopes")
	return c
}

func (p *program) apikeyLs() *cobra.Command {
	var org string
	c := verb("ls", "List keys, and when each was last used", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		l := newLister(p,
			col("id", func(k client.APIKey) any { return k.ID }),
			col("name", func(k client.APIKey) any { return k.Name }),
			col("orgId", func(k client.APIKey) any { return orAll(k.OrgID) }),
			col("scopes", func(k client.APIKey) any { return joined(k.Scopes) }),
			col("deviceIds", func(k client.APIKey) any { return orAll(strings.Join(k.DeviceIDs, " ")) }),
			col("expiresAt", func(k client.APIKey) any { return orNever(k.ExpiresAt) }),
			col("expired", func(k client.APIKey) any { return k.Expired }),
			col("lastUsedAt", func(k client.APIKey) any { return orNever(k.LastUsedAt) }),
			col("lastUsedFrom", func(k client.APIKey) any { return k.LastUsedFrom }))
		list := func(ctx context.Context, page client.Page) (client.List[client.APIKey], error) {
			return cl.APIKeys(ctx, org, page)
		}
		if err := client.All(ctx, list, l.item); err != nil {
			return err
		}
		return l.end("")
	})
	c.Flags().StringVar(&org, "org", "", "of this organization alone")
	return c
}

func (p *program) apikeyGet() *cobra.Command {
	var id string
	c := verb("get", "Show a key, without its secret", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		k, err := cl.APIKey(ctx, id)
		if err != nil {
			return err
		}
		return p.object(k, apikeyFields(k)...)
	})
	subject(c, &id, "id", "the key's id")
	return c
}

func (p *program) apikeySet() *cobra.Command {
	var id, name, expires string
	var ch client.APIKeyChange
	var c *cobra.Command
	c = verb("set", "Change a key's name, end or devices; what it may do stays", func(ctx context.Context, _ []string) error {
		if c.Flags().Changed("name") {
			ch.Name = &name
		}
		if expires != "" {
			var err error
			if ch.ExpiresAt, ch.Never, err = expiry(expires, time.Now()); err != nil {
				return err
			}
		}
		if ch.Name == nil && expires == "" && ch.DeviceIDs == nil && !ch.AllDevices {
			return usage("nothing to change: give --name, --expires, --device or --all-devices")
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		k, err := cl.UpdateAPIKey(ctx, id, ch)
		if err != nil {
			return err
		}
		return p.object(k, apikeyFields(k)...)
	})
	subject(c, &id, "id", "the key's id")
	c.Flags().StringVar(&name, "name", "", "what the key is for")
	c.Flags().StringVar(&expires, "expires", "", "when it ends, such as 90d, 2026-12-31T00:00:00Z or never")
	c.Flags().StringArrayVar(&ch.DeviceIDs, "device", nil, "in place of the list of devices; may be repeated")
	c.Flags().BoolVar(&ch.AllDevices, "all-devices", false, "take the list of devices away")
	c.MarkFlagsMutuallyExclusive("device", "all-devices")
	return c
}

func (p *program) apikeyRm() *cobra.Command {
	var id string
	c := verb("rm", "Delete a key and end its connections", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		if err := cl.DeleteAPIKey(ctx, id); err != nil {
			return err
		}
		return p.deleted(id)
	})
	subject(c, &id, "id", "the key's id")
	return c
}
