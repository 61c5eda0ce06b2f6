package live

import "tidegate/store"

// Message is what a device has sent and what became of it, as its inspector
// sees it. Event.Body is its JSON.
type Message struct {
	Topic     string           `json:"topic" doc:"empty: it came over HTTP"`
	Bytes     int              `json:"bytes" doc:"length of the payload"`
	Payload   string           `json:"payload" doc:"the first MessagePayload bytes as text"`
	Truncated bool             `json:"truncated" doc:"the payload is longer"`
	Binary    bool             `json:"binary" doc:"the payload is not UTF-8; what is not is replaced"`
	Readings  []MessageReading `json:"readings" nullable:"false" doc:"the first MessageReadings"`
}

// MessageReading is one reading of a Message.
type MessageReading struct {
	Port            string      `json:"port" doc:"as sent"`
	PortNumber      *uint16     `json:"portNumber,omitempty" doc:"absent: the device has no such port"`
	TS              *store.Time `json:"ts,omitempty" doc:"absent: it could not be read"`
	RawValue        *float64    `json:"rawValue,omitempty"`
	CalibratedValue *float64    `json:"calibratedValue,omitempty"`
	Outcome         string      `json:"outcome" enum:"accepted,rejected"`
	Reason          string      `json:"reason,omitempty" doc:"rejected: as a dead letter has it"`
	Detail          string      `json:"detail,omitempty"`
	Flags           []string    `json:"flags,omitempty"`
}

// Bounds of a Message, which its publisher keeps: they bound what waits for a
// slow watcher.
const (
	MessagePayload  = 4 << 10 // bytes of Payload
	MessageReadings = 200
)
