package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"tidegate/store"
)

// User is a person who logs in.
type User struct {
	ID                string     `json:"id"`
	Email             string     `json:"email"`
	Name              string     `json:"name,omitempty"`
	Role              store.Role `json:"role" enum:"company-admin,org-admin,viewer"`
	OrgID             string     `json:"orgId,omitempty"`
	Invited           bool       `json:"invited" doc:"true: no password was chosen yet, and there is no login before the link is used"`
	PasswordChangedAt store.Time `json:"passwordChangedAt,omitzero" doc:"absent: not known"`
	LinkExpiresAt     store.Time `json:"linkExpiresAt,omitzero" doc:"of a link that was not used yet"`
	CreatedAt         store.Time `json:"createdAt"`
	Link              string     `json:"link,omitempty" doc:"once, in the answer that made it: whoever opens it chooses the password"`
}

// NewUser is a user to be made.
type NewUser struct {
	Email    string     `json:"email" example:"ann@example.org"`
	Name     string     `json:"name,omitempty" maxLength:"200"`
	Password string     `json:"password,omitempty" doc:"8 to 1024 bytes; absent: an invitation link is made, and answered once"`
	Role     store.Role `json:"role" enum:"company-admin,org-admin,viewer"`
	OrgID    string     `json:"orgId,omitempty" doc:"of all but a company-admin"`
}

// UserChange replaces what is given. Another password, role or organization
// ends the user's sessions.
type UserChange struct {
	Name     *string     `json:"name,omitempty" maxLength:"200"`
	Password *string     `json:"password,omitempty"`
	Role     *store.Role `json:"role,omitempty" enum:"company-admin,org-admin,viewer"`
	OrgID    *string     `json:"orgId,omitempty"`
}

func newUser(u store.User) User {
	return User{
		ID: u.ID, Email: u.Email, Name: u.Name, Role: u.Role, OrgID: u.OrgID, Invited: u.PasswordHash == "",
		PasswordChangedAt: moment(u.PasswordChangedAt), LinkExpiresAt: moment(u.LinkExpires), CreatedAt: at(u.CreatedAt),
	}
}

// moment answers a time that may not be known; then 0.
func moment(t time.Time) store.Time {
	if t.IsZero() {
		return 0
	}
	return at(t)
}

// userAudit is a user as the trail shows it.
type userAudit struct {
	User
	Password string `json:"password,omitempty"`
	Link     string `json:"link,omitempty"`
}

// blanked stands for a secret in the audit trail.
const blanked = "(changed)"

// CreateUser makes a user. Without a password the answer's Link is the secret of
// an invitation.
func (a *Admin) CreateUser(ctx context.Context, n NewUser) (User, error) {
	return a.createUser(ctx, n, func() error { return nil })
}

// createUser is CreateUser if may agrees, which is asked under the lock.
func (a *Admin) createUser(ctx context.Context, n NewUser, may func() error) (User, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return User{}, err
	}
	u := store.User{ID: id.String(), Email: n.Email, Name: n.Name, Role: n.Role, OrgID: n.OrgID, CreatedAt: a.now()}
	secret := ""
	if n.Password == "" {
		secret = a.link(&u, invitationTTL)
	} else if err = a.setPassword(ctx, &u, n.Password); err != nil {
		return User{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := may(); err != nil {
		return User{}, err
	}
	if err := a.checkUser(ctx, u); err != nil {
		return User{}, err
	}
	out := newUser(u)
	err = a.alter(ctx, change{"user.create", "user", u.ID, u.OrgID, nil, shown(u, n.Password != "", secret != "")}, func() error {
		return a.o.Catalog.CreateUser(ctx, u)
	})
	out.Link = secret
	return out, err
}

// shown answers a user for the trail, and which secrets are new.
func shown(u store.User, password, link bool) userAudit {
	out := userAudit{User: newUser(u)}
	if password {
		out.Password = blanked
	}
	if link {
		out.Link = blanked
	}
	return out
}

// setPassword gives u a password; a link that is pending is good no more.
func (a *Admin) setPassword(ctx context.Context, u *store.User, password string) error {
	hash, err := a.passwords.hash(ctx, password)
	if err != nil {
		return err
	}
	u.PasswordHash, u.PasswordChangedAt = hash, a.now()
	u.LinkHash, u.LinkExpires = nil, time.Time{}
	return nil
}

func (a *Admin) checkUser(ctx context.Context, u store.User) error {
	if err := u.Validate(); err != nil {
		return err
	}
	if u.OrgID == "" {
		// Who belongs to no organization may do everything.
		if actor, _ := actorFrom(ctx); !actor.Access.May(store.ActionCompany) {
			return errForbidden(actor, store.ActionCompany)
		}
		return nil
	}
	_, err := a.seen(ctx).organization(ctx, u.OrgID)
	return err
}

// findUser answers a user by id or email address.
func (a *Admin) findUser(ctx context.Context, idOrEmail string) (store.User, error) {
	if strings.Contains(idOrEmail, "@") {
		return a.seen(ctx).userByEmail(ctx, idOrEmail)
	}
	return a.seen(ctx).user(ctx, idOrEmail)
}

// UpdateUser changes a user, by id or email address.
func (a *Admin) UpdateUser(ctx context.Context, idOrEmail string, ch UserChange) (User, error) {
	var chosen store.User
	if ch.Password != nil {
		if err := a.setPassword(ctx, &chosen, *ch.Password); err != nil {
			return User{}, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	was, err := a.findUser(ctx, idOrEmail)
	if err != nil {
		return User{}, err
	}
	u := was
	if ch.Password != nil {
		u.PasswordHash, u.PasswordChangedAt, u.LinkHash, u.LinkExpires = chosen.PasswordHash, chosen.PasswordChangedAt, nil, time.Time{}
	}
	if ch.Name != nil {
		u.Name = *ch.Name
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
	if u.Role != store.RoleCompanyAdmin {
		if err := a.keepAdmin(ctx, was); err != nil {
			return User{}, err
		}
	}
	why := store.EndChanged
	if ch.Password != nil {
		why = store.EndPassword
	}
	return newUser(u), a.replaceUser(ctx, "user.update", was, u, shown(u, ch.Password != nil, false), store.SessionsEnd{Reason: why})
}

// replaceUser makes a change of a user, and ends the sessions of the one that
// was; the caller holds the lock.
func (a *Admin) replaceUser(ctx context.Context, action string, was, u store.User, after userAudit, e store.SessionsEnd) error {
	err := a.alter(ctx, change{action, "user", u.ID, u.OrgID, newUser(was), after}, func() error {
		return a.o.Catalog.UpdateUser(ctx, u)
	})
	if err == nil && version(u) != version(was) {
		a.endSessions(ctx, u.ID, e)
	}
	return err
}

// keepAdmin refuses to take away the last company-admin who can log in: nobody
// could let anybody in any more, but on the box itself. Two instances on one
// database could each take away another one at the same moment.
func (a *Admin) keepAdmin(ctx context.Context, u store.User) error {
	isAdmin := func(u store.User) bool { return u.Role == store.RoleCompanyAdmin && u.PasswordHash != "" }
	if !isAdmin(u) {
		return nil
	}
	users, err := a.o.Catalog.ListUsers(ctx, store.UserFilter{})
	if err != nil {
		return err
	}
	for _, other := range users {
		if other.ID != u.ID && isAdmin(other) {
			return nil
		}
	}
	return problem(http.StatusConflict, "last_admin", u.Email+" is the last company-admin who can log in; make another one first")
}

// DeleteUser deletes a user, by id or email address, and ends the sessions.
func (a *Admin) DeleteUser(ctx context.Context, idOrEmail string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	u, err := a.findUser(ctx, idOrEmail)
	if err != nil {
		return err
	}
	if err := a.keepAdmin(ctx, u); err != nil {
		return err
	}
	err = a.alter(ctx, change{"user.delete", "user", u.ID, u.OrgID, newUser(u), nil}, func() error {
		return a.o.Catalog.DeleteUser(ctx, u.ID)
	})
	if err == nil {
		a.endSessions(ctx, u.ID, store.SessionsEnd{Reason: store.EndDeleted})
	}
	return err
}

// UserInput names a user.
type UserInput struct {
	ID string `path:"id" doc:"id or email address"`
}

type createUserInput struct {
	Visitor
	Body NewUser
}

func (s *Server) routeUsers() {
	tags := []string{"users"}
	route(s, admins, huma.Operation{
		OperationID: "list-users", Method: http.MethodGet, Path: "/api/v1/users", Tags: tags,
		Summary: "List users in order of creation", Description: shortPages,
	}, s.listUsers)
	route(s, admins, huma.Operation{
		OperationID: "create-user", Method: http.MethodPost, Path: "/api/v1/users", Tags: tags,
		Summary: "Make a user, or invite one", DefaultStatus: http.StatusCreated,
	}, func(ctx context.Context, in *createUserInput) (*answer[User], error) {
		u, err := s.admin.CreateUser(ctx, in.Body)
		if u.Link != "" {
			u.Link = s.linkTo(&in.Visitor, "accept", u.Link)
		}
		return &answer[User]{u}, err
	})
	route(s, admins, huma.Operation{
		OperationID: "get-user", Method: http.MethodGet, Path: "/api/v1/users/{id}", Tags: tags,
		Summary: "Get a user",
	}, func(ctx context.Context, in *UserInput) (*answer[User], error) {
		u, err := s.admin.findUser(ctx, in.ID)
		return &answer[User]{newUser(u)}, err
	})
	route(s, admins, huma.Operation{
		OperationID: "update-user", Method: http.MethodPatch, Path: "/api/v1/users/{id}", Tags: tags,
		Summary: "Change a user",
	}, func(ctx context.Context, in *struct {
		UserInput
		Body UserChange
	},
	) (*answer[User], error) {
		u, err := s.admin.UpdateUser(ctx, in.ID, in.Body)
		return &answer[User]{u}, err
	})
	route(s, admins, huma.Operation{
		OperationID: "delete-user", Method: http.MethodDelete, Path: "/api/v1/users/{id}", Tags: tags,
		Summary: "Delete a user and end the sessions", DefaultStatus: http.StatusNoContent,
	}, func(ctx context.Context, in *UserInput) (*none, error) {
		return &none{}, s.admin.DeleteUser(ctx, in.ID)
	})
	s.routeLinks()
}
