package store

import (
	"context"
	"strings"
	"time"
)

// Organization is a tenant: it owns devices and sees no other organization.
type Organization struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
}

// Validate reports the first thing that is wrong with o.
func (o Organization) Validate() error {
	if err := checkID("organization", o.ID); err != nil {
		return err
	}
	if strings.TrimSpace(o.Name) == "" || len(o.Name) > 200 {
		return Invalid("organization", "name", "must have 1 to 200 bytes")
	}
	return nil
}

// Organizations keeps the tenants.
type Organizations interface {
	// CreateOrganization stores o; ErrConflict when the id is taken, or was
	// and deleted devices of that time still hold it: their history would
	// become another tenant's.
	CreateOrganization(ctx context.Context, o Organization) error
	// UpdateOrganization replaces the name; ErrNotFound when absent.
	UpdateOrganization(ctx context.Context, o Organization) error
	Organization(ctx context.Context, id string) (Organization, error)
	// ListOrganizations answers in order of id.
	ListOrganizations(ctx context.Context, p Page) ([]Organization, error)
	// DeleteOrganization refuses with ErrConflict while users or API keys
	// remain, or devices that are not deleted. Alert rules and channels, which
	// have nothing to watch and nobody to tell any more, go with it.
	DeleteOrganization(ctx context.Context, id string) error
}

// Page asks for at most Limit items whose id is greater than After; Limit 0 is
// all. Prefix-free: After is the id of the last item seen.
type Page struct {
	After string
	Limit int
}
