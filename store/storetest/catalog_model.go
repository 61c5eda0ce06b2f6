package storetest

import (
	"bytes"
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
	keys    map[string]store.APIKey
	alerts  alertModel
	uids    map[uint32]bool
	lastUID uint32
}

func newCatalogModel() *catalogModel {
	return &catalogModel{
		orgs: map[string]store.Organization{}, users: map[string]store.User{}, devices: map[string]*store.Device{},
		ports: map[string]map[uint16]store.Port{}, keys: map[string]store.APIKey{}, alerts: newAlertModel(), uids: map[uint32]bool{},
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
	for _, k := range m.keys {
		if k.OrgID == id {
			return store.ErrConflict
		}
	}
	delete(m.orgs, id)
	m.alerts.deleteOrg(id)
	return nil
}

func (m *catalogModel) taken(name, owner string) bool {
	for _, d := range m.devices {
		if d.ID != owner && (d.ID == name || d.SerialNumber == name) {
			return true
		}
	}
	_, key := m.keys[name]
	return key
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
	if m.linked(u) {
		return store.ErrConflict
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
	if m.linked(u) {
		return store.ErrConflict
	}
	u.Email, u.CreatedAt = was.Email, was.CreatedAt
	m.users[u.ID] = u
	return nil
}

// linked reports whether the link of u is another's.
func (m *catalogModel) linked(u store.User) bool {
	for _, o := range m.users {
		if o.ID != u.ID && len(u.LinkHash) > 0 && bytes.Equal(o.LinkHash, u.LinkHash) {
			return true
		}
	}
	return false
}

func (m *catalogModel) deleteUser(id string) error {
	if _, ok := m.users[id]; !ok {
		return store.ErrNotFound
	}
	delete(m.users, id)
	return nil
}

// listed reports whether a key of an organization may list the devices.
func (m *catalogModel) listed(orgID string, ids, before []string) bool {
	for _, id := range ids {
		d := m.devices[id]
		if !slices.Contains(before, id) && (d == nil || d.OrgID != orgID || d.State == store.DeviceDeleted) {
			return false
		}
	}
	return true
}

func (m *catalogModel) createKey(k store.APIKey) error {
	if m.taken(k.ID, "") {
		return store.ErrConflict
	}
	if _, ok := m.orgs[k.OrgID]; !ok && k.OrgID != "" || !m.listed(k.OrgID, k.DeviceIDs, nil) {
		return store.ErrNotFound
	}
	m.keys[k.ID] = k
	return nil
}

func (m *catalogModel) updateKey(k store.APIKey) error {
	was, ok := m.keys[k.ID]
	switch {
	case !ok:
		return store.ErrNotFound
	case was.OrgID == "" && k.DeviceIDs != nil:
		return store.ErrInvalid
	case !m.listed(was.OrgID, k.DeviceIDs, was.DeviceIDs):
		return store.ErrNotFound
	}
	was.Name, was.ExpiresAt, was.DeviceIDs = k.Name, k.ExpiresAt, k.DeviceIDs
	m.keys[k.ID] = was
	return nil
}

func (m *catalogModel) deleteKey(id string) error {
	if _, ok := m.keys[id]; !ok {
		return store.ErrNotFound
	}
	delete(m.keys, id)
	return nil
}

// compare walks every list of c in pages of a random size.
func (m *catalogModel) compare(t *testing.T, rnd *rand.Rand, c Catalog) {
	t.Helper()
	ctx, size := t.Context(), 1+rnd.IntN(5)

	orgs := pages(t, size, func(p store.Page) ([]store.Organization, error) { return c.ListOrganizations(ctx, p) }, func(o store.Organization) string { return o.ID })
	same(t, "organizations", orgs, sorted(m.orgs, nil))
	org := pick(rnd, []string{"", "a", "b", "zz"})
	users := pages(t, size, func(p store.Page) ([]store.User, error) {
		return c.ListUsers(ctx, store.UserFilter{OrgID: org, Page: p})
	}, func(u store.User) string { return u.ID })
	same(t, "users", users, sorted(m.users, func(u store.User) bool { return org == "" || u.OrgID == org }))
	keys := pages(t, size, func(p store.Page) ([]store.APIKey, error) {
		return c.ListAPIKeys(ctx, store.APIKeyFilter{OrgID: org, Page: p})
	}, func(k store.APIKey) string { return k.ID })
	same(t, "API keys", keys, sorted(m.keys, func(k store.APIKey) bool { return org == "" || k.OrgID == org }))
	m.alerts.compare(t, size, org, c)
	for n := range 3 {
		var got, want []string
		for _, u := range sorted(m.users, func(u store.User) bool { return bytes.Equal(u.LinkHash, []byte{byte(n)}) }) {
			want = append(want, u.ID)
		}
		u, err := c.UserByLink(ctx, []byte{byte(n)})
		if err == nil {
			got = append(got, u.ID)
		} else if kind(err) != store.ErrNotFound {
			t.Fatal(err)
		}
		same(t, "user by link", got, want)
	}

	devices := map[string]store.Device{}
	for id, d := range m.devices {
		devices[id] = *d
	}
	f := store.DeviceFilter{OrgID: org, IncludeDeleted: rnd.IntN(2) == 0}
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
