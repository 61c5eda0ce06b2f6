package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/store"
)

func (p *program) userNoun() *cobra.Command {
	return noun("user", "People who log in", p.userAdd(), p.userLs(), p.userGet(), p.userSet(), p.userRm())
}

func userFields(u client.User) []field {
	return []field{{"id", u.ID}, {"email", u.Email}, {"role", u.Role}, {"orgId", u.OrgID}, {"createdAt", u.CreatedAt}}
}

func (p *program) userAdd() *cobra.Command {
	var u client.NewUser
	var role string
	var password *secretFlag
	c := verb("add", "Make a user", func(ctx context.Context, _ []string) error {
		text, err := password.read(p)
		if err != nil {
			return err
		}
		if text == nil {
			asked, err := p.ask("Password of "+u.Email, "password-stdin", true)
			if err != nil {
				return err
			}
			text = &asked
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		u.Password, u.Role = *text, store.Role(role)
		out, err := cl.CreateUser(ctx, u)
		if err != nil {
			return err
		}
		return p.object(out, userFields(out)...)
	})
	c.Example = "  tidegate user add --email ann@example.org --role org-admin --org acme --password-stdin < password.txt"
	c.Flags().StringVar(&u.Email, "email", "", "address that the user logs in with")
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
			column[client.User]{"email", func(u client.User) any { return u.Email }},
			column[client.User]{"role", func(u client.User) any { return u.Role }},
			column[client.User]{"orgId", func(u client.User) any { return u.OrgID }},
			column[client.User]{"id", func(u client.User) any { return u.ID }},
			column[client.User]{"createdAt", func(u client.User) any { return u.CreatedAt }})
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
		return p.object(u, userFields(u)...)
	})
	subject(c, &id, "email", "the user's address, or id")
	return c
}

func (p *program) userSet() *cobra.Command {
	var id, role, org string
	var password *secretFlag
	var c *cobra.Command
	c = verb("set", "Change a user's role, organization or password", func(ctx context.Context, _ []string) error {
		var ch client.UserChange
		var err error
		if ch.Password, err = password.read(p); err != nil {
			return err
		}
		if c.Flags().Changed("role") {
			r := store.Role(role)
			ch.Role = &r
		}
		if c.Flags().Changed("org") {
			ch.OrgID = &org
		}
		if ch == (client.UserChange{}) {
			return usage("nothing to change: give --role, --org or --password-stdin")
		}
		cl, err := p.connect()
		if err != nil {
			return err
		}
		u, err := cl.UpdateUser(ctx, id, ch)
		if err != nil {
			return err
		}
		return p.object(u, userFields(u)...)
	})
	subject(c, &id, "email", "the user's address, or id")
	c.Flags().StringVar(&role, "role", "", "company-admin, org-admin or viewer")
	c.Flags().StringVar(&org, "org", "", "organization")
	password = addSecret(c, "password", "new password; better --password-stdin")
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
