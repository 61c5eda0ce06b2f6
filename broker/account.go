package broker

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tidegate/ingest"
	"tidegate/store"
)

// account is a principal that has logged in since the start: its connections,
// its stored sessions, what it retains, and when it was last heard of.
type account struct {
	b        *Broker
	key      string // the device's id, or "$" and the name of a service account
	orgID    string
	deviceID string // empty for a service account
	uid      uint32

	seen atomic.Int64 // Unix ms

	// mu also orders the lifecycle messages of a device: the last one that is
	// retained tells the truth.
	mu       sync.Mutex
	sessions map[*session]struct{}
	online   bool
	willSaid bool     // a will has said that the device is offline
	stored   []string // keys of mochi's sessions without a connection, oldest first
	retained map[string]struct{}
	told     int64 // seen, as Presence knows it
}

// accountKey keeps devices and service accounts apart: no id begins with $.
func accountKey(p *ingest.Principal) string {
	if p.Device != nil {
		return p.Device.ID
	}
	return serviceKey(p.Name)
}

func serviceKey(principal string) string { return "$" + principal }

// account answers the account of a principal. An id that was purged and given
// to another device begins anew.
func (b *Broker) account(p *ingest.Principal) *account {
	key := accountKey(p)
	fresh := &account{b: b, key: key, orgID: p.OrgID, sessions: make(map[*session]struct{})}
	if d := p.Device; d != nil {
		fresh.orgID, fresh.deviceID, fresh.uid = d.OrgID, d.ID, d.UID
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if a := b.accounts[key]; a != nil && a.uid == fresh.uid && a.orgID == fresh.orgID {
		return a
	}
	b.accounts[key] = fresh
	return fresh
}

// admit makes s a session of its principal's account, unless that has too many.
// A service account that was dropped as idle meanwhile is made anew: whoever
// disconnects it must find every session.
func (b *Broker) admit(s *session, p *ingest.Principal) bool {
	for {
		a := b.account(p)
		s.account = a
		if !a.join(s) {
			return false
		}
		b.mu.Lock()
		found := b.accounts[a.key] == a
		b.mu.Unlock()
		if found || a.deviceID != "" {
			return true
		}
		a.mu.Lock()
		delete(a.sessions, s)
		a.mu.Unlock()
	}
}

// limit scales a limit of a device to what the account may have.
func (a *account) limit(n int) int {
	if a.deviceID == "" {
		return n * maxServiceScale
	}
	return n
}

// join adds a session, unless there are too many.
func (a *account) join(s *session) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.sessions) >= a.limit(maxSessions) {
		return false
	}
	a.sessions[s] = struct{}{}
	a.willSaid = false
	a.stored = slices.DeleteFunc(a.stored, func(key string) bool { return key == s.key })
	return true
}

// arrive says, once for all its connections, that the device is there.
func (a *account) arrive() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.deviceID != "" && !a.online {
		a.online = true
		a.announce("online", "connected", true)
	}
}

// leave takes a session out. The last one of a device says that it is gone.
func (a *account) leave(s *session, reason string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.sessions, s)
	if a.online && len(a.sessions) == 0 {
		a.online = false
		// What the device's own will said of this stays.
		a.announce("offline", reason, !a.willSaid)
	}
}

// shared reports whether the device has a further connection that is open.
func (a *account) shared(s *session) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for other := range a.sessions {
		if other != s && !isClosed(other.conn.closed) {
			return true
		}
	}
	return false
}

// saidOffline remembers that a will says that the device is offline.
func (a *account) saidOffline() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.willSaid = true
}

// correct says again that the device is online, after a will of an earlier
// connection said otherwise.
func (a *account) correct() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.online {
		a.b.publishLifecycle(a.orgID, a.deviceID, "online", "connected", a.b.opts.Now())
	}
}

// announce tells of a change; a.mu is held.
func (a *account) announce(status, reason string, publish bool) {
	at := a.b.opts.Now()
	if publish {
		a.b.publishLifecycle(a.orgID, a.deviceID, status, reason, at)
	}
	last := max(a.seen.Load(), a.told)
	if status == "online" {
		last = at.UnixMilli()
		a.seen.Store(last)
	}
	a.told = last
	a.b.opts.Presence(a.uid, store.Presence{Online: status == "online", LastSeen: time.UnixMilli(last).UTC()})
	a.b.opts.Lifecycle(a.orgID, a.deviceID, status, reason, at)
}

// refresh tells Presence when the device was heard of since the last time.
func (a *account) refresh() {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.seen.Load()
	if a.deviceID == "" || seen <= a.told || len(a.sessions) == 0 {
		return
	}
	a.told = seen
	a.b.opts.Presence(a.uid, store.Presence{Online: true, LastSeen: time.UnixMilli(seen).UTC()})
}

// keep remembers a session that mochi stores, and answers the key of one that
// has to go for it, or "".
func (a *account) keep(key string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stored = append(a.stored, key)
	if len(a.stored) <= a.limit(maxSessions) {
		return ""
	}
	oldest := a.stored[0]
	a.stored = a.stored[1:]
	return oldest
}

// forget drops a stored session that has expired.
func (a *account) forget(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stored = slices.DeleteFunc(a.stored, func(k string) bool { return k == key })
}

// mayRetain counts a retained topic; false when there are too many.
func (a *account) mayRetain(topic string, empty bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if empty {
		delete(a.retained, topic)
		return true
	}
	if _, ok := a.retained[topic]; ok {
		return true
	}
	if len(a.retained) >= a.limit(maxRetained) {
		return false
	}
	if a.retained == nil {
		a.retained = make(map[string]struct{})
	}
	a.retained[topic] = struct{}{}
	return true
}

// idle reports whether nothing is left of a service account; the accounts of
// devices stay, as their number is that of the devices.
func (a *account) idle() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.deviceID == "" && len(a.sessions)+len(a.stored)+len(a.retained) == 0
}
