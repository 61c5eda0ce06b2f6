package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/store"
)

func (p *program) userNoun() *cobra.Command {
	return noun("user", "People who log in",
		p.userAdd(), p.userLs(), p.userGet(), p.userSet(), p.userRm(), p.userSessions(), p.userLogout())
}

func userFields(u client.User) []field {
	f := []field{
		{"id", u.ID},
		{"email", u.Email},
		{"name", u.Name},
		{"role", u.Role},
		{"orgId", u.OrgID},
		{"invited", u.Invited},
		{"createdAt", u.CreatedAt},
	}
	if u.PasswordChangedAt != 0 {
		f = append(f, field{"passwordChangedAt", u.PasswordChangedAt})
	}
	if u.LinkExpiresAt != 0 {
		f = append(f, field{"linkExpiresAt", u.LinkExpiresAt})
	}
	if u.Link != "" {
		f = append(f, field{"link", u.Link})
	}
	return f
}

// showUser prints u, and says of a new link what it is for.
func (p *program) showUser(u client.User) error {
	if err := p.object(u, userFields(u)...); err != nil {
		return err
	}
	if u.Link != "" {
		p.warn("the link is shown this once: whoever opens it chooses the password of %s", u.Email)
		if strings.Contains(u.Link, "://127.0.0.1") {
			p.warn("elsewhere it works with the box's address in place of 127.0.0.1")
		}
	}
	return nil
}

func (p *program) userAdd() *cobra.Command {
	var u client.NewUser
	var role string
	var password *secretFlag
	c := verb("add", "Make a user; without a password a link is shown, by which the user chooses one", func(ctx context.Context, _ []string) error {
		text, err := password.read(p)
		if err != nil {
			return err
		}
		if text != nil {
			u.Password = *text
		}
		if password.given() && u.Password == "" {
			return usage("the password is empty; leave it out for a link")
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		u.Role = store.Role(role)
		out, err := cl.CreateUser(ctx, u)
		if err != nil {
			return err
		}
		return p.showUser(out)
	})
	c.Example = "  tidegate user add --email ann@example.org --role company-admin\n" +
		"  tidegate user add --email bob@example.org --role org-admin --org acme --password-stdin < password.txt"
	c.Flags().StringVar(&u.Email, "email", "", "address that the user logs in with")
	c.Flags().StringVar(&u.Name, "name", "", "name")
	c.Flags().StringVar(&role, "role", "", "company-admin (all organizations), org-admin or viewer (of --org)")
	c.Flags().StringVar(&u.OrgID, "org", "", "organization; none for a company-admin")
	password = addSecret(c, "password", "password; better --password-stdin")
	required(c, "email", "role")
	return c
}

func (p *program) userLs() *cobra.Command {
	return verb("ls", "List users", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		l := newLister(p,
			col("email", func(u client.User) any { return u.Email }),
			col("role", func(u client.User) any { return u.Role }),
			col("orgId", func(u client.User) any { return u.OrgID }),
			col("name", func(u client.User) any { return u.Name }),
			col("invited", func(u client.User) any { return u.Invited }),
			col("id", func(u client.User) any { return u.ID }),
			col("createdAt", func(u client.User) any { return u.CreatedAt }))
		if err := client.All(ctx, cl.Users, l.item); err != nil {
			return err
		}
		return l.end("")
	})
}

func (p *program) userGet() *cobra.Command {
	var id string
	c := verb("get", "Show a user, by email address or id", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		u, err := cl.User(ctx, id)
		if err != nil {
			return err
		}
		return p.showUser(u)
	})
	subject(c, &id, "email", "the user's address, or id")
	return c
}

func (p *program) userSet() *cobra.Command {
	var id, name, role, org string
	var link bool
	var password *secretFlag
	var c *cobra.Command
	c = verb("set", "Change a user's name, role, organization or password, or make a link by which the user chooses one", func(ctx context.Context, _ []string) error {
		var ch client.UserChange
		var err error
		if ch.Password, err = password.read(p); err != nil {
			return err
		}
		if c.Flags().Changed("name") {
			ch.Name = &name
		}
		if c.Flags().Changed("role") {
			r := store.Role(role)
			ch.Role = &r
		}
		if c.Flags().Changed("org") {
			ch.OrgID = &org
		}
		if ch == (client.UserChange{}) && !link {
			return usage("nothing to change: give --name, --role, --org, --password-stdin or --reset-link")
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		var u client.User
		if ch != (client.UserChange{}) {
			if u, err = cl.UpdateUser(ctx, id, ch); err != nil {
				return err
			}
		}
		if link {
			l, err := cl.ResetLink(ctx, id)
			if err != nil {
				return err
			}
			if u, err = cl.User(ctx, id); err != nil {
				return err
			}
			u.Link = l.Link
		}
		return p.showUser(u)
	})
	subject(c, &id, "email", "the user's address, or id")
	c.Flags().StringVar(&name, "name", "", "name")
	c.Flags().StringVar(&role, "role", "", "company-admin, org-admin or viewer")
	c.Flags().StringVar(&org, "org", "", "organization; empty for a company-admin")
	password = addSecret(c, "password", "new password; better --password-stdin")
	c.Flags().BoolVar(&link, "reset-link", false, "make a link, good for a day; the old password is good until it is used")
	c.MarkFlagsMutuallyExclusive("reset-link", "password")
	c.MarkFlagsMutuallyExclusive("reset-link", "password-stdin")
	return c
}

func (p *program) userRm() *cobra.Command {
	var id string
	c := verb("rm", "Delete a user, by email address or id", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		if err := cl.DeleteUser(ctx, id); err != nil {
			return err
		}
		return p.deleted(id)
	})
	subject(c, &id, "email", "the user's address, or id")
	return c
}
