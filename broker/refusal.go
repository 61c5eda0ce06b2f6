package broker

import (
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Refusal is one line about something that was refused, for the log, for tail
// and for the page. Line begins with "refused: " and names cause and fix; that
// of kind qos0 begins with "accepted: ", and is a warning.
type Refusal struct {
	Kind     string // login, publish, subscribe, will, qos0, qos2, limit, full, cmdres, or tls_ and why a handshake failed
	User     string // as sent, made fit to be shown
	OrgID    string // empty when nobody is logged in
	DeviceID string // of the device that is logged in
	Line     string
	// Silenced counts refusals of this user and kind since the last line.
	Silenced int
}

// Bounds of the memory of refusals: a stranger chooses user names.
const (
	refusalBurst  = 5 // a newcomer tries several things in a minute
	refusalPeriod = time.Minute
	maxRefusals   = 4096
	maxUserShown  = 64
	maxTopicShown = 200
)

// refusals lets a few lines, and then one a minute, through for each user and
// kind.
type refusals struct {
	mu    sync.Mutex
	last  map[refusalKey]*refused
	swept time.Time
	crowd refused // shared by all once the memory is full; guarded by mu
}

type refusalKey struct{ user, kind string }

// refused is a bucket of refusalBurst lines, to which each period adds one.
type refused struct {
	free     time.Time // when the bucket is full again
	silenced int
}

// take reports whether there was a line in the bucket.
func (r *refused) take(now time.Time) bool {
	if r.free.Before(now) {
		r.free = now
	}
	if r.free.Sub(now) > (refusalBurst-1)*refusalPeriod {
		r.silenced++
		return false
	}
	r.free = r.free.Add(refusalPeriod)
	return true
}

// admit reports whether a line may be written now, and how many were not since
// the last one.
func (r *refusals) admit(user, kind string, now time.Time) (silenced int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := refusalKey{user, kind}
	e := r.last[k]
	if e == nil {
		e = r.remember(k, now)
	}
	if !e.take(now) {
		return 0, false
	}
	silenced, e.silenced = e.silenced, 0
	return silenced, true
}

// remember makes a bucket, or answers the common one when there are too many.
func (r *refusals) remember(k refusalKey, now time.Time) *refused {
	if len(r.last) >= maxRefusals && now.Sub(r.swept) >= refusalPeriod {
		r.swept = now
		for k, e := range r.last {
			if e.free.Before(now) {
				delete(r.last, k)
			}
		}
	}
	if len(r.last) >= maxRefusals {
		return &r.crowd
	}
	if r.last == nil {
		r.last = make(map[refusalKey]*refused)
	}
	e := &refused{}
	r.last[k] = e
	return e
}

// refuse tells of a refusal, unless too many like it were told lately.
func (b *Broker) refuse(r Refusal) {
	r.User = shown(r.User, maxUserShown)
	silenced, ok := b.refusals.admit(r.User, r.Kind, b.opts.Now())
	if !ok {
		return
	}
	r.Silenced = silenced
	if b.opts.Refused != nil {
		b.opts.Refused(r)
		return
	}
	b.log.Warn("refused", "kind", r.Kind, "user", r.User, "line", r.Line, "silenced", silenced)
}

// shown makes what a stranger sent fit for a line and a terminal: at most n
// bytes, and no control characters.
func shown(s string, n int) string {
	more := ""
	if len(s) > n {
		s, more = s[:n], "…"
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.Clone(s)) + more
}
