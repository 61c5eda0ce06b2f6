package store

import (
	"slices"
	"testing"
)

func TestRoleAccess(t *testing.T) {
	const org = ActionRead | ActionWrite | ActionIngest | ActionAdmin
	for _, tt := range []struct {
		role  Role
		orgID string
		want  Action
		all   bool
	}{
		{RoleCompanyAdmin, "", org | ActionCompany, true},
		{RoleOrgAdmin, "acme", org, false},
		{RoleViewer, "acme", ActionRead, false},
		// What no catalogue holds may nothing.
		{RoleCompanyAdmin, "acme", 0, false},
		{RoleOrgAdmin, "", 0, false},
		{RoleViewer, "", 0, false},
		{"", "acme", 0, false},
		{"root", "", 0, false},
	} {
		a := RoleAccess(tt.role, tt.orgID)
		if a.Actions != tt.want || a.AllOrgs != tt.all || a.Devices != nil {
			t.Errorf("%s of %q: %+v", tt.role, tt.orgID, a)
		}
		if a.Whole() != tt.all {
			t.Errorf("%s of %q: the whole box is seen: %v", tt.role, tt.orgID, a.Whole())
		}
	}
}

func TestAccessMay(t *testing.T) {
	for _, tt := range []struct {
		has, asked Action
		want       bool
	}{
		{ActionRead, ActionRead, true},
		{ActionRead | ActionWrite, ActionRead, true},
		{ActionRead, ActionWrite, false},
		{ActionRead, ActionRead | ActionWrite, false}, // all of it
		{ActionRead, 0, false},                        // nothing is not asked for by anybody who means it
		{0, 0, false},
		{0, ActionRead, false},
	} {
		if got := (Access{Actions: tt.has, AllOrgs: true}).May(tt.asked); got != tt.want {
			t.Errorf("%v may %v: %v", tt.has.Names(), tt.asked.Names(), got)
		}
	}
}

// TestAccessSees tries everybody on everything.
func TestAccessSees(t *testing.T) {
	type object struct{ org, device string } // without a device: the organization's own
	objects := []object{{"acme", ""}, {"acme", "d1"}, {"acme", "d2"}, {"acme", "nobody"}, {"beta", ""}, {"beta", "d1"}, {"", ""}, {"", "d1"}}
	for _, tt := range []struct {
		name string
		a    Access
		sees []object
	}{
		{"nobody", Access{}, nil},
		{"without an action", Access{AllOrgs: true}, nil},
		{"without an organization", Access{Actions: ActionRead}, nil},
		{"everything", Everything(), objects},
		{"a viewer", RoleAccess(RoleViewer, "acme"), objects[:4]},
		{"an admin of another organization", RoleAccess(RoleOrgAdmin, "beta"), objects[4:6]},
		{"a list", Access{Actions: ActionRead, OrgID: "acme", Devices: []string{"d0", "d1", "d3"}}, objects[1:2]},
		{"an empty list", Access{Actions: ActionRead, OrgID: "acme", Devices: []string{}}, nil},
	} {
		for _, o := range objects {
			got := tt.a.SeesOrg(o.org)
			if o.device != "" {
				got = tt.a.SeesDevice(o.org, o.device)
			}
			if want := slices.Contains(tt.sees, o); got != want {
				t.Errorf("%s sees %+v: %v", tt.name, o, got)
			}
		}
	}
}

func TestAccessWhole(t *testing.T) {
	for _, a := range []Access{
		{}, {AllOrgs: true}, {Actions: ActionRead, OrgID: "acme"}, {Actions: ActionRead, AllOrgs: true, Devices: []string{"d1"}},
	} {
		if a.Whole() {
			t.Errorf("%+v sees the whole box", a)
		}
	}
	if !(Access{Actions: ActionRead, AllOrgs: true}).Whole() {
		t.Error("a reader of all organizations does not see them")
	}
}

func TestActionNames(t *testing.T) {
	for x, want := range map[Action][]string{
		0:                          nil,
		ActionRead:                 {"read"},
		ActionIngest | ActionWrite: {"write", "ingest"},
		Everything().Actions:       {"read", "write", "ingest", "admin", "company"},
	} {
		if got := x.Names(); !slices.Equal(got, want) {
			t.Errorf("%d is called %v, want %v", x, got, want)
		}
	}
}
