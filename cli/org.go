package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tidegate/api/client"
)

func (p *program) orgNoun() *cobra.Command {
	return noun("org", "Organizations: the tenants that own devices", p.orgAdd(), p.orgLs(), p.orgGet(), p.orgSet(), p.orgRm())
}

func orgFields(o client.Organization) []field {
	return []field{{"id", o.ID}, {"name", o.Name}, {"createdAt", o.CreatedAt}}
}

func (p *program) orgAdd() *cobra.Command {
	var o client.NewOrganization
	c := verb("add", "Make an organization", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		if o.Name == "" {
			o.Name = o.ID
		}
		out, err := cl.CreateOrganization(ctx, o)
		if err != nil {
			return err
		}
		return p.object(out, orgFields(out)...)
	})
	c.Example = "  tidegate org add --id acme --name Acme"
	c.Flags().StringVar(&o.ID, "id", "", "id: part of every topic, cannot change")
	c.Flags().StringVar(&o.Name, "name", "", "name (default: the id)")
	required(c, "id")
	return c
}

func (p *program) orgLs() *cobra.Command {
	return verb("ls", "List organizations", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		l := newLister(p,
			col("id", func(o client.Organization) any { return o.ID }),
			col("name", func(o client.Organization) any { return o.Name }),
			col("createdAt", func(o client.Organization) any { return o.CreatedAt }))
		if err := client.All(ctx, cl.Organizations, l.item); err != nil {
			return err
		}
		return l.end("")
	})
}

func (p *program) orgGet() *cobra.Command {
	var id string
	c := verb("get", "Show an organization", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		o, err := cl.Organization(ctx, id)
		if err != nil {
			return err
		}
		return p.object(o, orgFields(o)...)
	})
	subject(c, &id, "id", "the organization")
	return c
}

func (p *program) orgSet() *cobra.Command {
	var id, name string
	c := verb("set", "Rename an organization", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		o, err := cl.UpdateOrganization(ctx, id, client.OrganizationChange{Name: &name})
		if err != nil {
			return err
		}
		return p.object(o, orgFields(o)...)
	})
	subject(c, &id, "id", "the organization")
	c.Flags().StringVar(&name, "name", "", "new name")
	required(c, "name")
	return c
}

func (p *program) orgRm() *cobra.Command {
	var id string
	c := verb("rm", "Delete an organization that has no devices", func(ctx context.Context, _ []string) error {
		cl, err := p.connect()
		if err != nil {
			return err
		}
		if err := cl.DeleteOrganization(ctx, id); err != nil {
			return err
		}
		return p.deleted(id)
	})
	subject(c, &id, "id", "the organization")
	return c
}

// deleted says that the object is gone.
func (p *program) deleted(id string) error {
	return p.object(map[string]any{"id": id, "deleted": true}, field{"deleted", id})
}
