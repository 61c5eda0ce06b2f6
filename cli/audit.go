package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"tidegate/api/client"
	"tidegate/cli/gateway"
	"tidegate/store"
)

func (p *program) auditNoun() *cobra.Command {
	return noun("audit", "The trail of changes: who did what", p.auditLs(), p.auditExport(), p.auditVerify())
}

func (p *program) auditLs() *cobra.Command {
	var q client.AuditQuery
	var limit int
	var from, to moment
	var cursor string
	c := verb("ls", "List changes in the order in which they were made", func(ctx context.Context, _ []string) error {
		q.From, q.To = from.Time, to.Time
		cl, err := p.connect()
		if err != nil {
			return err
		}
		l := newLister(p,
			col("seq", func(e store.AuditEntry) any { return e.Seq }),
			col("at", func(e store.AuditEntry) any { return e.At }),
			col("actor", func(e store.AuditEntry) any { return e.Actor }),
			col("role", func(e store.AuditEntry) any { return e.Role }),
			col("remote", func(e store.AuditEntry) any { return e.Remote }),
			col("org", func(e store.AuditEntry) any { return e.OrgID }),
			col("action", func(e store.AuditEntry) any { return e.Action }),
			col("noun", func(e store.AuditEntry) any { return e.Noun }),
			col("id", func(e store.AuditEntry) any { return e.ID }),
			col("after", func(e store.AuditEntry) any { return p.shorten(string(e.After)) }))
		list := func(ctx context.Context, page client.Page) (client.List[store.AuditEntry], error) {
			q.Page = page
			q.Limit = min(page.Limit, 500)
			return cl.Audit(ctx, q)
		}
		return listPages(ctx, l, list, cursor, limit)
	})
	c.Example = "  tidegate audit ls --noun device --id d1 --from -7d\n  tidegate audit ls --actor user:ann@example.org -o csv"
	c.Flags().Var(&from, "from", "of the changes, inclusive; such as -7d or 2025-09-06T12:00:00Z")
	c.Flags().Var(&to, "to", "exclusive")
	c.Flags().StringVar(&q.OrgID, "org", "", "of this organization's objects")
	c.Flags().StringVar(&q.Actor, "actor", "", "made by this one, such as user:ann@example.org, apikey:key-… or uid:0")
	c.Flags().StringVar(&q.Action, "action", "", "such as device.update")
	c.Flags().StringVar(&q.Noun, "noun", "", "of this kind of object, such as device")
	c.Flags().StringVar(&q.ID, "id", "", "of this object")
	c.Flags().IntVar(&limit, "limit", 0, "at most so many; 0 is all")
	c.Flags().StringVar(&cursor, "cursor", "", "go on where an earlier answer ended")
	return c
}

func (p *program) auditExport() *cobra.Command {
	c := verb("export", "Write the whole trail to standard output, as it is kept", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		_, err = cl.ExportAudit(ctx, p.Stdout)
		return err
	})
	c.Long = c.Short + ".\n\nJSON by lines, whatever -o says. `tidegate audit verify --file` checks it, on any machine."
	c.Example = "  tidegate audit export > audit.log\n  tidegate audit verify --file audit.log"
	return c
}

func (p *program) auditVerify() *cobra.Command {
	var file string
	c := verb("verify", "Check that no entry was changed, taken out or put in; also without a server", func(ctx context.Context, _ []string) error {
		v, err := p.verify(ctx, file)
		if err != nil {
			return err
		}
		if err := p.object(v, field{"valid", v.Valid}, field{"entries", v.Entries}, field{"detail", v.Detail}); err != nil {
			return err
		}
		if !v.Valid {
			return errors.New("the audit trail is broken: " + v.Detail)
		}
		return nil
	})
	c.Flags().StringVar(&file, "file", "", "a trail that was exported, instead of the one of the folder")
	return c
}

// verify asks the server, or looks itself where there is none to ask.
func (p *program) verify(ctx context.Context, file string) (client.AuditVerification, error) {
	if file != "" {
		return verified(gateway.VerifyAuditFile(ctx, file))
	}
	cl, err := p.connect()
	if err != nil {
		return client.AuditVerification{}, err
	}
	v, err := cl.VerifyAudit(ctx)
	if errors.Is(err, client.ErrUnreachable) && p.elsewhere() == "" {
		return verified(gateway.VerifyAudit(ctx, p.dir))
	}
	return v, err
}

func verified(entries uint64, err error) (client.AuditVerification, error) {
	return client.AuditVerification{Valid: err == nil, Entries: entries}, err
}
