package store

import "encoding/hex"

// LogID is the UUID of a log. Every file that applies a log keeps its id.
type LogID [16]byte

func (id LogID) String() string { return hex.EncodeToString(id[:]) }

// ParseLogID is the inverse of String.
func ParseLogID(s string) (id LogID, ok bool) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, false
	}
	return LogID(b), true
}

// Bounds is what a log can still say: records After < seq <= Head. Seq 0 is
// before the first record.
type Bounds struct {
	Log   LogID
	After uint64 // everything up to here has been trimmed
	Head  uint64 // the newest record
}

// Follower is whatever applies a log: it keeps, in the same transaction as its
// data, the position that it has applied.
type Follower interface {
	// Bind tells a freshly opened follower which log it follows. It is an
	// error that names the file and the way out when the follower has applied
	// another log, has applied more than the log holds, or has applied less
	// than the log has trimmed. A follower that is new takes the log as its
	// own, if the log has trimmed nothing.
	Bind(b Bounds) error
	// Applied is the last log position whose effect is durable.
	Applied() uint64
}
