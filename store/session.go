package store

import (
	"context"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxSessions is how many sessions a user may have at once.
	MaxSessions = 50

	sessionIDDigits = 26 // 130 random bits
	maxUserAgent    = 200
)

// SessionEnd says why a session is over.
type SessionEnd string

// The ends. One that is over because its time has passed has none of them.
const (
	EndLogout   SessionEnd = "logout"          // by its user, there
	EndRevoked  SessionEnd = "revoked"         // by its user elsewhere, or by an admin
	EndReuse    SessionEnd = "reuse"           // an earlier refresh token came again: two have it
	EndTooMany  SessionEnd = "too_many"        // its user has begun MaxSessions newer ones
	EndPassword SessionEnd = "password_change" // the user's password is another
	EndChanged  SessionEnd = "user_change"     // the user's role or organization is another
	EndDeleted  SessionEnd = "user_delete"
)

// Session is one login of a person, on one device, until it ends. Times are
// kept to the millisecond.
type Session struct {
	ID     string // see NewSessionID
	UserID string
	// Version is of the user when the session began: with another password,
	// role or organization the user has another one.
	Version    string
	CreatedAt  time.Time
	LastUsedAt time.Time // begun, or rotated
	IdleUntil  time.Time // over then, unless it is rotated before
	Until      time.Time // over then in any case
	Generation uint64    // of the one refresh token that is good; from 1
	Remote     string    // address of the last use
	UserAgent  string    // of the last use; see CutUserAgent
	Ended      SessionEnd
	EndedAt    time.Time // zero: it goes on
}

// NewSessionID answers an id that nobody can guess.
func NewSessionID() string { return NewSecret()[:sessionIDDigits] }

// IsSessionID reports whether id may name a session.
func IsSessionID(id string) bool {
	return len(id) == sessionIDDigits && strings.Trim(id, secretDigits) == ""
}

// OverAt answers when s ended, or will end unless something happens before.
func (s Session) OverAt() time.Time {
	switch {
	case !s.EndedAt.IsZero():
		return s.EndedAt
	case s.IdleUntil.Before(s.Until):
		return s.IdleUntil
	}
	return s.Until
}

// Good reports whether s goes on.
func (s Session) Good(now time.Time) bool { return s.EndedAt.IsZero() && now.Before(s.OverAt()) }

// Validate reports the first thing that is wrong with s.
func (s Session) Validate() error {
	switch {
	case !IsSessionID(s.ID):
		return Invalid("session", "id", "%q is not %d digits", s.ID, sessionIDDigits)
	case s.UserID == "":
		return Invalid("session", "userId", "is missing")
	case s.Generation == 0:
		return Invalid("session", "generation", "begins with 1")
	case !s.Good(s.CreatedAt):
		return Invalid("session", "", "is over when it begins")
	}
	return nil
}

// CutUserAgent answers what a browser says of itself as it is kept: at most 200
// bytes of UTF-8 that can be printed.
func CutUserAgent(s string) string {
	var b strings.Builder
	for _, r := range s {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			r = '?'
		}
		if b.Len()+utf8.RuneLen(r) > maxUserAgent {
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// SessionUse is what a rotation notes.
type SessionUse struct {
	At, IdleUntil     time.Time
	Remote, UserAgent string
}

// SessionsEnd ends the sessions of a user.
type SessionsEnd struct {
	Reason SessionEnd
	At     time.Time
	// Keep is a session that goes on, as one of Version; empty: none does.
	Keep, Version string
}

// Sessions keeps the logins of people. They are of one box, and in no backup: a
// restored older copy would take refresh tokens that were used or revoked
// since, and a thief's would be good again. After a restore people log in again.
//
// Session, SessionOver and ListSessions answer from memory: each request asks.
// What ends is over in memory before the method that ends it returns, also when
// that answers an error because the disk took nothing; it is durable when it
// answers none.
type Sessions interface {
	// CreateSession makes s durable. A user has at most MaxSessions: beyond it
	// the one that was used longest ago ends, in the same step.
	CreateSession(ctx context.Context, s Session) error
	// Session answers one, also one that is over; after some days it is
	// forgotten.
	Session(id string) (Session, bool)
	// SessionOver answers a channel that is closed when the session is ended; it
	// is closed already when there is none. Time alone closes none.
	SessionOver(id string) <-chan struct{}
	// ListSessions answers those of a user that go on, the last used first.
	ListSessions(userID string, now time.Time) []Session
	// RotateSession makes the next generation the good one, and is durable on
	// return. ErrNotFound when there is no such session, or it is over. Any
	// generation but the good one is ErrConflict, and ends the session: of two
	// that present the same, one is let in and the session is over.
	RotateSession(ctx context.Context, id string, generation uint64, u SessionUse) (Session, error)
	// EndSession ends one; one that is over stays as it is.
	EndSession(ctx context.Context, id string, why SessionEnd, at time.Time) error
	// EndSessions ends those of a user and answers how many there were.
	EndSessions(ctx context.Context, userID string, e SessionsEnd) (int, error)
	// SweepSessions forgets what ended some days ago, and what time has ended.
	SweepSessions(ctx context.Context, now time.Time) error
}

// KeyUse is when, and from where, an API key was last used.
type KeyUse struct {
	At     time.Time
	Remote string
}

// KeyUses remembers the last use of each API key, on this box.
type KeyUses interface {
	// NoteKeyUse never waits for the disk, which has a use within a minute.
	NoteKeyUse(id string, u KeyUse)
	KeyUse(id string) (KeyUse, bool)
	// ForgetKey drops what is known of a key that was deleted.
	ForgetKey(id string)
}
