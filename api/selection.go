package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"tidegate/ingest"
	"tidegate/store"
)

// selection is the ports that a query asks about, in the order of the public
// contract: by device id, then by port.
type selection struct {
	series []store.Series
	ports  []*ingest.Port // ports[i] is series[i]
}

// selectPorts finds ports; no ids are all devices, no numbers all ports.
func (s *Server) selectPorts(ctx context.Context, deviceIDs []string, numbers []int) (*selection, error) {
	seen := s.admin.seen(ctx)
	var devices []*ingest.Device
	if len(deviceIDs) == 0 {
		devices = seen.allKnown()
	}
	for _, id := range deviceIDs {
		d := seen.known(id)
		if d == nil {
			return nil, store.NotFound("device", id)
		}
		if !slices.Contains(devices, d) {
			devices = append(devices, d)
		}
	}
	slices.SortFunc(devices, func(a, b *ingest.Device) int { return strings.Compare(a.ID, b.ID) })
	wanted := make(map[int]bool, len(numbers)) // and whether it was found
	for _, n := range numbers {
		if n < 0 || n > 65535 {
			return nil, invalidParam("query.portNumber", fmt.Sprintf("%d is not between 0 and 65535", n))
		}
		wanted[n] = false
	}
	sel := &selection{}
	for _, d := range devices {
		ports := d.Ports()
		for i := range ports {
			p := &ports[i]
			if _, ok := wanted[int(p.Number)]; len(wanted) > 0 && !ok {
				continue
			}
			if len(wanted) > 0 {
				wanted[int(p.Number)] = true
			}
			sel.series = append(sel.series, store.Series{UID: d.UID, Port: p.Number})
			sel.ports = append(sel.ports, p)
		}
	}
	for n, found := range wanted {
		if !found && len(deviceIDs) > 0 {
			return nil, store.NotFound("port", strings.Join(deviceIDs, ",")+"/"+strconv.Itoa(n))
		}
	}
	return sel, nil
}

// cursorOf names a place behind a row, by public names, so that it survives
// devices that come and go.
func (sel *selection) cursorOf(ts int64, series int) string {
	p := sel.ports[series]
	return base64.RawURLEncoding.EncodeToString([]byte(
		strconv.FormatInt(ts, 10) + "/" + p.DeviceID + "/" + strconv.Itoa(int(p.Number))))
}

// rowKey is the inverse of cursorOf. Where the port is gone it answers the
// place where it was.
func (sel *selection) rowKey(cursor string, desc bool) (*store.RowKey, error) {
	if cursor == "" {
		return nil, nil
	}
	bad := invalidParam("query.cursor", "is not a nextCursor of this query")
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	parts := strings.Split(string(b), "/")
	if err != nil || len(parts) != 3 {
		return nil, bad
	}
	ts, err1 := strconv.ParseInt(parts[0], 10, 64)
	port, err2 := strconv.ParseUint(parts[2], 10, 16)
	if err1 != nil || err2 != nil {
		return nil, bad
	}
	i := sort.Search(len(sel.ports), func(i int) bool {
		p := sel.ports[i]
		if c := strings.Compare(p.DeviceID, parts[1]); c != 0 {
			return c > 0
		}
		return p.Number >= uint16(port)
	})
	if i == len(sel.ports) || sel.ports[i].DeviceID != parts[1] || sel.ports[i].Number != uint16(port) {
		// Behind the gap: ascending, all from i on are still to come; descending, all before i.
		if !desc {
			i--
		}
	}
	return &store.RowKey{TS: ts, Series: i}, nil
}

// parseTime reads a time of a query; empty is fallback.
func parseTime(name, s string, fallback int64) (int64, error) {
	if s == "" {
		return fallback, nil
	}
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return min(max(ms, minTime), maxTime), nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		hint := ""
		if strings.Contains(s, " ") {
			hint = "; a + within a URL is written %2B"
		}
		return 0, invalidParam("query."+name, fmt.Sprintf("%q is not a time such as 2025-09-06T12:00:00Z, or milliseconds since 1970%s", s, hint))
	}
	return t.UnixMilli(), nil
}

// The times that RFC 3339 can write, in Unix milliseconds.
const (
	minTime = -62_167_219_200_000 // 0000-01-01
	maxTime = 253_402_300_800_000 // 10000-01-01, exclusive
)

func parseRange(from, to string) (f, t int64, err error) {
	if f, err = parseTime("from", from, minTime); err != nil {
		return 0, 0, err
	}
	if t, err = parseTime("to", to, maxTime); err != nil {
		return 0, 0, err
	}
	if f > t {
		return 0, 0, invalidParam("query.from", "is later than to")
	}
	return f, t, nil
}
