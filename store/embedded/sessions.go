package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

const (
	sessionsFormat = 1
	// endedFor is how long a session that is over is known, so that whoever
	// comes with its token is told why.
	endedFor = 7 * 24 * time.Hour
)

// SessionsOptions of Sessions; the zero value works.
type SessionsOptions struct {
	Now    func() time.Time // nil: the time; of a new file
	Logger *slog.Logger     // nil: none
}

// Sessions keeps the logins of people and the last use of API keys in one file,
// which is in no backup: see store.Sessions. A folder without it starts, and
// people log in again.
//
//   - A session begins, rotates and ends in one fsynced transaction. Killed at
//     any moment, the file has the generation before or the one after, never
//     both and never none.
//   - Changes take turns. Of two rotations of one generation the first wins, and
//     the second ends the session.
//   - All of it is in memory too. Reads wait for no disk.
//   - An end holds in memory whatever the disk does. One that could not be
//     written is written with the next change, or the next sweep. After a failed
//     fsync nothing is written any more, and nothing begins or rotates.
//
// Bounds: for each user MaxSessions that go on, as many that are over, for a
// week; about 500 bytes each. maxKeyUses keys.
type Sessions struct {
	path string
	db   *bbolt.DB
	o    SessionsOptions

	writing sync.Mutex // held over a change; before mu

	mu     sync.RWMutex
	held   map[string]*heldSession
	of     map[string]map[string]struct{} // user id → ids of sessions
	broken error                          // after it nothing is written any more
	closed bool

	uses keyUses // has a lock of its own, the last to be taken
}

// heldSession is a session in memory.
type heldSession struct {
	store.Session
	over      chan struct{} // closed when it ends
	unwritten bool          // its end is not in the file
}

var (
	_ store.Sessions = (*Sessions)(nil)
	_ store.KeyUses  = (*Sessions)(nil)
)

// OpenSessions opens the file, or makes it.
func OpenSessions(path string, o SessionsOptions) (*Sessions, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	db, err := openFile(path, fileSpec{kind: "sessions", format: sessionsFormat, made: o.Now()})
	if errors.Is(err, store.ErrInvalid) {
		return nil, fmt.Errorf("%w. It is in no backup and holds logins alone: without it people log in again", err)
	}
	if err != nil {
		return nil, err
	}
	s := &Sessions{path: path, db: db, o: o, held: map[string]*heldSession{}, of: map[string]map[string]struct{}{}}
	s.uses.init(s)
	if err = ensureBuckets(db, sessionBucket, keyUseBucket); err == nil {
		err = view(db, s.load)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

// Close writes what waits and closes the file.
func (s *Sessions) Close() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.isClosed() {
		return nil
	}
	s.uses.stop()
	var err error
	if s.usable() == nil {
		err = s.commit("write what waits", nil, nil, true)
	}
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	return errors.Join(err, s.db.Close())
}

func (s *Sessions) isClosed() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closed
}

// usable answers why nothing can be written.
func (s *Sessions) usable() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return fileError(store.ErrUnavailable, s.path, "is closed")
	}
	return s.broken
}

// hold takes a session into memory. mu is held.
func (s *Sessions) hold(n store.Session) {
	h := &heldSession{Session: n, over: make(chan struct{})}
	if !n.EndedAt.IsZero() {
		close(h.over)
	}
	s.held[n.ID] = h
	if s.of[n.UserID] == nil {
		s.of[n.UserID] = map[string]struct{}{}
	}
	s.of[n.UserID][n.ID] = struct{}{}
}

// forget drops sessions from memory. mu is held.
func (s *Sessions) forget(ids []string) {
	for _, id := range ids {
		h := s.held[id]
		if h.EndedAt.IsZero() {
			close(h.over)
		}
		delete(s.held, id)
		if delete(s.of[h.UserID], id); len(s.of[h.UserID]) == 0 {
			delete(s.of, h.UserID)
		}
	}
}

// end ends one in memory. mu is held.
func (h *heldSession) end(why store.SessionEnd, at time.Time) {
	h.Ended, h.EndedAt, h.unwritten = why, milliTime(at.UnixMilli()), true
	close(h.over)
}

// commit writes sessions, forgets others, and adds every end that the file does
// not have, in one transaction. With uses the last use of keys goes along. The
// caller holds writing, and changes memory when it answers nil.
func (s *Sessions) commit(doing string, put []store.Session, gone []string, uses bool) error {
	if err := s.usable(); err != nil {
		return err
	}
	s.mu.RLock()
	var ended []*heldSession
	for _, h := range s.held {
		if h.unwritten && !slices.Contains(gone, h.ID) {
			ended = append(ended, h)
			put = append(put, h.Session)
		}
	}
	s.mu.RUnlock()
	var keys map[string]store.KeyUse
	if uses {
		keys = s.uses.take()
	}
	if len(put)+len(gone)+len(keys) == 0 {
		return nil
	}
	err := update(s.db, func(tx *bbolt.Tx) error {
		b := tx.Bucket(sessionBucket)
		for _, n := range put {
			if err := b.Put([]byte(n.ID), encodeSession(n)); err != nil {
				return err
			}
		}
		for _, id := range gone {
			if err := b.Delete([]byte(id)); err != nil {
				return err
			}
		}
		return putKeyUses(tx, keys)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.uses.giveBack(keys)
		if errors.Is(err, errFsync) {
			s.broken = err
		}
		return fmt.Errorf("%s: %w", doing, err)
	}
	for _, h := range ended {
		h.unwritten = false
	}
	return nil
}

// CreateSession implements store.Sessions.
func (s *Sessions) CreateSession(ctx context.Context, n store.Session) error {
	n = keptSession(n)
	if err := errors.Join(n.Validate(), ctx.Err()); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, ok := s.Session(n.ID); ok {
		return store.Conflict("session", n.ID, "exists already")
	}
	put := []store.Session{n}
	going, over := s.ofUser(n.UserID, n.CreatedAt)
	if len(going) >= store.MaxSessions {
		for _, old := range going[store.MaxSessions-1:] {
			old.Ended, old.EndedAt = store.EndTooMany, n.CreatedAt
			put = append(put, old)
			over = append(over, old)
		}
	}
	var gone []string
	for _, old := range over[:max(0, len(over)-store.MaxSessions)] {
		gone = append(gone, old.ID)
	}
	if err := s.commit("begin a session", put, gone, false); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold(n)
	for _, old := range put[1:] {
		h := s.held[old.ID]
		h.end(old.Ended, old.EndedAt)
		h.unwritten = false
	}
	s.forget(gone)
	return nil
}

// ofUser answers those of a user that go on, the last used first, and those
// that are over, the first to end first.
func (s *Sessions) ofUser(userID string, now time.Time) (going, over []store.Session) {
	s.mu.RLock()
	for id := range s.of[userID] {
		if h := s.held[id]; h.Good(now) {
			going = append(going, h.Session)
		} else {
			over = append(over, h.Session)
		}
	}
	s.mu.RUnlock()
	slices.SortFunc(going, func(a, b store.Session) int { return b.LastUsedAt.Compare(a.LastUsedAt) })
	slices.SortFunc(over, func(a, b store.Session) int { return a.OverAt().Compare(b.OverAt()) })
	return going, over
}

// Session implements store.Sessions.
func (s *Sessions) Session(id string) (store.Session, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	h, ok := s.held[id]
	if !ok {
		return store.Session{}, false
	}
	return h.Session, true
}

// SessionOver implements store.Sessions.
func (s *Sessions) SessionOver(id string) <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if h, ok := s.held[id]; ok {
		return h.over
	}
	none := make(chan struct{})
	close(none)
	return none
}

// ListSessions implements store.Sessions.
func (s *Sessions) ListSessions(userID string, now time.Time) []store.Session {
	going, _ := s.ofUser(userID, now)
	return going
}

// RotateSession implements store.Sessions.
func (s *Sessions) RotateSession(ctx context.Context, id string, generation uint64, u store.SessionUse) (store.Session, error) {
	if err := ctx.Err(); err != nil {
		return store.Session{}, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	n, ok := s.Session(id)
	if !ok || !n.Good(u.At) {
		return n, store.NotFound("session", id)
	}
	if generation != n.Generation {
		if err := s.endNow([]string{id}, store.EndReuse, u.At); err != nil {
			s.o.Logger.Error("write the end of a session", "session", id, "error", err)
		}
		return n, store.Conflict("session", id, "has a newer refresh token than this one; it was ended, because two have it")
	}
	n.Generation++
	n.LastUsedAt, n.IdleUntil, n.Remote, n.UserAgent = u.At, u.IdleUntil, u.Remote, u.UserAgent
	n = keptSession(n)
	if err := s.commit("rotate a session", []store.Session{n}, nil, false); err != nil {
		return store.Session{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[id].Session = n
	return n, nil
}

// endNow ends sessions in memory, and then in the file. writing is held.
func (s *Sessions) endNow(ids []string, why store.SessionEnd, at time.Time) error {
	s.mu.Lock()
	for _, id := range ids {
		s.held[id].end(why, at)
	}
	s.mu.Unlock()
	return s.commit("end a session", nil, nil, false)
}

// EndSession implements store.Sessions.
func (s *Sessions) EndSession(_ context.Context, id string, why store.SessionEnd, at time.Time) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	n, ok := s.Session(id)
	switch {
	case !ok:
		return store.NotFound("session", id)
	case !n.EndedAt.IsZero():
		return s.commit("end a session", nil, nil, false) // of one that the disk did not take then
	}
	return s.endNow([]string{id}, why, at)
}

// EndSessions implements store.Sessions.
func (s *Sessions) EndSessions(_ context.Context, userID string, e store.SessionsEnd) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	going, _ := s.ofUser(userID, e.At)
	var ids []string
	var put []store.Session
	for _, n := range going {
		if n.ID == e.Keep {
			n.Version = e.Version
			put = append(put, n)
			continue
		}
		ids = append(ids, n.ID)
	}
	s.mu.Lock()
	for _, id := range ids {
		s.held[id].end(e.Reason, e.At)
	}
	s.mu.Unlock()
	if err := s.commit("end the sessions of a user", put, nil, false); err != nil {
		return len(ids), err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range put {
		s.held[n.ID].Session = n
	}
	return len(ids), nil
}

// SweepSessions implements store.Sessions.
func (s *Sessions) SweepSessions(ctx context.Context, now time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	var gone []string
	s.mu.RLock()
	for id, h := range s.held {
		if !now.Before(h.OverAt().Add(endedFor)) {
			gone = append(gone, id)
		}
	}
	s.mu.RUnlock()
	if err := s.commit("sweep sessions", nil, gone, false); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(gone)
	return nil
}

// Count answers how many sessions go on.
func (s *Sessions) Count(now time.Time) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for h := range maps.Values(s.held) {
		if h.Good(now) {
			n++
		}
	}
	return n
}
