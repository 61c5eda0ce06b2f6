package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"tidegate/store"
)

// User is a person who logs in.
type User struct {
	ID        string     `json:"id"`
	Email     string     `json:"email"`
	Role      store.Role `json:"role" enum:"company-admin,org-admin,viewer"`
	OrgID     string     `json:"orgId,omitempty"`
	CreatedAt store.Time `json:"createdAt"`
}

// NewUser is a user to be made.
type NewUser struct {
	Email    string     `json:"email" example:"ann@example.org"`
	Password string     `json:"password" doc:"8 to 1024 bytes"`
	Role     store.Role `json:"role" enum:"company-admin,org-admin,viewer"`
	OrgID    string     `json:"orgId,omitempty" doc:"of all but a company-admin"`
}

// UserChange replaces what is given.
type UserChange struct {
	Password *string     `json:"password,omitempty" doc:"ends the sessions of the old one"`
	Role     *store.Role `json:"role,omitempty" enum:"company-admin,org-admin,viewer"`
	OrgID    *string     `json:"orgId,omitempty"`
}

func newUser(u store.User) User {
	return User{ID: u.ID, Email: u.Email, Role: u.Role, OrgID: u.OrgID, CreatedAt: at(u.CreatedAt)}
}

// userAudit is a user as the trail shows it.
type userAudit struct {
	User
	Password string `json:"password,omitempty"`
}

// blanked stands for a secret in the audit trail.
const blanked = "(changed)"

// CreateUser makes a user.
func (a *Admin) CreateUser(ctx context.Context, n NewUser) (User, error) {
	hash, err := a.passwords.hash(ctx, n.Password)
	if err != nil {
		return User{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return User{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	u := store.User{ID: id.String(), Email: n.Email, Role: n.Role, OrgID: n.OrgID, PasswordHash: hash, CreatedAt: a.now()}
	if err := a.checkUser(ctx, u); err != nil {
		return User{}, err
	}
	out := newUser(u)
	err = a.do(ctx, change{"user.create", "user", u.ID, nil, out}, func() error {
		return a.o.Catalog.CreateUser(ctx, u)
	})
	return out, err
}

func (a *Admin) checkUser(ctx context.Context, u store.User) error {
	if err := u.Validate(); err != nil {
		return err
	}
	if u.OrgID == "" {
		return nil
	}
	_, err := a.o.Catalog.Organization(ctx, u.OrgID)
	return err
}

// findUser answers a user by id or email address.
func (a *Admin) findUser(ctx context.Context, idOrEmail string) (store.User, error) {
	if strings.Contains(idOrEmail, "@") {
		return a.o.Catalog.UserByEmail(ctx, idOrEmail)
	}
	return a.o.Catalog.User(ctx, idOrEmail)
}

// UpdateUser changes a user, by id or email address.
func (a *Admin) UpdateUser(ctx context.Context, idOrEmail string, ch UserChange) (User, error) {
	var hash string
	if ch.Password != nil {
		var err error
		if hash, err = a.passwords.hash(ctx, *ch.Password); err != nil {
			return User{}, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	u, err := a.findUser(ctx, idOrEmail)
	if err != nil {
		return User{}, err
	}
	before, after := newUser(u), userAudit{}
	if ch.Password != nil {
		u.PasswordHash, after.Password = hash, blanked
	}
	if ch.Role != nil {
		u.Role = *ch.Role
	}
	if ch.OrgID != nil {
		u.OrgID = *ch.OrgID
	}
	if err := a.checkUser(ctx, u); err != nil {
		return User{}, err
	}
	after.User = newUser(u)
	err = a.do(ctx, change{"user.update", "user", u.ID, before, after}, func() error {
		return a.o.Catalog.UpdateUser(ctx, u)
	})
	return after.User, err
}

// DeleteUser deletes a user, by id or email address, and ends the sessions.
func (a *Admin) DeleteUser(ctx context.Context, idOrEmail string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	u, err := a.findUser(ctx, idOrEmail)
	if err != nil {
		return err
	}
	return a.do(ctx, change{"user.delete", "user", u.ID, newUser(u), nil}, func() error {
		return a.o.Catalog.DeleteUser(ctx, u.ID)
	})
}

func (s *Server) routeUsers() {
	tags := []string{"users"}
	type IDInput struct {
		ID string `path:"id" doc:"id or email address"`
	}
	route(s, huma.Operation{
		OperationID: "list-users", Method: http.MethodGet, Path: "/api/v1/users", Tags: tags,
		Summary: "List users in order of creation",
	}, func(ctx context.Context, in *PageInput) (*answer[List[User]], error) {
		users, err := s.admin.o.Catalog.ListUsers(ctx, store.Page{After: in.Cursor, Limit: in.Limit + 1})
		if err != nil {
			return nil, err
		}
		return &answer[List[User]]{page(users, in.Limit, func(u store.User) string { return u.ID }, newUser)}, nil
	})
	route(s, huma.Operation{
		OperationID: "create-user", Method: http.MethodPost, Path: "/api/v1/users", Tags: tags,
		Summary: "Make a user", DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *struct{ Body NewUser }) (*answer[User], error) {
		u, err := s.admin.CreateUser(ctx, in.Body)
		return &answer[User]{u}, err
	})
	route(s, huma.Operation{
		OperationID: "get-user", Method: http.MethodGet, Path: "/api/v1/users/{id}", Tags: tags,
		Summary: "Get a user",
	}, func(ctx context.Context, in *IDInput) (*answer[User], error) {
		u, err := s.admin.findUser(ctx, in.ID)
		return &answer[User]{newUser(u)}, err
	})
	route(s, huma.Operation{
		OperationID: "update-user", Method: http.MethodPatch, Path: "/api/v1/users/{id}", Tags: tags,
		Summary: "Change a user",
	}, func(ctx context.Context, in *struct {
		IDInput
		Body UserChange
	},
	) (*answer[User], error) {
		u, err := s.admin.UpdateUser(ctx, in.ID, in.Body)
		return &answer[User]{u}, err
	})
	route(s, huma.Operation{
		OperationID: "delete-user", Method: http.MethodDelete, Path: "/api/v1/users/{id}", Tags: tags,
		Summary: "Delete a user and end the sessions", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *IDInput) (*none, error) {
		return &none{}, s.admin.DeleteUser(ctx, in.ID)
	})
}
