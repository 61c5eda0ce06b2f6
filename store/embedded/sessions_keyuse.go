package embedded

import (
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

const (
	keyUseEvery = time.Minute // between two transactions that note uses
	maxKeyUses  = 10_000      // beyond it the one of longest ago is forgotten
)

// keyUses are the last uses of API keys in memory. A key that is used all the
// time costs one transaction a minute, and so do a thousand. A crash loses a
// minute of it.
type keyUses struct {
	s *Sessions

	mu      sync.Mutex
	known   map[string]store.KeyUse
	changed map[string]struct{} // the file does not have these; absent from known: to be deleted
	timer   *time.Timer         // nil: nothing waits
	stopped bool
}

func (u *keyUses) init(s *Sessions) {
	u.s, u.known, u.changed = s, map[string]store.KeyUse{}, map[string]struct{}{}
}

// NoteKeyUse implements store.KeyUses.
func (s *Sessions) NoteKeyUse(id string, use store.KeyUse) {
	u := &s.uses
	u.mu.Lock()
	defer u.mu.Unlock()
	use.At = milliTime(use.At.UnixMilli())
	if _, ok := u.known[id]; !ok && len(u.known) >= maxKeyUses {
		u.drop(u.oldest())
	}
	u.known[id] = use
	u.change(id)
}

// KeyUse implements store.KeyUses.
func (s *Sessions) KeyUse(id string) (store.KeyUse, bool) {
	s.uses.mu.Lock()
	defer s.uses.mu.Unlock()
	use, ok := s.uses.known[id]
	return use, ok
}

// ForgetKey implements store.KeyUses.
func (s *Sessions) ForgetKey(id string) {
	s.uses.mu.Lock()
	defer s.uses.mu.Unlock()
	if _, ok := s.uses.known[id]; ok {
		s.uses.drop(id)
	}
}

func (u *keyUses) oldest() (id string) {
	for k, use := range u.known {
		if id == "" || use.At.Before(u.known[id].At) {
			id = k
		}
	}
	return id
}

func (u *keyUses) drop(id string) {
	delete(u.known, id)
	u.change(id)
}

// change notes that the file is to follow. mu is held.
func (u *keyUses) change(id string) {
	u.changed[id] = struct{}{}
	if u.timer == nil && !u.stopped {
		u.timer = time.AfterFunc(keyUseEvery, u.write)
	}
}

// write is what the timer does.
func (u *keyUses) write() {
	u.mu.Lock()
	u.timer = nil
	u.mu.Unlock()
	u.s.writing.Lock()
	defer u.s.writing.Unlock()
	if u.s.usable() != nil {
		return // whoever changes something is told
	}
	if err := u.s.commit("note the use of keys", nil, nil, true); err != nil {
		u.s.o.Logger.Error("note the use of keys", "error", err)
	}
}

// take answers what the file does not have; a zero use: the key is to go.
func (u *keyUses) take() map[string]store.KeyUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	keys := make(map[string]store.KeyUse, len(u.changed))
	for id := range u.changed {
		keys[id] = u.known[id]
	}
	clear(u.changed)
	return keys
}

// giveBack takes what could not be written.
func (u *keyUses) giveBack(keys map[string]store.KeyUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id := range keys {
		u.change(id)
	}
}

func (u *keyUses) stop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.stopped = true
	if u.timer != nil {
		u.timer.Stop()
		u.timer = nil
	}
}

func putKeyUses(tx *bbolt.Tx, keys map[string]store.KeyUse) error {
	b := tx.Bucket(keyUseBucket)
	for id, use := range keys {
		err := b.Delete([]byte(id))
		if !use.At.IsZero() {
			err = b.Put([]byte(id), encodeRecord(keyUseRecord{use.At.UnixMilli(), use.Remote}))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
