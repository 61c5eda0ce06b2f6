package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// NotificationCause is why somebody is told.
type NotificationCause string

// The causes.
const (
	CauseFiring       NotificationCause = "firing"
	CauseResolved     NotificationCause = "resolved"
	CauseRepeat       NotificationCause = "repeat"     // it still fires, and nobody acknowledged
	CauseEscalation   NotificationCause = "escalation" // nobody acknowledged in time
	CauseAcknowledged NotificationCause = "acknowledged"
	CauseTest         NotificationCause = "test"
	CauseResend       NotificationCause = "resend" // somebody asked for it again
)

// NotificationState is where a notification stands.
type NotificationState string

// The states. The last three are final.
const (
	NotificationQueued    NotificationState = "queued"
	NotificationDelivered NotificationState = "delivered" // the receiver has said so
	NotificationDead      NotificationState = "dead"      // refused for good, expired, or too many waited: LastError says which
	NotificationObsolete  NotificationState = "obsolete"  // its channel was deleted or disabled before it was sent
)

// Notification is one thing that one channel is to say of one episode.
type Notification struct {
	ID        string            `json:"id"` // see NotificationID
	OrgID     string            `json:"orgId"`
	ChannelID string            `json:"channelId"`
	Cause     NotificationCause `json:"cause"`
	// Event is the episode as of then; of a test it is made up.
	Event     AlertEvent        `json:"event"`
	State     NotificationState `json:"state"`
	CreatedAt Time              `json:"createdAt"`
	NotBefore Time              `json:"notBefore"` // a digest, a retry
	ExpiresAt Time              `json:"expiresAt"`
	// DeliveryID is of the message that it goes with, given before the first try:
	// several of one device go in one. The receiver gets it as the idempotency key.
	DeliveryID  string `json:"deliveryId,omitempty"`
	Attempts    int    `json:"attempts"`
	LastError   string `json:"lastError,omitempty"`
	DeliveredAt *Time  `json:"deliveredAt,omitempty"`
}

// NotificationID derives an id from what makes a notification the same one, so
// that a replay of the log makes none twice. nth counts those of one episode,
// channel and cause: repeats, flaps.
func NotificationID(eventID, channelID string, c NotificationCause, nth int) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d", eventID, channelID, c, nth))
	return "nt-" + hex.EncodeToString(h[:12])
}

// NotificationFilter chooses notifications; zero fields choose all.
type NotificationFilter struct {
	OrgID     string
	ChannelID string
	EventID   string
	Devices   []string // of these alone, ascending; nil: of all
	States    []NotificationState
	After     string // resume behind the notification with this id
	Limit     int    // at least 1
}
