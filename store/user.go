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

const (
	maxUserName = 200
	maxLinkHash = 64
)

// User is a person who logs in with an email address and a password.
type User struct {
	ID           string `json:"id"` // UUIDv7
	Email        string `json:"email"`
	Name         string `json:"name,omitempty"`
	Role         Role   `json:"role"`
	OrgID        string `json:"orgId,omitempty"` // empty for a company admin
	PasswordHash string `json:"-"`               // Argon2id in PHC string format; empty: no login before the link is used
	// PasswordChangedAt is zero when nobody knows.
	PasswordChangedAt time.Time `json:"passwordChangedAt,omitzero"`
	// LinkHash and LinkExpires are those of the pending one-time link, an
	// invitation or a reset: the HashSecret of its secret, and its end. Both are
	// zero when there is none.
	LinkHash    []byte    `json:"-"`
	LinkExpires time.Time `json:"linkExpires,omitzero"`
	CreatedAt   time.Time `json:"createdAt"`
}

// Validate reports the first thing that is wrong with u.
func (u User) Validate() error {
	if a, err := mail.ParseAddress(u.Email); err != nil || a.Address != u.Email {
		return Invalid("user", "email", "%q is not an address such as ann@example.org", u.Email)
	}
	if len(u.Name) > maxUserName {
		return Invalid("user", "name", "must have at most %d bytes", maxUserName)
	}
	if (len(u.LinkHash) == 0) != u.LinkExpires.IsZero() || len(u.LinkHash) > maxLinkHash {
		return Invalid("user", "link", "has a hash of at most %d bytes and an end, or neither", maxLinkHash)
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

// UserFilter chooses users; the zero value is all.
type UserFilter struct {
	OrgID string // of this organization alone
	Page
}

// Users keeps the people. Email addresses are compared without case.
type Users interface {
	// CreateUser stores u; ErrConflict when the address, or the hash of the
	// link, is another's.
	CreateUser(ctx context.Context, u User) error
	// UpdateUser replaces everything but id, email address and CreatedAt.
	UpdateUser(ctx context.Context, u User) error
	User(ctx context.Context, id string) (User, error)
	UserByEmail(ctx context.Context, email string) (User, error)
	// UserByLink answers whose pending link has the hash, also when it has
	// expired. It costs the same for one user as for thousands: strangers ask.
	UserByLink(ctx context.Context, hash []byte) (User, error)
	// ListUsers answers in order of id.
	ListUsers(ctx context.Context, f UserFilter) ([]User, error)
	DeleteUser(ctx context.Context, id string) error
}
