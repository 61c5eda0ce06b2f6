package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"tidegate/api/client"
	"tidegate/store"
)

// farm is a box with devices that differ in everything that can be asked for.
func farm(t *testing.T, n int) (*box, map[string]Device) {
	seen := map[uint32]store.Presence{}
	b := newBox(t, func(o *Options) { o.Presence = func(uid uint32) store.Presence { return seen[uid] } })
	r := rand.New(rand.NewPCG(7, 7))
	for _, org := range []string{"acme", "other"} {
		must[client.Organization](t)(b.local.CreateOrganization(t.Context(), client.NewOrganization{ID: org, Name: "Org " + org}))
	}
	names := []string{"", "pump", "Pump", "boiler", "Ärger", "ärger", strings.Repeat("<\x01", 100)}
	for i := range n {
		d := client.NewDevice{ID: fmt.Sprintf("d%03d", r.IntN(1000)*n+i), OrgID: []string{"acme", "other"}[i%2], Name: names[r.IntN(len(names))]}
		if i%3 == 0 {
			d.SerialNumber = fmt.Sprintf("SN-%d", i)
		}
		if none := ""; i%4 == 0 {
			d.Secret = &none
		}
		made := must[client.Device](t)(b.local.CreateDevice(t.Context(), d))
		if i%5 != 0 {
			uid := must[store.Device](t)(b.catalog.Device(t.Context(), made.ID)).UID
			seen[uid] = store.Presence{Online: i%2 == 0, LastSeen: time.UnixMilli(1_700_000_000_000 + r.Int64N(5))}
		}
		switch i % 7 {
		case 3:
			must[client.Device](t)(b.local.RetireDevice(t.Context(), made.ID))
		case 5:
			if err := b.local.DeleteDevice(t.Context(), made.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := map[string]Device{}
	for _, d := range b.list(t, "includeDeleted=true&limit=1000") {
		all[d.ID] = d
	}
	if len(all) != n {
		t.Fatalf("%d devices", len(all))
	}
	return b, all
}

// page asks for one page of devices over the socket.
func (b *box) page(t *testing.T, query string) List[Device] {
	t.Helper()
	rec := b.asEverybody(t, "GET", "/api/v1/devices?"+query)
	var l List[Device]
	if err := json.Unmarshal(rec.Body.Bytes(), &l); err != nil || rec.Code != 200 {
		t.Fatalf("%s: %d %s", query, rec.Code, rec.Body)
	}
	return l
}

// list walks all pages.
func (b *box) list(t *testing.T, query string) []Device {
	t.Helper()
	return b.listFrom(t, query, "")
}

func (b *box) listFrom(t *testing.T, query, cursor string) []Device {
	t.Helper()
	var all []Device
	for {
		q := query
		if cursor != "" {
			q += "&cursor=" + url.QueryEscape(cursor)
		}
		l := b.page(t, q)
		all = append(all, l.Items...)
		if cursor = l.NextCursor; cursor == "" {
			return all
		}
	}
}

func ids(devices []Device) []string {
	out := []string{}
	for _, d := range devices {
		out = append(out, d.ID)
	}
	return out
}

// TestSortedDevices holds every order, in pages of several sizes, against a sort
// of all devices.
func TestSortedDevices(t *testing.T) {
	b, all := farm(t, 60)
	value := map[string]func(Device) string{
		"id": func(Device) string { return "" }, "name": func(d Device) string { return strings.ToLower(d.Name) },
		"createdAt": func(d Device) string { return d.CreatedAt.String() },
		"lastSeen": func(d Device) string {
			if d.LastSeen == nil {
				return ""
			}
			return d.LastSeen.String()
		},
	}
	for by, of := range value {
		for _, order := range []string{"asc", "desc"} {
			var want []Device
			for _, d := range all {
				if d.State != store.DeviceDeleted {
					want = append(want, d)
				}
			}
			slices.SortFunc(want, func(a, b Device) int {
				c := strings.Compare(of(a), of(b))
				if c == 0 {
					c = strings.Compare(a.ID, b.ID)
				}
				if order == "desc" {
					return -c
				}
				return c
			})
			for _, limit := range []int{1, 7, len(want) - 1, len(want), 1000} {
				if got := ids(b.list(t, fmt.Sprintf("sort=%s&order=%s&limit=%d", by, order, limit))); !slices.Equal(got, ids(want)) {
					t.Errorf("by %s, %s, by %d:\n got %v\nwant %v", by, order, limit, got, ids(want))
				}
			}
		}
	}
}

// TestPagesOfAChangingList: what comes and goes between two pages moves nothing
// else.
func TestPagesOfAChangingList(t *testing.T) {
	b, _ := farm(t, 40)
	for _, query := range []string{"sort=name", "sort=name&order=desc", "sort=createdAt&order=desc", "order=desc", ""} {
		first := b.page(t, query+"&limit=10")
		rest := ids(b.list(t, query+"&limit=1000")[10:])
		// The cursor's own device goes, and others come at both ends.
		gone := first.Items[9].ID
		if err := b.local.DeleteDevice(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"", "zzz"} {
			must[client.Device](t)(b.local.CreateDevice(t.Context(), client.NewDevice{ID: "new-" + name + "-" + strings.NewReplacer("=", "", "&", "").Replace(query), OrgID: "acme", Name: name}))
		}
		second := ids(b.listFrom(t, query+"&limit=10", first.NextCursor))
		second = slices.DeleteFunc(second, func(id string) bool { return strings.HasPrefix(id, "new-") && !slices.Contains(rest, id) })
		if !slices.Equal(second, rest) {
			t.Errorf("%q:\n got %v\nwant %v", query, second, rest)
		}
	}
}

func TestFilteredDevices(t *testing.T) {
	b, all := farm(t, 60)
	yes := func(Device) bool { return true }
	for query, wanted := range map[string]func(Device) bool{
		"":               yes,
		"orgId=acme":     func(d Device) bool { return d.OrgID == "acme" },
		"state=active":   func(d Device) bool { return d.State == "active" },
		"state=retired":  func(d Device) bool { return d.State == "retired" },
		"state=deleted":  func(d Device) bool { return d.State == "deleted" },
		"online=true":    func(d Device) bool { return d.Online },
		"online=false":   func(d Device) bool { return !d.Online },
		"hasSecret=true": func(d Device) bool { return d.HasSecret },
		"hasSecret=false&state=active": func(d Device) bool {
			return !d.HasSecret && d.State == "active"
		},
		"q=PUMP":        func(d Device) bool { return strings.EqualFold(d.Name, "pump") },
		"q=%C3%A4rge":   func(d Device) bool { return strings.EqualFold(d.Name, "ärger") },
		"q=sn-1":        func(d Device) bool { return strings.HasPrefix(d.SerialNumber, "SN-1") },
		"q=1&sort=name": func(d Device) bool { return strings.Contains(d.ID+" "+d.SerialNumber, "1") },
		"q=nowhere":     func(Device) bool { return false },
		"orgId=other&online=false&sort=lastSeen&order=desc": func(d Device) bool { return d.OrgID == "other" && !d.Online },
	} {
		var want []string
		for id, d := range all {
			if wanted(d) && (d.State != "deleted" || strings.Contains(query, "deleted")) {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		got := ids(b.list(t, query+"&limit=3"))
		if !strings.Contains(query, "sort") && !slices.IsSorted(got) {
			t.Errorf("%q: not in order: %v", query, got)
		}
		if slices.Sort(got); !slices.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%q:\n got %v\nwant %v", query, got, want)
		}
		if len(want) == 0 && query != "q=nowhere" {
			t.Errorf("%q tries nothing", query)
		}
	}
	byName := b.page(t, "sort=name&limit=2").NextCursor
	for query, says := range map[string]string{
		"sort=size":                             `expected value to be one of \"id, name, lastSeen, createdAt\"`,
		"order=up":                              "asc, desc",
		"state=lost":                            "active, retired, deleted",
		"online=maybe":                          "query.online: invalid boolean",
		"sort=name&cursor=d1":                   "is not a nextCursor of this sort and order",
		"sort=name&order=desc&cursor=" + byName: "is not a nextCursor of this sort and order",
		"sort=createdAt&cursor=" + byName:       "is not a nextCursor of this sort and order",
		"orgId=none":                            `organization \"none\"`,
	} {
		rec := b.asEverybody(t, "GET", "/api/v1/devices?"+query)
		if rec.Code != 422 && rec.Code != 404 || !strings.Contains(rec.Body.String(), says) {
			t.Errorf("%s: %d %s", query, rec.Code, rec.Body)
		}
	}
}

// TestListsLookAtSoManyItems: a filter that chooses little costs a bounded time,
// and the cursor goes on.
func TestListsLookAtSoManyItems(t *testing.T) {
	const all = 3*listLooked + 17
	looked, pages := 0, 0
	l := lister[int]{
		piece: func(after string, n int) (out []int, err error) {
			begin := 0
			if after != "" {
				_, err = fmt.Sscan(strings.TrimLeft(after, "0"), &begin)
			}
			for i := begin + 1; i <= all && len(out) < n; i++ {
				out = append(out, i)
			}
			looked += len(out)
			return out, err
		},
		id:     func(i int) string { return fmt.Sprintf("%09d", i) },
		wanted: func(i int) bool { return i == 5 || i == 6 || i == all-1 },
	}
	var got []int
	for cursor := ""; ; pages++ {
		looked = 0
		items, next, err := l.page(cursor, 2)
		if err != nil || looked > listLooked {
			t.Fatalf("looked at %d, %v", looked, err)
		}
		got = append(got, items...)
		if cursor = next; cursor == "" {
			break
		}
	}
	if !slices.Equal(got, []int{5, 6, all - 1}) || pages < 3 {
		t.Errorf("%v in %d pages", got, pages+1)
	}
}

func TestFilteredPeopleAndOrganizations(t *testing.T) {
	b := newBox(t)
	for _, id := range []string{"acme", "beta", "gamma"} {
		must[client.Organization](t)(b.local.CreateOrganization(t.Context(), client.NewOrganization{ID: id, Name: strings.ToUpper(id) + " Works"}))
	}
	for i, email := range []string{"ann@a.org", "bob@a.org", "Cleo@b.org"} {
		u := client.NewUser{Email: email, Password: annPassword, Role: store.RoleViewer, OrgID: "acme"}
		if i == 2 {
			u.Role, u.OrgID = store.RoleOrgAdmin, "beta"
		}
		must[client.User](t)(b.local.CreateUser(t.Context(), u))
	}
	for path, want := range map[string]string{
		"/organizations": "acme beta gamma", "/organizations?q=A%20wo": "beta gamma", "/organizations?q=BET": "beta", "/organizations?q=x": "", "/organizations?q=amm&limit=1": "gamma",
		"/users": "ann@a.org bob@a.org Cleo@b.org", "/users?role=viewer": "ann@a.org bob@a.org", "/users?orgId=beta": "Cleo@b.org",
		"/users?q=cleo": "Cleo@b.org", "/users?q=@a.&role=org-admin": "", "/users?q=@": "ann@a.org bob@a.org Cleo@b.org",
	} {
		rec := b.asEverybody(t, "GET", "/api/v1"+path)
		var l List[struct{ ID, Email string }]
		if err := json.Unmarshal(rec.Body.Bytes(), &l); err != nil || rec.Code != 200 || l.NextCursor != "" {
			t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
		}
		var got []string
		for _, it := range l.Items {
			if it.Email != "" {
				it.ID = it.Email
			}
			got = append(got, it.ID)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", path, got, want)
		}
	}
	for _, path := range []string{"/users?orgId=none", "/users?role=king", "/organizations?sort=id"} {
		if rec := b.asEverybody(t, "GET", "/api/v1"+path); rec.Code != 404 && rec.Code != 422 {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
}

// BenchmarkSortedDevices is the cost of a page in another order than the
// catalogue's.
func BenchmarkSortedDevices(bench *testing.B) {
	b := newBox(bench)
	must[client.Organization](bench)(b.local.CreateOrganization(bench.Context(), client.NewOrganization{ID: "acme", Name: "Acme"}))
	rows := "id,org,serial,secret,ports\n" + strings.Join(numbered("dev%d,acme,,s,1", 10_000), "\n")
	must[client.DeviceImport](bench)(b.local.ImportDevices(bench.Context(), strings.NewReader(rows), false))
	for bench.Loop() {
		if rec := b.asEverybody(bench, "GET", "/api/v1/devices?sort=name&limit=100"); rec.Code != 200 {
			bench.Fatal(rec.Body)
		}
	}
}
