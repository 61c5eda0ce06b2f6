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
	return noun("audit", "The trail of changes: who did what", p.auditLs(), p.auditVerify())
}

func (p *program) auditLs() *cobra.Command {
	var limit int
	var cursor string
	c := verb("ls", "List changes in the order in which they were made", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		col := func(name string, cell func(store.AuditEntry) any) column[store.AuditEntry] {
			return column[store.AuditEntry]{name, cell}
		}
		l := newLister(p,
			col("seq", func(e store.AuditEntry) any { return e.Seq }),
			col("at", func(e store.AuditEntry) any { return e.At }),
			col("actor", func(e store.AuditEntry) any { return e.Actor }),
			col("remote", func(e store.AuditEntry) any { return e.Remote }),
			col("action", func(e store.AuditEntry) any { return e.Action }),
			col("noun", func(e store.AuditEntry) any { return e.Noun }),
			col("id", func(e store.AuditEntry) any { return e.ID }),
			col("after", func(e store.AuditEntry) any { return p.shorten(string(e.After)) }))
		list := func(ctx context.Context, page client.Page) (client.List[store.AuditEntry], error) {
			page.Limit = min(page.Limit, 500)
			return cl.Audit(ctx, page)
		}
		return listPages(ctx, l, list, cursor, limit)
	})
	c.Flags().IntVar(&limit, "limit", 0, "at most so many; 0 is all")
	c.Flags().StringVar(&cursor, "cursor", "", "go on where an earlier answer ended")
	return c
}

func (p *program) auditVerify() *cobra.Command {
	c := verb("verify", "Check that no entry was changed, taken out or put in; also without a server", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		v, err := cl.VerifyAudit(ctx)
		if errors.Is(err, client.ErrUnreachable) {
			v, err = p.verifyOffline(ctx)
		}
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
	return c
}

func (p *program) verifyOffline(ctx context.Context) (client.AuditVerification, error) {
	n, err := gateway.VerifyAudit(ctx, p.dir)
	if err != nil {
		return client.AuditVerification{}, err
	}
	return client.AuditVerification{Valid: true, Entries: n}, nil
}
