package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"tidegate/store"
)

// policy says who may call an operation. Which objects it then finds is up to
// the actor's store.Access; see scope. Every operation has one: route takes no
// zero policy.
type policy struct {
	kind   policyKind
	action store.Action // of mayDo
}

type policyKind uint8

const (
	isOpen   policyKind = iota + 1 // to all, who bring no token or one of another kind
	isDevice                       // to devices and keys that publish; see Server.device
	isAnyone                       // to whoever has logged in
	isPerson                       // to people with a login: it is about themselves
	mayDo                          // to whoever may do the action
)

var (
	open      = policy{kind: isOpen}
	ofDevices = policy{kind: isDevice}
	anyone    = policy{kind: isAnyone}
	persons   = policy{kind: isPerson}
	reads     = policy{mayDo, store.ActionRead}
	writes    = policy{mayDo, store.ActionWrite}
	ingests   = policy{mayDo, store.ActionIngest}
	admins    = policy{mayDo, store.ActionAdmin}
	company   = policy{mayDo, store.ActionCompany}
)

// judge refuses an actor who may not call the operation, whatever it is about.
func (p policy) judge(ctx context.Context) error {
	if p.kind == isOpen || p.kind == isDevice {
		return nil
	}
	a, ok := actorFrom(ctx)
	if !ok {
		return errNoCredentials()
	}
	if p.kind == mayDo && !a.Access.May(p.action) {
		return errForbidden(a, p.action)
	}
	if p.kind == isPerson && a.User == nil {
		return problem(http.StatusForbidden, "forbidden", "this is about the person who is logged in, and these credentials are no person's")
	}
	return nil
}

// orgOf answers whose a change is that somebody asked of an organization, or of
// all that is seen.
func orgOf(ctx context.Context, asked string) string {
	a, _ := actorFrom(ctx)
	if asked != "" && a.Access.SeesOrg(asked) {
		return asked
	}
	return a.Access.OrgID
}

// errForbidden says what somebody would need. It depends on the operation
// alone, and so tells nothing of what exists.
func errForbidden(a Actor, need store.Action) *Problem {
	who := "these credentials may"
	if a.Role != "" {
		who = fmt.Sprintf("the role %s may", a.Role)
	}
	if need == store.ActionCompany {
		return problem(http.StatusForbidden, "forbidden", who+" not do what concerns the whole box; a company-admin may")
	}
	has := "nothing"
	if names := a.Access.Actions.Names(); len(names) > 0 {
		has = strings.Join(names, ", ")
	}
	return problem(http.StatusForbidden, "forbidden",
		fmt.Sprintf("%s %s; this needs %s", who, has, strings.Join(need.Names(), ", ")))
}
