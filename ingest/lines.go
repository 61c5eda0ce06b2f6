package ingest

import (
	"fmt"
	"sync"
	"time"

	"tidegate/store"
)

// lineEvery is how often one device may say one reason; maxLines bounds the
// pairs that are remembered.
const (
	lineEvery = 10 * time.Second
	maxLines  = 4096
)

// rejectionLines turns rejections into lines for people, one per device and
// reason every lineEvery; the next one says how many were held back.
type rejectionLines struct {
	now  Clock
	emit func(orgID, deviceID, line string)

	mu   sync.Mutex
	seen map[lineKey]*lineState
}

type lineKey struct {
	org, device string
	reason      store.Reason
}

type lineState struct {
	at   time.Time
	held int
}

func newRejectionLines(now Clock, emit func(orgID, deviceID, line string)) *rejectionLines {
	return &rejectionLines{now: now, emit: emit, seen: make(map[lineKey]*lineState)}
}

// tell says a letter of a message, unless the same was said a moment ago.
func (r *rejectionLines) tell(m *Message, l *store.Letter) {
	if r.emit == nil {
		return
	}
	key := lineKey{m.OrgID, m.DeviceID, l.Reason}
	now := r.now()
	r.mu.Lock()
	s := r.seen[key]
	if s != nil && now.Sub(s.at) < lineEvery {
		s.held++
		r.mu.Unlock()
		return
	}
	if s == nil {
		if len(r.seen) >= maxLines {
			r.forget(now)
		}
		s = &lineState{}
		r.seen[key] = s
	}
	held := s.held
	s.at, s.held = now, 0
	r.mu.Unlock()

	line := rejectedLine(m.DeviceID, *l)
	if held > 0 {
		line += fmt.Sprintf(" (and %d more like this)", held)
	}
	r.emit(m.OrgID, m.DeviceID, line)
}

// forget drops what was said long ago; when that frees nothing, everything.
func (r *rejectionLines) forget(now time.Time) {
	for k, s := range r.seen {
		if now.Sub(s.at) >= lineEvery {
			delete(r.seen, k)
		}
	}
	if len(r.seen) >= maxLines {
		clear(r.seen)
	}
}
