package store

import (
	"errors"
	"fmt"
)

// The sentinels that callers match with errors.Is. An API maps each to one
// status; what wraps them says what was being done.
var (
	ErrNotFound    = errors.New("not found")
	ErrConflict    = errors.New("conflict")
	ErrInvalid     = errors.New("invalid")
	ErrUnavailable = errors.New("unavailable")
	ErrFull        = errors.New("full")
	// ErrUncertain says that a change may have been made, or not: the database
	// went away before it answered. It comes beside another sentinel.
	ErrUncertain = errors.New("uncertain")
)

// Error is a sentinel with what a person needs to act: which object, which
// field, and the way out. Its text may be shown to a client.
type Error struct {
	Kind  error  // one of the sentinels
	Noun  string // "device", "port", …
	ID    string // public id of the object, when there is one
	Field string // the offending field, when there is one
	Msg   string // what is wrong, and the way out
}

func (e *Error) Error() string {
	s := e.Noun
	if e.ID != "" {
		s += fmt.Sprintf(" %q", e.ID)
	}
	if e.Field != "" {
		s += " " + e.Field
	}
	if e.Msg != "" {
		return s + ": " + e.Msg
	}
	return s + ": " + e.Kind.Error()
}

func (e *Error) Unwrap() error { return e.Kind }

// NotFound says that noun id does not exist.
func NotFound(noun, id string) error { return &Error{Kind: ErrNotFound, Noun: noun, ID: id} }

// Invalid says what is wrong with a field of a noun.
func Invalid(noun, field, format string, args ...any) error {
	return &Error{Kind: ErrInvalid, Noun: noun, Field: field, Msg: fmt.Sprintf(format, args...)}
}

// Unavailable says what is away, and what to do until it is back.
func Unavailable(noun, format string, args ...any) error {
	return &Error{Kind: ErrUnavailable, Noun: noun, Msg: fmt.Sprintf(format, args...)}
}

// Conflict says why noun id cannot be as asked.
func Conflict(noun, id, format string, args ...any) error {
	return &Error{Kind: ErrConflict, Noun: noun, ID: id, Msg: fmt.Sprintf(format, args...)}
}
