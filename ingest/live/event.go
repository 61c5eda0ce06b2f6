package live

import (
	"sync/atomic"

	"tidegate/store"
)

// Event is one thing that happened. Nobody changes it any more.
type Event struct {
	Kind     Kind
	OrgID    string
	DeviceID string
	// Reading of KindReading; its DeviceID is DeviceID.
	Reading store.Reading
	At      store.Time // of lifecycle, rejection and message
	Status  string     // lifecycle: online or offline
	Reason  string     // of a disconnect, or of a rejection
	Port    string     // rejection: as sent; empty when it had none
	Line    string     // rejection: cause and fix, one line
	// Alert of KindAlert, as it is after the change.
	Alert *store.AlertEvent
	// Body of KindMessage is the JSON of a Message.
	Body []byte
}

// Kind is what an Event tells.
type Kind uint8

// The kinds.
const (
	KindReading   Kind = iota // a reading was stored, or accepted while the store is away
	KindLifecycle             // a device came or went
	KindRejection             // a reading, a login or a topic was refused
	KindAlert                 // an alarm fired, went on, was taken on, was spoken of or ended
	KindMessage               // a message came, and what became of it; made only while Hub.Wants it
)

// Kinds is a set of kinds.
type Kinds uint8

// AllKinds is every kind, DefaultKinds what a watcher gets that names none.
const (
	DefaultKinds = Kinds(1<<KindReading | 1<<KindLifecycle | 1<<KindRejection)
	AllKinds     = DefaultKinds | 1<<KindAlert | 1<<KindMessage
)

// With answers s with k in it.
func (s Kinds) With(k Kind) Kinds { return s | 1<<k }

// Has reports whether k is in s.
func (s Kinds) Has(k Kind) bool { return s&(1<<k) != 0 }

// Told is an Event with its number. It is shared by all who watch.
type Told struct {
	Event
	Seq uint64

	key  uint32 // of a reading: see keys
	text atomic.Pointer[[]byte]
}

// Text answers what encode makes of the event. It is made once for all watchers,
// as long as they make the same of it.
func (t *Told) Text(encode func(*Event) []byte) []byte {
	if b := t.text.Load(); b != nil {
		return *b
	}
	b := encode(&t.Event)
	t.text.Store(&b) // two at the same time make the same
	return b
}

// weight is about how many bytes the event holds, its text included.
func (t *Told) weight() int {
	const event, text = 320, 192
	n := event + text + len(t.Reason) + len(t.Port) + 2*len(t.Line) + 2*len(t.Body)
	if a := t.Alert; a != nil {
		n += 1024 + 2*len(a.Message)
		for i := range a.Comments {
			n += 128 + 2*len(a.Comments[i].Text)
		}
	}
	return n
}
