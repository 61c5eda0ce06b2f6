package store

import (
	"context"
	"net/mail"
	"time"
)

// Role says what a user may do.
type Role string

// The roles, widest first.
const (
	RoleCompanyAdmin Role = "company-admin" // all organizations
	RoleOrgAdmin     Role = "org-admin"     // its own organization
	RoleViewer       Role = "viewer"        // reads its own organization
)

// User is a person who logs in with an email address and a password.
type User struct {
	ID           string    `json:"id"` // UUIDv7
	Email        string    `json:"email"`
	Role         Role      `json:"role"`
	OrgID        string    `json:"orgId,omitempty"` // empty for a company admin
	PasswordHash string    `json:"-"`               // Argon2id in PHC string format
	CreatedAt    time.Time `json:"createdAt"`
}

// Validate reports the first thing that is wrong with u.
func (u User) Validate() error {
	if a, err := mail.ParseAddress(u.Email); err != nil || a.Address != u.Email {
		return Invalid("user", "email", "%q is not an address such as ann@example.org", u.Email)
	}
	switch u.Role {
	case RoleCompanyAdmin:
		if u.OrgID != "" {
			return Invalid("user", "orgId", "a company-admin belongs to no organization; leave it out")
		}
	case RoleOrgAdmin, RoleViewer:
		if u.OrgID == "" {
			return Invalid("user", "orgId", "role %s needs an organization", u.Role)
		}
	default:
		return Invalid("user", "role", "%q is unknown; use company-admin, org-admin or viewer", u.Role)
	}
	return nil
}

// Users keeps the people. Email addresses are compared without case.
type Users interface {
	// CreateUser stores u; ErrConflict when the address is taken.
	CreateUser(ctx context.Context, u User) error
	// UpdateUser replaces role, organization and password hash.
	UpdateUser(ctx context.Context, u User) error
	User(ctx context.Context, id string) (User, error)
	UserByEmail(ctx context.Context, email string) (User, error)
	// ListUsers answers in order of id.
	ListUsers(ctx context.Context, p Page) ([]User, error)
	DeleteUser(ctx context.Context, id string) error
}
