package api

import (
	"context"

	"tidegate/store"
)

type listUsersInput struct {
	PageInput
	OrgID string     `query:"orgId" as:"id" doc:"of this organization"`
	Role  store.Role `query:"role" enum:"company-admin,org-admin,viewer"`
	Q     string     `query:"q" maxLength:"200" doc:"is in the id, the email address or the name, whatever the case"`
}

// wanted answers what the parameters choose; nil: everybody.
func (in *listUsersInput) wanted() func(store.User) bool {
	if in.OrgID == "" && in.Role == "" && in.Q == "" {
		return nil
	}
	q := newSearch(in.Q)
	return func(u store.User) bool {
		return is(in.OrgID, u.OrgID) && is(string(in.Role), string(u.Role)) && q.in(u.ID, u.Email, u.Name)
	}
}

func (s *Server) listUsers(ctx context.Context, in *listUsersInput) (*answer[List[User]], error) {
	seen := s.admin.seen(ctx)
	if in.OrgID != "" {
		if _, err := seen.organization(ctx, in.OrgID); err != nil {
			return nil, err
		}
	}
	l := lister[store.User]{
		piece: func(after string, n int) ([]store.User, error) {
			return seen.listUsers(ctx, store.UserFilter{OrgID: in.OrgID, Page: store.Page{After: after, Limit: n}})
		},
		id:     func(u store.User) string { return u.ID },
		wanted: in.wanted(),
	}
	users, next, err := l.page(in.Cursor, in.Limit)
	if err != nil {
		return nil, err
	}
	return listOf(users, next, newUser), nil
}
