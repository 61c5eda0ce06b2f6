package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tidegate/api/client"
)

func (p *program) userSessions() *cobra.Command {
	var id string
	c := verb("sessions", "List where a user is logged in, the last used first", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		list, err := cl.UserSessions(ctx, id)
		if err != nil {
			return err
		}
		return newLister(p,
			col("id", func(s client.Session) any { return s.ID }),
			col("createdAt", func(s client.Session) any { return s.CreatedAt }),
			col("lastUsedAt", func(s client.Session) any { return s.LastUsedAt }),
			col("expiresAt", func(s client.Session) any { return s.ExpiresAt }),
			col("remote", func(s client.Session) any { return s.Remote }),
			col("userAgent", func(s client.Session) any { return p.shorten(s.UserAgent) })).all(list.Items)
	})
	subject(c, &id, "email", "the user's address, or id")
	return c
}

func (p *program) userLogout() *cobra.Command {
	var id, session string
	c := verb("logout", "End a user's sessions at once, or one of them", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		if session != "" {
			err = cl.EndUserSession(ctx, id, session)
		} else {
			err = cl.EndUserSessions(ctx, id)
		}
		if err != nil {
			return err
		}
		return p.object(map[string]string{"loggedOut": id}, field{"loggedOut", id})
	})
	c.Example = "  tidegate user logout ann@example.org\n  tidegate user logout ann@example.org --session ID"
	subject(c, &id, "email", "the user's address, or id")
	c.Flags().StringVar(&session, "session", "", "this one alone; `tidegate user sessions` lists them")
	return c
}
