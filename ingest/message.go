package ingest

import (
	"time"

	"tidegate/store"
)

// Source says through which door a message came.
type Source uint8

// The doors.
const (
	SourceMQTT Source = iota
	SourceHTTP
	SourceImport
	SourceBridge
	SourceReplay
)

var sourceNames = [...]string{"mqtt", "http", "import", "bridge", "replay"}

func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return "unknown"
}

// Limits of a message.
const (
	MaxPayloadBytes = 1 << 20  // above it a message is one dead letter
	MaxPacketBytes  = 16 << 20 // above it the broker closes the connection
	MaxReadings     = 10_000   // above it a message is one dead letter
	KeptBytes       = 4 << 10  // of a payload that is too large
)

// Message is one telemetry message on its way into the log. Every door makes
// one and hands it to Pipeline.Submit; from then on it belongs to the
// pipeline.
type Message struct {
	Source    Source
	Principal string // who sent it: device:d1, apikey:k1, user:…, uid:0
	// UID is the registered device that it speaks for; 0 when there is none.
	UID      uint32
	OrgID    string // as addressed
	DeviceID string // as addressed
	Topic    string // empty: the canonical telemetry topic of OrgID and DeviceID
	Payload  []byte // not changed by anyone any more
	// AnyTime lifts the window of accepted times (import).
	AnyTime bool
	// Droppable says that nobody waits for an ack (QoS 0): it is shed first.
	Droppable bool

	// ReceivedAt (Unix ms) and ClockUntrusted are set by Submit.
	ReceivedAt     int64
	ClockUntrusted bool

	// Ack, when not nil, is told once: nil after the fsync, or why there will
	// be none. It must not block. Token is the acker's own (a packet id).
	Ack   Acker
	Token uint64
	// Done, when not nil, is called once after processing, in order. It must
	// not block, and must not keep r.
	Done func(r *Result)

	// replays are the dead letters that the readings of this message stand
	// for, by index (SourceReplay). Such a message is not counted as received.
	replays []store.LetterID

	id      string
	decoded *decoded
}

// Acker learns that a message is on disk.
type Acker interface {
	Acked(m *Message, err error)
}

// AckFunc is an Acker made of a function.
type AckFunc func(err error)

// Acked implements Acker.
func (f AckFunc) Acked(_ *Message, err error) { f(err) }

// ID answers the message's id: the log's UUID and the position, known once it
// is acked.
func (m *Message) ID() string { return m.id }

// Result is what became of the readings of a message.
type Result struct {
	Message   *Message
	Seq       uint64 // log position
	Stored    int
	Duplicate int
	Rejected  []store.Letter
}

// TelemetryTopic answers org/{org}/device/{device}/telemetry.
func TelemetryTopic(org, device string) string {
	return "org/" + org + "/device/" + device + "/telemetry"
}

// Clock tells the time; the tests bring their own.
type Clock func() time.Time
