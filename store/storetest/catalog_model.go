package storetest

import (
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"tidegate/store"
)

// catalogModel is the catalogue by its rules, without any index.
type catalogModel struct {
	orgs    map[string]store.Organization
	users   map[string]store.User
	devices map[string]*store.Device
	ports   map[string]map[uint16]store.Port
	uids    map[uint32]bool
	lastUID uint32
}

func newCatalogModel() *catalogModel {
	return &catalogModel{
		orgs: map[string]store.Organization{}, users: map[string]store.User{}, devices: map[string]*store.Device{},
		ports: map[string]map[uint16]store.Port{}, uids: map[uint32]bool{},
	}
}

func (m *catalogModel) createOrg(o store.Organization) error {
	if _, ok := m.orgs[o.ID]; ok {
		return store.ErrConflict
	}
	for _, d := range m.devices {
		if d.OrgID == o.ID {
			return store.ErrConflict
		}
	}
	m.orgs[o.ID] = o
	return nil
}

func (m *catalogModel) deleteOrg(id string) error {
	if _, ok := m.orgs[id]; !ok {
		return store.ErrNotFound
	}
	for _, d := range m.devices {
		if d.OrgID == id && d.State != store.DeviceDeleted {
			return store.ErrConflict
		}
	}
	for _, u := range m.users {
		if u.OrgID == id {
			return store.ErrConflict
		}
	}
	delete(m.orgs, id)
	return nil
}

func (m *catalogModel) taken(name, owner string) bool {
	for _, d := range m.devices {
		if d.ID != owner && (d.ID == name || d.SerialNumber == name) {
			return true
		}
	}
	return false
}

func (m *catalogModel) createDevice(d store.Device) (*store.Device, error) {
	if _, ok := m.orgs[d.OrgID]; !ok {
		return nil, store.ErrNotFound
	}
	if m.taken(d.ID, "") || d.SerialNumber != "" && m.taken(d.SerialNumber, "") {
		return nil, store.ErrConflict
	}
	d.State = store.DeviceActive
	m.devices[d.ID], m.ports[d.ID] = &d, map[uint16]store.Port{}
	return &d, nil
}

func (m *catalogModel) updateDevice(d store.Device) error {
	was := m.devices[d.ID]
	if was == nil || was.State == store.DeviceDeleted {
		return store.ErrNotFound
	}
	d.UID, d.OrgID, d.CreatedAt = was.UID, was.OrgID, was.CreatedAt
	if d.State != store.DeviceActive {
		d.SerialNumber = ""
	}
	if d.SerialNumber != "" && m.taken(d.SerialNumber, d.ID) {
		return store.ErrConflict
	}
	*was = d
	return nil
}

func (m *catalogModel) putPort(p store.Port) error {
	if d := m.devices[p.DeviceID]; d == nil || d.State == store.DeviceDeleted {
		return store.ErrNotFound
	}
	for n, o := range m.ports[p.DeviceID] {
		if n != p.Number && o.Name == p.Name && p.Name != "" {
			return store.ErrConflict
		}
	}
	m.ports[p.DeviceID][p.Number] = p
	return nil
}

func (m *catalogModel) deletePort(id string, n uint16) error {
	if _, ok := m.ports[id][n]; !ok {
		return store.ErrNotFound
	}
	delete(m.ports[id], n)
	return nil
}

func (m *catalogModel) createUser(u store.User) error {
	if _, ok := m.users[u.ID]; ok {
		return store.ErrConflict
	}
	for _, o := range m.users {
		if strings.EqualFold(o.Email, u.Email) {
			return store.ErrConflict
		}
	}
	if _, ok := m.orgs[u.OrgID]; !ok {
		return store.ErrNotFound
	}
	m.users[u.ID] = u
	return nil
}

func (m *catalogModel) updateUser(u store.User) error {
	was, ok := m.users[u.ID]
	if !ok {
		return store.ErrNotFound
	}
	if _, ok := m.orgs[u.OrgID]; !ok {
		return store.ErrNotFound
	}
	was.Role, was.OrgID, was.PasswordHash = u.Role, u.OrgID, u.PasswordHash
	m.users[u.ID] = was
	return nil
}

func (m *catalogModel) deleteUser(id string) error {
	if _, ok := m.users[id]; !ok {
		return store.ErrNotFound
	}
	delete(m.users, id)
	return nil
}

// compare walks every list of c in pages of a random size.
func (m *catalogModel) compare(t *testing.T, rnd *rand.Rand, c Catalog) {
	t.Helper()
	ctx, size := t.Context(), 1+rnd.IntN(5)

	orgs := pages(t, size, func(p store.Page) ([]store.Organization, error) { return c.ListOrganizations(ctx, p) }, func(o store.Organization) string { return o.ID })
	same(t, "organizations", orgs, sorted(m.orgs, nil))
	users := pages(t, size, func(p store.Page) ([]store.User, error) { return c.ListUsers(ctx, p) }, func(u store.User) string { return u.ID })
	same(t, "users", users, sorted(m.users, nil))

	devices := map[string]store.Device{}
	for id, d := range m.devices {
		devices[id] = *d
	}
	f := store.DeviceFilter{OrgID: pick(rnd, []string{"", "a", "b", "zz"}), IncludeDeleted: rnd.IntN(2) == 0}
	list := pages(t, size, func(p store.Page) ([]store.Device, error) { f.Page = p; return c.ListDevices(ctx, f) }, func(d store.Device) string { return d.ID })
	same(t, "devices", list, sorted(devices, func(d store.Device) bool {
		return (f.OrgID == "" || d.OrgID == f.OrgID) && (f.IncludeDeleted || d.State != store.DeviceDeleted)
	}))

	var all, want []store.Port
	must(t, c.AllPorts(ctx, func(p store.Port) error { all = append(all, p); return nil }))
	for _, d := range sorted(devices, nil) {
		ports := sorted(m.ports[d.ID], nil)
		got, err := c.ListPorts(ctx, d.ID)
		must(t, err)
		same(t, "ports of "+d.ID, got, ports)
		if d.State != store.DeviceDeleted {
			want = append(want, ports...)
		}
	}
	slices.SortStableFunc(all, func(a, b store.Port) int { return strings.Compare(a.DeviceID, b.DeviceID) })
	same(t, "all ports", all, want)
}

func pages[T any](t *testing.T, size int, list func(store.Page) ([]T, error), id func(T) string) (all []T) {
	t.Helper()
	for p := (store.Page{Limit: size}); ; {
		got, err := list(p)
		must(t, err)
		if len(got) > size {
			t.Fatalf("a page of %d has %d", size, len(got))
		}
		all = append(all, got...)
		if len(got) < size {
			break
		}
		p.After = id(got[len(got)-1])
	}
	whole, err := list(store.Page{})
	must(t, err)
	same(t, "pages and the whole", all, whole)
	return all
}

func sorted[K ~string | ~uint16, V any](m map[K]V, keep func(V) bool) (out []V) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if keep == nil || keep(m[k]) {
			out = append(out, m[k])
		}
	}
	return out
}

func same[T any](t *testing.T, what string, got, want []T) {
	t.Helper()
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
