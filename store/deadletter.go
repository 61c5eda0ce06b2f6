package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Reason says why a reading was rejected.
type Reason string

// The reasons of dead letters.
const (
	ReasonMalformedJSON   Reason = "malformed_json"
	ReasonInvalidUTF8     Reason = "invalid_utf8"
	ReasonWrongType       Reason = "wrong_type"
	ReasonValueMissing    Reason = "value_missing"
	ReasonValueNotFinite  Reason = "value_not_finite"
	ReasonTSInvalid       Reason = "ts_invalid"
	ReasonTSOutOfRange    Reason = "ts_out_of_range"
	ReasonUnknownDevice   Reason = "unknown_device"
	ReasonUnknownPort     Reason = "unknown_port"
	ReasonConflict        Reason = "conflict"
	ReasonPayloadTooLarge Reason = "payload_too_large"
	ReasonTooManyReadings Reason = "too_many_readings"
	ReasonQuota           Reason = "quota"
)

// LetterID is the identity of a dead letter: the log position of its message
// and the index of the reading within it. A replay of the log makes the same.
type LetterID struct {
	Seq   uint64
	Index uint32
}

func (id LetterID) String() string { return fmt.Sprintf("%d-%d", id.Seq, id.Index) }

// ParseLetterID is the inverse of String.
func ParseLetterID(s string) (LetterID, error) {
	a, b, ok := strings.Cut(s, "-")
	seq, err1 := strconv.ParseUint(a, 10, 64)
	index, err2 := strconv.ParseUint(b, 10, 32)
	if !ok || err1 != nil || err2 != nil {
		return LetterID{}, Invalid("dead letter", "id", "%q is not an id such as 17-0", s)
	}
	return LetterID{seq, uint32(index)}, nil
}

// Rejection is a message of which some readings, or all, became dead letters.
// The payload is kept once.
type Rejection struct {
	Seq        uint64
	ReceivedAt int64 // Unix ms
	// ClockUntrusted says that ReceivedAt is what a clock said that was not
	// to be trusted.
	ClockUntrusted bool
	UID            uint32 // 0: no registered device
	OrgID          string // as addressed
	DeviceID       string // as addressed
	Topic          string
	Source         string // mqtt, http, import, bridge, replay
	Principal      string // who sent it, such as device:d1
	Payload        []byte
	Size           int // bytes of the payload as received; above len(Payload) when it was cut
	Letters        []Letter
}

// Letter is one rejected reading of a Rejection. A letter counts one in the
// ledger, in the hour of ReceivedAt.
type Letter struct {
	Index  uint32
	Reason Reason
	Detail string // what is wrong and the way out, one line
	Port   string // as sent: a number or a name; empty when it had none
}

// Settlement takes back a dead letter that a replay brought into the store, or
// corrects its reason when the replay was rejected again. The letter must have
// been claimed for this position.
type Settlement struct {
	Seq   uint64 // position of the replay's record
	Index uint32 // of the reading within the replay's record
	ID    LetterID
	// Again is why it was rejected again; empty: it is stored now (or was a
	// duplicate), the letter goes, and rejected counts one less in its hour.
	Again  Reason
	Detail string
}

// DeadLetter is a letter with its message, as the outside sees it.
type DeadLetter struct {
	ID         string `json:"id"`
	Reason     Reason `json:"reason"`
	Detail     string `json:"detail"`
	OrgID      string `json:"orgId"`
	DeviceID   string `json:"deviceId"`
	Port       string `json:"port,omitempty"`
	Topic      string `json:"topic"`
	Source     string `json:"source"`
	Principal  string `json:"principal"`
	Payload    string `json:"payload"` // invalid UTF-8 replaced
	Size       int    `json:"payloadBytes"`
	ReceivedAt Time   `json:"receivedAt"`
	// What a replay needs to know of the message.
	ClockUntrusted bool   `json:"-"`
	UID            uint32 `json:"-"` // 0: no registered device
}

// LetterPreviewBytes is the most of a payload that a list shows, so that a page
// of letters stays small whatever was sent.
const LetterPreviewBytes = 4 << 10

// LetterFilter chooses dead letters; zero fields choose all.
type LetterFilter struct {
	OrgID    string
	DeviceID string
	Devices  []string // of these alone, ascending; nil: of all
	Reason   Reason
	From, To int64     // receivedAt, Unix ms; To 0 is open
	After    *LetterID // resume behind this letter
	Limit    int       // at least 1
}

// DeadLetters answers and deletes what was rejected. What Reject was told is
// seen at once.
type DeadLetters interface {
	// ListDeadLetters answers newest first: in descending order of id. A
	// payload above LetterPreviewBytes is cut there; DeadLetter has the whole.
	ListDeadLetters(ctx context.Context, f LetterFilter) ([]DeadLetter, error)
	// CountChosen answers how many letters f chooses. It stops at f.Limit, and
	// when it has looked at so many that it would take long; more says then that
	// there are others, or may be. By reason alone, or of all, it is exact,
	// whatever f.Limit. f.After is not heeded.
	CountChosen(ctx context.Context, f LetterFilter) (n int64, more bool, err error)
	DeadLetter(ctx context.Context, id LetterID) (DeadLetter, []byte, error) // with the payload's bytes
	// DeleteDeadLetters deletes the letters and answers how many there were.
	// It changes no count of the ledger.
	DeleteDeadLetters(ctx context.Context, ids []LetterID) (int, error)
	// CountDeadLetters answers how many letters are kept, by reason.
	CountDeadLetters(ctx context.Context) (map[Reason]int64, error)
}

// State is the local memory of the writer: dead letters, the count of the
// rejected, presence, comings and goings. It lives beside either store.
//
// It is a Follower: Reject moves the position, Flush makes it durable.
type State interface {
	Follower
	DeadLetters
	Lifecycles
	// Reject takes the verdicts of all records up to and including through, in
	// log order. What has a Seq at or below Applied is skipped. It is visible
	// at once and durable after Flush; it may begin one by itself.
	Reject(ctx context.Context, through uint64, r []Rejection, s []Settlement) error
	// Claim reports whether reading index of the replay at position seq is the
	// one that brings the letter back. It is not when the letter was settled by
	// another replay, deleted, or dropped by its limit before: then the reading
	// must be left out (neither stored, nor counted, nor settled). A claimed
	// letter may be deleted; its settlement moves the count all the same.
	// Before it is asked, Reject must have been told of everything below seq.
	// On a replay of the log it answers what it did the first time.
	Claim(ctx context.Context, seq uint64, index uint32, id LetterID) (bool, error)
	// Rejected reports whether the reading was rejected, for positions at or
	// below Applied that the log still holds: on a replay the verdict of the
	// first time stands, whatever the catalogue says now.
	Rejected(seq uint64, index uint32) bool
	// Flush makes durable what Reject, SetPresence and AddLifecycle were told. seriesApplied
	// is the position that the store of readings has applied: verdicts at or
	// below it need not be remembered any more.
	Flush(ctx context.Context, seriesApplied uint64) error
	// RejectedTotal answers all readings rejected and not brought back.
	RejectedTotal(ctx context.Context) (uint64, error)
	// RejectedHours adds its counts for fromHour <= hour < toHour.
	RejectedHours(ctx context.Context, fromHour, toHour int64, into HourCounts) error
	SetPresence(uid uint32, p Presence)
	// AllPresence answers what was last known of each device.
	AllPresence(ctx context.Context) (map[uint32]Presence, error)
	Close() error
}
