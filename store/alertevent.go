package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// AlertState is where an episode stands. A condition that holds but has not
// lasted long enough is no episode yet.
type AlertState string

// The states of an episode, in the order in which it goes through them.
const (
	AlertFiring     AlertState = "firing"
	AlertRecovering AlertState = "recovering" // the condition is over, but not for long enough
	AlertResolved   AlertState = "resolved"
)

// AlertEnd says why an episode is over.
type AlertEnd string

// The ends.
const (
	EndCleared       AlertEnd = "cleared"  // by the readings
	EndRuleChanged   AlertEnd = "rule"     // the rule was changed, disabled or deleted, or watches the port no more
	EndDeviceGone    AlertEnd = "device"   // the device or the port was deleted or retired
	EndOutsideOfPlan AlertEnd = "schedule" // the rule's active hours are over
)

// AlertEvent is one episode: a rule's condition held at a port, from StartedAt
// on, for long enough to fire. At most one of a rule and port is not resolved.
// Times are the readings': for a deadline that passed, the deadline.
type AlertEvent struct {
	ID         string            `json:"id"` // see AlertEventID
	RuleID     string            `json:"ruleId"`
	RuleName   string            `json:"ruleName"`
	Revision   uint64            `json:"ruleRevision"` // of the rule that fired
	OrgID      string            `json:"orgId"`
	DeviceID   string            `json:"deviceId"`
	UID        uint32            `json:"-"`
	PortNumber uint16            `json:"portNumber"`
	PortName   string            `json:"portName,omitempty"`
	Unit       string            `json:"unit,omitempty"`
	Kind       ConditionKind     `json:"kind"`
	Severity   Severity          `json:"severity"`
	Labels     map[string]string `json:"labels,omitempty"`
	State      AlertState        `json:"state"`
	StartedAt  Time              `json:"startedAt"`            // the condition began to hold
	FiredAt    Time              `json:"triggeredAt"`          // and had lasted long enough
	ResolvedAt *Time             `json:"resolvedAt,omitempty"` // absent: it goes on
	End        AlertEnd          `json:"end,omitempty"`        // why it is resolved
	// First, Worst and Last are calibrated values while the condition held; of
	// no_data Worst is the seconds of silence so far and the others are absent.
	First   *float64 `json:"first,omitempty"`
	Worst   *float64 `json:"worst,omitempty"`
	WorstAt *Time    `json:"worstAt,omitempty"`
	Last    *float64 `json:"last,omitempty"`
	Flaps   int      `json:"flaps,omitempty"` // how often it began again; see AlertRule.JoinWithin
	Message string   `json:"message"`         // as of its last change
	// Silenced is the id of the silence that keeps it quiet; empty: none.
	Silenced     string           `json:"silencedBy,omitempty"`
	Acknowledged *Acknowledgement `json:"acknowledged,omitempty"`
	Escalated    bool             `json:"escalated,omitempty"`
	Comments     []Comment        `json:"comments,omitempty"`
	// Position is the log position of the last change, for the idempotence of a
	// replay.
	Position uint64 `json:"-"`
}

// Acknowledgement says who has taken an episode on.
type Acknowledgement struct {
	By      string `json:"by"` // the actor's name
	At      Time   `json:"at"`
	Comment string `json:"comment,omitempty"`
}

// Comment is what somebody said of an episode.
type Comment struct {
	By   string `json:"by"`
	At   Time   `json:"at"`
	Text string `json:"text"`
}

// Open reports whether the episode goes on.
func (e *AlertEvent) Open() bool { return e.State != AlertResolved }

// AlertEventID derives an episode's id from rule, port and start, so that a
// replay of the log makes the same. Ids sort by start.
func AlertEventID(ruleID string, s Series, startedAt int64) string {
	h := sha256.New()
	h.Write([]byte(ruleID))
	var b [15]byte
	binary.BigEndian.PutUint32(b[1:], s.UID)
	binary.BigEndian.PutUint16(b[5:], s.Port)
	binary.BigEndian.PutUint64(b[7:], uint64(startedAt))
	h.Write(b[:])
	return AlertEventIDPrefix(startedAt) + hex.EncodeToString(h.Sum(nil)[:6])
}

// AlertEventIDPrefix answers what the ids of the episodes begin with that began
// at startedAt, Unix ms.
func AlertEventIDPrefix(startedAt int64) string {
	// Seven bytes last for a million years before and after 1970. Times before
	// sort too: the highest bit that is left is turned.
	return "ev-" + hex.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(startedAt)^1<<55)[1:])
}

// AlertEventFilter chooses episodes; zero fields choose all.
type AlertEventFilter struct {
	OrgID        string
	DeviceID     string
	Devices      []string // of these alone, ascending; nil: of all
	RuleID       string
	States       []AlertState
	Severity     Severity
	Acknowledged *bool
	From, To     int64 // StartedAt, Unix ms; 0 is open
	// After resumes behind the episode with this id. Order: newest first, by id.
	After string
	Limit int // at least 1
}
