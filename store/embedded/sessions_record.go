package embedded

import (
	"encoding/json"
	"time"

	"go.etcd.io/bbolt"

	"tidegate/store"
)

// The buckets of sessions.db. Values are JSON in the forms below.
var (
	sessionBucket = []byte("sessions") // id → session
	keyUseBucket  = []byte("key_uses") // key id → last use
)

// The forms in which sessions.db keeps things; times are milliseconds.

type sessionRecord struct {
	UserID     string `json:"user"`
	Version    string `json:"ver"`
	CreatedAt  int64  `json:"created"`
	LastUsedAt int64  `json:"used"`
	IdleUntil  int64  `json:"idle"`
	Until      int64  `json:"until"`
	Generation uint64 `json:"gen"`
	Remote     string `json:"remote,omitempty"`
	UserAgent  string `json:"agent,omitempty"`
	Ended      string `json:"why,omitempty"`
	EndedAt    int64  `json:"ended,omitempty"` // 0: it goes on
}

type keyUseRecord struct {
	At     int64  `json:"at"`
	Remote string `json:"remote,omitempty"`
}

// keptSession answers s as the file keeps it.
func keptSession(s store.Session) store.Session {
	for _, t := range []*time.Time{&s.CreatedAt, &s.LastUsedAt, &s.IdleUntil, &s.Until} {
		*t = milliTime(t.UnixMilli())
	}
	s.UserAgent = store.CutUserAgent(s.UserAgent)
	return s
}

func encodeSession(s store.Session) []byte {
	r := sessionRecord{
		UserID: s.UserID, Version: s.Version, CreatedAt: s.CreatedAt.UnixMilli(), LastUsedAt: s.LastUsedAt.UnixMilli(),
		IdleUntil: s.IdleUntil.UnixMilli(), Until: s.Until.UnixMilli(), Generation: s.Generation,
		Remote: s.Remote, UserAgent: s.UserAgent, Ended: string(s.Ended),
	}
	if !s.EndedAt.IsZero() {
		r.EndedAt = s.EndedAt.UnixMilli()
	}
	return encodeRecord(r)
}

func decodeSession(id string, b []byte) (store.Session, error) {
	var r sessionRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return store.Session{}, err
	}
	s := store.Session{
		ID: id, UserID: r.UserID, Version: r.Version, CreatedAt: milliTime(r.CreatedAt), LastUsedAt: milliTime(r.LastUsedAt),
		IdleUntil: milliTime(r.IdleUntil), Until: milliTime(r.Until), Generation: r.Generation,
		Remote: r.Remote, UserAgent: r.UserAgent, Ended: store.SessionEnd(r.Ended),
	}
	if r.EndedAt != 0 {
		s.EndedAt = milliTime(r.EndedAt)
	}
	return s, nil
}

// load reads the whole file into memory.
func (s *Sessions) load(tx *bbolt.Tx) error {
	damaged := func(what string, key []byte, err error) error {
		return fileError(store.ErrInvalid, tx.DB().Path(), "%s %q is damaged (%v); move the file away: people log in again", what, key, err)
	}
	err := tx.Bucket(sessionBucket).ForEach(func(k, v []byte) error {
		n, err := decodeSession(string(k), v)
		if err != nil {
			return damaged("session", k, err)
		}
		s.hold(n)
		return nil
	})
	if err != nil {
		return err
	}
	return tx.Bucket(keyUseBucket).ForEach(func(k, v []byte) error {
		var r keyUseRecord
		if err := json.Unmarshal(v, &r); err != nil {
			return damaged("use of key", k, err)
		}
		s.uses.known[string(k)] = store.KeyUse{At: milliTime(r.At), Remote: r.Remote}
		return nil
	})
}
