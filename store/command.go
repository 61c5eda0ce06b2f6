package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Command is something that a device is told to do. It is delivered at least
// once while it has not expired: a device passes over an id that it knows.
type Command struct {
	ID        string // see NewCommandID; in order of making
	UID       uint32 // of the device
	OrgID     string
	DeviceID  string
	Name      string          // what to do; has the form of an id
	Params    json.RawMessage // any JSON; nil: none
	State     CommandState
	Actor     string // who asked, as the audit trail names it
	CreatedAt Time
	ExpiresAt Time
	SentAt    Time // when it last went to a connection; 0: never
	AckedAt   Time // when the device's connection acked it; 0: never
	EndedAt   Time // 0: it is open
	Sent      int  // how often it went out
	// Result is what the device answered, any JSON, nil: nothing; it may come
	// after the end. Detail says why it failed or expired.
	Result json.RawMessage
	Detail string
}

// CommandState is how far a command has come. The first three are open: it goes
// on from one to a later one of all. The last three are final.
type CommandState string

// The states.
const (
	CommandQueued  CommandState = "queued"       // waits for the device
	CommandSent    CommandState = "sent"         // is on its way to a connection of the device
	CommandAcked   CommandState = "acknowledged" // a connection of the device has it
	CommandDone    CommandState = "done"         // the device answered ok
	CommandFailed  CommandState = "failed"       // the device answered error, or refused it
	CommandExpired CommandState = "expired"      // its time passed, or it was withdrawn, before the device answered
)

// CommandStates are all of them, in order.
func CommandStates() []CommandState {
	return []CommandState{CommandQueued, CommandSent, CommandAcked, CommandDone, CommandFailed, CommandExpired}
}

// Open reports whether a command may still change.
func (s CommandState) Open() bool {
	return s == CommandQueued || s == CommandSent || s == CommandAcked
}

// Limits of commands.
const (
	MaxCommandBytes  = 64 << 10            // of params, and of a result
	MaxCommandWait   = 30 * 24 * time.Hour // until it expires
	MaxOpenCommands  = 100                 // of a device
	MaxCommands      = 10_000              // open, of all devices
	CommandsKept     = 500                 // ended, of a device; the oldest go first
	commandIDTime    = 10                  // digits
	commandIDChance  = 8                   // digits
	maxCommandDetail = 500                 // bytes
)

// NewCommandID answers an id that sorts behind those of earlier times. Devices
// and people see it; it is no secret.
func NewCommandID(t Time) string {
	ms := strconv.FormatInt(int64(max(t, 0)), 32)
	return strings.Repeat("0", max(0, commandIDTime-len(ms))) + ms + strings.ToLower(rand.Text()[:commandIDChance])
}

// CommandIDTime answers the time within an id; 0 of one that NewCommandID did not
// make.
func CommandIDTime(id string) Time {
	if len(id) != commandIDTime+commandIDChance {
		return 0
	}
	ms, err := strconv.ParseInt(id[:commandIDTime], 32, 64)
	if err != nil {
		return 0
	}
	return Time(ms)
}

// CutCommandDetail answers a text as it may be kept.
func CutCommandDetail(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) > maxCommandDetail {
		text = strings.ToValidUTF8(text[:maxCommandDetail], "")
	}
	return text
}

// Validate reports the first thing that is wrong with c.
func (c *Command) Validate() error {
	switch {
	case !ValidID(c.ID):
		return checkID("command", c.ID)
	case c.UID == 0 || !ValidID(c.OrgID) || !ValidID(c.DeviceID):
		return Invalid("command", "device", "is missing")
	case !ValidID(c.Name):
		return Invalid("command", "name", "%q: must be 1 to 64 characters from A-Z a-z 0-9 . _ : - and begin with a letter or digit", cutName(c.Name))
	case len(c.Params) > MaxCommandBytes:
		return Invalid("command", "params", "have %d bytes, over %d", len(c.Params), MaxCommandBytes)
	case c.Params != nil && !ValidCommandJSON(c.Params):
		return Invalid("command", "params", "are not JSON in UTF-8, nested at most %d deep", maxCommandDepth)
	case c.Result != nil && !ValidCommandJSON(c.Result):
		return Invalid("command", "result", "is not JSON in UTF-8 of at most %d bytes, nested at most %d deep", MaxCommandBytes, maxCommandDepth)
	case c.CreatedAt <= 0 || c.ExpiresAt <= c.CreatedAt:
		return Invalid("command", "expiresAt", "must be after it is made")
	case c.ExpiresAt.Time().Sub(c.CreatedAt.Time()) > MaxCommandWait:
		return Invalid("command", "expiresAt", "is more than %d days away", int(MaxCommandWait.Hours()/24))
	case !c.State.Open() && c.State != CommandDone && c.State != CommandFailed && c.State != CommandExpired:
		return Invalid("command", "state", "%q is unknown", c.State)
	case c.State.Open() != (c.EndedAt == 0):
		return Invalid("command", "state", "%s does not go with the time of its end", c.State)
	}
	return nil
}

func cutName(s string) string { return strings.ToValidUTF8(s[:min(len(s), 100)], "") }

// maxCommandDepth is how deep params and results may be nested.
const maxCommandDepth = 100

// ValidCommandJSON reports whether b may be the params or the result of a
// command: JSON in UTF-8, nested at most 100 deep, of at most MaxCommandBytes.
func ValidCommandJSON(b []byte) bool {
	if len(b) > MaxCommandBytes || !utf8.Valid(b) || !json.Valid(b) {
		return false
	}
	depth, text := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '[' || c == '{':
			if depth++; depth > maxCommandDepth {
				return false
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return true
}

// CommandFilter chooses commands of a device, newest first.
type CommandFilter struct {
	UID   uint32
	State CommandState // empty: all
	After string       // resume behind this id; empty: at the newest
	Limit int          // at least 1
}

// Commands keep commands, also while the database is away.
type Commands interface {
	// PutCommands keeps commands as they are now, all or none. It is durable on
	// return. Beyond CommandsKept the oldest ended ones of a device go. After
	// ErrFull it may be tried again.
	PutCommands(ctx context.Context, commands []Command) error
	// Command answers ErrNotFound for one that the device does not have.
	Command(ctx context.Context, uid uint32, id string) (Command, error)
	ListCommands(ctx context.Context, f CommandFilter) ([]Command, error)
	// OpenCommands answers those of all devices, in order of device and making.
	OpenCommands(ctx context.Context) ([]Command, error)
	// DeleteCommands removes all of a device. It is durable on return.
	DeleteCommands(ctx context.Context, uid uint32) error
}
