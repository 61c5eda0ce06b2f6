package ingest

import (
	"strconv"
	"sync"
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

	// replay, when not nil, says which dead letters the message brings back
	// (SourceReplay). Such a message is not counted as received.
	replay *replay

	// size is the length of the payload as received; above len(Payload) when
	// it was cut before the log. Set by Submit and by reading a record.
	size int
	// bytes is about how much memory the message holds until it is stored.
	bytes int
	// count is how many readings the message counts in the ledger: that of
	// decoded, kept in the record. Set by Submit and by reading a record.
	count   int
	seq     uint64
	log     store.LogID
	decoded *decoded
	waiting *sync.Map // Pipeline.waiting; nil for a record that was read back
	pulses  *pulses   // where it is counted
}

// replay is the part of a message that brings dead letters back: the payload
// is the whole original one, ReceivedAt that of the original message.
type replay struct {
	letters       []store.LetterID // the index of each is that of its reading in the payload
	useReceivedAt bool             // take ReceivedAt where the reading's own time is the fault
	zone          string           // IANA name: read times without zone in it; empty: the device's
	location      *time.Location   // of zone, once it was looked up
	unregistered  bool             // nobody was registered when it was received: the ledger counts it there
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
func (m *Message) ID() string { return MessageID(m.log, m.seq) }

// MessageID answers the id of the message at position seq of a log. It is not
// part of the record: 16 random bytes a message would not compress.
func MessageID(log store.LogID, seq uint64) string {
	return log.String() + "-" + strconv.FormatUint(seq, 10)
}

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
