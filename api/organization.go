package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tidegate/store"
)

// Organization is a tenant.
type Organization struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	CreatedAt store.Time `json:"createdAt"`
}

// NewOrganization is an organization to be made.
type NewOrganization struct {
	ID   string `json:"id" pattern:"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$" patternDescription:"1 to 64 characters from A-Z a-z 0-9 . _ : - that begin with a letter or digit" example:"acme"`
	Name string `json:"name" minLength:"1" maxLength:"200" example:"Acme"`
}

// OrganizationChange replaces what is given.
type OrganizationChange struct {
	Name *string `json:"name,omitempty" minLength:"1" maxLength:"200"`
}

func newOrganization(o store.Organization) Organization {
	return Organization{ID: o.ID, Name: o.Name, CreatedAt: at(o.CreatedAt)}
}

// CreateOrganization makes an organization, and the rule that each begins with.
func (a *Admin) CreateOrganization(ctx context.Context, n NewOrganization) (Organization, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := store.Organization{ID: n.ID, Name: n.Name, CreatedAt: a.now()}
	if err := o.Validate(); err != nil {
		return Organization{}, err
	}
	out := newOrganization(o)
	err := a.alter(ctx, change{"organization.create", "organization", o.ID, o.ID, nil, out}, func() error {
		return a.o.Catalog.CreateOrganization(ctx, o)
	})
	if err != nil {
		return out, err
	}
	if _, err := a.createAlertRule(ctx, store.LimitsRule(o.ID)); err != nil {
		return out, fmt.Errorf("the organization is made, its alert rule %q is not: %w", store.LimitsRuleName, err)
	}
	return out, nil
}

// UpdateOrganization changes an organization.
func (a *Admin) UpdateOrganization(ctx context.Context, id string, ch OrganizationChange) (Organization, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o, err := a.seen(ctx).organization(ctx, id)
	if err != nil {
		return Organization{}, err
	}
	before := newOrganization(o)
	if ch.Name != nil {
		o.Name = *ch.Name
	}
	if err := o.Validate(); err != nil {
		return Organization{}, err
	}
	out := newOrganization(o)
	err = a.alter(ctx, change{"organization.update", "organization", id, id, before, out}, func() error {
		return a.o.Catalog.UpdateOrganization(ctx, o)
	})
	return out, err
}

// organizationAudit is an organization as the trail shows it when it is deleted:
// with what goes with it.
type organizationAudit struct {
	Organization
	AlertRules []AlertRule    `json:"alertRules,omitempty"`
	Channels   []channelAudit `json:"channels,omitempty"`
}

// DeleteOrganization deletes an organization without devices, with its alert
// rules and channels.
func (a *Admin) DeleteOrganization(ctx context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.seen(ctx)
	o, err := seen.organization(ctx, id)
	if err != nil {
		return err
	}
	rules, err := seen.listAlertRules(ctx, store.AlertRuleFilter{OrgID: id})
	if err != nil {
		return err
	}
	channels, err := seen.listChannels(ctx, store.ChannelFilter{OrgID: id})
	if err != nil {
		return err
	}
	shown := organizationAudit{Organization: newOrganization(o)}
	for _, r := range rules {
		shown.AlertRules = append(shown.AlertRules, newAlertRule(r))
	}
	for _, c := range channels {
		shown.Channels = append(shown.Channels, auditOfChannel(c))
	}
	err = a.alter(ctx, change{"organization.delete", "organization", id, id, shown, nil}, func() error {
		return a.o.Catalog.DeleteOrganization(ctx, id)
	})
	if err != nil || len(rules)+len(channels) == 0 {
		return err
	}
	return toldRules(a.o.Alerts.Refresh(context.WithoutCancel(ctx)))
}

type listOrganizationsInput struct {
	PageInput
	Q string `query:"q" maxLength:"200" doc:"is in the id or the name, whatever the case"`
}

func (s *Server) listOrganizations(ctx context.Context, in *listOrganizationsInput) (*answer[List[Organization]], error) {
	seen := s.admin.seen(ctx)
	l := lister[store.Organization]{
		piece: func(after string, n int) ([]store.Organization, error) {
			return seen.listOrganizations(ctx, store.Page{After: after, Limit: n})
		},
		id: func(o store.Organization) string { return o.ID },
	}
	if in.Q != "" {
		q := newSearch(in.Q)
		l.wanted = func(o store.Organization) bool { return q.in(o.ID, o.Name) }
	}
	orgs, next, err := l.page(in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	return listOf(orgs, next, newOrganization), nil
}

func (s *Server) routeOrganizations() {
	tags := []string{"organizations"}
	type IDInput struct {
		ID string `path:"id"`
	}
	route(s, reads, huma.Operation{
		OperationID: "list-organizations", Method: http.MethodGet, Path: "/api/v1/organizations", Tags: tags,
		Summary: "List organizations in order of id", Description: shortPages,
	}, s.listOrganizations)
	route(s, company, huma.Operation{
		OperationID: "create-organization", Method: http.MethodPost, Path: "/api/v1/organizations", Tags: tags,
		Summary: "Make an organization", DefaultStatus: http.StatusCreated,
		Description: "It begins with one alert rule, limits, which watches each port that has a low or a high of its own. Change it, or delete it.",
	}, func(ctx context.Context, in *struct{ Body NewOrganization }) (*answer[Organization], error) {
		o, err := s.admin.CreateOrganization(ctx, in.Body)
		return &answer[Organization]{o}, err
	})
	route(s, reads, huma.Operation{
		OperationID: "get-organization", Method: http.MethodGet, Path: "/api/v1/organizations/{id}", Tags: tags,
		Summary: "Get an organization",
	}, func(ctx context.Context, in *IDInput) (*answer[Organization], error) {
		o, err := s.admin.seen(ctx).organization(ctx, in.ID)
		return &answer[Organization]{newOrganization(o)}, err
	})
	route(s, admins, huma.Operation{
		OperationID: "update-organization", Method: http.MethodPatch, Path: "/api/v1/organizations/{id}", Tags: tags,
		Summary: "Change an organization",
	}, func(ctx context.Context, in *struct {
		ID   string `path:"id"`
		Body OrganizationChange
	},
	) (*answer[Organization], error) {
		o, err := s.admin.UpdateOrganization(ctx, in.ID, in.Body)
		return &answer[Organization]{o}, err
	})
	route(s, company, huma.Operation{
		OperationID: "delete-organization", Method: http.MethodDelete, Path: "/api/v1/organizations/{id}", Tags: tags,
		Summary: "Delete an organization that has no devices", DefaultStatus: http.StatusNoContent,
		Description: "Users and API keys must be gone too. Its alert rules and channels go with it.",
	}, func(ctx context.Context, in *IDInput) (*none, error) {
		if err := s.admin.DeleteOrganization(ctx, in.ID); err != nil {
			return nil, err
		}
		s.o.Live.Forget(in.ID) // another may get the id
		return &none{}, s.forgetSilences(ctx, in.ID)
	})
}
