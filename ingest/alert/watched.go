package alert

import (
	"encoding/binary"
	"errors"
	"fmt"

	"tidegate/store"
)

// watched is one rule at one port, with what the engine knows beside the watch.
type watched struct {
	// What each reading needs stands together.
	plan      *Plan
	skip      uint64 // log position that the watch has seen already, at a start
	heard     int64  // time of the newest reading
	dueAt     int64  // in the heap
	heapIndex int32  // -1: not there
	dirty     bool   // Observe has changed the watch since it was kept
	gone      bool   // of no rule any more
	watch     Watch

	key   watchKey
	rule  *store.AlertRule
	text  *Message
	port  port
	event *store.AlertEvent // the last episode, while it goes on or may be joined
	told  telling
}

// port is what an episode says of its port.
type port struct {
	device     *store.Device
	name, unit string
}

// telling is what was said of the episode.
type telling struct {
	of    int64 // StartedAt of the episode
	count int   // how often that it fires
	at    int64 // when last; engine time
	// endDue is when its end is to be said; 0: not, or it was.
	endDue int64
}

const watchedFormat = 1

// body is what is kept of w.
func (w *watched) body() []byte {
	b := []byte{watchedFormat}
	b = binary.LittleEndian.AppendUint64(b, w.plan.Fingerprint())
	b = binary.AppendVarint(b, w.heard)
	b = binary.AppendVarint(b, w.told.of)
	b = binary.AppendUvarint(b, uint64(w.told.count))
	b = binary.AppendVarint(b, w.told.at)
	b = binary.AppendVarint(b, w.told.endDue)
	return w.watch.AppendBinary(b)
}

var errTorn = errors.New("is cut short")

// restore is the inverse of body, and answers the fingerprint.
func (w *watched) restore(b []byte) (print uint64, err error) {
	if len(b) < 9 {
		return 0, errTorn
	}
	if b[0] != watchedFormat {
		return 0, fmt.Errorf("has format %d, which this version does not know", b[0])
	}
	print, b = binary.LittleEndian.Uint64(b[1:]), b[9:]
	next := func() (v int64) {
		v, n := binary.Varint(b)
		if n <= 0 {
			err = errTorn
			return 0
		}
		b = b[n:]
		return v
	}
	w.heard = next()
	of := next()
	count, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, errTorn
	}
	b = b[n:]
	w.told = telling{of: of, count: int(count), at: next(), endDue: next()}
	if err != nil {
		return 0, err
	}
	return print, w.watch.UnmarshalBinary(b)
}
