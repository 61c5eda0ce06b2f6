package api

import (
	"context"
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
	ID   string `json:"id" doc:"1 to 64 characters from A-Z a-z 0-9 . _ : -" example:"acme"`
	Name string `json:"name" example:"Acme"`
}

// OrganizationChange replaces what is given.
type OrganizationChange struct {
	Name *string `json:"name,omitempty"`
}

func newOrganization(o store.Organization) Organization {
	return Organization{ID: o.ID, Name: o.Name, CreatedAt: at(o.CreatedAt)}
}

// CreateOrganization makes an organization.
func (a *Admin) CreateOrganization(ctx context.Context, n NewOrganization) (Organization, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := store.Organization{ID: n.ID, Name: n.Name, CreatedAt: a.now()}
	if err := o.Validate(); err != nil {
		return Organization{}, err
	}
	out := newOrganization(o)
	err := a.do(ctx, change{"organization.create", "organization", o.ID, nil, out}, func() error {
		return a.o.Catalog.CreateOrganization(ctx, o)
	})
	return out, err
}

// UpdateOrganization changes an organization.
func (a *Admin) UpdateOrganization(ctx context.Context, id string, ch OrganizationChange) (Organization, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	o, err := a.o.Catalog.Organization(ctx, id)
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
	err = a.do(ctx, change{"organization.update", "organization", id, before, out}, func() error {
		return a.o.Catalog.UpdateOrganization(ctx, o)
	})
	return out, err
}

// DeleteOrganization deletes an organization without devices.
func (a *Admin) DeleteOrganization(ctx context.Context, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	o, err := a.o.Catalog.Organization(ctx, id)
	if err != nil {
		return err
	}
	return a.do(ctx, change{"organization.delete", "organization", id, newOrganization(o), nil}, func() error {
		return a.o.Catalog.DeleteOrganization(ctx, id)
	})
}

func (s *Server) routeOrganizations() {
	tags := []string{"organizations"}
	type IDInput struct {
		ID string `path:"id"`
	}
	route(s, huma.Operation{
		OperationID: "list-organizations", Method: http.MethodGet, Path: "/api/v1/organizations", Tags: tags,
		Summary: "List organizations in order of id",
	}, func(ctx context.Context, in *PageInput) (*answer[List[Organization]], error) {
		orgs, err := s.admin.o.Catalog.ListOrganizations(ctx, store.Page{After: in.Cursor, Limit: in.Limit + 1})
		if err != nil {
			return nil, err
		}
		return &answer[List[Organization]]{page(orgs, in.Limit, func(o store.Organization) string { return o.ID }, newOrganization)}, nil
	})
	route(s, huma.Operation{
		OperationID: "create-organization", Method: http.MethodPost, Path: "/api/v1/organizations", Tags: tags,
		Summary: "Make an organization", DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *struct{ Body NewOrganization }) (*answer[Organization], error) {
		o, err := s.admin.CreateOrganization(ctx, in.Body)
		return &answer[Organization]{o}, err
	})
	route(s, huma.Operation{
		OperationID: "get-organization", Method: http.MethodGet, Path: "/api/v1/organizations/{id}", Tags: tags,
		Summary: "Get an organization",
	}, func(ctx context.Context, in *IDInput) (*answer[Organization], error) {
		o, err := s.admin.o.Catalog.Organization(ctx, in.ID)
		return &answer[Organization]{newOrganization(o)}, err
	})
	route(s, huma.Operation{
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
	route(s, huma.Operation{
		OperationID: "delete-organization", Method: http.MethodDelete, Path: "/api/v1/organizations/{id}", Tags: tags,
		Summary: "Delete an organization that has no devices", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *IDInput) (*none, error) {
		return &none{}, s.admin.DeleteOrganization(ctx, in.ID)
	})
}
