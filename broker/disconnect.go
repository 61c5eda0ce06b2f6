package broker

import (
	"sync"
	"time"

	"tidegate/ingest"
)

// Disconnect closes the connections of a device, after its secret changed, or
// it was retired or deleted. reason becomes the reason of its lifecycle message.
// What the catalogue says must be in force before.
func (b *Broker) Disconnect(deviceID, reason string) { b.disconnect(deviceID, reason) }

// DisconnectKey closes the connections of an API key, after it was changed or
// deleted, which must be in force before. Those that are not closed so end
// within ReviewInterval all the same.
func (b *Broker) DisconnectKey(id, reason string) {
	b.disconnect(serviceKey(ingest.KeyPrincipal(id)), reason)
}

func (b *Broker) disconnect(account, reason string) {
	b.mu.Lock()
	a := b.accounts[account]
	b.mu.Unlock()
	if a != nil {
		expelAll(a.sessionsThat(func(*session) bool { return true }), 0x98, reason)
	}
}

// reviewLogins ends the connections of service accounts that have lapsed, until
// the broker closes.
func (b *Broker) reviewLogins() {
	tick := time.NewTicker(b.opts.ReviewInterval)
	defer tick.Stop()
	for {
		select {
		case <-b.listener.stopped:
			return
		case <-tick.C:
		}
		var lapsed []*session
		for _, a := range b.allAccounts() {
			if a.deviceID == "" {
				lapsed = append(lapsed, a.sessionsThat((*session).lapsed)...)
			}
		}
		expelAll(lapsed, 0x87, "login_lapsed")
	}
}

// lapsed reports whether the login of a service account is good no more.
func (s *session) lapsed() bool {
	return s.service != nil && !s.b.opts.Authenticator.Current(s.service)
}

// sessionsThat answers the open sessions of a that are so.
func (a *account) sessionsThat(are func(*session) bool) (out []*session) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for s := range a.sessions {
		if are(s) {
			out = append(out, s)
		}
	}
	return out
}

// expelAll disconnects all at once: a socket that is stuck takes a second.
func expelAll(sessions []*session, code byte, cause string) {
	var wg sync.WaitGroup
	for _, s := range sessions {
		wg.Go(func() { s.expel(code, cause) })
	}
	wg.Wait()
}
