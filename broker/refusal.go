package broker

import (
	"strings"
	"sync"
	"time"
)

// Refusal is one line about something that was refused, for the log, for tail
// and for the page. Line begins with "refused: " and names cause and fix.
type Refusal struct {
	Kind     string // login, publish, subscribe, will, qos2, limit, full
	User     string // as sent
	OrgID    string // empty when nobody is logged in
	DeviceID string // of the device that is logged in
	Line     string
	// Silenced counts refusals of this user and kind since the last line.
	Silenced int
}

// Bounds of the memory of refusals: a stranger chooses user names.
const (
	refusalPeriod = time.Minute
	maxRefusals   = 4096
	maxUserShown  = 64
	maxTopicShown = 200
)

// refusals lets one line a minute through for each user and kind.
type refusals struct {
	mu    sync.Mutex
	last  map[refusalKey]*refused
	crowd refused // shared by all once the memory is full
}

type refusalKey struct{ user, kind string }

type refused struct {
	at       time.Time
	silenced int
}

// admit reports whether a line may be written now, and how many were not.
func (r *refusals) admit(user, kind string, now time.Time) (silenced int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := refusalKey{shown(user, maxUserShown), kind}
	e := r.last[k]
	if e == nil {
		if len(r.last) >= maxRefusals {
			for k, e := range r.last {
				if now.Sub(e.at) >= refusalPeriod {
					delete(r.last, k)
				}
			}
		}
		if len(r.last) >= maxRefusals {
			e = &r.crowd
		} else {
			if r.last == nil {
				r.last = make(map[refusalKey]*refused)
			}
			e = &refused{}
			r.last[k] = e
		}
	}
	if !e.at.IsZero() && now.Sub(e.at) < refusalPeriod {
		e.silenced++
		return 0, false
	}
	silenced, e.silenced, e.at = e.silenced, 0, now
	return silenced, true
}

// refuse tells of a refusal, unless its like was told within a minute.
func (b *Broker) refuse(r Refusal) {
	silenced, ok := b.refusals.admit(r.User, r.Kind, b.opts.Now())
	if !ok {
		return
	}
	r.Silenced = silenced
	if b.opts.Refused != nil {
		b.opts.Refused(r)
		return
	}
	b.log.Warn("refused", "kind", r.Kind, "user", shown(r.User, maxUserShown), "line", r.Line, "silenced", silenced)
}

// shown cuts what a stranger sent to n bytes.
func shown(s string, n int) string {
	if len(s) <= n {
		return strings.Clone(s)
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
