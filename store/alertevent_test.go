package store

import (
	"slices"
	"strings"
	"testing"
)

// TestAlertEventIDs: ids sort by start, whatever rule and port, and tell
// episodes apart.
func TestAlertEventIDs(t *testing.T) {
	const ms = 36_500 * 24 * 3600 * 1000 // a hundred years
	var ids []string
	for _, at := range []int64{-20 * ms, -ms, -257, -256, -1, 0, 1, 255, 256, 1_757_160_000_000, 20 * ms} {
		for _, s := range []Series{{UID: 7, Port: 1}, {UID: 1, Port: 7}} {
			id := AlertEventID("rule-1", s, at)
			if !strings.HasPrefix(id, AlertEventIDPrefix(at)) || !ValidID(id) {
				t.Errorf("%q of %d", id, at)
			}
			if n := len(ids); n > 1 && strings.Compare(ids[n-n%2-1], id) >= 0 {
				t.Errorf("%q of %d sorts before %q", id, at, ids[n-n%2-1])
			}
			ids = append(ids, id)
		}
	}
	ids = append(ids, AlertEventID("rule-2", Series{UID: 7, Port: 1}, 1))
	slices.Sort(ids)
	if len(slices.Compact(ids)) != 23 {
		t.Errorf("some are the same: %v", ids)
	}
}
