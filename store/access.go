package store

import "slices"

// Action is a set of things that somebody may do.
type Action uint8

// The actions. Each is about what an Access sees, except Company.
const (
	ActionRead    Action = 1 << iota // see what an organization has
	ActionWrite                      // change its devices, ports and calibrations; replay its dead letters
	ActionIngest                     // publish telemetry for its devices
	ActionAdmin                      // its people, invitations and API keys; its audit trail
	ActionCompany                    // what belongs to the box as a whole: organizations, backup, retention
)

const actionsOfOrg = ActionRead | ActionWrite | ActionIngest | ActionAdmin

// Access is what somebody may do, and to whose objects. It is the one policy:
// HTTP routes, live subscriptions and MQTT topics ask it and nothing else. The
// zero value may nothing and sees nothing.
//
// What an Access does not see answers as if it did not exist.
type Access struct {
	Actions Action
	AllOrgs bool
	OrgID   string // of somebody who does not see all
	// Devices are the only ones that are seen, ascending; nil: all. Somebody
	// with a list sees nothing of an organization but these.
	Devices []string
}

// Everything is the access of a company admin, and of the box's own socket.
func Everything() Access {
	return Access{Actions: actionsOfOrg | ActionCompany, AllOrgs: true}
}

// RoleAccess is what a user with a role may do.
func RoleAccess(r Role, orgID string) Access {
	switch {
	case r == RoleCompanyAdmin && orgID == "":
		return Everything()
	case r == RoleOrgAdmin && orgID != "":
		return Access{Actions: actionsOfOrg, OrgID: orgID}
	case r == RoleViewer && orgID != "":
		return Access{Actions: ActionRead, OrgID: orgID}
	}
	return Access{}
}

// May reports whether all of x is allowed, to objects that are seen.
func (a Access) May(x Action) bool { return a.Actions&x == x && x != 0 }

// SeesOrg reports whether an organization's own objects are seen: people, keys,
// audit entries, messages of devices that it does not have.
func (a Access) SeesOrg(orgID string) bool { return a.Devices == nil && a.inOrg(orgID) }

// SeesDevice reports whether a device of an organization is seen.
func (a Access) SeesDevice(orgID, deviceID string) bool {
	if !a.inOrg(orgID) {
		return false
	}
	if a.Devices == nil {
		return true
	}
	_, ok := slices.BinarySearch(a.Devices, deviceID)
	return ok
}

// inOrg reports whether an organization is seen at all.
func (a Access) inOrg(orgID string) bool {
	return a.Actions != 0 && (a.AllOrgs || orgID != "" && orgID == a.OrgID)
}

// Whole reports whether all that the box has is seen.
func (a Access) Whole() bool { return a.AllOrgs && a.Devices == nil && a.Actions != 0 }

// Names answers the actions as an API key's scopes are called; see Scope.
func (x Action) Names() []string {
	var out []string
	for i, name := range [...]string{"read", "write", "ingest", "admin", "company"} {
		if x&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}
