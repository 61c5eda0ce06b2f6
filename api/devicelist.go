package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"tidegate/store"
)

type listDevicesInput struct {
	PageInput
	OrgID          string            `query:"orgId" as:"id" doc:"of this organization"`
	State          store.DeviceState `query:"state" enum:"active,retired,deleted" doc:"absent: all that are not deleted"`
	Q              string            `query:"q" maxLength:"200" doc:"is in the id, the serial number or the name, whatever the case"`
	Tag            []string          `query:"tag,explode" as:"id" doc:"carries it; given several times: all of them"`
	Online         optional[bool]    `query:"online"`
	HasSecret      optional[bool]    `query:"hasSecret" doc:"false: those that cannot log in"`
	Sort           string            `query:"sort" enum:"id,name,lastSeen,createdAt" default:"id" doc:"then by id; who was never seen is the first by lastSeen"`
	Order          string            `query:"order" enum:"asc,desc" default:"asc"`
	IncludeDeleted bool              `query:"includeDeleted"`
	Ports          bool              `query:"ports" doc:"answer each device's ports with it"`
}

func (in *listDevicesInput) filter() store.DeviceFilter {
	return store.DeviceFilter{OrgID: in.OrgID, IncludeDeleted: in.IncludeDeleted || in.State == store.DeviceDeleted}
}

// wanted answers what the parameters choose beyond the catalogue's own filter;
// nil: everything.
func (s *Server) wanted(in *listDevicesInput) func(store.Device) bool {
	if in.State == "" && in.Q == "" && len(in.Tag) == 0 && !in.Online.Set && !in.HasSecret.Set {
		return nil
	}
	q := newSearch(in.Q)
	return func(d store.Device) bool {
		for _, tag := range in.Tag {
			if !slices.Contains(d.Tags, tag) {
				return false
			}
		}
		return (in.State == "" || d.State == in.State) && in.HasSecret.takes(len(d.SecretHash) > 0) &&
			q.in(d.ID, d.SerialNumber, d.Name) && in.Online.takes(s.presence(d).Online)
	}
}

func (s *Server) presence(d store.Device) store.Presence { return s.presenceOf(d.UID) }

// presenceOf answers whether a device is connected, and when it was last heard
// of, by its connection or a message.
func (s *Server) presenceOf(uid uint32) (p store.Presence) {
	if s.o.Presence != nil {
		p = s.o.Presence(uid)
	}
	if s.o.Pulse != nil {
		if heard, _ := s.o.Pulse(uid); heard.After(p.LastSeen) {
			p.LastSeen = heard
		}
	}
	return p
}

func (s *Server) listDevices(ctx context.Context, in *listDevicesInput) (*answer[List[Device]], error) {
	seen := s.admin.seen(ctx)
	if in.OrgID != "" {
		if _, err := seen.organization(ctx, in.OrgID); err != nil {
			return nil, err
		}
	}
	f := in.filter()
	l := lister[store.Device]{
		piece: func(after string, n int) ([]store.Device, error) {
			f.Page = store.Page{After: after, Limit: n}
			return seen.listDevices(ctx, f)
		},
		id:     func(d store.Device) string { return d.ID },
		wanted: s.wanted(in),
	}
	var devices []store.Device
	var next string
	var err error
	if in.Sort == "id" && in.Order == "asc" {
		devices, next, err = l.page(in.Cursor, in.Limit)
	} else {
		devices, next, err = s.sortedDevices(in, l)
	}
	if err != nil {
		return nil, err
	}
	out := listOf(devices, next, func(d store.Device) Device { return s.withPresence(newDevice(d), d) })
	if in.Ports {
		for i := range out.Body.Items {
			d := &out.Body.Items[i]
			if d.Ports, err = s.admin.listPorts(ctx, d.ID); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// deviceSorted is how many devices are looked at for a page in another order
// than that of the catalogue. Each page costs one look at all of them; 10,000
// take 13 ms.
const deviceSorted = 100_000

// sortKey is a device's place in an order: by value, then by id.
type sortKey struct{ value, id string }

func (k sortKey) compare(o sortKey) int {
	if c := strings.Compare(k.value, o.value); c != 0 {
		return c
	}
	return strings.Compare(k.id, o.id)
}

// key answers a device's place. Times are written so that their order is that
// of their text.
func (s *Server) key(by string, d store.Device) sortKey {
	switch by {
	case "name":
		return sortKey{strings.ToLower(d.Name), d.ID}
	case "createdAt":
		return sortKey{fmt.Sprintf("%019d", d.CreatedAt.UnixMilli()), d.ID}
	case "lastSeen":
		if at := s.presence(d).LastSeen; !at.IsZero() {
			return sortKey{fmt.Sprintf("%019d", at.UnixMilli()), d.ID}
		}
	}
	return sortKey{"", d.ID}
}

// sortedDevices answers a page in another order than the catalogue's. It keeps
// the first of those behind the cursor, so that memory is bounded by the page.
// The cursor is a place in the order: devices that come or go beside it change
// nothing of what follows, and one that moves (by being seen) may come twice or
// not.
func (s *Server) sortedDevices(in *listDevicesInput, l lister[store.Device]) (page []store.Device, next string, err error) {
	type placed struct {
		key sortKey
		d   store.Device
	}
	begin, err := in.place()
	if err != nil {
		return nil, "", err
	}
	inOrder := func(a, b placed) int { return a.key.compare(b.key) }
	if in.Order == "desc" {
		inOrder = func(a, b placed) int { return b.key.compare(a.key) }
	}
	var first []placed
	keep := func() {
		slices.SortFunc(first, inOrder)
		first = first[:min(len(first), in.Limit+1)]
	}
	after, looked := "", 0
	for {
		piece, err := l.piece(after, listPiece)
		if err != nil {
			return nil, "", err
		}
		for _, d := range piece {
			after = d.ID
			if l.wanted != nil && !l.wanted(d) {
				continue
			}
			p := placed{s.key(in.Sort, d), d}
			if begin != nil && inOrder(placed{key: *begin}, p) >= 0 {
				continue
			}
			if first = append(first, p); len(first) >= 4*(in.Limit+1) {
				keep()
			}
		}
		if len(piece) < listPiece {
			break
		}
		if looked += len(piece); looked >= deviceSorted {
			return nil, "", problem(http.StatusUnprocessableEntity, "invalid",
				fmt.Sprintf("query.sort: more than %d devices are not sorted; name an organization, or leave sort and order out", deviceSorted)).
				limited("query.sort", deviceSorted)
		}
	}
	keep()
	for i, p := range first {
		if i == in.Limit {
			return page, in.cursor(first[i-1].key), nil
		}
		page = append(page, p.d)
	}
	return page, "", nil
}

// cursor names a place in the order that was asked for.
func (in *listDevicesInput) cursor(k sortKey) string {
	b, _ := json.Marshal([]string{in.Sort, in.Order, k.value, k.id}) // strings always encode
	return base64.RawURLEncoding.EncodeToString(b)
}

// place is the inverse of cursor.
func (in *listDevicesInput) place() (*sortKey, error) {
	if in.Cursor == "" {
		return nil, nil
	}
	var parts []string
	b, err := base64.RawURLEncoding.DecodeString(in.Cursor)
	if err == nil {
		err = json.Unmarshal(b, &parts)
	}
	if err != nil || len(parts) != 4 || parts[0] != in.Sort || parts[1] != in.Order {
		return nil, invalidParam("query.cursor", "is not a nextCursor of this sort and order")
	}
	return &sortKey{parts[2], parts[3]}, nil
}
